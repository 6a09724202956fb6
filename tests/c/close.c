/* How connections end: either side begins, each violation gets its code, and on_close comes exactly once. */
#include "harness.h"

struct test {
    ws_server *server;
    struct record record;
    int port, closes; /* so many have ended until now */
};

/* A new client, known to the server. */
static int open_one(struct test *test)
{
    int fd = client_open(test->port);
    WAIT_FOR(&test->record, opens, test->closes + 1);
    return fd;
}

/* on_close must have come for it, once, in this way. */
static void closed_one(struct test *test, int code, const char *reason)
{
    WAIT_FOR(&test->record, closes, ++test->closes);
    CHECK_INT(test->closes, test->record.closes);
    CHECK_INT(test->record.conn, test->record.closed);
    CHECK_INT(code, test->record.code);
    CHECK_STRING(reason, test->record.reason);
    CHECK_INT(0, ws_conn_is_open(test->server, test->record.conn));
}

static void the_client_begins(struct test *test)
{
    static const int codes[] = {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        int fd = open_one(test);
        send_close(fd, codes[i], "so long");
        EXPECT_CLOSE(fd, codes[i]);
        EXPECT_END(fd); /* the server ends the TCP connection first (RFC 6455, 7.1.1) */
        closed_one(test, codes[i], "so long");
    }
    int fd = open_one(test);
    send_close(fd, 0, "");
    EXPECT_CLOSE(fd, 0);
    EXPECT_END(fd);
    closed_one(test, 1005, "");

    char longest[124];
    memset(longest, 'r', 123);
    longest[123] = '\0';
    fd = open_one(test);
    send_close(fd, 1000, longest);
    EXPECT_CLOSE(fd, 1000);
    EXPECT_END(fd);
    closed_one(test, 1000, longest);
}

static void the_server_begins(struct test *test)
{
    int fd = open_one(test);
    CHECK_OK(ws_close(test->server, test->record.conn, 4001, "because", 7));
    CHECK_STATUS(WS_ERR_CLOSED, ws_push(test->server, test->record.conn, "late", 4, WS_TEXT));
    CHECK_STATUS(WS_ERR_CLOSED, ws_close(test->server, test->record.conn, 4002, NULL, 0));
    EXPECT_FRAME(fd, FIN | CLOSE, "\x0f\xa1" "because", 9);
    send_close(fd, 4001, "understood");
    EXPECT_END(fd);
    WAIT_FOR(&test->record, closes, test->closes + 1);
    CHECK_INT(4001, test->record.code);
    closed_one(test, 4001, test->record.reason);

    fd = open_one(test);
    CHECK_OK(ws_close(test->server, test->record.conn, 0, NULL, 0));
    EXPECT_CLOSE(fd, 0);
    send_close(fd, 0, "");
    EXPECT_END(fd);
    closed_one(test, 1005, "");
}

/* What was pushed before the Close arrives before it; what the client still sends is not an event any more. */
static void pushes_before_the_close_arrive(struct test *test)
{
    int fd = open_one(test), messages = test->record.messages;
    CHECK_OK(ws_push(test->server, test->record.conn, "one", 3, WS_TEXT));
    CHECK_OK(ws_push(test->server, test->record.conn, "two", 3, WS_TEXT));
    CHECK_OK(ws_close(test->server, test->record.conn, 1000, NULL, 0));
    EXPECT_MESSAGE(fd, "one");
    EXPECT_MESSAGE(fd, "two");
    EXPECT_CLOSE(fd, 1000);
    send_message(fd, "after the Close");
    send_close(fd, 1000, "");
    EXPECT_END(fd);
    closed_one(test, 1000, "");
    CHECK_INT(messages, test->record.messages);
}

static void cut(struct test *test)
{
    int fd = open_one(test);
    close(fd);
    closed_one(test, 1006, "");

    fd = open_one(test);
    reset(fd);
    closed_one(test, 1006, "");

    fd = open_one(test);
    send_frame(fd, TEXT, "half a mess", 11);
    close(fd);
    closed_one(test, 1006, "");

    fd = open_one(test);
    CHECK_OK(ws_disconnect(test->server, test->record.conn));
    EXPECT_CUT(fd);
    closed_one(test, 1006, "");
    CHECK_STATUS(WS_ERR_CLOSED, ws_disconnect(test->server, test->record.conn));

    fd = open_one(test); /* a Close that nobody answers need not be waited for */
    CHECK_OK(ws_close(test->server, test->record.conn, 1000, NULL, 0));
    EXPECT_CLOSE(fd, 1000);
    CHECK_OK(ws_disconnect(test->server, test->record.conn));
    EXPECT_CUT(fd);
    closed_one(test, 1006, "");
}

