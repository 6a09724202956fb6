/* Poll mode in numbers, and pushes with their arguments in a structure: what scripting hosts use. */
#include "harness.h"

/* A message or another event, whichever way its batch tells it. */
struct told {
    ws_conn conn;
    int type, code, packed;
    const unsigned char *data;
    size_t length;
    const ws_request *request;
};

struct packed {
    ws_server *server;
    ws_batch batch;
    int count, next;
    const uint64_t *numbers; /* where those of the first batch were */
};

static struct told next_event(struct packed *packed)
{
    const ws_batch *batch = &packed->batch;
    while (packed->next == packed->count) {
        packed->batch.size = sizeof packed->batch;
        packed->count = ws_server_poll_packed(packed->server, &packed->batch, scaled(10000, 60000));
        packed->next = 0;
        CHECK(packed->count > 0);
        CHECK_INT(sizeof packed->batch, batch->size);
        if (packed->numbers == NULL)
            packed->numbers = batch->numbers;
        CHECK(packed->numbers == batch->numbers);
    }
    const uint64_t *four = batch->numbers + 4 * (size_t)packed->next++;
    struct told told = {.conn = four[0]};
    if (four[1] != 0) {
        CHECK(four[2] <= batch->payloads_length && four[3] <= batch->payloads_length - four[2]);
        told.packed = 1;
        told.type = WS_EVENT_MESSAGE;
        told.code = (int)four[1];
        told.data = (const unsigned char *)batch->payloads + four[2];
        told.length = four[3];
        return told;
    }
    const ws_event *event = batch->others + four[2];
    CHECK(event->conn == told.conn && four[3] == 0);
    told.type = event->type;
    told.code = event->code;
    told.data = event->data;
    told.length = event->length;
    told.request = event->request;
    return told;
}

static void nothing_to_take(ws_server *server)
{
    ws_batch batch = {.size = sizeof batch};
    CHECK_INT(0, ws_server_poll_packed(server, &batch, 0));
    CHECK(batch.numbers == NULL && batch.payloads == NULL && batch.others == NULL); /* written only on success */
}

static void the_life_of_a_connection(struct packed *packed, int port)
{
    int fd = client_connect(port);
    send_upgrade(fd, "/room?number=7");
    expect_upgrade(fd);
    struct told told = next_event(packed);
    ws_conn conn = told.conn;
    CHECK(conn > 0 && told.type == WS_EVENT_OPEN && told.data == NULL && told.length == 0);
    CHECK_STRING("/room?number=7", ws_request_target(told.request));

    send_message(fd, "text");
    send_frame(fd, FIN | BINARY, "\0\1\2", 3);
    send_frame(fd, FIN | BINARY, "", 0);
    send_close(fd, 4321, "enough");
    told = next_event(packed);
    CHECK(told.packed && told.conn == conn && told.code == WS_TEXT && told.length == 4);
    CHECK(memcmp(told.data, "text", 4) == 0);
    told = next_event(packed);
    CHECK(told.packed && told.conn == conn && told.code == WS_BINARY && told.length == 3);
    CHECK(memcmp(told.data, "\0\1\2", 3) == 0);
    told = next_event(packed);
    CHECK(told.packed && told.conn == conn && told.code == WS_BINARY && told.length == 0);
    told = next_event(packed);
    CHECK(told.conn == conn && told.type == WS_EVENT_CLOSE && told.code == 4321 && told.length == 6);
    CHECK(memcmp(told.data, "enough", 6) == 0);
    CHECK_INT(0, ws_server_poll_packed(packed->server, &packed->batch, 0)); /* the host is done with its last message */
    EXPECT_CLOSE(fd, 4321);
    EXPECT_END(fd);
}

static void a_plain_request(struct packed *packed, int port)
{
    static const char request[] = "GET /page HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    char head[1024];
    int fd = client_connect(port);
    send_bytes(fd, request, sizeof request - 1);
    struct told told = next_event(packed);
    CHECK(told.type == WS_EVENT_REQUEST && told.length == 0);
    CHECK_STRING("/page", ws_request_path(told.request));
    CHECK_OK(ws_respond(packed->server, told.conn, 204, NULL, NULL, 0));
    CHECK_INT(204, receive_head(fd, head, sizeof head));
    EXPECT_END(fd);
}

static const size_t lengths[] = {20, 0, 125, 126, 2047, 2048, 2049, 16384, 65536, 65537, 1, 300000, 5};
enum { LENGTHS = sizeof lengths / sizeof *lengths, LONGEST = 300000 };

static void fill(unsigned char *payload, size_t number)
{
    for (size_t i = 0; i < lengths[number]; i++)
        payload[i] = (unsigned char)(number * 31 + i * 7 + i / 251);
}

