/* Who is refused waits for a drain, and for nothing else, and none waits in vain: whichever limit it was, and whoever else
 * pushes to the same connection. */
#include "harness.h"

enum { CLIENTS = 3, PUSHERS = 2, REACTORS = 2, IDS = CLIENTS * REACTORS + 1 };

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint64_t drains[IDS]; /* by the id of the connection */
} told = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

struct pusher {
    ws_server *server;
    ws_conn conn;
    int number, count;
    size_t length;
};

static void tell_pushers(ws_server *server, ws_conn conn, void *user_data)
{
    (void)server, (void)user_data;
    CHECK(conn < IDS);
    pthread_mutex_lock(&told.lock);
    told.drains[conn]++;
    pthread_cond_broadcast(&told.changed);
    pthread_mutex_unlock(&told.lock);
}

static uint64_t drains_of(ws_conn conn)
{
    pthread_mutex_lock(&told.lock);
    uint64_t drains = told.drains[conn];
    pthread_mutex_unlock(&told.lock);
    return drains;
}

static void wait_for_drain(ws_conn conn, uint64_t before)
{
    struct timespec deadline;
    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += scaled(10, 100);
    pthread_mutex_lock(&told.lock);
    while (told.drains[conn] == before)
        if (pthread_cond_timedwait(&told.changed, &told.lock, &deadline) == ETIMEDOUT)
            fail(HERE, "no drain of connection %d follows a push that was refused", (int)conn);
    pthread_mutex_unlock(&told.lock);
}

/* Pushes all it has, and waits for a drain whenever it is refused, and for nothing else. */
static void *push_and_wait(void *argument)
{
    const struct pusher *pusher = argument;
    unsigned char *data = calloc(1, pusher->length);
    CHECK(data != NULL);
    for (int i = 0; i < pusher->count;) {
        int number[2] = {pusher->number, i};
        memcpy(data, number, sizeof number);
        uint64_t before = drains_of(pusher->conn);
        int status = ws_push(pusher->server, pusher->conn, data, pusher->length, WS_BINARY);
        CHECK(status == WS_OK || status == WS_ERR_QUEUE_FULL);
        if (status == WS_OK)
            i++;
        else
            wait_for_drain(pusher->conn, before);
    }
    free(data);
    return NULL;
}

struct reader {
    int fd, count;
    size_t length;
};

/* Reads what all pushers of its connection have pushed: each one's in order. */
static void *read_all(void *argument)
{
    const struct reader *reader = argument;
    int next[PUSHERS] = {0};
    for (int i = 0; i < PUSHERS * reader->count; i++) {
        int number[2];
        struct frame frame = receive_frame(reader->fd);
        CHECK_INT(reader->length, frame.length);
        memcpy(number, frame.data, sizeof number);
        CHECK(number[0] >= 0 && number[0] < PUSHERS);
        CHECK_INT(next[number[0]]++, number[1]);
        frame_free(&frame);
    }
    return NULL;
}

static volatile int polling;

static void *poll_drains(void *server)
{
    const ws_event *events;
    int count;
    while ((count = ws_server_poll(server, &events, 20)) >= 0 && polling)
        for (int i = 0; i < count; i++)
            if (events[i].type == WS_EVENT_DRAIN)
                tell_pushers(server, events[i].conn, NULL);
    CHECK(count >= 0);
    return NULL;
}

static void nobody_waits_in_vain(int callbacks, int reactors, const char *option, const char *value, size_t length, int count)
{
    struct pusher pushers[CLIENTS][PUSHERS];
    struct reader readers[CLIENTS];
    pthread_t pushing[CLIENTS][PUSHERS], reading[CLIENTS], host = 0;
    ws_conn ids[CLIENTS];
    ws_server *server = new_server();
    CHECK_OK(ws_server_set(server, "reactors", reactors == 1 ? "1" : "2"));
    CHECK_OK(ws_server_set(server, option, value));
    memset(told.drains, 0, sizeof told.drains);
    if (callbacks)
        CHECK_OK(ws_server_on_drain(server, tell_pushers, NULL));
    int port = start(server);
    for (int i = 0; i < CLIENTS; i++)
        readers[i] = (struct reader){client_open(port), count, length};
    CHECK_INT(CLIENTS, ws_server_connections(server, ids, CLIENTS));
    polling = 1;
    if (!callbacks)
        host = spawn(poll_drains, server);
    for (int i = 0; i < CLIENTS; i++) {
        reading[i] = spawn(read_all, &readers[i]);
        for (int j = 0; j < PUSHERS; j++) {
            pushers[i][j] = (struct pusher){server, ids[i], j, count, length};
            pushing[i][j] = spawn(push_and_wait, &pushers[i][j]);
        }
    }
    for (int i = 0; i < CLIENTS; i++) {
        for (int j = 0; j < PUSHERS; j++)
            join(pushing[i][j]);
        join(reading[i]);
    }
    CHECK(stats_of(server).pushes_refused > 0);
    polling = 0;
    if (!callbacks)
        join(host);
    stop_and_free(server);
    for (int i = 0; i < CLIENTS; i++)
        close(readers[i].fd);
}

/* ---- a drain that another thread asks for while a response begins ------------------------------------------------- */

static volatile ws_conn asked, awaited;
static volatile int drains_told, is_over;

static void on_asked(ws_server *server, ws_conn conn, const ws_request *request, void *user_data)
{
    (void)server, (void)request, (void)user_data;
    asked = conn;
}

static void on_told(ws_server *server, ws_conn conn, void *user_data)
{
    (void)server, (void)conn, (void)user_data;
    drains_told++;
}

static void *await_each(void *server)
{
    while (!is_over) {
        ws_conn conn = asked;
        if (conn != awaited && ws_conn_await_drain(server, conn) == WS_OK)
            awaited = conn;
    }
    return NULL;
}

static void as_a_response_begins(void)
{
    char head[1024], end[5];
    ws_server *server = new_server();
    CHECK_OK(ws_server_on_request(server, on_asked, NULL));
    CHECK_OK(ws_server_on_drain(server, on_told, NULL));
    int fd = client_connect(start(server)), count = scaled(2000, 20);
    pthread_t thread = spawn(await_each, server);
    for (int i = 0; i < count; i++) {
        ws_conn last = asked;
        send_text(fd, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        while (asked == last)
            give_way();
        for (volatile int wait = 0; wait < i % 500; wait++)
            ;
        CHECK_OK(ws_respond_begin(server, asked, 200, NULL));
        int64_t deadline = now_ms() + scaled(10000, 60000);
        for (; drains_told <= i; give_way())
            CHECK(now_ms() < deadline);
        CHECK_INT(i + 1, drains_told);
        CHECK_OK(ws_respond_end(server, asked));
        CHECK_INT(200, receive_head(fd, head, sizeof head));
        receive_bytes(fd, end, sizeof end);
    }
    is_over = 1;
    join(thread);
    stop_and_free(server);
    close(fd);
}

int main(void)
{
    begin();
    for (int callbacks = 0; callbacks < 2; callbacks++) {
        for (int reactors = 1; reactors <= REACTORS; reactors++) {
            nobody_waits_in_vain(callbacks, reactors, "max_queued_bytes", "1K", 100, scaled(10000, 300));
            nobody_waits_in_vain(callbacks, reactors, "max_queued_bytes", "256K", 20000, scaled(1500, 100));
            nobody_waits_in_vain(callbacks, reactors, "max_command_bytes", "64K", 20000, scaled(1500, 100));
        }
    }
    as_a_response_begins();
    return 0;
}
