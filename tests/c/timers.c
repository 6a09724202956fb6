/* Deadlines: half a request, a missing pong, silence, a Close that nobody answers. The times are short here; none of the
 * clients below does anything but wait. */
#include "harness.h"

/* It must have taken about this long: never less, for a deadline is a promise, and not much more. */
#define CHECK_TOOK(since, ms)                                                                                          \
    do {                                                                                                               \
        int64_t took_ = now_ms() - (since);                                                                            \
        CHECK(took_ >= (ms) - 20);                                                                                     \
        CHECK(took_ < (ms) + scaled(1500, 20000));                                                                     \
    } while (0)

static ws_server *server_with(struct record *record, const char *option, const char *value)
{
    ws_server *server = recorded_server(record, echo_message);
    CHECK_OK(ws_server_set(server, option, value));
    return server;
}

static void half_a_request(void)
{
    struct record record = RECORD;
    char head[1024];
    ws_server *server = server_with(&record, "request_timeout", "200ms");
    int64_t since = now_ms();
    int port = start(server), silent = client_connect(port), half = client_connect(port), open = client_open(port);
    send_text(half, "GET / HTTP/1.1\r\nHost: a\r\n");
    CHECK_INT(408, receive_head(half, head, sizeof head));
    CHECK_TOOK(since, 180);
    EXPECT_CUT(half);
    EXPECT_CUT(silent);

    since = now_ms();
    half = client_connect(port); /* nor does it help to dribble */
    struct pollfd answer = {.fd = half, .events = POLLIN};
    const char *dribble = "GET / HTTP/1.1\r\nX: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    for (; *dribble != '\0' && poll(&answer, 1, 20) == 0; dribble++)
        send_bytes(half, dribble, 1);
    CHECK_INT(408, receive_head(half, head, sizeof head));
    CHECK_TOOK(since, 180);
    EXPECT_CUT(half);

    send_message(open, "still here"); /* the deadline is not for those who asked in time */
    EXPECT_MESSAGE(open, "still here");
    CHECK_INT(1, record.opens);
    CHECK_INT(0, record.closes);

    CHECK_INT(3, stats_of(server).requests_timed_out);
    stop_and_free(server);
    close(open);
}

static void pings_and_pongs(void)
{
    struct record record = RECORD;
    ws_server *server = server_with(&record, "ping_interval", "100ms");
    CHECK_OK(ws_server_set(server, "pong_timeout", "200ms"));
    int fd = client_open(start(server));
    for (int i = 0; i < 4; i++) { /* whoever answers stays */
        struct frame ping = receive_frame(fd);
        CHECK_INT(FIN | PING, ping.first);
        send_frame(fd, FIN | PONG, ping.data, ping.length);
        frame_free(&ping);
    }
    struct frame ping = receive_frame(fd);
    CHECK_INT(FIN | PING, ping.first);
    frame_free(&ping);
    send_message(fd, "not a pong, but a sign of life");
    EXPECT_MESSAGE(fd, "not a pong, but a sign of life");
    int64_t since = now_ms();
    ping = receive_frame(fd);
    CHECK_INT(FIN | PING, ping.first);
    frame_free(&ping);
    EXPECT_CUT(fd); /* this one is not answered */
    CHECK_TOOK(since, 280);
    WAIT_FOR(&record, closes, 1);
    CHECK_INT(1006, record.code);

    CHECK_INT(1, stats_of(server).pong_timeouts);
    stop_and_free(server);
}

static void silence(void)
{
    struct record record = RECORD;
    ws_server *server = server_with(&record, "idle_timeout", "300ms");
    CHECK_OK(ws_server_set(server, "ping_interval", "0"));
    int fd = client_open(start(server));
    struct pollfd answer = {.fd = fd, .events = POLLIN};
    int64_t since = 0;
    for (int i = 0; i < 5; i++) {
        CHECK_INT(0, poll(&answer, 1, 100)); /* longer than the timeout in all, but never silent for so long */
        since = now_ms();
        send_message(fd, "not idle");
        EXPECT_MESSAGE(fd, "not idle");
    }
    EXPECT_CLOSE(fd, 1001);
    CHECK_TOOK(since, 280);
    send_close(fd, 1001, "");
    EXPECT_END(fd);
    WAIT_FOR(&record, closes, 1);
    CHECK_INT(1001, record.code);
    stop_and_free(server);
}

