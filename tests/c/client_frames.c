/* What a server may send, and what it may not: each breach is answered with its Close code and told with it. */
#include "server.h"

static ws_client *open_client(const struct listener *listener, struct client_record *record, int *fd)
{
    ws_client *client = recorded_client(listener->url, record);
    CHECK_OK(ws_client_set(client, "max_message_size", "1000"));
    CHECK_OK(ws_client_set(client, "max_fragments", "4"));
    CHECK_OK(ws_client_start(client));
    *fd = OPEN_NEXT(listener);
    WAIT_CLIENT(record, opens, 1);
    return client;
}

#define BYTES(text) (text), sizeof(text) - 1

static const struct {
    const char *bytes;
    size_t length;
    int code;
} breaches[] = {
    {BYTES("\x81\x85\x01\x02\x03\x04hello"), 1002},         /* masked: RFC 6455, 5.1 */
    {BYTES("\x8a\x80\x01\x02\x03\x04"), 1002},              /* a masked Pong */
    {BYTES("\xc1\x01x"), 1002},                             /* RSV1: no extension was agreed on */
    {BYTES("\xa1\x01x"), 1002},
    {BYTES("\x91\x01x"), 1002},
    {BYTES("\x83\x01x"), 1002},                             /* an opcode that is none */
    {BYTES("\x8b\x01x"), 1002},
    {BYTES("\x80\x01x"), 1002},                             /* continues nothing */
    {BYTES("\x01\x01x\x81\x01x"), 1002},                    /* a message within a message */
    {BYTES("\x09\x01x"), 1002},                             /* a Ping in fragments */
    {BYTES("\x89\x7e\x00\x7e"), 1002},                      /* a Ping of 126 bytes */
    {BYTES("\x81\x7e\x00\x7d"), 1002},                      /* a length in more bytes than it needs */
    {BYTES("\x81\x7f\x00\x00\x00\x00\x00\x00\xff\xff"), 1002},
    {BYTES("\x81\x7f\x80\x00\x00\x00\x00\x00\x00\x00"), 1002},
    {BYTES("\x88\x01\x03"), 1002},                          /* half a close code */
    {BYTES("\x88\x02\x03\xe7"), 1002},                      /* 999 */
    {BYTES("\x88\x02\x03\xec"), 1002},                      /* 1004 */
    {BYTES("\x88\x02\x03\xed"), 1002},                      /* 1005 and 1006 are never sent: 7.4.1 */
    {BYTES("\x88\x02\x03\xee"), 1002},
    {BYTES("\x88\x02\x03\xf7"), 1002},                      /* 1015 */
    {BYTES("\x88\x02\x07\xcf"), 1002},                      /* 1999 */
    {BYTES("\x88\x02\x13\x88"), 1002},                      /* 5000 */
    {BYTES("\x81\x02\xc3\x28"), 1007},                      /* not UTF-8 */
    {BYTES("\x81\x03\xed\xa0\x80"), 1007},                  /* a surrogate */
    {BYTES("\x81\x01\xc3"), 1007},                          /* cut off */
    {BYTES("\x01\x01\xc3\x80\x01x"), 1007},                 /* over two frames */
    {BYTES("\x88\x04\x03\xe8\xc3\x28"), 1007},              /* a reason that is not UTF-8 */
    {BYTES("\x82\x7e\x03\xe9"), 1009},                      /* 1001 bytes, from the header alone */
    {BYTES("\x82\x7f\x00\x00\x7f\xff\xff\xff\xff\xff"), 1009},
    {BYTES("\x02\x01x\x00\x01x\x00\x01x\x00\x01x\x80\x01x"), 1009}, /* five fragments */
};

