/* A peer that reads slowly, but reads: no deadline is for it, however long all of it takes. */
#include "harness.h"

enum { LONG = 32 << 20, CHUNK = 1 << 20 };

/* The deadline under test, of which reading takes several. */
static int timeout_ms(void)
{
    return scaled(300, 2000);
}

static void set_timeout(ws_server *server, const char *name)
{
    char value[32];
    snprintf(value, sizeof value, "%dms", timeout_ms());
    CHECK_OK(ws_server_set(server, name, value));
    CHECK_OK(ws_server_set(server, "max_queued_bytes", "64M"));
}

static unsigned char *long_data(void)
{
    unsigned char *data = malloc(LONG);
    CHECK(data != NULL);
    for (size_t i = 0; i < LONG; i++)
        data[i] = (unsigned char)(i * 31 + i / 4096);
    return data;
}

/* Reads as many bytes as are expected, a little all the time: LONG of them in five times the deadline. */
static void read_slowly(const char *where, int fd, const unsigned char *expected, size_t length)
{
    static unsigned char bytes[64 * 1024];
    int64_t since = now_ms(), whole = 5 * timeout_ms();
    for (size_t at = 0; at < length;) {
        size_t n = length - at < sizeof bytes ? length - at : sizeof bytes;
        ssize_t got = recv(fd, bytes, n, 0);
        if (got <= 0)
            fail(where, "the stream ends after %zu of %zu bytes: %s", at, length, got < 0 ? strerror(errno) : "cut");
        if (memcmp(bytes, expected + at, (size_t)got) != 0)
            fail(where, "other bytes than expected after %zu of %zu", at, length);
        at += (size_t)got;
        int64_t early = since + (int64_t)at * whole / LONG - now_ms();
        if (early > 0)
            poll(NULL, 0, (int)early);
    }
}

static void a_response(void)
{
    struct poller poller = {.server = new_server()};
    char head[1024];
    unsigned char *body = long_data();
    set_timeout(poller.server, "close_timeout");
    int fd = client_connect(start(poller.server));
    keep_little(fd);
    send_text(fd, "GET /download HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    ws_conn conn = EXPECT_EVENT(&poller, WS_EVENT_REQUEST)->conn;
    CHECK_OK(ws_respond(poller.server, conn, 200, NULL, body, LONG));
    CHECK_INT(200, receive_head(fd, head, sizeof head));
    read_slowly(HERE, fd, body, LONG);
    EXPECT_END(fd);
    stop_and_free(poller.server);
    free(body);
}

/* What was pushed, and the Close behind it. */
static void a_close(void)
{
    struct record record = RECORD;
    ws_server *server = recorded_server(&record, record_message);
    unsigned char *data = long_data(), *stream = malloc(LONG + LONG / CHUNK * 10), *at = stream;
    CHECK(stream != NULL);
    set_timeout(server, "close_timeout");
    int fd = client_open(start(server));
    keep_little(fd);
    WAIT_FOR(&record, opens, 1);
    for (size_t i = 0; i < LONG; i += CHUNK) {
        CHECK_OK(ws_push(server, record.conn, data + i, CHUNK, WS_BINARY));
        memcpy(at, "\x82\x7f\0\0\0\0\0\x10\0\0", 10);
        memcpy(at + 10, data + i, CHUNK);
        at += 10 + CHUNK;
    }
    CHECK_OK(ws_close(server, record.conn, 4000, "that was all", 12));
    read_slowly(HERE, fd, stream, (size_t)(at - stream));
    EXPECT_CLOSE(fd, 4000);
    send_close(fd, 4000, "");
    EXPECT_END(fd);
    WAIT_FOR(&record, closes, 1);
    stop_and_free(server);
    free(data);
    free(stream);
}

/* Nothing is read from a peer for which so much waits, nor is its pong; that it takes what was sent is sign enough. */
static void a_pong_behind_the_pause(void)
{
    struct record record = RECORD;
    ws_server *server = recorded_server(&record, echo_message);
    unsigned char *data = long_data(), head[10];
    set_timeout(server, "pong_timeout");
    CHECK_OK(ws_server_set(server, "ping_interval", under_valgrind() ? "500ms" : "100ms"));
    CHECK_OK(ws_server_set(server, "max_queued_bytes", "40M"));
    int fd = client_open(start(server));
    keep_little(fd);
    WAIT_FOR(&record, opens, 1);
    struct frame frame = receive_frame(fd);
    CHECK_INT(FIN | PING, frame.first);
    frame_free(&frame);
    CHECK_OK(ws_push(server, record.conn, data, LONG, WS_BINARY));
    receive_bytes(fd, head, sizeof head);
    CHECK(memcmp(head, "\x82\x7f\0\0\0\0\2\0\0\0", 10) == 0);
    send_frame(fd, FIN | PONG, "", 0);
    read_slowly(HERE, fd, data, LONG);
    send_message(fd, "here I am");
    do {
        frame_free(&frame);
        frame = receive_frame(fd);
    } while (frame.first == (FIN | PING));
    CHECK_INT(FIN | TEXT, frame.first);
    CHECK_STRING("here I am", (char *)frame.data);
    frame_free(&frame);
    CHECK_INT(0, stats_of(server).pong_timeouts);
    stop_and_free(server);
    close(fd);
    free(data);
}

int main(void)
{
    begin();
    a_response();
    a_close();
    a_pong_behind_the_pause();
    return 0;
}
