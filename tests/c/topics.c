/* Topics: what is published reaches those who are subscribed at that moment, in order, and nobody else. */
#include "harness.h"

enum { CLIENTS = 6 };

static void publish(ws_server *server, const char *topic, const char *text, ws_conn except, int receivers)
{
    CHECK_INT(receivers, ws_publish(server, topic, text, strlen(text), WS_TEXT, except));
}

/* Subscribes whoever opens to "everyone". */
static void welcome(ws_server *server, ws_conn conn, const ws_request *request, void *user_data)
{
    CHECK_OK(ws_subscribe(server, conn, "everyone"));
    record_open(server, conn, request, user_data);
}

static void to_subscribers(const char *reactors)
{
    struct record record = RECORD;
    int clients[CLIENTS];
    ws_conn ids[CLIENTS];
    ws_server *server = recorded_server(&record, echo_message);
    CHECK_OK(ws_server_on_open(server, welcome, &record));
    CHECK_OK(ws_server_set(server, "reactors", reactors));
    int port = start(server);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = client_open(port);
        WAIT_FOR(&record, opens, i + 1);
        ids[i] = record.conn;
        CHECK_OK(ws_subscribe(server, ids[i], i % 2 == 0 ? "even" : "odd"));
        CHECK_OK(ws_subscribe(server, ids[i], i % 2 == 0 ? "even" : "odd")); /* once more is still once */
        CHECK_INT(2, ws_conn_topics(server, ids[i]));
    }
    CHECK_INT(CLIENTS, ws_topic_subscribers(server, "everyone"));
    CHECK_INT(CLIENTS / 2, ws_topic_subscribers(server, "odd"));
    CHECK_INT(0, ws_topic_subscribers(server, "nobody"));

    publish(server, "even", "to the even", 0, CLIENTS / 2);
    publish(server, "odd", "not to the second", ids[1], CLIENTS / 2 - 1);
    publish(server, "odd", "to the odd", ids[0], CLIENTS / 2); /* who is no subscriber */
    publish(server, "nobody", "to nobody", 0, 0);
    CHECK_OK(ws_unsubscribe(server, ids[0], "even")); /* after it was published */
    CHECK_OK(ws_unsubscribe(server, ids[0], "even"));
    CHECK_OK(ws_unsubscribe(server, ids[0], "never subscribed"));
    publish(server, "even", "without the first", 0, CLIENTS / 2 - 1);
    publish(server, "everyone", "the end", 0, CLIENTS);
    for (int i = 0; i < CLIENTS; i++) {
        if (i % 2 == 0)
            EXPECT_MESSAGE(clients[i], "to the even");
        else if (i != 1)
            EXPECT_MESSAGE(clients[i], "not to the second");
        if (i % 2 == 1)
            EXPECT_MESSAGE(clients[i], "to the odd");
        else if (i != 0)
            EXPECT_MESSAGE(clients[i], "without the first");
        EXPECT_MESSAGE(clients[i], "the end");
    }

    send_close(clients[2], 1000, ""); /* who closes leaves, and so does who is cut */
    reset(clients[3]);
    WAIT_FOR(&record, closes, 2);
    CHECK_INT(CLIENTS - 2, ws_topic_subscribers(server, "everyone"));
    CHECK_INT(0, ws_conn_topics(server, ids[2]));
    CHECK_STATUS(WS_ERR_CLOSED, ws_subscribe(server, ids[3], "everyone"));
    CHECK_OK(ws_unsubscribe(server, ids[3], "everyone"));
    publish(server, "odd", "still here", 0, CLIENTS / 2 - 1);
    EXPECT_MESSAGE(clients[1], "still here");
    EXPECT_MESSAGE(clients[5], "still here");
    CHECK_OK(ws_server_free(server));
    for (int i = 0; i < CLIENTS; i++)
        if (i != 3)
            close(clients[i]);
}

