/* Deadlines of a client: to connect, to get a whole response, for pongs, for messages. Each has an error of its own. */
#include "server.h"

static ws_client *client_with(const char *url, struct client_record *record, const char *option, const char *value)
{
    ws_client *client = recorded_client(url, record);
    CHECK_OK(ws_client_set(client, option, value));
    CHECK_OK(ws_client_start(client));
    return client;
}

/* Takes so long that the deadline has come, and not much longer. */
static void took(int64_t since, int64_t least_ms)
{
    int64_t ms = now_ms() - since;
    if (ms < least_ms - 20 || ms > least_ms + scaled(5000, 50000))
        fail(last_check, "it took %" PRId64 " ms, not %" PRId64, ms, least_ms);
}

/* A listener whose queue is full: the kernel answers no further connection. */
static void nobody_accepts(void)
{
    struct client_record record = CLIENT_RECORD;
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof address;
    int fillers[8], filled = 0;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    struct listener full = listen_on((struct sockaddr *)&address, sizeof address, 0);
    CHECK_INT(0, getsockname(full.fd, (struct sockaddr *)&address, &length));
    for (int stuck = 0; !stuck && filled < 8; filled++) { /* until one is not connected at once */
        fillers[filled] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        struct pollfd connected = {.fd = fillers[filled], .events = POLLOUT};
        connect(fillers[filled], (struct sockaddr *)&address, length);
        stuck = poll(&connected, 1, 200) == 0;
    }
    CHECK(filled < 8);
    snprintf(full.url, sizeof full.url, "ws://127.0.0.1:%d/", ntohs(address.sin_port));
    int64_t started = now_ms();
    ws_client *client = client_with(full.url, &record, "connect_timeout", "300ms");
    EXPECT_FAILURE(client, &record, WS_ERR_CONNECT_TIMEOUT, "127.0.0.1");
    took(started, 300);
    while (filled > 0)
        close(fillers[--filled]);
    close(full.fd);
}

static void nobody_answers(const struct listener *listener, const char *sent)
{
    struct client_record record = CLIENT_RECORD;
    int64_t started = now_ms();
    ws_client *client = client_with(listener->url, &record, "handshake_timeout", "300ms");
    int fd = ACCEPT(listener);
    receive_upgrade(fd);
    send_text(fd, sent);
    EXPECT_FAILURE(client, &record, WS_ERR_HANDSHAKE_TIMEOUT, "");
    took(started, 300);
    EXPECT_CUT(fd);
}

/* One byte every now and then does not put it off. */
static void drop_by_drop(const struct listener *listener)
{
    struct client_record record = CLIENT_RECORD;
    ws_client *client = client_with(listener->url, &record, "handshake_timeout", "300ms");
    int fd = ACCEPT(listener);
    receive_upgrade(fd);
    send_text(fd, "HTTP/1.1 101 ");
    while (count_of(&record.base, &record.ends) == 0) {
        if (send(fd, "x", 1, MSG_NOSIGNAL) < 0)
            break;
        poll(NULL, 0, 20);
    }
    EXPECT_FAILURE(client, &record, WS_ERR_HANDSHAKE_TIMEOUT, "");
    EXPECT_CUT(fd);
}

/* A proxy is part of connecting. */
static void a_proxy_does_not_answer(const struct listener *listener)
{
    struct client_record record = CLIENT_RECORD;
    char proxy[64], head[1024];
    snprintf(proxy, sizeof proxy, "http://127.0.0.1:%d", listener->port);
    ws_client *client = recorded_client("ws://server.invalid/", &record);
    CHECK_OK(ws_client_set(client, "proxy", proxy));
    CHECK_OK(ws_client_set(client, "connect_timeout", "300ms"));
    CHECK_OK(ws_client_start(client));
    int fd = ACCEPT(listener);
    receive_request_head(fd, head, sizeof head);
    EXPECT_FAILURE(client, &record, WS_ERR_CONNECT_TIMEOUT, "the proxy");
    EXPECT_CUT(fd);
}

/* A connection without a sign of life is pinged, then cut. */
static void no_pong(const struct listener *listener)
{
    struct client_record record = CLIENT_RECORD;
    ws_client *client = recorded_client(listener->url, &record);
    CHECK_OK(ws_client_set(client, "ping_interval", "100ms"));
    CHECK_OK(ws_client_set(client, "pong_timeout", "200ms"));
    CHECK_OK(ws_client_start(client));
    int fd = OPEN_NEXT(listener);
    struct frame ping = receive_masked(fd).frame;
    CHECK_INT(FIN | PING, ping.first);
    send_unmasked(fd, FIN | PONG, ping.data, ping.length); /* once */
    frame_free(&ping);
    ping = receive_masked(fd).frame;
    CHECK_INT(FIN | PING, ping.first);
    frame_free(&ping);
    EXPECT_CLOSED(client, &record, 1006);
    EXPECT_CUT(fd);
}

static void no_message(const struct listener *listener)
{
    struct client_record record = CLIENT_RECORD;
    ws_client *client = client_with(listener->url, &record, "idle_timeout", "200ms");
    int fd = OPEN_NEXT(listener);
    EXPECT_CLOSE_FROM_CLIENT(fd, 1001);
    send_close_to_client(fd, 1001, "");
    EXPECT_CLOSED(client, &record, 1001);
    close(fd);
}

int main(void)
{
    begin();
    struct listener listener = new_listener();
    nobody_accepts();
    nobody_answers(&listener, "");
    nobody_answers(&listener, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n");
    drop_by_drop(&listener);
    a_proxy_does_not_answer(&listener);
    no_pong(&listener);
    no_message(&listener);
    close(listener.fd);
    return 0;
}
