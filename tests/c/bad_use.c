/* Bad use gives the named error with a detail that says what was wrong, and never a crash. */
#include "harness.h"

static void null_everywhere(void)
{
    ws_server *server = new_server();
    const ws_event *events;
    ws_stats stats = {.size = sizeof stats};
    ws_batch batch = {.size = sizeof batch};
    ws_push_arguments arguments = {.server = NULL, .conn = 1, .opcode = WS_TEXT};

    CHECK_STATUS(WS_ERR_NULL, ws_server_set(NULL, "reactors", "1"));
    CHECK_STATUS(WS_ERR_NULL, ws_server_set(server, NULL, "1"));
    CHECK_STATUS(WS_ERR_NULL, ws_server_set(server, "reactors", NULL));
    CHECK_STATUS(WS_ERR_NULL, ws_server_listen(NULL, "127.0.0.1", 0));
    CHECK_STATUS(WS_ERR_NULL, ws_server_listen(server, NULL, 0));
    CHECK_STATUS(WS_ERR_NULL, ws_server_port(NULL, 0));
    CHECK_STATUS(WS_ERR_NULL, ws_server_on_open(NULL, record_open, NULL));
    CHECK_STATUS(WS_ERR_NULL, ws_server_on_message(NULL, record_message, NULL));
    CHECK_STATUS(WS_ERR_NULL, ws_server_on_close(NULL, record_close, NULL));
    CHECK_STATUS(WS_ERR_NULL, ws_server_on_request(NULL, record_open, NULL));
    CHECK_STATUS(WS_ERR_NULL, ws_server_on_log(NULL, NULL, NULL));
    CHECK_STATUS(WS_ERR_NULL, ws_server_start(NULL));
    CHECK_STATUS(WS_ERR_NULL, ws_server_wait(NULL));
    CHECK_STATUS(WS_ERR_NULL, ws_server_run(NULL));
    CHECK_STATUS(WS_ERR_NULL, ws_server_stop(NULL, 0));
    CHECK_OK(ws_server_free(NULL));
    CHECK_STATUS(WS_ERR_NULL, ws_server_poll(NULL, &events, 0));
    CHECK_STATUS(WS_ERR_NULL, ws_server_poll_packed(NULL, &batch, 0));
    CHECK_STATUS(WS_ERR_NULL, ws_server_event_fd(NULL));
    CHECK_STATUS(WS_ERR_NULL, ws_push(NULL, 1, "", 0, WS_TEXT));
    CHECK_STATUS(WS_ERR_NULL, ws_push_with(NULL, ""));
    CHECK_STATUS(WS_ERR_NULL, ws_push_with(&arguments, ""));
    CHECK_STATUS(WS_ERR_NULL, ws_broadcast(NULL, "", 0, WS_TEXT));
    CHECK_STATUS(WS_ERR_NULL, ws_ping(NULL, 1, "", 0));
    CHECK_STATUS(WS_ERR_NULL, ws_close(NULL, 1, 1000, NULL, 0));
    CHECK_STATUS(WS_ERR_NULL, ws_disconnect(NULL, 1));
    CHECK_STATUS(WS_ERR_NULL, ws_respond(NULL, 1, 200, NULL, NULL, 0));
    CHECK_STATUS(WS_ERR_NULL, ws_conn_is_open(NULL, 1));
    CHECK_STATUS(WS_ERR_NULL, ws_conn_queued_bytes(NULL, 1));
    CHECK_STATUS(WS_ERR_NULL, ws_server_connections(NULL, NULL, 0));
    CHECK_STATUS(WS_ERR_NULL, ws_server_stats(NULL, &stats));
    CHECK_STATUS(WS_ERR_NULL, ws_server_stats(server, NULL));

    CHECK_INT(0, ws_request_version(NULL));
    CHECK(ws_request_method(NULL) == NULL && ws_request_target(NULL) == NULL && ws_request_path(NULL) == NULL);
    CHECK(ws_request_query(NULL) == NULL && ws_request_header(NULL, "Host") == NULL);
    CHECK(ws_request_header_name(NULL, 0) == NULL && ws_request_header_value(NULL, 0) == NULL);
    CHECK(ws_request_remote_address(NULL) == NULL);
    CHECK_INT(0, ws_request_header_count(NULL));
    CHECK_INT(0, ws_request_remote_port(NULL));

    start(server);
    CHECK_STATUS(WS_ERR_NULL, ws_server_poll(server, NULL, 0));
    CHECK_STATUS(WS_ERR_NULL, ws_server_poll_packed(server, NULL, 0));
    CHECK_STATUS(WS_ERR_NULL, ws_push(server, 1, NULL, 5, WS_TEXT));
    CHECK_STATUS(WS_ERR_NULL, ws_broadcast(server, NULL, 5, WS_TEXT));
    CHECK_STATUS(WS_ERR_NULL, ws_ping(server, 1, NULL, 5));
    CHECK_STATUS(WS_ERR_NULL, ws_close(server, 1, 1000, NULL, 5));
    CHECK_STATUS(WS_ERR_NULL, ws_respond(server, 1, 200, NULL, NULL, 5));
    CHECK_STATUS(WS_ERR_NULL, ws_server_connections(server, NULL, 5));
    CHECK_OK(ws_server_free(server));
}