/* A message that takes longer than silence may, in frames of the kinds that are received in different ways. */
static void a_message_under_way(int frame_size)
{
    enum { LENGTH = 100 * 1000, PIECES = 40 };
    struct record record = RECORD;
    static unsigned char data[LENGTH];
    static unsigned char stream[LENGTH + LENGTH / 100 * 8];
    int timeout = scaled(400, 4000);
    size_t length = 0;
    char value[32];
    snprintf(value, sizeof value, "%dms", timeout);
    ws_server *server = server_with(&record, "idle_timeout", value);
    CHECK_OK(ws_server_set(server, "ping_interval", "0"));
    int fd = client_open(start(server));
    memset(data, 'm', sizeof data);
    for (int at = 0; at < LENGTH; at += frame_size) {
        size_t total;
        int first = (at == 0 ? TEXT : CONTINUATION) | (at + frame_size == LENGTH ? FIN : 0);
        unsigned char *frame = make_frame(first, data, (size_t)frame_size, 0x01020304, &total);
        memcpy(stream + length, frame, total);
        length += total;
        free(frame);
    }
    for (size_t piece = 0; piece < PIECES; piece++) {
        size_t from = length * piece / PIECES, to = length * (piece + 1) / PIECES;
        poll(NULL, 0, 3 * timeout / PIECES);
        send_bytes(fd, stream + from, to - from);
    }
    EXPECT_FRAME(fd, FIN | TEXT, data, LENGTH);
    CHECK_INT(0, stats_of(server).idle_timeouts);

    /* One of which no more comes is over, whatever else its client sends. */
    int64_t since = now_ms();
    send_bytes(fd, stream, length / 2); /* whole fragments, or half of the only frame */
    struct pollfd answer = {.fd = fd, .events = POLLIN};
    while (poll(&answer, 1, timeout / 10) == 0)
        if (frame_size < LENGTH)
            send_frame(fd, FIN | PONG, "", 0);
    EXPECT_CLOSE(fd, 1001);
    CHECK_TOOK(since, timeout);
    stop_and_free(server);
    close(fd);
}

/* Where all counts, a client that pings is not idle. */
static void silence_of_any_kind(void)
{
    struct record record = RECORD;
    int timeout = scaled(300, 3000);
    char value[32];
    snprintf(value, sizeof value, "%dms", timeout);
    ws_server *server = server_with(&record, "idle_timeout", value);
    CHECK_OK(ws_server_set(server, "idle_counts_all", "on"));
    CHECK_OK(ws_server_set(server, "ping_interval", "0"));
    int fd = client_open(start(server));
    for (int i = 0; i < 10; i++) {
        poll(NULL, 0, timeout / 4);
        send_frame(fd, FIN | PING, "here", 4);
        EXPECT_FRAME(fd, FIN | PONG, "here", 4);
    }
    int64_t since = now_ms();
    EXPECT_CLOSE(fd, 1001);
    CHECK_TOOK(since, timeout);
    CHECK_INT(1, stats_of(server).idle_timeouts);
    stop_and_free(server);
    close(fd);
}

/* A client that took long to ask: its silence begins when the WebSocket opens, not when it connected. */
static void silence_after_a_long_handshake(void)
{
    struct record record = RECORD;
    ws_server *server = server_with(&record, "idle_timeout", "300ms");
    int fd = client_connect(start(server));
    struct pollfd answer = {.fd = fd, .events = POLLIN};
    send_text(fd, "GET / HTTP/1.1\r\n");
    CHECK_INT(0, poll(&answer, 1, 600));
    int64_t since = now_ms();
    send_text(fd, UPGRADE_LINES "\r\n");
    expect_upgrade(fd);
    EXPECT_CLOSE(fd, 1001);
    CHECK_TOOK(since, 280);
    send_close(fd, 1001, "");
    EXPECT_END(fd);
    stop_and_free(server);
}

static void an_unanswered_close(void)
{
    struct record record = RECORD;
    ws_server *server = server_with(&record, "close_timeout", "200ms");
    int fd = client_open(start(server));
    WAIT_FOR(&record, opens, 1);
    int64_t since = now_ms();
    CHECK_OK(ws_close(server, record.conn, 1000, NULL, 0));
    EXPECT_CLOSE(fd, 1000);
    EXPECT_CUT(fd);
    CHECK_TOOK(since, 180);
    WAIT_FOR(&record, closes, 1);
    CHECK_INT(1006, record.code);
    CHECK_INT(1, record.closes);
    stop_and_free(server);
}

/* A client that sends its Close and then keeps the TCP connection open. */
static void a_close_without_an_end(void)
{
    struct record record = RECORD;
    ws_server *server = server_with(&record, "close_timeout", "200ms");
    int fd = client_open(start(server));
    send_close(fd, 1000, "");
    EXPECT_CLOSE(fd, 1000);
    char byte;
    CHECK_INT(0, recv(fd, &byte, 1, 0)); /* the end of the server's side; ours stays open */
    WAIT_FOR(&record, closes, 1);
    CHECK_INT(1000, record.code);
    ws_stats stats = {.size = sizeof stats};
    int64_t deadline = now_ms() + scaled(10000, 60000);
    do {
        give_way();
        CHECK_OK(ws_server_stats(server, &stats));
        CHECK(now_ms() < deadline);
    } while (stats.connections_open > 0);
    stop_and_free(server);
    close(fd);
}

