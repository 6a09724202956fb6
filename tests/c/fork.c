/* A child of fork has no engine: every call on its parent's server says so, and the parent goes on undisturbed. A server
 * started after the fork is the child's own. */
#include "harness.h"

/* Runs the body in a child, which reports through a pipe and then becomes another program: at its exit valgrind would
 * count the memory of threads that the child never had. */
static void in_child(ws_server *server, void (*body)(ws_server *server))
{
    int ends[2], status;
    char word[3] = "";
    CHECK_INT(0, pipe(ends));
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        alarm((unsigned)scaled(20, 100));
        body(server);
        if (write(ends[1], "ok", 2) == 2)
            execlp("true", "true", (char *)NULL);
        _exit(1);
    }
    close(ends[1]);
    CHECK_INT(child, waitpid(child, &status, 0));
    CHECK_INT(2, read(ends[0], word, 2));
    CHECK_STRING("ok", word);
    close(ends[0]);
}

static void use_the_parents(ws_server *server)
{
    const ws_event *events;
    CHECK_STATUS(WS_ERR_FORKED, ws_push(server, 1, "x", 1, WS_TEXT));
    CHECK_CONTAINS("fork", ws_last_error());
    CHECK_STATUS(WS_ERR_FORKED, ws_broadcast(server, "x", 1, WS_TEXT));
    CHECK_STATUS(WS_ERR_FORKED, ws_close(server, 1, 1000, NULL, 0));
    CHECK_STATUS(WS_ERR_FORKED, ws_disconnect(server, 1));
    CHECK_STATUS(WS_ERR_FORKED, ws_ping(server, 1, NULL, 0));
    CHECK_STATUS(WS_ERR_FORKED, ws_server_poll(server, &events, -1));
    CHECK_STATUS(WS_ERR_FORKED, ws_server_stop(server, 1000));
    CHECK_STATUS(WS_ERR_FORKED, ws_server_wait(server));
}

static void free_the_parents(ws_server *server)
{
    int status = ws_server_free(server); /* either way it returns, and hurts nobody */
    CHECK(status == WS_OK || status == WS_ERR_FORKED);
}

static void serve_in_the_child(ws_server *parents)
{
    struct record record = RECORD;
    ws_server *server = recorded_server(&record, echo_message);
    CHECK(server != parents);
    int fd = client_open(start(server));
    send_message(fd, "child");
    EXPECT_MESSAGE(fd, "child");
    stop_and_free(server);
    close(fd);
}

static void start_what_the_parent_made(ws_server *server)
{
    struct poller poller = {.server = server};
    CHECK_OK(ws_server_start(server));
    int fd = client_open(ws_server_port(server, 0));
    EXPECT_EVENT(&poller, WS_EVENT_OPEN);
    CHECK_OK(ws_server_free(server));
    EXPECT_CUT(fd);
}

/* A child has all descriptors of its parent, and may live on: it keeps neither connections nor ports alive. */
static void a_child_that_lives_on(void)
{
    struct record record = RECORD;
    char byte;
    int ends[2], status;
    ws_server *server = recorded_server(&record, echo_message);
    int port = start(server), before = client_open(port);
    WAIT_FOR(&record, opens, 1);
    ws_conn conn = record.conn;
    CHECK_INT(0, pipe(ends));
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        close(ends[1]);
        if (read(ends[0], &byte, 1) == 0) /* until the parent is done */
            execlp("true", "true", (char *)NULL);
        _exit(1);
    }
    close(ends[0]);
    int after = client_open(port);
    WAIT_FOR(&record, opens, 2);
    int64_t since = now_ms();
    CHECK_OK(ws_disconnect(server, conn));
    CHECK_OK(ws_disconnect(server, record.conn));
    EXPECT_CUT(before);
    EXPECT_CUT(after);
    CHECK(now_ms() - since < scaled(2000, 20000));

    before = client_open(port);
    WAIT_FOR(&record, opens, 3);
    CHECK_OK(ws_server_stop(server, 0));
    EXPECT_CUT(before);
    CHECK(refuses(port));
    CHECK_INT(0, waitpid(child, &status, WNOHANG)); /* it was there all the time */
    close(ends[1]);
    CHECK_INT(child, waitpid(child, &status, 0));
    CHECK_INT(0, status);
    CHECK_OK(ws_server_free(server));
}

