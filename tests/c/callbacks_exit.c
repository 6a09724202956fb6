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
    close(listener.fd);
    return 0;
}
