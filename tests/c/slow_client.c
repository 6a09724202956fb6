/* The option slow_client: what becomes of messages for a client that does not read, however they come, while the others get
 * each of theirs. */
#include "harness.h"

enum { CHUNK = 64 * 1024, OTHERS = 3, MANY = 4000 };

/* From a thread of its own; from a callback for another connection, or by the thread that works on a batch; to all; to all
 * on a topic. */
enum way { PUSH, CALLBACK, BROADCAST, PUBLISH, WAYS };

/* A server with one client that does not read and some that do. Numbered messages go out in one of the ways. */
struct scene {
    enum way way;
    int poll_mode;
    struct record record;
    struct poller poller; /* in poll mode */
    ws_server *server;
    ws_conn slow;
    int fd, others[OTHERS];
    int sent;    /* messages that went out */
    int last;    /* what the last call gave */
    int accepted[MANY], count; /* those that the slow client is to get */
};

static void numbered(unsigned char *chunk, int number)
{
    memset(chunk, number % 251, CHUNK);
    memcpy(chunk, &number, sizeof number);
}

static void *push_next(void *argument)
{
    static unsigned char chunk[CHUNK];
    struct scene *scene = argument;
    numbered(chunk, scene->sent);
    scene->last = ws_push(scene->server, scene->slow, chunk, CHUNK, WS_BINARY);
    return NULL;
}

static void push_from_callback(ws_server *server, ws_conn conn, const void *data, size_t length, int opcode,
                               void *user_data)
{
    struct scene *scene = user_data;
    push_next(scene);
    record_message(server, conn, data, length, opcode, &scene->record);
}

static void set_up(struct scene *scene, enum way way, int poll_mode, const char *policy)
{
    struct poller *poller = &scene->poller;
    *scene = (struct scene){.way = way, .poll_mode = poll_mode, .record = RECORD};
    scene->server = poll_mode ? new_server() : recorded_server(&scene->record, record_message);
    if (!poll_mode)
        CHECK_OK(ws_server_on_message(scene->server, push_from_callback, scene));
    poller->server = scene->server;
    CHECK_OK(ws_server_set(scene->server, "max_queued_bytes", "1M"));
    CHECK_OK(ws_server_set(scene->server, "high_watermark", "1M")); /* so that there is no drain before it is full */
    CHECK_OK(ws_server_set(scene->server, "low_watermark", "64K"));
    CHECK_OK(ws_server_set(scene->server, "slow_client", policy));
    int port = start(scene->server);
    for (int i = 0; i <= OTHERS; i++) {
        int fd = client_open(port);
        if (poll_mode)
            EXPECT_EVENT(poller, WS_EVENT_OPEN);
        else
            WAIT_FOR(&scene->record, opens, i + 1);
        if (i == 0)
            scene->fd = fd;
        else
            scene->others[i - 1] = fd;
        CHECK_OK(ws_subscribe(scene->server, (ws_conn)i + 1, "everyone"));
    }
    keep_little(scene->fd);
    scene->slow = 1;
}

static int is_to_many(enum way way)
{
    return way == BROADCAST || way == PUBLISH;
}

static void send_next(struct scene *scene)
{
    static unsigned char chunk[CHUNK];
    numbered(chunk, scene->sent);
    switch (scene->way) {
    case PUSH: join(spawn(push_next, scene)); break;
    case CALLBACK:
        if (scene->poll_mode) {
            push_next(scene);
        } else {
            send_message(scene->others[0], "next");
            WAIT_FOR(&scene->record, messages, scene->sent + 1);
        }
        break;
    case BROADCAST: scene->last = ws_broadcast(scene->server, chunk, CHUNK, WS_BINARY); break;
    default: scene->last = ws_publish(scene->server, "everyone", chunk, CHUNK, WS_BINARY, 0); break;
    }
    if (is_to_many(scene->way)) {
        for (int i = 0; i < OTHERS; i++)
            EXPECT_FRAME(scene->others[i], FIN | BINARY, chunk, CHUNK);
        send_frame(scene->others[0], FIN | PING, "done?", 5); /* with the slow one, too, whatever its turn */
        EXPECT_FRAME(scene->others[0], FIN | PONG, "done?", 5);
    }
    scene->sent++;
}

static uint64_t counter(struct scene *scene, const char *policy)
{
    ws_stats stats = stats_of(scene->server);
    uint64_t counts[] = {stats.pushes_refused, stats.messages_dropped, stats.slow_clients_closed};
    int mine = strcmp(policy, "refuse") == 0 ? 0 : strcmp(policy, "drop") == 0 ? 1 : 2;
    for (int i = 0; i < 3; i++)
        CHECK(i == mine || counts[i] == 0);
    return counts[mine];
}

