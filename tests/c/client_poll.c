/* A client in poll mode: each event in its place, the descriptor for a loop, and the end of it. */
#include "server.h"

static int is_readable(int fd, int timeout_ms)
{
    struct pollfd waiting = {.fd = fd, .events = POLLIN};
    return poll(&waiting, 1, timeout_ms) == 1;
}

static struct client_poller polled(const char *url)
{
    struct client_poller poller = {.client = ws_client_new(url)};
    CHECK(poller.client != NULL);
    return poller;
}

static void expect_over(struct client_poller *poller)
{
    CHECK_INT(poller->count, poller->next);
    CHECK_STATUS(WS_ERR_STOPPED, ws_client_poll(poller->client, &poller->events, -1));
    CHECK_STATUS(WS_ERR_STOPPED, ws_client_poll(poller->client, &poller->events, 0));
    CHECK_OK(ws_client_free(poller->client));
}

static void a_life(const struct listener *listener)
{
    struct client_poller poller = polled(listener->url);
    CHECK_OK(ws_client_start(poller.client));
    int ready = ws_client_event_fd(poller.client);
    CHECK(ready >= 0);
    int fd = ACCEPT(listener);
    struct upgrade upgrade = receive_upgrade(fd);
    CHECK_INT(0, ws_client_poll(poller.client, &poller.events, 0));
    CHECK_INT(0, ws_client_poll(poller.client, &poller.events, 20));
    send_101(fd, &upgrade, "X-Hello: there\r\n");
    CHECK(is_readable(ready, scaled(10000, 60000)));
    const ws_event *event = EXPECT_CLIENT_EVENT(&poller, WS_EVENT_OPEN);
    CHECK(event->conn != 0);
    CHECK_INT(101, ws_request_status(event->request));
    CHECK_STRING("there", ws_request_header(event->request, "X-Hello"));
    CHECK_INT(1, ws_client_is_open(poller.client));
    ws_conn conn = event->conn;

    send_to_client(fd, "one");
    send_unmasked(fd, FIN | BINARY, "\x00\x01", 2);
    event = EXPECT_CLIENT_EVENT(&poller, WS_EVENT_MESSAGE);
    CHECK(event->conn == conn && event->length == 3 && memcmp(event->data, "one", 3) == 0);
    CHECK_INT(WS_TEXT, event->code);
    event = EXPECT_CLIENT_EVENT(&poller, WS_EVENT_MESSAGE);
    CHECK(event->conn == conn && event->length == 2 && memcmp(event->data, "\x00\x01", 2) == 0);
    CHECK_INT(WS_BINARY, event->code);
    CHECK_OK(ws_client_push(poller.client, "answer", 6, WS_TEXT));
    EXPECT_FROM_CLIENT(fd, "answer");

    send_close_to_client(fd, 1001, "bye");
    event = EXPECT_CLIENT_EVENT(&poller, WS_EVENT_CLOSE);
    CHECK(event->conn == conn && event->length == 3 && memcmp(event->data, "bye", 3) == 0);
    CHECK_INT(1001, event->code);
    EXPECT_CLIENT_EVENT(&poller, WS_EVENT_END);
    expect_over(&poller);
    EXPECT_CLOSE_FROM_CLIENT(fd, 1001);
    close(fd);
}

static void a_failure(const struct listener *listener)
{
    struct client_poller poller = polled(listener->url);
    CHECK_OK(ws_client_start(poller.client));
    int fd = ACCEPT(listener);
    receive_upgrade(fd);
    send_text(fd, "HTTP/1.1 403 Forbidden\r\nX-Why: because\r\n\r\n");
    const ws_event *event = EXPECT_CLIENT_EVENT(&poller, WS_EVENT_ERROR);
    CHECK(event->conn == 0 && event->length > 0);
    CHECK_INT(WS_ERR_HTTP_STATUS, event->code);
    CHECK_INT(403, ws_request_status(event->request));
    CHECK_STRING("because", ws_request_header(event->request, "X-Why"));
    EXPECT_CLIENT_EVENT(&poller, WS_EVENT_END);
    expect_over(&poller);
    EXPECT_CUT(fd);
}

