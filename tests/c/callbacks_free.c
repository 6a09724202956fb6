/* Callbacks that free, stop and wait for one another's servers and clients: whatever they do to each other at the same time,
 * none of them waits for another, and all come to an end. */
#include "server.h"

/* One of two sides that meet: both callbacks are running when either does what it is there for. */
struct side {
    struct client_record record;
    pthread_barrier_t *meeting;
    void (*act)(struct side *side);
    ws_server *server, *other_server;
    ws_client *other_client;
    int status;
};

static void act(struct side *side)
{
    pthread_barrier_wait(side->meeting);
    side->act(side);
    pthread_barrier_wait(side->meeting); /* nobody has left before both have done it */
    note(&side->record.base, &side->record.ends);
}

static void client_acts(ws_client *client, const void *data, size_t length, int opcode, void *user_data)
{
    (void)client, (void)data, (void)length, (void)opcode;
    act(user_data);
}

static void server_acts(ws_server *server, ws_conn conn, const void *data, size_t length, int opcode, void *user_data)
{
    (void)server, (void)conn, (void)data, (void)length, (void)opcode;
    act(user_data);
}

static void free_client(struct side *side)
{
    side->status = ws_client_free(side->other_client);
}

static void free_server(struct side *side)
{
    side->status = ws_server_free(side->other_server);
}

static void stop_server(struct side *side)
{
    side->status = ws_server_stop(side->other_server, 5000);
}

static void wait_for_client(struct side *side)
{
    side->status = ws_client_wait(side->other_client);
}

static void wait_for_server(struct side *side)
{
    CHECK_STATUS(WS_ERR_IN_CALLBACK, ws_server_run(side->other_server));
    side->status = ws_server_wait(side->other_server);
}

/* A client that has a thread of its own, for its options are like no other's. */
static ws_client *client_apart(const struct listener *listener, struct side *side, const char *option)
{
    ws_client *client = ws_client_new(listener->url);
    CHECK(client != NULL);
    CHECK_OK(ws_client_set(client, "max_message_size", option));
    CHECK_OK(ws_client_on_message(client, client_acts, side));
    CHECK_OK(ws_client_start(client));
    return client;
}

static ws_server *server_apart(struct side *side)
{
    side->server = new_server();
    CHECK_OK(ws_server_on_message(side->server, server_acts, side));
    return side->server;
}

#define BOTH_ENDED(sides)                                                                                              \
    do {                                                                                                               \
        WAIT_CLIENT(&(sides)[0].record, ends, 1);                                                                      \
        WAIT_CLIENT(&(sides)[1].record, ends, 1);                                                                      \
    } while (0)

#define MEETING(sides)                                                                                                 \
    pthread_barrier_t meeting;                                                                                         \
    struct side sides[2] = {{.record = CLIENT_RECORD, .meeting = &meeting}, {.record = CLIENT_RECORD, .meeting = &meeting}}; \
    CHECK_INT(0, pthread_barrier_init(&meeting, NULL, 2))

static void two_clients(const struct listener *listener, void (*doing)(struct side *), int expected)
{
    MEETING(sides);
    ws_client *clients[2];
    int fds[2];
    for (int i = 0; i < 2; i++) {
        sides[i].act = doing;
        clients[i] = client_apart(listener, &sides[i], i == 0 ? "101K" : "102K");
        sides[1 - i].other_client = clients[i];
        fds[i] = OPEN_NEXT(listener);
    }
    for (int i = 0; i < 2; i++)
        send_to_client(fds[i], "now");
    BOTH_ENDED(sides);
    for (int i = 0; i < 2; i++) {
        CHECK_STATUS(expected, sides[i].status);
        if (expected == WS_OK)
            EXPECT_CUT(fds[i]);
        CHECK_STATUS(expected == WS_OK ? WS_ERR_HANDLE : WS_OK, ws_client_free(clients[i]));
        close(fds[i]);
    }
    pthread_barrier_destroy(&meeting);
}

