/* What a host may change while a client waits for its next attempt, what it is told of a refusal, and how it finds out whether a
 * connection is still there. */
#include "server.h"

static struct client_poller polled_client(const char *url)
{
    struct client_poller poller = {.client = ws_client_new(url)};
    CHECK_OK(ws_client_set(poller.client, "reconnect", "on"));
    CHECK_OK(ws_client_set(poller.client, "reconnect_min", "1h")); /* the test says when */
    CHECK_OK(ws_client_set(poller.client, "reconnect_max", "1h"));
    CHECK_OK(ws_client_set(poller.client, "max_offline_bytes", "64k"));
    return poller;
}

static void refuse_with(int fd, const char *response)
{
    send_bytes(fd, response, strlen(response));
}

static void expect_header(const struct upgrade *upgrade, const char *name, const char *value)
{
    char found[256];
    CHECK(header_of(upgrade->head, name, found, sizeof found));
    CHECK_STRING(value, found);
}

static void a_fresh_token_is_sent_after_a_401(void)
{
    struct listener listener = new_listener();
    struct client_poller poller = polled_client(listener.url);
    ws_client *client = poller.client;
    CHECK_OK(ws_client_add_header(client, "Authorization", "Bearer old"));
    CHECK_OK(ws_client_set(client, "cookie", "a=old"));
    CHECK_OK(ws_client_start(client));
    int fd = ACCEPT(&listener);
    struct upgrade upgrade = receive_upgrade(fd);
    expect_header(&upgrade, "Authorization", "Bearer old");
    refuse_with(fd, "HTTP/1.1 401 Token Expired\r\nContent-Length: 17\r\n\r\nask for a new one");
    const ws_event *event = EXPECT_CLIENT_EVENT(&poller, WS_EVENT_ERROR);
    size_t length;
    CHECK_INT(WS_ERR_UNAUTHORIZED, event->code);
    CHECK_STRING("Token Expired", ws_request_reason(event->request));
    const void *body = ws_request_body(event->request, &length);
    CHECK_INT(17, length);
    CHECK(memcmp(body, "ask for a new one", length) == 0);
    EXPECT_CLIENT_EVENT(&poller, WS_EVENT_RETRY);
    close(fd);
    CHECK_OK(ws_client_set_header(client, "authorization", "Bearer new"));
    CHECK_OK(ws_client_set(client, "cookie", "a=new"));
    CHECK_OK(ws_client_set(client, "subprotocols", "v2"));
    CHECK_OK(ws_client_set_header(client, "X-More", "yes"));
    CHECK_STATUS(WS_ERR_ARGUMENT, ws_client_set_header(client, "X\r\n", "no"));
    CHECK_STATUS(WS_ERR_ARGUMENT, ws_client_set_header(client, "Host", NULL));
    CHECK_STATUS(WS_ERR_STATE, ws_client_add_header(client, "X-More", "twice"));
    CHECK_STATUS(WS_ERR_VALUE, ws_client_set(client, "cookie", "\n"));
    CHECK_STATUS(WS_ERR_STATE, ws_client_set(client, "reconnect", "off"));
    CHECK_STATUS(WS_ERR_OPTION, ws_client_set(client, "cookies", "a=b"));
    CHECK_OK(ws_client_reconnect(client));
    fd = ACCEPT(&listener);
    upgrade = receive_upgrade(fd);
    expect_header(&upgrade, "authorization", "Bearer new");
    expect_header(&upgrade, "Cookie", "a=new");
    expect_header(&upgrade, "X-More", "yes");
    expect_header(&upgrade, "Sec-WebSocket-Protocol", "v2");
    CHECK(strstr(upgrade.head, "old") == NULL);
    send_101(fd, &upgrade, "");
    EXPECT_CLIENT_EVENT(&poller, WS_EVENT_OPEN);
    /* While it is open they are for the one that follows. */
    CHECK_OK(ws_client_set_header(client, "Authorization", NULL));
    CHECK_OK(ws_client_set(client, "cookie", ""));
    close(fd);
    EXPECT_CLIENT_EVENT(&poller, WS_EVENT_CLOSE);
    EXPECT_CLIENT_EVENT(&poller, WS_EVENT_RETRY);
    CHECK_OK(ws_client_reconnect(client));
    fd = ACCEPT(&listener);
    upgrade = receive_upgrade(fd);
    CHECK(strstr(upgrade.head, "uthorization") == NULL && strstr(upgrade.head, "Cookie") == NULL);
    CHECK_OK(ws_client_close(client, 1000, NULL, 0));
    CHECK_STATUS(WS_ERR_CLOSED, ws_client_set_header(client, "X-Late", "yes"));
    CHECK_STATUS(WS_ERR_CLOSED, ws_client_set_url(client, listener.url));
    CHECK_OK(ws_client_free(client));
    close(fd);
    close(listener.fd);
}

