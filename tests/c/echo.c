/* Messages come back as they went: every form of length, fragments, control frames between them, any cut. */
#include "harness.h"

static unsigned char *letters(size_t length)
{
    unsigned char *bytes = malloc(length + 1);
    CHECK(bytes != NULL);
    for (size_t i = 0; i < length; i++)
        bytes[i] = (unsigned char)('a' + (i * 7 + i / 251) % 26);
    return bytes;
}

static void lengths(int fd)
{
    static const size_t sizes[] = {0, 1, 2, 3, 4, 5, 124, 125, 126, 127, 128, 1000, 65534, 65535, 65536, 65537, 1 << 20};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        unsigned char *data = letters(sizes[i]);
        send_frame(fd, FIN | TEXT, data, sizes[i]);
        EXPECT_FRAME(fd, FIN | TEXT, data, sizes[i]);
        data[0] = 0xff; /* not UTF-8: only binary may */
        send_frame(fd, FIN | BINARY, data, sizes[i]);
        EXPECT_FRAME(fd, FIN | BINARY, data, sizes[i]);
        free(data);
    }
}

static void masks(int fd)
{
    static const uint32_t keys[] = {0, 1, 0xffffffff, 0x80000000, 0x01020304};
    unsigned char *data = letters(300);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        for (size_t length = 0; length < 70; length++) {
            size_t total;
            unsigned char *frame = make_frame(FIN | TEXT, data, length, keys[i], &total);
            send_bytes(fd, frame, total);
            EXPECT_FRAME(fd, FIN | TEXT, data, length);
            free(frame);
        }
    }
    free(data);
}

static void fragments(int fd)
{
    send_frame(fd, TEXT, "one ", 4);
    send_frame(fd, FIN | PING, "between", 7);
    EXPECT_FRAME(fd, FIN | PONG, "between", 7); /* answered at once, not after the message */
    send_frame(fd, CONTINUATION, "", 0);
    send_frame(fd, CONTINUATION, "two ", 4);
    send_frame(fd, FIN | PONG, "unasked", 7);
    send_frame(fd, FIN | CONTINUATION, "three", 5);
    EXPECT_MESSAGE(fd, "one two three");

    send_frame(fd, BINARY, "", 0);
    send_frame(fd, FIN | CONTINUATION, "", 0);
    EXPECT_FRAME(fd, FIN | BINARY, "", 0);
}

/* A character of several bytes may be cut by frames, though not by messages. */
static void text_cut_inside_a_character(int fd)
{
    static const char text[] = "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5 \xf0\x9f\x8e\x88";
    size_t length = sizeof text - 1;
    for (size_t cut = 0; cut <= length; cut++) {
        send_frame(fd, TEXT, text, cut);
        send_frame(fd, FIN | CONTINUATION, text + cut, length - cut);
        EXPECT_FRAME(fd, FIN | TEXT, text, length);
    }
}

static void pings(int fd)
{
    unsigned char *data = letters(125);
    send_frame(fd, FIN | PING, "", 0);
    EXPECT_FRAME(fd, FIN | PONG, "", 0);
    send_frame(fd, FIN | PING, data, 125);
    EXPECT_FRAME(fd, FIN | PONG, data, 125);
    send_frame(fd, FIN | PONG, data, 125); /* needs no answer */
    free(data);
}

static void byte_by_byte(int fd)
{
    size_t total;
    unsigned char *data = letters(200), *frame = make_frame(FIN | TEXT, data, 200, 0x11223344, &total);
    for (size_t i = 0; i < total; i++)
        send_bytes(fd, frame + i, 1);
    EXPECT_FRAME(fd, FIN | TEXT, data, 200);
    free(frame);
    free(data);
}

static void many_in_one_send(int fd)
{
    unsigned char all[200 * 12];
    size_t length = 0;
    for (int i = 0; i < 200; i++) {
        char text[8];
        size_t total;
        int n = snprintf(text, sizeof text, "%d", i);
        unsigned char *frame = make_frame(FIN | TEXT, text, (size_t)n, (uint32_t)i * 77777, &total);
        memcpy(all + length, frame, total);
        length += total;
        free(frame);
    }
    send_bytes(fd, all, length);
    for (int i = 0; i < 200; i++) {
        char text[8];
        snprintf(text, sizeof text, "%d", i);
        EXPECT_MESSAGE(fd, text);
    }
}

