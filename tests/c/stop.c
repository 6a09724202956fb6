/* Stopping: 1001 to everyone, what is queued is flushed, who does not answer is cut at the deadline. */
#include "harness.h"

#include <sys/resource.h>

enum { CLIENTS = 5 };

static void *stop_it(void *server)
{
    CHECK_OK(ws_server_stop(server, scaled(5000, 30000)));
    return NULL;
}

static void everyone_hears_of_it(void)
{
    struct record record = RECORD;
    ws_server *server = recorded_server(&record, record_message);
    int clients[CLIENTS], port = start(server);
    for (int i = 0; i < CLIENTS; i++)
        clients[i] = client_open(port);
    WAIT_FOR(&record, opens, CLIENTS);
    CHECK_OK(ws_broadcast(server, "last orders", 11, WS_TEXT));

    int64_t began = now_ms();
    pthread_t thread = spawn(stop_it, server);
    for (int i = 0; i < CLIENTS; i++) {
        EXPECT_MESSAGE(clients[i], "last orders");
        EXPECT_CLOSE(clients[i], 1001);
        send_close(clients[i], 1001, "");
        EXPECT_END(clients[i]);
    }
    join(thread); /* long before its five seconds are over */
    CHECK(now_ms() - began < scaled(2000, 20000));
    CHECK_INT(CLIENTS, record.closes);
    CHECK_INT(1001, record.code);
    CHECK(refuses(port));
    CHECK(ws_push(server, 1, "x", 1, WS_TEXT) == WS_ERR_STOPPED || ws_push(server, 1, "x", 1, WS_TEXT) == WS_ERR_CLOSED);
    CHECK_OK(ws_server_free(server));
    CHECK_INT(CLIENTS, record.closes);
}

static void what_is_queued_is_flushed(void)
{
    enum { CHUNK = 1 << 20, CHUNKS = 6 };
    static unsigned char chunk[CHUNK];
    struct record record = RECORD;
    ws_server *server = recorded_server(&record, record_message);
    CHECK_OK(ws_server_set(server, "max_queued_bytes", "16M"));
    int fd = client_open(start(server));
    WAIT_FOR(&record, opens, 1);
    for (int i = 0; i < CHUNKS; i++) {
        memset(chunk, i, CHUNK);
        CHECK_OK(ws_push(server, record.conn, chunk, CHUNK, WS_BINARY));
    }
    pthread_t thread = spawn(stop_it, server);
    for (int i = 0; i < CHUNKS; i++) {
        memset(chunk, i, CHUNK);
        EXPECT_FRAME(fd, FIN | BINARY, chunk, CHUNK);
    }
    EXPECT_CLOSE(fd, 1001);
    send_close(fd, 1001, "");
    EXPECT_END(fd);
    join(thread);
    CHECK_INT(1, record.closes);
    CHECK_OK(ws_server_free(server));
}

static void the_stalled_are_cut(void)
{
    enum { CHUNK = 1 << 20 };
    static unsigned char chunk[CHUNK];
    struct record record = RECORD;
    ws_server *server = recorded_server(&record, record_message);
    int port = start(server), silent = client_open(port), full = client_open(port), half = client_connect(port);
    WAIT_FOR(&record, opens, 2);
    send_text(half, "GET / HT"); /* has not even asked yet */
    while (ws_push(server, 2, chunk, CHUNK, WS_BINARY) == WS_OK)
        ;
    int64_t began = now_ms();
    CHECK_OK(ws_server_stop(server, 300));
    CHECK(now_ms() - began >= 290);
    CHECK(now_ms() - began < scaled(2000, 20000));
    CHECK_INT(2, record.closes);
    EXPECT_CLOSE(silent, 1001);
    EXPECT_CUT(silent);
    EXPECT_CUT(full);
    EXPECT_CUT(half);
    CHECK_OK(ws_server_free(server));
}

