/* HTTP on the same port: pages by the host, refusals by the engine. */
#include "harness.h"

#include <strings.h>

struct answer {
    int status;
    char head[4096];
    char body[65536];
    size_t length; /* of the body */
};

/* Sends a request and reads the whole answer, up to the end of the stream. */
static struct answer *ask_bytes(int port, const char *request, size_t length)
{
    static struct answer answer;
    int fd = client_connect(port);
    send_bytes(fd, request, length);
    CHECK_INT(0, shutdown(fd, SHUT_WR)); /* that is all: or the connection would be kept for another request */
    answer.status = receive_head(fd, answer.head, sizeof answer.head);
    answer.length = 0;
    for (ssize_t n = 1; n > 0; answer.length += (size_t)n) {
        n = recv(fd, answer.body + answer.length, sizeof answer.body - 1 - answer.length, 0);
        if (n < 0)
            fail(last_check, "recv: %s", strerror(errno));
    }
    answer.body[answer.length] = '\0';
    close(fd);
    return &answer;
}

static struct answer *ask(int port, const char *request)
{
    return ask_bytes(port, request, strlen(request));
}

/* The value of a header of an answer, "" if it has none; fails if it has several. */
static const char *header(const struct answer *answer, const char *name)
{
    static char value[512];
    size_t length = strlen(name);
    int count = 0;
    value[0] = '\0';
    for (const char *line = answer->head; (line = strstr(line, "\r\n")) != NULL;) {
        line += 2;
        if (strncasecmp(line, name, length) == 0 && line[length] == ':') {
            const char *start = line + length + 1 + strspn(line + length + 1, " ");
            snprintf(value, sizeof value, "%.*s", (int)strcspn(start, "\r"), start);
            count++;
        }
    }
    CHECK(count <= 1);
    return value;
}

/* An answer of the engine itself: HEAD gets the head that GET would get, and nothing more (RFC 9110, 9.3.2). */
static void without_a_body_for_head(int port, const char *path, int status)
{
    char request[128], length[32];
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", path);
    struct answer *answer = ask(port, request);
    CHECK_INT(status, answer->status);
    CHECK(answer->length > 0);
    snprintf(length, sizeof length, "%zu", answer->length);
    snprintf(request, sizeof request, "HEAD %s HTTP/1.1\r\nHost: a\r\n\r\n", path);
    answer = ask(port, request);
    CHECK_INT(status, answer->status);
    CHECK_STRING(length, header(answer, "content-length"));
    CHECK_INT(0, answer->length);
}

