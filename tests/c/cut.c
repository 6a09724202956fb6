/* What a stop could not bring to an end is counted to the byte, and every close is told once. */
#include "harness.h"

enum { CHUNK = 256 * 1024, FRAME = 10 + CHUNK, CLOSE_FRAME = 2 + 2 + 12 /* "server stops" */, READERS = 3, STALLED = 2 };

static unsigned char chunk[CHUNK];
static struct record record = RECORD;
static int closes_of[READERS + STALLED + 2];

static void count_close(ws_server *server, ws_conn conn, int code, const void *reason, size_t length, void *user_data)
{
    CHECK(conn < sizeof closes_of / sizeof *closes_of);
    closes_of[conn]++;
    record_close(server, conn, code, reason, length, user_data);
}

/* Reads to the end of the stream and returns how much there was. */
static int64_t read_all(int fd)
{
    static char bytes[65536];
    int64_t total = 0;
    ssize_t n;
    while ((n = recv(fd, bytes, sizeof bytes, 0)) > 0)
        total += n;
    CHECK(n == 0 || errno == ECONNRESET);
    close(fd);
    return total;
}

/* A slow reader, which takes all it was sent and then answers the Close. */
struct reader {
    int fd, messages;
};

static void *read_slowly(void *argument)
{
    struct reader *reader = argument;
    for (;;) {
        struct frame frame = receive_frame(reader->fd);
        int first = frame.first;
        reader->messages += first == (FIN | BINARY) && frame.length == CHUNK;
        frame_free(&frame);
        give_way();
        if (first == (FIN | CLOSE))
            break;
    }
    send_close(reader->fd, 1001, "");
    EXPECT_END(reader->fd);
    return NULL;
}

/* Connections are pushed to until they take no more; some of them read on during the stop, and some do not. */
static void to_the_byte(int poll_mode)
{
    struct poller poller = {.server = new_server()};
    ws_server *server = poller.server;
    struct reader readers[READERS];
    pthread_t threads[READERS];
    int stalled[STALLED], pushed[READERS + STALLED + 1];
    memset(closes_of, 0, sizeof closes_of);
    record.opens = record.closes = 0;
    CHECK_OK(ws_server_set(server, "max_queued_bytes", "8M")); /* more than a kernel takes to send */
    if (!poll_mode) {
        CHECK_OK(ws_server_on_open(server, record_open, &record));
        CHECK_OK(ws_server_on_close(server, count_close, &record));
    }
    int port = start(server);
    for (int i = 0; i < READERS + STALLED; i++) {
        int fd = client_open(port);
        if (i < READERS)
            readers[i] = (struct reader){.fd = fd};
        else
            stalled[i - READERS] = fd;
        if (poll_mode)
            EXPECT_EVENT(&poller, WS_EVENT_OPEN);
    }
    if (!poll_mode)
        WAIT_FOR(&record, opens, READERS + STALLED);
    for (int i = 0; i < READERS + STALLED; i++) {
        int status;
        for (pushed[i] = 0; (status = ws_push(server, (ws_conn)i + 1, chunk, CHUNK, WS_BINARY)) == WS_OK; pushed[i]++)
            ;
        CHECK_INT(WS_ERR_QUEUE_FULL, status);
    }
    CHECK_INT(0, stats_of(server).bytes_cut);
    for (int i = 0; i < READERS; i++)
        threads[i] = spawn(read_slowly, &readers[i]);
    CHECK_OK(ws_server_stop(server, scaled(3000, 40000)));

    for (int i = 0; i < READERS; i++) {
        join(threads[i]);
        CHECK_INT(pushed[i], readers[i].messages);
    }
    int64_t wanted = 0, received = 0;
    for (int i = 0; i < STALLED; i++) {
        wanted += (int64_t)pushed[READERS + i] * FRAME + CLOSE_FRAME;
        received += read_all(stalled[i]);
    }
    ws_stats stats = stats_of(server);
    CHECK_INT(STALLED, stats.connections_cut);
    CHECK(stats.bytes_cut > 0);
    CHECK_INT(wanted, received + (int64_t)stats.bytes_cut);
    CHECK_INT(0, stats.queued_bytes + stats.command_bytes);
    CHECK_INT(READERS, stats.closed_1001);
    CHECK_INT(STALLED, stats.closed_1006);

    if (poll_mode) {
        const ws_event *event;
        int count;
        while ((count = ws_server_poll(server, &event, scaled(10000, 60000))) > 0)
            for (int i = 0; i < count; i++)
                if (event[i].type == WS_EVENT_CLOSE)
                    count_close(server, event[i].conn, event[i].code, event[i].data, event[i].length, &record);
        CHECK_INT(WS_ERR_STOPPED, count);
    }
    for (int i = 1; i <= READERS + STALLED; i++)
        CHECK_INT(1, closes_of[i]);
    CHECK_INT(READERS + STALLED, record.closes);
    CHECK_OK(ws_server_free(server));
    CHECK_INT(READERS + STALLED, record.closes);
}