/* Small and large ones together, in order, whole, and sent back from where they lie. */
static void messages_of_all_lengths(struct packed *packed, int port)
{
    unsigned char *payload = malloc(LONGEST);
    CHECK(payload != NULL);
    int fd = client_open(port), alone = 0;
    ws_conn conn = next_event(packed).conn;
    ws_push_arguments arguments = {.server = packed->server, .conn = conn, .opcode = WS_BINARY};
    for (size_t number = 0; number < LENGTHS; number++) {
        fill(payload, number);
        send_frame(fd, FIN | BINARY, payload, lengths[number]);
    }
    for (size_t number = 0; number < LENGTHS; number++) {
        struct told told = next_event(packed);
        fill(payload, number);
        CHECK(told.conn == conn && told.type == WS_EVENT_MESSAGE && told.code == WS_BINARY);
        CHECK_INT(lengths[number], told.length);
        CHECK(memcmp(payload, told.data, told.length) == 0);
        alone += !told.packed;
        arguments.length = told.length;
        CHECK_OK(ws_push_with(&arguments, told.data));
    }
    CHECK(alone > 0 && alone < LENGTHS); /* told in both ways */
    for (size_t number = 0; number < LENGTHS; number++) {
        fill(payload, number);
        EXPECT_FRAME(fd, FIN | BINARY, payload, lengths[number]);
    }
    free(payload);
    close(fd);
    CHECK_INT(1006, next_event(packed).code);
}

/* Numbers and payloads stay while the host works on them, whatever arrives in the meantime. */
static void a_batch_stays_valid(struct packed *packed, int port)
{
    int fd = client_open(port);
    ws_conn conn = next_event(packed).conn;
    send_message(fd, "first");
    struct told told = next_event(packed);
    for (int i = 0; i < 100; i++)
        send_message(fd, "other");
    send_frame(fd, FIN | PING, "all there?", 10);
    EXPECT_FRAME(fd, FIN | PONG, "all there?", 10); /* the engine has read them all */
    CHECK(told.conn == conn && told.length == 5 && memcmp(told.data, "first", 5) == 0);
    CHECK(packed->batch.numbers[0] == conn && packed->batch.numbers[3] == 5);
    for (int i = 0; i < 100; i++)
        CHECK(memcmp(next_event(packed).data, "other", 5) == 0);
    close(fd);
    CHECK_INT(1006, next_event(packed).code);
}

/* Both ways to poll may be mixed. */
static void with_whole_events_in_between(struct packed *packed, int port)
{
    const ws_event *events;
    int fd = client_open(port);
    CHECK_INT(1, ws_server_poll(packed->server, &events, -1));
    CHECK_INT(WS_EVENT_OPEN, events[0].type);
    send_message(fd, "in numbers");
    CHECK(next_event(packed).packed);
    send_message(fd, "in a structure");
    CHECK_INT(1, ws_server_poll(packed->server, &events, -1));
    CHECK(events[0].type == WS_EVENT_MESSAGE && events[0].length == 14);
    close(fd);
    CHECK_INT(1006, next_event(packed).code);
}

static void pushes(struct packed *packed, int port)
{
    int fd = client_open(port);
    ws_push_arguments arguments = {.server = packed->server, .conn = next_event(packed).conn, .opcode = WS_TEXT};
    CHECK_OK(ws_push_with(&arguments, NULL)); /* no bytes need no pointer */
    arguments.length = 3;
    CHECK_OK(ws_push_with(&arguments, "one"));
    CHECK_STATUS(WS_ERR_UTF8, ws_push_with(&arguments, "ab\xff"));
    CHECK_STATUS(WS_ERR_NULL, ws_push_with(&arguments, NULL));
    CHECK_CONTAINS("data", ws_last_error());
    arguments.opcode = 8;
    CHECK_STATUS(WS_ERR_ARGUMENT, ws_push_with(&arguments, "one"));
    arguments.opcode = WS_BINARY;
    CHECK_OK(ws_push_with(&arguments, "\0\xff\0"));
    EXPECT_MESSAGE(fd, "");
    EXPECT_MESSAGE(fd, "one");
    EXPECT_FRAME(fd, FIN | BINARY, "\0\xff\0", 3);
    close(fd);
    CHECK_INT(1006, next_event(packed).code);
    /* The host may still answer what came before, until it calls for the next events. */
    CHECK_INT(0, ws_server_poll_packed(packed->server, &packed->batch, 0));
    STATS_WHEN(packed->server, connections_open, 0);
    CHECK_STATUS(WS_ERR_CLOSED, ws_push_with(&arguments, "two"));
    CHECK_OK(ws_server_stop(packed->server, 0));
    CHECK_STATUS(WS_ERR_STOPPED, ws_server_poll_packed(packed->server, &packed->batch, -1));
    CHECK_OK(ws_server_free(packed->server));
    CHECK_STATUS(WS_ERR_HANDLE, ws_push_with(&arguments, "two"));
    CHECK_STATUS(WS_ERR_HANDLE, ws_server_poll_packed(packed->server, &packed->batch, -1));
}

int main(void)
{
    struct packed packed = {0};
    begin();
    packed.server = new_server();
    /* Each message may come in a batch of its own, and those that wait then count for much more than they carry. */
    CHECK_OK(ws_server_set(packed.server, "max_event_bytes", "16M"));
    int port = start(packed.server);
    nothing_to_take(packed.server);
    the_life_of_a_connection(&packed, port);
    a_plain_request(&packed, port);
    messages_of_all_lengths(&packed, port);
    a_batch_stays_valid(&packed, port);
    with_whole_events_in_between(&packed, port);
    pushes(&packed, port);
    return 0;
}
