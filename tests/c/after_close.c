/* What is pushed after the peer's Close. In poll mode the connection waits for the host to answer what came before; but what is
 * pushed without being an answer would be lost, and so it is refused, or kept for the next connection. */
#include "server.h"

enum { PUSHES = 60 };

static struct client_poller polled_client(const struct listener *listener, const char *offline)
{
    struct client_poller poller = {.client = ws_client_new(listener->url)};
    CHECK_OK(ws_client_set(poller.client, "reconnect", offline[0] == '0' ? "off" : "on"));
    CHECK_OK(ws_client_set(poller.client, "reconnect_min", "10ms"));
    CHECK_OK(ws_client_set(poller.client, "max_offline_bytes", offline));
    CHECK_OK(ws_client_set(poller.client, "close_timeout", "1h")); /* what is waited for is not that */
    CHECK_OK(ws_client_start(poller.client));
    return poller;
}

/* Waits until the client has the server's Close: from then on it has no open connection. */
static void wait_until_not_open(ws_client *client)
{
    while (ws_client_is_open(client) == 1)
        give_way();
}

static void push_numbers(ws_client *client, int from, int to, int status)
{
    char text[16];
    for (int i = from; i < to; i++)
        CHECK_STATUS(status, ws_client_push(client, text, (size_t)snprintf(text, sizeof text, "%d", i), WS_TEXT));
}

static void expect_numbers(int fd, int from, int to)
{
    char text[16];
    for (int i = from; i < to; i++) {
        snprintf(text, sizeof text, "%d", i);
        EXPECT_FROM_CLIENT(fd, text);
    }
}

/* How many messages the server sends before its Close, of which the host takes `taken`. */
static void a_client_that_only_sends_loses_nothing(int sent, int taken, int says_so)
{
    struct listener listener = new_listener();
    struct client_poller poller = polled_client(&listener, "64k");
    int fd = OPEN_NEXT(&listener);
    EXPECT_CLIENT_EVENT(&poller, WS_EVENT_OPEN);
    for (int i = 0; i < sent; i++)
        send_to_client(fd, "ack");
    for (int i = 0; i < taken; i++)
        EXPECT_CLIENT_EVENT(&poller, WS_EVENT_MESSAGE);
    if (says_so)
        CHECK_OK(ws_client_done(poller.client));
    push_numbers(poller.client, 0, 10, WS_OK);
    expect_numbers(fd, 0, 10);
    send_close_to_client(fd, 1012, "deploy");
    wait_until_not_open(poller.client);
    push_numbers(poller.client, 10, PUSHES, WS_OK);
    if (taken < sent) { /* the engine waits for the answers to what was not taken: the host takes it, and has none */
        for (int i = taken; i < sent; i++)
            EXPECT_CLIENT_EVENT(&poller, WS_EVENT_MESSAGE);
        EXPECT_CLIENT_EVENT(&poller, WS_EVENT_CLOSE);
        CHECK_OK(ws_client_done(poller.client));
    }
    EXPECT_CLOSE_FROM_CLIENT(fd, 1012);
    close(fd);
    fd = OPEN_NEXT(&listener);
    expect_numbers(fd, 10, PUSHES);
    CHECK_OK(ws_client_free(poller.client));
    close(fd);
    close(listener.fd);
}

static void without_a_queue_it_is_refused_at_once(void)
{
    struct listener listener = new_listener();
    struct client_poller poller = polled_client(&listener, "0");
    int fd = OPEN_NEXT(&listener);
    EXPECT_CLIENT_EVENT(&poller, WS_EVENT_OPEN);
    push_numbers(poller.client, 0, 1, WS_OK);
    expect_numbers(fd, 0, 1);
    send_close_to_client(fd, 1001, "");
    wait_until_not_open(poller.client);
    push_numbers(poller.client, 1, PUSHES, WS_ERR_CLOSED);
    EXPECT_CLOSE_FROM_CLIENT(fd, 1001);
    CHECK_INT(1001, EXPECT_CLIENT_EVENT(&poller, WS_EVENT_CLOSE)->code);
    CHECK_OK(ws_client_free(poller.client));
    close(fd);
    close(listener.fd);
}

/* A message and a Close in one packet, while the host is elsewhere: it answers when it has taken the message. */
static void an_answer_is_sent_before_the_close(void)
{
    unsigned char both[64];
    struct listener listener = new_listener();
    struct client_poller poller = polled_client(&listener, "64k");
    int fd = OPEN_NEXT(&listener);
    EXPECT_CLIENT_EVENT(&poller, WS_EVENT_OPEN);
    CHECK_OK(ws_client_done(poller.client));
    size_t length = write_unmasked(both, FIN | TEXT, "question", 8);
    length += write_unmasked(both + length, FIN | CLOSE, "\x03\xe8", 2);
    send_bytes(fd, both, length);
    wait_until_not_open(poller.client);
    push_numbers(poller.client, 7, 8, WS_OK); /* no answer: it is for the next connection */
    EXPECT_CLIENT_EVENT(&poller, WS_EVENT_MESSAGE);
    CHECK_OK(ws_client_push(poller.client, "answer", 6, WS_TEXT));
    EXPECT_CLIENT_EVENT(&poller, WS_EVENT_CLOSE);
    CHECK_OK(ws_client_done(poller.client));
    EXPECT_FROM_CLIENT(fd, "answer");
    EXPECT_CLOSE_FROM_CLIENT(fd, 1000);
    close(fd);
    fd = OPEN_NEXT(&listener);
    expect_numbers(fd, 7, 8);
    CHECK_OK(ws_client_free(poller.client));
    close(fd);
    close(listener.fd);
}