/* Bytes that no client may send, the code that answers them, and whose fault it is. The masks are zero. */
#define MASK "\0\0\0\0"
static const struct {
    const char *what, *bytes;
    size_t length;
    int code;
} violations[] = {
#define BYTES(text) text, sizeof text - 1
    {"a frame without a mask", BYTES("\x81\x02hi"), 1002},
    {"the first reserved bit", BYTES("\xc1\x82" MASK "hi"), 1002},
    {"the second reserved bit", BYTES("\xa1\x82" MASK "hi"), 1002},
    {"the third reserved bit", BYTES("\x91\x82" MASK "hi"), 1002},
    {"opcode 3", BYTES("\x83\x80" MASK), 1002},
    {"opcode 7", BYTES("\x87\x80" MASK), 1002},
    {"opcode 11", BYTES("\x8b\x80" MASK), 1002},
    {"opcode 15", BYTES("\x8f\x80" MASK), 1002},
    {"a ping in fragments", BYTES("\x09\x80" MASK), 1002},
    {"a Close in fragments", BYTES("\x08\x80" MASK), 1002},
    {"a ping of 126 bytes, from its head alone", BYTES("\x89\xfe\x00\x7e"), 1002},
    {"a continuation of nothing", BYTES("\x80\x80" MASK), 1002},
    {"a text inside a text", BYTES("\x01\x81" MASK "a\x81\x81" MASK "b"), 1002},
    {"5 bytes in the form of 126", BYTES("\x81\xfe\x00\x05"), 1002},
    {"65535 bytes in the form of 127", BYTES("\x81\xff\x00\x00\x00\x00\x00\x00\xff\xff"), 1002},
    {"a length with the top bit", BYTES("\x81\xff\x80\x00\x00\x00\x00\x00\x00\x01"), 1002},
    {"a Close of one byte", BYTES("\x88\x81" MASK "\x03"), 1002},
    {"Close 0", BYTES("\x88\x82" MASK "\x00\x00"), 1002},
    {"Close 999", BYTES("\x88\x82" MASK "\x03\xe7"), 1002},
    {"Close 1004", BYTES("\x88\x82" MASK "\x03\xec"), 1002},
    {"Close 1005", BYTES("\x88\x82" MASK "\x03\xed"), 1002},
    {"Close 1006", BYTES("\x88\x82" MASK "\x03\xee"), 1002},
    {"Close 1015", BYTES("\x88\x82" MASK "\x03\xf7"), 1002},
    {"Close 1016", BYTES("\x88\x82" MASK "\x03\xf8"), 1002},
    {"Close 2999", BYTES("\x88\x82" MASK "\x0b\xb7"), 1002},
    {"Close 5000", BYTES("\x88\x82" MASK "\x13\x88"), 1002},
    {"a reason that is not UTF-8", BYTES("\x88\x83" MASK "\x03\xe8\xff"), 1007},
    {"a text that is not UTF-8", BYTES("\x81\x81" MASK "\xff"), 1007},
    {"a text that ends inside a character", BYTES("\x81\x82" MASK "\xe2\x82"), 1007},
    {"a surrogate", BYTES("\x81\x83" MASK "\xed\xa0\x80"), 1007},
    {"an overlong slash", BYTES("\x81\x82" MASK "\xc0\xaf"), 1007},
    {"beyond U+10FFFF", BYTES("\x81\x84" MASK "\xf4\x90\x80\x80"), 1007},
    {"bad UTF-8 in a frame that has not ended", BYTES("\x81\xff\x00\x00\x00\x00\x00\x01\x00\x00" MASK "ok\xff"), 1007},
    {"bad UTF-8 in a message that has not ended", BYTES("\x01\x83" MASK "ok\xff"), 1007},
    {"a character broken by a continuation", BYTES("\x01\x81" MASK "\xe2\x80\x81" MASK "a"), 1007},
    {"a frame larger than a message may be, from its head alone", BYTES("\x82\xff\x00\x00\x00\x00\x00\x10\x00\x01" MASK), 1009},
#undef BYTES
};

static void each_violation(struct test *test)
{
    for (size_t i = 0; i < sizeof violations / sizeof *violations; i++) {
        int fd = open_one(test), messages = test->record.messages;
        char where[160];
        snprintf(where, sizeof where, "%s: %s", HERE, violations[i].what);
        send_bytes(fd, violations[i].bytes, violations[i].length);
        expect_close(where, fd, violations[i].code);
        send_close(fd, violations[i].code, "");
        expect_end(where, fd);
        closed_one(test, violations[i].code, test->record.reason);
        CHECK_INT(messages, test->record.messages);
    }
}

/* All is well with the message before the violation, and it is delivered. */
static void what_came_before_counts(struct test *test)
{
    int fd = open_one(test), messages = test->record.messages;
    send_bytes(fd, "\x81\x82" MASK "hi\x83\x80" MASK, 2 + 4 + 2 + 2 + 4);
    EXPECT_CLOSE(fd, 1002);
    close(fd);
    closed_one(test, 1002, test->record.reason);
    CHECK_INT(messages + 1, test->record.messages);
}

int main(void)
{
    struct test test = {.record = RECORD};
    begin();
    test.server = recorded_server(&test.record, record_message);
    test.port = start(test.server);
    the_client_begins(&test);
    the_server_begins(&test);
    pushes_before_the_close_arrive(&test);
    cut(&test);
    each_violation(&test);
    what_came_before_counts(&test);
    stop_and_free(test.server);
    CHECK_INT(test.closes, test.record.closes);
    return 0;
}
