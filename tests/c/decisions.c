/* Upgrades that the host decides about: accepted or refused, at once or later, from any thread, or not in time. */
#include "harness.h"

#define UPGRADE(path, more) "GET " path " HTTP/1.1\r\n" UPGRADE_LINES more "\r\n"

static ws_server *deciding_server(void)
{
    ws_server *server = new_server();
    CHECK_OK(ws_server_set(server, "decide_upgrades", "on"));
    return server;
}

static int ask(int port, const char *request)
{
    int fd = client_connect(port);
    send_text(fd, request);
    return fd;
}

/* ---- callback mode ----------------------------------------------------------------------------------------------- */

static void decide(ws_server *server, ws_conn conn, const ws_request *request, void *user_data)
{
    struct record *record = user_data;
    const char *path = ws_request_path(request);
    CHECK_INT(0, ws_conn_is_open(server, conn));
    CHECK_STATUS(WS_ERR_CLOSED, ws_push(server, conn, "early", 5, WS_TEXT));
    CHECK_STATUS(WS_ERR_CLOSED, ws_close(server, conn, 1000, NULL, 0));
    if (strcmp(path, "/yes") == 0) {
        CHECK_STATUS(WS_ERR_ARGUMENT, ws_accept(server, conn, "v3", NULL));
        CHECK_STATUS(WS_ERR_ARGUMENT, ws_accept(server, conn, NULL, "X: a\r\n\r\nb"));
        CHECK_STATUS(WS_ERR_ARGUMENT, ws_accept(server, conn, NULL, "Sec-WebSocket-Accept: x"));
        CHECK_OK(ws_accept(server, conn, "v2", "Set-Cookie: a=1\r\nSet-Cookie: b=2\r\n"));
        CHECK_STATUS(WS_ERR_CLOSED, ws_accept(server, conn, NULL, NULL));
        CHECK_STATUS(WS_ERR_CLOSED, ws_respond(server, conn, 403, NULL, NULL, 0));
        CHECK_OK(ws_push(server, conn, "first", 5, WS_TEXT));
    } else if (strcmp(path, "/no") == 0) {
        CHECK_OK(ws_respond(server, conn, 401, "WWW-Authenticate: Bearer", "who?", 4));
        CHECK_STATUS(WS_ERR_CLOSED, ws_accept(server, conn, NULL, NULL));
    } else if (strcmp(path, "/cut") == 0) {
        CHECK_OK(ws_disconnect(server, conn));
    }
    record->conn = conn;
    note(record, &record->requests);
}

static void greet(ws_server *server, ws_conn conn, const ws_request *request, void *user_data)
{
    CHECK_STRING("v2", ws_request_subprotocol(request));
    CHECK_OK(ws_push(server, conn, "second", 6, WS_TEXT));
    record_open(server, conn, request, user_data);
}

static void by_callback(void)
{
    struct record record = RECORD;
    char head[1024];
    ws_server *server = recorded_server(&record, echo_message);
    CHECK_OK(ws_server_on_open(server, greet, &record));
    CHECK_OK(ws_server_on_handshake(server, decide, &record));
    CHECK_OK(ws_server_set(server, "subprotocols", "v9"));
    CHECK_OK(ws_server_set(server, "paths", "/yes,/no,/cut,/later"));
    int port = start(server);

    int fd = ask(port, UPGRADE("/yes", "Sec-WebSocket-Protocol: v1, v2\r\n"));
    CHECK_INT(101, receive_head(fd, head, sizeof head));
    CHECK_CONTAINS("\r\nSec-WebSocket-Protocol: v2\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n", head);
    EXPECT_MESSAGE(fd, "first");
    EXPECT_MESSAGE(fd, "second");
    send_message(fd, "hello");
    EXPECT_MESSAGE(fd, "hello");
    send_close(fd, 1000, "");
    EXPECT_CLOSE(fd, 1000);
    EXPECT_END(fd);

    /* An answer to a frame that came early does not overtake what was pushed before. */
    unsigned char bytes[1024], *frame;
    size_t length = strlen(UPGRADE("/yes", "Sec-WebSocket-Protocol: v2\r\n")), total;
    memcpy(bytes, UPGRADE("/yes", "Sec-WebSocket-Protocol: v2\r\n"), length);
    frame = make_frame(FIN | TEXT, "third", 5, 0x12345678, &total);
    memcpy(bytes + length, frame, total);
    free(frame);
    fd = client_connect(port);
    send_bytes(fd, bytes, length + total);
    CHECK_INT(101, receive_head(fd, head, sizeof head));
    EXPECT_MESSAGE(fd, "first");
    EXPECT_MESSAGE(fd, "second");
    EXPECT_MESSAGE(fd, "third");
    close(fd);

    fd = ask(port, UPGRADE("/no", ""));
    CHECK_INT(401, receive_head(fd, head, sizeof head));
    CHECK_CONTAINS("\r\nWWW-Authenticate: Bearer\r\n", head);
    receive_bytes(fd, head, 4);
    CHECK(memcmp(head, "who?", 4) == 0);
    EXPECT_END(fd); /* what comes behind it may be anything */

    fd = ask(port, UPGRADE("/yes", "Sec-WebSocket-Protocol: v2\r\n"));
    CHECK_INT(101, receive_head(fd, head, sizeof head));
    close(fd);

    fd = ask(port, UPGRADE("/cut", ""));
    EXPECT_CUT(fd);

    int asked = record.requests; /* the options are asked first */
    fd = ask(port, UPGRADE("/elsewhere", ""));
    CHECK_INT(404, receive_head(fd, head, sizeof head));
    CHECK_INT(asked, record.requests);
    close(fd);
    WAIT_FOR(&record, closes, 3);
    CHECK_INT(3, record.opens);
    stop_and_free(server);
}

