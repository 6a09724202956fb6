/* Clients by the thousand, in one loop or behind callbacks, at a server in a child: 10,000 as far as the system's limit of
 * descriptors allows, or a few under valgrind. They all open, are all answered, and all close. */
#include "server.h"

#include <sys/resource.h>

static int clients_that_fit(int wanted)
{
    struct rlimit limit;
    CHECK_INT(0, getrlimit(RLIMIT_NOFILE, &limit));
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    CHECK_INT(0, getrlimit(RLIMIT_NOFILE, &limit));
    long room = limit.rlim_cur == RLIM_INFINITY ? wanted : (long)limit.rlim_cur - 100;
    return room < wanted ? (int)room : wanted;
}

/* What happened to all of them. Only the thread of the callbacks writes. */
static struct client_record all = CLIENT_RECORD;

static void answered(ws_client *client, const void *data, size_t length, int opcode, void *user_data)
{
    (void)opcode, (void)user_data;
    CHECK(length == sizeof client && memcmp(data, &client, sizeof client) == 0); /* its own */
    note(&all.base, &all.messages);
}

static void ask(ws_client *client, const ws_request *response, void *user_data)
{
    (void)response, (void)user_data;
    CHECK_OK(ws_client_push(client, &client, sizeof client, WS_BINARY));
    note(&all.base, &all.opens);
}

static void failed(ws_client *client, int status, const char *detail, const ws_request *response, void *user_data)
{
    (void)client, (void)response, (void)user_data;
    fail(HERE, "%s: %s", ws_error_name(status), detail);
}

static void closed(ws_client *client, int code, const void *reason, size_t length, void *user_data)
{
    (void)client, (void)reason, (void)length, (void)user_data;
    CHECK_INT(1000, code);
    note(&all.base, &all.closes);
}

static void ended(ws_client *client, void *user_data)
{
    (void)client, (void)user_data;
    note(&all.base, &all.ends);
}

/* Threads of this process. */
static int threads(void)
{
    int count = 0;
    char line[256];
    FILE *status = fopen("/proc/self/status", "r");
    CHECK(status != NULL);
    while (fgets(line, sizeof line, status) != NULL)
        if (sscanf(line, "Threads: %d", &count) == 1)
            break;
    fclose(status);
    return count;
}

static void wait_for_all(const char *where, const int *counter, int count)
{
    int64_t deadline = now_ms() + scaled(30000, 120000);
    last_check = where;
    while (count_of(&all.base, counter) < count) {
        if (now_ms() > deadline)
            fail(where, "%d of %d", *counter, count);
        poll(NULL, 0, 5);
    }
}

static void with_callbacks(const char *url, int count)
{
    ws_client **clients = calloc((size_t)count, sizeof *clients);
    CHECK(clients != NULL);
    int before = threads();
    for (int i = 0; i < count; i++) {
        clients[i] = ws_client_new(url);
        CHECK_OK(ws_client_on_open(clients[i], ask, NULL));
        CHECK_OK(ws_client_on_message(clients[i], answered, NULL));
        CHECK_OK(ws_client_on_error(clients[i], failed, NULL));
        CHECK_OK(ws_client_on_close(clients[i], closed, NULL));
        CHECK_OK(ws_client_on_end(clients[i], ended, NULL));
        CHECK_OK(ws_client_set(clients[i], "connect_timeout", "60s"));
        CHECK_OK(ws_client_set(clients[i], "handshake_timeout", "60s"));
        CHECK_OK(ws_client_start(clients[i]));
    }
    wait_for_all(HERE, &all.messages, count);
    CHECK_INT(count, all.opens);
    CHECK(threads() <= before + 2); /* a reactor and a dialer for all of them */
    for (int i = 0; i < count; i++)
        CHECK_OK(ws_client_close(clients[i], 1000, NULL, 0));
    wait_for_all(HERE, &all.ends, count);
    CHECK_INT(count, all.closes);
    CHECK_INT(count, all.messages);
    for (int i = 0; i < count; i++)
        CHECK_OK(ws_client_free(clients[i]));
    free(clients);
}

