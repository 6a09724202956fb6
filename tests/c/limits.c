/* Limits: what is too much is refused with its code, before it costs anything. */
#include "harness.h"

/* The limit holds over all reactors, however the kernel spreads the connections. */
static void connections(const char *reactors)
{
    struct record record = RECORD;
    char head[1024];
    ws_server *server = recorded_server(&record, echo_message);
    CHECK_OK(ws_server_set(server, "reactors", reactors));
    CHECK_OK(ws_server_set(server, "max_connections", "3"));
    int clients[3], port = start(server);
    for (int i = 0; i < 3; i++)
        clients[i] = client_open(port);
    int fd = client_connect(port);
    CHECK_INT(503, receive_head(fd, head, sizeof head)); /* before it has even asked */
    EXPECT_CUT(fd);
    send_message(clients[2], "not me");
    EXPECT_MESSAGE(clients[2], "not me");

    close(clients[0]); /* makes room */
    WAIT_FOR(&record, closes, 1);
    ws_stats stats = {.size = sizeof stats};
    int64_t deadline = now_ms() + scaled(10000, 60000);
    do { /* until it is gone, and so is the one refused */
        give_way();
        CHECK_OK(ws_server_stats(server, &stats));
        CHECK(now_ms() < deadline);
    } while (stats.connections_open > 2);
    fd = client_open(port);
    send_message(fd, "me");
    EXPECT_MESSAGE(fd, "me");
    stop_and_free(server);
    close(fd);
    close(clients[1]);
    close(clients[2]);
}

static void a_message_of(int port, size_t length, int accepted)
{
    char *data = malloc(length);
    CHECK(data != NULL);
    memset(data, 'm', length);
    int fd = client_open(port);
    send_frame(fd, FIN | TEXT, data, length);
    if (accepted)
        EXPECT_FRAME(fd, FIN | TEXT, data, length);
    else
        EXPECT_CLOSE(fd, 1009);
    close(fd);

    fd = client_open(port); /* the same in two fragments */
    send_frame(fd, TEXT, data, length / 2);
    send_frame(fd, FIN | CONTINUATION, data, length - length / 2);
    if (accepted)
        EXPECT_FRAME(fd, FIN | TEXT, data, length);
    else
        EXPECT_CLOSE(fd, 1009);
    close(fd);
    free(data);
}

static void messages(void)
{
    struct record record = RECORD;
    ws_server *server = recorded_server(&record, echo_message);
    CHECK_OK(ws_server_set(server, "max_message_size", "100000"));
    int port = start(server);
    a_message_of(port, 99999, 1);
    a_message_of(port, 100000, 1);
    a_message_of(port, 100001, 0);
    CHECK_INT(4, record.messages);
    stop_and_free(server);
}

static void frames(void)
{
    struct record record = RECORD;
    char data[1001];
    ws_server *server = recorded_server(&record, echo_message);
    CHECK_OK(ws_server_set(server, "max_frame_size", "1000"));
    int fd = client_open(start(server));
    memset(data, 'f', sizeof data);
    send_frame(fd, TEXT, data, 1000);
    send_frame(fd, FIN | CONTINUATION, "more", 4); /* as a message it may be longer */
    struct frame frame = receive_frame(fd);
    CHECK_INT(1004, frame.length);
    frame_free(&frame);
    send_frame(fd, FIN | TEXT, data, 1001);
    EXPECT_CLOSE(fd, 1009);
    stop_and_free(server);
    close(fd);
}

static void fragments(void)
{
    struct record record = RECORD;
    ws_server *server = recorded_server(&record, echo_message);
    CHECK_OK(ws_server_set(server, "max_fragments", "10"));
    int fd = client_open(start(server));
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 9; i++)
            send_frame(fd, i == 0 ? TEXT : CONTINUATION, "x", 1);
        send_frame(fd, FIN | CONTINUATION, "x", 1);
        EXPECT_MESSAGE(fd, "xxxxxxxxxx");
    }
    for (int i = 0; i < 11; i++)
        send_frame(fd, i == 0 ? TEXT : CONTINUATION, "", 0); /* empty ones count too */
    EXPECT_CLOSE(fd, 1009);
    stop_and_free(server);
    close(fd);
}

/* A head that announces 2^62 bytes is refused from its fourteen bytes alone. One that announces as much as a message may
 * have is believed, and yet costs nothing before the bytes arrive. */
static void announced_and_never_sent(void)
{
    enum { CLIENTS = 50 };
    struct record record = RECORD;
    unsigned char head[14];
    int clients[CLIENTS];
    ws_server *server = recorded_server(&record, echo_message);
    CHECK_OK(ws_server_set(server, "max_message_size", "64M"));
    int port = start(server), fd = client_open(port);
    int64_t before = resident_bytes();

    size_t length = write_head(head, FIN | BINARY, UINT64_C(1) << 62, 0);
    send_bytes(fd, head, length);
    EXPECT_CLOSE(fd, 1009);
    close(fd);

    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = client_open(port);
        length = write_head(head, FIN | BINARY, 64 << 20, 0);
        send_bytes(clients[i], head, length);
        send_bytes(clients[i], "the first bytes", 15);
    }
    fd = client_open(port);
    send_message(fd, "the others are waiting for 3 GiB");
    EXPECT_MESSAGE(fd, "the others are waiting for 3 GiB");
    if (!under_valgrind())
        CHECK(resident_bytes() - before < 16 * 1024 * 1024);
    for (int i = 0; i < CLIENTS; i++)
        close(clients[i]);
    WAIT_FOR(&record, closes, CLIENTS + 1);
    stop_and_free(server);
    close(fd);
}

int main(void)
{
    begin();
    connections("1");
    connections("4");
    messages();
    frames();
    fragments();
    announced_and_never_sent();
    return 0;
}
