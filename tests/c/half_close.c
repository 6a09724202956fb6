/* A peer that ends its side of the stream without a Close frame, and reads on, gets what waits for it and what the host
 * answers to what it had sent, as behind a Close frame; only then the stream ends. The code told is 1006. As a server and
 * as a client, with callbacks and polled, and for HTTP. */
#include "server.h"

enum { MESSAGES = 20, PUSHES = 80, PUSH = 256 * 1024 };

static unsigned char pushed[PUSH];

static void end_side(int fd)
{
    CHECK_INT(0, shutdown(fd, SHUT_WR));
}

/* Twenty messages in one packet, with the end of the stream behind them. */
static void send_all_and_end(int fd, int masked)
{
    unsigned char all[4096];
    size_t at = 0;
    for (int i = 0; i < MESSAGES; i++) {
        char text[16];
        size_t length = (size_t)snprintf(text, sizeof text, "number %d", i), total;
        if (masked) {
            unsigned char *frame = make_frame(FIN | TEXT, text, length, 0x11223344, &total);
            memcpy(all + at, frame, total);
            free(frame);
        } else {
            total = write_unmasked(all + at, FIN | TEXT, text, length);
        }
        at += total;
    }
    send_bytes(fd, all, at);
    end_side(fd);
}

static void expect_all(int fd, int masked)
{
    for (int i = 0; i < MESSAGES; i++) {
        char text[16];
        snprintf(text, sizeof text, "number %d", i);
        if (masked)
            EXPECT_FROM_CLIENT(fd, text);
        else
            EXPECT_MESSAGE(fd, text);
    }
    EXPECT_END(fd);
}

/* ---- a server ---------------------------------------------------------------------------------------------------- */

static void answers_of_callbacks(void)
{
    struct record record = RECORD;
    ws_server *server = recorded_server(&record, echo_message);
    int fd = client_open(start(server));
    send_all_and_end(fd, 1);
    expect_all(fd, 0);
    WAIT_FOR(&record, closes, 1);
    CHECK_INT(1006, record.code);
    CHECK_INT(0, stats_of(server).bytes_cut);
    stop_and_free(server);
}

/* After a broadcast the answers of a callback take the queue, as that does; the end is seen before the queue is. */
static void tell_all_and_answer(ws_server *server, ws_conn conn, const void *data, size_t length, int opcode,
                                void *user_data)
{
    CHECK_OK(ws_broadcast(server, "all", 3, WS_BINARY));
    echo_message(server, conn, data, length, opcode, user_data);
}

static void answers_through_the_queue(void)
{
    struct record record = RECORD;
    ws_server *server = recorded_server(&record, tell_all_and_answer);
    int fd = client_open(start(server));
    send_all_and_end(fd, 1);
    for (int i = 0; i < MESSAGES; i++) {
        char text[16];
        snprintf(text, sizeof text, "number %d", i);
        EXPECT_FRAME(fd, FIN | BINARY, "all", 3);
        EXPECT_MESSAGE(fd, text);
    }
    EXPECT_END(fd);
    WAIT_FOR(&record, closes, 1);
    CHECK_INT(1006, record.code);
    CHECK_INT(0, stats_of(server).bytes_cut);
    stop_and_free(server);
}

static void answers_of_a_poller(void)
{
    struct poller poller = {.server = new_server()};
    int fd = client_open(start(poller.server));
    EXPECT_EVENT(&poller, WS_EVENT_OPEN);
    send_all_and_end(fd, 1);
    STATS_WHEN(poller.server, messages_in, MESSAGES); /* the end is there too, long before the host comes to it */
    for (int i = 0; i < MESSAGES; i++) {
        const ws_event *event = EXPECT_EVENT(&poller, WS_EVENT_MESSAGE);
        give_way();
        CHECK_OK(ws_push(poller.server, event->conn, event->data, event->length, event->code));
    }
    const ws_event *event = EXPECT_EVENT(&poller, WS_EVENT_CLOSE), *none;
    ws_conn conn = event->conn;
    CHECK_INT(1006, event->code);
    CHECK_INT(0, ws_server_poll(poller.server, &none, 0)); /* the host is done with it */
    expect_all(fd, 0);
    CHECK_STATUS(WS_ERR_CLOSED, ws_push(poller.server, conn, "late", 4, WS_TEXT));
    CHECK_INT(0, stats_of(poller.server).bytes_cut);
    stop_and_free(poller.server);
}

