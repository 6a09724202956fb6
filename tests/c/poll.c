/* Poll mode: the host takes events on its own thread, in batches, with a timeout or through a file descriptor. */
#include "harness.h"

static void nothing_to_take(ws_server *server)
{
    const ws_event *events = NULL;
    int64_t start = now_ms();
    CHECK_INT(0, ws_server_poll(server, &events, 0));
    CHECK(now_ms() - start < scaled(50, 1000));
    start = now_ms();
    CHECK_INT(0, ws_server_poll(server, &events, 60));
    CHECK(now_ms() - start >= 59);
    CHECK(events == NULL); /* written only on success */
}

static void the_life_of_a_connection(struct poller *poller, int port)
{
    int fd = client_connect(port);
    send_upgrade(fd, "/room?number=7");
    expect_upgrade(fd);

    const ws_event *event = EXPECT_EVENT(poller, WS_EVENT_OPEN);
    ws_conn conn = event->conn;
    CHECK(conn > 0 && event->data == NULL && event->length == 0 && event->request != NULL);
    CHECK_STRING("/room?number=7", ws_request_target(event->request));
    CHECK_STRING("number=7", ws_request_query(event->request));

    send_message(fd, "text");
    event = EXPECT_EVENT(poller, WS_EVENT_MESSAGE);
    CHECK(event->conn == conn && event->code == WS_TEXT && event->length == 4 && event->request == NULL);
    CHECK(memcmp(event->data, "text", 4) == 0);
    CHECK_OK(ws_push(poller->server, conn, event->data, event->length, event->code));
    EXPECT_MESSAGE(fd, "text");

    send_frame(fd, FIN | BINARY, "\0\1\2", 3);
    event = EXPECT_EVENT(poller, WS_EVENT_MESSAGE);
    CHECK(event->code == WS_BINARY && event->length == 3 && memcmp(event->data, "\0\1\2", 3) == 0);

    send_frame(fd, FIN | BINARY, "", 0);
    event = EXPECT_EVENT(poller, WS_EVENT_MESSAGE);
    CHECK(event->code == WS_BINARY && event->length == 0);

    send_close(fd, 4321, "enough");
    event = EXPECT_EVENT(poller, WS_EVENT_CLOSE);
    CHECK(event->conn == conn && event->code == 4321 && event->length == 6 && event->request == NULL);
    CHECK(memcmp(event->data, "enough", 6) == 0);
    EXPECT_CLOSE(fd, 4321); /* it left when the host came back from its last message */
    EXPECT_END(fd);
}

/* A batch stays valid while the host works on it, whatever arrives in the meantime. */
static void a_batch_stays_valid(struct poller *poller, int port)
{
    int fd = client_open(port);
    ws_conn conn = EXPECT_EVENT(poller, WS_EVENT_OPEN)->conn;
    const ws_event *events;
    for (int i = 0; i < 100; i++)
        send_message(fd, "first");
    int count = ws_server_poll(poller->server, &events, -1), seen = count;
    CHECK(count > 0);
    for (int i = 0; i < 100; i++)
        send_message(fd, "other");
    send_frame(fd, FIN | PING, "all there?", 10);
    EXPECT_FRAME(fd, FIN | PONG, "all there?", 10); /* the engine has read them all, and the batch still stands */
    for (int i = 0; i < count; i++)
        CHECK(events[i].conn == conn && events[i].length == 5 && memcmp(events[i].data, "first", 5) == 0);
    while (seen < 200) {
        count = ws_server_poll(poller->server, &events, 10000);
        CHECK(count > 0);
        for (int i = 0; i < count; i++)
            CHECK(memcmp(events[i].data, seen++ < 100 ? "first" : "other", 5) == 0);
    }
    close(fd);
    CHECK_INT(1006, EXPECT_EVENT(poller, WS_EVENT_CLOSE)->code);
}

static int readable(int fd, int timeout_ms)
{
    struct pollfd poller = {.fd = fd, .events = POLLIN};
    return poll(&poller, 1, timeout_ms);
}

/* When the descriptor is readable, the host polls until there is nothing left; then it is not readable any more. It may
 * become so once without an event: when the host has taken the batch before the reactor came to announce it. */
static void settle(ws_server *server, int event_fd)
{
    const ws_event *events;
    int times = 0;
    do {
        CHECK_INT(0, ws_server_poll(server, &events, 0));
        CHECK(times++ < 3);
    } while (readable(event_fd, 20) == 1);
}

static void take_one(ws_server *server, int event_fd, int type)
{
    const ws_event *events;
    CHECK_INT(1, readable(event_fd, 10000));
    CHECK_INT(1, readable(event_fd, 0)); /* until the events are taken */
    CHECK_INT(1, ws_server_poll(server, &events, 0));
    CHECK_INT(type, events[0].type);
    settle(server, event_fd);
}

