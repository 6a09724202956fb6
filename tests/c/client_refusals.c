/* Responses that make no WebSocket, each with its error: refusals, and servers that say yes in the wrong way. */
#include "server.h"

#define SWITCHES "HTTP/1.1 101 Switching Protocols\r\n"
#define UPGRADES "Upgrade: websocket\r\nConnection: Upgrade\r\n"
#define ACCEPTS "Sec-WebSocket-Accept: %s\r\n"

static const struct {
    const char *response; /* %s: what answers the key */
    int error, status;
    const char *part; /* of the detail */
} refusals[] = {
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", WS_ERR_HTTP_STATUS, 200, "200"},
    {"HTTP/1.1 204 No Content\r\n\r\n", WS_ERR_HTTP_STATUS, 204, "204"},
    {"HTTP/1.1 400 Bad Request\r\n\r\n", WS_ERR_HTTP_STATUS, 400, "400"},
    {"HTTP/1.1 403 Forbidden\r\n\r\n", WS_ERR_HTTP_STATUS, 403, "403"},
    {"HTTP/1.1 404 Not Found\r\n\r\n", WS_ERR_HTTP_STATUS, 404, "404"},
    {"HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 8\r\n\r\n", WS_ERR_HTTP_STATUS, 426, "426"},
    {"HTTP/1.1 500 Internal Server Error\r\n\r\n", WS_ERR_HTTP_STATUS, 500, "500"},
    {"HTTP/1.1 502\r\n\r\n", WS_ERR_HTTP_STATUS, 502, "502"},
    {"HTTP/1.0 404 Not Found\r\n\r\n", WS_ERR_HTTP_STATUS, 404, "404"},
    {"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"\r\n\r\n", WS_ERR_UNAUTHORIZED, 401, "401"},
    {"HTTP/1.1 503 Service Unavailable\r\n\r\n", WS_ERR_UNAVAILABLE, 503, "503"},
    {"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 7\r\n\r\n", WS_ERR_UNAVAILABLE, 503, "503"},
    {"HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:1/\r\n\r\n", WS_ERR_REDIRECT, 302, "max_redirects"},
    {"HTTP/1.1 301 Moved Permanently\r\n\r\n", WS_ERR_REDIRECT, 301, "Location"},

    {SWITCHES UPGRADES "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n", WS_ERR_ACCEPT, 101, "Accept"},
    {SWITCHES UPGRADES "\r\n", WS_ERR_ACCEPT, 101, "Accept"},
    {SWITCHES UPGRADES "Sec-WebSocket-Accept:\r\n\r\n", WS_ERR_ACCEPT, 101, "Accept"},
    {SWITCHES UPGRADES ACCEPTS "Sec-WebSocket-Accept: more\r\n\r\n", WS_ERR_ACCEPT, 101, "Accept"},

    {SWITCHES "Connection: Upgrade\r\n" ACCEPTS "\r\n", WS_ERR_HANDSHAKE, 101, "Upgrade"},
    {SWITCHES "Upgrade: h2c\r\nConnection: Upgrade\r\n" ACCEPTS "\r\n", WS_ERR_HANDSHAKE, 101, "Upgrade"},
    {SWITCHES "Upgrade: websocket\r\n" ACCEPTS "\r\n", WS_ERR_HANDSHAKE, 101, "Connection"},
    {SWITCHES "Upgrade: websocket\r\nConnection: close\r\n" ACCEPTS "\r\n", WS_ERR_HANDSHAKE, 101, "Connection"},
    {SWITCHES UPGRADES ACCEPTS "Sec-WebSocket-Protocol: chat\r\n\r\n", WS_ERR_HANDSHAKE, 101, "subprotocol"},
    {SWITCHES UPGRADES ACCEPTS "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n", WS_ERR_HANDSHAKE, 101, "extension"},
    {SWITCHES UPGRADES ACCEPTS "Sec-WebSocket-Extensions: x; y=1, z\r\n\r\n", WS_ERR_HANDSHAKE, 101, "extension"},
    {"HTTP/1.0 101 Switching Protocols\r\n" UPGRADES ACCEPTS "\r\n", WS_ERR_HANDSHAKE, 101, "HTTP/1.0"},

    {"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", WS_ERR_HANDSHAKE, 0, "malformed"},
    {"\x16\x03\x01\x02\x03\x04 what TLS would say\r\n\r\n", WS_ERR_HANDSHAKE, 0, "malformed"},
    {"HTTP/2 101 Switching Protocols\r\n" UPGRADES ACCEPTS "\r\n", WS_ERR_HANDSHAKE, 0, "malformed"},
    {"HTTP/1.1 1O1 Switching Protocols\r\n" UPGRADES ACCEPTS "\r\n", WS_ERR_HANDSHAKE, 0, "malformed"},
    {SWITCHES " folded: status\r\n" UPGRADES ACCEPTS "\r\n", WS_ERR_HANDSHAKE, 0, "malformed"},
    {SWITCHES UPGRADES ACCEPTS "Space : before\r\n\r\n", WS_ERR_HANDSHAKE, 0, "malformed"},
    {SWITCHES UPGRADES ACCEPTS "no colon\r\n\r\n", WS_ERR_HANDSHAKE, 0, "malformed"},
    {SWITCHES UPGRADES ACCEPTS "X: \x01\r\n\r\n", WS_ERR_HANDSHAKE, 0, "malformed"},
};

static void refused(const struct listener *listener)
{
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        struct client_record record = CLIENT_RECORD;
        char response[1024];
        ws_client *client = started_client(listener->url, &record);
        int fd = ACCEPT(listener);
        struct upgrade upgrade = receive_upgrade(fd);
        snprintf(response, sizeof response, refusals[i].response, upgrade.accept);
        send_text(fd, response);
        wait_for(refusals[i].response, "ends", &record.base, &record.ends, 1);
        EXPECT_CUT(fd); /* it hangs up without a word */
        expect_failure(refusals[i].response, client, &record, refusals[i].error, refusals[i].part);
        if (record.response != refusals[i].status)
            fail(refusals[i].response, "the response has the status %d", record.response);
    }
}