/* 20 MB that wait for a peer, which ends its side before it reads any of them. */
static void push_much(ws_server *server, ws_conn conn)
{
    for (int i = 0; i < PUSHES; i++) {
        memset(pushed, i, 8);
        CHECK_OK(ws_push(server, conn, pushed, PUSH, WS_BINARY));
    }
}

static void expect_much(int fd)
{
    for (int i = 0; i < PUSHES; i++) {
        struct frame frame = receive_frame(fd);
        CHECK_INT(FIN | BINARY, frame.first);
        CHECK_INT(PUSH, frame.length);
        CHECK_INT(i, frame.data[0]);
        CHECK_INT(0, memcmp(frame.data + 8, pushed + 8, PUSH - 8));
        frame_free(&frame);
    }
    EXPECT_END(fd);
}

static void what_waits_of_callbacks(void)
{
    struct record record = RECORD;
    ws_server *server = recorded_server(&record, record_message);
    CHECK_OK(ws_server_set(server, "max_queued_bytes", "64M"));
    CHECK_OK(ws_server_set(server, "max_command_bytes", "64M"));
    int fd = client_open(start(server));
    WAIT_FOR(&record, opens, 1);
    push_much(server, record.conn);
    end_side(fd);
    expect_much(fd);
    WAIT_FOR(&record, closes, 1);
    CHECK_INT(1006, record.code);
    CHECK_INT(0, stats_of(server).bytes_cut);
    stop_and_free(server);
}

static void *poll_on(void *argument)
{
    ws_server *server = argument;
    const ws_event *events;
    int type = WS_EVENT_DRAIN; /* of what falls before the end is seen */
    while (type == WS_EVENT_DRAIN) {
        int n = ws_server_poll(server, &events, scaled(10000, 60000));
        CHECK(n > 0);
        type = events[n - 1].type;
        if (type == WS_EVENT_CLOSE)
            CHECK_INT(1006, events[n - 1].code);
    }
    CHECK_INT(WS_EVENT_CLOSE, type);
    CHECK_INT(0, ws_server_poll(server, &events, 0)); /* the host is done with it */
    return NULL;
}

static void what_waits_of_a_poller(void)
{
    struct poller poller = {.server = new_server()};
    CHECK_OK(ws_server_set(poller.server, "max_queued_bytes", "64M"));
    CHECK_OK(ws_server_set(poller.server, "max_command_bytes", "64M"));
    int fd = client_open(start(poller.server));
    ws_conn conn = EXPECT_EVENT(&poller, WS_EVENT_OPEN)->conn;
    push_much(poller.server, conn);
    end_side(fd);
    pthread_t host = spawn(poll_on, poller.server);
    expect_much(fd);
    join(host);
    CHECK_INT(0, stats_of(poller.server).bytes_cut);
    stop_and_free(poller.server);
}

/* A Close of ours behind what waits is sent as well. */
static void our_own_close(void)
{
    struct record record = RECORD;
    ws_server *server = recorded_server(&record, record_message);
    CHECK_OK(ws_server_set(server, "max_queued_bytes", "64M"));
    CHECK_OK(ws_server_set(server, "max_command_bytes", "64M"));
    int fd = client_open(start(server));
    WAIT_FOR(&record, opens, 1);
    push_much(server, record.conn);
    CHECK_OK(ws_close(server, record.conn, 4000, "enough", 6));
    end_side(fd);
    for (int i = 0; i < PUSHES; i++) {
        struct frame frame = receive_frame(fd);
        CHECK_INT(FIN | BINARY, frame.first);
        frame_free(&frame);
    }
    EXPECT_CLOSE(fd, 4000);
    EXPECT_END(fd);
    WAIT_FOR(&record, closes, 1);
    CHECK_INT(1006, record.code); /* it has not answered */
    stop_and_free(server);
}

