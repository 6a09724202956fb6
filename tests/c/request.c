/* What the host is told of a request: its line, its headers as they were sent, where it came from. */
#include "harness.h"

static void check_request(ws_server *server, ws_conn conn, const ws_request *request, void *user_data)
{
    CHECK_STRING("GET", ws_request_method(request));
    CHECK_STRING("/a/b%20c?x=1&y=%3D?", ws_request_target(request));
    CHECK_STRING("/a/b%20c", ws_request_path(request));
    CHECK_STRING("x=1&y=%3D?", ws_request_query(request));
    CHECK_STRING("localhost", ws_request_header(request, "Host"));
    CHECK_STRING("localhost", ws_request_header(request, "hOST"));
    CHECK_STRING("first", ws_request_header(request, "cookie"));
    CHECK_STRING("", ws_request_header(request, "X-Empty"));
    CHECK_STRING("spaces  inside", ws_request_header(request, "X-Spaces"));
    CHECK_STRING("caf\xc3\xa9", ws_request_header(request, "X-Bytes"));
    CHECK(ws_request_header(request, "X-Absent") == NULL);
    CHECK(ws_request_header(request, "") == NULL);
    CHECK(ws_request_header(request, NULL) == NULL);

    int count = ws_request_header_count(request);
    CHECK_INT(10, count);
    CHECK_STRING("Host", ws_request_header_name(request, 0));
    CHECK_STRING("localhost", ws_request_header_value(request, 0));
    CHECK_STRING("cOOkie", ws_request_header_name(request, count - 1)); /* as sent, in the order sent */
    CHECK_STRING("second", ws_request_header_value(request, count - 1));
    CHECK(ws_request_header_name(request, count) == NULL && ws_request_header_value(request, count) == NULL);
    CHECK(ws_request_header_name(request, -1) == NULL && ws_request_header_value(request, -1) == NULL);
    CHECK_STRING("127.0.0.1", ws_request_remote_address(request));
    CHECK(ws_request_remote_port(request) > 0);
    record_open(server, conn, request, user_data);
}

int main(void)
{
    struct record record = RECORD;
    struct sockaddr_in own;
    socklen_t length = sizeof own;
    begin();
    ws_server *server = new_server();
    CHECK_OK(ws_server_on_open(server, check_request, &record));
    int fd = client_connect(start(server));
    CHECK_INT(0, getsockname(fd, (struct sockaddr *)&own, &length));
    send_text(fd, "GET /a/b%20c?x=1&y=%3D? HTTP/1.1\r\n" UPGRADE_LINES
                  "Cookie: first\r\nX-Empty:\r\nX-Spaces: \t spaces  inside\t \r\nX-Bytes: caf\xc3\xa9\r\n"
                  "cOOkie: second\r\n\r\n");
    expect_upgrade(fd);
    WAIT_FOR(&record, opens, 1);
    stop_and_free(server);
    close(fd);

    struct poller poller = {.server = new_server()};
    fd = client_open(start(poller.server));
    CHECK_INT(0, getsockname(fd, (struct sockaddr *)&own, &length));
    const ws_event *event = EXPECT_EVENT(&poller, WS_EVENT_OPEN);
    CHECK_INT(ntohs(own.sin_port), ws_request_remote_port(event->request));
    CHECK_STRING("", ws_request_query(event->request));
    CHECK_STRING("/", ws_request_path(event->request));
    CHECK_OK(ws_server_free(poller.server));
    close(fd);
    return 0;
}
