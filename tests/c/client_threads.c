/* Clients that are started, closed and freed on several threads at once, and in a forked child. */
#include "harness.h"

enum { THREADS = 4, CLIENTS = 8 };

static int64_t port;

static ws_client *client_at(int64_t to)
{
    char url[64];
    snprintf(url, sizeof url, "ws://127.0.0.1:%d/", (int)to);
    ws_client *client = ws_client_new(url);
    CHECK(client != NULL);
    return client;
}

/* ---- closed while it is started ---------------------------------------------------------------------------------- */

static void *close_soon(void *client)
{
    int status;
    while ((status = ws_client_close(client, 1000, NULL, 0)) == WS_ERR_STATE)
        ;
    CHECK_INT(WS_OK, status);
    return NULL;
}

/* Whenever it is closed: it may open before that and close then, and ends once, and last. */
static void closed_at_its_start(void)
{
    ws_client *client = client_at(port);
    const ws_event *events;
    int opened = 0, closed = 0, ended = 0, count;
    pthread_t thread = spawn(close_soon, client);
    CHECK_OK(ws_client_start(client));
    join(thread);
    while ((count = ws_client_poll(client, &events, scaled(10000, 60000))) > 0)
        for (int i = 0; i < count; i++) {
            CHECK_INT(0, ended);
            opened += events[i].type == WS_EVENT_OPEN;
            closed += events[i].type == WS_EVENT_CLOSE;
            ended += events[i].type == WS_EVENT_END;
        }
    CHECK_STATUS(WS_ERR_STOPPED, count);
    CHECK_INT(opened, closed);
    CHECK_INT(1, ended);
    CHECK_INT(0, ws_client_is_open(client));
    CHECK_OK(ws_client_free(client));
}

/* ---- started at once --------------------------------------------------------------------------------------------- */

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t thread;
    int opens;
} called = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void on_client_open(ws_client *client, const ws_request *response, void *user_data)
{
    (void)client, (void)response, (void)user_data;
    pthread_mutex_lock(&called.lock);
    if (called.opens++ == 0)
        called.thread = pthread_self();
    CHECK(pthread_equal(called.thread, pthread_self()));
    pthread_cond_signal(&called.changed);
    pthread_mutex_unlock(&called.lock);
}

static void *start_some(void *clients)
{
    for (int i = 0; i < CLIENTS; i++) {
        ws_client *client = ((ws_client **)clients)[i] = client_at(port);
        CHECK_OK(ws_client_on_open(client, on_client_open, NULL));
        CHECK_OK(ws_client_start(client));
    }
    return NULL;
}

/* However they come, clients with callbacks and the same options have one thread, on which no two callbacks run at a time. */
static void started_at_once(void)
{
    static ws_client *clients[THREADS][CLIENTS];
    pthread_t threads[THREADS];
    called.opens = 0;
    for (int i = 0; i < THREADS; i++)
        threads[i] = spawn(start_some, clients[i]);
    for (int i = 0; i < THREADS; i++)
        join(threads[i]);
    pthread_mutex_lock(&called.lock);
    while (called.opens < THREADS * CLIENTS)
        pthread_cond_wait(&called.changed, &called.lock);
    pthread_mutex_unlock(&called.lock);
    for (int i = 0; i < THREADS * CLIENTS; i++)
        CHECK_OK(ws_client_free(clients[i / CLIENTS][i % CLIENTS]));
}

/* ---- in a forked child ------------------------------------------------------------------------------------------- */

static void on_end(ws_client *client, void *user_data)
{
    (void)client, (void)user_data;
}

static void in_a_child(void)
{
    ws_loop *loop = ws_loop_new();
    ws_client *clients[] = {client_at(port), client_at(port), client_at(port)};
    const ws_event *events;
    CHECK_OK(ws_client_on_end(clients[1], on_end, NULL));
    CHECK_OK(ws_loop_add(loop, clients[2]));
    for (int i = 0; i < 3; i++)
        CHECK_OK(ws_client_start(clients[i]));
    CHECK_INT(1, ws_client_poll(clients[0], &events, scaled(10000, 60000)));
    CHECK_INT(WS_EVENT_OPEN, events->type);
    pid_t child = fork();
    if (child == 0) {
        begin();
        for (int i = 0; i < 3; i++) {
            CHECK_STATUS(WS_ERR_FORKED, ws_client_push(clients[i], "a", 1, WS_TEXT));
            CHECK_STATUS(WS_ERR_FORKED, ws_client_close(clients[i], 1000, NULL, 0));
            CHECK_OK(ws_client_free(clients[i]));
        }
        CHECK_OK(ws_loop_free(loop));
        closed_at_its_start();
        ws_client *client;
        CHECK_OK(ws_client_on_end(client = client_at(port), on_end, NULL));
        CHECK_OK(ws_client_start(client));
        CHECK_OK(ws_client_close(client, 1000, NULL, 0));
        CHECK_OK(ws_client_wait(client));
        CHECK_OK(ws_client_free(client));
        /* At its exit valgrind would take for lost what only the threads of the parent know of. */
        execl("/bin/true", "true", (char *)NULL);
        _exit(1);
    }
    int status;
    CHECK_INT(child, waitpid(child, &status, 0));
    CHECK_INT(0, status);
    CHECK_OK(ws_client_push(clients[0], "a", 1, WS_TEXT));
    for (int i = 0; i < 3; i++)
        CHECK_OK(ws_client_free(clients[i]));
    CHECK_OK(ws_loop_free(loop));
}

int main(void)
{
    begin();
    ws_server *server = new_server();
    struct record record = RECORD;
    CHECK_OK(ws_server_on_message(server, record_message, &record));
    port = start(server);
    for (int i = 0; i < scaled(1000, 20); i++)
        closed_at_its_start();
    for (int i = 0; i < scaled(20, 2); i++)
        started_at_once();
    in_a_child();
    WAIT_FOR(&record, messages, 1);
    stop_and_free(server);
    return 0;
}
