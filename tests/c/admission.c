/* Upgrades that the options rule out, and the subprotocol that they choose. */
#include "harness.h"

static struct record record = RECORD;
static char chosen[64];

static void note_subprotocol(ws_server *server, ws_conn conn, const ws_request *request, void *user_data)
{
    snprintf(chosen, sizeof chosen, "%s", ws_request_subprotocol(request));
    record_open(server, conn, request, user_data);
}

/* Asks for an upgrade with these lines and expects this status; the response is in `head`. */
static int ask(int port, const char *target, const char *lines, int status, char head[2048])
{
    int fd = client_connect(port);
    char request[2048];
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\n%s%s\r\n", target, UPGRADE_LINES, lines);
    send_text(fd, request);
    CHECK_INT(status, receive_head(fd, head, 2048));
    return fd;
}

static void refused(int port, const char *target, const char *lines, int status)
{
    char head[2048];
    EXPECT_CUT(ask(port, target, lines, status, head));
}

static void admitted(int port, const char *target, const char *lines, const char *subprotocol)
{
    char head[2048], line[128];
    int opens = record.opens, fd = ask(port, target, lines, 101, head);
    snprintf(line, sizeof line, "\r\nSec-WebSocket-Protocol: %s\r\n", subprotocol);
    CHECK_INT(*subprotocol != '\0', strstr(head, line) != NULL);
    CHECK_INT(*subprotocol != '\0', strstr(head, "Sec-WebSocket-Protocol") != NULL);
    WAIT_FOR(&record, opens, opens + 1);
    CHECK_STRING(subprotocol, chosen);
    send_message(fd, "served");
    EXPECT_MESSAGE(fd, "served");
    close(fd);
}

int main(void)
{
    begin();
    ws_server *server = recorded_server(&record, echo_message);
    CHECK_OK(ws_server_on_open(server, note_subprotocol, &record));
    CHECK_OK(ws_server_set(server, "allowed_origins", "https://desk.example, http://localhost:8080"));
    CHECK_OK(ws_server_set(server, "paths", "/agents,/feed"));
    CHECK_OK(ws_server_set(server, "subprotocols", "v2.desk, v1.desk"));
    int port = start(server);

    admitted(port, "/agents?token=7", "Origin: https://desk.example\r\n", "");
    admitted(port, "/feed", "", "");
    admitted(port, "/feed", "Sec-WebSocket-Protocol: v1.desk, v2.desk\r\n", "v2.desk");
    admitted(port, "/feed", "Sec-WebSocket-Protocol: other, v1.desk\r\n", "v1.desk");
    admitted(port, "/feed", "Sec-WebSocket-Protocol: other\r\n", "");

    refused(port, "/", "", 404);
    refused(port, "/agents/7", "Origin: https://desk.example\r\n", 404);
    refused(port, "/agents", "Origin: https://evil.example\r\n", 403);
    refused(port, "/agents", "Origin: https://desk.example\r\nOrigin: https://evil.example\r\n", 403);
    refused(port, "/agents", "Origin: null\r\n", 403);
    refused(port, "/agents", "Sec-WebSocket-Protocol: twice, twice\r\n", 400);

    ws_stats stats = stats_of(server);
    CHECK_INT(5, record.opens);
    CHECK_INT(6, stats.requests_refused);
    CHECK_INT(11, stats.requests);
    stop_and_free(server);
    return 0;
}