static void two_servers(void (*doing)(struct side *), int expected)
{
    MEETING(sides);
    int fds[2];
    for (int i = 0; i < 2; i++) {
        sides[i].act = doing;
        sides[1 - i].other_server = server_apart(&sides[i]);
        fds[i] = client_open(start(sides[i].server));
    }
    for (int i = 0; i < 2; i++)
        send_message(fds[i], "now");
    BOTH_ENDED(sides);
    for (int i = 0; i < 2; i++) {
        CHECK_STATUS(expected, sides[i].status);
        if (doing == stop_server) {
            EXPECT_CLOSE(fds[i], 1001);
            send_close(fds[i], 1001, "");
            EXPECT_END(fds[i]);
            CHECK_OK(ws_server_wait(sides[i].server));
        } else if (doing == free_server) {
            EXPECT_CUT(fds[i]);
        }
        CHECK_STATUS(doing == free_server ? WS_ERR_HANDLE : WS_OK, ws_server_free(sides[i].server));
        close(fds[i]);
    }
    pthread_barrier_destroy(&meeting);
}

static void a_server_and_a_client(const struct listener *listener, void (*to_client)(struct side *),
                                  void (*to_server)(struct side *), int expected)
{
    MEETING(sides);
    ws_server *server = server_apart(&sides[0]);
    int fd = client_open(start(server));
    ws_client *client = client_apart(listener, &sides[1], "103K");
    int behind = OPEN_NEXT(listener);
    sides[0].act = to_client, sides[0].other_client = client;
    sides[1].act = to_server, sides[1].other_server = server;
    send_message(fd, "now");
    send_to_client(behind, "now");
    BOTH_ENDED(sides);
    CHECK_STATUS(expected, sides[0].status);
    CHECK_STATUS(to_server == stop_server ? WS_OK : expected, sides[1].status);
    CHECK_STATUS(to_client == free_client ? WS_ERR_HANDLE : WS_OK, ws_client_free(client));
    CHECK_STATUS(to_server == free_server ? WS_ERR_HANDLE : WS_OK, ws_server_free(server));
    EXPECT_CUT(fd);
    EXPECT_CUT(behind);
    pthread_barrier_destroy(&meeting);
}

/* ---- what was freed inside a callback is heard no more ------------------------------------------------------------ */

struct silence {
    struct record record;
    ws_server *freed;
    int closes;
};

static void frees_the_other(ws_server *server, ws_conn conn, const void *data, size_t length, int opcode, void *user_data)
{
    struct silence *silence = user_data;
    (void)server, (void)conn, (void)data, (void)length, (void)opcode;
    CHECK_OK(ws_server_free(silence->freed));
    CHECK_STATUS(WS_ERR_HANDLE, ws_server_free(silence->freed));
    CHECK_STATUS(WS_ERR_HANDLE, ws_broadcast(silence->freed, "x", 1, WS_TEXT));
    note(&silence->record, &silence->record.messages);
}

static void count_close(ws_server *server, ws_conn conn, int code, const void *reason, size_t length, void *user_data)
{
    struct silence *silence = user_data;
    (void)server, (void)conn, (void)code, (void)reason, (void)length;
    note(&silence->record, &silence->closes);
}

static void no_callback_begins_after_that(void)
{
    struct silence silence = {.record = RECORD};
    ws_server *server = new_server();
    CHECK_OK(ws_server_on_message(server, frees_the_other, &silence));
    silence.freed = new_server();
    CHECK_OK(ws_server_on_close(silence.freed, count_close, &silence));
    int port = start(silence.freed), there = client_open(port), fd = client_open(start(server));
    send_message(fd, "free it");
    WAIT_FOR(&silence.record, messages, 1);
    EXPECT_CUT(there);
    while (!refuses(port))
        give_way();
    CHECK_INT(0, count_of(&silence.record, &silence.closes));
    stop_and_free(server);
    close(fd);
}

/* A relay whose clients come and go by the callbacks of its server, while they are busy. */
struct line {
    ws_client *client;
    ws_conn browser;
};

static struct line lines[64];
static ws_server *front;
static char upstream_url[64];