/* A handle is checked, not followed: whatever is passed after free, or never was one. */
static void after_free(void)
{
    static const char nonsense[64] = "not a server";
    const ws_event *events;
    ws_server *server = new_server();
    start(server);
    CHECK_OK(ws_server_free(server));
    ws_server *next = new_server(); /* may use the memory of the first, yet is another */

    CHECK_STATUS(WS_ERR_HANDLE, ws_server_free(server));
    CHECK_STATUS(WS_ERR_HANDLE, ws_server_set(server, "reactors", "1"));
    CHECK_STATUS(WS_ERR_HANDLE, ws_server_listen(server, "127.0.0.1", 0));
    CHECK_STATUS(WS_ERR_HANDLE, ws_server_start(server));
    CHECK_STATUS(WS_ERR_HANDLE, ws_server_stop(server, 0));
    CHECK_STATUS(WS_ERR_HANDLE, ws_server_wait(server));
    CHECK_STATUS(WS_ERR_HANDLE, ws_server_poll(server, &events, 0));
    CHECK_STATUS(WS_ERR_HANDLE, ws_push(server, 1, "x", 1, WS_TEXT));
    CHECK_STATUS(WS_ERR_HANDLE, ws_broadcast(server, "x", 1, WS_TEXT));
    CHECK_STATUS(WS_ERR_HANDLE, ws_close(server, 1, 1000, NULL, 0));
    CHECK_STATUS(WS_ERR_HANDLE, ws_conn_is_open(server, 1));
    CHECK_STATUS(WS_ERR_HANDLE, ws_push((ws_server *)(uintptr_t)nonsense, 1, "x", 1, WS_TEXT));
    CHECK_STATUS(WS_ERR_HANDLE, ws_server_free((ws_server *)(uintptr_t)1));
    CHECK_STATUS(WS_ERR_HANDLE, ws_server_free((ws_server *)UINTPTR_MAX));
    CHECK_OK(ws_server_free(next));
}

static void addresses(void)
{
    static const char *const bad[] = {"", "not an address", "300.1.1.1", "unix:", "1.2.3.4.5", "[::1]x"};
    ws_server *server;
    char taken[64];

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) { /* refused by listen or by start */
        server = new_server();
        int status = ws_server_listen(server, bad[i], 0);
        if (status == WS_OK)
            status = ws_server_start(server);
        if (status != WS_ERR_ADDRESS)
            fail(HERE, "listening on \"%s\" gives %s (\"%s\")", bad[i], ws_error_name(status), ws_last_error());
        CHECK_CONTAINS(bad[i], ws_last_error());
        CHECK_OK(ws_server_free(server));
    }

    server = new_server();
    CHECK_STATUS(WS_ERR_ARGUMENT, ws_server_listen(server, "127.0.0.1", -1));
    CHECK_STATUS(WS_ERR_ARGUMENT, ws_server_listen(server, "127.0.0.1", 65536));
    CHECK_CONTAINS("65536", ws_last_error());
    CHECK_OK(ws_server_listen(server, "203.0.113.1", 0)); /* of a net for documentation: not of this machine */
    CHECK_STATUS(WS_ERR_ADDRESS, ws_server_start(server));
    CHECK_CONTAINS("203.0.113.1", ws_last_error());
    CHECK_OK(ws_server_free(server));

    ws_server *first = new_server();
    int port = start(first);
    server = new_server();
    CHECK_OK(ws_server_listen(server, "127.0.0.1", port));
    CHECK_STATUS(WS_ERR_ADDRESS_IN_USE, ws_server_start(server));
    snprintf(taken, sizeof taken, "127.0.0.1:%d", port);
    CHECK_CONTAINS(taken, ws_last_error());
    CHECK_OK(ws_server_free(first));
    CHECK_OK(ws_server_start(server)); /* a start that failed may be tried again */
    CHECK_OK(ws_server_free(server));
}

