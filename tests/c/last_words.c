/* A message and what ends the connection may come in one packet. The host still gets to answer the message, and its
 * answer leaves before the Close frame; in poll mode too, where the host comes to it later than the engine. */
#include "harness.h"

static const struct {
    const char *what;
    int first;
    const char *payload;
    size_t length;
    int code;
} endings[] = {
    {"a Close", FIN | CLOSE, "\x03\xe8", 2, 1000},
    {"a Close without a code", FIN | CLOSE, "", 0, 0},
    {"a reserved opcode", FIN | 3, "", 0, 1002},
    {"text that is not UTF-8", FIN | TEXT, "\xff", 1, 1007},
};

/* Two messages and an ending, in one packet. */
static void send_all(int fd, size_t ending)
{
    unsigned char all[256];
    size_t length = 0, total;
    for (int i = 0; i < 3; i++) {
        unsigned char *frame = i < 2 ? make_frame(FIN | TEXT, i == 0 ? "one" : "two", 3, 0x11111111, &total)
                                     : make_frame(endings[ending].first, endings[ending].payload,
                                                  endings[ending].length, 0x22222222, &total);
        memcpy(all + length, frame, total);
        length += total;
        free(frame);
    }
    send_bytes(fd, all, length);
}

static void expect_all(int fd, size_t ending)
{
    char where[120];
    snprintf(where, sizeof where, "%s: before %s", HERE, endings[ending].what);
    expect_frame(where, fd, FIN | TEXT, "one", 3);
    expect_frame(where, fd, FIN | TEXT, "two", 3);
    expect_close(where, fd, endings[ending].code);
    expect_end(where, fd);
}

static void by_callbacks(void)
{
    struct record record = RECORD;
    ws_server *server = recorded_server(&record, echo_message);
    int port = start(server);
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        int fd = client_open(port);
        send_all(fd, i);
        expect_all(fd, i);
        WAIT_FOR(&record, closes, (int)i + 1);
        CHECK_INT(endings[i].code == 0 ? 1005 : endings[i].code, record.code);
    }
    stop_and_free(server);
}

/* After a broadcast the answers of a callback take the queue, as that does. */
static void tell_all_and_answer(ws_server *server, ws_conn conn, const void *data, size_t length, int opcode,
                                void *user_data)
{
    CHECK_OK(ws_broadcast(server, "all", 3, WS_TEXT));
    echo_message(server, conn, data, length, opcode, user_data);
}

static void by_callbacks_through_the_queue(void)
{
    struct record record = RECORD;
    char where[120];
    ws_server *server = recorded_server(&record, tell_all_and_answer);
    int port = start(server);
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        int fd = client_open(port);
        send_all(fd, i);
        snprintf(where, sizeof where, "%s: before %s", HERE, endings[i].what);
        expect_frame(where, fd, FIN | TEXT, "all", 3);
        expect_frame(where, fd, FIN | TEXT, "one", 3);
        expect_frame(where, fd, FIN | TEXT, "all", 3);
        expect_frame(where, fd, FIN | TEXT, "two", 3);
        expect_close(where, fd, endings[i].code);
        expect_end(where, fd);
        WAIT_FOR(&record, closes, (int)i + 1);
        CHECK_INT(endings[i].code == 0 ? 1005 : endings[i].code, record.code);
        CHECK_STATUS(WS_ERR_CLOSED, ws_push(server, record.closed, "three", 5, WS_TEXT));
    }
    CHECK_INT(0, stats_of(server).bytes_cut);
    stop_and_free(server);
}

static void by_polling(void)
{
    struct poller poller = {.server = new_server()};
    int port = start(poller.server);
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        int fd = client_open(port);
        EXPECT_EVENT(&poller, WS_EVENT_OPEN);
        send_all(fd, i);
        for (int k = 0; k < 2; k++) {
            const ws_event *event = EXPECT_EVENT(&poller, WS_EVENT_MESSAGE);
            CHECK_OK(ws_push(poller.server, event->conn, event->data, event->length, event->code));
        }
        const ws_event *event = EXPECT_EVENT(&poller, WS_EVENT_CLOSE);
        ws_conn conn = event->conn;
        CHECK_INT(endings[i].code == 0 ? 1005 : endings[i].code, event->code);
        const ws_event *none;
        CHECK_INT(0, ws_server_poll(poller.server, &none, 0)); /* the host is done with it */
        poller.count = poller.next = 0;
        expect_all(fd, i);
        CHECK_STATUS(WS_ERR_CLOSED, ws_push(poller.server, conn, "three", 5, WS_TEXT));
    }
    stop_and_free(poller.server);
}

/* Ten clients at once, each with a message and a Close, while the host is still at its first event: their messages fill
 * several batches, and being done with one of these is not being done with all. The server is a process of its own,
 * which is stopped until all has arrived, so that it takes it in one turn. */