static void with_a_foreign_loop(struct poller *poller, int port)
{
    int event_fd = ws_server_event_fd(poller->server);
    CHECK(event_fd >= 0);
    CHECK_INT(event_fd, ws_server_event_fd(poller->server));
    settle(poller->server, event_fd);

    for (int round = 0; round < scaled(30, 5); round++) {
        int fd = client_open(port);
        take_one(poller->server, event_fd, WS_EVENT_OPEN);
        send_message(fd, "wake up");
        take_one(poller->server, event_fd, WS_EVENT_MESSAGE);
        close(fd);
        take_one(poller->server, event_fd, WS_EVENT_CLOSE);
    }
}

struct interrupted {
    pthread_t thread;
    int port;
};

static void on_signal(int number)
{
    (void)number;
}

static int interrupted_ended;

static void *interrupt(void *argument)
{
    struct interrupted *it = argument;
    while (!__atomic_load_n(&interrupted_ended, __ATOMIC_SEQ_CST)) {
        pthread_kill(it->thread, SIGUSR1); /* again, should the first have come before the wait */
        poll(NULL, 0, 5);
    }
    return NULL;
}

static void interrupted_by_a_signal(ws_server *server)
{
    struct interrupted it = {.thread = pthread_self()};
    struct sigaction action = {.sa_handler = on_signal};
    const ws_event *events;
    CHECK_INT(0, sigaction(SIGUSR1, &action, NULL));
    pthread_t thread = spawn(interrupt, &it);
    CHECK_STATUS(WS_ERR_INTERRUPTED, ws_server_poll(server, &events, -1));
    __atomic_store_n(&interrupted_ended, 1, __ATOMIC_SEQ_CST);
    join(thread);
    action.sa_flags = SA_RESTART; /* makes no difference: the host wants to know */
    CHECK_INT(0, sigaction(SIGUSR1, &action, NULL));
    interrupted_ended = 0;
    thread = spawn(interrupt, &it);
    CHECK_STATUS(WS_ERR_INTERRUPTED, ws_server_poll(server, &events, -1));
    __atomic_store_n(&interrupted_ended, 1, __ATOMIC_SEQ_CST);
    join(thread);
}

static void *stop_in_a_moment(void *server)
{
    CHECK_OK(ws_server_stop(server, 2000));
    return NULL;
}

/* Stopping closes everyone; the events of that are still to be taken, then poll says so. */
static void stop_drains(struct poller *poller, int port)
{
    int clients[3], event_fd = ws_server_event_fd(poller->server);
    const ws_event *events;
    for (int i = 0; i < 3; i++) {
        clients[i] = client_open(port);
        EXPECT_EVENT(poller, WS_EVENT_OPEN);
    }
    uint64_t before = stats_of(poller->server).messages_in;
    send_message(clients[0], "last words");
    STATS_WHEN(poller->server, messages_in, before + 1); /* what comes behind our Close frame would be dropped */
    CHECK_INT(1, readable(event_fd, 10000));
    pthread_t thread = spawn(stop_in_a_moment, poller->server);
    for (int i = 0; i < 3; i++) {
        EXPECT_CLOSE(clients[i], 1001);
        send_close(clients[i], 1001, "");
        EXPECT_END(clients[i]);
    }
    join(thread);
    EXPECT_EVENT(poller, WS_EVENT_MESSAGE);
    for (int i = 0; i < 3; i++)
        CHECK_INT(1001, EXPECT_EVENT(poller, WS_EVENT_CLOSE)->code);
    CHECK_STATUS(WS_ERR_STOPPED, ws_server_poll(poller->server, &events, -1));
    CHECK_INT(1, readable(event_fd, 0)); /* a loop that waits on it learns of the end */
    CHECK_STATUS(WS_ERR_STOPPED, ws_server_poll(poller->server, &events, 0));
    CHECK_OK(ws_server_free(poller->server));
}

static void *stop_other(void *server)
{
    CHECK_OK(ws_server_stop(server, 0));
    return NULL;
}

static void stop_wakes_poll(void)
{
    ws_server *server = new_server();
    const ws_event *events;
    start(server);
    pthread_t thread = spawn(stop_other, server);
    CHECK_STATUS(WS_ERR_STOPPED, ws_server_poll(server, &events, -1));
    join(thread);
    CHECK_OK(ws_server_free(server));
}

static int status_of_poll;

static void *poll_on(void *server)
{
    const ws_event *events;
    do {
        status_of_poll = ws_server_poll(server, &events, -1);
    } while (status_of_poll == WS_ERR_WRONG_THREAD); /* when the main thread happens to be inside */
    return NULL;
}

/* A thread that waits in poll learns of it when another frees the server, and is not given events that nobody would
 * keep alive: not those of the connections that end with it. */
static void free_wakes_poll(void)
{
    enum { CLIENTS = 3 };
    for (int round = 0; round < scaled(100, 10); round++) {
        struct poller poller = {.server = new_server()};
        const ws_event *events;
        int clients[CLIENTS], port = start(poller.server), status;
        for (int i = 0; i < CLIENTS; i++) {
            clients[i] = client_open(port);
            EXPECT_EVENT(&poller, WS_EVENT_OPEN);
        }
        pthread_t thread = spawn(poll_on, poller.server);
        while ((status = ws_server_poll(poller.server, &events, 0)) == 0) /* until the thread is inside */
            sched_yield();
        CHECK_INT(WS_ERR_WRONG_THREAD, status);
        CHECK_OK(ws_server_free(poller.server));
        join(thread);
        if (status_of_poll != WS_ERR_STOPPED && status_of_poll != WS_ERR_HANDLE)
            fail(HERE, "poll gives %d in round %d", status_of_poll, round);
        CHECK_STATUS(WS_ERR_HANDLE, ws_server_poll(poller.server, &events, -1));
        for (int i = 0; i < CLIENTS; i++)
            EXPECT_CUT(clients[i]);
    }
}

