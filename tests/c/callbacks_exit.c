/* A callback that ends its thread, as CPython does at its exit: the process goes on, calls that wait for the server or the client
 * return, and both can be freed. */
#include "server.h"

static void *on_a_thread_of_its_own(void *server)
{
    CHECK_OK(ws_server_wait(server));
    return NULL;
}

static void end_of_server(ws_server *server, ws_conn conn, const void *data, size_t length, int opcode, void *user_data)
{
    record_message(server, conn, data, length, opcode, user_data);
    pthread_exit(NULL);
}

static void a_servers(void)
{
    struct record record = RECORD;
    ws_server *server = recorded_server(&record, end_of_server);
    int port = start(server), fd = client_open(port);
    WAIT_FOR(&record, opens, 1);
    pthread_t waiter = spawn(on_a_thread_of_its_own, server);
    send_message(fd, "end");
    join(waiter);
    CHECK_INT(1, record.messages);
    CHECK_STATUS(WS_ERR_STOPPED, ws_broadcast(server, "x", 1, WS_TEXT));
    CHECK_OK(ws_server_stop(server, 10000));
    CHECK_OK(ws_server_free(server));
    close(fd);

    /* The others are not concerned. */
    server = recorded_server(&record, echo_message);
    fd = client_open(start(server));
    send_message(fd, "on we go");
    EXPECT_MESSAGE(fd, "on we go");
    stop_and_free(server);
    close(fd);
}

static void end_of_client(ws_client *client, const void *data, size_t length, int opcode, void *user_data)
{
    client_message(client, data, length, opcode, user_data);
    pthread_exit(NULL);
}

static void *wait_for_the_client(void *client)
{
    CHECK_OK(ws_client_wait(client));
    return NULL;
}

static void a_clients(const struct listener *listener)
{
    struct client_record record = CLIENT_RECORD, neighbours = CLIENT_RECORD, later = CLIENT_RECORD;
    ws_client *client = recorded_client(listener->url, &record);
    CHECK_OK(ws_client_on_message(client, end_of_client, &record));
    CHECK_OK(ws_client_start(client));
    int fd = OPEN_NEXT(listener);
    ws_client *neighbour = started_client(listener->url, &neighbours);
    int beside = OPEN_NEXT(listener);
    WAIT_CLIENT(&neighbours, opens, 1);
    pthread_t waiter = spawn(wait_for_the_client, neighbour);
    send_to_client(fd, "end");
    CHECK_OK(ws_client_wait(client));
    join(waiter);
    CHECK_INT(1, record.messages);
    CHECK_OK(ws_client_free(client));
    CHECK_OK(ws_client_free(neighbour));
    close(fd);
    close(beside);

    /* Who starts later has another thread. */
    client = started_client(listener->url, &later);
    fd = OPEN_NEXT(listener);
    send_to_client(fd, "on we go");
    WAIT_CLIENT(&later, messages, 1);
    close(fd);
    EXPECT_CLOSED(client, &later, 1006);
}

static pthread_barrier_t held;

static void hold_the_thread(ws_client *client, const void *data, size_t length, int opcode, void *user_data)
{
    (void)client, (void)data, (void)length, (void)opcode, (void)user_data;
    pthread_barrier_wait(&held);
    pthread_barrier_wait(&held);
}

static void end_of_attempt(ws_client *client, int status, const char *detail, const ws_request *response, void *user_data)
{
    (void)client, (void)status, (void)detail, (void)response, (void)user_data;
    pthread_exit(NULL);
}

static void *free_it(void *client)
{
    CHECK_OK(ws_client_free(client));
    return NULL;
}

/* What the thread is asked to do, in bytes. */
static void wait_for_commands(ws_client *client, uint64_t more_than)
{
    ws_stats stats = {.size = sizeof stats};
    do {
        give_way();
        CHECK_OK(ws_client_stats(client, &stats));
    } while (stats.command_bytes <= more_than);
}

/* A free waits for the thread, which ends in what it was asked to do before. */
static void a_free_behind_it(const struct listener *listener)
{
    struct client_record first = CLIENT_RECORD, second = CLIENT_RECORD, third = CLIENT_RECORD;
    ws_stats stats = {.size = sizeof stats};
    CHECK_INT(0, pthread_barrier_init(&held, NULL, 2));
    ws_client *holds = recorded_client(listener->url, &first);
    CHECK_OK(ws_client_on_message(holds, hold_the_thread, &first));
    CHECK_OK(ws_client_start(holds));
    int fd = OPEN_NEXT(listener);
    ws_client *freed = started_client(listener->url, &second);
    int other = OPEN_NEXT(listener);
    WAIT_CLIENT(&first, opens, 1);
    WAIT_CLIENT(&second, opens, 1);
    ws_client *fails = recorded_client(listener->url, &third);
    CHECK_OK(ws_client_on_error(fails, end_of_attempt, &third));
    CHECK_OK(ws_client_start(fails));
    int refused = ACCEPT(listener);
    receive_upgrade(refused);
    send_to_client(fd, "hold");
    pthread_barrier_wait(&held);
    send_text(refused, "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n");
    wait_for_commands(holds, 0);
    CHECK_OK(ws_client_stats(holds, &stats));
    pthread_t freeing = spawn(free_it, freed);
    wait_for_commands(holds, stats.command_bytes);
    pthread_barrier_wait(&held);
    join(freeing);
    CHECK_OK(ws_client_free(holds));
    CHECK_OK(ws_client_free(fails));
    pthread_barrier_destroy(&held);
    close(fd);
    close(other);
    close(refused);
}

int main(void)
{
    begin();
#if !defined(__x86_64__) && !defined(__aarch64__)
    puts("a thread of the library can be ended on x86-64 and aarch64 only");
    return SKIPPED;
#endif
    if (under_valgrind()) {
        puts("what such a thread held is never given back, and valgrind would count it");
        return SKIPPED;
    }
    struct listener listener = new_listener();
    a_servers();
    a_clients(&listener);
    a_free_behind_it(&listener);
    close(listener.fd);
    return 0;
}