static void in_one_loop(const char *url, int count)
{
    ws_loop *loop = ws_loop_new();
    ws_client **clients = calloc((size_t)count, sizeof *clients);
    int seen[WS_EVENT_END + 1] = {0};
    int64_t deadline = now_ms() + scaled(40000, 150000);
    CHECK(clients != NULL && loop != NULL);
    for (int i = 0; i < count; i++) {
        clients[i] = ws_client_new(url);
        CHECK_OK(ws_client_set(clients[i], "connect_timeout", "60s"));
        CHECK_OK(ws_client_set(clients[i], "handshake_timeout", "60s"));
        CHECK_OK(ws_loop_add(loop, clients[i]));
        CHECK_OK(ws_client_start(clients[i]));
    }
    while (seen[WS_EVENT_END] < count) {
        const ws_event *events;
        int n = ws_loop_poll(loop, &events, 1000);
        CHECK(n >= 0 && now_ms() < deadline);
        for (int i = 0; i < n; i++) {
            ws_client *client = events[i].client;
            CHECK(client != NULL && events[i].type >= 0 && events[i].type <= WS_EVENT_END);
            seen[events[i].type]++;
            if (events[i].type == WS_EVENT_OPEN)
                CHECK_OK(ws_client_push(client, &client, sizeof client, WS_BINARY));
            if (events[i].type == WS_EVENT_MESSAGE) {
                CHECK(events[i].length == sizeof client && memcmp(events[i].data, &client, sizeof client) == 0);
                if (seen[WS_EVENT_MESSAGE] == count) /* all of them are there at one time */
                    for (int k = 0; k < count; k++)
                        CHECK_OK(ws_client_close(clients[k], 1000, NULL, 0));
            }
        }
    }
    CHECK_INT(count, seen[WS_EVENT_OPEN]);
    CHECK_INT(count, seen[WS_EVENT_MESSAGE]);
    CHECK_INT(count, seen[WS_EVENT_CLOSE]);
    CHECK_INT(0, seen[WS_EVENT_ERROR]);
    for (int i = 0; i < count; i++)
        CHECK_OK(ws_client_free(clients[i]));
    CHECK_OK(ws_loop_free(loop));
    free(clients);
}

/* The child: serves until the parent has no more to ask. */
static void serve(int to_parent, int from_parent)
{
    struct record record = RECORD;
    char byte;
    ws_server *server = recorded_server(&record, echo_message);
    CHECK_OK(ws_server_set(server, "backlog", "4096"));
    int port = start(server);
    CHECK_INT(sizeof port, write(to_parent, &port, sizeof port));
    CHECK_INT(0, read(from_parent, &byte, 1));
    STATS_WHEN(server, connections_open, 0);
    CHECK_INT(record.opens, record.closes);
    stop_and_free(server);
    execlp("true", "true", (char *)NULL); /* valgrind has judged nothing here that is the parent's */
    _exit(1);
}

int main(void)
{
    char url[64];
    int to_parent[2], to_child[2], port, status, count = clients_that_fit(scaled(10000, 100));
    begin();
    CHECK_INT(0, pipe(to_parent));
    CHECK_INT(0, pipe(to_child));
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        close(to_child[1]);
        serve(to_parent[1], to_child[0]);
    }
    close(to_child[0]);
    CHECK_INT(sizeof port, read(to_parent[0], &port, sizeof port));
    snprintf(url, sizeof url, "ws://127.0.0.1:%d/", port);
    with_callbacks(url, count);
    in_one_loop(url, count);
    close(to_child[1]);
    CHECK_INT(child, waitpid(child, &status, 0));
    CHECK_INT(0, status);
    printf("%d clients\n", count);
    return 0;
}
