/* The option max_total_queued_bytes: what waits for all connections together is bounded. Those who do not read pay for it, those
 * who read get everything, and once the others are gone all is as before. */
#include "harness.h"

#include <sys/un.h>

enum { STALLED = 100, READERS = 5, LENGTH = 20000, SHORT = 1000, SHARE = 64 * 1024, BUDGET = 8 * 1024 * 1024 };

static char directory[] = "/tmp/wspush-test-XXXXXX", path[sizeof directory + 16], host[sizeof path + 8];

struct scene {
    int poll_mode;
    struct record record;
    struct poller poller; /* in poll mode */
    ws_server *server;
    int stalled[STALLED], readers[READERS];
    int sent;
    uint64_t most; /* that has waited */
};

static size_t response_length;

static void respond(ws_server *server, ws_conn conn, const ws_request *request, void *user_data)
{
    static char body[1024 * 1024];
    CHECK(request != NULL && user_data == NULL);
    CHECK_OK(ws_respond(server, conn, 200, "", body, response_length));
}

/* Over a Unix socket, of which the kernel holds little. */
static int connect_path(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, strlen(path) + 1);
    return client_of((struct sockaddr *)&address, sizeof address);
}

/* The ids count from 1 in the order of the calls. */
static int open_next(struct scene *scene, int number)
{
    int fd = connect_path();
    send_upgrade(fd, "/");
    expect_upgrade(fd);
    if (scene->poll_mode)
        CHECK_INT(number, EXPECT_EVENT(&scene->poller, WS_EVENT_OPEN)->conn);
    else
        WAIT_FOR(&scene->record, opens, number);
    CHECK_OK(ws_subscribe(scene->server, (ws_conn)number, "news"));
    return fd;
}

static void set_up(struct scene *scene, int poll_mode, const char *policy)
{
    *scene = (struct scene){.poll_mode = poll_mode, .record = RECORD};
    scene->server = poll_mode ? new_server() : recorded_server(&scene->record, record_message);
    if (!poll_mode)
        CHECK_OK(ws_server_on_request(scene->server, respond, NULL));
    scene->poller.server = scene->server;
    CHECK_OK(ws_server_set(scene->server, "max_total_queued_bytes", "8M"));
    CHECK_OK(ws_server_set(scene->server, "slow_client", policy));
    CHECK_OK(ws_server_set(scene->server, "close_timeout", "200ms"));
    CHECK_OK(ws_server_listen(scene->server, host, 0));
    CHECK_OK(ws_server_start(scene->server));
    for (int i = 0; i < STALLED; i++)
        scene->stalled[i] = open_next(scene, i + 1);
    for (int i = 0; i < READERS; i++)
        scene->readers[i] = open_next(scene, STALLED + i + 1);
}

/* Long messages, which are shared, and short ones, which are copied. */
static size_t numbered(unsigned char *message, int number)
{
    memset(message, number % 251, LENGTH);
    memcpy(message, &number, sizeof number);
    return number % 5 == 0 ? SHORT : LENGTH;
}

static void publish(struct scene *scene)
{
    static unsigned char message[LENGTH];
    size_t length = numbered(message, scene->sent++);
    CHECK(ws_publish(scene->server, "news", message, length, WS_BINARY, 0) >= READERS);
    for (int i = 0; i < READERS; i++)
        EXPECT_FRAME(scene->readers[i], FIN | BINARY, message, length);
    ws_stats stats = STATS_WHEN(scene->server, command_bytes, 0); /* it is carried out for all */
    if (stats.queued_bytes > scene->most)
        scene->most = stats.queued_bytes;
    /* A share and a message for each beyond it. */
    CHECK(scene->most <= BUDGET + STALLED * (SHARE + LENGTH));
}

/* Until nobody who stalls takes anything more, by whichever counter. */
static void publish_until_full(struct scene *scene)
{
    for (uint64_t count = 0; count < 2 * STALLED; count = stats_of(scene->server).total_queued_refusals) {
        CHECK(scene->sent < 1000);
        publish(scene);
    }
    CHECK(scene->most >= BUDGET);
}

static void expect_drain(struct scene *scene, ws_conn conn)
{
    if (scene->poll_mode) {
        while (scene->poller.next < scene->poller.count || (scene->poller.count = 0, scene->poller.next = 0, 1)) {
            if (scene->poller.count == 0) {
                scene->poller.count = ws_server_poll(scene->server, &scene->poller.events, scaled(10000, 60000));
                CHECK(scene->poller.count > 0);
            }
            const ws_event *event = &scene->poller.events[scene->poller.next++];
            if (event->type == WS_EVENT_DRAIN) {
                CHECK_INT(conn, event->conn);
                return;
            }
            CHECK_INT(WS_EVENT_CLOSE, event->type);
        }
    } else {
        WAIT_FOR(&scene->record, drains, 1);
    }
}

static void tear_down(struct scene *scene)
{
    stop_and_free(scene->server);
    for (int i = 0; i < READERS; i++)
        close(scene->readers[i]);
}

