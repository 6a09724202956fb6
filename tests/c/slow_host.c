/* Poll mode with a host that does not poll: whatever the peers do meanwhile, what waits for the host is bounded. When
 * the host comes, nothing is lost, and nobody was timed out for having waited. */
#include "harness.h"

enum { ENOUGH = 10 * 1024 * 1024 };

static ws_server *server_with(const char *max_event_bytes)
{
    ws_server *server = new_server();
    CHECK_OK(ws_server_set(server, "max_event_bytes", max_event_bytes));
    return server;
}

static int readable(int fd, int timeout_ms)
{
    struct pollfd answer = {.fd = fd, .events = POLLIN};
    return poll(&answer, 1, timeout_ms);
}

static void send_long_upgrade(int fd)
{
    char request[8192], pad[7001];
    memset(pad, 'p', sizeof pad - 1);
    pad[sizeof pad - 1] = '\0';
    snprintf(request, sizeof request, "GET / HTTP/1.1\r\n" UPGRADE_LINES "X-Pad: %s\r\n\r\n", pad);
    send_text(fd, request);
}

/* Takes events until as many connections have closed as have opened, at least this many, and nothing more waits. */
static void take_comings_and_goings(ws_server *server, int at_least)
{
    const ws_event *events;
    int opens = 0, closes = 0, count;
    int64_t deadline = now_ms() + scaled(10000, 60000);
    do {
        CHECK(now_ms() < deadline);
        count = ws_server_poll(server, &events, 50);
        CHECK(count >= 0);
        for (int i = 0; i < count; i++) {
            CHECK(events[i].type == WS_EVENT_OPEN || events[i].type == WS_EVENT_CLOSE);
            *(events[i].type == WS_EVENT_OPEN ? &opens : &closes) += 1;
        }
    } while (count > 0 || opens < at_least || closes < opens || stats_of(server).connections_open > 0);
    CHECK_INT(opens, closes);
}

/* Connections that open with a long request and are reset. */
static void comings_and_goings(void)
{
    enum { BEYOND = 200 };
    struct poller poller = {.server = server_with("1M")};
    int port = start(poller.server), most = scaled(6000, 600), opened = 0;
    int64_t before = resident_bytes();
    for (; opened < most; opened++) {
        int fd = client_connect(port);
        send_long_upgrade(fd);
        int answered = readable(fd, scaled(300, 3000));
        reset(fd);
        if (answered == 0)
            break; /* the host is too far behind for more */
    }
    if (!under_valgrind())
        CHECK(resident_bytes() - before < ENOUGH);
    CHECK(opened >= 10 && opened < most);
    CHECK(stats_of(poller.server).host_paused > 0);
    for (int i = 0; i < BEYOND; i++) {
        int fd = client_connect(port);
        send_long_upgrade(fd);
        reset(fd);
    }
    if (!under_valgrind())
        CHECK(resident_bytes() - before < ENOUGH);
    CHECK_INT(0, stats_of(poller.server).connections_refused);

    take_comings_and_goings(poller.server, opened);
    int fd = client_open(port);
    EXPECT_EVENT(&poller, WS_EVENT_OPEN);
    send_message(fd, "as if nothing had been");
    EXPECT_EVENT(&poller, WS_EVENT_MESSAGE);
    stop_and_free(poller.server);
    close(fd);
}

/* Who has asked, or has begun to, waits as long as the host makes them wait. */
static void request_timeout_stands_still(void)
{
    enum { TIMEOUT = 400, SLOW_TIMEOUT = 4000, CHUNK = 16 * 1024 };
    static unsigned char chunk[CHUNK];
    char head[1024];
    struct poller poller = {.server = server_with("256K")};
    size_t total;
    CHECK_OK(ws_server_set(poller.server, "request_timeout", under_valgrind() ? "4s" : "400ms"));
    int port = start(poller.server), busy = client_open(port);
    EXPECT_EVENT(&poller, WS_EVENT_OPEN);
    int began = client_connect(port), half = client_connect(port), opens = 0, messages = 0, sent = 0;
    send_text(began, "GET / HTTP/1.1\r\n");
    send_text(half, "GET / HTTP/1.1\r\n");
    int64_t deadline = now_ms() + scaled(10000, 60000);
    for (; stats_of(poller.server).connections_open < 3; give_way())
        CHECK(now_ms() < deadline);
    unsigned char *frame = make_frame(FIN | BINARY, chunk, CHUNK, 7, &total);
    for (; stats_of(poller.server).host_paused == 0; sent++)
        send_bytes(busy, frame, total);
    free(frame);

    int late = client_connect(port);
    send_upgrade(late, "/");
    send_text(began, UPGRADE_LINES "\r\n");
    struct pollfd waiting[] = {{.fd = late, .events = POLLIN}, {.fd = began, .events = POLLIN},
                               {.fd = half, .events = POLLIN}};
    CHECK_INT(0, poll(waiting, 3, 2 * scaled(TIMEOUT, SLOW_TIMEOUT)));
    while (opens < 2 || messages < sent) {
        const ws_event *events;
        int count = ws_server_poll(poller.server, &events, scaled(10000, 60000));
        CHECK(count > 0);
        for (int i = 0; i < count; i++) {
            CHECK(events[i].type == WS_EVENT_OPEN || events[i].type == WS_EVENT_MESSAGE);
            *(events[i].type == WS_EVENT_OPEN ? &opens : &messages) += 1;
        }
    }
    expect_upgrade(began);
    expect_upgrade(late);
    CHECK_INT(0, stats_of(poller.server).requests_timed_out);
    CHECK_INT(408, receive_head(half, head, sizeof head)); /* from now on its time counts again */
    stop_and_free(poller.server);
    close(busy);
    close(began);
    close(half);
    close(late);
}

