/* Plain HTTP in detail: bodies, requests that follow one another, responses in pieces, and what is no request at all. */
#include "harness.h"

#define HOST "Host: a\r\n"

/* Starts a server in poll mode; `options` are pairs of a name and a value. */
static int begin_server(struct poller *poller, const char *const *options)
{
    memset(poller, 0, sizeof *poller);
    poller->server = new_server();
    for (; options != NULL && *options != NULL; options += 2)
        CHECK_OK(ws_server_set(poller->server, options[0], options[1]));
    return start(poller->server);
}

/* The next event must be a request with this path and body. Returns its connection. */
#define EXPECT_REQUEST(poller, path, body) expect_request(HERE, (poller), (path), (body), strlen(body))

static ws_conn expect_request(const char *where, struct poller *poller, const char *path, const void *body, size_t length)
{
    size_t found = 99;
    const ws_event *event = expect_event(where, poller, WS_EVENT_REQUEST);
    const void *data = ws_request_body(event->request, &found);
    if (strcmp(path, ws_request_path(event->request)) != 0)
        fail(where, "the request is for %s, not for %s", ws_request_path(event->request), path);
    if (found != length || (length > 0 && memcmp(data, body, length) != 0))
        fail(where, "another body: %zu bytes, not %zu", found, length);
    CHECK((length == 0) == (data == NULL));
    CHECK(ws_request_body(event->request, NULL) == NULL);
    return event->conn;
}

/* Answers, and reads the answer; the connection goes on after it. */
#define ANSWER(poller, conn, fd, text) answer(HERE, (poller), (conn), (fd), (text))

static void receive_answer(const char *where, int fd, int status, const char *text)
{
    char head[1024], body[1024], line[64];
    last_check = where;
    CHECK_INT(status, receive_head(fd, head, sizeof head));
    snprintf(line, sizeof line, "\r\nContent-Length: %zu\r\n", strlen(text));
    CHECK_CONTAINS(line, head);
    CHECK_CONTAINS("\r\nDate: ", head);
    receive_bytes(fd, body, strlen(text));
    if (memcmp(body, text, strlen(text)) != 0)
        fail(where, "the answer is %.*s, not %s", (int)strlen(text), body, text);
}

static void answer(const char *where, struct poller *poller, ws_conn conn, int fd, const char *text)
{
    CHECK_OK(ws_respond(poller->server, conn, 200, NULL, text, strlen(text)));
    receive_answer(where, fd, 200, text);
}

/* However the bytes are cut. */
static void bodies(void)
{
    static const char *const requests[] = {
        "POST /b HTTP/1.1\r\n" HOST "Content-Length: 11\r\n\r\nhello world",
        "PUT /b HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nB\r\nhello world\r\n0\r\n\r\n",
        "BREW /b HTTP/1.1\r\n" HOST "transfer-encoding:Chunked\r\n\r\n6;a=\"b\"\r\nhello \r\n05\r\nworld\r\n00\r\nX: y\r\n\r\n",
    };
    struct poller poller;
    int fd = client_connect(begin_server(&poller, NULL));
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        size_t length = strlen(requests[i]);
        send_text(fd, requests[i]);
        ANSWER(&poller, EXPECT_REQUEST(&poller, "/b", "hello world"), fd, "whole");
        for (size_t at = 0; at < length; at++)
            send_bytes(fd, requests[i] + at, 1);
        ANSWER(&poller, EXPECT_REQUEST(&poller, "/b", "hello world"), fd, "byte by byte");
    }
    send_text(fd, "POST /none HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n");
    ANSWER(&poller, EXPECT_REQUEST(&poller, "/none", ""), fd, "");
    send_text(fd, "POST /none HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    ANSWER(&poller, EXPECT_REQUEST(&poller, "/none", ""), fd, "");
    close(fd);
    stop_and_free(poller.server);
}

static void a_large_body(void)
{
    static const char *const options[] = {"max_request_body", "8M", NULL};
    const size_t size = 8 << 20;
    struct poller poller;
    unsigned char *body = malloc(size);
    CHECK(body != NULL);
    for (size_t i = 0; i < size; i++)
        body[i] = (unsigned char)(i * 7 + i / 251);
    int fd = client_connect(begin_server(&poller, options));
    char head[128];
    snprintf(head, sizeof head, "POST /large HTTP/1.1\r\n" HOST "Content-Length: %zu\r\n\r\n", size);
    send_text(fd, head);
    send_bytes(fd, body, size);
    ANSWER(&poller, expect_request(HERE, &poller, "/large", body, size), fd, "thanks");
    close(fd);
    free(body);
    stop_and_free(poller.server);
}