static void another_url_is_for_the_next_attempt(void)
{
    struct listener one = new_listener(), other = new_listener();
    struct client_poller poller = polled_client("ws://127.0.0.1:1/");
    CHECK_OK(ws_client_set_url(poller.client, "not a URL")); /* told by the start, as that of new */
    CHECK_STATUS(WS_ERR_URL, ws_client_start(poller.client));
    CHECK_OK(ws_client_set_url(poller.client, one.url));
    CHECK_OK(ws_client_start(poller.client));
    int fd = ACCEPT(&one);
    receive_upgrade(fd);
    refuse_with(fd, "HTTP/1.1 503 \r\nRetry-After: 3600\r\nContent-Length: 0\r\n\r\n");
    const ws_event *event = EXPECT_CLIENT_EVENT(&poller, WS_EVENT_ERROR);
    size_t length;
    CHECK_STRING("", ws_request_reason(event->request));
    CHECK(ws_request_body(event->request, &length) == NULL);
    EXPECT_CLIENT_EVENT(&poller, WS_EVENT_RETRY);
    close(fd);
    CHECK_STATUS(WS_ERR_URL, ws_client_set_url(poller.client, "not a URL"));
    CHECK_STATUS(WS_ERR_UNSUPPORTED, ws_client_set_url(poller.client, "wss://127.0.0.1/"));
    CHECK_STATUS(WS_ERR_NULL, ws_client_set_url(poller.client, NULL));
    CHECK_OK(ws_client_set_url(poller.client, other.url));
    CHECK_OK(ws_client_reconnect(poller.client));
    fd = OPEN_NEXT(&other);
    EXPECT_CLIENT_EVENT(&poller, WS_EVENT_OPEN);
    CHECK_OK(ws_client_free(poller.client));
    close(fd);
    close(one.fd);
    close(other.fd);
}

/* Bodies of every form, of which no more than 4 KiB are told. */
static void the_body_of_a_refusal_is_told(void)
{
    static char much[9000], chunk[9100];
    struct {
        const char *head, *body;
        size_t length;
        int ends, told;
    } cases[] = {
        {"Content-Length: 5\r\n", "hello", 5, 0, 5},
        {"Content-Length: 9000\r\n", much, 9000, 0, 4096},
        {"Content-Length: 100\r\n", "cut", 3, 1, 3},
        {"Content-Length: 100\r\n", "slow", 4, 0, 4},
        {"Content-Length: 2\r\n", "hello", 5, 0, 2},
        {"Transfer-Encoding: chunked\r\n", "3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", 20, 0, 5},
        {"Transfer-Encoding: chunked\r\n", chunk, 0, 0, 4096},
        {"Transfer-Encoding: chunked\r\n", "3\r\nhel\r\nnonsense", 16, 0, 3},
        {"", "to the end", 10, 1, 10},
        {"", much, 9000, 0, 4096},
    };
    memset(much, 'm', sizeof much);
    cases[6].length = (size_t)snprintf(chunk, sizeof chunk, "2328\r\n%.9000s\r\n0\r\n\r\n", much);
    struct listener listener = new_listener();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char head[200];
        struct client_poller poller = {.client = ws_client_new(listener.url)};
        CHECK_OK(ws_client_start(poller.client));
        int fd = ACCEPT(&listener);
        receive_upgrade(fd);
        snprintf(head, sizeof head, "HTTP/1.1 403 Forbidden\r\n%s\r\n", cases[i].head);
        refuse_with(fd, head);
        send_bytes(fd, cases[i].body, cases[i].length);
        if (cases[i].ends)
            CHECK_INT(0, shutdown(fd, SHUT_WR));
        const ws_event *event = EXPECT_CLIENT_EVENT(&poller, WS_EVENT_ERROR);
        size_t length;
        const void *body = ws_request_body(event->request, &length);
        CHECK_INT(WS_ERR_HTTP_STATUS, event->code);
        CHECK_STRING("Forbidden", ws_request_reason(event->request));
        if (length != (size_t)cases[i].told || memcmp(body, cases[i].body == chunk ? much : i == 5 ? "hello" : i == 7 ? "hel" : cases[i].body, length) != 0)
            fail(HERE, "case %zu: %zu bytes of the body, and not %d", i, length, cases[i].told);
        EXPECT_CLIENT_EVENT(&poller, WS_EVENT_END);
        CHECK_OK(ws_client_free(poller.client));
        close(fd);
    }
    close(listener.fd);
}

