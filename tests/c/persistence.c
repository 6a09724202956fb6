/* Requests that follow one another on a connection, and its end. */
#include "http.h"

/* Each request of a connection has an id of its own, and an answer that comes late is nobody's. */
static void one_after_the_other(const char *const *options)
{
    struct poller poller;
    ws_conn before = 0;
    int fd = client_connect(begin_server(&poller, options));
    for (int i = 0; i < 100; i++) {
        send_text(fd, "GET /again HTTP/1.1\r\n" HOST "\r\n");
        ws_conn conn = EXPECT_REQUEST(&poller, "/again", "");
        CHECK(conn != before);
        if (before != 0) {
            CHECK_STATUS(WS_ERR_CLOSED, ws_respond(poller.server, before, 200, NULL, "late", 4));
            CHECK_STATUS(WS_ERR_CLOSED, ws_disconnect(poller.server, before));
        }
        CHECK_STATUS(WS_ERR_CLOSED, ws_push(poller.server, conn, "x", 1, WS_TEXT));
        ANSWER(&poller, conn, fd, "here you are");
        CHECK_STATUS(WS_ERR_CLOSED, ws_respond(poller.server, conn, 200, NULL, "twice", 5));
        before = conn;
    }
    CHECK_INT(1, stats_of(poller.server).connections_open);
    /* And then it becomes a WebSocket, with yet another id. */
    send_upgrade(fd, "/");
    expect_upgrade(fd);
    ws_conn conn = EXPECT_EVENT(&poller, WS_EVENT_OPEN)->conn;
    CHECK(conn != before);
    CHECK_OK(ws_push(poller.server, conn, "hi", 2, WS_TEXT));
    CHECK_INT(0, ws_server_poll(poller.server, &poller.events, 0));
    EXPECT_MESSAGE(fd, "hi");
    send_close(fd, 1000, "");
    EXPECT_EVENT(&poller, WS_EVENT_CLOSE);
    CHECK_INT(0, ws_server_poll(poller.server, &poller.events, 0));
    EXPECT_CLOSE(fd, 1000);
    EXPECT_END(fd);
    stop_and_free(poller.server);
}

/* Requests that come in one go, more than are received at a time, are told one by one, in their order. */
static void pipelined(void)
{
    const int count = scaled(10000, 1000);
    struct poller poller;
    char *requests = malloc((size_t)count * 80), path[32], body[32];
    size_t length = 0, sent = 0;
    int fd = client_connect(begin_server(&poller, NULL));
    CHECK(requests != NULL);
    for (int i = 0; i < count; i++)
        length += (size_t)sprintf(requests + length, "POST /%d HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\n%05d", i, i);
    for (int i = 0; i < count; i++) {
        if (sent < length) {
            ssize_t n = send(fd, requests + sent, length - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
            CHECK(n > 0 || errno == EAGAIN);
            sent += n > 0 ? (size_t)n : 0;
        }
        snprintf(path, sizeof path, "/%d", i);
        snprintf(body, sizeof body, "%05d", i);
        ws_conn conn = EXPECT_REQUEST(&poller, path, body);
        CHECK_INT(i + 1, stats_of(poller.server).requests);
        ANSWER(&poller, conn, fd, path);
    }
    CHECK_INT(length, sent);
    free(requests);
    close(fd);
    stop_and_free(poller.server);
}

static void echo_body(ws_server *server, ws_conn conn, const ws_request *request, void *user_data)
{
    size_t length;
    const void *body = ws_request_body(request, &length);
    (void)user_data;
    CHECK_OK(ws_respond(server, conn, 200, NULL, body, length));
}

/* The same where the answers are given inside the callback. */
static void pipelined_in_callbacks(void)
{
    enum { COUNT = 500 };
    ws_server *server = new_server();
    char request[128], body[32];
    CHECK_OK(ws_server_on_request(server, echo_body, NULL));
    int fd = client_connect(start(server));
    for (int i = 0; i < COUNT; i++) {
        snprintf(request, sizeof request, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n5\r\n%05d\r\n0\r\n\r\n",
                 i);
        send_text(fd, request);
    }
    for (int i = 0; i < COUNT; i++) {
        snprintf(body, sizeof body, "%05d", i);
        receive_answer(HERE, fd, 200, body);
    }
    send_upgrade(fd, "/");
    expect_upgrade(fd);
    send_frame(fd, FIN | PING, "ok", 2);
    EXPECT_FRAME(fd, FIN | PONG, "ok", 2);
    close(fd);
    stop_and_free(server);
}

/* Whoever asks without reading is not asked what else he wants. */
static void pipelined_and_not_read(void)
{
    const size_t size = 1 << 20;
    struct poller poller;
    char *body = calloc(1, size), head[1024];
    CHECK(body != NULL);
    int port = begin_server(&poller, NULL), fd = client_connect(port), other = client_connect(port), small = 64 * 1024;
    CHECK_INT(0, setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small));
    for (int i = 0; i < 100; i++)
        send_text(fd, "GET /large HTTP/1.1\r\n" HOST "\r\n");
    int told = 0;
    for (int i = 0; i < 20;) { /* twenty rounds of another client, in which it could have gone on */
        const ws_event *event = EXPECT_EVENT(&poller, WS_EVENT_REQUEST);
        if (strcmp(ws_request_path(event->request), "/large") == 0) {
            told++;
            CHECK_OK(ws_respond(poller.server, event->conn, 200, NULL, body, size));
            if (told > 1)
                continue;
        } else {
            ANSWER(&poller, event->conn, other, "small");
            i++;
        }
        send_text(other, "GET /small HTTP/1.1\r\n" HOST "\r\n");
    }
    CHECK(told < 20); /* as many as fit into the kernel's buffers, and one */
    int done = 0;
    for (; done < told; done++) {
        CHECK_INT(200, receive_head(fd, head, sizeof head));
        receive_bytes(fd, body, size);
    }
    close(fd);
    close(other);
    free(body);
    stop_and_free(poller.server);
}

