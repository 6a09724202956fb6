/* Clients that send nonsense: random bytes, and frames with one byte wrong, cut anywhere. Nobody else notices, every
 * connection that opened closes once, and nothing is left. The sequence is the same in every run. */
#include "harness.h"

static uint32_t state = 2463534242u;

static uint32_t random_number(uint32_t below)
{
    state ^= state << 13, state ^= state >> 17, state ^= state << 5;
    return state % below;
}

/* Sends as far as the server takes it: it may well have hung up. */
static void try_to_send(int fd, const unsigned char *data, size_t length)
{
    while (length > 0) {
        size_t piece = 1 + random_number((uint32_t)length);
        ssize_t n = send(fd, data, piece, MSG_NOSIGNAL);
        if (n <= 0)
            return;
        data += n;
        length -= (size_t)n;
    }
}

static void random_bytes(int port)
{
    unsigned char bytes[600];
    int fd = client_connect(port);
    if (random_number(4) > 0) {
        send_upgrade(fd, "/");
        expect_upgrade(fd);
    }
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)random_number(256);
    try_to_send(fd, bytes, sizeof bytes);
    shutdown(fd, SHUT_WR);
    EXPECT_CUT(fd);
}

/* Legal frames one after the other, in which one byte is changed. */
static void nearly_right(int port)
{
    static const int firsts[] = {TEXT, FIN | TEXT, FIN | BINARY, BINARY, CONTINUATION, FIN | CONTINUATION, FIN | PING,
                                 FIN | PONG, FIN | CLOSE};
    unsigned char all[4000], payload[400];
    size_t length = 0;
    memset(payload, 'x', sizeof payload);
    while (length < sizeof all - 500) {
        size_t total;
        unsigned char *frame = make_frame(firsts[random_number(9)], payload, random_number(random_number(2) ? 12 : 300),
                                          random_number(UINT32_MAX), &total);
        memcpy(all + length, frame, total);
        length += total;
        free(frame);
    }
    all[random_number((uint32_t)length)] ^= (unsigned char)(1 << random_number(8));
    int fd = client_open(port);
    try_to_send(fd, all, length);
    shutdown(fd, SHUT_WR);
    EXPECT_CUT(fd);
}

static void bent_request(int port)
{
    static const char request[] = "GET /some/path?and=query HTTP/1.1\r\n" UPGRADE_LINES "Origin: http://a\r\n\r\n";
    unsigned char bytes[sizeof request];
    int fd = client_connect(port);
    memcpy(bytes, request, sizeof request);
    bytes[random_number(sizeof request - 1)] = (unsigned char)random_number(256);
    try_to_send(fd, bytes, sizeof request - 1 - random_number(3));
    shutdown(fd, SHUT_WR);
    EXPECT_CUT(fd);
}

static void reset_at_once(int port)
{
    int fd = client_connect(port);
    if (random_number(2))
        send_upgrade(fd, "/");
    reset(fd);
}

static void serve(const char *reactors)
{
    struct record record = RECORD;
    ws_server *server = recorded_server(&record, echo_message);
    CHECK_OK(ws_server_set(server, "reactors", reactors));
    int port = start(server), witness = client_open(port);
    for (int i = 0; i < scaled(500, 30); i++) {
        random_bytes(port);
        nearly_right(port);
        bent_request(port);
        reset_at_once(port);
        send_message(witness, "nothing happened");
        EXPECT_MESSAGE(witness, "nothing happened");
    }
    send_close(witness, 1000, "");
    EXPECT_CLOSE(witness, 1000);
    EXPECT_END(witness);

    ws_stats stats = {.size = sizeof stats};
    int64_t deadline = now_ms() + scaled(10000, 60000);
    do {
        give_way();
        CHECK_OK(ws_server_stats(server, &stats));
        CHECK(now_ms() < deadline);
    } while (stats.connections_open > 0);
    CHECK_INT(stats.connections_accepted, stats.connections_closed);
    CHECK_INT(0, stats.panics);
    stop_and_free(server);
    CHECK_INT(record.opens, record.closes);
}

int main(void)
{
    begin();
    serve("1");
    serve("2");
    return 0;
}
