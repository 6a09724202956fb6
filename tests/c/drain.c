/* The drain event: once per crossing of the watermarks, and after every push that was refused. */
#include "harness.h"

enum { CHUNK = 16 * 1024, LOW = 128 * 1024, MUCH = 600 * 1024 };

static void numbered(unsigned char *chunk, int number)
{
    memset(chunk, number % 251, CHUNK);
    memcpy(chunk, &number, sizeof number);
}

static void set_limits(ws_server *server)
{
    CHECK_OK(ws_server_set(server, "max_queued_bytes", "1M")); /* of which the watermarks are a quarter and an eighth */
}

static int push_numbered(ws_server *server, ws_conn conn, int number)
{
    static __thread unsigned char chunk[CHUNK];
    numbered(chunk, number);
    return ws_push(server, conn, chunk, CHUNK, WS_BINARY);
}

static void expect_numbered(int fd, int first, int end)
{
    static __thread unsigned char chunk[CHUNK];
    for (; first < end; first++) {
        numbered(chunk, first);
        EXPECT_FRAME(fd, FIN | BINARY, chunk, CHUNK);
    }
}

/* Pushes until what waits has crossed the high watermark so often, and is so much, or until a push is refused. Returns how
 * many were accepted. */
static int fill(ws_server *server, ws_conn conn, uint64_t crossings, int64_t bytes)
{
    int accepted = 0;
    while (stats_of(server).reads_paused < crossings || ws_conn_queued_bytes(server, conn) < bytes) {
        int status = push_numbered(server, conn, accepted);
        if (status == WS_ERR_QUEUE_FULL)
            break;
        CHECK_OK(status);
        accepted++;
        give_way();
    }
    return accepted;
}

static int64_t queued_at_drain;

static void look_at_drain(ws_server *server, ws_conn conn, void *user_data)
{
    queued_at_drain = ws_conn_queued_bytes(server, conn);
    record_drain(server, conn, user_data);
}

static void once_per_crossing(void)
{
    struct record record = RECORD;
    ws_server *server = recorded_server(&record, echo_message);
    set_limits(server);
    CHECK_OK(ws_server_on_drain(server, look_at_drain, &record));
    int fd = client_open(start(server));
    keep_little(fd);
    WAIT_FOR(&record, opens, 1);
    for (int round = 1; round <= 4; round++) {
        int accepted = fill(server, record.conn, (uint64_t)round, round % 2 == 0 ? INT64_MAX : MUCH);
        CHECK_INT(round - 1, count_of(&record, &record.drains));
        CHECK_INT(round, stats_of(server).reads_paused);
        expect_numbered(fd, 0, accepted);
        WAIT_FOR(&record, drains, round);
        CHECK(queued_at_drain >= 0 && queued_at_drain <= LOW);
        for (int i = 0; i < 20; i++) { /* what fits crosses nothing */
            send_message(fd, "hello");
            EXPECT_MESSAGE(fd, "hello");
        }
        CHECK_INT(round, count_of(&record, &record.drains));
    }
    CHECK_INT(2, stats_of(server).pushes_refused);
    stop_and_free(server);
    close(fd);
}

/* Below the high watermark nothing is told, and none of it once the connection is closing or gone. */
static void not_without_a_crossing(void)
{
    struct record record = RECORD;
    ws_server *server = recorded_server(&record, echo_message);
    CHECK_OK(ws_server_set(server, "high_watermark", "900K"));
    CHECK_OK(ws_server_set(server, "low_watermark", "10K"));
    int port = start(server), fd = client_open(port);
    keep_little(fd);
    WAIT_FOR(&record, opens, 1);
    int accepted = fill(server, record.conn, 0, MUCH);
    expect_numbered(fd, 0, accepted);
    send_message(fd, "was there a drain?");
    EXPECT_MESSAGE(fd, "was there a drain?");
    CHECK_INT(0, count_of(&record, &record.drains));

    accepted = fill(server, record.conn, 1, 0);
    CHECK_OK(ws_close(server, record.conn, 1000, NULL, 0));
    expect_numbered(fd, 0, accepted);
    EXPECT_CLOSE(fd, 1000);
    send_close(fd, 1000, "");
    EXPECT_END(fd);
    WAIT_FOR(&record, closes, 1);

    fd = client_open(port);
    keep_little(fd);
    WAIT_FOR(&record, opens, 2);
    fill(server, record.conn, 2, 0);
    reset(fd);
    WAIT_FOR(&record, closes, 2);
    CHECK_OK(ws_server_stop(server, 0));
    CHECK_INT(0, record.drains);
    CHECK_OK(ws_server_free(server));
}