/* A client need not wait for the answer to its upgrade request before it sends. */
static void frames_behind_the_request(int port)
{
    static const char request[] = "GET / HTTP/1.1\r\n" UPGRADE_LINES "\r\n";
    char all[sizeof request + 64];
    size_t total;
    unsigned char *frame = make_frame(FIN | TEXT, "early", 5, 0x01010101, &total);
    memcpy(all, request, sizeof request - 1);
    memcpy(all + sizeof request - 1, frame, total);
    free(frame);

    int fd = client_connect(port);
    send_bytes(fd, all, sizeof request - 1 + total);
    expect_upgrade(fd);
    EXPECT_MESSAGE(fd, "early");
    close(fd);

    fd = client_connect(port);
    for (size_t i = 0; i < sizeof request - 1 + total; i++)
        send_bytes(fd, all + i, 1);
    expect_upgrade(fd);
    EXPECT_MESSAGE(fd, "early");
    close(fd);
}

static void *chatter(void *argument)
{
    int fd = client_open(*(int *)argument);
    for (int i = 0; i < scaled(300, 20); i++) {
        char text[32];
        snprintf(text, sizeof text, "%d says %d", fd, i);
        send_message(fd, text);
        EXPECT_MESSAGE(fd, text);
    }
    send_close(fd, 1000, "");
    EXPECT_CLOSE(fd, 1000);
    EXPECT_END(fd);
    return NULL;
}

static void everyone_gets_their_own(int port)
{
    pthread_t threads[8];
    for (int i = 0; i < 8; i++)
        threads[i] = spawn(chatter, &port);
    for (int i = 0; i < 8; i++)
        join(threads[i]);
}

static void serve(const char *reactors)
{
    struct record record = RECORD;
    ws_server *server = recorded_server(&record, echo_message);
    CHECK_OK(ws_server_set(server, "reactors", reactors));
    int port = start(server), fd = client_open(port);
    lengths(fd);
    masks(fd);
    fragments(fd);
    text_cut_inside_a_character(fd);
    pings(fd);
    byte_by_byte(fd);
    many_in_one_send(fd);
    frames_behind_the_request(port);
    everyone_gets_their_own(port);
    stop_and_free(server);
    close(fd);
}

enum { LONG = 20000 };

/* Passes on a long message in all the ways in which it is not, or not all, as it came. */
static void pass_on(ws_server *server, ws_conn conn, const void *data, size_t length, int opcode, void *user_data)
{
    static char changed[LONG];
    (void)user_data;
    CHECK_INT(LONG, length);
    CHECK_INT(WS_TEXT, opcode);
    memcpy(changed, data, LONG);
    changed[LONG - 1] = '!';
    CHECK_OK(ws_push(server, conn, data, length, WS_BINARY));
    CHECK_OK(ws_push(server, conn, data, length, WS_TEXT));
    CHECK_OK(ws_push(server, conn, data, length - 1, WS_TEXT));
    CHECK_OK(ws_push(server, conn, (const char *)data + 1, length - 1, WS_TEXT));
    CHECK_OK(ws_push(server, conn, "short", 5, WS_TEXT));
    CHECK_OK(ws_push(server, conn, data, length, WS_TEXT)); /* behind the short one */
    CHECK_OK(ws_push(server, conn, changed, length, WS_TEXT));
    CHECK_OK(ws_broadcast(server, data, length, WS_TEXT));
    CHECK_OK(ws_push(server, conn, data, length, WS_BINARY));
}

static void as_it_came_and_otherwise(void)
{
    ws_server *server = new_server();
    CHECK_OK(ws_server_on_message(server, pass_on, NULL));
    int fd = client_open(start(server));
    unsigned char *data = letters(LONG), last = data[LONG - 1];
    for (int times = 0; times < 3; times++) {
        send_frame(fd, FIN | TEXT, data, LONG);
        EXPECT_FRAME(fd, FIN | BINARY, data, LONG);
        EXPECT_FRAME(fd, FIN | TEXT, data, LONG);
        EXPECT_FRAME(fd, FIN | TEXT, data, LONG - 1);
        EXPECT_FRAME(fd, FIN | TEXT, data + 1, LONG - 1);
        EXPECT_MESSAGE(fd, "short");
        EXPECT_FRAME(fd, FIN | TEXT, data, LONG);
        data[LONG - 1] = '!';
        EXPECT_FRAME(fd, FIN | TEXT, data, LONG);
        data[LONG - 1] = last;
        EXPECT_FRAME(fd, FIN | TEXT, data, LONG);
        EXPECT_FRAME(fd, FIN | BINARY, data, LONG);
    }
    free(data);
    stop_and_free(server);
    close(fd);
}

int main(void)
{
    begin();
    as_it_came_and_otherwise();
    serve("1");
    serve("3");
    return 0;
}