/* What a host may want to know of a refusal. */
static void look(ws_client *client, int status, const char *detail, const ws_request *response, void *user_data)
{
    CHECK(response != NULL);
    CHECK_INT(401, ws_request_status(response));
    CHECK_STRING("Basic realm=\"x\"", ws_request_header(response, "www-authenticate"));
    CHECK(ws_request_header(response, "X-Nothing") == NULL);
    client_failed(client, status, detail, response, user_data);
}

static void seen(const struct listener *listener)
{
    struct client_record record = CLIENT_RECORD;
    ws_client *client = recorded_client(listener->url, &record);
    CHECK_OK(ws_client_on_error(client, look, &record));
    CHECK_OK(ws_client_start(client));
    int fd = ACCEPT(listener);
    receive_upgrade(fd);
    send_text(fd, "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"\r\nContent-Length: 2\r\n\r\nno");
    EXPECT_FAILURE(client, &record, WS_ERR_UNAUTHORIZED, "401");
    close(fd);
}

/* Sends a head of so many lines, all at once: it may hang up in the middle of it. */
static void send_lines(int fd, const char *line, int count, const char *end)
{
    static char head[16 * 1024];
    size_t length = (size_t)snprintf(head, sizeof head, "HTTP/1.1 101 Switching Protocols\r\n");
    for (int i = 0; i < count; i++)
        length += (size_t)snprintf(head + length, sizeof head - length, "%s\r\n", line);
    length += (size_t)snprintf(head + length, sizeof head - length, "%s", end);
    CHECK(length < sizeof head);
    send_bytes(fd, head, length);
}

static void too_large(const struct listener *listener, const char *line, int count, const char *end, const char *part)
{
    struct client_record record = CLIENT_RECORD;
    ws_client *client = recorded_client(listener->url, &record);
    CHECK_OK(ws_client_set(client, "max_response_head", "1K"));
    CHECK_OK(ws_client_start(client));
    int fd = ACCEPT(listener);
    receive_upgrade(fd);
    send_lines(fd, line, count, end);
    EXPECT_FAILURE(client, &record, WS_ERR_HEAD_TOO_LARGE, part);
    CHECK_INT(strcmp(part, "lines") != 0, strstr(record.detail, "max_response_head") != NULL); /* no option helps against lines */
    EXPECT_CUT(fd);
}

int main(void)
{
    begin();
    struct listener listener = new_listener();
    refused(&listener);
    seen(&listener);
    too_large(&listener, "X: as long as it takes to be too long", 40, "", "larger than the limit");
    too_large(&listener, "A:b", 110, "\r\n", "lines");
    close(listener.fd);
    return 0;
}
