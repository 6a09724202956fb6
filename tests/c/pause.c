/* Reading of one connection paused by the host: it waits without being timed out, everything else goes on. */
#include "harness.h"

enum { CHUNK = 64 * 1024, MANY = 4000 };

/* Pauses it, and waits until that is so: what is pushed behind it has arrived. */
static void pause_at(const char *where, ws_server *server, ws_conn conn, int fd)
{
    CHECK_OK(ws_conn_pause(server, conn));
    CHECK_OK(ws_push(server, conn, "paused", 6, WS_TEXT));
    expect_frame(where, fd, FIN | TEXT, "paused", 6);
}

#define PAUSE(server, conn, fd) pause_at(HERE, (server), (conn), (fd))

static void nothing_is_read_meanwhile(void)
{
    struct record record = RECORD;
    ws_server *server = recorded_server(&record, echo_message);
    int port = start(server), fd = client_open(port);
    WAIT_FOR(&record, opens, 1);
    ws_conn conn = record.conn;
    int other = client_open(port);
    for (int round = 0; round < 3; round++) {
        PAUSE(server, conn, fd);
        CHECK_OK(ws_conn_pause(server, conn)); /* once more is the same */
        int before = count_of(&record, &record.messages);
        send_frame(fd, FIN | PING, "one", 3);
        send_message(fd, "two");
        for (int i = 0; i < 20; i++) {
            send_message(other, "and me?");
            EXPECT_MESSAGE(other, "and me?");
        }
        CHECK_INT(before + 20, count_of(&record, &record.messages));
        CHECK_OK(ws_broadcast(server, "to all", 6, WS_TEXT));
        EXPECT_MESSAGE(fd, "to all");
        EXPECT_MESSAGE(other, "to all");
        CHECK_OK(ws_conn_resume(server, conn));
        CHECK_OK(ws_conn_resume(server, conn));
        EXPECT_FRAME(fd, FIN | PONG, "one", 3);
        EXPECT_MESSAGE(fd, "two");
    }
    CHECK_STATUS(WS_ERR_CLOSED, ws_conn_pause(server, 0));
    CHECK_STATUS(WS_ERR_CLOSED, ws_conn_resume(server, 77));
    stop_and_free(server);
    close(fd);
    close(other);
}

/* A callback pauses its own connection: nothing comes after that, even if it has arrived with its message. */
static void pause_here(ws_server *server, ws_conn conn, const void *data, size_t length, int opcode, void *user_data)
{
    echo_message(server, conn, data, length, opcode, user_data);
    CHECK_OK(ws_conn_pause(server, conn));
}

static void from_its_own_callback(void)
{
    struct record record = RECORD;
    ws_server *server = recorded_server(&record, pause_here);
    int fd = client_open(start(server));
    for (int i = 1; i <= 20; i++) {
        send_message(fd, "next");
        EXPECT_MESSAGE(fd, "next");
        CHECK_INT(i, count_of(&record, &record.messages));
        CHECK_OK(ws_conn_resume(server, record.conn));
    }
    stop_and_free(server);
    close(fd);
}

/* One receive that ends in the middle of a frame: short messages, fragments with a ping in between, a long one. */
static void what_came_in_one_piece(void)
{
    static const char *const texts[] = {"one", "two", "", "four", "five"};
    struct record record = RECORD;
    ws_server *server = recorded_server(&record, pause_here);
    static unsigned char stream[64 * 1024], data[20000];
    size_t length = 0, total;
    int fd = client_open(start(server));
    memset(data, 'd', sizeof data);
    for (int i = 0; i < 8; i++) {
        int first = i < 5 ? FIN | TEXT : i == 5 ? TEXT : i == 6 ? FIN | PING : FIN | CONTINUATION;
        const void *payload = i < 5 ? (const void *)texts[i] : data;
        size_t size = i < 5 ? strlen(texts[i]) : i == 6 ? 4 : sizeof data;
        unsigned char *frame = make_frame(first, payload, size, 0x5a17c3e9, &total);
        memcpy(stream + length, frame, total);
        length += total;
        free(frame);
    }
    WAIT_FOR(&record, opens, 1);
    send_bytes(fd, stream, length - 7);
    for (int i = 0; i < 5; i++) {
        EXPECT_MESSAGE(fd, texts[i]);
        CHECK_OK(ws_push(server, record.conn, "behind it", 9, WS_TEXT));
        EXPECT_MESSAGE(fd, "behind it"); /* what a callback would have pushed would be before that */
        CHECK_INT(i + 1, count_of(&record, &record.messages));
        CHECK_OK(ws_conn_resume(server, record.conn));
    }
    EXPECT_FRAME(fd, FIN | PONG, "dddd", 4);
    send_bytes(fd, stream + length - 7, 7);
    struct frame frame = receive_frame(fd);
    CHECK_INT(2 * sizeof data, frame.length);
    frame_free(&frame);
    CHECK_OK(ws_push(server, record.conn, "behind it", 9, WS_TEXT));
    EXPECT_MESSAGE(fd, "behind it"); /* the callback, whose long answer was sent at once, has returned */

    /* A close ends the pause: what is kept is dropped, and the answer to the Close heard. */
    CHECK_OK(ws_conn_resume(server, record.conn));
    send_bytes(fd, stream, length - 7);
    EXPECT_MESSAGE(fd, "one");
    int heard = count_of(&record, &record.messages);
    CHECK_OK(ws_close(server, record.conn, 1000, NULL, 0));
    EXPECT_CLOSE(fd, 1000);
    send_bytes(fd, stream + length - 7, 7);
    send_close(fd, 1000, "");
    EXPECT_END(fd);
    WAIT_FOR(&record, closes, 1);
    CHECK_INT(1000, record.code);
    CHECK_INT(heard, record.messages);
    stop_and_free(server);
    close(fd);
}