/* Several reactors, one host: the events of each connection come in their order. */
static void from_several_reactors(void)
{
    enum { CLIENTS = 12, EACH = 200 };
    struct poller poller = {.server = new_server()};
    int clients[CLIENTS], seen[CLIENTS + 1] = {0}, closes = 0;
    ws_conn ids[CLIENTS];
    CHECK_OK(ws_server_set(poller.server, "reactors", "4"));
    int port = start(poller.server);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = client_open(port);
        ids[i] = EXPECT_EVENT(&poller, WS_EVENT_OPEN)->conn;
    }
    for (int k = 0; k < EACH; k++)
        for (int i = 0; i < CLIENTS; i++)
            send_frame(clients[i], FIN | BINARY, &k, sizeof k);
    for (int i = 0; i < CLIENTS; i++)
        send_close(clients[i], 1000, "");
    while (closes < CLIENTS) {
        const ws_event *events;
        int count = ws_server_poll(poller.server, &events, scaled(10000, 60000)), i, number;
        CHECK(count > 0);
        for (const ws_event *event = events; event < events + count; event++) {
            for (i = 0; ids[i] != event->conn; i++)
                CHECK(i < CLIENTS);
            if (event->type == WS_EVENT_CLOSE) {
                CHECK_INT(EACH, seen[i]);
                closes++;
                continue;
            }
            CHECK_INT(WS_EVENT_MESSAGE, event->type);
            memcpy(&number, event->data, sizeof number);
            CHECK_INT(seen[i]++, number);
        }
    }
    stop_and_free(poller.server);
    for (int i = 0; i < CLIENTS; i++)
        close(clients[i]);
}

/* A host that pushes and then sits in a database call: what it has pushed goes out meanwhile. */
static void pushes_do_not_wait_for_the_next_poll(const char *reactors)
{
    struct poller poller = {.server = new_server()};
    CHECK_OK(ws_server_set(poller.server, "reactors", reactors));
    int port = start(poller.server);
    int one = client_open(port);
    ws_conn first = EXPECT_EVENT(&poller, WS_EVENT_OPEN)->conn;
    int other = client_open(port);
    ws_conn second = EXPECT_EVENT(&poller, WS_EVENT_OPEN)->conn;
    send_message(one, "to work");
    EXPECT_EVENT(&poller, WS_EVENT_MESSAGE);
    CHECK_OK(ws_push(poller.server, first, "done", 4, WS_TEXT));
    EXPECT_MESSAGE(one, "done");
    CHECK_OK(ws_push(poller.server, second, "seen", 4, WS_TEXT));
    EXPECT_MESSAGE(other, "seen");
    CHECK_OK(ws_broadcast(poller.server, "all", 3, WS_TEXT));
    EXPECT_MESSAGE(other, "all");
    EXPECT_MESSAGE(one, "all");
    stop_and_free(poller.server);
    close(one);
    close(other);
}

/* A close that the host brings about is told at once, though nothing else happens that would end its wait. */
static void a_close_is_told_at_once(void)
{
    struct poller poller = {.server = new_server()};
    CHECK_OK(ws_server_set(poller.server, "ping_interval", "0"));
    int port = start(poller.server);
    for (int i = 0; i < scaled(20, 5); i++) {
        int fd = client_open(port);
        ws_conn conn = EXPECT_EVENT(&poller, WS_EVENT_OPEN)->conn;
        CHECK_INT(0, ws_server_poll(poller.server, &poller.events, 1)); /* serves itself from now on */
        CHECK_OK(ws_disconnect(poller.server, conn));
        CHECK(EXPECT_EVENT(&poller, WS_EVENT_CLOSE)->conn == conn);
        EXPECT_CUT(fd);
    }
    stop_and_free(poller.server);
}

int main(void)
{
    struct poller poller = {0};
    begin();
    a_close_is_told_at_once();
    poller.server = new_server();
    /* Each message may come in a batch of its own, and those that wait then count for much more than they carry. */
    CHECK_OK(ws_server_set(poller.server, "max_event_bytes", "16M"));
    int port = start(poller.server);
    nothing_to_take(poller.server);
    the_life_of_a_connection(&poller, port);
    a_batch_stays_valid(&poller, port);
    with_a_foreign_loop(&poller, port);
    interrupted_by_a_signal(poller.server);
    stop_drains(&poller, port);
    stop_wakes_poll();
    free_wakes_poll();
    from_several_reactors();
    pushes_do_not_wait_for_the_next_poll("1");
    pushes_do_not_wait_for_the_next_poll("4");
    return 0;
}
