/* Everything but free and wait may be called from inside a callback. */
#include "harness.h"

/* A small protocol of words, so that one client can ask for each call. */
static void obey(ws_server *server, ws_conn conn, const void *data, size_t length, int opcode, void *user_data)
{
    char word[32] = "";
    ws_conn ids[8];
    ws_stats stats = {.size = sizeof stats};
    memcpy(word, data, length < sizeof word ? length : sizeof word - 1);
    if (strcmp(word, "push") == 0) {
        CHECK_OK(ws_push(server, conn, "one", 3, opcode));
        CHECK_OK(ws_push(server, conn, "two", 3, opcode));
    } else if (strcmp(word, "broadcast") == 0) {
        CHECK_OK(ws_broadcast(server, "to all", 6, WS_TEXT));
    } else if (strcmp(word, "ping") == 0) {
        CHECK_OK(ws_ping(server, conn, "are you there", 13));
    } else if (strcmp(word, "ask") == 0) {
        CHECK_INT(1, ws_conn_is_open(server, conn));
        CHECK(ws_conn_queued_bytes(server, conn) >= 0);
        CHECK(ws_server_connections(server, ids, 8) >= 1);
        CHECK_OK(ws_server_stats(server, &stats));
        CHECK(stats.connections_open >= 1 && stats.messages_in >= 1);
        CHECK_OK(ws_push(server, conn, "asked", 5, WS_TEXT));
    } else if (strcmp(word, "close") == 0) {
        CHECK_OK(ws_push(server, conn, "closing", 7, WS_TEXT));
        CHECK_OK(ws_close(server, conn, 4000, "as you wish", 11));
        CHECK_STATUS(WS_ERR_CLOSED, ws_push(server, conn, "late", 4, WS_TEXT));
    } else if (strcmp(word, "disconnect") == 0) {
        CHECK_OK(ws_disconnect(server, conn));
        CHECK_STATUS(WS_ERR_CLOSED, ws_push(server, conn, "late", 4, WS_TEXT));
    } else if (strcmp(word, "stop") == 0) {
        CHECK_OK(ws_server_stop(server, 2000)); /* only begins it: to wait here would be to wait for oneself */
        CHECK_OK(ws_server_stop(server, 2000));
    }
    record_message(server, conn, data, length, opcode, user_data);
}

static void greet(ws_server *server, ws_conn conn, const ws_request *request, void *user_data)
{
    CHECK_OK(ws_push(server, conn, "welcome", 7, WS_TEXT));
    record_open(server, conn, request, user_data);
}

static void say_goodbye(ws_server *server, ws_conn conn, int code, const void *reason, size_t length, void *user_data)
{
    CHECK_STATUS(WS_ERR_CLOSED, ws_push(server, conn, "too late", 8, WS_TEXT));
    CHECK_STATUS(WS_ERR_CLOSED, ws_close(server, conn, 1000, NULL, 0));
    CHECK_INT(0, ws_conn_is_open(server, conn));
    int status = ws_broadcast(server, "one left", 8, WS_TEXT);
    CHECK(status == WS_OK || status == WS_ERR_STOPPED);
    record_close(server, conn, code, reason, length, user_data);
}

static int newcomer(int port)
{
    int fd = client_open(port);
    EXPECT_MESSAGE(fd, "welcome");
    return fd;
}

enum { LONG = 100 * 1000 };

static unsigned char *long_message(void)
{
    static unsigned char message[LONG];
    for (size_t i = 0; i < LONG; i++)
        message[i] = (unsigned char)(i * 7 + i / 256);
    return message;
}

static void greet_at_length(ws_server *server, ws_conn conn, const ws_request *request, void *user_data)
{
    CHECK_OK(ws_push(server, conn, long_message(), LONG, WS_BINARY));
    CHECK_OK(ws_push(server, conn, "welcome", 7, WS_TEXT));
    CHECK_OK(ws_push(server, conn, long_message(), LONG, WS_BINARY));
    record_open(server, conn, request, user_data);
}

/* Messages that are sent from where they are, too, wait for the answer to the upgrade, and for those before them. */
static void a_long_welcome(void)
{
    struct record record = RECORD;
    ws_server *server = new_server();
    CHECK_OK(ws_server_on_open(server, greet_at_length, &record));
    int port = start(server);
    for (int i = 0; i < 3; i++) {
        int fd = client_open(port);
        EXPECT_FRAME(fd, FIN | BINARY, long_message(), LONG);
        EXPECT_MESSAGE(fd, "welcome");
        EXPECT_FRAME(fd, FIN | BINARY, long_message(), LONG);
        close(fd);
    }
    stop_and_free(server);
}

int main(void)
{
    struct record record = RECORD;
    begin();
    a_long_welcome();
    ws_server *server = new_server();
    CHECK_OK(ws_server_on_open(server, greet, &record));
    CHECK_OK(ws_server_on_message(server, obey, &record));
    CHECK_OK(ws_server_on_close(server, say_goodbye, &record));
    int port = start(server), first = newcomer(port), second = newcomer(port);

    send_message(first, "push");
    EXPECT_MESSAGE(first, "one");
    EXPECT_MESSAGE(first, "two");
    send_message(first, "broadcast");
    EXPECT_MESSAGE(first, "to all");
    EXPECT_MESSAGE(second, "to all");
    send_message(first, "ping");
    EXPECT_FRAME(first, FIN | PING, "are you there", 13);
    send_frame(first, FIN | PONG, "are you there", 13);
    send_message(first, "ask");
    EXPECT_MESSAGE(first, "asked");

    send_message(second, "close");
    send_message(second, "not heard any more");
    EXPECT_MESSAGE(second, "closing");
    EXPECT_CLOSE(second, 4000);
    send_close(second, 4000, "");
    EXPECT_END(second);
    EXPECT_MESSAGE(first, "one left");

    second = newcomer(port);
    send_message(second, "disconnect");
    EXPECT_CUT(second);
    EXPECT_MESSAGE(first, "one left");
    CHECK_INT(2, record.closes);

    send_message(first, "stop");
    EXPECT_CLOSE(first, 1001);
    send_close(first, 1001, "");
    EXPECT_END(first);
    CHECK_OK(ws_server_wait(server));
    CHECK_INT(3, record.closes);
    CHECK_INT(3, record.opens);
    CHECK_OK(ws_server_free(server));
    return 0;
}
