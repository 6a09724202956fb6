/* The counters of ws_server_stats, each against what was done. */
#include "harness.h"

#include <stddef.h>

/* Waits until the server has counted so much: a client may learn of something a moment before that. */
#define STATS_WHEN(server, field, value) stats_when(HERE, (server), offsetof(ws_stats, field), (value))

static ws_stats stats_when(const char *where, ws_server *server, size_t offset, uint64_t value)
{
    int64_t deadline = now_ms() + scaled(10000, 60000);
    for (;;) {
        uint64_t count;
        ws_stats stats = stats_of(server);
        memcpy(&count, (char *)&stats + offset, sizeof count);
        if (count == value)
            return stats;
        if (now_ms() > deadline)
            fail(where, "the counter stays at %" PRIu64 ", not %" PRIu64, count, value);
        give_way();
    }
}

int main(void)
{
    struct record record = RECORD;
    char head[1024];
    begin();
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
    return 0;
}
