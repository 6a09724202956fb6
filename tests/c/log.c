/* What the engine has to say, and to whom. */
#include "harness.h"

#include <fcntl.h>
#include <sys/resource.h>

/* What was told, oldest first. */
struct told {
    struct record record; /* `requests` counts the messages */
    int levels[400];
    char messages[400][200];
};

static void on_log(ws_server *server, int level, const char *message, void *user_data)
{
    struct told *told = user_data;
    int index = told->record.requests;
    CHECK(server != NULL && level >= WS_LOG_ERROR && level <= WS_LOG_DEBUG);
    CHECK(index < 400 && strchr(message, '\n') == NULL && strchr(message, '\r') == NULL && message[0] != '\0');
    told->levels[index] = level;
    snprintf(told->messages[index], sizeof told->messages[index], "%s", message);
    note(&told->record, &told->record.requests);
}

static ws_server *talkative(struct told *told, const char *level)
{
    ws_server *server = recorded_server(&told->record, echo_message);
    CHECK_OK(ws_server_on_log(server, on_log, told));
    if (level != NULL)
        CHECK_OK(ws_server_set(server, "log_level", level));
    return server;
}

/* Waits until a message of this level with this text in it is told. */
#define EXPECT_TOLD(told, level, text) expect_told(HERE, (told), (level), (text))

static void expect_told(const char *where, struct told *told, int level, const char *text)
{
    int64_t deadline = now_ms() + scaled(10000, 60000);
    last_check = where;
    for (;;) {
        pthread_mutex_lock(&told->record.lock);
        int count = told->record.requests;
        pthread_mutex_unlock(&told->record.lock);
        for (int i = 0; i < count; i++)
            if (strstr(told->messages[i], text) != NULL) {
                if (told->levels[i] != level)
                    fail(where, "\"%s\" has level %d, not %d", told->messages[i], told->levels[i], level);
                return;
            }
        if (now_ms() > deadline)
            fail(where, "nothing with \"%s\" among %d messages; the last is \"%s\"", text, count,
                 count > 0 ? told->messages[count - 1] : "");
        give_way();
    }
}

static void refused_request(int port)
{
    char head[1024];
    int fd = client_connect(port);
    send_text(fd, "nonsense\r\n\r\n");
    CHECK_INT(400, receive_head(fd, head, sizeof head));
    EXPECT_CUT(fd);
}

static void start_and_stop_by_default(void)
{
    struct told told = {.record = RECORD};
    char text[64];
    ws_server *server = talkative(&told, NULL);
    int port = start(server);
    snprintf(text, sizeof text, "listening on 127.0.0.1:%d", port);
    EXPECT_TOLD(&told, WS_LOG_NOTICE, text);
    refused_request(port); /* is no notice */
    int fd = client_open(port);
    CHECK_OK(ws_server_stop(server, 0));
    EXPECT_TOLD(&told, WS_LOG_NOTICE, "stopping within 0 ms; connections that are there: 1");
    EXPECT_TOLD(&told, WS_LOG_NOTICE, "stopped");
    CHECK_INT(3, told.record.requests);
    CHECK_OK(ws_server_free(server));
    close(fd);
}