static volatile int toggling;

struct toggler {
    ws_server *server;
    ws_conn conn;
};

static void *pause_and_resume(void *argument)
{
    const struct toggler *toggler = argument;
    while (toggling) {
        CHECK_OK(ws_conn_pause(toggler->server, toggler->conn));
        give_way();
        CHECK_OK(ws_conn_resume(toggler->server, toggler->conn));
        give_way();
    }
    return NULL;
}

/* Whatever the pauses do to its pace, everything arrives once, in order. */
static void under_load(int poll_mode)
{
    struct record record = RECORD;
    struct poller poller = {0};
    int count = scaled(3000, 200);
    ws_server *server = poll_mode ? new_server() : recorded_server(&record, echo_message);
    CHECK_OK(ws_server_set(server, "ping_interval", "0"));
    int fd = client_open(start(server));
    poller.server = server;
    if (poll_mode)
        EXPECT_EVENT(&poller, WS_EVENT_OPEN);
    struct toggler toggler = {server, 1};
    WAIT_FOR(&record, opens, !poll_mode);
    toggling = 1;
    pthread_t threads[2] = {spawn(pause_and_resume, &toggler), spawn(pause_and_resume, &toggler)};
    for (int i = 0; i < count; i++) {
        char text[32];
        size_t length = (size_t)snprintf(text, sizeof text, "%d", i);
        send_message(fd, text);
        send_message(fd, "and");
        if (poll_mode) {
            for (int j = 0; j < 2; j++) {
                const ws_event *event = EXPECT_EVENT(&poller, WS_EVENT_MESSAGE);
                CHECK(event->length == (j == 0 ? length : 3));
                CHECK_OK(ws_push(server, 1, event->data, event->length, WS_TEXT));
            }
            const ws_event *none;
            if (poller.next == poller.count) {
                CHECK_INT(0, ws_server_poll(server, &none, 0)); /* the answers leave */
                poller.next = poller.count = 0;
            }
        }
        EXPECT_MESSAGE(fd, text);
        EXPECT_MESSAGE(fd, "and");
    }
    toggling = 0;
    join(threads[0]);
    join(threads[1]);
    stop_and_free(server);
    close(fd);
}

/* What the peer sends waits in the kernels and then with the peer, and not here. */
static void the_peer_has_to_wait(void)
{
    struct record record = RECORD;
    static unsigned char chunk[CHUNK];
    size_t total;
    ws_server *server = recorded_server(&record, record_message);
    int fd = client_open(start(server));
    WAIT_FOR(&record, opens, 1);
    PAUSE(server, record.conn, fd);
    unsigned char *frame = make_frame(FIN | BINARY, chunk, CHUNK, 0x12345678, &total);
    int64_t before = resident_bytes(), sent = stuff(fd, frame, total, (int64_t)MANY * CHUNK);
    CHECK(sent > 0 && sent < (int64_t)MANY * CHUNK);
    if (!under_valgrind())
        CHECK(resident_bytes() - before < 4 * 1024 * 1024);
    CHECK_INT(0, count_of(&record, &record.messages));
    CHECK_OK(ws_conn_resume(server, record.conn));
    send_bytes(fd, frame + sent % (int64_t)total, total - (size_t)(sent % (int64_t)total));
    WAIT_FOR(&record, messages, (int)(sent / (int64_t)total) + 1);
    CHECK_INT(0, count_of(&record, &record.closes));
    stop_and_free(server);
    free(frame);
    close(fd);
}

static void expect_ping(int fd)
{
    struct frame ping = receive_frame(fd);
    CHECK_INT(FIN | PING, ping.first);
    frame_free(&ping);
}

