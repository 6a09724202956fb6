/* A server that does not take what it is sent: pushes are refused at the limit, told of when there is room again, and nothing
 * is lost or turned round. And a client that does not want to be sent anything for a while. */
#include "server.h"

enum { SIZE = 32 * 1024 };

static ws_client *open_with(const struct listener *listener, struct client_record *record, const char *queued, int *fd)
{
    ws_client *client = recorded_client(listener->url, record);
    CHECK_OK(ws_client_set(client, "max_queued_bytes", queued));
    CHECK_OK(ws_client_start(client));
    *fd = OPEN_NEXT(listener);
    WAIT_CLIENT(record, opens, 1);
    keep_little(*fd);
    return client;
}

/* Pushes until that is refused; how many were taken. The first four bytes of each are its number. */
static uint32_t push_until_full(ws_client *client, uint32_t first)
{
    static char message[SIZE];
    uint32_t count = 0;
    int status;
    for (;; count++) {
        uint32_t number = first + count;
        memcpy(message, &number, sizeof number);
        status = ws_client_push(client, message, SIZE, WS_BINARY);
        if (status != WS_OK)
            break;
        CHECK(count < 100000);
    }
    CHECK_INT(WS_ERR_QUEUE_FULL, status);
    return count;
}

static void expect_numbers(int fd, uint32_t first, uint32_t count)
{
    for (uint32_t i = first; i < first + count; i++) {
        uint32_t number;
        struct frame frame = receive_masked(fd).frame;
        CHECK_INT(FIN | BINARY, frame.first);
        CHECK_INT(SIZE, frame.length);
        memcpy(&number, frame.data, sizeof number);
        CHECK_INT(i, number);
        frame_free(&frame);
    }
}

static void refused_and_told(const struct listener *listener)
{
    struct client_record record = CLIENT_RECORD;
    int fd;
    ws_client *client = open_with(listener, &record, "1M", &fd);
    uint32_t sent = 0;
    for (int round = 1; round <= 3; round++) {
        int drains = count_of(&record.base, &record.drains);
        uint32_t taken = push_until_full(client, sent);
        CHECK(taken > 0);
        CHECK(ws_client_queued_bytes(client) <= (1 << 20) + SIZE);
        expect_numbers(fd, sent, taken);
        sent += taken;
        WAIT_CLIENT(&record, drains, drains + 1); /* the kernel may have made room before anything was read */
    }
    CHECK_OK(ws_client_push(client, "room again", 10, WS_TEXT));
    EXPECT_FROM_CLIENT(fd, "room again");
    CHECK_INT(0, record.closes);
    close(fd);
    EXPECT_CLOSED(client, &record, 1006);
}

/* A close goes out behind all that waits; one that never reads is cut. */
static void closed_behind_what_waits(const struct listener *listener)
{
    struct client_record record = CLIENT_RECORD;
    int fd;
    ws_client *client = open_with(listener, &record, "1M", &fd);
    uint32_t taken = push_until_full(client, 0);
    CHECK_OK(ws_client_close(client, 1000, NULL, 0));
    expect_numbers(fd, 0, taken);
    EXPECT_CLOSE_FROM_CLIENT(fd, 1000);
    send_close_to_client(fd, 1000, "");
    close(fd);
    EXPECT_CLOSED(client, &record, 1000);
}

static void never_read(const struct listener *listener)
{
    struct client_record record = CLIENT_RECORD;
    ws_client *client = recorded_client(listener->url, &record);
    CHECK_OK(ws_client_set(client, "max_queued_bytes", "1M"));
    CHECK_OK(ws_client_set(client, "close_timeout", "300ms"));
    CHECK_OK(ws_client_start(client));
    int fd = OPEN_NEXT(listener);
    WAIT_CLIENT(&record, opens, 1);
    push_until_full(client, 0);
    CHECK_OK(ws_client_close(client, 1000, NULL, 0));
    EXPECT_CLOSED(client, &record, 1006);
    EXPECT_CUT(fd);
}

/* Paused, it takes nothing: TCP slows the server down. */
static void paused(const struct listener *listener)
{
    static char message[SIZE];
    struct client_record record = CLIENT_RECORD;
    int fd, bytes = 64 * 1024;
    ws_client *client = open_with(listener, &record, "1M", &fd);
    CHECK_INT(0, setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes));
    CHECK_OK(ws_client_pause(client));
    CHECK_OK(ws_client_push(client, "paused", 6, WS_TEXT)); /* behind that */
    EXPECT_FROM_CLIENT(fd, "paused");
    unsigned char *frame = malloc(10 + SIZE);
    CHECK(frame != NULL);
    size_t length = write_unmasked(frame, FIN | BINARY, message, SIZE);
    int64_t most = 64 << 20, sent = stuff(fd, frame, length, most);
    CHECK(sent < most);
    CHECK_INT(0, count_of(&record.base, &record.messages));
    CHECK_OK(ws_client_push(client, "it still sends", 14, WS_TEXT));
    EXPECT_FROM_CLIENT(fd, "it still sends");
    CHECK_OK(ws_client_resume(client));
    WAIT_CLIENT(&record, messages, (int)(sent / (int64_t)length));
    free(frame);
    close(fd);
    EXPECT_CLOSED(client, &record, 1006);
}

int main(void)
{
    begin();
    struct listener listener = new_listener();
    refused_and_told(&listener);
    closed_behind_what_waits(&listener);
    never_read(&listener);
    paused(&listener);
    close(listener.fd);
    return 0;
}
