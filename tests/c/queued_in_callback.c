/* What a callback has pushed to its own connection counts as waiting at once, although it is sent, or goes to the outbox,
 * only when the callback returns: a host that stops at a mark of its own can, and `max_queued_bytes` holds for what goes
 * the short way and for what takes the queue together. */
#include "server.h"

enum { SMALL = 1000, MOST = 1024 * 1024, LARGE = 300000 };

static char bytes[LARGE];

static struct record record = RECORD;

static ws_conn_facts facts_of(ws_server *server, ws_conn conn)
{
    ws_conn_facts facts = {.size = sizeof facts};
    CHECK_OK(ws_conn_info(server, conn, &facts));
    return facts;
}

/* Pushes until it is refused, and looks at each step. */
static void fill_up(ws_server *server, ws_conn conn, size_t length)
{
    int64_t before = ws_conn_queued_bytes(server, conn);
    int status;
    while ((status = ws_push(server, conn, bytes, length, WS_BINARY)) == WS_OK) {
        int64_t queued = ws_conn_queued_bytes(server, conn);
        CHECK(before < MOST);
        CHECK(queued <= before + (int64_t)length + 10);
        CHECK(length >= LARGE || queued == before + (int64_t)length + 4); /* a large one leaves at once, in part */
        CHECK_INT(queued, facts_of(server, conn).queued_bytes);
        CHECK_INT(queued, stats_of(server).queued_bytes);
        before = queued;
    }
    CHECK_INT(WS_ERR_QUEUE_FULL, status);
    CHECK(before >= MOST && before < MOST + (int64_t)length + 10);
    char told[64];
    snprintf(told, sizeof told, " %" PRId64 " bytes wait", before);
    CHECK_CONTAINS(told, ws_last_error());
}

static void on_open(ws_server *server, ws_conn conn, const ws_request *request, void *user_data)
{
    if (strcmp(ws_request_path(request), "/open") == 0)
        fill_up(server, conn, SMALL);
    record_open(server, conn, request, user_data);
}

static void on_message(ws_server *server, ws_conn conn, const void *data, size_t length, int opcode, void *user_data)
{
    CHECK_INT(WS_TEXT, opcode);
    CHECK_INT(0, ws_conn_queued_bytes(server, conn));
    if (memcmp(data, "small", length) == 0)
        fill_up(server, conn, SMALL);
    else if (memcmp(data, "large", length) == 0)
        fill_up(server, conn, LARGE);
    else { /* half of it, then all that follows takes the queue */
        while (ws_conn_queued_bytes(server, conn) < MOST / 2)
            CHECK_OK(ws_push(server, conn, bytes, SMALL, WS_BINARY));
        CHECK_OK(ws_broadcast(server, bytes, SMALL, WS_BINARY));
        fill_up(server, conn, SMALL);
    }
    note(user_data, &record.messages);
}

static void of_a_server(void)
{
    static const char *const asks[] = {"small", "large", "queue"};
    ws_server *server = recorded_server(&record, on_message);
    CHECK_OK(ws_server_on_open(server, on_open, &record));
    CHECK_OK(ws_server_set(server, "max_queued_bytes", "1M"));
    CHECK_OK(ws_server_set(server, "max_command_bytes", "64M"));
    int port = start(server);
    for (int i = 0; i < 4; i++) {
        int fd = client_connect(port);
        keep_little(fd);
        send_upgrade(fd, i == 3 ? "/open" : "/");
        expect_upgrade(fd);
        if (i < 3)
            send_message(fd, asks[i]);
        for (int64_t drains = i + 1; count_of(&record, &record.drains) < drains;) { /* one follows each refusal */
            struct pollfd waiting = {.fd = fd, .events = POLLIN};
            if (poll(&waiting, 1, 10) == 1) {
                struct frame frame = receive_frame(fd);
                CHECK_INT(FIN | BINARY, frame.first);
                frame_free(&frame);
            }
        }
        send_close(fd, 1000, "");
        EXPECT_CUT(fd);
        WAIT_FOR(&record, closes, i + 1);
    }
    CHECK_INT(0, STATS_WHEN(server, connections_open, 0).queued_bytes);
    stop_and_free(server);
}

static void fill_up_client(ws_client *client)
{
    int64_t before = ws_client_queued_bytes(client);
    int status;
    while ((status = ws_client_push(client, bytes, SMALL, WS_BINARY)) == WS_OK) {
        int64_t queued = ws_client_queued_bytes(client);
        CHECK_INT(before + SMALL + 8, queued);
        before = queued;
    }
    CHECK_INT(WS_ERR_QUEUE_FULL, status);
    CHECK(before >= MOST && before < MOST + SMALL + 8);
}

static void client_told(ws_client *client, const void *data, size_t length, int opcode, void *user_data)
{
    CHECK_INT(0, ws_client_queued_bytes(client));
    fill_up_client(client);
    client_message(client, data, length, opcode, user_data);
}

static void of_a_client(void)
{
    struct client_record told = CLIENT_RECORD;
    struct listener listener = new_listener();
    ws_client *client = recorded_client(listener.url, &told);
    CHECK_OK(ws_client_on_message(client, client_told, &told));
    CHECK_OK(ws_client_set(client, "max_queued_bytes", "1M"));
    CHECK_OK(ws_client_start(client));
    int fd = OPEN_NEXT(&listener);
    send_to_client(fd, "go");
    WAIT_CLIENT(&told, messages, 1);
    send_close_to_client(fd, 1000, "");
    struct frame frame;
    while (frame = receive_masked(fd).frame, frame.first == (FIN | BINARY))
        frame_free(&frame);
    CHECK_INT(FIN | CLOSE, frame.first);
    frame_free(&frame);
    close(fd);
    EXPECT_CLOSED(client, &told, 1000);
    close(listener.fd);
}

int main(void)
{
    begin();
    of_a_server();
    of_a_client();
    return 0;
}