static void heads_alone(void)
{
    struct poller poller;
    char head[1024];
    int fd = client_connect(begin_server(&poller, NULL));
    send_text(fd, "HEAD /a HTTP/1.1\r\n" HOST "\r\nGET /b HTTP/1.1\r\n" HOST "\r\n");
    CHECK_OK(ws_respond(poller.server, EXPECT_REQUEST(&poller, "/a", ""), 200, NULL, "not sent", 8));
    CHECK_INT(200, receive_head(fd, head, sizeof head));
    CHECK_CONTAINS("\r\nContent-Length: 8\r\n", head);
    ANSWER(&poller, EXPECT_REQUEST(&poller, "/b", ""), fd, "sent");
    send_text(fd, "HEAD /a HTTP/1.1\r\n" HOST "\r\nGET /b HTTP/1.1\r\n" HOST "\r\n");
    ws_conn conn = EXPECT_REQUEST(&poller, "/a", "");
    CHECK_OK(ws_respond_begin(poller.server, conn, 200, NULL));
    CHECK_OK(ws_respond_write(poller.server, conn, "not sent", 8));
    CHECK_OK(ws_respond_end(poller.server, conn));
    CHECK_INT(200, receive_head(fd, head, sizeof head));
    ANSWER(&poller, EXPECT_REQUEST(&poller, "/b", ""), fd, "sent");
    close(fd);
    stop_and_free(poller.server);
}

static void the_end_of_a_connection(void)
{
    static const char *const closing[] = {"GET /old HTTP/1.0\r\n\r\n", "GET /old HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
                                          "GET /old HTTP/1.1\r\n" HOST "Connection: x, close\r\n\r\n"};
    static const char *const short_lived[] = {"keep_alive_timeout", "50ms", NULL};
    static const char *const once[] = {"keep_alive_timeout", "0", NULL};
    struct poller poller;
    int port = begin_server(&poller, NULL), fd;
    for (size_t i = 0; i < sizeof closing / sizeof *closing; i++) {
        fd = client_connect(port);
        send_text(fd, closing[i]);
        ANSWER(&poller, EXPECT_REQUEST(&poller, "/old", ""), fd, "bye");
        EXPECT_END(fd);
    }
    stop_and_free(poller.server);

    fd = client_connect(begin_server(&poller, short_lived));
    for (int i = 0; i < 2; i++) {
        send_text(fd, "GET / HTTP/1.1\r\n" HOST "\r\n");
        ANSWER(&poller, EXPECT_REQUEST(&poller, "/", ""), fd, "more?");
    }
    EXPECT_END(fd); /* nobody has asked for anything more */
    CHECK_INT(0, STATS_WHEN(poller.server, connections_open, 0).requests_timed_out);
    stop_and_free(poller.server);

    fd = client_connect(begin_server(&poller, once));
    send_text(fd, "GET / HTTP/1.1\r\n" HOST "\r\n");
    ANSWER(&poller, EXPECT_REQUEST(&poller, "/", ""), fd, "once");
    EXPECT_END(fd);
    stop_and_free(poller.server);
}