/* A client with callbacks: it has no batch, and waits for nobody. */
static void a_client_with_callbacks_loses_nothing(void)
{
    struct client_record record = CLIENT_RECORD;
    struct listener listener = new_listener();
    ws_client *client = recorded_client(listener.url, &record);
    CHECK_OK(ws_client_set(client, "reconnect", "on"));
    CHECK_OK(ws_client_set(client, "reconnect_min", "10ms"));
    CHECK_OK(ws_client_set(client, "max_offline_bytes", "64k"));
    CHECK_OK(ws_client_start(client));
    int fd = OPEN_NEXT(&listener);
    WAIT_CLIENT(&record, opens, 1);
    send_to_client(fd, "ack");
    send_close_to_client(fd, 1012, "");
    wait_until_not_open(client);
    push_numbers(client, 0, PUSHES, WS_OK);
    EXPECT_CLOSE_FROM_CLIENT(fd, 1012);
    close(fd);
    fd = OPEN_NEXT(&listener);
    expect_numbers(fd, 0, PUSHES);
    CHECK_OK(ws_client_free(client));
    close(fd);
    close(listener.fd);
}

/* Several clients in a loop, of which the host takes events no more. */
static void clients_in_a_loop_lose_nothing(void)
{
    enum { CLIENTS = 3 };
    struct listener listener = new_listener();
    ws_loop *looping = ws_loop_new();
    ws_client *clients[CLIENTS];
    const ws_event *events;
    int fds[CLIENTS], opens = 0;
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = ws_client_new(listener.url);
        CHECK_OK(ws_client_set(clients[i], "reconnect", "on"));
        CHECK_OK(ws_client_set(clients[i], "reconnect_min", "10ms"));
        CHECK_OK(ws_client_set(clients[i], "max_offline_bytes", "64k"));
        CHECK_OK(ws_loop_add(looping, clients[i]));
        CHECK_OK(ws_client_start(clients[i]));
        fds[i] = OPEN_NEXT(&listener);
    }
    while (opens < CLIENTS) {
        int count = ws_loop_poll(looping, &events, scaled(10000, 60000));
        CHECK(count > 0);
        for (int i = 0; i < count; i++)
            opens += events[i].type == WS_EVENT_OPEN;
    }
    CHECK_OK(ws_loop_done(looping));
    for (int i = 0; i < CLIENTS; i++) {
        send_close_to_client(fds[i], 1012, "");
        wait_until_not_open(clients[i]);
        push_numbers(clients[i], 0, PUSHES, WS_OK);
        EXPECT_CLOSE_FROM_CLIENT(fds[i], 1012);
        close(fds[i]);
        fds[i] = OPEN_NEXT(&listener);
        expect_numbers(fds[i], 0, PUSHES);
        close(fds[i]);
        CHECK_OK(ws_client_free(clients[i]));
    }
    CHECK_OK(ws_loop_free(looping));
    close(listener.fd);
}

/* A server whose host does not poll is told that its client has closed. */
static void a_server_that_only_pushes_is_told(int with_message)
{
    struct poller poller = {.server = new_server()};
    int fd = client_open(start(poller.server));
    ws_conn conn = EXPECT_EVENT(&poller, WS_EVENT_OPEN)->conn;
    if (with_message) {
        send_message(fd, "hello");
        EXPECT_EVENT(&poller, WS_EVENT_MESSAGE);
        CHECK_OK(ws_server_done(poller.server));
    }
    CHECK_OK(ws_push(poller.server, conn, "one", 3, WS_TEXT));
    EXPECT_FRAME(fd, FIN | TEXT, "one", 3);
    send_close(fd, 1000, "");
    EXPECT_CLOSE(fd, 1000);
    CHECK_STATUS(WS_ERR_CLOSED, ws_push(poller.server, conn, "two", 3, WS_TEXT));
    CHECK_INT(1000, EXPECT_EVENT(&poller, WS_EVENT_CLOSE)->code);
    close(fd);
    stop_and_free(poller.server);
}

static void done_is_of_poll_mode(void)
{
    struct client_record record = CLIENT_RECORD;
    ws_client *client = recorded_client("ws://127.0.0.1:1/", &record);
    ws_server *server = new_server();
    CHECK_STATUS(WS_ERR_STATE, ws_client_done(client));
    CHECK_STATUS(WS_ERR_STATE, ws_server_done(server));
    CHECK_OK(ws_client_start(client));
    CHECK_STATUS(WS_ERR_STATE, ws_client_done(client));
    CHECK_OK(ws_client_free(client));
    CHECK_STATUS(WS_ERR_HANDLE, ws_client_done(client));
    start(server);
    CHECK_OK(ws_server_done(server)); /* there is nothing to be done with */
    stop_and_free(server);
}

int main(void)
{
    begin();
    a_client_that_only_sends_loses_nothing(0, 0, 0);
    a_client_that_only_sends_loses_nothing(0, 0, 1);
    a_client_that_only_sends_loses_nothing(2, 2, 1);
    a_client_that_only_sends_loses_nothing(2, 0, 0);
    without_a_queue_it_is_refused_at_once();
    an_answer_is_sent_before_the_close();
    a_client_with_callbacks_loses_nothing();
    clients_in_a_loop_lose_nothing();
    a_server_that_only_pushes_is_told(0);
    a_server_that_only_pushes_is_told(1);
    done_is_of_poll_mode();
    return 0;
}