static void what_is_kept_can_be_dropped(void)
{
    struct listener listener = new_listener();
    struct client_poller poller = polled_client(listener.url);
    CHECK_STATUS(WS_ERR_STATE, ws_client_clear_offline(poller.client));
    CHECK_OK(ws_client_start(poller.client));
    int fd = OPEN_NEXT(&listener);
    EXPECT_CLIENT_EVENT(&poller, WS_EVENT_OPEN);
    CHECK_INT(0, ws_client_clear_offline(poller.client));
    close(fd);
    EXPECT_CLIENT_EVENT(&poller, WS_EVENT_CLOSE);
    CHECK_OK(ws_client_push(poller.client, "one", 3, WS_TEXT));
    CHECK_OK(ws_client_push(poller.client, "two", 3, WS_TEXT));
    CHECK(ws_client_queued_bytes(poller.client) > 0);
    CHECK_INT(2, ws_client_clear_offline(poller.client));
    CHECK_INT(0, ws_client_queued_bytes(poller.client));
    CHECK_OK(ws_client_push(poller.client, "three", 5, WS_TEXT));
    CHECK_OK(ws_client_reconnect(poller.client));
    fd = OPEN_NEXT(&listener);
    EXPECT_FROM_CLIENT(fd, "three");
    CHECK_OK(ws_client_free(poller.client));
    close(fd);
    close(listener.fd);
}

static void what_is_kept_grows_old(void)
{
    struct listener listener = new_listener();
    struct client_poller poller = polled_client(listener.url);
    ws_stats stats = {.size = sizeof stats};
    CHECK_OK(ws_client_set(poller.client, "max_offline_age", "50ms"));
    CHECK_OK(ws_client_start(poller.client));
    int fd = OPEN_NEXT(&listener);
    EXPECT_CLIENT_EVENT(&poller, WS_EVENT_OPEN);
    close(fd);
    EXPECT_CLIENT_EVENT(&poller, WS_EVENT_CLOSE);
    CHECK_OK(ws_client_push(poller.client, "old", 3, WS_TEXT));
    while (ws_client_queued_bytes(poller.client) > 0)
        give_way();
    CHECK_OK(ws_client_stats(poller.client, &stats));
    CHECK_INT(1, stats.messages_dropped);
    CHECK_OK(ws_client_reconnect(poller.client));
    fd = OPEN_NEXT(&listener);
    EXPECT_CLIENT_EVENT(&poller, WS_EVENT_RETRY);
    EXPECT_CLIENT_EVENT(&poller, WS_EVENT_OPEN);
    CHECK_OK(ws_client_push(poller.client, "new", 3, WS_TEXT));
    CHECK_OK(ws_client_done(poller.client));
    EXPECT_FROM_CLIENT(fd, "new");
    CHECK_OK(ws_client_free(poller.client));
    close(fd);
    close(listener.fd);
}

/* By reconnect() and by ping(): a peer that is silent is cut, and one that answers is not. */
static void a_ping_of_the_host_awaits_its_pong(int by_ping)
{
    struct listener listener = new_listener();
    struct client_poller poller = polled_client(listener.url);
    CHECK_OK(ws_client_set(poller.client, "ping_interval", "0"));
    CHECK_OK(ws_client_set(poller.client, "pong_timeout", under_valgrind() ? "5s" : "300ms"));
    CHECK_OK(ws_client_start(poller.client));
    int fd = OPEN_NEXT(&listener);
    EXPECT_CLIENT_EVENT(&poller, WS_EVENT_OPEN);
    CHECK_OK(ws_client_done(poller.client));
    for (int i = 0; i < 2; i++) {
        if (by_ping)
            CHECK_OK(ws_client_ping(poller.client, "there?", 6));
        else
            CHECK_OK(ws_client_reconnect(poller.client));
        EXPECT_MASKED(fd, FIN | PING, by_ping ? "there?" : "", by_ping ? 6 : 0);
        if (i == 0) { /* any sign of life will do */
            send_to_client(fd, "yes");
            EXPECT_CLIENT_EVENT(&poller, WS_EVENT_MESSAGE);
            CHECK_OK(ws_client_done(poller.client));
        }
    }
    const ws_event *event = EXPECT_CLIENT_EVENT(&poller, WS_EVENT_CLOSE);
    CHECK_INT(1006, event->code);
    CHECK_INT(WS_CAUSE_PONG_TIMEOUT, event->cause);
    CHECK_OK(ws_client_free(poller.client));
    close(fd);
    close(listener.fd);
}

static void a_ping_of_a_server_awaits_its_pong(void)
{
    struct poller poller = {.server = new_server()};
    CHECK_OK(ws_server_set(poller.server, "ping_interval", "0"));
    CHECK_OK(ws_server_set(poller.server, "pong_timeout", "50ms"));
    int fd = client_open(start(poller.server));
    ws_conn conn = EXPECT_EVENT(&poller, WS_EVENT_OPEN)->conn;
    CHECK_OK(ws_ping(poller.server, conn, "", 0));
    CHECK_INT(WS_CAUSE_PONG_TIMEOUT, EXPECT_EVENT(&poller, WS_EVENT_CLOSE)->cause);
    close(fd);
    stop_and_free(poller.server);
}

int main(void)
{
    begin();
    a_fresh_token_is_sent_after_a_401();
    another_url_is_for_the_next_attempt();
    the_body_of_a_refusal_is_told();
    what_is_kept_can_be_dropped();
    what_is_kept_grows_old();
    a_ping_of_the_host_awaits_its_pong(0);
    a_ping_of_the_host_awaits_its_pong(1);
    a_ping_of_a_server_awaits_its_pong();
    return 0;
}