static void *accept_it(void *argument)
{
    struct record *record = ((void **)argument)[1];
    CHECK_OK(ws_accept(((void **)argument)[0], record->conn, NULL, NULL));
    CHECK_OK(ws_push(((void **)argument)[0], record->conn, "now", 3, WS_TEXT));
    return NULL;
}

static void later_from_another_thread(void)
{
    struct record record = RECORD;
    ws_server *server = recorded_server(&record, echo_message);
    void *both[] = {server, &record};
    CHECK_OK(ws_server_on_handshake(server, decide, &record));
    int port = start(server);
    for (int i = 1; i <= scaled(500, 20); i++) {
        int fd = ask(port, UPGRADE("/later", ""));
        WAIT_FOR(&record, requests, i);
        join(spawn(accept_it, both));
        expect_upgrade(fd);
        EXPECT_MESSAGE(fd, "now");
        WAIT_FOR(&record, opens, i);
        close(fd);
    }
    stop_and_free(server);
}

/* ---- poll mode --------------------------------------------------------------------------------------------------- */

static void in_poll_mode(void)
{
    struct poller poller = {.server = deciding_server()};
    char head[1024];
    int fd = ask(start(poller.server), UPGRADE("/chat?x", "Sec-WebSocket-Protocol: v1\r\n"));
    const ws_event *event = EXPECT_EVENT(&poller, WS_EVENT_HANDSHAKE);
    ws_conn conn = event->conn;
    CHECK_STRING("/chat?x", ws_request_target(event->request));
    CHECK_STRING("v1", ws_request_header(event->request, "sec-websocket-protocol"));
    CHECK_STRING("", ws_request_subprotocol(event->request));
    CHECK_OK(ws_accept(poller.server, conn, "v1", NULL));
    CHECK_OK(ws_push(poller.server, conn, "welcome", 7, WS_TEXT));
    event = EXPECT_EVENT(&poller, WS_EVENT_OPEN);
    CHECK_INT(conn, event->conn);
    CHECK_STRING("v1", ws_request_subprotocol(event->request));
    CHECK_INT(101, receive_head(fd, head, sizeof head));
    EXPECT_MESSAGE(fd, "welcome");
    close(fd);
    EXPECT_EVENT(&poller, WS_EVENT_CLOSE);
    stop_and_free(poller.server);

    poller = (struct poller){.server = new_server()}; /* nobody is asked who has not asked for it */
    fd = client_open(start(poller.server));
    EXPECT_EVENT(&poller, WS_EVENT_OPEN);
    close(fd);
    stop_and_free(poller.server);
}

/* Frames of a client that does not wait for the answer are delivered, once it is a WebSocket, and not before. */
static void frames_that_come_early(void)
{
    struct poller poller = {.server = deciding_server()};
    unsigned char bytes[4096], *frame;
    size_t length = strlen(UPGRADE("/", "")), total;
    int fd = client_connect(start(poller.server));
    memcpy(bytes, UPGRADE("/", ""), length);
    frame = make_frame(FIN | TEXT, "early", 5, 0x12345678, &total);
    memcpy(bytes + length, frame, total);
    send_bytes(fd, bytes, length + total);
    ws_conn conn = EXPECT_EVENT(&poller, WS_EVENT_HANDSHAKE)->conn;
    send_bytes(fd, frame, total);
    CHECK_INT(0, ws_server_poll(poller.server, &poller.events, 0));
    CHECK_OK(ws_accept(poller.server, conn, NULL, NULL));
    EXPECT_EVENT(&poller, WS_EVENT_OPEN);
    for (int i = 0; i < 2; i++) {
        const ws_event *event = EXPECT_EVENT(&poller, WS_EVENT_MESSAGE);
        CHECK(event->length == 5 && memcmp(event->data, "early", 5) == 0);
    }
    expect_upgrade(fd);
    close(fd);
    free(frame);
    stop_and_free(poller.server);
}