/* A peer that reads no more has `close_timeout`, and what it did not take is counted. */
static void a_peer_that_reads_nothing(void)
{
    struct record record = RECORD;
    ws_server *server = recorded_server(&record, record_message);
    CHECK_OK(ws_server_set(server, "max_queued_bytes", "64M"));
    CHECK_OK(ws_server_set(server, "max_command_bytes", "64M"));
    CHECK_OK(ws_server_set(server, "high_watermark", "32M")); /* so that it is read from */
    CHECK_OK(ws_server_set(server, "close_timeout", "300ms"));
    int fd = client_open(start(server));
    WAIT_FOR(&record, opens, 1);
    push_much(server, record.conn);
    end_side(fd);
    WAIT_FOR(&record, closes, 1);
    CHECK_INT(1006, record.code);
    ws_stats stats = STATS_WHEN(server, connections_open, 0);
    CHECK_INT(1, stats.close_timeouts);
    CHECK(stats.bytes_cut > 0);
    EXPECT_CUT(fd);
    stop_and_free(server);
}

/* ---- a client ---------------------------------------------------------------------------------------------------- */

static void echo_to_server(ws_client *client, const void *data, size_t length, int opcode, void *user_data)
{
    client_message(client, data, length, opcode, user_data);
    CHECK_OK(ws_client_push(client, data, length, opcode));
}

static void answers_of_a_client(void)
{
    struct client_record record = CLIENT_RECORD;
    struct listener listener = new_listener();
    ws_client *client = recorded_client(listener.url, &record);
    CHECK_OK(ws_client_on_message(client, echo_to_server, &record));
    CHECK_OK(ws_client_start(client));
    int fd = OPEN_NEXT(&listener);
    send_all_and_end(fd, 0);
    expect_all(fd, 1);
    EXPECT_CLOSED(client, &record, 1006);
    close(listener.fd);
}

static void answers_of_a_polled_client(void)
{
    struct listener listener = new_listener();
    struct client_poller poller = {.client = ws_client_new(listener.url)};
    const ws_event *none;
    CHECK_OK(ws_client_start(poller.client));
    int fd = OPEN_NEXT(&listener);
    send_all_and_end(fd, 0);
    EXPECT_CLIENT_EVENT(&poller, WS_EVENT_OPEN);
    for (int i = 0; i < MESSAGES; i++) {
        const ws_event *event = EXPECT_CLIENT_EVENT(&poller, WS_EVENT_MESSAGE);
        give_way();
        CHECK_OK(ws_client_push(poller.client, event->data, event->length, event->code));
    }
    CHECK_INT(1006, EXPECT_CLIENT_EVENT(&poller, WS_EVENT_CLOSE)->code);
    EXPECT_CLIENT_EVENT(&poller, WS_EVENT_END);
    CHECK(ws_client_poll(poller.client, &none, 0) <= 0); /* the host is done with it */
    expect_all(fd, 1);
    CHECK_OK(ws_client_free(poller.client));
    close(listener.fd);
}

static void what_waits_of_a_client(void)
{
    struct client_record record = CLIENT_RECORD;
    struct listener listener = new_listener();
    ws_client *client = recorded_client(listener.url, &record);
    CHECK_OK(ws_client_set(client, "max_queued_bytes", "64M"));
    CHECK_OK(ws_client_set(client, "max_command_bytes", "64M"));
    CHECK_OK(ws_client_start(client));
    int fd = OPEN_NEXT(&listener);
    WAIT_CLIENT(&record, opens, 1);
    for (int i = 0; i < PUSHES; i++) {
        memset(pushed, i, 8);
        CHECK_OK(ws_client_push(client, pushed, PUSH, WS_BINARY));
    }
    end_side(fd);
    for (int i = 0; i < PUSHES; i++) {
        struct frame frame = receive_masked(fd).frame;
        CHECK_INT(FIN | BINARY, frame.first);
        CHECK_INT(PUSH, frame.length);
        CHECK_INT(i, frame.data[0]);
        frame_free(&frame);
    }
    EXPECT_END(fd);
    EXPECT_CLOSED(client, &record, 1006);
    close(listener.fd);
}