static void at_the_wrong_time(void)
{
    ws_server *server = new_server();
    const ws_event *events;
    ws_batch batch = {.size = sizeof batch};

    CHECK_STATUS(WS_ERR_STATE, ws_server_stop(server, 0));
    CHECK_STATUS(WS_ERR_STATE, ws_server_wait(server));
    CHECK_STATUS(WS_ERR_STATE, ws_server_port(server, 0));
    CHECK_STATUS(WS_ERR_STATE, ws_server_poll(server, &events, 0));
    CHECK_STATUS(WS_ERR_STATE, ws_server_poll_packed(server, &batch, 0));
    CHECK_STATUS(WS_ERR_STATE, ws_push(server, 1, "x", 1, WS_TEXT));
    CHECK_STATUS(WS_ERR_STATE, ws_broadcast(server, "x", 1, WS_TEXT));
    CHECK_STATUS(WS_ERR_STATE, ws_server_start(server)); /* nothing to listen on */
    CHECK_CONTAINS("listen", ws_last_error());

    start(server);
    CHECK_STATUS(WS_ERR_STATE, ws_server_start(server));
    CHECK_STATUS(WS_ERR_STATE, ws_server_on_open(server, record_open, NULL));
    CHECK_STATUS(WS_ERR_STATE, ws_server_on_message(server, record_message, NULL));
    CHECK_STATUS(WS_ERR_STATE, ws_server_on_close(server, record_close, NULL));
    CHECK_STATUS(WS_ERR_STATE, ws_server_on_request(server, record_open, NULL));
    CHECK_STATUS(WS_ERR_STATE, ws_server_on_log(server, NULL, NULL));
    CHECK_OK(ws_server_free(server));

    struct record record = RECORD;
    server = recorded_server(&record, record_message);
    start(server);
    CHECK_STATUS(WS_ERR_STATE, ws_server_poll(server, &events, 0)); /* its events go to the callbacks */
    CHECK_STATUS(WS_ERR_STATE, ws_server_poll_packed(server, &batch, 0));
    CHECK_STATUS(WS_ERR_STATE, ws_server_event_fd(server));
    CHECK_OK(ws_server_stop(server, 0));
    CHECK(ws_push(server, 1, "x", 1, WS_TEXT) < 0);
    CHECK_OK(ws_server_free(server));
}

static void arguments(void)
{
    struct record record = RECORD;
    char reason[124];
    ws_server *server = recorded_server(&record, record_message);
    int port = start(server), fd = client_open(port), closed = client_open(port);
    WAIT_FOR(&record, opens, 2);
    close(closed);
    WAIT_FOR(&record, closes, 1);
    ws_conn conn = 1, gone = 2, never = 1000;
    CHECK_INT(gone, record.closed);

    CHECK_STATUS(WS_ERR_CLOSED, ws_push(server, gone, "x", 1, WS_TEXT));
    CHECK_STATUS(WS_ERR_CLOSED, ws_push(server, never, "x", 1, WS_TEXT));
    CHECK_STATUS(WS_ERR_CLOSED, ws_push(server, 0, "x", 1, WS_TEXT));
    CHECK_STATUS(WS_ERR_CLOSED, ws_push(server, UINT64_MAX, "x", 1, WS_TEXT));
    CHECK_STATUS(WS_ERR_CLOSED, ws_ping(server, gone, NULL, 0));
    CHECK_STATUS(WS_ERR_CLOSED, ws_close(server, gone, 1000, NULL, 0));
    CHECK_STATUS(WS_ERR_CLOSED, ws_disconnect(server, gone));
    CHECK_STATUS(WS_ERR_CLOSED, ws_conn_queued_bytes(server, gone));
    CHECK_INT(0, ws_conn_is_open(server, gone));
    CHECK_INT(0, ws_conn_is_open(server, never));
    CHECK_INT(1, ws_conn_is_open(server, conn));
    CHECK_STATUS(WS_ERR_CLOSED, ws_respond(server, conn, 200, NULL, NULL, 0)); /* not a request any more */

    static const int opcodes[] = {0, 3, 8, 9, 10, 15, -1, 129};
    for (size_t i = 0; i < sizeof opcodes / sizeof *opcodes; i++) {
        CHECK_STATUS(WS_ERR_ARGUMENT, ws_push(server, conn, "x", 1, opcodes[i]));
        CHECK_CONTAINS("opcode", ws_last_error());
        CHECK_STATUS(WS_ERR_ARGUMENT, ws_broadcast(server, "x", 1, opcodes[i]));
    }
    static const int codes[] = {-1, 1, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 66536};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        CHECK_STATUS(WS_ERR_ARGUMENT, ws_close(server, conn, codes[i], NULL, 0));
        CHECK_CONTAINS("code", ws_last_error());
    }
    memset(reason, 'r', sizeof reason);
    CHECK_STATUS(WS_ERR_ARGUMENT, ws_close(server, conn, 1000, reason, 124));
    CHECK_CONTAINS("123", ws_last_error());
    CHECK_STATUS(WS_ERR_ARGUMENT, ws_close(server, conn, 0, "a reason needs a code", 21));
    CHECK_STATUS(WS_ERR_TOO_LARGE, ws_ping(server, conn, reason, 126));
    CHECK_STATUS(WS_ERR_UTF8, ws_push(server, conn, "ab\xff", 3, WS_TEXT));
    CHECK_STATUS(WS_ERR_UTF8, ws_push(server, conn, "\xe2\x82", 2, WS_TEXT));
    CHECK_STATUS(WS_ERR_UTF8, ws_broadcast(server, "\xff", 1, WS_TEXT));
    CHECK_STATUS(WS_ERR_UTF8, ws_close(server, conn, 1000, "\xff", 1));

    CHECK_OK(ws_push(server, conn, NULL, 0, WS_TEXT)); /* no bytes need no pointer */
    CHECK_OK(ws_push(server, conn, "\xff", 1, WS_BINARY));
    EXPECT_MESSAGE(fd, "");
    EXPECT_FRAME(fd, FIN | BINARY, "\xff", 1);
    stop_and_free(server);
    close(fd);
}