/* Whoever takes longer for a response than a connection is kept for another request still gets all of it. */
static void slower_than_keep_alive(void)
{
    static const char *const options[] = {"keep_alive_timeout", "50ms", "max_queued_bytes", "64M", NULL};
    const size_t size = 16 << 20;
    struct poller poller;
    char head[1024], *body = calloc(1, size);
    int port = begin_server(&poller, options), slow = client_connect(port), quick = client_connect(port);
    CHECK(body != NULL);
    send_text(slow, "GET /large HTTP/1.1\r\n" HOST "\r\n");
    CHECK_OK(ws_respond(poller.server, EXPECT_REQUEST(&poller, "/large", ""), 200, NULL, body, size));
    send_text(quick, "GET /small HTTP/1.1\r\n" HOST "\r\n");
    ANSWER(&poller, EXPECT_REQUEST(&poller, "/small", ""), quick, "small");
    EXPECT_END(quick); /* its time is over, and so is the other's */
    CHECK_INT(200, receive_head(slow, head, sizeof head));
    receive_bytes(slow, body, size);
    EXPECT_END(slow);
    free(body);
    stop_and_free(poller.server);
}

/* A client that is gone before its request is looked at: nobody waits for it, and nobody takes it for a local one. */
static void gone_at_once(void)
{
    struct poller poller;
    int port = begin_server(&poller, NULL);
    for (int i = 0; i < 50; i++) {
        int fd = client_connect(port);
        send_text(fd, "GET / HTTP/1.1\r\n" HOST "\r\n");
        reset(fd);
    }
    STATS_WHEN(poller.server, connections_closed, 50);
    while (ws_server_poll(poller.server, &poller.events, 0) > 0)
        CHECK_STRING("127.0.0.1", ws_request_remote_address(poller.events->request));
    stop_and_free(poller.server);
}

/* A client that is gone is noticed while the host makes up its answer. */
static void gone_meanwhile(void)
{
    struct poller poller;
    int fd = client_connect(begin_server(&poller, NULL));
    send_text(fd, "GET /slow HTTP/1.1\r\n" HOST "\r\n");
    ws_conn conn = EXPECT_REQUEST(&poller, "/slow", "");
    reset(fd);
    STATS_WHEN(poller.server, connections_open, 0);
    CHECK_STATUS(WS_ERR_CLOSED, ws_respond(poller.server, conn, 200, NULL, "late", 4));
    stop_and_free(poller.server);
}

static void stopped_meanwhile(void)
{
    struct poller poller;
    char head[1024], line[16];
    int port = begin_server(&poller, NULL), asking = client_connect(port), reading = client_connect(port);
    int half = client_connect(port), idle = client_connect(port);
    send_text(idle, "GET /idle HTTP/1.1\r\n" HOST "\r\n");
    ANSWER(&poller, EXPECT_REQUEST(&poller, "/idle", ""), idle, "ok");
    send_text(reading, "GET /streamed HTTP/1.1\r\n" HOST "\r\n");
    ws_conn conn = EXPECT_REQUEST(&poller, "/streamed", "");
    CHECK_OK(ws_respond_begin(poller.server, conn, 200, NULL));
    CHECK_OK(ws_respond_write(poller.server, conn, "one", 3));
    send_text(asking, "GET /asked HTTP/1.1\r\n" HOST "\r\n");
    EXPECT_REQUEST(&poller, "/asked", "");
    send_text(half, "POST /half HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\n");
    CHECK_OK(ws_respond_end(poller.server, conn));
    CHECK_OK(ws_server_stop(poller.server, 100));
    CHECK_INT(503, receive_head(asking, head, sizeof head));
    CHECK_INT(200, receive_head(reading, head, sizeof head));
    receive_bytes(reading, line, 13);
    CHECK(memcmp(line, "3\r\none\r\n0\r\n\r\n", 13) == 0);
    EXPECT_END(reading);
    EXPECT_END(idle);
    EXPECT_CUT(half);
    close(asking);
    CHECK_OK(ws_server_free(poller.server));
}

int main(void)
{
    begin();
    one_after_the_other(NULL);
    one_after_the_other((const char *const[]){"reactors", "3", NULL});
    pipelined();
    pipelined_in_callbacks();
    pipelined_and_not_read();
    heads_alone();
    the_end_of_a_connection();
    slower_than_keep_alive();
    gone_at_once();
    gone_meanwhile();
    stopped_meanwhile();
    return 0;
}
