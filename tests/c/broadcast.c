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

enum { TALKERS = 3, WORDS = 8000 };

enum way { BROADCAST, PUBLISH, PUSH };

static struct relay {
    struct record record;
    enum way way;
    int received, refused;
    ws_conn conns[TALKERS];
    pthread_barrier_t all_sent;
} relay;

static void relay_open(ws_server *server, ws_conn conn, const ws_request *request, void *user_data)
{
    relay.conns[relay.record.opens] = conn;
    CHECK_OK(ws_subscribe(server, conn, "talk"));
    record_open(server, conn, request, user_data);
}

/* Has each message told to many. The first one waits for the rest to be there, so that it comes in one receive. */
static void relay_message(ws_server *server, ws_conn conn, const void *data, size_t length, int opcode, void *user_data)
{
    int status = WS_OK;
    (void)conn, (void)user_data;
    if (relay.received++ == 0) {
        pthread_barrier_wait(&relay.all_sent);
        pthread_barrier_wait(&relay.all_sent);
        return;
    }
    if (relay.way == BROADCAST)
        status = ws_broadcast(server, data, length, opcode);
    else if (relay.way == PUBLISH)
        status = ws_publish(server, "talk", data, length, opcode, 0);
    else
        for (int i = 0; i < TALKERS && status >= 0; i++)
            status = ws_push(server, relay.conns[i], data, length, opcode);
    relay.refused += status < 0;
}

/* What the callbacks for one receive push may be much more than what may wait for the reactor. Nothing of it is refused. */
static void for_each_message_of_one_receive(enum way way)
{
    struct record record = RECORD;
    int fds[TALKERS];
    static unsigned char all[WORDS * 16];
    size_t length = 0, one;
    relay.record = record;
    relay.way = way;
    relay.received = relay.refused = 0;
    CHECK_INT(0, pthread_barrier_init(&relay.all_sent, NULL, 2));
    ws_server *server = recorded_server(&relay.record, relay_message);
    CHECK_OK(ws_server_on_open(server, relay_open, &relay.record));
    CHECK_OK(ws_server_set(server, "max_command_bytes", "64K"));
    int port = start(server);
    for (int i = 0; i < TALKERS; i++)
        fds[i] = client_open(port);
    WAIT_FOR(&relay.record, opens, TALKERS);
    send_message(fds[0], "wait");
    pthread_barrier_wait(&relay.all_sent);
    for (int i = 0; i < WORDS; i++) {
        char text[8];
        unsigned char *frame = make_frame(FIN | TEXT, text, (size_t)snprintf(text, sizeof text, "%d", i), 0x01020304, &one);
        memcpy(all + length, frame, one);
        free(frame);
        length += one;
    }
    send_bytes(fds[0], all, length);
    pthread_barrier_wait(&relay.all_sent);
    for (int i = 0; i < TALKERS; i++) {
        for (int k = 0; k < WORDS; k++) {
            char text[8];
            snprintf(text, sizeof text, "%d", k);
            EXPECT_MESSAGE(fds[i], text);
        }
    }
    stop_and_free(server);
    CHECK_INT(WORDS + 1, relay.received);
    CHECK_INT(0, relay.refused);
    pthread_barrier_destroy(&relay.all_sent);
    for (int i = 0; i < TALKERS; i++)
        close(fds[i]);
}

int main(void)
{
    begin();
    for (enum way way = BROADCAST; way <= PUSH; way++)
        for_each_message_of_one_receive(way);
    to_everyone("1");
    to_everyone("3");
    in_order_with_pushes();
    return 0;
}
