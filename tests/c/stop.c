/* Stopping: 1001 to everyone, what is queued is flushed, who does not answer is cut at the deadline. */
#include "harness.h"

enum { CLIENTS = 5 };

static void *stop_it(void *server)
{
    CHECK_OK(ws_server_stop(server, scaled(5000, 30000)));
    return NULL;
}

static void everyone_hears_of_it(void)
{
    struct record record = RECORD;
    ws_server *server = recorded_server(&record, record_message);
    int clients[CLIENTS], port = start(server);
    for (int i = 0; i < CLIENTS; i++)
        clients[i] = client_open(port);
    WAIT_FOR(&record, opens, CLIENTS);
    CHECK_OK(ws_broadcast(server, "last orders", 11, WS_TEXT));

    int64_t began = now_ms();
    pthread_t thread = spawn(stop_it, server);
    for (int i = 0; i < CLIENTS; i++) {
        EXPECT_MESSAGE(clients[i], "last orders");
        EXPECT_CLOSE(clients[i], 1001);
        send_close(clients[i], 1001, "");
        EXPECT_END(clients[i]);
    }
    join(thread); /* long before its five seconds are over */
    CHECK(now_ms() - began < scaled(2000, 20000));
    CHECK_INT(CLIENTS, record.closes);
    CHECK_INT(1001, record.code);
    CHECK(refuses(port));
    CHECK(ws_push(server, 1, "x", 1, WS_TEXT) == WS_ERR_STOPPED || ws_push(server, 1, "x", 1, WS_TEXT) == WS_ERR_CLOSED);
    CHECK_OK(ws_server_free(server));
    CHECK_INT(CLIENTS, record.closes);
}

static void what_is_queued_is_flushed(void)
{
    enum { CHUNK = 1 << 20, CHUNKS = 6 };
    static unsigned char chunk[CHUNK];
    struct record record = RECORD;
    ws_server *server = recorded_server(&record, record_message);
    CHECK_OK(ws_server_set(server, "max_queued_bytes", "16M"));
    int fd = client_open(start(server));
    WAIT_FOR(&record, opens, 1);
    for (int i = 0; i < CHUNKS; i++) {
        memset(chunk, i, CHUNK);
        CHECK_OK(ws_push(server, record.conn, chunk, CHUNK, WS_BINARY));
    }
    pthread_t thread = spawn(stop_it, server);
    for (int i = 0; i < CHUNKS; i++) {
        memset(chunk, i, CHUNK);
        EXPECT_FRAME(fd, FIN | BINARY, chunk, CHUNK);
    }
    EXPECT_CLOSE(fd, 1001);
    send_close(fd, 1001, "");
    EXPECT_END(fd);
    join(thread);
    CHECK_INT(1, record.closes);
    CHECK_OK(ws_server_free(server));
}

static void the_stalled_are_cut(void)
{
    enum { CHUNK = 1 << 20 };
    static unsigned char chunk[CHUNK];
    struct record record = RECORD;
    ws_server *server = recorded_server(&record, record_message);
    int port = start(server), silent = client_open(port), full = client_open(port), half = client_connect(port);
    WAIT_FOR(&record, opens, 2);
    send_text(half, "GET / HT"); /* has not even asked yet */
    while (ws_push(server, 2, chunk, CHUNK, WS_BINARY) == WS_OK)
        ;
    int64_t began = now_ms();
    CHECK_OK(ws_server_stop(server, 300));
    CHECK(now_ms() - began >= 290);
    CHECK(now_ms() - began < scaled(2000, 20000));
    CHECK_INT(2, record.closes);
    EXPECT_CLOSE(silent, 1001);
    EXPECT_CUT(silent);
    EXPECT_CUT(full);
    EXPECT_CUT(half);
    CHECK_OK(ws_server_free(server));
}

static void at_once(void)
{
    struct record record = RECORD;
    ws_server *server = recorded_server(&record, record_message);
    int fd = client_open(start(server));
    WAIT_FOR(&record, opens, 1);
    int64_t began = now_ms();
    CHECK_OK(ws_server_stop(server, 0));
    CHECK(now_ms() - began < scaled(500, 5000));
    CHECK_INT(1, record.closes);
    EXPECT_CUT(fd);
    CHECK_OK(ws_server_free(server));
}

static void by_several_threads(void)
{
    struct record record = RECORD;
    ws_server *server = recorded_server(&record, record_message);
    pthread_t threads[4];
    int fd = client_open(start(server));
    WAIT_FOR(&record, opens, 1);
    for (int i = 0; i < 4; i++)
        threads[i] = spawn(stop_it, server);
    EXPECT_CLOSE(fd, 1001);
    send_close(fd, 1001, "");
    EXPECT_END(fd);
    for (int i = 0; i < 4; i++)
        join(threads[i]);
    CHECK_INT(1, record.closes);
    CHECK_OK(ws_server_free(server));
}

int main(void)
{
    begin();
    everyone_hears_of_it();
    what_is_queued_is_flushed();
    the_stalled_are_cut();
    at_once();
    by_several_threads();
    return 0;
}