static void nobody_decides(void)
{
    struct poller poller = {.server = deciding_server()};
    char head[1024];
    CHECK_OK(ws_server_set(poller.server, "response_timeout", "50ms"));
    int port = start(poller.server), fd = ask(port, UPGRADE("/", ""));
    ws_conn conn = EXPECT_EVENT(&poller, WS_EVENT_HANDSHAKE)->conn;
    CHECK_INT(504, receive_head(fd, head, sizeof head));
    CHECK_STATUS(WS_ERR_CLOSED, ws_accept(poller.server, conn, NULL, NULL));
    CHECK_STATUS(WS_ERR_CLOSED, ws_respond(poller.server, conn, 200, NULL, NULL, 0));
    CHECK_STATUS(WS_ERR_CLOSED, ws_accept(poller.server, 123456789, NULL, NULL));
    close(fd);
    stop_and_free(poller.server);
}

static void the_client_is_gone(void)
{
    struct poller poller = {.server = deciding_server()};
    int port = start(poller.server), fd = ask(port, UPGRADE("/", ""));
    ws_conn conn = EXPECT_EVENT(&poller, WS_EVENT_HANDSHAKE)->conn;
    reset(fd);
    STATS_WHEN(poller.server, connections_open, 0);
    CHECK_STATUS(WS_ERR_CLOSED, ws_accept(poller.server, conn, NULL, NULL));
    CHECK_INT(0, ws_server_poll(poller.server, &poller.events, 0));
    stop_and_free(poller.server);
}

static void the_server_stops(void)
{
    struct poller poller = {.server = deciding_server()};
    char head[1024];
    int fd = ask(start(poller.server), UPGRADE("/", ""));
    EXPECT_EVENT(&poller, WS_EVENT_HANDSHAKE);
    CHECK_OK(ws_server_stop(poller.server, 100));
    CHECK_INT(503, receive_head(fd, head, sizeof head));
    close(fd);
    CHECK_OK(ws_server_free(poller.server));
}

struct deciders {
    ws_server *server;
    ws_conn conn;
    int rounds, accepted, refused;
    pthread_barrier_t asked, decided;
};

static void *accept_each_time(void *argument)
{
    struct deciders *both = argument;
    for (int i = 0; i < both->rounds; i++) {
        pthread_barrier_wait(&both->asked);
        both->accepted = ws_accept(both->server, both->conn, NULL, NULL) == WS_OK;
        CHECK(both->accepted == (ws_push(both->server, both->conn, "in", 2, WS_TEXT) == WS_OK));
        pthread_barrier_wait(&both->decided);
    }
    return NULL;
}

static void *refuse_each_time(void *argument)
{
    struct deciders *both = argument;
    for (int i = 0; i < both->rounds; i++) {
        pthread_barrier_wait(&both->asked);
        both->refused = ws_respond(both->server, both->conn, 403, NULL, "out", 3) == WS_OK;
        pthread_barrier_wait(&both->decided);
    }
    return NULL;
}

/* Two threads decide at once, one this way and one that way: one of them has decided, and the other knows. */
static void of_two_minds(void)
{
    struct poller poller = {.server = deciding_server()};
    struct deciders both = {.server = poller.server, .rounds = scaled(2000, 50)};
    char head[1024];
    int port = start(poller.server);
    CHECK_INT(0, pthread_barrier_init(&both.asked, NULL, 3));
    CHECK_INT(0, pthread_barrier_init(&both.decided, NULL, 3));
    pthread_t threads[] = {spawn(accept_each_time, &both), spawn(refuse_each_time, &both)};
    for (int i = 0; i < both.rounds; i++) {
        int fd = ask(port, UPGRADE("/", ""));
        both.conn = EXPECT_EVENT(&poller, WS_EVENT_HANDSHAKE)->conn;
        pthread_barrier_wait(&both.asked);
        pthread_barrier_wait(&both.decided);
        CHECK_INT(1, both.accepted + both.refused);
        CHECK_INT(both.accepted ? 101 : 403, receive_head(fd, head, sizeof head));
        if (both.accepted) {
            EXPECT_MESSAGE(fd, "in");
            EXPECT_EVENT(&poller, WS_EVENT_OPEN);
        }
        reset(fd);
        if (both.accepted)
            EXPECT_EVENT(&poller, WS_EVENT_CLOSE);
    }
    join(threads[0]);
    join(threads[1]);
    pthread_barrier_destroy(&both.asked);
    pthread_barrier_destroy(&both.decided);
    stop_and_free(poller.server);
}

int main(void)
{
    begin();
    by_callback();
    later_from_another_thread();
    in_poll_mode();
    frames_that_come_early();
    nobody_decides();
    the_client_is_gone();
    the_server_stops();
    of_two_minds();
    return 0;
}
