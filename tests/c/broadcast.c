/* A broadcast reaches every open connection once, in the order of the calls, and nobody else. */
#include "harness.h"

enum { CLIENTS = 40 };

static void to_everyone(const char *reactors)
{
    struct record record = RECORD;
    static char large[200000];
    int clients[CLIENTS];
    ws_conn ids[CLIENTS + 1];
    ws_server *server = recorded_server(&record, echo_message);
    CHECK_OK(ws_server_set(server, "reactors", reactors));
    int port = start(server);
    CHECK_OK(ws_broadcast(server, "to nobody", 9, WS_TEXT));
    for (int i = 0; i < CLIENTS; i++)
        clients[i] = client_open(port);
    WAIT_FOR(&record, opens, CLIENTS);
    int asking = client_connect(port); /* connected, but no WebSocket yet */

    memset(large, 'L', sizeof large);
    CHECK_OK(ws_broadcast(server, "first", 5, WS_TEXT));
    CHECK_OK(ws_broadcast(server, large, sizeof large, WS_BINARY));
    CHECK_OK(ws_broadcast(server, NULL, 0, WS_TEXT));
    for (int i = 0; i < CLIENTS; i++) {
        EXPECT_MESSAGE(clients[i], "first");
        EXPECT_FRAME(clients[i], FIN | BINARY, large, sizeof large);
        EXPECT_MESSAGE(clients[i], "");
    }
    send_upgrade(asking, "/");
    expect_upgrade(asking);
    send_message(asking, "nothing for me");
    EXPECT_MESSAGE(asking, "nothing for me");

    CHECK_INT(CLIENTS + 1, ws_server_connections(server, NULL, 0));
    CHECK_INT(CLIENTS + 1, ws_server_connections(server, ids, 3)); /* never more than there is room for */
    CHECK_INT(CLIENTS + 1, ws_server_connections(server, ids, CLIENTS + 1));
    for (int i = 0; i <= CLIENTS; i++) {
        CHECK_INT(1, ws_conn_is_open(server, ids[i]));
        for (int k = 0; k < i; k++)
            CHECK(ids[k] != ids[i]);
    }
    CHECK_OK(ws_server_free(server));
    for (int i = 0; i < CLIENTS; i++)
        close(clients[i]);
    close(asking);
}

/* Pushes and broadcasts of one thread arrive in their order. */
static void in_order_with_pushes(void)
{
    struct record record = RECORD;
    ws_server *server = recorded_server(&record, echo_message);
    int fd = client_open(start(server));
    WAIT_FOR(&record, opens, 1);
    for (int i = 0; i < 500; i++) {
        char text[16];
        int length = snprintf(text, sizeof text, "%d", i);
        CHECK_OK(i % 3 == 0 ? ws_broadcast(server, text, (size_t)length, WS_TEXT)
                            : ws_push(server, record.conn, text, (size_t)length, WS_TEXT));
    }
    for (int i = 0; i < 500; i++) {
        char text[16];
        snprintf(text, sizeof text, "%d", i);
        EXPECT_MESSAGE(fd, text);
    }
    CHECK_OK(ws_server_free(server));
    close(fd);
}

int main(void)
{
    begin();
    to_everyone("1");
    to_everyone("3");
    in_order_with_pushes();
    return 0;
}