enum { AT_ONCE = 10, LENGTH = 50000 };

static void answer_all(int port_end)
{
    struct poller poller = {.server = new_server()};
    int closes = 0, port = start(poller.server);
    CHECK_INT(sizeof port, write(port_end, &port, sizeof port));
    for (int i = 0; i < AT_ONCE; i++)
        EXPECT_EVENT(&poller, WS_EVENT_OPEN);
    CHECK_INT(sizeof port, write(port_end, &port, sizeof port));
    while (closes < AT_ONCE) {
        int count = ws_server_poll(poller.server, &poller.events, scaled(10000, 60000));
        CHECK(count > 0 || count == WS_ERR_INTERRUPTED); /* the latter for having been stopped */
        for (const ws_event *event = poller.events; event < poller.events + count; event++) {
            closes += event->type == WS_EVENT_CLOSE;
            if (event->type == WS_EVENT_MESSAGE) {
                poll(NULL, 0, 5); /* a host that takes its time */
                CHECK_OK(ws_push(poller.server, event->conn, event->data, event->length, event->code));
            }
        }
    }
    CHECK_OK(ws_server_stop(poller.server, scaled(5000, 30000)));
    CHECK_OK(ws_server_free(poller.server));
}

static void many_at_once(void)
{
    static unsigned char message[LENGTH];
    int ends[2], port, clients[AT_ONCE], status;
    memset(message, 'm', LENGTH);
    CHECK_INT(0, pipe(ends));
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        alarm((unsigned)scaled(20, 100));
        answer_all(ends[1]);
        exit(0);
    }
    CHECK_INT(sizeof port, read(ends[0], &port, sizeof port));
    for (int i = 0; i < AT_ONCE; i++)
        clients[i] = client_open(port);
    CHECK_INT(sizeof port, read(ends[0], &port, sizeof port));

    CHECK_INT(0, kill(child, SIGSTOP));
    CHECK_INT(child, waitpid(child, &status, WUNTRACED));
    CHECK(WIFSTOPPED(status));
    for (int i = 0; i < AT_ONCE; i++) {
        send_frame(clients[i], FIN | BINARY, message, LENGTH);
        send_close(clients[i], 1000, "");
    }
    CHECK_INT(0, kill(child, SIGCONT));
    for (int i = 0; i < AT_ONCE; i++) {
        EXPECT_FRAME(clients[i], FIN | BINARY, message, LENGTH);
        EXPECT_CLOSE(clients[i], 1000);
        EXPECT_END(clients[i]);
    }
    CHECK_INT(child, waitpid(child, &status, 0));
    CHECK_INT(0, status);
    close(ends[0]);
    close(ends[1]);
}

/* It is not waited for without end: a host that does not come leaves the Close to close_timeout. */
static void a_host_that_does_not_come(void)
{
    struct poller poller = {.server = new_server()};
    CHECK_OK(ws_server_set(poller.server, "close_timeout", "200ms"));
    int port = start(poller.server);
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        int fd = client_open(port);
        int64_t since = now_ms();
        EXPECT_EVENT(&poller, WS_EVENT_OPEN);
        send_all(fd, i);
        EXPECT_CLOSE(fd, endings[i].code);
        CHECK(now_ms() - since < scaled(2000, 20000));
        EXPECT_END(fd);
        const ws_event *event = EXPECT_EVENT(&poller, WS_EVENT_MESSAGE);
        CHECK_STATUS(WS_ERR_CLOSED, ws_push(poller.server, event->conn, "late", 4, WS_TEXT));
        EXPECT_EVENT(&poller, WS_EVENT_MESSAGE);
        EXPECT_EVENT(&poller, WS_EVENT_CLOSE);
    }
    stop_and_free(poller.server);
}

/* Stopping and freeing do not wait for such a host either. */
static void a_stop_in_the_middle(void)
{
    struct poller poller = {.server = new_server()};
    int fd = client_open(start(poller.server));
    EXPECT_EVENT(&poller, WS_EVENT_OPEN);
    send_all(fd, 0);
    CHECK_INT(WS_EVENT_MESSAGE, EXPECT_EVENT(&poller, WS_EVENT_MESSAGE)->type);
    int64_t since = now_ms();
    CHECK_OK(ws_server_stop(poller.server, 300));
    CHECK(now_ms() - since < scaled(2000, 20000));
    CHECK_OK(ws_server_free(poller.server));
    EXPECT_CUT(fd);
}

int main(void)
{
    begin();
    by_callbacks();
    by_callbacks_through_the_queue();
    by_polling();
    many_at_once();
    a_host_that_does_not_come();
    a_stop_in_the_middle();
    return 0;
}