static void serve_page(ws_server *server, ws_conn conn, const ws_request *request, void *user_data)
{
    struct record *record = user_data;
    const char *path = ws_request_path(request);
    record->conn = conn;
    if (strcmp(path, "/page") == 0) {
        CHECK_OK(ws_respond(server, conn, 200, "Content-Type: text/html\r\nX-More: yes\r\n", "<h1>hi</h1>", 11));
        CHECK(ws_respond(server, conn, 200, NULL, "again", 5) < 0);
    } else if (strcmp(path, "/empty") == 0) {
        CHECK_OK(ws_respond(server, conn, 204, NULL, NULL, 0));
    } else if (strcmp(path, "/length") == 0) {
        CHECK_STATUS(WS_ERR_ARGUMENT, ws_respond(server, conn, 200, "Content-Length: 1234\r\n", "x", 1));
        CHECK_STATUS(WS_ERR_ARGUMENT, ws_respond(server, conn, 200, "Content-Length: many\r\n", NULL, 0));
        CHECK_STATUS(WS_ERR_ARGUMENT, ws_respond_begin(server, conn, 200, "Content-Length: 1234\r\n"));
        CHECK_OK(ws_respond(server, conn, 200, "Content-Length: 1234\r\n", NULL, 0));
    } else if (strcmp(path, "/moved") == 0) {
        CHECK_OK(ws_respond(server, conn, 302, "Location: /page", NULL, 0));
    } else if (strcmp(path, "/push") == 0) {
        CHECK(ws_push(server, conn, "no", 2, WS_TEXT) < 0); /* it is no WebSocket */
        CHECK_OK(ws_respond(server, conn, 500, NULL, "sorry", 5));
    } else if (strcmp(path, "/cut") == 0) {
        CHECK_OK(ws_disconnect(server, conn));
    } else if (strcmp(path, "/injection") == 0) {
        static const char *const bad[] = {
            "X: a\r\n\r\n<script>", "X: a\nY: b\r\n", "X: a\rY: b\r\n", "X: a\r\n Y: folded\r\n", "no colon\r\n",
            ": no name\r\n", "X Y: space in the name\r\n", "X : space behind the name\r\n", "X: a\r\n\r\n", "X: \x01\r\n",
            "X: a\r\n\r\nY: b\r\n", "Content-Length: 3\r\n", "Connection: keep-alive\r\n",
            "Transfer-Encoding: chunked\r\n", "X\xc3\xa9: a\r\n"};
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
            int status = ws_respond(server, conn, 200, bad[i], "body", 4);
            if (status != WS_ERR_ARGUMENT)
                fail(HERE, "the header \"%s\" gives %s", bad[i], ws_error_name(status));
        }
        static const int statuses[] = {0, -1, 99, 100, 101, 199, 600, 1000, 200000};
        for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
            CHECK_STATUS(WS_ERR_ARGUMENT, ws_respond(server, conn, statuses[i], NULL, "body", 4));
        CHECK_OK(ws_respond(server, conn, 200, "X: fine", "body", 4)); /* what was refused has used nothing up */
    } else if (strcmp(path, "*") == 0) {
        CHECK_STRING("OPTIONS", ws_request_method(request));
        CHECK_INT(ws_request_header(request, "Host") == NULL ? 10 : 11, ws_request_version(request));
        CHECK_STRING("", ws_request_query(request));
        note(record, &record->requests); /* before the client knows */
        CHECK_OK(ws_respond(server, conn, 200, NULL, NULL, 0));
        return;
    } /* else: no answer, until response_timeout */
    note(record, &record->requests);
}

