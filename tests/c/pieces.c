/* Responses that come piece by piece. */
#include "http.h"

/* A response in pieces, more of it than may wait at a time, while its client reads. */
static void in_pieces(void)
{
    static const char *const options[] = {"max_queued_bytes", "256K", NULL};
    enum { PIECE = 20000, PIECES = 1000 };
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
        CHECK(memcmp(line, "4e20\r\n", 6) == 0);
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

int main(void)
{
    begin();
    in_pieces();
    return 0;
}
