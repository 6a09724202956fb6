/* A client behind an HTTP proxy: CONNECT, then everything through the tunnel. The test plays both. */
#include "server.h"

#define TARGET "server.invalid" /* the proxy looks it up, or it is not looked up at all: RFC 2606, 2 */

static ws_client *behind(const char *proxy, const char *url, struct client_record *record)
{
    ws_client *client = recorded_client(url, record);
    CHECK_OK(ws_client_set(client, "proxy", proxy));
    return client;
}

static void proxy_of(const struct listener *listener, const char *credentials, char *out, size_t capacity)
{
    snprintf(out, capacity, "http://%s127.0.0.1:%d", credentials, listener->port);
}

/* The tunnel's response, and the server's right behind it, are two; credentials go to whom they are for. */
static void through(const struct listener *listener)
{
    struct client_record record = CLIENT_RECORD;
    char proxy[96], head[2048], value[256];
    proxy_of(listener, "user:p%3Aw@", proxy, sizeof proxy);
    ws_client *client = behind(proxy, "ws://me:secret@" TARGET "/chat", &record);
    CHECK_OK(ws_client_set(client, "cookie", "a=b"));
    CHECK_OK(ws_client_start(client));
    int fd = ACCEPT(listener);
    receive_request_head(fd, head, sizeof head);
    CHECK_BEGINS("CONNECT " TARGET ":80 HTTP/1.1\r\n", head);
    CHECK(header_of(head, "Host", value, sizeof value));
    CHECK_STRING(TARGET ":80", value);
    CHECK(header_of(head, "Proxy-Authorization", value, sizeof value));
    CHECK_STRING("Basic dXNlcjpwOnc=", value); /* user:p:w */
    CHECK(!header_of(head, "Authorization", value, sizeof value));
    CHECK(!header_of(head, "Cookie", value, sizeof value));
    send_text(fd, "HTTP/1.1 200 Connection established\r\nContent-Length: 9\r\n\r\n"); /* a length that means nothing */
    struct upgrade upgrade = receive_upgrade(fd);
    CHECK_BEGINS("GET /chat HTTP/1.1\r\n", upgrade.head);
    CHECK(header_of(upgrade.head, "Host", value, sizeof value));
    CHECK_STRING(TARGET, value);
    CHECK(!header_of(upgrade.head, "Proxy-Authorization", value, sizeof value));
    CHECK(header_of(upgrade.head, "Authorization", value, sizeof value));
    CHECK_STRING("Basic bWU6c2VjcmV0", value); /* me:secret */
    CHECK(header_of(upgrade.head, "Cookie", value, sizeof value));
    send_101(fd, &upgrade, "");
    send_to_client(fd, "through it");
    WAIT_CLIENT(&record, messages, 1);
    CHECK_OK(ws_client_push(client, "and back", 8, WS_TEXT));
    EXPECT_FROM_CLIENT(fd, "and back");
    send_close_to_client(fd, 1000, "");
    EXPECT_CLOSE_FROM_CLIENT(fd, 1000);
    EXPECT_CLOSED(client, &record, 1000);
    close(fd);
}

static void refused(const struct listener *listener, const char *response, int status, const char *part)
{
    struct client_record record = CLIENT_RECORD;
    char proxy[96], head[2048];
    proxy_of(listener, "", proxy, sizeof proxy);
    ws_client *client = behind(proxy, "ws://" TARGET "/", &record);
    CHECK_OK(ws_client_start(client));
    int fd = ACCEPT(listener);
    receive_request_head(fd, head, sizeof head);
    send_text(fd, response);
    EXPECT_FAILURE(client, &record, status, part);
    EXPECT_CUT(fd);
}

/* What the server refuses through the tunnel is the server's refusal. */
static void refused_by_the_server(const struct listener *listener)
{
    struct client_record record = CLIENT_RECORD;
    char proxy[96], head[2048];
    proxy_of(listener, "", proxy, sizeof proxy);
    ws_client *client = behind(proxy, "ws://" TARGET ":8080/", &record);
    CHECK_OK(ws_client_start(client));
    int fd = ACCEPT(listener);
    receive_request_head(fd, head, sizeof head);
    CHECK_BEGINS("CONNECT " TARGET ":8080 HTTP/1.1\r\n", head);
    send_text(fd, "HTTP/1.0 200 OK\r\n\r\n"); /* as old proxies say it */
    receive_upgrade(fd);
    send_text(fd, "HTTP/1.1 404 Not Found\r\n\r\n");
    EXPECT_FAILURE(client, &record, WS_ERR_HTTP_STATUS, "404");
    CHECK_INT(404, record.response);
    EXPECT_CUT(fd);
}

/* The proxy ends it while the tunnel is asked for. */
static void cut(const struct listener *listener, const char *sent, int with_reset, int status)
{
    struct client_record record = CLIENT_RECORD;
    char proxy[96], head[2048];
    proxy_of(listener, "", proxy, sizeof proxy);
    ws_client *client = behind(proxy, "ws://" TARGET "/", &record);
    CHECK_OK(ws_client_start(client));
    int fd = ACCEPT(listener);
    receive_request_head(fd, head, sizeof head);
    send_text(fd, sent);
    if (with_reset)
        reset(fd);
    else
        close(fd);
    EXPECT_FAILURE(client, &record, status, "");
}

static void no_proxy_there(void)
{
    struct client_record record = CLIENT_RECORD;
    struct listener listener = new_listener();
    char proxy[96], address[32];
    proxy_of(&listener, "", proxy, sizeof proxy);
    close(listener.fd);
    ws_client *client = behind(proxy, "ws://" TARGET "/", &record);
    CHECK_OK(ws_client_start(client));
    snprintf(address, sizeof address, "127.0.0.1:%d", listener.port);
    EXPECT_FAILURE(client, &record, WS_ERR_CONNECT, address);
}

static void a_proxy_that_is_none(void)
{
    static const char *const urls[] = {"127.0.0.1:3128", "https://127.0.0.1:3128", "socks5://127.0.0.1:1080", "http://", "x"};
    ws_client *client = ws_client_new("ws://" TARGET "/");
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        CHECK_STATUS(WS_ERR_VALUE, ws_client_set(client, "proxy", urls[i]));
        CHECK_CONTAINS("proxy", ws_last_error());
    }
    CHECK_OK(ws_client_free(client));
}

int main(void)
{
    begin();
    struct listener listener = new_listener();
    through(&listener);
    refused(&listener, "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n",
            WS_ERR_UNAUTHORIZED, "407");
    refused(&listener, "HTTP/1.1 403 Forbidden\r\n\r\n", WS_ERR_PROXY, "403");
    refused(&listener, "HTTP/1.1 502 Bad Gateway\r\n\r\n", WS_ERR_PROXY, "502");
    refused(&listener, "HTTP/1.1 101 Switching Protocols\r\n\r\n", WS_ERR_PROXY, "101");
    refused(&listener, "what is this\r\n\r\n", WS_ERR_PROXY, "malformed");
    refused_by_the_server(&listener);
    cut(&listener, "", 0, WS_ERR_TRUNCATED);
    cut(&listener, "HTTP/1.1 200 O", 0, WS_ERR_TRUNCATED);
    cut(&listener, "", 1, WS_ERR_RESET);
    close(listener.fd);
    no_proxy_there();
    a_proxy_that_is_none();
    return 0;
}