enum { THREADS = 16 };

static pthread_barrier_t begun;
static ws_client *of_parent;

static void *live_on(void *number)
{
    pthread_barrier_wait(&begun);
    pthread_barrier_wait(&begun);
    return number;
}

/* The C library gives the threads of a child the numbers that those of its parent had: what becomes of the parent's handles in the
 * child must not concern them. */
static void have_threads_of_its_own(ws_server *parents)
{
    pthread_t threads[THREADS];
    static int numbers[THREADS];
    void *result;
    pthread_attr_t as_large; /* as the library's, so that their stacks are used again */
    CHECK_INT(0, pthread_attr_init(&as_large));
    CHECK_INT(0, pthread_attr_setstacksize(&as_large, 3 << 19));
    CHECK_INT(0, pthread_barrier_init(&begun, NULL, THREADS + 1));
    for (int i = 0; i < THREADS; i++)
        CHECK_INT(0, pthread_create(&threads[i], &as_large, live_on, &numbers[i]));
    pthread_barrier_wait(&begun);
    free_the_parents(parents);
    CHECK_OK(ws_client_free(of_parent));
    pthread_barrier_wait(&begun);
    for (int i = 0; i < THREADS; i++) {
        CHECK_INT(0, pthread_join(threads[i], &result));
        CHECK(result == &numbers[i]);
    }
}

static int pushing_ended;

static void *push_on(void *server)
{
    while (!__atomic_load_n(&pushing_ended, __ATOMIC_SEQ_CST))
        CHECK_STATUS(WS_ERR_CLOSED, ws_push(server, 999, "x", 1, WS_TEXT));
    return NULL;
}

static void make_another(ws_server *parents)
{
    ws_server *server = ws_server_new();
    CHECK(server != NULL && server != parents);
    CHECK_STATUS(WS_ERR_FORKED, ws_push(parents, 999, "x", 1, WS_TEXT));
    CHECK_OK(ws_server_free(server));
    free_the_parents(parents);
}

/* The fork may come while another thread is inside a call: whatever that holds is held in the child for good. */
static void while_another_thread_pushes(void)
{
    struct record record = RECORD;
    ws_server *server = recorded_server(&record, echo_message);
    start(server);
    pthread_t thread = spawn(push_on, server);
    for (int i = 0; i < scaled(500, 10); i++)
        in_child(server, make_another);
    __atomic_store_n(&pushing_ended, 1, __ATOMIC_SEQ_CST);
    join(thread);
    stop_and_free(server);
}

static void no_message(ws_client *client, const void *data, size_t length, int opcode, void *user_data)
{
    (void)client, (void)data, (void)length, (void)opcode, (void)user_data;
}

/* A name is looked up on a thread of the library, too. */
static void a_child_with_threads(ws_server *server)
{
    char url[64];
    snprintf(url, sizeof url, "ws://localhost:%d/", ws_server_port(server, 0));
    of_parent = ws_client_new(url);
    CHECK_OK(ws_client_on_message(of_parent, no_message, NULL));
    CHECK_OK(ws_client_start(of_parent));
    while (!ws_client_is_open(of_parent))
        give_way();
    for (int i = 0; i < scaled(20, 2); i++)
        in_child(server, have_threads_of_its_own);
    CHECK_INT(1, ws_client_is_open(of_parent));
    CHECK_OK(ws_client_free(of_parent));
}