/* Bodies that are still arriving are bounded all together, and who gives up makes room. */
static void many_bodies(void)
{
    static const char *const options[] = {"max_body_bytes", "128K", NULL};
    static const char head[] = "POST /big HTTP/1.1\r\n" HOST "Content-Length: 60000\r\n\r\n";
    static char body[60000];
    struct poller poller;
    char found[1024];
    int port = begin_server(&poller, options), first = client_connect(port), second = client_connect(port);
    memset(body, 'b', sizeof body);
    send_text(first, head);
    send_bytes(first, body, sizeof body - 1);
    STATS_WHEN(poller.server, bytes_in, strlen(head) + sizeof body - 1);
    send_text(second, head);
    send_bytes(second, body, sizeof body - 1);
    STATS_WHEN(poller.server, bytes_in, 2 * (strlen(head) + sizeof body - 1));
    int third = client_connect(port);
    send_text(third, head);
    send_bytes(third, body, sizeof body - 1);
    CHECK_INT(503, receive_head(third, found, sizeof found));
    close(third);
    reset(second);
    STATS_WHEN(poller.server, connections_open, 1);
    third = client_connect(port);
    send_text(third, head);
    send_bytes(third, body, sizeof body);
    ANSWER(&poller, expect_request(HERE, &poller, "/big", body, sizeof body), third, "third");
    send_bytes(first, body, 1);
    ANSWER(&poller, expect_request(HERE, &poller, "/big", body, sizeof body), first, "first");
    close(first);
    close(third);
    stop_and_free(poller.server);
}

