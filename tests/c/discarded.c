/* Poll mode: once the host has closed a connection, batches that it takes have no more of it than the close event. */
#include "server.h"

enum { LARGE = 300000 }; /* fills a batch */

static unsigned char large[LARGE];

/* Takes the batch with the first message, behind which another one waits. */
static void take_first(struct poller *poller, ws_conn conn)
{
    poller->count = ws_server_poll(poller->server, &poller->events, scaled(10000, 60000));
    poller->next = poller->count;
    CHECK(poller->count == 1 || poller->count == 2);
    CHECK(poller->events[0].type == WS_EVENT_MESSAGE && poller->events[0].conn == conn);
}

/* A connection of which three messages wait in more than one batch. */
static int with_messages(struct poller *poller, int port, ws_conn *conn)
{
    uint64_t before = stats_of(poller->server).messages_in;
    int fd = client_open(port);
    *conn = EXPECT_EVENT(poller, WS_EVENT_OPEN)->conn;
    send_message(fd, "first");
    send_frame(fd, FIN | BINARY, large, LARGE);
    send_message(fd, "behind");
    STATS_WHEN(poller->server, messages_in, before + 3);
    return fd;
}

static void closed_by_the_host(struct poller *poller, int port)
{
    ws_conn conn;
    int fd = with_messages(poller, port, &conn);
    take_first(poller, conn);
    CHECK_OK(ws_close(poller->server, conn, 4000, "out", 3));
    CHECK_INT(0, ws_server_poll(poller->server, &poller->events, 0)); /* a batch of which nothing is left is none */
    poller->next = poller->count = 0;
    EXPECT_CLOSE(fd, 4000);
    send_close(fd, 4000, "");
    CHECK_INT(4000, EXPECT_EVENT(poller, WS_EVENT_CLOSE)->code);
    EXPECT_END(fd);
}

static void cut_by_the_host(struct poller *poller, int port)
{
    ws_conn conn;
    int fd = with_messages(poller, port, &conn);
    take_first(poller, conn);
    CHECK_OK(ws_disconnect(poller->server, conn));
    CHECK(EXPECT_EVENT(poller, WS_EVENT_CLOSE)->conn == conn);
    EXPECT_CUT(fd);
}

/* The host does not know yet that the peer is gone: its close is refused, and holds all the same. */
static void gone_before(struct poller *poller, int port)
{
    ws_conn conn;
    int fd = with_messages(poller, port, &conn);
    uint64_t before = stats_of(poller->server).closed_1006;
    take_first(poller, conn);
    reset(fd);
    STATS_WHEN(poller->server, closed_1006, before + 1);
    CHECK_STATUS(WS_ERR_CLOSED, ws_close(poller->server, conn, 4000, NULL, 0));
    CHECK_INT(1006, EXPECT_EVENT(poller, WS_EVENT_CLOSE)->code);
    CHECK_STATUS(WS_ERR_CLOSED, ws_close(poller->server, conn, 4000, NULL, 0));
    CHECK_STATUS(WS_ERR_CLOSED, ws_disconnect(poller->server, conn));
}

/* Others of the same batches lose nothing. */
static void others_go_on(struct poller *poller, int port)
{
    ws_conn conn, other = 0;
    int fd = with_messages(poller, port, &conn), second;
    second = client_open(port);
    send_message(second, "mine");
    STATS_WHEN(poller->server, connections_open, 2);
    take_first(poller, conn);
    CHECK_OK(ws_disconnect(poller->server, conn));
    /* Of two connections, in any order. */
    int opens = 0, closes = 0, messages = 0;
    while (opens + closes + messages < 3) {
        if (poller->next == poller->count) {
            poller->count = ws_server_poll(poller->server, &poller->events, scaled(10000, 60000));
            poller->next = 0;
            CHECK(poller->count > 0);
        }
        const ws_event *event = &poller->events[poller->next++];
        if (event->type == WS_EVENT_OPEN) {
            other = event->conn;
            opens++;
        }
        closes += event->type == WS_EVENT_CLOSE && event->conn == conn;
        messages += event->type == WS_EVENT_MESSAGE && event->conn == other && memcmp(event->data, "mine", 4) == 0;
    }
    CHECK(opens == 1 && closes == 1 && messages == 1);
    CHECK_OK(ws_disconnect(poller->server, other));
    EXPECT_EVENT(poller, WS_EVENT_CLOSE);
    close(fd);
    close(second);
}

static void of_a_server(const char *reactors)
{
    struct poller poller = {.server = new_server()};
    CHECK_OK(ws_server_set(poller.server, "reactors", reactors));
    int port = start(poller.server);
    for (int i = 0; i < 3; i++) {
        closed_by_the_host(&poller, port);
        cut_by_the_host(&poller, port);
        gone_before(&poller, port);
        others_go_on(&poller, port);
    }
    stop_and_free(poller.server);
}

static int take(ws_client *client, ws_loop *loop, ws_batch *batch, int timeout_ms)
{
    return loop != NULL ? ws_loop_poll_packed(loop, batch, timeout_ms) : ws_client_poll_packed(client, batch, timeout_ms);
}

static void of_a_client(const struct listener *listener, int in_loop)
{
    ws_batch batch = {.size = sizeof batch};
    ws_client *client = ws_client_new(listener->url);
    ws_loop *loop = in_loop ? ws_loop_new() : NULL;
    int wait_ms = scaled(10000, 60000);
    if (in_loop)
        CHECK_OK(ws_loop_add(loop, client));
    CHECK_OK(ws_client_start(client));
    int fd = OPEN_NEXT(listener);
    CHECK_INT(1, take(client, loop, &batch, wait_ms));
    CHECK_INT(WS_EVENT_OPEN, batch.others[0].type);
    send_to_client(fd, "first");
    send_unmasked(fd, FIN | BINARY, large, LARGE);
    send_to_client(fd, "behind");
    send_unmasked(fd, FIN | PING, "all there?", 10);
    EXPECT_MASKED(fd, FIN | PONG, "all there?", 10);
    int count = take(client, loop, &batch, wait_ms);
    CHECK(count == 1 || count == 2);
    CHECK_INT(WS_TEXT, batch.numbers[1]);
    CHECK_OK(ws_client_close(client, 4000, NULL, 0));
    CHECK_INT(0, take(client, loop, &batch, 0));
    EXPECT_CLOSE_FROM_CLIENT(fd, 4000);
    send_close_to_client(fd, 4000, "");
    for (int seen = 0; seen < 2;) {
        count = take(client, loop, &batch, wait_ms);
        CHECK(count > 0);
        for (int i = 0; i < count; i++) {
            CHECK_INT(0, batch.numbers[4 * i + 1]);
            CHECK_INT(seen++ == 0 ? WS_EVENT_CLOSE : WS_EVENT_END, batch.others[i].type);
        }
    }
    CHECK_OK(ws_client_free(client));
    if (in_loop)
        CHECK_OK(ws_loop_free(loop));
    close(fd);
}

int main(void)
{
    begin();
    of_a_server("1");
    of_a_server("3");
    struct listener listener = new_listener();
    of_a_client(&listener, 0);
    of_a_client(&listener, 1);
    close(listener.fd);
    return 0;
}