/* The engine keeps the time while the host of poll mode is busy with something else. */
static void while_the_host_is_busy(void)
{
    struct poller poller = {.server = new_server()};
    CHECK_OK(ws_server_set(poller.server, "ping_interval", "100ms"));
    CHECK_OK(ws_server_set(poller.server, "pong_timeout", "200ms"));
    int fd = client_open(start(poller.server));
    struct frame ping = receive_frame(fd);
    CHECK_INT(FIN | PING, ping.first);
    frame_free(&ping);
    EXPECT_CUT(fd);
    EXPECT_EVENT(&poller, WS_EVENT_OPEN);
    CHECK_INT(1006, EXPECT_EVENT(&poller, WS_EVENT_CLOSE)->code);
    CHECK_OK(ws_server_free(poller.server));
}

/* Clients whose messages never give the host a moment's rest. */
enum { CHATTERING = 8, AT_ONCE = 32 };

struct chatter {
    int fds[CHATTERING];
    int over;
};

static void send_chatter(struct chatter *chatter)
{
    for (int i = 0; i < CHATTERING; i++)
        for (int n = 0; n < AT_ONCE; n++)
            send_message(chatter->fds[i], "chatter");
}

static void *chat(void *argument)
{
    struct chatter *chatter = argument;
    send_chatter(chatter);
    for (int over = 0; !over;) {
        over = __atomic_load_n(&chatter->over, __ATOMIC_ACQUIRE);
        if (!over)
            send_chatter(chatter);
        for (int i = 0; i < CHATTERING; i++)
            for (int n = 0; n < AT_ONCE; n++)
                EXPECT_MESSAGE(chatter->fds[i], "chatter");
    }
    return NULL;
}

static void *echo_all(void *argument)
{
    ws_server *server = argument;
    const ws_event *events;
    int count;
    while ((count = ws_server_poll(server, &events, -1)) >= 0)
        for (int i = 0; i < count; i++)
            if (events[i].type == WS_EVENT_MESSAGE)
                CHECK_OK(ws_push(server, events[i].conn, events[i].data, events[i].length, WS_TEXT));
    CHECK_STATUS(WS_ERR_STOPPED, count);
    return NULL;
}

/* Nor is a deadline put off when the host has something to do at all times. */
static void while_the_host_is_kept_busy(void)
{
    enum { LATE = 8 };
    struct chatter chatter = {.over = 0};
    ws_server *server = new_server();
    int late[LATE], timeout = scaled(200, 2000);
    char head[1024], value[32];
    snprintf(value, sizeof value, "%dms", timeout);
    CHECK_OK(ws_server_set(server, "request_timeout", value));
    CHECK_OK(ws_server_set(server, "ping_interval", value));
    CHECK_OK(ws_server_set(server, "pong_timeout", value));
    int port = start(server);
    pthread_t host = spawn(echo_all, server);
    for (int i = 0; i < CHATTERING; i++)
        chatter.fds[i] = client_open(port);
    pthread_t chatting = spawn(chat, &chatter);
    int64_t since = now_ms();
    for (int i = 0; i < LATE; i++) {
        late[i] = client_connect(port);
        send_text(late[i], "GET / HTTP/1.1\r\n");
        if (i % 2 == 0)
            continue;
        send_text(late[i], UPGRADE_LINES "\r\n");
        expect_upgrade(late[i]);
    }
    for (int i = 0; i < LATE; i++) {
        if (i % 2 == 0) {
            CHECK_INT(408, receive_head(late[i], head, sizeof head));
        } else {
            struct frame ping = receive_frame(late[i]);
            CHECK_INT(FIN | PING, ping.first);
            frame_free(&ping);
        }
        EXPECT_CUT(late[i]);
    }
    CHECK_TOOK(since, 2 * timeout - 20);
    CHECK_INT(LATE / 2, stats_of(server).requests_timed_out);
    CHECK_INT(LATE / 2, stats_of(server).pong_timeouts);
    __atomic_store_n(&chatter.over, 1, __ATOMIC_RELEASE);
    join(chatting);
    CHECK_OK(ws_server_free(server));
    join(host);
    for (int i = 0; i < CHATTERING; i++)
        close(chatter.fds[i]);
}

int main(void)
{
    begin();
    half_a_request();
    pings_and_pongs();
    silence();
    silence_after_a_long_handshake();
    a_message_under_way(100 * 1000);
    a_message_under_way(100);
    silence_of_any_kind();
    an_unanswered_close();
    a_close_without_an_end();
    while_the_host_is_busy();
    while_the_host_is_kept_busy();
    return 0;
}
