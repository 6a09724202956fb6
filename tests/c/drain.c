/* The drain event: once per crossing of the watermarks, and after every push that was refused. */
#include "harness.h"

/* The limits are so far apart that what the kernels come to take besides, as they learn of the connection, crosses none. */
enum { CHUNK = 64 * 1024, LOW = 2 << 20, MUCH = 9 << 20 };

static void numbered(unsigned char *chunk, int number)
{
    memset(chunk, number % 251, CHUNK);
    memcpy(chunk, &number, sizeof number);
}

static void set_limits(ws_server *server)
{
    CHECK_OK(ws_server_set(server, "max_queued_bytes", "16M")); /* of which the watermarks are a quarter and an eighth */
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
    int accepted = fill(server, record.conn, 0, 600 * 1024);
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
    set_limits(server);
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
    set_limits(server);
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

/* A response that is sent piece by piece is no different. */
static void of_a_response(void)
{
    struct poller poller = {.server = new_server()};
    static unsigned char piece[CHUNK];
    char head[1024];
    set_limits(poller.server);
    int fd = client_connect(start(poller.server)), pieces = 0;
    keep_little(fd);
    send_text(fd, "GET /export HTTP/1.0\r\n\r\n"); /* whose response has no chunks, and ends with the connection */
    ws_conn conn = EXPECT_EVENT(&poller, WS_EVENT_REQUEST)->conn;
    CHECK_OK(ws_respond_begin(poller.server, conn, 200, NULL));
    CHECK_INT(200, receive_head(fd, head, sizeof head));
    for (int round = 0; round < 3; round++) {
        int first = pieces, status;
        for (;; pieces++) {
            numbered(piece, pieces);
            if ((status = ws_respond_write(poller.server, conn, piece, CHUNK)) != WS_OK)
                break;
        }
        CHECK_INT(WS_ERR_QUEUE_FULL, status);
        CHECK(pieces - first >= 16);
        for (int i = first; i < pieces; i++) {
            static unsigned char got[CHUNK];
            numbered(piece, i);
            receive_bytes(fd, got, CHUNK);
            CHECK(memcmp(piece, got, CHUNK) == 0);
        }
        CHECK_INT(conn, EXPECT_EVENT(&poller, WS_EVENT_DRAIN)->conn);
        while (poller.next < poller.count) /* it may have crossed the mark before it was full */
            CHECK_INT(conn, EXPECT_EVENT(&poller, WS_EVENT_DRAIN)->conn);
    }
    CHECK_OK(ws_respond_end(poller.server, conn));
    EXPECT_END(fd);
    stop_and_free(poller.server);
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
    of_a_response();
    marks_that_do_not_go_together();
    return 0;
}