/* What one thread publishes, pushes and broadcasts arrives in its order. */
static void in_order_with_pushes(void)
{
    struct record record = RECORD;
    char text[16];
    ws_server *server = recorded_server(&record, record_message);
    int fd = client_open(start(server));
    WAIT_FOR(&record, opens, 1);
    CHECK_OK(ws_subscribe(server, record.conn, "numbers"));
    for (int i = 0; i < 600; i++) {
        size_t length = (size_t)snprintf(text, sizeof text, "%d", i);
        if (i % 3 == 0)
            CHECK_OK(ws_push(server, record.conn, text, length, WS_TEXT));
        else if (i % 3 == 1)
            CHECK_INT(1, ws_publish(server, "numbers", text, length, WS_TEXT, 0));
        else
            CHECK_OK(ws_broadcast(server, text, length, WS_TEXT));
    }
    for (int i = 0; i < 600; i++) {
        snprintf(text, sizeof text, "%d", i);
        EXPECT_MESSAGE(fd, text);
    }
    CHECK_OK(ws_server_free(server));
    close(fd);
}

enum { PUBLISHERS = 4 };

struct publisher {
    ws_server *server;
    ws_conn restless;
    int number, count;
};

/* Publishes numbers, and has a connection come and go meanwhile. */
static void *publish_numbers(void *argument)
{
    const struct publisher *publisher = argument;
    for (int i = 0; i < publisher->count; i++) {
        char text[32];
        size_t length = (size_t)snprintf(text, sizeof text, "%d %d", publisher->number, i);
        int receivers = ws_publish(publisher->server, "numbers", text, length, WS_TEXT, 0);
        CHECK(receivers == 1 || receivers == 2);
        CHECK_OK((i % 2 == 0 ? ws_subscribe : ws_unsubscribe)(publisher->server, publisher->restless, "numbers"));
    }
    return NULL;
}

static void from_many_threads(void)
{
    struct record record = RECORD;
    struct publisher publishers[PUBLISHERS];
    pthread_t threads[PUBLISHERS];
    int next[PUBLISHERS] = {0}, count = scaled(2000, 100);
    ws_server *server = recorded_server(&record, record_message);
    int port = start(server), steady = client_open(port);
    WAIT_FOR(&record, opens, 1);
    CHECK_OK(ws_subscribe(server, record.conn, "numbers"));
    int restless = client_open(port);
    WAIT_FOR(&record, opens, 2);
    for (int i = 0; i < PUBLISHERS; i++) {
        publishers[i] = (struct publisher){server, record.conn, i, count};
        threads[i] = spawn(publish_numbers, &publishers[i]);
    }
    for (int i = 0; i < PUBLISHERS * count; i++) {
        int number, value;
        struct frame frame = receive_frame(steady);
        CHECK_INT(2, sscanf((char *)frame.data, "%d %d", &number, &value));
        CHECK(number >= 0 && number < PUBLISHERS);
        CHECK_INT(next[number]++, value);
        frame_free(&frame);
    }
    for (int i = 0; i < PUBLISHERS; i++)
        join(threads[i]);
    CHECK_OK(ws_server_free(server));
    close(steady);
    close(restless);
}

/* One subscriber does not read. It misses what its queue has no room for, which is counted, and nobody else misses a byte. */
static void with_one_stalled(void)
{
    enum { CHUNK = 32 * 1024, MANY = 400 };
    static char chunk[CHUNK];
    struct record record = RECORD;
    int clients[CLIENTS];
    ws_server *server = recorded_server(&record, record_message);
    CHECK_OK(ws_server_set(server, "max_queued_bytes", "256K"));
    int port = start(server);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = client_open(port);
        WAIT_FOR(&record, opens, i + 1);
        CHECK_OK(ws_subscribe(server, record.conn, "news"));
    }
    for (int k = 0; k < MANY; k++) {
        snprintf(chunk, sizeof chunk, "%d", k);
        CHECK_INT(CLIENTS, ws_publish(server, "news", chunk, CHUNK, WS_BINARY, 0));
        for (int i = 1; i < CLIENTS; i++)
            EXPECT_FRAME(clients[i], FIN | BINARY, chunk, CHUNK);
    }
    int64_t deadline = now_ms() + scaled(10000, 60000);
    ws_stats stats = stats_of(server);
    for (; stats.messages_out + stats.pushes_refused < CLIENTS * MANY; give_way(), stats = stats_of(server))
        CHECK(now_ms() < deadline); /* the stalled one may come last */
    CHECK(stats.pushes_refused > 0);
    CHECK_OK(ws_server_free(server));
    for (int i = 0; i < CLIENTS; i++)
        close(clients[i]);
}