static void comes_back(ws_client *client, const void *data, size_t length, int opcode, void *user_data)
{
    struct line *line = user_data;
    (void)client;
    int status = ws_push(front, line->browser, data, length, opcode);
    CHECK(status == WS_OK || status == WS_ERR_CLOSED);
}

static struct line *line_of(ws_conn conn)
{
    return &lines[conn % 64];
}

static void browser_opens(ws_server *server, ws_conn conn, const ws_request *request, void *user_data)
{
    struct line *line = line_of(conn);
    (void)server, (void)request, (void)user_data;
    line->client = ws_client_new(upstream_url);
    line->browser = conn;
    CHECK_OK(ws_client_on_message(line->client, comes_back, line));
    CHECK_OK(ws_client_set(line->client, "max_offline_bytes", "64K"));
    CHECK_OK(ws_client_start(line->client));
}

static void browser_says(ws_server *server, ws_conn conn, const void *data, size_t length, int opcode, void *user_data)
{
    (void)server, (void)user_data;
    for (int i = 0; i < 20; i++)
        CHECK_OK(ws_client_push(line_of(conn)->client, data, length, opcode));
}

static void browser_leaves(ws_server *server, ws_conn conn, int code, const void *reason, size_t length, void *user_data)
{
    struct record *record = user_data;
    (void)server, (void)code, (void)reason, (void)length;
    CHECK_OK(ws_client_free(line_of(conn)->client));
    note(record, &record->closes);
}

static void a_relay_under_load(void)
{
    struct record upstream_record = RECORD, record = RECORD;
    int rounds = scaled(200, 10);
    ws_server *upstream = recorded_server(&upstream_record, echo_message);
    snprintf(upstream_url, sizeof upstream_url, "ws://127.0.0.1:%d/", start(upstream));
    front = new_server();
    CHECK_OK(ws_server_on_open(front, browser_opens, NULL));
    CHECK_OK(ws_server_on_message(front, browser_says, NULL));
    CHECK_OK(ws_server_on_close(front, browser_leaves, &record));
    int port = start(front);
    for (int i = 0; i < rounds; i++) {
        int fd = client_open(port);
        send_message(fd, "hello");
        EXPECT_MESSAGE(fd, "hello"); /* one of twenty: the others are on their way */
        reset(fd);
    }
    WAIT_FOR(&record, closes, rounds);
    stop_and_free(front);
    stop_and_free(upstream);
}

/* A server that is polled, by a host that waits for it, is freed in a callback: the poll ends. */
static void *poll_to_the_end(void *server)
{
    const ws_event *events;
    int status = ws_server_poll(server, &events, -1);
    CHECK(status == WS_ERR_STOPPED || status == WS_ERR_HANDLE);
    return NULL;
}

static void a_polled_server(void)
{
    struct silence silence = {.record = RECORD};
    ws_server *server = new_server();
    CHECK_OK(ws_server_on_message(server, frees_the_other, &silence));
    int fd = client_open(start(server));
    silence.freed = new_server();
    start(silence.freed);
    pthread_t thread = spawn(poll_to_the_end, silence.freed);
    send_message(fd, "free it");
    WAIT_FOR(&silence.record, messages, 1);
    join(thread);
    stop_and_free(server);
    close(fd);
}

int main(void)
{
    begin();
    struct listener listener = new_listener();
    for (int i = 0; i < scaled(20, 2); i++) {
        two_clients(&listener, free_client, WS_OK);
        two_servers(free_server, WS_OK);
        two_servers(stop_server, WS_OK);
        a_server_and_a_client(&listener, free_client, free_server, WS_OK);
        a_server_and_a_client(&listener, free_client, stop_server, WS_OK);
    }
    two_clients(&listener, wait_for_client, WS_ERR_IN_CALLBACK);
    two_servers(wait_for_server, WS_ERR_IN_CALLBACK);
    a_server_and_a_client(&listener, wait_for_client, wait_for_server, WS_ERR_IN_CALLBACK);
    no_callback_begins_after_that();
    a_polled_server();
    a_relay_under_load();
    close(listener.fd);
    return 0;
}