/* refuse, drop: the messages are left out; and after the last share of the budget is free again, a refused push is followed by a
 * drain though its own connection has read nothing. */
static void left_out(int poll_mode, const char *policy)
{
    static unsigned char message[LENGTH];
    struct scene scene;
    set_up(&scene, poll_mode, policy);
    publish_until_full(&scene);
    int refuses = strcmp(policy, "refuse") == 0;
    ws_stats stats = stats_of(scene.server);
    CHECK_INT(stats.total_queued_refusals, refuses ? stats.pushes_refused : stats.messages_dropped);
    CHECK_INT(stats.outbox_bytes, stats.queued_bytes);

    if (refuses) {
        CHECK_STATUS(WS_ERR_QUEUE_FULL, ws_push(scene.server, 1, message, LENGTH, WS_BINARY));
        CHECK_CONTAINS("max_total_queued_bytes", ws_last_error());
    } else {
        CHECK_OK(ws_push(scene.server, 1, message, LENGTH, WS_BINARY));
    }
    STATS_WHEN(scene.server, total_queued_refusals, stats.total_queued_refusals + 1);
    CHECK_OK(ws_push(scene.server, STALLED + 1, "to you", 6, WS_TEXT));
    EXPECT_MESSAGE(scene.readers[0], "to you");

    for (int i = 1; i < STALLED; i++)
        close(scene.stalled[i]);
    STATS_WHEN(scene.server, connections_open, 1 + READERS);
    expect_drain(&scene, 1);
    stats = stats_of(scene.server);
    CHECK(stats.outbox_bytes < BUDGET / STALLED * 2 && stats.outbox_bytes == stats.queued_bytes);
    for (int i = 0; i < 100; i++) /* two megabytes more for the one that stalls, as before */
        publish(&scene);
    CHECK_INT(stats.total_queued_refusals, stats_of(scene.server).total_queued_refusals);
    CHECK(stats_of(scene.server).outbox_bytes > stats.outbox_bytes + 80 * SHORT);
    close(scene.stalled[0]);
    STATS_WHEN(scene.server, outbox_bytes, 0);
    publish(&scene);
    tear_down(&scene);
}

/* close_1008, close_1013: those who stall are closed, and what waited for them is free. */
static void closed(int poll_mode, const char *policy)
{
    struct scene scene;
    set_up(&scene, poll_mode, policy);
    while (stats_of(scene.server).slow_clients_closed == 0) {
        CHECK(scene.sent < 1000);
        publish(&scene);
    }
    /* Those whose share it was beyond are enough for the others to have room. */
    ws_stats stats = stats_of(scene.server);
    CHECK_INT(stats.total_queued_refusals, stats.slow_clients_closed);
    CHECK(stats.slow_clients_closed < STALLED);
    STATS_WHEN(scene.server, connections_open, STALLED + READERS - stats.slow_clients_closed);
    for (int i = 0; i < 20; i++)
        publish(&scene);
    for (int i = 0; i < STALLED; i++)
        close(scene.stalled[i]);
    STATS_WHEN(scene.server, outbox_bytes, 0);
    publish(&scene);
    tear_down(&scene);
}

/* A plain request with a long response gets 503 meanwhile, one with a short response is served. */
static void responses(void)
{
    struct scene scene;
    char head[1024];
    set_up(&scene, 0, "refuse");
    publish_until_full(&scene);
    const size_t lengths[] = {1024 * 1024, 1000};
    const char *const expected[] = {"HTTP/1.1 503", "HTTP/1.1 200"};
    for (int i = 0; i < 2; i++) {
        int fd = connect_path();
        response_length = lengths[i];
        send_text(fd, "GET / HTTP/1.1\r\nHost: here\r\n\r\n");
        receive_head(fd, head, sizeof head);
        CHECK_CONTAINS(expected[i], head);
        close(fd);
    }
    CHECK_INT(1, stats_of(scene.server).refused_503);
    for (int i = 0; i < STALLED; i++)
        close(scene.stalled[i]);
    STATS_WHEN(scene.server, outbox_bytes, 0);
    int fd = connect_path();
    response_length = lengths[0];
    send_text(fd, "GET / HTTP/1.1\r\nHost: here\r\n\r\n");
    receive_head(fd, head, sizeof head);
    CHECK_CONTAINS("HTTP/1.1 200", head);
    close(fd);
    tear_down(&scene);
}

int main(void)
{
    begin();
    CHECK(mkdtemp(directory) != NULL);
    snprintf(path, sizeof path, "%s/socket", directory);
    snprintf(host, sizeof host, "unix:%s", path);
    for (int poll_mode = 0; poll_mode < 2; poll_mode++) {
        left_out(poll_mode, "refuse");
        left_out(poll_mode, "drop");
        closed(poll_mode, "close_1008");
        closed(poll_mode, "close_1013");
    }
    responses();
    CHECK_INT(0, rmdir(directory));
    return 0;
}