static void everything(const char *reactors)
{
    struct told told = {.record = RECORD};
    char head[1024];
    ws_server *server = talkative(&told, "debug");
    CHECK_OK(ws_server_set(server, "reactors", reactors));
    CHECK_OK(ws_server_set(server, "max_message_size", "100"));
    CHECK_OK(ws_server_set(server, "trusted_proxies", "127.0.0.2"));
    CHECK_OK(ws_server_set(server, "proxy_protocol", "on"));
    CHECK_OK(ws_server_set(server, "document_root", "/"));
    int port = start(server);
    refused_request(port);
    EXPECT_TOLD(&told, WS_LOG_INFO, "refused with 400 Bad Request: ");
    int fd = client_connect(port);
    send_upgrade(fd, "/chat?token=secret");
    expect_upgrade(fd);
    EXPECT_TOLD(&told, WS_LOG_DEBUG, ": opened at /chat for 127.0.0.1");
    send_close(fd, 4000, "bye\n\"\xc3\xa9");
    EXPECT_CLOSE(fd, 4000);
    EXPECT_END(fd);
    EXPECT_TOLD(&told, WS_LOG_DEBUG, ": closed with 4000 \"bye\\n\\\"");
    fd = client_open(port);
    char large[200] = {0};
    send_frame(fd, FIN | BINARY, large, sizeof large);
    EXPECT_CLOSE(fd, 1009);
    EXPECT_END(fd);
    EXPECT_TOLD(&told, WS_LOG_INFO, ": failed with 1009, ");
    EXPECT_TOLD(&told, WS_LOG_DEBUG, ": closed with 1009 ");

    fd = client_from("127.0.0.2", port);
    send_text(fd, "PROXY TCP4 203.0.113.7 127.0.0.1 5000 443\r\nGET /none HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK_INT(404, receive_head(fd, head, sizeof head));
    EXPECT_TOLD(&told, WS_LOG_INFO, " of 203.0.113.7:5000, through 127.0.0.2:");
    EXPECT_TOLD(&told, WS_LOG_INFO, "refused with 404 Not Found: not found");
    close(fd);
    fd = client_from("127.0.0.2", port);
    send_text(fd, "PROXY TCP4 203.0.113.8 127.0.0.1 5001 443\r\nGET /feed HTTP/1.1\r\n" UPGRADE_LINES "\r\n");
    expect_upgrade(fd);
    EXPECT_TOLD(&told, WS_LOG_DEBUG, ": opened at /feed for 203.0.113.8");
    reset(fd); /* whose far end is gone, and whose name is not */
    EXPECT_TOLD(&told, WS_LOG_DEBUG, " of 203.0.113.8:5001: closed with 1006 ");
    fd = client_from("127.0.0.2", port);
    send_text(fd, "GET / HTTP/1.1\r\n");
    CHECK_INT(400, receive_head(fd, head, sizeof head));
    EXPECT_TOLD(&told, WS_LOG_INFO, "a PROXY protocol header is missing");
    close(fd);
    stop_and_free(server);
    int listening = 0;
    for (int i = 0; i < told.record.requests; i++) {
        listening += strstr(told.messages[i], "listening on") != NULL;
        CHECK(strstr(told.messages[i], "secret") == NULL); /* a query is nobody's business */
    }
    CHECK_INT(1, listening);
}

static void levels(void)
{
    static const struct {
        const char *level;
        int messages;
    } rows[] = {{"error", 0}, {"warning", 0}, {"notice", 3}, {"info", 4}, {"", 0}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct told told = {.record = RECORD};
        ws_server *server = talkative(&told, rows[i].level);
        refused_request(start(server));
        stop_and_free(server);
        CHECK_INT(rows[i].messages, told.record.requests);
    }
}

/* Nobody fills the log by misbehaving. */
static void a_flood(void)
{
    struct told told = {.record = RECORD};
    ws_server *server = talkative(&told, "info");
    int port = start(server), count = 350;
    int64_t began = now_ms();
    for (int i = 0; i < count; i++)
        refused_request(port);
    STATS_WHEN(server, refused_400, count);
    /* A refusal is counted before it is told or dropped. "listening on" has a ration of its own. */
    uint64_t dropped = 0;
    int told_of = 0;
    for (int64_t deadline = now_ms() + scaled(10000, 60000); dropped + (uint64_t)told_of < (uint64_t)count; give_way()) {
        CHECK(now_ms() < deadline);
        pthread_mutex_lock(&told.record.lock);
        told_of = told.record.requests - 1;
        pthread_mutex_unlock(&told.record.lock);
        dropped = stats_of(server).logs_dropped;
    }
    int64_t seconds = (now_ms() - began) / 1000 + 2; /* the first and the last second were perhaps not whole */
    CHECK_INT(count, (long long)dropped + told_of);
    CHECK(told_of <= 100 * seconds);
    stop_and_free(server);
    EXPECT_TOLD(&told, WS_LOG_NOTICE, "stopping within "); /* what matters more is told all the same */
    EXPECT_TOLD(&told, WS_LOG_NOTICE, "stopped; ");
}

static void stop_from_it(ws_server *server, int level, const char *message, void *user_data)
{
    struct record *record = user_data;
    ws_stats stats = {.size = sizeof stats};
    CHECK(level >= WS_LOG_ERROR && message != NULL);
    CHECK_OK(ws_server_stats(server, &stats));
    CHECK_STATUS(WS_ERR_IN_CALLBACK, ws_server_free(server));
    CHECK_STATUS(WS_ERR_STATE, ws_server_on_log(server, NULL, NULL));
    CHECK_OK(ws_broadcast(server, "to all", 6, WS_TEXT));
    if (strstr(message, "refused with") != NULL)
        CHECK_OK(ws_server_stop(server, 0));
    note(record, &record->requests);
}

static void calls_from_it(void)
{
    struct record record = RECORD;
    ws_server *server = recorded_server(&record, echo_message);
    CHECK_OK(ws_server_on_log(server, stop_from_it, &record));
    CHECK_OK(ws_server_set(server, "log_level", "debug"));
    int port = start(server), fd = client_open(port);
    refused_request(port);
    CHECK_OK(ws_server_wait(server));
    CHECK_OK(ws_server_free(server));
    close(fd);
}

static void short_of_descriptors(void)
{
    if (under_valgrind()) /* which has descriptors of its own */
        return;
    struct told told = {.record = RECORD};
    struct rlimit limit, low;
    ws_server *server = talkative(&told, NULL);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)start(server))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_TOLD(&told, WS_LOG_NOTICE, "listening on ");
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), next = dup(fd);
    close(next);
    CHECK_INT(0, getrlimit(RLIMIT_NOFILE, &limit));
    low = limit;
    low.rlim_cur = (rlim_t)next;
    CHECK_INT(0, setrlimit(RLIMIT_NOFILE, &low));
    CHECK_INT(0, connect(fd, (struct sockaddr *)&address, sizeof address));
    EXPECT_TOLD(&told, WS_LOG_WARNING, "accepting pauses, and is tried again soon: ");
    CHECK_INT(0, setrlimit(RLIMIT_NOFILE, &limit));
    send_upgrade(fd, "/");
    expect_upgrade(fd);
    CHECK_INT(2, told.record.requests); /* told once */
    close(fd);
    stop_and_free(server);
}

