/* A client that does not read costs bounded memory and nobody else anything, and what was accepted still arrives. */
#include "harness.h"

enum { CHUNK = 64 * 1024, MANY = 4000 }; /* 4,000 times 64 KiB: 250 MiB, were it all kept */

static void numbered(unsigned char *chunk, int number)
{
    memset(chunk, number % 251, CHUNK);
    memcpy(chunk, &number, sizeof number);
}

static void a_slow_reader(void)
{
    struct record record = RECORD;
    static unsigned char chunk[CHUNK];
    ws_server *server = recorded_server(&record, record_message);
    CHECK_OK(ws_server_set(server, "max_queued_bytes", "1M"));
    int fd = client_open(start(server)), accepted = 0, status = WS_OK;
    WAIT_FOR(&record, opens, 1);

    int64_t before = resident_bytes();
    for (int i = 0; i < MANY; i++) {
        numbered(chunk, accepted);
        status = ws_push(server, record.conn, chunk, CHUNK, WS_BINARY);
        CHECK(status == WS_OK || status == WS_ERR_QUEUE_FULL);
        accepted += status == WS_OK;
    }
    CHECK_INT(WS_ERR_QUEUE_FULL, status);
    CHECK(accepted >= 16);
    int64_t queued = ws_conn_queued_bytes(server, record.conn);
    CHECK(queued >= 512 * 1024 && queued < 1024 * 1024 + 2 * CHUNK);
    if (!under_valgrind())
        CHECK(resident_bytes() - before < 8 * 1024 * 1024);
    CHECK_INT(1, ws_conn_is_open(server, record.conn));

    CHECK_INT(MANY - accepted, stats_of(server).pushes_refused);

    for (int i = 0; i < accepted; i++) {
        numbered(chunk, i);
        EXPECT_FRAME(fd, FIN | BINARY, chunk, CHUNK);
    }
    int64_t deadline = now_ms() + scaled(10000, 60000);
    for (; (status = ws_push(server, record.conn, "back again", 10, WS_TEXT)) == WS_ERR_QUEUE_FULL; give_way())
        CHECK(now_ms() < deadline);
    CHECK_INT(WS_OK, status);
    EXPECT_MESSAGE(fd, "back again");
    stop_and_free(server);
    close(fd);
}

/* Sends messages and reads nothing, until the server takes no more. */
static int64_t stuff_chunks(int fd)
{
    static unsigned char chunk[CHUNK];
    size_t total;
    unsigned char *frame = make_frame(FIN | BINARY, chunk, CHUNK, 0x12345678, &total);
    int64_t most = (int64_t)MANY * CHUNK, sent = stuff(fd, frame, total, most);
    CHECK(sent > 0 && sent < most);
    free(frame);
    return sent;
}

static void an_echo_that_is_never_read(const char *reactors)
{
    struct record record = RECORD;
    ws_server *server = recorded_server(&record, echo_message);
    CHECK_OK(ws_server_set(server, "max_queued_bytes", "1M"));
    CHECK_OK(ws_server_set(server, "reactors", reactors));
    int port = start(server), other = client_open(port), stuffed = client_open(port);
    int64_t before = resident_bytes(), sent = stuff_chunks(stuffed);
    CHECK(sent > 0);
    if (!under_valgrind())
        CHECK(resident_bytes() - before < 16 * 1024 * 1024);
    for (int i = 0; i < 100; i++) { /* the others do not notice */
        send_message(other, "and me?");
        EXPECT_MESSAGE(other, "and me?");
    }
    CHECK_OK(ws_server_stop(server, scaled(200, 1000)));
    CHECK_OK(ws_server_free(server));
    CHECK_INT(2, record.closes);
    close(stuffed);
    close(other);
}

/* Poll mode with a host that does not poll: reading pauses, and goes on when the host does. */
static void a_slow_host(void)
{
    struct poller poller = {.server = new_server()};
    static unsigned char chunk[CHUNK];
    CHECK_OK(ws_server_set(poller.server, "max_event_bytes", "1M"));
    int fd = client_open(start(poller.server));
    int64_t before = resident_bytes(), sent = stuff_chunks(fd), taken = 0;
    if (!under_valgrind())
        CHECK(resident_bytes() - before < 16 * 1024 * 1024);

    EXPECT_EVENT(&poller, WS_EVENT_OPEN);
    for (; taken < sent / (CHUNK + 14); taken++)
        CHECK_INT(CHUNK, EXPECT_EVENT(&poller, WS_EVENT_MESSAGE)->length);
    CHECK(taken > 0 && memcmp(chunk, chunk + 1, CHUNK - 1) == 0);
    CHECK(stats_of(poller.server).host_paused > 0);
    CHECK_OK(ws_server_free(poller.server));
    close(fd);
}

