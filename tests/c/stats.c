/* The counters of ws_server_stats, each against what was done. */
#include "harness.h"

static ws_stats read_stats(ws_server *server)
{
    ws_stats stats = {.size = sizeof stats};
    CHECK_OK(ws_server_stats(server, &stats));
    CHECK_INT(sizeof stats, stats.size);
    return stats;
}

int main(void)
{
    struct record record = RECORD;
    char head[1024];
    begin();
    ws_server *server = recorded_server(&record, echo_message);
    CHECK_OK(ws_server_set(server, "max_connections", "2"));
    int port = start(server);
    ws_stats stats = read_stats(server);
    CHECK_INT(0, stats.connections_accepted + stats.messages_in + stats.bytes_in + stats.bytes_out);

    int fd = client_open(port), other = client_open(port), refused = client_connect(port);
    CHECK_INT(503, receive_head(refused, head, sizeof head));
    EXPECT_CUT(refused);
    ws_stats before = read_stats(server);
    CHECK_INT(2, before.connections_open);
    CHECK_INT(3, before.connections_accepted);
    CHECK_INT(1, before.connections_refused);
    CHECK_INT(2, before.requests);
    CHECK_INT(0, before.requests_refused);

    for (int i = 0; i < 10; i++) {
        send_message(fd, "twenty bytes of text");
        EXPECT_MESSAGE(fd, "twenty bytes of text");
    }
    stats = read_stats(server);
    CHECK_INT(10, stats.messages_in);
    CHECK_INT(10, stats.messages_out);
    CHECK_INT(10 * (2 + 4 + 20), stats.bytes_in - before.bytes_in);
    CHECK_INT(10 * (2 + 20), stats.bytes_out - before.bytes_out);

    CHECK_OK(ws_broadcast(server, "all", 3, WS_TEXT));
    EXPECT_MESSAGE(fd, "all");
    EXPECT_MESSAGE(other, "all");
    CHECK_INT(12, read_stats(server).messages_out);

    send_frame(other, FIN | 3, "", 0);
    EXPECT_CLOSE(other, 1002);
    close(other);
    close(fd);
    WAIT_FOR(&record, closes, 2);
    int64_t deadline = now_ms() + scaled(10000, 60000);
    do { /* on_close comes a moment before the connection is gone */
        stats = read_stats(server);
        CHECK(now_ms() < deadline);
    } while (stats.connections_open > 0);
    CHECK_INT(3, stats.connections_closed);
    CHECK_INT(1, stats.protocol_errors);

    fd = client_connect(port);
    send_text(fd, "NONSENSE\r\n\r\n");
    CHECK_INT(400, receive_head(fd, head, sizeof head));
    EXPECT_CUT(fd);
    CHECK_INT(1, read_stats(server).requests_refused);
    CHECK_INT(0, read_stats(server).panics);
    CHECK_OK(ws_server_stop(server, 1000));
    CHECK_INT(10, read_stats(server).messages_in); /* still there after the end */
    CHECK_OK(ws_server_free(server));
    return 0;
}
