/* A server whose events many threads take in turn, as the threads of a pool do: each polls, lets the next one poll, and works
 * on what it has while that one waits. Threads come and go, and the process forks now and then. However the pushes of one
 * and the poll of the next meet, whatever their size, nothing is late. */
#include "harness.h"

enum { CLIENTS = 5, HOSTS = 3, LARGEST = 70000, LIFE = 40 };

static ws_server *server;
static int exchanges;
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static unsigned char filler[LARGEST];

static size_t length_of(unsigned random)
{
    static const size_t lengths[] = {1, 20, 20, 300, 5000, 8192, 8192, 20000, LARGEST};
    return lengths[random % (sizeof lengths / sizeof *lengths)];
}

/* Asks for so many bytes, and has them before it asks again. */
static void *talk(void *argument)
{
    int fd = *(int *)argument;
    unsigned random = (unsigned)fd;
    for (int i = 0; i < exchanges; i++) {
        char text[16];
        random = random * 1664525u + 1013904223u;
        size_t length = length_of(random >> 16);
        snprintf(text, sizeof text, "%zu", length);
        send_message(fd, text);
        EXPECT_FRAME(fd, FIN | BINARY, filler, length);
    }
    return NULL;
}

struct work {
    ws_conn conn;
    size_t length;
};

/* Takes events, if this thread's turn has come, and what they ask for. -1 when there will be no more. */
static int take(struct work *work, int limit_ms)
{
    const ws_event *events;
    int count = ws_server_poll(server, &events, limit_ms), taken = 0;
    if (count == WS_ERR_STOPPED || count == WS_ERR_HANDLE)
        return -1;
    CHECK(count >= 0 && count <= CLIENTS);
    for (int i = 0; i < count; i++) {
        char text[16] = "";
        if (events[i].type != WS_EVENT_MESSAGE)
            continue;
        CHECK(events[i].length < sizeof text);
        memcpy(text, events[i].data, events[i].length);
        work[taken++] = (struct work){events[i].conn, strtoul(text, NULL, 10)};
    }
    return taken;
}

/* Serves for a while. NULL when there is no more to do. */
static void *serve(void *argument)
{
    static const int limits[] = {-1, -1, 60000, 1};
    struct work work[CLIENTS];
    for (int i = 0; i < LIFE; i++) {
        CHECK_INT(0, pthread_mutex_lock(&turn));
        int count = take(work, limits[i % 4]);
        CHECK_INT(0, pthread_mutex_unlock(&turn));
        if (count < 0)
            return NULL;
        for (int at = 0; at < count; at++)
            CHECK_OK(ws_push(server, work[at].conn, filler, work[at].length, WS_BINARY));
    }
    return argument;
}

/* Has one thread after the other serve. */
static void *host(void *argument)
{
    void *goes_on = argument;
    while (goes_on != NULL) {
        pthread_t thread = spawn(serve, argument);
        CHECK_INT(0, pthread_join(thread, &goes_on));
    }
    return NULL;
}

static void *fork_now_and_then(void *stop)
{
    if (under_valgrind()) /* which takes all that the other threads have for lost in the child */
        return NULL;
    for (; !__atomic_load_n((int *)stop, __ATOMIC_SEQ_CST); poll(NULL, 0, 20)) {
        int status;
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0)
            _exit(0);
        CHECK_INT(child, waitpid(child, &status, 0));
        CHECK_INT(0, status);
    }
    return NULL;
}

/* `with_descriptor`: a host that has asked for the descriptor leaves the engine to its own thread. */
static void many_hosts(int with_descriptor, int frees)
{
    int clients[CLIENTS], stop = 0;
    pthread_t talkers[CLIENTS], hosts[HOSTS], forker;
    struct poller poller = {.server = server = new_server()};
    CHECK_OK(ws_server_set(server, "max_queued_bytes", "64M"));
    int port = start(server);
    if (with_descriptor)
        CHECK(ws_server_event_fd(server) >= 0);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = client_open(port);
        EXPECT_EVENT(&poller, WS_EVENT_OPEN);
    }
    for (int i = 0; i < HOSTS; i++)
        hosts[i] = spawn(host, server);
    for (int i = 0; i < CLIENTS; i++)
        talkers[i] = spawn(talk, &clients[i]);
    forker = spawn(fork_now_and_then, &stop);
    for (int i = 0; i < CLIENTS; i++)
        join(talkers[i]);
    __atomic_store_n(&stop, 1, __ATOMIC_SEQ_CST);
    join(forker);
    if (frees) /* while a thread polls */
        CHECK_OK(ws_server_free(server));
    else
        CHECK_OK(ws_server_stop(server, 0));
    for (int i = 0; i < HOSTS; i++)
        join(hosts[i]);
    if (!frees)
        CHECK_OK(ws_server_free(server));
    for (int i = 0; i < CLIENTS; i++)
        close(clients[i]);
}

int main(void)
{
    begin();
    exchanges = scaled(3000, 30);
    for (size_t i = 0; i < LARGEST; i++)
        filler[i] = (unsigned char)(i % 251);
    many_hosts(0, 0);
    many_hosts(1, 0);
    many_hosts(0, 1);
    return 0;
}