/* Who stops at a mark of its own asks, and never waits in vain, whether anything waits or not. */
static void asked_for(void)
{
    struct record record = RECORD;
    ws_server *server = recorded_server(&record, echo_message);
    int fd = client_open(start(server));
    WAIT_FOR(&record, opens, 1);
    for (int i = 1; i <= 100; i++) {
        CHECK_OK(ws_push(server, record.conn, "some", 4, WS_TEXT));
        CHECK_OK(ws_conn_await_drain(server, record.conn));
        WAIT_FOR(&record, drains, i);
        EXPECT_MESSAGE(fd, "some");
    }
    keep_little(fd);
    int accepted = fill(server, record.conn, 1, 0);
    for (int i = 0; i < 10; i++)
        CHECK_OK(ws_conn_await_drain(server, record.conn));
    CHECK_INT(100, count_of(&record, &record.drains));
    expect_numbered(fd, 0, accepted);
    WAIT_FOR(&record, drains, 101);
    send_message(fd, "once?");
    EXPECT_MESSAGE(fd, "once?");
    CHECK_INT(101, count_of(&record, &record.drains));
    reset(fd);
    WAIT_FOR(&record, closes, 1);
    CHECK_STATUS(WS_ERR_CLOSED, ws_conn_await_drain(server, record.conn));
    stop_and_free(server);
}

static int pushed_in_callback;
static const char *in_order[2]; /* what the callbacks have pushed */
static int pushed;

/* Pushes to the very connection until that is refused. */
static void push_all(ws_server *server, ws_conn conn, const void *data, size_t length, int opcode, void *user_data)
{
    if (length != 3 || memcmp(data, "all", 3) != 0) {
        in_order[pushed++ % 2] = "an answer";
        CHECK_OK(ws_push(server, conn, "an answer", 9, opcode));
        record_message(server, conn, data, length, opcode, user_data);
        return;
    }
    while (push_numbered(server, conn, pushed_in_callback) == WS_OK)
        pushed_in_callback++;
    CHECK_INT(WS_ERR_QUEUE_FULL, push_numbered(server, conn, pushed_in_callback));
    record_message(server, conn, data, length, opcode, user_data);
}

static void push_on_drain(ws_server *server, ws_conn conn, void *user_data)
{
    in_order[pushed++ % 2] = "drained";
    CHECK_OK(ws_push(server, conn, "drained", 7, WS_TEXT));
    record_drain(server, conn, user_data);
}

/* What the callbacks push arrives in their order, though some of it takes the short way and some does not. */
static void the_short_way_of_a_callback(void)
{
    struct record record = RECORD;
    ws_server *server = recorded_server(&record, push_all);
    CHECK_OK(ws_server_set(server, "max_queued_bytes", "16M")); /* more than the kernels take */
    CHECK_OK(ws_server_on_drain(server, push_on_drain, &record));
    int fd = client_open(start(server));
    keep_little(fd);
    for (int round = 1; round <= 3; round++) {
        pushed_in_callback = 0;
        send_message(fd, "all");
        WAIT_FOR(&record, messages, 2 * round - 1);
        send_message(fd, "not read yet");
        expect_numbered(fd, 0, pushed_in_callback);
        WAIT_FOR(&record, drains, round);
        WAIT_FOR(&record, messages, 2 * round);
        EXPECT_MESSAGE(fd, in_order[0]);
        EXPECT_MESSAGE(fd, in_order[1]);
    }
    CHECK_INT(3, record.drains);
    stop_and_free(server);
    close(fd);
}

