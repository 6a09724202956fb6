/* Pushes from many threads: the order of each is kept, nothing is lost, and a push that races with a close is either
 * taken or refused with WS_ERR_CLOSED. */
#include "harness.h"

enum { THREADS = 8 };

struct pusher {
    ws_server *server;
    ws_conn conn;
    int number, count;
};

static void *push_numbers(void *argument)
{
    const struct pusher *pusher = argument;
    for (int i = 0; i < pusher->count; i++) {
        char text[32];
        int status, length = snprintf(text, sizeof text, "%d %d", pusher->number, i);
        while ((status = ws_push(pusher->server, pusher->conn, text, (size_t)length, WS_TEXT)) == WS_ERR_QUEUE_FULL)
            sched_yield();
        CHECK_INT(WS_OK, status);
    }
    return NULL;
}

static void to_one_connection(ws_server *server, struct record *record, int port)
{
    struct pusher pushers[THREADS];
    pthread_t threads[THREADS];
    int next[THREADS] = {0}, count = scaled(20000, 300), fd = client_open(port);
    WAIT_FOR(record, opens, 1);
    for (int i = 0; i < THREADS; i++) {
        pushers[i] = (struct pusher){server, record->conn, i, count};
        threads[i] = spawn(push_numbers, &pushers[i]);
    }
    for (int i = 0; i < THREADS * count; i++) {
        int number, value;
        struct frame frame = receive_frame(fd);
        CHECK_INT(FIN | TEXT, frame.first);
        CHECK_INT(2, sscanf((char *)frame.data, "%d %d", &number, &value));
        CHECK(number >= 0 && number < THREADS);
        CHECK_INT(next[number]++, value);
        frame_free(&frame);
    }
    for (int i = 0; i < THREADS; i++)
        join(threads[i]);
    close(fd);
}

static pthread_mutex_t ending = PTHREAD_MUTEX_INITIALIZER;
static int ended;

static int has_ended(void)
{
    pthread_mutex_lock(&ending);
    int value = ended;
    pthread_mutex_unlock(&ending);
    return value;
}

static void *push_to_whoever_is_there(void *argument)
{
    ws_server *server = argument;
    while (!has_ended()) {
        ws_conn ids[16];
        int64_t open = ws_server_connections(server, ids, 16);
        CHECK(open >= 0);
        for (int64_t i = 0; i < open && i < 16; i++) {
            int status = ws_push(server, ids[i], "to someone", 10, WS_BINARY);
            CHECK(status == WS_OK || status == WS_ERR_CLOSED || status == WS_ERR_QUEUE_FULL);
            status = ws_conn_is_open(server, ids[i]);
            CHECK(status == 0 || status == 1);
            if (ids[i] % 5 == 0)
                status = ws_disconnect(server, ids[i]);
            else if (ids[i] % 7 == 0)
                status = ws_close(server, ids[i], 1000, NULL, 0);
            CHECK(status == WS_OK || status == WS_ERR_CLOSED || status == 1);
        }
    }
    return NULL;
}

static void while_connections_come_and_go(ws_server *server, struct record *record, int port)
{
    pthread_t threads[4];
    int rounds = scaled(400, 15), before = record->opens;
    for (int i = 0; i < 4; i++)
        threads[i] = spawn(push_to_whoever_is_there, server);
    for (int i = 0; i < rounds; i++) {
        int clients[4];
        for (int k = 0; k < 4; k++) {
            clients[k] = client_connect(port);
            send_upgrade(clients[k], "/");
        }
        for (int k = 0; k < 4; k++) {
            struct linger reset = {.l_onoff = k % 2, .l_linger = 0};
            setsockopt(clients[k], SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
            close(clients[k]);
        }
    }
    int fd = client_open(port);
    close(fd);
    pthread_mutex_lock(&ending);
    ended = 1;
    pthread_mutex_unlock(&ending);
    for (int i = 0; i < 4; i++)
        join(threads[i]);
    CHECK(record->opens > before);
}

static void *push_until_refused(void *server)
{
    int status;
    do {
        status = ws_push(server, 1, "until the end", 13, WS_TEXT);
        CHECK(status == WS_OK || status == WS_ERR_CLOSED || status == WS_ERR_QUEUE_FULL || status == WS_ERR_HANDLE ||
              status == WS_ERR_STOPPED);
    } while (status != WS_ERR_HANDLE);
    return NULL;
}

/* A server may be freed while other threads push to it: they are told. */
static void while_the_server_is_freed(void)
{
    for (int round = 0; round < scaled(30, 3); round++) {
        struct record record = RECORD;
        pthread_t threads[4];
        char bytes[256];
        ws_server *server = recorded_server(&record, record_message);
        int fd = client_open(start(server));
        for (int i = 0; i < 4; i++)
            threads[i] = spawn(push_until_refused, server);
        for (int i = 0; i < 20; i++)
            receive_bytes(fd, bytes, sizeof bytes);
        CHECK_OK(ws_server_free(server));
        for (int i = 0; i < 4; i++)
            join(threads[i]);
        CHECK_INT(1, record.closes);
        EXPECT_CUT(fd);
    }
}

struct ending {
    ws_server *server;
    ws_conn conn;
};

static void *close_it(void *argument)
{
    const struct ending *ending = argument;
    CHECK_OK(ws_close(ending->server, ending->conn, 4000, "", 0));
    return NULL;
}

/* What a host that polls has pushed is sent before the Close of another thread that comes later. */
static void before_what_comes_later(void)
{
    struct poller poller = {.server = new_server()};
    int port = start(poller.server);
    for (int i = 0; i < scaled(100, 10); i++) {
        int fd = client_open(port);
        ws_conn conn = EXPECT_EVENT(&poller, WS_EVENT_OPEN)->conn;
        CHECK_OK(ws_push(poller.server, conn, "first", 5, WS_TEXT));
        struct ending ending = {poller.server, conn};
        join(spawn(close_it, &ending));
        EXPECT_MESSAGE(fd, "first");
        EXPECT_CLOSE(fd, 4000);
        send_close(fd, 4000, "");
        EXPECT_EVENT(&poller, WS_EVENT_CLOSE);
        close(fd);
    }
    stop_and_free(poller.server);
}

int main(void)
{
    struct record record = RECORD;
    begin();
    before_what_comes_later();
    ws_server *server = recorded_server(&record, record_message);
    CHECK_OK(ws_server_set(server, "reactors", "2"));
    int port = start(server);
    to_one_connection(server, &record, port);
    while_connections_come_and_go(server, &record, port);
    stop_and_free(server);
    CHECK_INT(record.opens, record.closes);
    while_the_server_is_freed();
    return 0;
}