static void at_once(void)
{
    struct record record = RECORD;
    ws_server *server = recorded_server(&record, record_message);
    int fd = client_open(start(server));
    WAIT_FOR(&record, opens, 1);
    int64_t began = now_ms();
    CHECK_OK(ws_server_stop(server, 0));
    CHECK(now_ms() - began < scaled(500, 5000));
    CHECK_INT(1, record.closes);
    EXPECT_CUT(fd);
    CHECK_OK(ws_server_free(server));
}

static void by_several_threads(void)
{
    struct record record = RECORD;
    ws_server *server = recorded_server(&record, record_message);
    pthread_t threads[4];
    int fd = client_open(start(server));
    WAIT_FOR(&record, opens, 1);
    for (int i = 0; i < 4; i++)
        threads[i] = spawn(stop_it, server);
    EXPECT_CLOSE(fd, 1001);
    send_close(fd, 1001, "");
    EXPECT_END(fd);
    for (int i = 0; i < 4; i++)
        join(threads[i]);
    CHECK_INT(1, record.closes);
    CHECK_OK(ws_server_free(server));
}

/* Poll mode, with a host that is behind: reading waits for it, but not for the answer to a Close. */
static void a_host_behind(void)
{
    enum { CHUNK = 1000, MANY = 100000 };
    static unsigned char chunk[CHUNK];
    size_t total, at;
    struct poller poller = {.server = new_server()};
    CHECK_OK(ws_server_set(poller.server, "max_event_bytes", "64K"));
    CHECK_OK(ws_server_set(poller.server, "close_timeout", "1m"));
    int fd = client_open(start(poller.server));
    EXPECT_EVENT(&poller, WS_EVENT_OPEN);
    unsigned char *frame = make_frame(FIN | BINARY, chunk, CHUNK, 0x33333333, &total);
    int64_t most = (int64_t)MANY * (int64_t)total, sent = stuff(fd, frame, total, most);
    CHECK(sent < most);
    CHECK(stats_of(poller.server).host_paused > 0);

    int64_t began = now_ms();
    pthread_t thread = spawn(stop_it, poller.server);
    EXPECT_CLOSE(fd, 1001);
    if ((at = (size_t)sent % total) > 0)
        send_bytes(fd, frame + at, total - at); /* what it was about to say */
    send_close(fd, 1001, "");
    EXPECT_END(fd);
    join(thread);
    CHECK(now_ms() - began < scaled(2000, 20000));

    const ws_event *event;
    int last = 0, count;
    while ((count = ws_server_poll(poller.server, &event, scaled(10000, 60000))) > 0) {
        CHECK(last != WS_EVENT_CLOSE);
        last = event[count - 1].type;
    }
    CHECK_INT(WS_ERR_STOPPED, count);
    CHECK_INT(WS_EVENT_CLOSE, last);
    CHECK_OK(ws_server_free(poller.server));
    free(frame);
}