static void in_poll_mode(void)
{
    struct poller poller = {.server = new_server()};
    set_limits(poller.server);
    int fd = client_open(start(poller.server));
    keep_little(fd);
    ws_conn conn = EXPECT_EVENT(&poller, WS_EVENT_OPEN)->conn;
    for (int round = 0; round < 3; round++) {
        int accepted = 0;
        send_message(fd, "go");
        EXPECT_EVENT(&poller, WS_EVENT_MESSAGE);
        while (push_numbered(poller.server, conn, accepted) == WS_OK) /* as the thread that works on a batch */
            accepted++;
        const ws_event *events;
        CHECK_INT(0, ws_server_poll(poller.server, &events, 0));
        poller.count = poller.next = 0;
        expect_numbered(fd, 0, accepted);
        const ws_event *drain = EXPECT_EVENT(&poller, WS_EVENT_DRAIN);
        CHECK(drain->conn == conn && drain->data == NULL && drain->length == 0 && drain->request == NULL);
        CHECK_INT(0, drain->code);
        CHECK_OK(ws_push(poller.server, conn, "drained", 7, WS_TEXT));
        send_message(fd, "and on");
        EXPECT_EVENT(&poller, WS_EVENT_MESSAGE);
        EXPECT_MESSAGE(fd, "drained");
    }
    stop_and_free(poller.server);
    close(fd);
}

static void in_numbers(void)
{
    ws_batch batch = {.size = sizeof batch};
    ws_server *server = new_server();
    set_limits(server);
    int fd = client_open(start(server)), accepted = 0;
    keep_little(fd);
    CHECK_INT(1, ws_server_poll_packed(server, &batch, scaled(10000, 60000)));
    ws_conn conn = batch.numbers[0];
    while (push_numbered(server, conn, accepted) == WS_OK)
        accepted++;
    CHECK_INT(0, ws_server_poll_packed(server, &batch, 0));
    expect_numbered(fd, 0, accepted);
    CHECK_INT(1, ws_server_poll_packed(server, &batch, scaled(10000, 60000)));
    CHECK(batch.numbers[0] == conn && batch.numbers[1] == 0 && batch.numbers[3] == 0);
    const ws_event *event = batch.others + batch.numbers[2];
    CHECK_INT(WS_EVENT_DRAIN, event->type);
    CHECK(event->conn == conn);
    stop_and_free(server);
    close(fd);
}

/* ---- nobody waits in vain ---------------------------------------------------------------------------------------- */

enum { CLIENTS = 3, PUSHERS = 2 };

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint64_t drains[CLIENTS + 1]; /* by the id of the connection */
} told = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

struct pusher {
    ws_server *server;
    ws_conn conn;
    int number, count;
    size_t length;
};

static void tell_pushers(ws_server *server, ws_conn conn, void *user_data)
{
    (void)server, (void)user_data;
    CHECK(conn <= CLIENTS);
    pthread_mutex_lock(&told.lock);
    told.drains[conn]++;
    pthread_cond_broadcast(&told.changed);
    pthread_mutex_unlock(&told.lock);
}

static uint64_t drains_of(ws_conn conn)
{
    pthread_mutex_lock(&told.lock);
    uint64_t drains = told.drains[conn];
    pthread_mutex_unlock(&told.lock);
    return drains;
}

static void wait_for_drain(ws_conn conn, uint64_t before)
{
    struct timespec deadline;
    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += scaled(10, 100);
    pthread_mutex_lock(&told.lock);
    while (told.drains[conn] == before)
        if (pthread_cond_timedwait(&told.changed, &told.lock, &deadline) == ETIMEDOUT)
            fail(HERE, "no drain of connection %d follows a push that was refused", (int)conn);
    pthread_mutex_unlock(&told.lock);
}

/* Pushes all it has, and waits for a drain whenever it is refused, and for nothing else. */
static void *push_and_wait(void *argument)
{
    const struct pusher *pusher = argument;
    unsigned char *data = calloc(1, pusher->length);
    CHECK(data != NULL);
    for (int i = 0; i < pusher->count;) {
        int number[2] = {pusher->number, i};
        memcpy(data, number, sizeof number);
        uint64_t before = drains_of(pusher->conn);
        int status = ws_push(pusher->server, pusher->conn, data, pusher->length, WS_BINARY);
        CHECK(status == WS_OK || status == WS_ERR_QUEUE_FULL);
        if (status == WS_OK)
            i++;
        else
            wait_for_drain(pusher->conn, before);
    }
    free(data);
    return NULL;
}

struct reader {
    int fd, count;
    size_t length;
};