/* What a child does that was forked by a callback: its thread is no longer the library's. */
static void live_after_a_callback(ws_server *parents)
{
    struct record record = RECORD;
    sigset_t none;
    sigemptyset(&none);
    CHECK_INT(0, pthread_sigmask(SIG_SETMASK, &none, NULL)); /* the threads of the library take none */
    ws_server *server = recorded_server(&record, echo_message);
    free_the_parents(parents);
    int fd = client_open(start(server));
    send_message(fd, "child");
    EXPECT_MESSAGE(fd, "child");
    CHECK_OK(ws_broadcast(server, "all", 3, WS_TEXT));
    EXPECT_MESSAGE(fd, "all");
    close(fd);
    CHECK_OK(ws_server_stop(server, 0));
    CHECK_OK(ws_server_wait(server));
    CHECK_OK(ws_server_free(server));
}

static void fork_and_echo(ws_server *server, ws_conn conn, const void *data, size_t length, int opcode, void *user_data)
{
    (void)user_data;
    in_child(server, live_after_a_callback);
    CHECK_STATUS(WS_ERR_IN_CALLBACK, ws_server_free(server));
    CHECK_OK(ws_push(server, conn, data, length, opcode));
}

static void a_callback_that_forks(void)
{
    sigset_t ends, before;
    sigemptyset(&ends);
    sigaddset(&ends, SIGCHLD);
    CHECK_INT(0, pthread_sigmask(SIG_BLOCK, &ends, &before)); /* it would interrupt what this thread waits in */
    ws_server *server = new_server();
    CHECK_OK(ws_server_on_message(server, fork_and_echo, NULL));
    CHECK_OK(ws_server_listen(server, "127.0.0.1", 0));
    int fd = client_open(start(server));
    send_message(fd, "parent");
    EXPECT_MESSAGE(fd, "parent");
    stop_and_free(server);
    close(fd);
    CHECK_INT(0, pthread_sigmask(SIG_SETMASK, &before, NULL));
}

static int child_serves; /* the child has a server of its own, on threads of its own, when the callback returns */
static int report[2];
static pid_t returned;

/* At its exit valgrind would count the memory of threads that the child never had. */
static void become_another_program(void)
{
    execlp("true", "true", (char *)NULL);
}

static void *report_an_echo(void *server)
{
    int fd = client_open(ws_server_port(server, 0));
    send_message(fd, "of the child");
    EXPECT_MESSAGE(fd, "of the child");
    close(fd);
    CHECK_INT(1, write(report[1], "e", 1));
    CHECK_OK(ws_server_free(server));
    return NULL;
}

/* Forks, and returns in the child with a reply on its way and messages behind this one. */
static void fork_and_return(ws_server *server, ws_conn conn, const void *data, size_t length, int opcode, void *user_data)
{
    CHECK_OK(ws_push(server, conn, data, length, opcode));
    if (length != 4 || memcmp(data, "fork", 4) != 0)
        return;
    CHECK_OK(ws_broadcast(server, "to all", 6, WS_TEXT));
    returned = fork();
    CHECK(returned >= 0);
    if (returned > 0)
        return;
    begin();
    alarm((unsigned)scaled(20, 100));
    atexit(become_another_program);
    CHECK_INT(1, write(report[1], "r", 1));
    if (child_serves) {
        struct record *record = user_data;
        ws_server *own = recorded_server(record, echo_message);
        start(own);
        spawn(report_an_echo, own);
    }
}