/* Topics are cheap in number, and gone with their subscribers. */
static void a_great_many(void)
{
    struct record record = RECORD;
    char name[32];
    int of_one = scaled(1000, 50), connections = 100, clients[100];
    ws_conn ids[100];
    ws_server *server = recorded_server(&record, record_message);
    CHECK_OK(ws_server_set(server, "max_topics", "1001"));
    int port = start(server);
    for (int i = 0; i < connections; i++) {
        clients[i] = client_open(port);
        WAIT_FOR(&record, opens, i + 1);
        ids[i] = record.conn;
        CHECK_OK(ws_subscribe(server, ids[i], "all"));
        for (int k = 0; k < of_one; k++) {
            snprintf(name, sizeof name, "%d of %d", k, i);
            CHECK_OK(ws_subscribe(server, ids[i], name));
        }
    }
    CHECK_INT(of_one + 1, ws_conn_topics(server, ids[7]));
    publish(server, "3 of 7", "one of very many", 0, 1);
    EXPECT_MESSAGE(clients[7], "one of very many");
    for (int i = 0; i < connections; i++)
        close(clients[i]);
    WAIT_FOR(&record, closes, connections);
    CHECK_INT(0, ws_topic_subscribers(server, "all"));
    CHECK_INT(0, ws_topic_subscribers(server, "3 of 7"));
    CHECK_OK(ws_server_free(server));
}

static void bad_use(void)
{
    struct record record = RECORD;
    static char name[257];
    ws_server *server = recorded_server(&record, record_message);
    memset(name, 'n', 256);
    CHECK_OK(ws_server_set(server, "max_topics", "2"));
    CHECK_STATUS(WS_ERR_STATE, ws_subscribe(server, 1, "early"));
    CHECK_STATUS(WS_ERR_STATE, ws_publish(server, "early", "x", 1, WS_TEXT, 0));
    int fd = client_open(start(server));
    WAIT_FOR(&record, opens, 1);
    CHECK_STATUS(WS_ERR_ARGUMENT, ws_subscribe(server, record.conn, name));
    CHECK_CONTAINS("256 bytes", ws_last_error());
    CHECK_STATUS(WS_ERR_ARGUMENT, ws_unsubscribe(server, record.conn, ""));
    CHECK_STATUS(WS_ERR_ARGUMENT, ws_topic_subscribers(server, ""));
    CHECK_STATUS(WS_ERR_UTF8, ws_subscribe(server, record.conn, "\xff"));
    CHECK_STATUS(WS_ERR_NULL, ws_subscribe(server, record.conn, NULL));
    CHECK_STATUS(WS_ERR_CLOSED, ws_subscribe(server, record.conn + 1, "nobody's"));
    CHECK_STATUS(WS_ERR_CLOSED, ws_subscribe(server, 0, "nobody's"));
    name[255] = '\0';
    CHECK_OK(ws_subscribe(server, record.conn, name));
    CHECK_OK(ws_subscribe(server, record.conn, "second"));
    CHECK_STATUS(WS_ERR_LIMIT, ws_subscribe(server, record.conn, "third"));
    CHECK_CONTAINS("max_topics", ws_last_error());
    CHECK_OK(ws_subscribe(server, record.conn, "second"));
    CHECK_INT(2, ws_conn_topics(server, record.conn));

    CHECK_STATUS(WS_ERR_ARGUMENT, ws_publish(server, "", "x", 1, WS_TEXT, 0));
    CHECK_STATUS(WS_ERR_ARGUMENT, ws_publish(server, "second", "x", 1, 9, 0));
    CHECK_STATUS(WS_ERR_UTF8, ws_publish(server, "second", "\xff", 1, WS_TEXT, 0));
    CHECK_STATUS(WS_ERR_UTF8, ws_publish(server, "\xff", "x", 1, WS_TEXT, 0));
    CHECK_STATUS(WS_ERR_NULL, ws_publish(server, NULL, "x", 1, WS_TEXT, 0));
    CHECK_STATUS(WS_ERR_NULL, ws_publish(server, "second", NULL, 1, WS_TEXT, 0));
    CHECK_INT(1, ws_publish(server, "second", NULL, 0, WS_TEXT, 0));
    EXPECT_MESSAGE(fd, "");
    CHECK_OK(ws_server_stop(server, 1000));
    CHECK_STATUS(WS_ERR_CLOSED, ws_subscribe(server, record.conn, "late"));
    CHECK_INT(0, ws_publish(server, "second", "late", 4, WS_TEXT, 0));
    CHECK_OK(ws_server_free(server));
    CHECK_STATUS(WS_ERR_HANDLE, ws_publish(server, "second", "x", 1, WS_TEXT, 0));
    close(fd);
}