/* ERROR, RETRY, OPEN, CLOSE, RETRY, OPEN with another id, CLOSE, END. */
static void again(const struct listener *listener)
{
    struct client_poller poller = polled(listener->url);
    CHECK_OK(ws_client_set(poller.client, "reconnect", "on"));
    CHECK_OK(ws_client_set(poller.client, "reconnect_min", "10ms"));
    CHECK_OK(ws_client_set(poller.client, "reconnect_max", "20ms"));
    CHECK_OK(ws_client_start(poller.client));
    reset(ACCEPT(listener));
    const ws_event *event = EXPECT_CLIENT_EVENT(&poller, WS_EVENT_ERROR);
    CHECK(event->request == NULL);
    CHECK_INT(WS_ERR_RESET, event->code);
    event = EXPECT_CLIENT_EVENT(&poller, WS_EVENT_RETRY);
    CHECK(event->code >= 0 && event->code <= 20);
    int fd = OPEN_NEXT(listener);
    ws_conn first = EXPECT_CLIENT_EVENT(&poller, WS_EVENT_OPEN)->conn;
    close(fd);
    event = EXPECT_CLIENT_EVENT(&poller, WS_EVENT_CLOSE);
    CHECK_INT(1006, event->code);
    CHECK(event->conn == first);
    EXPECT_CLIENT_EVENT(&poller, WS_EVENT_RETRY);
    fd = OPEN_NEXT(listener);
    ws_conn second = EXPECT_CLIENT_EVENT(&poller, WS_EVENT_OPEN)->conn;
    CHECK(second != first && second != 0);
    CHECK_OK(ws_client_close(poller.client, 1000, NULL, 0));
    EXPECT_CLOSE_FROM_CLIENT(fd, 1000);
    send_close_to_client(fd, 1000, "");
    event = EXPECT_CLIENT_EVENT(&poller, WS_EVENT_CLOSE);
    CHECK(event->conn == second);
    CHECK_INT(1000, event->code);
    EXPECT_CLIENT_EVENT(&poller, WS_EVENT_END);
    expect_over(&poller);
    close(fd);
}

/* The server goes, or breaks the protocol, right behind a message: the answer to that still counts, and goes out before the
 * Close. */
static void an_answer_to_the_last_message(const struct listener *listener, const char *last, size_t length, int code)
{
    struct client_poller poller = polled(listener->url);
    CHECK_OK(ws_client_start(poller.client));
    int fd = OPEN_NEXT(listener);
    EXPECT_CLIENT_EVENT(&poller, WS_EVENT_OPEN);
    send_bytes(fd, last, length);
    EXPECT_CLIENT_EVENT(&poller, WS_EVENT_MESSAGE);
    CHECK_OK(ws_client_push(poller.client, "answer", 6, WS_TEXT));
    CHECK_INT(code, EXPECT_CLIENT_EVENT(&poller, WS_EVENT_CLOSE)->code);
    CHECK_OK(ws_client_push(poller.client, "and another", 11, WS_TEXT));
    CHECK_INT(poller.count, poller.next);
    EXPECT_CLIENT_EVENT(&poller, WS_EVENT_END);
    CHECK_STATUS(WS_ERR_CLOSED, ws_client_push(poller.client, "late", 4, WS_TEXT));
    EXPECT_FROM_CLIENT(fd, "answer");
    EXPECT_FROM_CLIENT(fd, "and another");
    EXPECT_CLOSE_FROM_CLIENT(fd, code);
    close(fd);
    expect_over(&poller);
}

/* The end comes even to a client that was given up before it opened. */
static void given_up(const struct listener *listener)
{
    struct client_poller poller = polled(listener->url);
    CHECK_OK(ws_client_start(poller.client));
    int fd = ACCEPT(listener);
    CHECK_OK(ws_client_close(poller.client, 1000, NULL, 0));
    EXPECT_CLIENT_EVENT(&poller, WS_EVENT_END);
    expect_over(&poller);
    EXPECT_CUT(fd);
}

/* How a connection has closed is known before that is told. */
static void known_before_it_is_told(const struct listener *listener)
{
    struct client_poller poller = polled(listener->url);
    int cause = -1;
    CHECK_STATUS(WS_ERR_NULL, ws_client_close_code(NULL, &cause));
    CHECK_STATUS(WS_ERR_STATE, ws_client_close_code(poller.client, &cause));
    CHECK_OK(ws_client_start(poller.client));
    int fd = OPEN_NEXT(listener);
    EXPECT_CLIENT_EVENT(&poller, WS_EVENT_OPEN);
    CHECK_INT(0, ws_client_close_code(poller.client, &cause));
    CHECK_INT(WS_CAUSE_NONE, cause);
    send_close_to_client(fd, 4001, "enough");
    while (ws_client_close_code(poller.client, NULL) == 0)
        give_way();
    CHECK_INT(4001, ws_client_close_code(poller.client, &cause));
    CHECK_INT(WS_CAUSE_PEER, cause);
    const ws_event *event = EXPECT_CLIENT_EVENT(&poller, WS_EVENT_CLOSE);
    CHECK_INT(4001, event->code);
    CHECK_INT(cause, event->cause);
    CHECK_OK(ws_client_free(poller.client));
    close(fd);
}

