/* A Pong stands between frames, wherever the bytes of the frame before it are at that time: with the kernel, with the
 * replies of a callback, or in the outbox. The peer reads nothing until all is sent, and the sockets hold little, so that
 * an answer leaves in part. As a server and as a client, with callbacks and polled. */
#include "server.h"

enum { LONGEST = 4000000, CASES = 6 };

/* Lengths of the messages, each followed by a ping; the last of them are one packet with their pings. */
static const struct {
    const char *what;
    size_t lengths[4];
    int fragments; /* of each message; a ping stands between two, too */
    int little;    /* the socket of the server holds little */
} cases[CASES] = {
    {"a long message", {LONGEST}, 1, 0},
    {"a long message, and short ones", {LONGEST, 5, 0, 200}, 1, 0},
    {"a message in fragments", {LONGEST / 4, LONGEST / 4}, 3, 0},
    {"65,535 bytes, with little room", {65535, 65535, 65535}, 1, 1},
    {"fragments, with little room", {65535, 9000, 65535, 70000}, 4, 1},
    {"8,192 to 100,000 bytes, with little room", {100000, 8192, 16384, 50000}, 1, 1},
};

static unsigned char pattern_at(size_t message, size_t i)
{
    return (unsigned char)(i * 7 + i / 251 + message * 31);
}

static unsigned char *pattern(size_t message, size_t length)
{
    unsigned char *bytes = malloc(length + 1);
    CHECK(bytes != NULL);
    for (size_t i = 0; i < length; i++)
        bytes[i] = pattern_at(message, i);
    return bytes;
}

/* Everything of a case, as one piece of memory; masked as from a client, or plain. */
static unsigned char *write_case(size_t n, int masked, size_t *total)
{
    unsigned char *all = malloc(2 * LONGEST + 4096), ping[4] = "ping";
    size_t at = 0;
    CHECK(all != NULL);
    for (size_t m = 0; m < 4 && (m == 0 || cases[n].lengths[m] > 0 || n == 1); m++) {
        size_t length = cases[n].lengths[m], pieces = (size_t)cases[n].fragments, done = 0;
        unsigned char *payload = pattern(m, length);
        for (size_t piece = 0; piece < pieces; piece++) {
            size_t part = piece + 1 == pieces ? length - done : length / pieces;
            int first = (piece == 0 ? BINARY : CONTINUATION) | (piece + 1 == pieces ? FIN : 0);
            if (masked) {
                size_t size;
                unsigned char *frame = make_frame(first, payload + done, part, 0x1f2e3d4c, &size);
                memcpy(all + at, frame, size);
                free(frame);
                frame = make_frame(FIN | PING, ping, sizeof ping, 0x01020304, &total[0]);
                memcpy(all + at + size, frame, *total);
                at += size + *total;
                free(frame);
            } else {
                at += write_unmasked(all + at, first, payload + done, part);
                at += write_unmasked(all + at, FIN | PING, ping, sizeof ping);
            }
            done += part;
        }
        free(payload);
    }
    *total = at;
    return all;
}

/* Reads what answers a case: its messages in their order, and as many Pongs, each behind the ping that it answers. */
static void expect_answers(int fd, size_t n, int from_client)
{
    size_t messages = 0, pongs = 0, due = 0;
    for (size_t m = 0; m < 4 && (m == 0 || cases[n].lengths[m] > 0 || n == 1); m++)
        due++;
    while (messages < due || pongs < due * (size_t)cases[n].fragments) {
        struct frame frame = from_client ? receive_masked(fd).frame : receive_frame(fd);
        if (frame.first == (FIN | PONG)) {
            CHECK_INT(4, frame.length);
            CHECK(memcmp(frame.data, "ping", 4) == 0);
            pongs++;
        } else {
            if (frame.first != (FIN | BINARY) || messages == due || frame.length != cases[n].lengths[messages])
                fail(HERE, "%s: a frame %02x of %zu bytes behind %zu messages and %zu pongs", cases[n].what, frame.first,
                     frame.length, messages, pongs);
            for (size_t i = 0; i < frame.length; i++)
                if (frame.data[i] != pattern_at(messages, i))
                    fail(HERE, "%s: byte %zu of message %zu is %02x", cases[n].what, i, messages, frame.data[i]);
            messages++;
        }
        frame_free(&frame);
    }
}

