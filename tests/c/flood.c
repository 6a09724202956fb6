/* A thread that broadcasts in a loop holds up nobody else: requests are answered, connections open, a stop comes in its
 * time. What it pushes is refused once it is too much, counted by what it costs. What is taken arrives, in order. */
#include "harness.h"

enum { READERS = 10, PAYLOAD = 20 };

struct flood {
    ws_server *server;
    ws_conn conns[READERS];
    int fds[READERS];
    volatile int ends;
    int64_t taken, refused;
    int publishes;
};

static void *flood_it(void *argument)
{
    struct flood *flood = argument;
    char text[PAYLOAD + 1];
    while (!flood->ends) {
        snprintf(text, sizeof text, "%0*lld", PAYLOAD, (long long)flood->taken);
        int status = flood->publishes ? ws_publish(flood->server, "news", text, PAYLOAD, WS_TEXT, 0)
                                      : ws_broadcast(flood->server, text, PAYLOAD, WS_TEXT);
        if (status == WS_ERR_STOPPED)
            break;
        CHECK(status >= 0 || status == WS_ERR_QUEUE_FULL);
        flood->taken += status >= 0;
        flood->refused += status < 0;
    }
    return NULL;
}

/* Reads what the clients are sent until all of their streams have ended. */
static void *read_it(void *argument)
{
    struct flood *flood = argument;
    static char bytes[256 * 1024];
    struct pollfd fds[READERS];
    for (int i = 0; i < READERS; i++)
        fds[i] = (struct pollfd){.fd = flood->fds[i], .events = POLLIN};
    for (int left = READERS; left > 0;) {
        CHECK(poll(fds, READERS, -1) > 0);
        for (int i = 0; i < READERS; i++)
            if (fds[i].revents != 0 && recv(fds[i].fd, bytes, sizeof bytes, 0) <= 0) {
                fds[i].fd = -1;
                left--;
            }
    }
    return NULL;
}

static void answer_request(ws_server *server, ws_conn conn, const ws_request *request, void *user_data)
{
    record_request(server, conn, request, user_data);
    CHECK_OK(ws_respond(server, conn, 200, NULL, "here", 4));
}

static void *poll_it(void *argument)
{
    ws_server *server = argument;
    const ws_event *events;
    int count;
    while ((count = ws_server_poll(server, &events, -1)) >= 0)
        for (int i = 0; i < count; i++)
            if (events[i].type == WS_EVENT_REQUEST)
                CHECK_OK(ws_respond(server, events[i].conn, 200, NULL, "here", 4));
    CHECK_STATUS(WS_ERR_STOPPED, count);
    return NULL;
}

