/* The counters of ws_server_stats, each against what was done. */
#include "harness.h"

static void counters(void)
{
    struct record record = RECORD;
    char head[1024];
    ws_server *server = recorded_server(&record, echo_message);
    CHECK_OK(ws_server_set(server, "max_connections", "2"));
    int port = start(server);
    ws_stats stats = stats_of(server);
    CHECK_INT(0, stats.connections_accepted + stats.messages_in + stats.bytes_in + stats.bytes_out);

    int fd = client_open(port), other = client_open(port);
    CHECK_INT(2, record.opens);
    static const char answer[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                 "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    ws_stats before = STATS_WHEN(server, bytes_out, 2 * (sizeof answer - 1));
    CHECK_INT(2, before.connections_open);
    CHECK_INT(2, before.connections_accepted);
    CHECK_INT(2, before.requests);
    CHECK_INT(0, before.requests_refused);

    for (int i = 0; i < 10; i++) {
        send_message(fd, "twenty bytes of text");
        EXPECT_MESSAGE(fd, "twenty bytes of text");
    }
    stats = STATS_WHEN(server, bytes_out, before.bytes_out + 10 * (2 + 20));
    CHECK_INT(10, stats.messages_in);
    CHECK_INT(10, stats.messages_out);
    CHECK_INT(10 * (2 + 4 + 20), stats.bytes_in - before.bytes_in);

    CHECK_OK(ws_broadcast(server, "all", 3, WS_TEXT));
    EXPECT_MESSAGE(fd, "all");
    EXPECT_MESSAGE(other, "all");
    STATS_WHEN(server, messages_out, 12);

    int refused = client_connect(port);
    CHECK_INT(503, receive_head(refused, head, sizeof head));
    EXPECT_CUT(refused);
    stats = STATS_WHEN(server, connections_refused, 1);
    CHECK_INT(3, stats.connections_accepted);
    STATS_WHEN(server, connections_open, 2); /* without the one that was refused, as soon as it is gone */

    send_frame(other, FIN | 3, "", 0);
    EXPECT_CLOSE(other, 1002);
    close(other);
    close(fd);
    WAIT_FOR(&record, closes, 2);
    stats = STATS_WHEN(server, connections_closed, 3); /* the one refused is among them */
    CHECK_INT(0, stats.connections_open);
    CHECK_INT(1, stats.protocol_errors);

    before = stats_of(server);
    fd = client_connect(port);
    send_text(fd, "NONSENSE\r\n\r\n");
    CHECK_INT(400, receive_head(fd, head, sizeof head));
    EXPECT_CUT(fd);
    STATS_WHEN(server, requests_refused, before.requests_refused + 1);
    CHECK_INT(0, stats_of(server).panics);
    CHECK_OK(ws_server_stop(server, 1000));
    CHECK_INT(10, stats_of(server).messages_in); /* still there after the end */
    CHECK_OK(ws_server_free(server));
}

static uint64_t refusals(const ws_stats *stats)
{
    return stats->refused_400 + stats->refused_403 + stats->refused_404 + stats->refused_405 + stats->refused_408 +
           stats->refused_413 + stats->refused_414 + stats->refused_417 + stats->refused_426 + stats->refused_431 +
           stats->refused_500 + stats->refused_501 + stats->refused_503 + stats->refused_504 + stats->refused_505 +
           stats->refused_other;
}

static uint64_t closes(const ws_stats *stats)
{
    return stats->closed_1000 + stats->closed_1001 + stats->closed_1002 + stats->closed_1003 + stats->closed_1005 +
           stats->closed_1006 + stats->closed_1007 + stats->closed_1008 + stats->closed_1009 + stats->closed_1011 +
           stats->closed_1012 + stats->closed_1013 + stats->closed_application + stats->closed_other;
}

static void refuse(int port, const char *request, int status)
{
    char head[1024];
    int fd = client_connect(port);
    send_text(fd, request);
    CHECK_INT(status, receive_head(fd, head, sizeof head));
    CHECK_INT(0, shutdown(fd, SHUT_WR)); /* it might ask for something else */
    EXPECT_CUT(fd);
}

static void by_reason(void)
{
    struct record record = RECORD;
    ws_server *server = recorded_server(&record, echo_message);
    CHECK_OK(ws_server_set(server, "allowed_origins", "https://desk.example"));
    int port = start(server);
    refuse(port, "NONSENSE\r\n\r\n", 400);
    refuse(port, "GET / HTTP/1.1\r\n" UPGRADE_LINES "Origin: https://evil.example\r\n\r\n", 403);
    for (int i = 0; i < 3; i++)
        refuse(port, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 404);
    refuse(port, "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 "Sec-WebSocket-Version: 7\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", 426);
    refuse(port, "GET / HTTP/2.7\r\nHost: a\r\n\r\n", 505);
    ws_stats stats = STATS_WHEN(server, requests_refused, 7);
    CHECK_INT(1, stats.refused_400);
    CHECK_INT(1, stats.refused_403);
    CHECK_INT(3, stats.refused_404);
    CHECK_INT(1, stats.refused_426);
    CHECK_INT(1, stats.refused_505);
    CHECK_INT(7, refusals(&stats));
    CHECK_INT(0, closes(&stats)); /* none of them was a WebSocket */
    stop_and_free(server);
}

static void by_code(void)
{
    static const struct {
        int sent, told;
        size_t counter;
    } ends[] = {
        {1000, 1000, offsetof(ws_stats, closed_1000)},        {1001, 1001, offsetof(ws_stats, closed_1001)},
        {1003, 1003, offsetof(ws_stats, closed_1003)},        {0, 1005, offsetof(ws_stats, closed_1005)},
        {1012, 1012, offsetof(ws_stats, closed_1012)},        {1010, 1010, offsetof(ws_stats, closed_other)},
        {3000, 3000, offsetof(ws_stats, closed_application)}, {4999, 4999, offsetof(ws_stats, closed_application)},
        {1005, 1002, offsetof(ws_stats, closed_1002)}, /* a code that must not be sent */
    };
    enum { ENDS = sizeof ends / sizeof *ends };
    struct record record = RECORD;
    ws_server *server = recorded_server(&record, echo_message);
    CHECK_OK(ws_server_set(server, "max_message_size", "10"));
    int port = start(server);
    for (int i = 0; i < ENDS; i++) {
        uint64_t before, after;
        ws_stats stats = stats_of(server);
        memcpy(&before, (char *)&stats + ends[i].counter, sizeof before);
        int fd = client_open(port);
        send_close(fd, ends[i].sent, "");
        EXPECT_CLOSE(fd, ends[i].told == 1005 ? 0 : ends[i].told);
        EXPECT_CUT(fd);
        WAIT_FOR(&record, closes, i + 1);
        CHECK_INT(ends[i].told, record.code);
        stats = stats_of(server);
        memcpy(&after, (char *)&stats + ends[i].counter, sizeof after);
        CHECK_INT(before + 1, after);
    }
    int fd = client_open(port);
    reset(fd);
    WAIT_FOR(&record, closes, ENDS + 1);
    fd = client_open(port);
    send_message(fd, "more than ten bytes");
    EXPECT_CLOSE(fd, 1009);
    EXPECT_CUT(fd);
    WAIT_FOR(&record, closes, ENDS + 2);
    fd = client_open(port);
    send_frame(fd, FIN | TEXT, "\xff", 1);
    EXPECT_CLOSE(fd, 1007);
    EXPECT_CUT(fd);
    WAIT_FOR(&record, closes, ENDS + 3);
    fd = client_open(port);
    CHECK_OK(ws_server_stop(server, 0)); /* it is told, and cut before it could answer */
    ws_stats stats = stats_of(server);
    CHECK_INT(2, stats.closed_1006);
    CHECK_INT(1, stats.closed_1009);
    CHECK_INT(1, stats.closed_1007);
    CHECK_INT(ENDS + 4, closes(&stats));
    CHECK_INT(ENDS + 4, record.closes);
    CHECK_OK(ws_server_free(server));
    close(fd);
}

static void by_reactor(void)
{
    enum { REACTORS = 3, CLIENTS = 12 };
    struct record record = RECORD;
    int clients[CLIENTS];
    ws_server *server = recorded_server(&record, echo_message);
    ws_stats share = {.size = sizeof share};
    CHECK_OK(ws_server_set(server, "reactors", "3"));
    CHECK_STATUS(WS_ERR_STATE, ws_reactor_stats(server, 0, &share));
    int port = start(server);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = client_open(port);
        send_message(clients[i], "hello");
        EXPECT_MESSAGE(clients[i], "hello");
    }
    ws_stats all = STATS_WHEN(server, messages_out, CLIENTS);
    uint64_t open = 0, messages = 0, bytes = 0;
    for (int i = 0; i < REACTORS; i++) {
        CHECK_OK(ws_reactor_stats(server, i, &share));
        CHECK_INT(share.connections_open, share.messages_in);
        open += share.connections_open;
        messages += share.messages_in;
        bytes += share.bytes_in;
    }
    CHECK_INT(CLIENTS, open);
    CHECK_INT(CLIENTS, messages);
    CHECK_INT(all.bytes_in, bytes);
    CHECK_STATUS(WS_ERR_ARGUMENT, ws_reactor_stats(server, REACTORS, &share));
    CHECK_STATUS(WS_ERR_ARGUMENT, ws_reactor_stats(server, -1, &share));
    CHECK_STATUS(WS_ERR_NULL, ws_reactor_stats(server, 0, NULL));
    share.size = 8;
    CHECK_STATUS(WS_ERR_ARGUMENT, ws_reactor_stats(server, 0, &share));
    stop_and_free(server);
    for (int i = 0; i < CLIENTS; i++)
        close(clients[i]);
}

/* Takes events, whatever they are, up to the next of this type. */
static void take_until(struct poller *poller, int type)
{
    int taken = 0;
    while (taken != type) {
        while (poller->next == poller->count) {
            poller->count = ws_server_poll(poller->server, &poller->events, scaled(10000, 60000));
            CHECK(poller->count > 0);
            poller->next = 0;
        }
        taken = (int)poller->events[poller->next++].type;
    }
}

/* How much waits where, in poll mode, with a client that does not read and a host that does not poll. */
static void depths(void)
{
    enum { CHUNK = 1 << 20 };
    static unsigned char chunk[CHUNK];
    struct poller poller = {.server = new_server()};
    CHECK_OK(ws_server_set(poller.server, "max_event_bytes", "1M"));
    int fd = client_open(start(poller.server));
    ws_conn conn = EXPECT_EVENT(&poller, WS_EVENT_OPEN)->conn;
    ws_stats stats = stats_of(poller.server);
    CHECK_INT(0, stats.event_bytes + stats.command_bytes);

    int64_t deadline = now_ms() + scaled(10000, 60000);
    while (ws_push(poller.server, conn, chunk, CHUNK, WS_BINARY) == WS_OK ||
           ws_conn_queued_bytes(poller.server, conn) < 2 << 20)
        CHECK(now_ms() < deadline); /* the kernels may take a lot */
    while ((int64_t)stats_of(poller.server).queued_bytes != ws_conn_queued_bytes(poller.server, conn)) {
        CHECK(now_ms() < deadline); /* the kernel may take a little more */
        give_way();
    }
    int other = client_open(ws_server_port(poller.server, 0));
    send_message(other, "for a host that is away");
    STATS_WHEN(poller.server, messages_in, 1);
    stats = stats_of(poller.server);
    CHECK(stats.event_bytes >= 23 && stats.event_bytes < 100000);
    take_until(&poller, WS_EVENT_MESSAGE);
    while (stats_of(poller.server).event_bytes > 0) { /* a drain, say */
        CHECK(now_ms() < deadline);
        CHECK(ws_server_poll(poller.server, &poller.events, 0) >= 0);
        poller.count = poller.next = 0;
    }
    reset(fd);
    take_until(&poller, WS_EVENT_CLOSE);
    STATS_WHEN(poller.server, queued_bytes, 0);
    stop_and_free(poller.server);
    close(other);
}

int main(void)
{
    begin();
    counters();
    by_reason();
    by_code();
    by_reactor();
    depths();
    return 0;
}