/* Sends until so many messages were not for the slow client, or it is closed, and notes the others: the kernels may take a
 * little more all the time. */
static void send_until(struct scene *scene, const char *policy, uint64_t count)
{
    for (uint64_t before; (before = counter(scene, policy)) < count;) {
        CHECK(scene->sent < MANY);
        send_next(scene);
        if (counter(scene, policy) == before)
            scene->accepted[scene->count++] = scene->sent - 1;
        else
            CHECK_INT(before + 1, counter(scene, policy));
    }
    CHECK(scene->count >= 16);
}

static void expect_accepted(struct scene *scene)
{
    static unsigned char chunk[CHUNK];
    for (int i = 0; i < scene->count; i++) {
        numbered(chunk, scene->accepted[i]);
        EXPECT_FRAME(scene->fd, FIN | BINARY, chunk, CHUNK);
    }
}

static void tear_down(struct scene *scene)
{
    stop_and_free(scene->server);
    close(scene->fd);
    for (int i = 0; i < OTHERS; i++)
        close(scene->others[i]);
}

/* refuse and drop: the message is lost, and the connection goes on. */
static void lost(enum way way, int poll_mode, const char *policy)
{
    struct scene scene;
    int status = strcmp(policy, "drop") == 0 ? WS_OK : WS_ERR_QUEUE_FULL;
    set_up(&scene, way, poll_mode, policy);
    send_until(&scene, policy, 10);
    if (is_to_many(way))
        CHECK_INT(way == PUBLISH ? OTHERS + 1 : WS_OK, scene.last);
    else
        CHECK_STATUS(status, scene.last);
    CHECK_INT(1, ws_conn_is_open(scene.server, scene.slow));
    expect_accepted(&scene);
    if (poll_mode)
        CHECK_INT(scene.slow, EXPECT_EVENT(&scene.poller, WS_EVENT_DRAIN)->conn);
    else
        WAIT_FOR(&scene.record, drains, 1);
    CHECK_OK(ws_push(scene.server, scene.slow, "and on", 6, WS_TEXT));
    EXPECT_MESSAGE(scene.fd, "and on");
    tear_down(&scene);
}

/* close_1008 and close_1013: the Close frame goes behind what waits. */
static void closed(enum way way, int poll_mode, const char *policy, int code)
{
    struct scene scene;
    struct frame frame;
    set_up(&scene, way, poll_mode, policy);
    send_until(&scene, policy, 1);
    if (!is_to_many(way))
        CHECK_STATUS(WS_ERR_CLOSED, scene.last);
    CHECK_INT(0, ws_conn_is_open(scene.server, scene.slow));
    CHECK_STATUS(WS_ERR_CLOSED, ws_push(scene.server, scene.slow, "too late", 8, WS_TEXT));
    for (int i = 0; i < 9; i++)
        send_next(&scene);
    CHECK_INT(1, counter(&scene, policy));
    expect_accepted(&scene);
    frame = receive_frame(scene.fd);
    CHECK_INT(FIN | CLOSE, frame.first);
    CHECK_INT(code, frame.data[0] << 8 | frame.data[1]);
    CHECK_STRING("slow client", (char *)frame.data + 2);
    frame_free(&frame);
    send_close(scene.fd, code, "");
    if (poll_mode) {
        const ws_event *event = EXPECT_EVENT(&scene.poller, WS_EVENT_CLOSE);
        CHECK(event->conn == scene.slow && event->code == code);
    } else {
        WAIT_FOR(&scene.record, closes, 1);
        CHECK(scene.record.closed == scene.slow && scene.record.code == code && scene.record.drains == 0);
    }
    tear_down(&scene);
}

struct answers {
    struct record record;
    int taken, first_status; /* how many were taken before the first that was not, and what that one gave */
};

/* Answers once with more than the kernels and the queue take. */
static void answer_too_much(ws_server *server, ws_conn conn, const void *data, size_t length, int opcode, void *user_data)
{
    static unsigned char chunk[CHUNK];
    struct answers *answers = user_data;
    for (int i = 0; i < 1000; i++) {
        numbered(chunk, i);
        int status = ws_push(server, conn, chunk, CHUNK, WS_BINARY);
        if (status == WS_OK)
            answers->taken += answers->first_status == WS_OK;
        else if (answers->first_status == WS_OK)
            answers->first_status = status;
    }
    record_message(server, conn, data, length, opcode, &answers->record);
}