/* A host that polls: each message goes to all others in the room. */
static void in_poll_mode(void)
{
    struct poller poller = {.server = new_server()};
    int port = start(poller.server), clients[CLIENTS];
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = client_open(port);
        CHECK_OK(ws_subscribe(poller.server, EXPECT_EVENT(&poller, WS_EVENT_OPEN)->conn, "room"));
    }
    for (int from = 0; from < CLIENTS; from++) {
        char text[16];
        snprintf(text, sizeof text, "from %d", from);
        send_message(clients[from], text);
        const ws_event *event = EXPECT_EVENT(&poller, WS_EVENT_MESSAGE);
        CHECK_OK(ws_push(poller.server, event->conn, "thanks", 6, WS_TEXT));
        CHECK_INT(CLIENTS - 1, ws_publish(poller.server, "room", event->data, event->length, WS_TEXT, event->conn));
        CHECK_INT(0, ws_server_poll(poller.server, &poller.events, 0)); /* and so done with the batch */
        for (int i = 0; i < CLIENTS; i++)
            EXPECT_MESSAGE(clients[i], i == from ? "thanks" : text);
    }
    stop_and_free(poller.server);
    for (int i = 0; i < CLIENTS; i++)
        close(clients[i]);
}

/* In poll mode, a peer that has closed gets what the host publishes in answer to what came before. */
static void until_the_host_knows(void)
{
    struct poller poller = {.server = new_server()};
    int fd = client_open(start(poller.server));
    ws_conn conn = EXPECT_EVENT(&poller, WS_EVENT_OPEN)->conn;
    CHECK_OK(ws_subscribe(poller.server, conn, "room"));
    size_t first, second;
    unsigned char both[64], *message = make_frame(FIN | TEXT, "last words", 10, 7, &first);
    unsigned char *end = make_frame(FIN | CLOSE, "\x03\xe8", 2, 7, &second);
    memcpy(both, message, first);
    memcpy(both + first, end, second);
    send_bytes(fd, both, first + second);
    free(message);
    free(end);
    EXPECT_EVENT(&poller, WS_EVENT_MESSAGE);
    CHECK_INT(1, ws_publish(poller.server, "room", "an answer", 9, WS_TEXT, 0));
    EXPECT_EVENT(&poller, WS_EVENT_CLOSE);
    CHECK_INT(0, ws_server_poll(poller.server, &poller.events, 0));
    EXPECT_MESSAGE(fd, "an answer");
    EXPECT_CLOSE(fd, 1000);
    CHECK_INT(0, ws_conn_topics(poller.server, conn));
    CHECK_INT(0, ws_publish(poller.server, "room", "too late", 8, WS_TEXT, 0));
    stop_and_free(poller.server);
    close(fd);
}

int main(void)
{
    begin();
    until_the_host_knows();
    to_subscribers("1");
    to_subscribers("3");
    in_order_with_pushes();
    from_many_threads();
    with_one_stalled();
    a_great_many();
    bad_use();
    in_poll_mode();
    return 0;
}
