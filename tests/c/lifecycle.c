/* A server's life: made, set, started, stopped, freed; several in one process; the port free again at once. */
#include "harness.h"

static void versions(void)
{
    CHECK_INT(1, ws_abi_version());
    CHECK_STRING("0.1.0", ws_version());
}

static void never_started(void)
{
    ws_server *server = new_server();
    CHECK_OK(ws_server_listen(server, "127.0.0.1", 0));
    CHECK_OK(ws_server_free(server));
    CHECK_OK(ws_server_free(NULL));
}

static void started_and_stopped(void)
{
    struct record record = RECORD;
    ws_server *server = recorded_server(&record, echo_message);
    CHECK_OK(ws_server_listen(server, "127.0.0.1", 0));
    CHECK_STATUS(WS_ERR_STATE, ws_server_port(server, 0));
    CHECK_OK(ws_server_listen(server, "localhost", 0));
    CHECK_OK(ws_server_start(server));

    int first = ws_server_port(server, 0), second = ws_server_port(server, 1);
    CHECK(first > 0 && second > 0 && first != second);
    CHECK_STATUS(WS_ERR_ARGUMENT, ws_server_port(server, 2));
    CHECK_STATUS(WS_ERR_ARGUMENT, ws_server_port(server, -1));
    int fd = client_open(first);
    send_message(fd, "hello");
    EXPECT_MESSAGE(fd, "hello");

    CHECK_OK(ws_server_stop(server, 0));
    CHECK_OK(ws_server_stop(server, 5000));
    CHECK_INT(1, record.closes);
    CHECK(ws_server_start(server) < 0); /* a server lives once */
    CHECK_OK(ws_server_free(server));
    close(fd);
}

static void freed_without_stop(void)
{
    struct record record = RECORD;
    ws_server *server = recorded_server(&record, echo_message);
    int fd = client_open(start(server));
    WAIT_FOR(&record, opens, 1);
    CHECK_OK(ws_server_free(server));
    CHECK_INT(1, record.closes); /* no callback comes after free */
    EXPECT_CUT(fd);
}

static void same_port_again(void)
{
    int port = 0;
    for (int round = 0; round < 3; round++) {
        struct record record = RECORD;
        ws_server *server = recorded_server(&record, echo_message);
        CHECK_OK(ws_server_listen(server, "127.0.0.1", port));
        CHECK_OK(ws_server_start(server));
        port = ws_server_port(server, 0);
        int fd = client_open(port);
        send_message(fd, "again");
        EXPECT_MESSAGE(fd, "again");
        CHECK_OK(ws_server_stop(server, 0)); /* the server ends the connection first: its side stays in TIME_WAIT */
        CHECK_OK(ws_server_free(server));
        EXPECT_CUT(fd);
    }
}

static void two_in_one_process(void)
{
    struct record records[2] = {RECORD, RECORD};
    ws_server *servers[2];
    int clients[2];
    for (int i = 0; i < 2; i++) {
        servers[i] = recorded_server(&records[i], echo_message);
        clients[i] = client_open(start(servers[i]));
    }
    for (int i = 0; i < 2; i++) {
        send_message(clients[i], i == 0 ? "to the first" : "to the second");
        EXPECT_MESSAGE(clients[i], i == 0 ? "to the first" : "to the second");
        CHECK_INT(1, records[i].messages);
    }
    stop_and_free(servers[0]);
    send_message(clients[1], "still here");
    EXPECT_MESSAGE(clients[1], "still here");
    stop_and_free(servers[1]);
    close(clients[0]);
    close(clients[1]);
}

static void *wait_for_server(void *server)
{
    CHECK_OK(ws_server_wait(server));
    return NULL;
}

static void *run_server(void *server)
{
    CHECK_OK(ws_server_run(server));
    return NULL;
}

static void wait_and_run(void)
{
    struct record record = RECORD;
    ws_server *server = recorded_server(&record, echo_message);
    start(server);
    pthread_t waiting = spawn(wait_for_server, server);
    CHECK_OK(ws_server_stop(server, 1000));
    join(waiting);
    CHECK_OK(ws_server_wait(server)); /* stopped already: returns at once */
    CHECK_OK(ws_server_free(server));

    server = recorded_server(&record, echo_message);
    CHECK_OK(ws_server_listen(server, "127.0.0.1", 0));
    pthread_t running = spawn(run_server, server);
    int64_t deadline = now_ms() + scaled(10000, 60000);
    for (; ws_server_stop(server, 1000) == WS_ERR_STATE; give_way()) /* until the other thread has started it */
        CHECK(now_ms() < deadline);
    join(running);
    CHECK_OK(ws_server_free(server));
}

static void many_in_a_row(void)
{
    for (int i = 0; i < scaled(200, 10); i++) {
        struct record record = RECORD;
        ws_server *server = recorded_server(&record, echo_message);
        start(server);
        CHECK_OK(ws_server_free(server));
    }
}

static void ids_count_from_one(void)
{
    struct record record = RECORD;
    ws_server *server = recorded_server(&record, record_message);
    int port = start(server);
    for (int i = 1; i <= 3; i++) {
        int fd = client_open(port);
        WAIT_FOR(&record, opens, i);
        CHECK_INT(i, record.conn);
        close(fd);
        WAIT_FOR(&record, closes, i); /* even where the place in the table is free again, the id is not */
    }
    stop_and_free(server);
}

int main(void)
{
    begin();
    versions();
    never_started();
    started_and_stopped();
    freed_without_stop();
    same_port_again();
    two_in_one_process();
    wait_and_run();
    many_in_a_row();
    ids_count_from_one();
    return 0;
}