static void sizes_of_structures(void)
{
    ws_server *server = new_server();
    ws_stats stats = {.size = 0};
    ws_batch batch = {.size = 0};
    CHECK_STATUS(WS_ERR_ARGUMENT, ws_server_stats(server, &stats));
    CHECK_STATUS(WS_ERR_ARGUMENT, ws_server_poll_packed(server, &batch, 0));
    CHECK_CONTAINS("sizeof", ws_last_error());
    stats.size = 1 << 20;
    CHECK(ws_server_stats(server, &stats) != WS_ERR_PANIC);
    CHECK_OK(ws_server_free(server));
}

struct inside {
    struct record record;
    int free_status, wait_status, run_status;
};

static void misbehave(ws_server *server, ws_conn conn, const ws_request *request, void *user_data)
{
    struct inside *inside = user_data;
    inside->free_status = ws_server_free(server);
    inside->wait_status = ws_server_wait(server);
    inside->run_status = ws_server_run(server);
    record_open(server, conn, request, &inside->record);
}

static void inside_a_callback(void)
{
    struct inside inside = {.record = RECORD};
    ws_server *server = new_server();
    CHECK_OK(ws_server_on_open(server, misbehave, &inside));
    int fd = client_open(start(server));
    WAIT_FOR(&inside.record, opens, 1);
    CHECK_INT(WS_ERR_IN_CALLBACK, inside.free_status);
    CHECK_INT(WS_ERR_IN_CALLBACK, inside.wait_status);
    CHECK(inside.run_status == WS_ERR_IN_CALLBACK || inside.run_status == WS_ERR_STATE);
    CHECK_OK(ws_push(server, inside.record.conn, "all is well", 11, WS_TEXT));
    EXPECT_MESSAGE(fd, "all is well");
    stop_and_free(server);
    close(fd);
}

struct waiting {
    ws_server *server;
    pthread_barrier_t ready;
    int first;
};

static void *poll_forever(void *argument)
{
    struct waiting *waiting = argument;
    const ws_event *events;
    pthread_barrier_wait(&waiting->ready);
    do {
        waiting->first = ws_server_poll(waiting->server, &events, -1);
    } while (waiting->first == WS_ERR_WRONG_THREAD); /* when the main thread happens to be inside */
    return NULL;
}

static void two_threads_polling(void)
{
    struct waiting waiting = {.server = new_server()};
    const ws_event *events;
    CHECK_INT(0, pthread_barrier_init(&waiting.ready, NULL, 2));
    int port = start(waiting.server), status;
    int64_t deadline = now_ms() + scaled(10000, 60000);
    pthread_t thread = spawn(poll_forever, &waiting);
    pthread_barrier_wait(&waiting.ready);
    while ((status = ws_server_poll(waiting.server, &events, 0)) == 0) { /* until the other thread is inside */
        CHECK(now_ms() < deadline);
        sched_yield();
    }
    CHECK_INT(WS_ERR_WRONG_THREAD, status);
    int fd = client_open(port);
    join(thread);
    CHECK_INT(1, waiting.first);
    CHECK_INT(0, ws_server_poll(waiting.server, &events, 0)); /* one after the other is fine */
    CHECK_OK(ws_server_free(waiting.server));
    pthread_barrier_destroy(&waiting.ready);
    close(fd);
}

int main(void)
{
    begin();
    null_everywhere();
    after_free();
    addresses();
    at_the_wrong_time();
    arguments();
    sizes_of_structures();
    inside_a_callback();
    two_threads_polling();
    return 0;
}