/* A plain request that the host has not answered gets an answer, and is not waited for. */
static void an_unanswered_request(void)
{
    struct poller poller = {.server = new_server()};
    struct record record = RECORD;
    char head[1024];
    ws_server *server = recorded_server(&record, record_message);
    CHECK_OK(ws_server_on_request(server, record_request, &record));
    int clients[] = {client_connect(start(poller.server)), client_connect(start(server))};
    for (int i = 0; i < 2; i++)
        send_text(clients[i], "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    ws_conn conn = EXPECT_EVENT(&poller, WS_EVENT_REQUEST)->conn;
    WAIT_FOR(&record, requests, 1);

    for (int i = 0; i < 2; i++) {
        int64_t began = now_ms();
        pthread_t thread = spawn(stop_it, i == 0 ? poller.server : server);
        CHECK_INT(503, receive_head(clients[i], head, sizeof head));
        join(thread);
        CHECK(now_ms() - began < scaled(1000, 15000));
        EXPECT_CUT(clients[i]);
    }
    int status = ws_respond(poller.server, conn, 200, NULL, "late", 4);
    CHECK(status == WS_ERR_CLOSED || status == WS_ERR_STOPPED);
    CHECK_OK(ws_server_free(poller.server));
    CHECK_OK(ws_server_free(server));
}

/* What is still on its way after a second does not hold up a stop: the rest of a body, and what follows a response. */
static void requests_that_never_end(void)
{
    struct poller poller = {.server = new_server()};
    struct record record = RECORD;
    char head[1024], *rest = calloc(1, 4 << 20);
    CHECK(rest != NULL);
    ws_server *server = recorded_server(&record, record_message);
    CHECK_OK(ws_server_on_request(server, record_request, &record));
    int ports[] = {start(poller.server), start(server)}, fds[2], slow = -1;
    for (int i = 0; i < 2; i++) {
        ws_server *one = i == 0 ? poller.server : server;
        fds[i] = client_connect(ports[i]);
        send_text(fds[i], "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nsome");
        STATS_WHEN(one, requests, 1);
        if (i == 1) { /* a response that takes longer, with half a request behind its own */
            slow = client_connect(ports[1]);
            keep_little(slow);
            send_text(slow, "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HT");
            WAIT_FOR(&record, requests, 1);
            CHECK_OK(ws_respond_begin(server, record.conn, 200, "X: 1\r\n"));
            CHECK_OK(ws_respond_write(server, record.conn, rest, 4 << 20));
            CHECK_INT(200, receive_head(slow, head, sizeof head));
        }
        pthread_t thread = spawn(stop_it, one);
        CHECK_INT(503, receive_head(fds[i], head, sizeof head));
        EXPECT_CUT(fds[i]);
        if (i == 1) {
            CHECK_OK(ws_respond_end(server, record.conn));
            receive_bytes(slow, head, 8);
            CHECK(memcmp(head, "400000\r\n", 8) == 0);
            receive_bytes(slow, rest, 4 << 20);
            receive_bytes(slow, head, 7);
            CHECK(memcmp(head, "\r\n0\r\n\r\n", 7) == 0);
            CHECK_INT(503, receive_head(slow, head, sizeof head));
            EXPECT_CUT(slow);
        }
        join(thread);
        CHECK_INT(0, stats_of(one).connections_cut);
    }
    CHECK_OK(ws_server_free(poller.server));
    CHECK_OK(ws_server_free(server));
    free(rest);
}

static int is_over(int status)
{
    return status == WS_ERR_STOPPED || status == WS_ERR_CLOSED;
}

/* Who pushes on is told, and nothing is kept for connections that are no more. */
static void what_comes_after(void)
{
    enum { CHUNK = 1 << 20, MANY = 40 };
    static unsigned char chunk[CHUNK];
    struct record record = RECORD;
    ws_server *servers[] = {new_server(), recorded_server(&record, record_message)};
    for (int i = 0; i < 2; i++) {
        ws_server *server = servers[i];
        int fd = client_open(start(server));
        int64_t deadline = now_ms() + scaled(10000, 60000), before;
        for (; ws_conn_is_open(server, 1) != 1; give_way())
            CHECK(now_ms() < deadline);
        CHECK_OK(ws_server_stop(server, 0));
        EXPECT_CUT(fd);
        before = resident_bytes();
        for (int k = 0; k < MANY; k++) {
            CHECK(is_over(ws_broadcast(server, chunk, CHUNK, WS_BINARY)));
            CHECK(is_over(ws_push(server, 1, chunk, CHUNK, WS_BINARY)));
            CHECK(is_over(ws_push(server, 2, "x", 1, WS_TEXT)));
            CHECK(is_over(ws_ping(server, 1, "x", 1)));
            CHECK(is_over(ws_close(server, 1, 1000, NULL, 0)));
        }
        if (!under_valgrind())
            CHECK(resident_bytes() - before < 8 * CHUNK);
        CHECK_OK(ws_server_stop(server, 0));
        CHECK_OK(ws_server_stop(server, 1000));
        CHECK_OK(ws_server_free(server));
    }
}

static volatile ws_conn asking;

static void on_request(ws_server *server, ws_conn conn, const ws_request *request, void *user_data)
{
    struct record *record = user_data;
    (void)request;
    if (asking == 0)
        asking = conn;
    else
        CHECK_OK(ws_respond(server, conn, 204, NULL, NULL, 0));
    note(record, &record->requests);
}

/* A client takes its time over a response, and has asked for another already: it gets both, within the time of the stop. */
static void a_response_under_way(void)
{
    enum { LENGTH = 16 << 20 };
    struct record record = RECORD;
    char head[1024], *body = calloc(1, LENGTH);
    CHECK(body != NULL);
    ws_server *server = recorded_server(&record, NULL);
    CHECK_OK(ws_server_on_request(server, on_request, &record));
    int port = start(server), fd = client_connect(port);
    keep_little(fd);
    send_text(fd, "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
    WAIT_FOR(&record, requests, 1);
    CHECK_OK(ws_respond_begin(server, asking, 200, NULL));
    CHECK_OK(ws_respond_write(server, asking, body, LENGTH));
    CHECK_INT(200, receive_head(fd, head, sizeof head));
    pthread_t stopper = spawn(stop_it, server);
    while (!refuses(port))
        give_way();
    CHECK_OK(ws_respond_end(server, asking));
    poll(NULL, 0, 1500); /* longer than a stop waits for requests */
    receive_bytes(fd, head, 9);
    CHECK(memcmp(head, "1000000\r\n", 9) == 0);
    receive_bytes(fd, body, LENGTH);
    receive_bytes(fd, head, 7);
    CHECK(memcmp(head, "\r\n0\r\n\r\n", 7) == 0);
    CHECK_INT(204, receive_head(fd, head, sizeof head));
    join(stopper);
    CHECK_INT(0, stats_of(server).connections_cut);
    CHECK_OK(ws_server_free(server));
    close(fd);
    free(body);
}

/* There were no descriptors, and now there are: those who have waited are served before the listener closes. */
static void after_a_shortage(void)
{
    enum { WAITING = 5 };
    if (under_valgrind()) /* which has descriptors of its own */
        return;
    struct record record = RECORD;
    struct rlimit limit, low;
    ws_server *server = recorded_server(&record, record_message);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)start(server))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fds[WAITING];
    for (int i = 0; i < WAITING; i++)
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int next = dup(fds[0]);
    close(next);
    CHECK_INT(0, getrlimit(RLIMIT_NOFILE, &limit));
    low = limit;
    low.rlim_cur = (rlim_t)next;
    CHECK_INT(0, setrlimit(RLIMIT_NOFILE, &low));
    for (int i = 0; i < WAITING; i++) {
        CHECK_INT(0, connect(fds[i], (struct sockaddr *)&address, sizeof address));
        send_upgrade(fds[i], "/");
    }
    STATS_WHEN(server, accepts_paused, 1);
    CHECK_INT(0, setrlimit(RLIMIT_NOFILE, &limit));
    pthread_t stopper = spawn(stop_it, server);
    for (int i = 0; i < WAITING; i++) {
        expect_upgrade(fds[i]);
        EXPECT_CLOSE(fds[i], 1001);
        send_close(fds[i], 1001, "");
        close(fds[i]);
    }
    join(stopper);
    CHECK_INT(WAITING, record.closes);
    CHECK_OK(ws_server_free(server));
}

int main(void)
{
    begin();
    everyone_hears_of_it();
    what_is_queued_is_flushed();
    the_stalled_are_cut();
    at_once();
    by_several_threads();
    a_host_behind();
    an_unanswered_request();
    requests_that_never_end();
    what_comes_after();
    a_response_under_way();
    after_a_shortage();
    return 0;
}
