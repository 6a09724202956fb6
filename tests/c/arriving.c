/* What messages that are still arriving take, all together: with callbacks and by polling, as a server and as a client. */
#include "server.h"

enum { MEGABYTE = 1 << 20, LONG = 1600000, HALF = 1500000, SHORTER = 1200000, LONGEST = 6000000 };

static unsigned char *frame_of(size_t length, size_t *total)
{
    unsigned char *payload = malloc(length);
    CHECK(payload != NULL);
    memset(payload, 'a', length);
    unsigned char *frame = make_frame(FIN | BINARY, payload, length, 0x01020304, total);
    free(payload);
    return frame;
}

static void expect_message(struct poller *poller, int poll_mode, struct record *record, int messages, size_t length)
{
    if (poll_mode)
        CHECK_INT(length, EXPECT_EVENT(poller, WS_EVENT_MESSAGE)->length);
    else
        wait_for(HERE, "messages", record, &record->messages, messages);
}

static int connected(struct poller *poller, int poll_mode, int port)
{
    int fd = client_open(port);
    if (poll_mode)
        EXPECT_EVENT(poller, WS_EVENT_OPEN);
    return fd;
}

/* Where halves take too much, the one that has stood still the longest makes room, and the others arrive. */
static void halves(int poll_mode)
{
    struct record record = RECORD;
    struct poller poller = {.server = poll_mode ? new_server() : recorded_server(&record, record_message)};
    ws_server *server = poller.server;
    size_t total, shorter_total, longest_total;
    unsigned char *frame = frame_of(LONG, &total), *shorter = frame_of(SHORTER, &shorter_total);
    unsigned char *longest = frame_of(LONGEST, &longest_total);
    CHECK_OK(ws_server_set(server, "max_message_bytes", "4M"));
    CHECK_OK(ws_server_set(server, "max_message_size", "8M"));
    CHECK_OK(ws_server_set(server, "ping_interval", "0"));
    int port = start(server), first = connected(&poller, poll_mode, port);
    int second = connected(&poller, poll_mode, port), third = connected(&poller, poll_mode, port);
    uint64_t before = stats_of(server).bytes_in;

    send_bytes(first, frame, HALF);
    STATS_WHEN(server, bytes_in, before + HALF);
    send_bytes(second, frame, HALF);
    uint64_t taken = STATS_WHEN(server, bytes_in, before + 2 * HALF).message_bytes;
    CHECK(taken > 2 * HALF - 100 && taken < 4 * MEGABYTE);
    CHECK_INT(0, stats_of(server).messages_shed);
    send_bytes(third, shorter, shorter_total - 1);
    STATS_WHEN(server, messages_shed, 1);
    if (poll_mode) {
        const ws_event *event = EXPECT_EVENT(&poller, WS_EVENT_CLOSE);
        CHECK_INT(1013, event->code);
        CHECK_INT(WS_CAUSE_MEMORY, event->cause);
        CHECK_INT(0, ws_server_poll(server, &poller.events, 0)); /* the host is done with what came before */
        poller.count = poller.next = 0;
    } else {
        WAIT_FOR(&record, closes, 1);
        CHECK_INT(1013, record.code);
    }
    EXPECT_CLOSE(first, 1013);

    send_bytes(third, shorter + shorter_total - 1, 1);
    expect_message(&poller, poll_mode, &record, 1, SHORTER);
    send_bytes(second, frame + HALF, total - HALF);
    expect_message(&poller, poll_mode, &record, 2, LONG);
    send_bytes(second, longest, longest_total); /* one alone is bounded by its own limit */
    expect_message(&poller, poll_mode, &record, 3, LONGEST);
    STATS_WHEN(server, message_bytes, 0);

    before = stats_of(server).bytes_in;
    send_bytes(second, frame, HALF); /* whoever goes takes its half along */
    CHECK(STATS_WHEN(server, bytes_in, before + HALF).message_bytes > HALF - 100);
    reset(second);
    STATS_WHEN(server, message_bytes, 0);
    CHECK_INT(1, stats_of(server).messages_shed);
    CHECK_INT(0, stats_of(server).protocol_errors);
    close(first);
    close(third);
    free(frame);
    free(shorter);
    free(longest);
    stop_and_free(server);
}

static void note_client_close(ws_client *client, int code, const void *reason, size_t length, void *user_data)
{
    struct record *record = user_data;
    (void)client, (void)reason, (void)length;
    record->code = code;
    if (code == 1013)
        CHECK_INT(WS_CAUSE_MEMORY, ws_close_cause());
    note(record, &record->closes);
}

static void note_arrival(ws_client *client, const void *data, size_t length, int opcode, void *user_data)
{
    struct record *record = user_data;
    (void)client, (void)data, (void)opcode;
    CHECK_INT(900000, length);
    note(record, &record->messages);
}

/* Clients that share a thread share the room. */
static void halves_of_servers(void)
{
    static unsigned char frame[10 + 900000] = {FIN | BINARY, 127, 0, 0, 0, 0, 0, 900000 >> 16, 900000 >> 8 & 255, 900000 & 255};
    struct record records[2] = {RECORD, RECORD};
    struct listener listener = new_listener();
    ws_client *clients[2];
    ws_stats stats = {.size = sizeof stats};
    int fds[2];
    for (int i = 0; i < 2; i++) {
        clients[i] = ws_client_new(listener.url);
        CHECK_OK(ws_client_set(clients[i], "max_message_bytes", "1M"));
        CHECK_OK(ws_client_on_message(clients[i], note_arrival, &records[i]));
        CHECK_OK(ws_client_on_close(clients[i], note_client_close, &records[i]));
        CHECK_OK(ws_client_start(clients[i]));
        fds[i] = OPEN_NEXT(&listener);
        send_bytes(fds[i], frame, 800000);
        int64_t deadline = now_ms() + scaled(10000, 60000);
        do {
            CHECK(now_ms() < deadline);
            give_way();
            CHECK_OK(ws_client_stats(clients[i], &stats));
        } while (i == 0 ? stats.message_bytes < 800000 : stats.messages_shed == 0);
    }
    WAIT_FOR(&records[0], closes, 1);
    CHECK_INT(1013, records[0].code);
    send_bytes(fds[1], frame + 800000, sizeof frame - 800000);
    WAIT_FOR(&records[1], messages, 1);
    CHECK_INT(0, count_of(&records[1], &records[1].closes));
    for (int i = 0; i < 2; i++) {
        CHECK_OK(ws_client_free(clients[i]));
        close(fds[i]);
    }
    close(listener.fd);
}

int main(void)
{
    begin();
    halves(0);
    halves(1);
    halves_of_servers();
    return 0;
}