static void each_breach(const struct listener *listener)
{
    for (size_t i = 0; i < sizeof breaches / sizeof *breaches; i++) {
        struct client_record record = CLIENT_RECORD;
        int fd;
        ws_client *client = open_client(listener, &record, &fd);
        send_to_client(fd, "before it");
        send_bytes(fd, breaches[i].bytes, breaches[i].length);
        last_check = HERE;
        struct frame frame = receive_masked(fd).frame;
        int code = frame.length >= 2 ? frame.data[0] << 8 | frame.data[1] : 0;
        if (frame.first != (FIN | CLOSE) || code != breaches[i].code)
            fail(HERE, "breach %zu: answered with %02x, %d (\"%s\")", i, frame.first, code,
                 frame.length > 2 ? (char *)frame.data + 2 : "");
        frame_free(&frame);
        close(fd); /* the server ends it: RFC 6455, 7.1.1 */
        EXPECT_CLOSED(client, &record, breaches[i].code);
        CHECK_INT(1, record.messages);
        CHECK_STRING("before it", record.text);
    }
}

/* All that is allowed, whole and byte by byte. */
static void all_that_is_allowed(const struct listener *listener, int in_pieces)
{
    static const char bytes[] = "\x81\x00" "\x82\x02\x00\xff" "\x01\x01\xc3" "\x89\x00" "\x80\x01\xa9" "\x8a\x03who"
                                "\x81\x7e\x00\x7e";
    struct client_record record = CLIENT_RECORD;
    char text[127] = "";
    int fd;
    ws_client *client = open_client(listener, &record, &fd);
    memset(text, 'a', 126);
    for (size_t i = 0; i < sizeof bytes - 1; i += in_pieces ? 1 : sizeof bytes - 1)
        send_bytes(fd, bytes + i, in_pieces ? 1 : sizeof bytes - 1);
    WAIT_CLIENT(&record, messages, 3);
    CHECK_STRING("\xc3\xa9", record.text);
    CHECK_INT(WS_TEXT, record.opcode);
    EXPECT_MASKED(fd, FIN | PONG, "", 0);
    send_text(fd, text);
    WAIT_CLIENT(&record, messages, 4);
    CHECK_INT(126, record.length);
    CHECK_STRING(text, record.text);
    send_unmasked(fd, FIN | PING, text, 125);
    EXPECT_MASKED(fd, FIN | PONG, text, 125);
    send_close_to_client(fd, 4000, "enough");
    EXPECT_CLOSE_FROM_CLIENT(fd, 4000);
    EXPECT_CLOSED(client, &record, 4000);
    CHECK_STRING("enough", record.reason);
    close(fd);
}

/* A message in each form of length, both ways. */
static void every_length(const struct listener *listener)
{
    static const size_t lengths[] = {0, 1, 125, 126, 127, 65535, 65536, 1 << 20};
    struct client_record record = CLIENT_RECORD;
    unsigned char *data = malloc(1 << 20);
    CHECK(data != NULL);
    for (int i = 0; i < 1 << 20; i++)
        data[i] = (unsigned char)(i * 31 >> 3);
    ws_client *client = started_client(listener->url, &record);
    int fd = OPEN_NEXT(listener);
    WAIT_CLIENT(&record, opens, 1);
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        CHECK_OK(ws_client_push(client, data, lengths[i], WS_BINARY));
        EXPECT_MASKED(fd, FIN | BINARY, data, lengths[i]);
        send_unmasked(fd, FIN | BINARY, data, lengths[i]);
        WAIT_CLIENT(&record, messages, (int)i + 1);
        CHECK_INT(lengths[i], record.length);
        CHECK_INT(WS_BINARY, record.opcode);
        CHECK(memcmp(record.text, data, lengths[i] < 255 ? lengths[i] : 255) == 0);
    }
    send_close_to_client(fd, 0, "");
    EXPECT_CLOSE_FROM_CLIENT(fd, 0);
    EXPECT_CLOSED(client, &record, 1005);
    close(fd);
    free(data);
}

int main(void)
{
    begin();
    struct listener listener = new_listener();
    each_breach(&listener);
    all_that_is_allowed(&listener, 0);
    all_that_is_allowed(&listener, 1);
    every_length(&listener);
    close(listener.fd);
    return 0;
}