/* A callback's answers to its own connection go past the queue. */
static void the_short_way(const char *policy, int status)
{
    struct answers answers = {.record = RECORD};
    static unsigned char chunk[CHUNK];
    ws_server *server = recorded_server(&answers.record, record_message);
    CHECK_OK(ws_server_on_message(server, answer_too_much, &answers));
    CHECK_OK(ws_server_set(server, "max_queued_bytes", "1M"));
    CHECK_OK(ws_server_set(server, "slow_client", policy));
    int port = start(server), fd = client_open(port), other = client_open(port);
    WAIT_FOR(&answers.record, opens, 2);
    send_message(fd, "go");
    WAIT_FOR(&answers.record, messages, 1);
    CHECK_INT(status, answers.first_status);
    if (status == WS_OK)
        answers.taken -= (int)stats_of(server).messages_dropped;
    else if (status == WS_ERR_QUEUE_FULL)
        CHECK_INT(1000 - answers.taken, stats_of(server).pushes_refused);
    else
        CHECK_INT(1, stats_of(server).slow_clients_closed);
    CHECK(answers.taken >= 16 && answers.taken < 1000);
    CHECK_OK(ws_broadcast(server, "and you", 7, WS_TEXT));
    EXPECT_MESSAGE(other, "and you");
    for (int i = 0; i < answers.taken; i++) {
        numbered(chunk, i);
        EXPECT_FRAME(fd, FIN | BINARY, chunk, CHUNK);
    }
    if (status == WS_ERR_CLOSED) {
        EXPECT_CLOSE(fd, 1008);
        send_close(fd, 1008, "");
        EXPECT_END(fd);
    } else {
        WAIT_FOR(&answers.record, drains, 1);
        close(fd);
    }
    WAIT_FOR(&answers.record, closes, 1);
    stop_and_free(server);
    close(other);
}

/* A client that never reads does not see the Close, and is not waited for. */
static void cut(void)
{
    struct record record = RECORD;
    static unsigned char chunk[CHUNK];
    ws_server *server = recorded_server(&record, record_message);
    CHECK_OK(ws_server_set(server, "max_queued_bytes", "1M"));
    CHECK_OK(ws_server_set(server, "slow_client", "close_1013"));
    CHECK_OK(ws_server_set(server, "close_timeout", "200ms"));
    int fd = client_open(start(server)), status;
    keep_little(fd);
    WAIT_FOR(&record, opens, 1);
    while ((status = ws_push(server, record.conn, chunk, CHUNK, WS_BINARY)) == WS_OK)
        ;
    CHECK_INT(WS_ERR_CLOSED, status);
    CHECK_CONTAINS("slow_client", ws_last_error());
    int64_t since = now_ms();
    WAIT_FOR(&record, closes, 1);
    CHECK(record.code == 1006 && now_ms() - since < scaled(5000, 60000));
    CHECK_INT(1, stats_of(server).close_timeouts);
    CHECK_INT(1, stats_of(server).slow_clients_closed);
    stop_and_free(server);
    close(fd);
}

/* A message of the worker that is so long that it is sent at once, and pings, go the same way. */
static void long_messages_and_pings(void)
{
    struct poller poller = {.server = new_server()};
    enum { LONG = 8 << 20 };
    unsigned char *data = calloc(1, LONG);
    CHECK(data != NULL);
    CHECK_OK(ws_server_set(poller.server, "slow_client", "drop"));
    CHECK_OK(ws_server_set(poller.server, "max_queued_bytes", "1M"));
    int fd = client_open(start(poller.server)), sent = 0;
    ws_conn conn = EXPECT_EVENT(&poller, WS_EVENT_OPEN)->conn;
    for (; stats_of(poller.server).messages_dropped == 0; sent++)
        CHECK_OK(ws_push(poller.server, conn, data, LONG, WS_BINARY));
    CHECK_OK(ws_ping(poller.server, conn, "?", 1));
    CHECK_INT(2, stats_of(poller.server).messages_dropped);
    for (int i = 0; i < sent - 1; i++)
        EXPECT_FRAME(fd, FIN | BINARY, data, LONG);
    EXPECT_EVENT(&poller, WS_EVENT_DRAIN);
    CHECK_OK(ws_ping(poller.server, conn, "?", 1));
    const ws_event *events;
    CHECK_INT(0, ws_server_poll(poller.server, &events, 0));
    EXPECT_FRAME(fd, FIN | PING, "?", 1);
    stop_and_free(poller.server);
    close(fd);
    free(data);
}

int main(void)
{
    begin();
    for (int poll_mode = 0; poll_mode < 2; poll_mode++) {
        for (enum way way = PUSH; way < WAYS; way++) {
            lost(way, poll_mode, "refuse");
            lost(way, poll_mode, "drop");
            closed(way, poll_mode, way % 2 == 0 ? "close_1008" : "close_1013", way % 2 == 0 ? 1008 : 1013);
        }
    }
    the_short_way("refuse", WS_ERR_QUEUE_FULL);
    the_short_way("drop", WS_OK);
    the_short_way("close_1008", WS_ERR_CLOSED);
    cut();
    long_messages_and_pings();
    return 0;
}