/* Pongs are told if that is asked for, each in its place; and only then. */
static void pongs(const struct listener *listener)
{
    for (int wanted = 0; wanted <= 1; wanted++) {
        struct client_poller poller = polled(listener->url);
        CHECK_OK(ws_client_set(poller.client, "pong_events", wanted ? "on" : "off"));
        CHECK_OK(ws_client_start(poller.client));
        int fd = OPEN_NEXT(listener);
        ws_conn conn = EXPECT_CLIENT_EVENT(&poller, WS_EVENT_OPEN)->conn;
        CHECK_OK(ws_client_ping(poller.client, "7", 1));
        EXPECT_MASKED(fd, FIN | PING, "7", 1);
        send_unmasked(fd, FIN | PONG, "7", 1);
        send_to_client(fd, "behind");
        if (wanted) {
            const ws_event *event = EXPECT_CLIENT_EVENT(&poller, WS_EVENT_PONG);
            CHECK(event->conn == conn && event->length == 1 && memcmp(event->data, "7", 1) == 0);
            CHECK(event->client == poller.client);
        }
        CHECK_INT(6, EXPECT_CLIENT_EVENT(&poller, WS_EVENT_MESSAGE)->length);
        CHECK_OK(ws_client_free(poller.client));
        EXPECT_CUT(fd);
        close(fd);
    }
}

/* The name leads nowhere, and the Host is another one still. */
static void an_address_of_its_own(const struct listener *listener)
{
    char url[64], address[64], head[2048];
    snprintf(url, sizeof url, "ws://app.invalid:%d/", listener->port);
    snprintf(address, sizeof address, "app.invalid:%d:127.0.0.1", listener->port);
    struct client_poller poller = polled(url);
    CHECK_OK(ws_client_set(poller.client, "resolve", address));
    CHECK_OK(ws_client_set(poller.client, "host", "other.example"));
    CHECK_STATUS(WS_ERR_VALUE, ws_client_set(poller.client, "resolve", "app.invalid:127.0.0.1"));
    CHECK_OK(ws_client_start(poller.client));
    int fd = ACCEPT(listener);
    receive_request_head(fd, head, sizeof head);
    CHECK(strstr(head, "\r\nHost: other.example\r\n") != NULL);
    CHECK_OK(ws_client_free(poller.client));
    EXPECT_CUT(fd);
    close(fd);
}

/* The host does not take its events: the client stops reading, and the server sees it. */
static void a_host_that_is_slow(const struct listener *listener)
{
    enum { SIZE = 16 * 1024 };
    static char message[SIZE];
    struct client_poller poller = polled(listener->url);
    CHECK_OK(ws_client_set(poller.client, "max_event_bytes", "64K"));
    CHECK_OK(ws_client_start(poller.client));
    int fd = OPEN_NEXT(listener), bytes = 64 * 1024;
    CHECK_INT(0, setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes));
    EXPECT_CLIENT_EVENT(&poller, WS_EVENT_OPEN);
    unsigned char *frame = malloc(10 + SIZE);
    CHECK(frame != NULL);
    size_t length = write_unmasked(frame, FIN | BINARY, message, SIZE);
    int64_t most = 64 << 20, sent = stuff(fd, frame, length, most);
    CHECK(sent < most);
    for (int64_t taken = 0; taken < sent / (int64_t)length; taken++)
        CHECK_INT(SIZE, EXPECT_CLIENT_EVENT(&poller, WS_EVENT_MESSAGE)->length);
    CHECK_OK(ws_client_free(poller.client));
    EXPECT_CUT(fd);
    free(frame);
}

int main(void)
{
    begin();
    struct listener listener = new_listener();
    a_life(&listener);
    a_failure(&listener);
    again(&listener);
    an_answer_to_the_last_message(&listener, "\x81\x05" "hello" "\x88\x02\x03\xe8", 11, 1000);
    an_answer_to_the_last_message(&listener, "\x81\x05" "hello" "\xc1\x01x", 10, 1002);
    given_up(&listener);
    known_before_it_is_told(&listener);
    pongs(&listener);
    an_address_of_its_own(&listener);
    a_host_that_is_slow(&listener);
    close(listener.fd);
    return 0;
}