/* A flood of pings by a client that does not read the pongs. */
static void a_flood_of_pings(void)
{
    struct record record = RECORD;
    unsigned char ping[131];
    static unsigned char flood[131 * 500];
    ws_server *server = recorded_server(&record, record_message);
    CHECK_OK(ws_server_set(server, "max_queued_bytes", "1M"));
    int port = start(server), fd = client_open(port), other;
    int64_t before = resident_bytes();

    size_t head = write_head(ping, FIN | PING, 125, 0);
    memset(ping + head, 'p', 125);
    for (int i = 0; i < 500; i++)
        memcpy(flood + i * 131, ping, 131);
    stuff(fd, flood, sizeof flood, (int64_t)2000 * (int64_t)sizeof flood);
    if (!under_valgrind())
        CHECK(resident_bytes() - before < 16 * 1024 * 1024);
    other = client_open(port);
    send_frame(other, FIN | PING, "?", 1);
    EXPECT_FRAME(other, FIN | PONG, "?", 1);
    CHECK_OK(ws_server_free(server));
    close(fd);
    close(other);
}

/* A buffer that a long queue needed is not kept when its connection is gone. */
static void what_the_cut_leave_behind(void)
{
    enum { CLIENTS = 24, LONG = 12 << 20, KEPT = 64 << 20 };
    struct record record = RECORD;
    ws_conn ids[CLIENTS];
    int clients[CLIENTS];
    unsigned char *message = calloc(1, LONG);
    CHECK(message != NULL);
    ws_server *server = recorded_server(&record, record_message);
    CHECK_OK(ws_server_set(server, "max_queued_bytes", "1G"));
    CHECK_OK(ws_server_set(server, "max_command_bytes", "4G"));
    int port = start(server);
    for (int i = 0; i < CLIENTS; i++)
        clients[i] = client_open(port);
    WAIT_FOR(&record, opens, CLIENTS);
    CHECK_INT(CLIENTS, ws_server_connections(server, ids, CLIENTS));
    int64_t before = resident_bytes();
    for (int i = 0; i < CLIENTS; i++)
        CHECK_OK(ws_push(server, ids[i], message, LONG, WS_BINARY));
    for (int i = 0; i < CLIENTS; i++)
        CHECK_OK(ws_disconnect(server, ids[i]));
    WAIT_FOR(&record, closes, CLIENTS);
    for (int64_t deadline = now_ms() + 5000; resident_bytes() - before > KEPT; give_way())
        CHECK(now_ms() < deadline);
    stop_and_free(server);
    for (int i = 0; i < CLIENTS; i++)
        close(clients[i]);
    free(message);
}

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static void wait_at_the_gate(ws_server *server, ws_conn conn, const void *data, size_t length, int opcode,
                             void *user_data)
{
    record_message(server, conn, data, length, opcode, user_data);
    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
}

/* A callback that does not return holds its reactor; what others push meanwhile waits, up to max_command_bytes. Messages to many
 * have as much for themselves. */
static void a_slow_callback(void)
{
    struct record record = RECORD;
    static unsigned char chunk[CHUNK];
    ws_server *server = recorded_server(&record, wait_at_the_gate);
    CHECK_OK(ws_server_set(server, "max_command_bytes", "1M"));
    CHECK_OK(ws_server_set(server, "max_queued_bytes", "1G"));
    int fd = client_open(start(server)), accepted = 0, broadcasts = 0, status;
    pthread_mutex_lock(&gate);
    send_message(fd, "wait");
    WAIT_FOR(&record, messages, 1);
    while ((status = ws_push(server, record.conn, chunk, CHUNK, WS_BINARY)) == WS_OK)
        CHECK(++accepted < 100);
    CHECK_INT(WS_ERR_QUEUE_FULL, status);
    CHECK_CONTAINS("max_command_bytes", ws_last_error());
    CHECK(accepted >= 15);
    while ((status = ws_broadcast(server, chunk, CHUNK, WS_BINARY)) == WS_OK)
        CHECK(++broadcasts < 100);
    CHECK_INT(WS_ERR_QUEUE_FULL, status);
    CHECK_CONTAINS("max_command_bytes", ws_last_error());
    CHECK(broadcasts >= 15);
    CHECK_OK(ws_close(server, record.conn, 1000, NULL, 0)); /* sends nothing to speak of: always taken */
    pthread_mutex_unlock(&gate);
    for (int i = 0; i < accepted + broadcasts; i++)
        EXPECT_FRAME(fd, FIN | BINARY, chunk, CHUNK);
    EXPECT_CLOSE(fd, 1000);
    stop_and_free(server);
    close(fd);
}

int main(void)
{
    begin();
    a_slow_callback();
    a_slow_reader();
    an_echo_that_is_never_read("1");
    an_echo_that_is_never_read("2");
    a_slow_host();
    a_flood_of_pings();
    if (!under_valgrind()) /* it keeps what is freed */
        what_the_cut_leave_behind();
    return 0;
}