static void ask(int port)
{
    char head[4096], body[4];
    int fd = client_connect(port);
    send_text(fd, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK_INT(200, receive_head(fd, head, sizeof head));
    receive_bytes(fd, body, sizeof body);
    close(fd);
}

static void others_have_their_turn(int polled, int publishes)
{
    struct record record = RECORD;
    struct flood flood = {.publishes = publishes};
    pthread_t host = 0, reader, flooder;
    ws_server *server = polled ? new_server() : recorded_server(&record, record_message);
    if (!polled)
        CHECK_OK(ws_server_on_request(server, answer_request, &record));
    int port = start(server);
    if (polled)
        host = spawn(poll_it, server);
    flood.server = server;
    for (int i = 0; i < READERS; i++) {
        flood.fds[i] = client_open(port);
        struct timeval none = {0};
        CHECK_INT(0, setsockopt(flood.fds[i], SOL_SOCKET, SO_RCVTIMEO, &none, sizeof none));
    }
    while (ws_server_connections(server, flood.conns, READERS) < READERS)
        give_way();
    for (int i = 0; publishes && i < READERS; i++)
        CHECK_OK(ws_subscribe(server, flood.conns[i], "news"));
    reader = spawn(read_it, &flood);
    flooder = spawn(flood_it, &flood);
    for (int i = 0; i < scaled(20, 2); i++) {
        ask(port);
        close(client_open(port));
    }
    int64_t began = now_ms();
    CHECK_OK(ws_server_stop(server, 0));
    int64_t took = now_ms() - began;
    if (took > scaled(5000, 60000))
        fail(HERE, "the stop took %lld ms", (long long)took);
    flood.ends = 1;
    join(flooder);
    join(reader);
    if (polled)
        join(host);
    ws_stats stats = stats_of(server);
    CHECK_INT(0, stats.command_bytes);
    CHECK_INT(0, stats.queued_bytes);
    CHECK(flood.taken > 0 && stats.messages_out > 0);
    CHECK_OK(ws_server_free(server));
    for (int i = 0; i < READERS; i++)
        close(flood.fds[i]);
}

/* From another thread, as it waits for the clients. */
static void *stop_it(void *server)
{
    CHECK_OK(ws_server_stop(server, 60000));
    return NULL;
}

/* All that was taken arrives at each client, in the order of the pushes; and what was pushed before a stop leaves before the
 * Close, though it is far more than a turn's work. */
static void what_is_taken_arrives_in_order(void)
{
    struct record record = RECORD;
    enum { MESSAGES = 30000, FEW = 4 };
    ws_server *server = recorded_server(&record, record_message);
    int fds[FEW];
    CHECK_OK(ws_server_set(server, "max_queued_bytes", "64M"));
    int port = start(server), count = scaled(MESSAGES, MESSAGES / 10);
    for (int i = 0; i < FEW; i++)
        fds[i] = client_open(port);
    WAIT_FOR(&record, opens, FEW);
    for (int i = 0; i < count; i++) {
        char text[PAYLOAD + 1];
        snprintf(text, sizeof text, "%0*d", PAYLOAD, i);
        CHECK_OK(i % 7 == 0 ? ws_push(server, record.conn, text, PAYLOAD, WS_TEXT)
                            : ws_broadcast(server, text, PAYLOAD, WS_TEXT));
    }
    pthread_t stopping = spawn(stop_it, server);
    for (int client = 0; client < FEW; client++) {
        for (int i = 0; i < count; i++) {
            char text[PAYLOAD + 1];
            if (i % 7 == 0 && client != FEW - 1)
                continue; /* pushed to the last that opened */
            snprintf(text, sizeof text, "%0*d", PAYLOAD, i);
            EXPECT_MESSAGE(fds[client], text);
        }
        EXPECT_CLOSE(fds[client], 1001);
        send_close(fds[client], 1001, "");
        EXPECT_END(fds[client]);
    }
    join(stopping);
    CHECK_INT(0, stats_of(server).bytes_cut);
    CHECK_OK(ws_server_free(server));
}

/* A push from inside a callback counts for what it costs, too; and is carried out when the callback is over. */
static void broadcast_all(ws_server *server, ws_conn conn, const void *data, size_t length, int opcode, void *user_data)
{
    int64_t taken = 0, cost = READERS * ((int64_t)length + 2);
    while (ws_broadcast(server, data, length, opcode) == WS_OK)
        taken++;
    CHECK_CONTAINS("max_command_bytes", ws_last_error());
    CHECK(taken > 0 && taken <= 64 * 1024 / cost + 1);
    record_message(server, conn, data, length, opcode, user_data);
}

static void a_callback_is_refused_too(void)
{
    struct record record = RECORD;
    int fds[READERS];
    ws_server *server = recorded_server(&record, broadcast_all);
    CHECK_OK(ws_server_set(server, "max_command_bytes", "64K"));
    int port = start(server);
    for (int i = 0; i < READERS; i++)
        fds[i] = client_open(port);
    WAIT_FOR(&record, opens, READERS);
    for (int i = 1; i <= 20; i++) {
        send_message(fds[0], "to all");
        WAIT_FOR(&record, messages, i);
        EXPECT_MESSAGE(fds[1], "to all");
    }
    CHECK_INT(20, stats_of(server).pushes_refused);
    stop_and_free(server);
    for (int i = 0; i < READERS; i++)
        close(fds[i]);
}

/* Clients that send faster than their messages go to all slow down; nothing is refused. */
static void *chat(void *argument)
{
    enum { AT_ONCE = 500 };
    int fd = *(int *)argument;
    for (int i = 0; i < scaled(20, 1); i++) {
        size_t total;
        unsigned char *frame = make_frame(FIN | TEXT, "to all of us, please", 20, 0x01020304, &total);
        for (int k = 0; k < AT_ONCE; k++)
            send_bytes(fd, frame, total);
        free(frame);
    }
    return NULL;
}

static void broadcast_message(ws_server *server, ws_conn conn, const void *data, size_t length, int opcode, void *user_data)
{
    CHECK_OK(ws_broadcast(server, data, length, opcode));
    record_message(server, conn, data, length, opcode, user_data);
}

static void who_sends_more_than_can_be_passed_on_is_slowed_down(void)
{
    struct record record = RECORD;
    struct flood flood = {0};
    pthread_t chatting[READERS];
    ws_server *server = recorded_server(&record, broadcast_message);
    CHECK_OK(ws_server_set(server, "max_queued_bytes", "256M"));
    CHECK_OK(ws_server_set(server, "max_command_bytes", "8M"));
    int port = start(server);
    for (int i = 0; i < READERS; i++)
        flood.fds[i] = client_open(port);
    WAIT_FOR(&record, opens, READERS);
    pthread_t reader = spawn(read_it, &flood);
    for (int i = 0; i < READERS; i++)
        chatting[i] = spawn(chat, &flood.fds[i]);
    for (int i = 0; i < READERS; i++)
        join(chatting[i]);
    int sent = READERS * scaled(20, 1) * 500;
    WAIT_FOR(&record, messages, sent);
    ws_stats stats = STATS_WHEN(server, messages_out, (int64_t)sent * READERS);
    CHECK_INT(0, stats.pushes_refused);
    stop_and_free(server);
    join(reader);
    for (int i = 0; i < READERS; i++)
        close(flood.fds[i]);
}

int main(void)
{
    begin();
    what_is_taken_arrives_in_order();
    a_callback_is_refused_too();
    who_sends_more_than_can_be_passed_on_is_slowed_down();
    others_have_their_turn(0, 0);
    others_have_their_turn(0, 1);
    others_have_their_turn(1, 0);
    return 0;
}
