/* Requests: bodies, in whatever way they come, and what is no request at all. */
#include "http.h"

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

int main(void)
{
    begin();
    bodies();
    a_large_body();
    many_bodies();
    much_behind_a_body();
    nothing_is_smuggled();
    a_body_that_waits_to_be_asked_for();
    time_is_limited();
    return 0;
}
