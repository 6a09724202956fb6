/* A host that is elsewhere, with the batch of events in its hands that it took last, and a host that waits: neither has the
 * engine wake up. What such a host pushes leaves all the same, at once. */
#include "server.h"
#include <dirent.h>

/* How often the threads of the engine have gone to sleep. */
static long sleeps(void)
{
    static const char key[] = "voluntary_ctxt_switches:";
    char path[320], line[128];
    long all = 0;
    DIR *tasks = opendir("/proc/self/task");
    CHECK(tasks != NULL);
    for (struct dirent *task; (task = readdir(tasks)) != NULL;) {
        int ours = 0;
        snprintf(path, sizeof path, "/proc/self/task/%s/status", task->d_name);
        FILE *file = task->d_name[0] == '.' ? NULL : fopen(path, "r");
        while (file != NULL && fgets(line, sizeof line, file) != NULL) {
            ours |= strncmp(line, "Name:\twspush", 12) == 0;
            if (ours && strncmp(line, key, sizeof key - 1) == 0)
                all += atol(line + sizeof key - 1);
        }
        if (file != NULL)
            fclose(file);
    }
    closedir(tasks);
    return all;
}

/* Waits until the engine sleeps for so long without waking up. A timer may come up now and then, not every millisecond. */
static void expect_rest(const char *where)
{
    enum { SPAN = 300, AT_MOST = 5 };
    int64_t deadline = now_ms() + scaled(20000, 100000);
    long before = sleeps();
    do {
        if (now_ms() > deadline)
            fail(where, "the engine does not rest: %ld times in %d ms", sleeps() - before, SPAN);
        before = sleeps();
        poll(NULL, 0, SPAN);
    } while (sleeps() - before > AT_MOST);
}

#define EXPECT_REST() expect_rest(HERE)

/* From no time at all to some milliseconds, in which the engine goes to rest or does not. */
static void dawdle(unsigned i)
{
    struct timespec now, from;
    int64_t span = (int64_t)(i * 7919u % 64) * 50000;
    clock_gettime(CLOCK_MONOTONIC, &from);
    do
        clock_gettime(CLOCK_MONOTONIC, &now);
    while ((now.tv_sec - from.tv_sec) * INT64_C(1000000000) + now.tv_nsec - from.tv_nsec < span);
}

/* Pushes from the batch that the host holds: each arrives, though nobody polls. */
static void push_and_expect(ws_server *server, ws_conn conn, int fd, int count)
{
    static char large[20000];
    memset(large, 'x', sizeof large);
    for (int i = 0; i < count; i++) {
        size_t length = i % 16 == 0 ? sizeof large : (size_t)(i % 100);
        CHECK_OK(ws_push(server, conn, large, length, WS_TEXT));
        EXPECT_FRAME(fd, FIN | TEXT, large, length);
        dawdle((unsigned)i);
    }
}

static void server_with_its_batch(int by_descriptor)
{
    struct poller poller = {.server = new_server()};
    CHECK_OK(ws_server_set(poller.server, "ping_interval", "0"));
    int fd = client_open(start(poller.server)), count = scaled(400, 30);
    if (by_descriptor)
        CHECK(ws_server_event_fd(poller.server) >= 0);
    ws_conn conn = EXPECT_EVENT(&poller, WS_EVENT_OPEN)->conn;
    EXPECT_REST();
    push_and_expect(poller.server, conn, fd, count);
    EXPECT_REST();

    /* Nor do events that nobody takes cost anything. */
    send_message(fd, "wait for me");
    STATS_WHEN(poller.server, messages_in, 1);
    EXPECT_REST();
    push_and_expect(poller.server, conn, fd, scaled(50, 5));

    /* And it goes on as ever. */
    EXPECT_EVENT(&poller, WS_EVENT_MESSAGE);
    push_and_expect(poller.server, conn, fd, scaled(50, 5));
    const ws_event *events;
    CHECK_INT(0, ws_server_poll(poller.server, &events, 10));
    EXPECT_REST();
    close(fd);
    stop_and_free(poller.server);
}

/* What is pushed to many wakes the engine, too, and so does a push without a ring of its own: of a thread that polls two. */
static void two_servers_of_one_thread(void)
{
    struct poller pollers[2] = {{.server = new_server()}, {.server = new_server()}};
    int fds[2];
    ws_conn conns[2];
    for (int i = 0; i < 2; i++) {
        CHECK_OK(ws_server_set(pollers[i].server, "ping_interval", "0"));
        fds[i] = client_open(start(pollers[i].server));
        conns[i] = EXPECT_EVENT(&pollers[i], WS_EVENT_OPEN)->conn;
    }
    EXPECT_REST();
    for (int i = 0; i < scaled(100, 10); i++) {
        int one = i % 2;
        CHECK_OK(ws_broadcast(pollers[one].server, "to all", 6, WS_TEXT));
        EXPECT_MESSAGE(fds[one], "to all");
        dawdle((unsigned)i);
        push_and_expect(pollers[one].server, conns[one], fds[one], 3);
    }
    EXPECT_REST();
    for (int i = 0; i < 2; i++) {
        close(fds[i]);
        stop_and_free(pollers[i].server);
    }
}

/* As scripts have them: each with a thread of its own, and with the batch that told of its connection. */
static void clients_with_their_batches(void)
{
    enum { CLIENTS = 8 };
    struct listener listener = new_listener();
    struct client_poller pollers[CLIENTS];
    int fds[CLIENTS];
    for (int i = 0; i < CLIENTS; i++) {
        pollers[i] = (struct client_poller){.client = ws_client_new(listener.url)};
        CHECK_OK(ws_client_set(pollers[i].client, "ping_interval", "0"));
        CHECK_OK(ws_client_start(pollers[i].client));
        fds[i] = OPEN_NEXT(&listener);
        EXPECT_CLIENT_EVENT(&pollers[i], WS_EVENT_OPEN);
    }
    EXPECT_REST();
    for (int i = 0; i < scaled(240, 24); i++) {
        CHECK_OK(ws_client_push(pollers[i % CLIENTS].client, "answer", 6, WS_TEXT));
        EXPECT_FROM_CLIENT(fds[i % CLIENTS], "answer");
        dawdle((unsigned)i);
    }
    EXPECT_REST();
    for (int i = 0; i < CLIENTS; i++) {
        CHECK_OK(ws_client_free(pollers[i].client));
        close(fds[i]);
    }
    close(listener.fd);
}

static void *wait_for_events(void *server)
{
    const ws_event *events;
    CHECK_STATUS(WS_ERR_STOPPED, ws_server_poll(server, &events, -1));
    return NULL;
}

static void server_whose_host_waits(void)
{
    ws_server *server = new_server();
    start(server);
    pthread_t thread = spawn(wait_for_events, server);
    EXPECT_REST();
    CHECK_OK(ws_server_stop(server, 0));
    join(thread);
    CHECK_OK(ws_server_free(server));
}

int main(void)
{
    begin();
    server_with_its_batch(0);
    server_with_its_batch(1);
    two_servers_of_one_thread();
    clients_with_their_batches();
    server_whose_host_waits();
    return 0;
}