/* A stop whose time allows for everything cuts nothing. */
static void nothing(void)
{
    struct record own = RECORD;
    ws_server *server = recorded_server(&own, record_message);
    int fd = client_open(start(server));
    WAIT_FOR(&own, opens, 1);
    struct reader reader = {.fd = fd};
    for (int i = 0; i < 8; i++)
        CHECK_OK(ws_push(server, own.conn, chunk, CHUNK, WS_BINARY));
    pthread_t thread = spawn(read_slowly, &reader);
    CHECK_OK(ws_server_stop(server, scaled(10000, 60000)));
    join(thread);
    CHECK_INT(8, reader.messages);
    ws_stats stats = stats_of(server);
    CHECK_INT(0, stats.connections_cut + stats.bytes_cut);
    CHECK_OK(ws_server_free(server));
}

/* What a peer has not taken when it breaks off is counted, too. */
static void by_the_peer(void)
{
    struct record own = RECORD;
    ws_server *server = recorded_server(&own, record_message);
    int fd = client_open(start(server));
    WAIT_FOR(&own, opens, 1);
    /* Until the kernels are full as well, which shows in nothing having left for a good while. */
    uint64_t pushed = 0;
    for (int refused = 0; refused < scaled(2000, 200); refused++) {
        for (; ws_push(server, own.conn, chunk, CHUNK, WS_BINARY) == WS_OK; pushed++)
            refused = 0;
        give_way();
    }
    CHECK(ws_conn_queued_bytes(server, own.conn) >= 4 << 20);
    reset(fd);
    WAIT_FOR(&own, closes, 1);
    ws_stats stats = STATS_WHEN(server, connections_open, 0);
    CHECK(stats.bytes_cut > 0);
    uint64_t head = stats.bytes_out + stats.bytes_cut - pushed * FRAME; /* the 101 */
    CHECK(head > 100 && head < 300);
    CHECK_INT(0, stats.connections_cut);
    CHECK_INT(0, stats.queued_bytes);
    stop_and_free(server);
}

/* Threads that push up to the very end: what they were told is on its way was sent, or was counted. */
struct pusher {
    ws_server *server;
    int64_t pushed;
};

static void *push_on(void *argument)
{
    struct pusher *pusher = argument;
    static const char text[100] = "words";
    int status;
    while ((status = ws_push(pusher->server, 1, text, sizeof text, WS_BINARY)) == WS_OK || status == WS_ERR_QUEUE_FULL)
        pusher->pushed += status == WS_OK ? 2 + (int64_t)sizeof text : 0;
    CHECK(status == WS_ERR_CLOSED || status == WS_ERR_STOPPED);
    return NULL;
}

static void while_others_push(void)
{
    enum { PUSHERS = 3 };
    struct record own = RECORD;
    ws_server *server = recorded_server(&own, record_message);
    CHECK_OK(ws_server_set(server, "max_queued_bytes", "256K"));
    int fd = client_open(start(server));
    WAIT_FOR(&own, opens, 1);
    struct pusher pushers[PUSHERS];
    pthread_t threads[PUSHERS];
    for (int i = 0; i < PUSHERS; i++) {
        pushers[i] = (struct pusher){.server = server};
        threads[i] = spawn(push_on, &pushers[i]);
    }
    while (stats_of(server).bytes_out < 1 << 17)
        give_way();
    CHECK_OK(ws_server_stop(server, 0));
    int64_t wanted = CLOSE_FRAME;
    for (int i = 0; i < PUSHERS; i++) {
        join(threads[i]);
        wanted += pushers[i].pushed;
    }
    int64_t received = read_all(fd);
    CHECK_INT(wanted, received + (int64_t)stats_of(server).bytes_cut);
    CHECK_INT(0, stats_of(server).queued_bytes);
    CHECK_INT(1, own.closes);
    CHECK_OK(ws_server_free(server));
}

int main(void)
{
    begin();
    to_the_byte(0);
    to_the_byte(1);
    nothing();
    by_the_peer();
    while_others_push();
    return 0;
}