static void *poll_and_echo(void *argument)
{
    ws_server *server = argument;
    const ws_event *events;
    int n;
    while ((n = ws_server_poll(server, &events, -1)) >= 0)
        for (int i = 0; i < n; i++)
            if (events[i].type == WS_EVENT_MESSAGE)
                CHECK_OK(ws_push(server, events[i].conn, events[i].data, events[i].length, events[i].code));
    CHECK_INT(WS_ERR_STOPPED, n);
    return NULL;
}

/* A descriptor that listens, and whose connections hold little. */
static int little_listener(int *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0), little = 4096;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(fd >= 0);
    CHECK_INT(0, setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &little, sizeof little));
    CHECK_INT(0, bind(fd, (struct sockaddr *)&address, sizeof address));
    CHECK_INT(0, listen(fd, 16));
    CHECK_INT(0, getsockname(fd, (struct sockaddr *)&address, &length));
    *port = ntohs(address.sin_port);
    return fd;
}

static void to_a_server(int polls)
{
    struct record record = RECORD;
    pthread_t host = 0;
    int little_port, fd = little_listener(&little_port);
    char name[32];
    ws_server *server = polls ? new_server() : recorded_server(&record, echo_message);
    CHECK_OK(ws_server_set(server, "max_message_size", "8M"));
    snprintf(name, sizeof name, "fd:%d", fd);
    CHECK_OK(ws_server_listen(server, name, 0));
    int port = start(server);
    port = ws_server_port(server, 1);
    if (polls)
        host = spawn(poll_and_echo, server);
    for (size_t n = 0; n < CASES; n++) {
        size_t total;
        unsigned char *all = write_case(n, 1, &total);
        int peer = client_connect(cases[n].little ? little_port : port);
        keep_little(peer);
        send_upgrade(peer, "/");
        expect_upgrade(peer);
        send_bytes(peer, all, total);
        expect_answers(peer, n, 0);
        send_close(peer, 1000, "");
        EXPECT_CLOSE(peer, 1000);
        EXPECT_END(peer);
        free(all);
    }
    CHECK_OK(ws_server_stop(server, 0));
    if (polls)
        join(host);
    CHECK_OK(ws_server_free(server));
    close(fd);
}

static void echo_to_server(ws_client *client, const void *data, size_t length, int opcode, void *user_data)
{
    client_message(client, data, length, opcode, user_data);
    CHECK_OK(ws_client_push(client, data, length, opcode));
}

static void *poll_client_and_echo(void *argument)
{
    ws_client *client = argument;
    const ws_event *events;
    int n;
    while ((n = ws_client_poll(client, &events, -1)) >= 0)
        for (int i = 0; i < n; i++)
            if (events[i].type == WS_EVENT_MESSAGE)
                CHECK_OK(ws_client_push(client, events[i].data, events[i].length, events[i].code));
    CHECK_INT(WS_ERR_STOPPED, n);
    return NULL;
}

static void to_a_client(int polls)
{
    for (size_t n = 0; n < CASES; n++) {
        struct client_record record = CLIENT_RECORD;
        struct listener listener = new_listener();
        pthread_t host = 0;
        size_t total;
        unsigned char *all = write_case(n, 0, &total);
        keep_little(listener.fd);
        ws_client *client = polls ? ws_client_new(listener.url) : recorded_client(listener.url, &record);
        CHECK_OK(ws_client_set(client, "max_message_size", "8M"));
        if (!polls)
            CHECK_OK(ws_client_on_message(client, echo_to_server, &record));
        CHECK_OK(ws_client_start(client));
        if (polls)
            host = spawn(poll_client_and_echo, client);
        int fd = OPEN_NEXT(&listener);
        send_bytes(fd, all, total);
        expect_answers(fd, n, 1);
        send_close_to_client(fd, 1000, "");
        EXPECT_CLOSE_FROM_CLIENT(fd, 1000);
        close(fd);
        CHECK_OK(ws_client_wait(client));
        if (polls)
            join(host);
        CHECK_OK(ws_client_free(client));
        close(listener.fd);
        free(all);
    }
}

int main(void)
{
    begin();
    to_a_server(0);
    to_a_server(1);
    to_a_client(0);
    to_a_client(1);
    return 0;
}