static void expect_log(struct poller *poller, int level, const char *text)
{
    const ws_event *event = EXPECT_EVENT(poller, WS_EVENT_LOG);
    char message[256];
    CHECK(event->length > 0 && event->length < sizeof message && event->conn == 0 && event->request == NULL);
    memcpy(message, event->data, event->length);
    message[event->length] = '\0';
    CHECK_INT(level, event->code);
    CHECK_CONTAINS(text, message);
}

/* In poll mode it is told on the thread that polls, if that is wanted. */
static void as_events(void)
{
    struct told told = {.record = RECORD};
    struct poller poller = {.server = new_server()};
    CHECK_OK(ws_server_on_log(poller.server, on_log, &told)); /* does not make callback mode, and is not called */
    CHECK_OK(ws_server_set(poller.server, "log_events", "on"));
    CHECK_OK(ws_server_set(poller.server, "log_level", "info"));
    int port = start(poller.server);
    expect_log(&poller, WS_LOG_NOTICE, "listening on 127.0.0.1:");
    refused_request(port);
    expect_log(&poller, WS_LOG_INFO, "refused with 400 Bad Request: ");
    int fd = client_open(port);
    EXPECT_EVENT(&poller, WS_EVENT_OPEN);
    send_message(fd, "x");
    EXPECT_EVENT(&poller, WS_EVENT_MESSAGE);
    CHECK_OK(ws_server_stop(poller.server, 0));
    expect_log(&poller, WS_LOG_NOTICE, "stopping within ");
    const ws_event *event = NULL;
    while (event == NULL || event->type != WS_EVENT_LOG) { /* and the close, before it or behind it */
        if (poller.next == poller.count) {
            poller.count = ws_server_poll(poller.server, &poller.events, scaled(10000, 60000));
            poller.next = 0;
            CHECK(poller.count > 0);
        }
        event = &poller.events[poller.next++];
    }
    CHECK(event->length > 7 && memcmp(event->data, "stopped", 7) == 0);
    CHECK_INT(0, told.record.requests);
    CHECK_OK(ws_server_free(poller.server));
    close(fd);
}

static void packed(void)
{
    ws_server *server = new_server();
    CHECK_OK(ws_server_set(server, "log_events", "on"));
    start(server);
    ws_batch batch = {.size = sizeof batch};
    CHECK_INT(1, ws_server_poll_packed(server, &batch, scaled(10000, 60000)));
    CHECK_INT(0, batch.numbers[0]);
    CHECK_INT(0, batch.numbers[1]);
    const ws_event *event = &batch.others[batch.numbers[2]];
    CHECK_INT(WS_EVENT_LOG, event->type);
    CHECK_INT(WS_LOG_NOTICE, event->code);
    CHECK(memcmp(event->data, "listening on", 12) == 0);
    stop_and_free(server);
}

static void not_unless_wanted(void)
{
    struct poller poller = {.server = new_server()};
    int port = start(poller.server);
    refused_request(port);
    int fd = client_open(port);
    EXPECT_EVENT(&poller, WS_EVENT_OPEN); /* the first */
    CHECK_INT(0, stats_of(poller.server).logs_dropped);
    close(fd);
    stop_and_free(poller.server);
}

/* A host that takes nothing for a second is told so afterwards. */
static void a_host_that_is_behind(void)
{
    struct poller poller = {.server = new_server()};
    CHECK_OK(ws_server_set(poller.server, "log_events", "on"));
    CHECK_OK(ws_server_set(poller.server, "max_event_bytes", "4K"));
    int port = start(poller.server);
    expect_log(&poller, WS_LOG_NOTICE, "listening on ");
    int fd = client_open(port); /* one batch is too much already */
    send_message(fd, "x");
    STATS_WHEN(poller.server, host_paused, 1);
    send_message(fd, "y");
    for (int64_t end = now_ms() + 1200; now_ms() < end;) /* what is short is not worth a word */
        give_way();
    int told = 0, messages = 0;
    while (told == 0 || messages < 2) {
        if (poller.next == poller.count) {
            poller.count = ws_server_poll(poller.server, &poller.events, scaled(10000, 60000));
            poller.next = 0;
            CHECK(poller.count > 0);
        }
        const ws_event *event = &poller.events[poller.next++];
        messages += event->type == WS_EVENT_MESSAGE;
        if (event->type == WS_EVENT_LOG) {
            CHECK_INT(WS_LOG_WARNING, event->code);
            CHECK(memcmp(event->data, "reading had paused for ", 23) == 0);
            told++;
        }
    }
    close(fd);
    stop_and_free(poller.server);
}

int main(void)
{
    begin();
    start_and_stop_by_default();
    everything("1");
    everything("2");
    levels();
    a_flood();
    calls_from_it();
    short_of_descriptors();
    as_events();
    packed();
    not_unless_wanted();
    a_host_that_is_behind();
    return 0;
}