/* Silence is timed out, but not that of a connection that is not read from, nor does the time of the pause count. */
static void nobody_is_timed_out(void)
{
    struct record record = RECORD;
    ws_server *server = recorded_server(&record, echo_message);
    CHECK_OK(ws_server_set(server, "ping_interval", under_valgrind() ? "1s" : "150ms"));
    CHECK_OK(ws_server_set(server, "pong_timeout", under_valgrind() ? "2s" : "150ms"));
    CHECK_OK(ws_server_set(server, "idle_timeout", under_valgrind() ? "4s" : "350ms"));
    int fd = client_open(start(server));
    WAIT_FOR(&record, opens, 1);
    PAUSE(server, record.conn, fd);
    for (int i = 0; i < 6; i++)
        expect_ping(fd); /* they go on, and nobody waits for the pongs */
    CHECK_INT(0, count_of(&record, &record.closes));
    CHECK_OK(ws_conn_resume(server, record.conn));
    send_message(fd, "still here");
    struct frame frame = receive_frame(fd);
    for (; frame.first == (FIN | PING); frame = receive_frame(fd))
        frame_free(&frame);
    CHECK_STRING("still here", (char *)frame.data);
    frame_free(&frame);
    expect_ping(fd); /* from now on silence counts again */
    EXPECT_CUT(fd);
    WAIT_FOR(&record, closes, 1);
    CHECK_INT(0, stats_of(server).idle_timeouts);
    CHECK_INT(1, stats_of(server).pong_timeouts);
    stop_and_free(server);
}

static void closing_works(void)
{
    struct record record = RECORD;
    ws_server *server = recorded_server(&record, record_message);
    int port = start(server), fd = client_open(port);
    WAIT_FOR(&record, opens, 1);
    PAUSE(server, record.conn, fd);
    send_message(fd, "nobody will read this");
    CHECK_OK(ws_close(server, record.conn, 4000, NULL, 0));
    EXPECT_CLOSE(fd, 4000);
    CHECK_STATUS(WS_ERR_CLOSED, ws_conn_resume(server, record.conn));
    send_close(fd, 4001, "");
    EXPECT_END(fd);
    WAIT_FOR(&record, closes, 1);
    CHECK_INT(4001, record.code);
    CHECK_INT(0, record.messages);

    fd = client_open(port);
    WAIT_FOR(&record, opens, 2);
    PAUSE(server, record.conn, fd);
    CHECK_OK(ws_disconnect(server, record.conn));
    EXPECT_CUT(fd);
    WAIT_FOR(&record, closes, 2);

    fd = client_open(port);
    WAIT_FOR(&record, opens, 3);
    PAUSE(server, record.conn, fd);
    send_close(fd, 1000, ""); /* which crosses ours */
    CHECK_OK(ws_server_stop(server, scaled(10000, 60000)));
    EXPECT_CLOSE(fd, 1001);
    EXPECT_END(fd);
    CHECK_INT(3, record.closes);
    CHECK_INT(0, stats_of(server).close_timeouts);
    CHECK_OK(ws_server_free(server));
}

/* A peer that is gone is told of; one that has ended in order is read to its end when reading goes on. */
static void the_end_of_a_peer(void)
{
    struct record record = RECORD;
    ws_server *server = recorded_server(&record, record_message);
    int port = start(server);
    for (int with_data = 0; with_data < 2; with_data++) {
        int fd = client_open(port);
        WAIT_FOR(&record, opens, 1 + with_data);
        PAUSE(server, record.conn, fd);
        if (with_data)
            send_message(fd, "unread");
        reset(fd);
        WAIT_FOR(&record, closes, 1 + with_data);
        CHECK(record.code == 1006 && record.closed == record.conn);
    }
    CHECK_INT(0, record.messages);

    int fd = client_open(port), other = client_open(port);
    WAIT_FOR(&record, opens, 4);
    ws_conn ended = record.conn - 1;
    PAUSE(server, ended, fd);
    send_message(fd, "first");
    send_message(fd, "last");
    send_close(fd, 4002, "");
    CHECK_INT(0, shutdown(fd, SHUT_WR));
    for (int i = 0; i < 10; i++) {
        send_frame(other, FIN | PING, "?", 1);
        EXPECT_FRAME(other, FIN | PONG, "?", 1);
    }
    CHECK_INT(0, count_of(&record, &record.messages));
    CHECK_INT(2, count_of(&record, &record.closes));
    CHECK_OK(ws_conn_resume(server, ended));
    WAIT_FOR(&record, closes, 3);
    CHECK_INT(2, record.messages);
    CHECK(record.closed == ended && record.code == 4002);
    EXPECT_CLOSE(fd, 4002);
    EXPECT_END(fd);
    stop_and_free(server);
    close(other);
}

int main(void)
{
    begin();
    nothing_is_read_meanwhile();
    from_its_own_callback();
    what_came_in_one_piece();
    under_load(0);
    under_load(1);
    the_peer_has_to_wait();
    nobody_is_timed_out();
    closing_works();
    the_end_of_a_peer();
    return 0;
}