/* What is not to be told to the host: the request, the status, and a request smuggled behind it that nobody may see. */
static const struct {
    int status;
    const char *lines;
} refused[] = {
    {400, "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
    {400, "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n"},
    {400, "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello"},
    {400, "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello"},
    {400, "Content-Length: 5, 5\r\n\r\nhello"},
    {400, "Content-Length: +5\r\n\r\nhello"},
    {400, "Content-Length: -1\r\n\r\n"},
    {400, "Content-Length: 0x5\r\n\r\nhello"},
    {400, "Content-Length: 18446744073709551616\r\n\r\n"},
    {400, "Content-Length : 5\r\n\r\nhello"},
    {400, "Content-Length:\r\n\r\n"},
    {400, "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"},
    {400, "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n"},
    {400, "Transfer-Encoding: identity\r\n\r\n"},
    {400, "Transfer-Encoding: \x0b" "chunked\r\n\r\n0\r\n\r\n"},
    {501, "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"},
    {400, "Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n"},
    {400, "Transfer-Encoding: chunked\r\n\r\n5 \r\nhello\r\n0\r\n\r\n"},
    {400, "Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n"},
    {400, "Transfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n"},
    {400, "Transfer-Encoding: chunked\r\n\r\n4\r\nhello\r\n0\r\n\r\n"},
    {400, "Transfer-Encoding: chunked\r\n\r\n6\r\nhello\r\n0\r\n\r\n"},
    {400, "Transfer-Encoding: chunked\r\n\r\n5\r\nhello0\r\n\r\n"},
    {400, "Transfer-Encoding: chunked\r\n\r\n\r\n"},
    {400, "Transfer-Encoding: chunked\r\n\r\n10000000000000005\r\nhello\r\n0\r\n\r\n"},
    {400, "Transfer-Encoding: chunked\r\n\r\n5;\x01\r\nhello\r\n0\r\n\r\n"},
    {400, "Transfer-Encoding: chunked\r\n\r\n0\r\nbad trailer\r\n\r\n"},
    {400, "Transfer-Encoding: chunked\r\n\r\n0\r\n folded\r\n\r\n"},
    {413, "Content-Length: 101\r\n\r\n"},
    {413, "Content-Length: 18446744073709551615\r\n\r\n"},
    {413, "Transfer-Encoding: chunked\r\n\r\n64\r\n1234567890123456789012345678901234567890123456789012345678901234567890"
          "123456789012345678901234567890\r\n1\r\nx\r\n0\r\n\r\n"},
    {417, "Expect: the-impossible\r\nContent-Length: 5\r\n\r\nhello"},
};

static void nothing_is_smuggled(void)
{
    static const char *const options[] = {"max_request_body", "100", NULL};
    struct poller poller;
    char request[1024], head[1024];
    const ws_event *events;
    int port = begin_server(&poller, options);
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        int fd = client_connect(port);
        snprintf(request, sizeof request, "POST /refused HTTP/1.1\r\n" HOST "%sGET /smuggled HTTP/1.1\r\n" HOST "\r\n",
                 refused[i].lines);
        send_text(fd, request);
        int status = receive_head(fd, head, sizeof head);
        if (status != refused[i].status)
            fail(HERE, "%d, not %d, for %s", status, refused[i].status, request);
        CHECK_CONTAINS("\r\nConnection: close\r\n", head);
        CHECK(strstr(head, "100 Continue") == NULL);
        CHECK_INT(0, shutdown(fd, SHUT_WR));
        EXPECT_CUT(fd);
    }
    int fd = client_connect(port); /* HTTP/1.0 has no chunks */
    send_text(fd, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    CHECK_INT(400, receive_head(fd, head, sizeof head));
    close(fd);
    CHECK_INT(0, ws_server_poll(poller.server, &events, 0));
    ws_stats stats = stats_of(poller.server);
    CHECK_INT(sizeof refused / sizeof *refused + 1, stats.requests_refused);
    CHECK_INT(3, stats.refused_413);
    CHECK_INT(1, stats.refused_417);
    stop_and_free(poller.server);
}

static void a_body_that_waits_to_be_asked_for(void)
{
    static const char *const options[] = {"max_request_body", "100", NULL};
    struct poller poller;
    char head[1024];
    int port = begin_server(&poller, options), fd = client_connect(port);
    for (int i = 0; i < 2; i++) {
        send_text(fd, "POST /asked HTTP/1.1\r\n" HOST "Expect: 100-Continue\r\nContent-Length: 5\r\n\r\n");
        CHECK_INT(100, receive_head(fd, head, sizeof head));
        send_text(fd, "hello");
        ANSWER(&poller, EXPECT_REQUEST(&poller, "/asked", "hello"), fd, "got it");
    }
    /* It is there already, and nothing to ask for. */
    send_text(fd, "POST /asked HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhello");
    ANSWER(&poller, EXPECT_REQUEST(&poller, "/asked", "hello"), fd, "got it");
    send_text(fd, "POST / HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 500\r\n\r\n");
    CHECK_INT(413, receive_head(fd, head, sizeof head));
    close(fd);
    stop_and_free(poller.server);
}

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

static void time_is_limited(void)
{
    static const char *const options[] = {"body_timeout", "100ms", "request_timeout", "150ms", "response_timeout", "100ms",
                                          NULL};
    struct poller poller;
    char head[1024];
    int port = begin_server(&poller, options), fd = client_connect(port);
    send_text(fd, "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhell");
    CHECK_INT(408, receive_head(fd, head, sizeof head));
    close(fd);

    fd = client_connect(port); /* the second request has its time, too */
    send_text(fd, "GET / HTTP/1.1\r\n" HOST "\r\n");
    ANSWER(&poller, EXPECT_REQUEST(&poller, "/", ""), fd, "now");
    send_text(fd, "GET / HTTP/1.1\r\nHost");
    CHECK_INT(408, receive_head(fd, head, sizeof head));
    close(fd);

    fd = client_connect(port);
    send_text(fd, "GET /streamed HTTP/1.1\r\n" HOST "\r\n");
    ws_conn conn = EXPECT_REQUEST(&poller, "/streamed", "");
    CHECK_OK(ws_respond_begin(poller.server, conn, 200, NULL));
    CHECK_INT(200, receive_head(fd, head, sizeof head));
    EXPECT_CUT(fd); /* without the chunk that ends it, so that nobody takes it for whole */
    STATS_WHEN(poller.server, connections_open, 0);
    CHECK_STATUS(WS_ERR_CLOSED, ws_respond_write(poller.server, conn, "x", 1));
    CHECK_STATUS(WS_ERR_CLOSED, ws_respond_end(poller.server, conn));
    CHECK_INT(2, stats_of(poller.server).requests_timed_out);
    stop_and_free(poller.server);
}

/* A response in pieces, more of it than may wait at a time, while its client reads. */
static void in_pieces(void)
{
    static const char *const options[] = {"max_queued_bytes", "256K", NULL};
    enum { PIECE = 10000, PIECES = 300 };
    struct poller poller;
    char head[1024], line[32], piece[PIECE], found[PIECE + 2];
    int port = begin_server(&poller, options), fd = client_connect(port), refusals = 0, small = 64 * 1024, read = 0;
    CHECK_INT(0, setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small));
    send_text(fd, "GET /pieces HTTP/1.1\r\n" HOST "\r\n");
    ws_conn conn = EXPECT_REQUEST(&poller, "/pieces", "");
    CHECK_STATUS(WS_ERR_CLOSED, ws_respond_write(poller.server, conn, "early", 5));
    CHECK_STATUS(WS_ERR_ARGUMENT, ws_respond_begin(poller.server, conn, 204, NULL));
    CHECK_STATUS(WS_ERR_ARGUMENT, ws_respond_begin(poller.server, conn, 200, "Transfer-Encoding: chunked"));
    CHECK_OK(ws_respond_begin(poller.server, conn, 200, "X-A: b"));
    CHECK_STATUS(WS_ERR_CLOSED, ws_respond_begin(poller.server, conn, 200, NULL));
    CHECK_STATUS(WS_ERR_CLOSED, ws_respond(poller.server, conn, 200, NULL, NULL, 0));
    CHECK_INT(200, receive_head(fd, head, sizeof head));
    CHECK_CONTAINS("\r\nTransfer-Encoding: chunked\r\n", head);
    CHECK(strstr(head, "Content-Length") == NULL);
    for (int sent = 0; sent < PIECES || read < PIECES;) {
        memset(piece, 'a' + sent % 26, PIECE);
        int status = sent < PIECES ? ws_respond_write(poller.server, conn, piece, PIECE) : WS_ERR_QUEUE_FULL;
        if (status == WS_OK) {
            sent++;
            CHECK_OK(ws_respond_write(poller.server, conn, NULL, 0));
            continue;
        }
        CHECK_STATUS(WS_ERR_QUEUE_FULL, status);
        refusals += sent < PIECES;
        receive_bytes(fd, line, 6);
        CHECK(memcmp(line, "2710\r\n", 6) == 0);
        receive_bytes(fd, found, sizeof found);
        memset(piece, 'a' + read++ % 26, PIECE);
        CHECK(memcmp(found, piece, PIECE) == 0 && memcmp(found + PIECE, "\r\n", 2) == 0);
    }
    CHECK(refusals > 0);
    const ws_event *event = EXPECT_EVENT(&poller, WS_EVENT_DRAIN); /* there was room again, at least once */
    CHECK_INT(conn, event->conn);
    do {
        for (; poller.next < poller.count; poller.next++)
            CHECK_INT(WS_EVENT_DRAIN, poller.events[poller.next].type);
        poller.count = ws_server_poll(poller.server, &poller.events, 0);
        poller.next = 0;
    } while (poller.count > 0);
    CHECK_OK(ws_respond_end(poller.server, conn));
    receive_bytes(fd, line, 5);
    CHECK(memcmp(line, "0\r\n\r\n", 5) == 0);
    send_text(fd, "GET /next HTTP/1.1\r\n" HOST "\r\n");
    ANSWER(&poller, EXPECT_REQUEST(&poller, "/next", ""), fd, "next");
    close(fd);

    fd = client_connect(port); /* HTTP/1.0 does not know chunks: the end of the connection is that of the body */
    send_text(fd, "GET /old HTTP/1.0\r\n\r\n");
    conn = EXPECT_REQUEST(&poller, "/old", "");
    CHECK_OK(ws_respond_begin(poller.server, conn, 200, NULL));
    CHECK_OK(ws_respond_write(poller.server, conn, "as it is", 8));
    CHECK_OK(ws_respond_end(poller.server, conn));
    CHECK_INT(200, receive_head(fd, head, sizeof head));
    CHECK(strstr(head, "Transfer-Encoding") == NULL);
    receive_bytes(fd, line, 8);
    CHECK(memcmp(line, "as it is", 8) == 0);
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

/* More behind a body than there is room for in front of what is received next. */
static void much_behind_a_body(void)
{
    struct poller poller;
    const size_t size = 300000;
    char *bytes = malloc(size), head[1024];
    CHECK(bytes != NULL);
    memset(bytes, 'x', size);
    int fd = client_connect(begin_server(&poller, NULL));
    size_t length = (size_t)sprintf(bytes, "POST / HTTP/1.1\r\n" HOST "Connection: close\r\nContent-Length: 20000\r\n\r\n");
    bytes[length] = 'x';
    send_bytes(fd, bytes, length + 19999);
    STATS_WHEN(poller.server, bytes_in, length + 19999);
    CHECK(stuff(fd, bytes + length, size - length, (int64_t)(size - length)) > 0);
    ws_conn conn = EXPECT_EVENT(&poller, WS_EVENT_REQUEST)->conn;
    CHECK_OK(ws_respond(poller.server, conn, 200, NULL, "ok", 2));
    CHECK_INT(200, receive_head(fd, head, sizeof head));
    receive_bytes(fd, head, 2);
    CHECK_INT(0, shutdown(fd, SHUT_WR));
    EXPECT_CUT(fd);
    STATS_WHEN(poller.server, connections_open, 0);
    CHECK_INT(0, stats_of(poller.server).panics);
    free(bytes);
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
    bodies();
    a_large_body();
    many_bodies();
    nothing_is_smuggled();
    a_body_that_waits_to_be_asked_for();
    one_after_the_other(NULL);
    one_after_the_other((const char *const[]){"reactors", "3", NULL});
    pipelined();
    pipelined_in_callbacks();
    pipelined_and_not_read();
    heads_alone();
    the_end_of_a_connection();
    time_is_limited();
    in_pieces();
    slower_than_keep_alive();
    much_behind_a_body();
    gone_at_once();
    gone_meanwhile();
    stopped_meanwhile();
    return 0;
}