/* ---- HTTP -------------------------------------------------------------------------------------------------------- */

enum { PIECES = 40 };

static ws_conn streaming;

/* Streams long answers from another thread, and gives short ones at once. */
static void answer(ws_server *server, ws_conn conn, const ws_request *request, void *user_data)
{
    record_request(server, conn, request, user_data);
    if (strcmp(ws_request_path(request), "/long") == 0) {
        CHECK_OK(ws_respond_begin(server, conn, 200, NULL));
        streaming = conn;
    } else {
        const char *path = ws_request_path(request);
        CHECK_OK(ws_respond(server, conn, 200, NULL, path, strlen(path)));
    }
}

static void expect_body(int fd, const char *body)
{
    char head[2048], got[64] = "";
    CHECK_INT(200, receive_head(fd, head, sizeof head));
    receive_bytes(fd, got, strlen(body));
    CHECK_STRING(body, got);
}

static void requests_before_the_end(void)
{
    struct record record = RECORD;
    ws_server *server = new_server();
    CHECK_OK(ws_server_set(server, "max_queued_bytes", "64M"));
    CHECK_OK(ws_server_on_request(server, answer, &record));
    CHECK_OK(ws_server_on_open(server, record_open, &record));
    CHECK_OK(ws_server_on_message(server, echo_message, &record));
    CHECK_OK(ws_server_on_close(server, record_close, &record));
    int port = start(server);
    int fd = client_connect(port);
    send_text(fd, "GET /one HTTP/1.1\r\nHost: a\r\n\r\nGET /two HTTP/1.1\r\nHost: a\r\n\r\n");
    end_side(fd);
    expect_body(fd, "/one");
    expect_body(fd, "/two");
    EXPECT_END(fd);
    /* A response that is streamed while its client has long ended its side. */
    fd = client_connect(port);
    send_text(fd, "GET /long HTTP/1.0\r\nHost: a\r\n\r\n");
    end_side(fd);
    WAIT_FOR(&record, requests, 3);
    for (int i = 0; i < PIECES; i++) {
        give_way();
        memset(pushed, i, 8);
        CHECK_OK(ws_respond_write(server, streaming, pushed, PUSH));
    }
    CHECK_OK(ws_respond_end(server, streaming));
    char head[2048];
    CHECK_INT(200, receive_head(fd, head, sizeof head));
    unsigned char *piece = malloc(PUSH);
    CHECK(piece != NULL);
    for (int i = 0; i < PIECES; i++) {
        receive_bytes(fd, piece, PUSH);
        CHECK_INT(i, piece[0]);
    }
    free(piece);
    EXPECT_END(fd);
    /* An upgrade with a message and the end behind it. */
    fd = client_connect(port);
    size_t total;
    unsigned char *frame = make_frame(FIN | TEXT, "at once", 7, 5, &total);
    char all[1024];
    int length = snprintf(all, sizeof all, "GET / HTTP/1.1\r\n" UPGRADE_LINES "\r\n");
    memcpy(all + length, frame, total);
    send_bytes(fd, all, (size_t)length + total);
    end_side(fd);
    free(frame);
    expect_upgrade(fd);
    EXPECT_MESSAGE(fd, "at once");
    EXPECT_END(fd);
    WAIT_FOR(&record, closes, 1);
    CHECK_INT(1006, record.code);
    CHECK_INT(0, stats_of(server).bytes_cut);
    stop_and_free(server);
}

int main(void)
{
    begin();
    for (size_t i = 0; i < PUSH; i++)
        pushed[i] = (unsigned char)(i * 3 + i / 256);
    answers_of_callbacks();
    answers_through_the_queue();
    answers_of_a_poller();
    what_waits_of_callbacks();
    what_waits_of_a_poller();
    our_own_close();
    a_peer_that_reads_nothing();
    answers_of_a_client();
    answers_of_a_polled_client();
    what_waits_of_a_client();
    requests_before_the_end();
    return 0;
}