static void a_child_that_returns(int serves)
{
    struct record record = RECORD, childs = RECORD;
    char words[4] = "";
    int status, fd, other, port;
    child_serves = serves;
    CHECK_INT(0, pipe(report));
    ws_server *server = recorded_server(&record, echo_message);
    CHECK_OK(ws_server_on_message(server, fork_and_return, &childs));
    port = start(server);
    fd = client_open(port);
    other = client_open(port);
    WAIT_FOR(&record, opens, 2);
    send_message(other, "before");
    EXPECT_MESSAGE(other, "before");
    size_t one, two;
    unsigned char *first = make_frame(FIN | TEXT, "fork", 4, 0x01020304, &one);
    unsigned char *second = make_frame(FIN | TEXT, "behind it", 9, 0x01020304, &two);
    unsigned char both[64];
    memcpy(both, first, one);
    memcpy(both + one, second, two);
    free(first);
    free(second);
    send_bytes(fd, both, one + two);
    EXPECT_MESSAGE(fd, "fork"); /* once: the child has sent nothing */
    EXPECT_MESSAGE(fd, "to all");
    EXPECT_MESSAGE(fd, "behind it");
    EXPECT_MESSAGE(other, "to all");
    CHECK_INT(returned, waitpid(returned, &status, 0));
    CHECK_INT(0, status);
    close(report[1]);
    for (int got = 0, more; got < 3 && (more = (int)read(report[0], words + got, (size_t)(3 - got))) > 0;)
        got += more;
    CHECK_STRING(serves ? "re" : "r", words);
    close(report[0]);
    for (int i = 0; i < 20; i++) {
        send_message(fd, "still");
        EXPECT_MESSAGE(fd, "still");
        send_message(other, "here");
        EXPECT_MESSAGE(other, "here");
    }
    int late = client_open(port);
    send_message(late, "late");
    EXPECT_MESSAGE(late, "late");
    CHECK_INT(0, ws_server_stop(server, 0));
    CHECK_OK(ws_server_free(server));
    close(fd);
    close(other);
    close(late);
}

static void client_forks_and_returns(ws_client *client, const void *data, size_t length, int opcode, void *user_data)
{
    (void)user_data;
    CHECK_OK(ws_client_push(client, data, length, opcode));
    returned = fork();
    CHECK(returned >= 0);
    if (returned == 0) {
        alarm((unsigned)scaled(20, 100));
        atexit(become_another_program);
    }
}

static void a_child_of_a_client_that_returns(void)
{
    struct record record = RECORD;
    char url[64];
    int status;
    ws_server *server = recorded_server(&record, echo_message);
    CHECK_OK(ws_server_on_message(server, record_message, &record));
    snprintf(url, sizeof url, "ws://127.0.0.1:%d/", start(server));
    ws_client *client = ws_client_new(url);
    CHECK_OK(ws_client_on_message(client, client_forks_and_returns, NULL));
    CHECK_OK(ws_client_start(client));
    WAIT_FOR(&record, opens, 1);
    CHECK_OK(ws_broadcast(server, "fork", 4, WS_TEXT));
    WAIT_FOR(&record, messages, 1);
    CHECK_INT(returned, waitpid(returned, &status, 0));
    CHECK_INT(0, status);
    CHECK_INT(1, ws_client_is_open(client));
    CHECK_OK(ws_client_push(client, "still here", 10, WS_TEXT));
    WAIT_FOR(&record, messages, 2);
    CHECK_OK(ws_client_free(client));
    stop_and_free(server);
}

int main(void)
{
    struct record record = RECORD;
    begin();
    ws_server *server = recorded_server(&record, echo_message);
    int fd = client_open(start(server));
    in_child(server, use_the_parents);
    in_child(server, free_the_parents);
    in_child(server, serve_in_the_child);
    a_child_with_threads(server);
    send_message(fd, "parent");
    EXPECT_MESSAGE(fd, "parent");
    stop_and_free(server);
    close(fd);

    server = new_server();
    CHECK_OK(ws_server_listen(server, "127.0.0.1", 0));
    in_child(server, start_what_the_parent_made);
    CHECK_OK(ws_server_start(server));
    CHECK_OK(ws_server_free(server));
    a_child_that_lives_on();
    while_another_thread_pushes();
    a_callback_that_forks();
    a_child_that_returns(0);
    a_child_that_returns(1);
    a_child_of_a_client_that_returns();
    return 0;
}