static void pages(int port)
{
    struct answer *answer = ask(port, "GET /page HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK_INT(200, answer->status);
    CHECK_STRING("text/html", header(answer, "content-type"));
    CHECK_STRING("yes", header(answer, "x-more"));
    CHECK_STRING("11", header(answer, "content-length"));
    CHECK_STRING("<h1>hi</h1>", answer->body);

    answer = ask(port, "HEAD /page HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK_INT(200, answer->status);
    CHECK_STRING("11", header(answer, "content-length"));
    CHECK_INT(0, answer->length);

    /* A host that makes no body for a HEAD says how long it would be; without that nothing is said. */
    answer = ask(port, "HEAD /length HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK_INT(200, answer->status);
    CHECK_STRING("1234", header(answer, "content-length"));
    CHECK_INT(0, answer->length);
    CHECK_STRING("0", header(ask(port, "GET /length HTTP/1.1\r\nHost: a\r\n\r\n"), "content-length"));
    CHECK_STRING("", header(ask(port, "HEAD /moved HTTP/1.1\r\nHost: a\r\n\r\n"), "content-length"));

    answer = ask(port, "GET /empty HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK_INT(204, answer->status);
    CHECK_STRING("", header(answer, "content-length")); /* RFC 9110, 8.6 */
    CHECK_INT(0, answer->length);

    answer = ask(port, "GET /moved HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK_INT(302, answer->status);
    CHECK_STRING("/page", header(answer, "location"));
    CHECK_STRING("0", header(answer, "content-length"));

    answer = ask(port, "GET /push HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK_INT(500, answer->status);
    CHECK_STRING("sorry", answer->body);

    answer = ask(port, "GET /injection HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK_INT(200, answer->status);
    CHECK_STRING("fine", header(answer, "x"));
    CHECK_STRING("body", answer->body);

    without_a_body_for_head(port, "/unanswered", 504);

    int fd = client_connect(port);
    send_text(fd, "GET /cut HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_CUT(fd);
}

/* Whoever answers late may find the client gone. */
static void answers_to_nobody(ws_server *server, struct record *record, int port)
{
    int fd = client_connect(port), before = record->requests, status;
    send_text(fd, "GET /unanswered HTTP/1.1\r\nHost: a\r\n\r\n");
    WAIT_FOR(record, requests, before + 1);
    reset(fd);
    status = ws_respond(server, record->conn, 200, NULL, "late", 4);
    CHECK(status == WS_OK || status == WS_ERR_CLOSED);
    CHECK_STATUS(WS_ERR_CLOSED, ws_respond(server, 12345678, 200, NULL, "never", 5));
}

/* What the engine refuses by itself: the request, byte for byte, and the status. */
static const struct {
    int status;
    const char *request;
    size_t length;
} refused[] = {
#define BYTES(text) text, sizeof text - 1
#define WANTS "Host: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
#define KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    {426, BYTES("GET / HTTP/1.1\r\n" WANTS KEY "Sec-WebSocket-Version: 12\r\n\r\n")},
    {426, BYTES("GET / HTTP/1.1\r\n" WANTS KEY "Sec-WebSocket-Version: 8\r\n\r\n")},
    {400, BYTES("GET / HTTP/1.1\r\n" WANTS "Sec-WebSocket-Version: 13\r\n\r\n")},
    {400, BYTES("GET / HTTP/1.1\r\n" WANTS KEY KEY "Sec-WebSocket-Version: 13\r\n\r\n")},
    {400, BYTES("GET / HTTP/1.1\r\n" WANTS "Sec-WebSocket-Key: short\r\nSec-WebSocket-Version: 13\r\n\r\n")},
    {400, BYTES("GET / HTTP/1.1\r\n" WANTS "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZSE=\r\n"
                "Sec-WebSocket-Version: 13\r\nHost: b\r\n\r\n")},
    {400, BYTES("GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" KEY
                "Sec-WebSocket-Version: 13\r\n\r\n")},
    {400, BYTES("GET / HTTP/1.1\r\n\r\n")},
    {400, BYTES("GET / HTTP/1.1\r\nHost: a\r\nno colon here\r\n\r\n")},
    {400, BYTES("GET / HTTP/1.1\r\nHost : a\r\n\r\n")},
    {400, BYTES("GET / HTTP/1.1\r\nHost: a\r\nX: one\r\n two\r\n\r\n")},
    {400, BYTES("GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n")},
    {400, BYTES("GET / HTTP/1.1\nHost: a\n\n")},
    {400, BYTES("GET  / HTTP/1.1\r\nHost: a\r\n\r\n")},
    {400, BYTES("GET / HTTP/1.1 \r\nHost: a\r\n\r\n")},
    {400, BYTES("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")}, /* a TLS hello */
    {505, BYTES("GET / HTTP/2.0\r\nHost: a\r\n\r\n")},
#undef BYTES
};

static void refusals(int port)
{
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct answer *answer = ask_bytes(port, refused[i].request, refused[i].length);
        if (answer->status != refused[i].status)
            fail(HERE, "%d, not %d, for: %s\n%s", answer->status, refused[i].status, refused[i].request, answer->body);
        if (answer->status == 426)
            CHECK_STRING("13", header(answer, "sec-websocket-version"));
        CHECK(answer->length > 0); /* says why */
        CHECK_INT((long long)answer->length, atoll(header(answer, "content-length")));
    }
}

static void too_long(int port)
{
    static char request[40000];
    int n = snprintf(request, sizeof request, "GET /");
    memset(request + n, 'a', 20000);
    strcpy(request + n + 20000, " HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK_INT(414, ask(port, request)->status);

    n = snprintf(request, sizeof request, "GET / HTTP/1.1\r\nHost: a\r\nX: ");
    memset(request + n, 'a', 20000);
    strcpy(request + n + 20000, "\r\n\r\n");
    CHECK_INT(431, ask(port, request)->status);
}

/* Cases and lists as browsers and proxies write them. */
static void upgrades_in_any_dress(int port)
{
    static const char *const good[] = {
        "GET / HTTP/1.1\r\nhOST: a\r\nUPGRADE: WebSocket\r\nconnection: keep-alive, UPGRADE\r\n" KEY
        "sec-websocket-version:13\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a:80\r\nUpgrade: h2c, websocket\r\nConnection: keep-alive\r\nConnection: \t Upgrade \t \r\n"
        KEY "Sec-WebSocket-Version: 13 \r\n\r\n",
        "GET / HTTP/1.1\r\nHost: [::1]:9502\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" KEY
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n",
        /* No authority, as over a Unix socket (RFC 9112, 3.2). */
        "GET / HTTP/1.1\r\nHost:\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" KEY
        "Sec-WebSocket-Version: 13\r\n\r\n"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        int fd = client_connect(port);
        send_text(fd, good[i]);
        expect_upgrade(fd);
        send_close(fd, 1000, "");
        EXPECT_CLOSE(fd, 1000);
        EXPECT_END(fd);
    }
}

/* Of the 24 characters of a key four bits belong to no byte, and need not be zero: RFC 6455, 4.1 has such a key. */
static void the_key_of_the_rfc(int port)
{
    char head[1024];
    int fd = client_connect(port);
    send_text(fd, "GET / HTTP/1.1\r\n" WANTS "Sec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEC==\r\n"
                  "Sec-WebSocket-Version: 13\r\n\r\n");
    CHECK_INT(101, receive_head(fd, head, sizeof head));
    CHECK_CONTAINS("\r\nSec-WebSocket-Accept: OfS0wDaT5NoxF2gqm7Zj2YtetzM=\r\n", head);
    send_close(fd, 1000, "");
    EXPECT_CLOSE(fd, 1000);
    EXPECT_END(fd);
}

/* OPTIONS asks about the server as a whole: whether it is there, if a balancer asks (RFC 9110, 9.3.7). */
static const char *const about_the_server[] = {
    "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost:\r\n\r\n",
    "OPTIONS * HTTP/1.0\r\n\r\n",
    "OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n", /* RFC 9112, 3.2.4 */
};

enum { ABOUT_THE_SERVER = sizeof about_the_server / sizeof *about_the_server };

static void the_host_is_told_of_it(struct record *record, int port)
{
    for (int i = 0, before = record->requests; i < ABOUT_THE_SERVER; i++) {
        CHECK_INT(200, ask(port, about_the_server[i])->status);
        CHECK_INT(before + i + 1, record->requests);
    }
    CHECK_INT(400, ask(port, "GET * HTTP/1.1\r\nHost: a\r\n\r\n")->status);
    CHECK_INT(501, ask(port, "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n")->status);
}

static void without_a_handler(void)
{
    struct record record = RECORD;
    ws_server *server = recorded_server(&record, record_message);
    CHECK_OK(ws_server_set(server, "paths", "/chat")); /* where WebSockets are, which this is not about */
    CHECK_OK(ws_server_set(server, "document_root", "/"));
    CHECK_OK(ws_server_set(server, "metrics_path", "/metrics"));
    int port = start(server);
    without_a_body_for_head(port, "/", 404);
    for (int i = 0; i < ABOUT_THE_SERVER; i++) {
        struct answer *answer = ask(port, about_the_server[i]);
        CHECK_INT(200, answer->status);
        CHECK_INT(0, answer->length);
        CHECK_STRING("0", header(answer, "content-length"));
        CHECK_STRING("GET, HEAD, OPTIONS", header(answer, "allow"));
    }
    CHECK_INT(2, stats_of(server).requests_refused);
    CHECK_INT(0, record.opens + record.closes);
    stop_and_free(server);
}

static void in_poll_mode(void)
{
    struct poller poller = {.server = new_server()};
    char answer[512];
    int fd = client_connect(start(poller.server));
    send_text(fd, "GET /hello?to=you HTTP/1.1\r\nHost: a\r\nX-Twice: one\r\nx-twice: two\r\n"
                  "Connection: close\r\n\r\n");
    const ws_event *event = EXPECT_EVENT(&poller, WS_EVENT_REQUEST);
    CHECK_STRING("GET", ws_request_method(event->request));
    CHECK_STRING("/hello", ws_request_path(event->request));
    CHECK_STRING("to=you", ws_request_query(event->request));
    CHECK_STRING("one", ws_request_header(event->request, "X-TWICE"));
    CHECK_OK(ws_respond(poller.server, event->conn, 200, NULL, "to you", 6));
    CHECK_INT(200, receive_head(fd, answer, sizeof answer));
    receive_bytes(fd, answer, 6);
    CHECK(memcmp(answer, "to you", 6) == 0);
    EXPECT_END(fd);
    stop_and_free(poller.server); /* no CLOSE event: the connection was never announced as open */
}

struct respondents {
    ws_server *server;
    ws_conn conn;
    int rounds, accepted;
    pthread_barrier_t asked, answered;
};

static void *respond_each_time(void *argument)
{
    struct respondents *both = argument;
    for (int i = 0; i < both->rounds; i++) {
        pthread_barrier_wait(&both->asked);
        int status = ws_respond(both->server, both->conn, 200, NULL, "one of us", 9);
        CHECK(status == WS_OK || status == WS_ERR_CLOSED);
        __atomic_add_fetch(&both->accepted, status == WS_OK, __ATOMIC_SEQ_CST);
        pthread_barrier_wait(&both->answered);
    }
    return NULL;
}

/* Two threads answer the same request at once: one of them learns that it came second. */
static void by_two_threads(void)
{
    struct poller poller = {.server = new_server()};
    struct respondents both = {.server = poller.server, .rounds = scaled(2000, 50)};
    char answer[512];
    int port = start(poller.server);
    CHECK_INT(0, pthread_barrier_init(&both.asked, NULL, 3));
    CHECK_INT(0, pthread_barrier_init(&both.answered, NULL, 3));
    pthread_t threads[] = {spawn(respond_each_time, &both), spawn(respond_each_time, &both)};
    for (int i = 0; i < both.rounds; i++) {
        int fd = client_connect(port);
        send_text(fd, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        both.conn = EXPECT_EVENT(&poller, WS_EVENT_REQUEST)->conn;
        pthread_barrier_wait(&both.asked);
        pthread_barrier_wait(&both.answered);
        CHECK_INT(i + 1, both.accepted);
        CHECK_INT(200, receive_head(fd, answer, sizeof answer));
        receive_bytes(fd, answer, 9);
        EXPECT_END(fd);
    }
    join(threads[0]);
    join(threads[1]);
    pthread_barrier_destroy(&both.asked);
    pthread_barrier_destroy(&both.answered);
    stop_and_free(poller.server);
}

int main(void)
{
    struct record record = RECORD;
    begin();
    ws_server *server = recorded_server(&record, record_message);
    CHECK_OK(ws_server_on_request(server, serve_page, &record));
    CHECK_OK(ws_server_set(server, "response_timeout", "200ms"));
    int port = start(server);
    pages(port);
    answers_to_nobody(server, &record, port);
    refusals(port);
    too_long(port);
    upgrades_in_any_dress(port);
    the_key_of_the_rfc(port);
    the_host_is_told_of_it(&record, port);
    stop_and_free(server);
    without_a_handler();
    in_poll_mode();
    by_two_threads();
    return 0;
}