/* Reads what all pushers of its connection have pushed: each one's in order. */
static void *read_all(void *argument)
{
    const struct reader *reader = argument;
    int next[PUSHERS] = {0};
    for (int i = 0; i < PUSHERS * reader->count; i++) {
        int number[2];
        struct frame frame = receive_frame(reader->fd);
        CHECK_INT(reader->length, frame.length);
        memcpy(number, frame.data, sizeof number);
        CHECK(number[0] >= 0 && number[0] < PUSHERS);
        CHECK_INT(next[number[0]]++, number[1]);
        frame_free(&frame);
    }
    return NULL;
}

static volatile int polling;

static void *poll_drains(void *server)
{
    const ws_event *events;
    int count;
    while ((count = ws_server_poll(server, &events, 20)) >= 0 && polling)
        for (int i = 0; i < count; i++)
            if (events[i].type == WS_EVENT_DRAIN)
                tell_pushers(server, events[i].conn, NULL);
    CHECK(count >= 0);
    return NULL;
}

static void nobody_waits_in_vain(int callbacks, const char *option, const char *value, size_t length, int count)
{
    struct pusher pushers[CLIENTS][PUSHERS];
    struct reader readers[CLIENTS];
    pthread_t pushing[CLIENTS][PUSHERS], reading[CLIENTS], host = 0;
    ws_server *server = new_server();
    CHECK_OK(ws_server_set(server, option, value));
    memset(told.drains, 0, sizeof told.drains);
    if (callbacks)
        CHECK_OK(ws_server_on_drain(server, tell_pushers, NULL));
    int port = start(server);
    for (int i = 0; i < CLIENTS; i++) {
        readers[i] = (struct reader){client_open(port), count, length};
        CHECK_INT(1, ws_conn_is_open(server, (ws_conn)i + 1));
    }
    polling = 1;
    if (!callbacks)
        host = spawn(poll_drains, server);
    for (int i = 0; i < CLIENTS; i++) {
        reading[i] = spawn(read_all, &readers[i]);
        for (int j = 0; j < PUSHERS; j++) {
            pushers[i][j] = (struct pusher){server, (ws_conn)i + 1, j, count, length};
            pushing[i][j] = spawn(push_and_wait, &pushers[i][j]);
        }
    }
    for (int i = 0; i < CLIENTS; i++) {
        for (int j = 0; j < PUSHERS; j++)
            join(pushing[i][j]);
        join(reading[i]);
    }
    CHECK(stats_of(server).pushes_refused > 0);
    polling = 0;
    if (!callbacks)
        join(host);
    stop_and_free(server);
    for (int i = 0; i < CLIENTS; i++)
        close(readers[i].fd);
}

static void marks_that_do_not_go_together(void)
{
    ws_server *server = new_server();
    CHECK_OK(ws_server_listen(server, "127.0.0.1", 0));
    CHECK_OK(ws_server_set(server, "high_watermark", "8M"));
    CHECK_STATUS(WS_ERR_VALUE, ws_server_start(server));
    CHECK_CONTAINS("max_queued_bytes", ws_last_error());
    CHECK_OK(ws_server_set(server, "max_queued_bytes", "8M"));
    CHECK_OK(ws_server_set(server, "low_watermark", "8M"));
    CHECK_STATUS(WS_ERR_VALUE, ws_server_start(server));
    CHECK_CONTAINS("high_watermark", ws_last_error());
    CHECK_OK(ws_server_set(server, "low_watermark", "7M"));
    CHECK_OK(ws_server_start(server));
    stop_and_free(server);
}

int main(void)
{
    begin();
    once_per_crossing();
    not_without_a_crossing();
    asked_for();
    the_short_way_of_a_callback();
    in_poll_mode();
    in_numbers();
    for (int callbacks = 0; callbacks < 2; callbacks++) {
        nobody_waits_in_vain(callbacks, "max_queued_bytes", "1K", 100, scaled(20000, 300));
        nobody_waits_in_vain(callbacks, "max_queued_bytes", "256K", 20000, scaled(3000, 100));
        nobody_waits_in_vain(callbacks, "max_command_bytes", "64K", 20000, scaled(3000, 100));
    }
    marks_that_do_not_go_together();
    return 0;
}