/* Each message comes in a packet of its own, and so in a batch of its own: the batches count, too. */
static void one_small_message_at_a_time(void)
{
    int most = scaled(30000, 3000), number = 0, paused = 0;
    struct poller poller = {.server = server_with("1M")};
    int fd = client_open(start(poller.server));
    EXPECT_EVENT(&poller, WS_EVENT_OPEN);
    int64_t before = resident_bytes(), deadline = now_ms() + scaled(20000, 120000);
    for (; number < most; number++) {
        ws_stats stats;
        unsigned char frame[16];
        size_t head = write_head(frame, FIN | BINARY, sizeof number, 0);
        struct pollfd room = {.fd = fd, .events = POLLOUT};
        memcpy(frame + head, &number, sizeof number);
        if (poll(&room, 1, scaled(200, 1000)) != 1)
            break; /* the kernel takes no more, either */
        send_bytes(fd, frame, head + sizeof number);
        while (!paused && (stats = stats_of(poller.server), stats.messages_in <= (uint64_t)number)) {
            CHECK(now_ms() < deadline);
            paused = stats.host_paused > 0;
            sched_yield();
        }
    }
    if (!under_valgrind())
        CHECK(resident_bytes() - before < ENOUGH);
    for (int i = 0; i < number; i++) {
        const ws_event *event = EXPECT_EVENT(&poller, WS_EVENT_MESSAGE);
        CHECK_INT(sizeof i, event->length);
        CHECK(memcmp(event->data, &i, sizeof i) == 0);
    }
    stop_and_free(poller.server);
    close(fd);
}

/* Small messages that come one by one while the host is away count for what they are, and reading goes on. */
static void small_messages_are_small(void)
{
    int count = scaled(3000, 300);
    struct poller poller = {.server = server_with("1M")};
    int fd = client_open(start(poller.server));
    EXPECT_EVENT(&poller, WS_EVENT_OPEN);
    for (int i = 0; i < count; i++) {
        char text[21];
        snprintf(text, sizeof text, "message %012d", i);
        send_message(fd, text);
        for (int64_t deadline = now_ms() + scaled(10000, 60000); stats_of(poller.server).messages_in <= (uint64_t)i;) {
            CHECK(now_ms() < deadline);
            sched_yield();
        }
    }
    CHECK_INT(0, stats_of(poller.server).host_paused);
    for (int i = 0; i < count; i++) {
        const ws_event *event = EXPECT_EVENT(&poller, WS_EVENT_MESSAGE);
        char text[21];
        CHECK_INT(sizeof text - 1, event->length);
        memcpy(text, event->data, event->length);
        text[event->length] = '\0';
        CHECK_INT(i, atoi(text + 8));
    }
    stop_and_free(poller.server);
    close(fd);
}

/* Messages without a payload are not free, either, and many fit into one packet. */
static void empty_messages(void)
{
    enum { CLIENTS = 12, EACH = 40000, SLOW_EACH = 4000, LENGTH = 6 };
    static unsigned char frames[EACH * LENGTH];
    struct poller poller = {.server = server_with("1M")};
    int port = start(poller.server), clients[CLIENTS], each = scaled(EACH, SLOW_EACH);
    int64_t sent = 0, taken = 0, deadline = now_ms() + scaled(10000, 100000);
    for (int i = 0; i < EACH; i++)
        write_head(frames + i * LENGTH, FIN | BINARY, 0, 0);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = client_open(port);
        EXPECT_EVENT(&poller, WS_EVENT_OPEN);
    }
    int64_t before = resident_bytes();
    for (int i = 0; i < CLIENTS; i++)
        sent += stuff(clients[i], frames, sizeof frames, each * LENGTH) / LENGTH;
    CHECK(sent >= each);
    for (; !under_valgrind() && stats_of(poller.server).host_paused == 0; give_way())
        CHECK(now_ms() < deadline);
    if (!under_valgrind())
        CHECK(resident_bytes() - before < ENOUGH);
    while (taken < sent) {
        const ws_event *events;
        int count = ws_server_poll(poller.server, &events, scaled(10000, 60000));
        CHECK(count > 0);
        for (int i = 0; i < count; i++)
            CHECK(events[i].type == WS_EVENT_MESSAGE && events[i].length == 0);
        taken += count;
        if (!under_valgrind())
            CHECK(resident_bytes() - before < ENOUGH);
    }
    CHECK_INT(sent, taken);
    stop_and_free(poller.server);
    for (int i = 0; i < CLIENTS; i++)
        close(clients[i]);
}

int main(void)
{
    begin();
    comings_and_goings();
    request_timeout_stands_still();
    one_small_message_at_a_time();
    small_messages_are_small();
    empty_messages();
    return 0;
}
