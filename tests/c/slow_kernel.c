/* A peer that reads slowly what lies in the kernel already, where the engine sees nothing of it: a Ping, a Close or the end
 * of a response stands behind it there. As long as the peer goes on taking some, its time begins anew; a peer that has
 * stopped is cut in time, whatever is sent to it meanwhile. */
#include "server.h"

/* The deadline under test. */
static int timeout_ms(void)
{
    return scaled(500, 4000);
}

/* What the kernel takes of one connection at once, about, and in how many times the deadline it is read: of a Unix
 * socket it frees whole pieces only. */
static size_t amount(int is_unix)
{
    return is_unix ? 150 * 1000 : 2000 * 1000;
}

static const char *value_of(int ms)
{
    static char value[32];
    snprintf(value, sizeof value, "%dms", ms);
    return value;
}

static const unsigned char *data_of(void)
{
    static unsigned char data[2000 * 1000];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (unsigned char)(i * 31 + i / 4096);
    return data;
}

/* Reads so much, a little all the time, in three times the deadline. */
static void read_slowly(int fd, size_t length)
{
    static unsigned char bytes[16 * 1024];
    const unsigned char *expected = data_of();
    int64_t since = now_ms(), whole = 3 * timeout_ms();
    for (size_t at = 0; at < length;) {
        size_t n = length - at < sizeof bytes ? length - at : sizeof bytes;
        ssize_t got = recv(fd, bytes, n, 0);
        if (got <= 0)
            fail(last_check, "cut after %zu of %zu bytes", at, length);
        CHECK(memcmp(bytes, expected + at, (size_t)got) == 0);
        at += (size_t)got;
        int64_t early = since + (int64_t)at * whole / (int64_t)length - now_ms();
        if (early > 0)
            poll(NULL, 0, (int)early);
    }
}

static void read_frame_slowly(int fd, size_t length)
{
    unsigned char head[14];
    receive_bytes(fd, head, 2);
    CHECK_INT(FIN | BINARY, head[0]);
    CHECK_INT(127, head[1]);
    receive_bytes(fd, head, 8);
    read_slowly(fd, length);
}

static char path[64];

/* A server at a port, or at a path; one client, open. */
static ws_server *server_for(struct record *record, const char *option, int is_unix, int *fd)
{
    ws_server *server = recorded_server(record, echo_message);
    CHECK_OK(ws_server_set(server, option, value_of(timeout_ms())));
    CHECK_OK(ws_server_set(server, "ping_interval", value_of(timeout_ms() / 4)));
    if (!is_unix) {
        *fd = client_connect(start(server));
        keep_little(*fd);
    } else {
        char address[sizeof path + 5];
        struct sockaddr_un local = {.sun_family = AF_UNIX};
        snprintf(path, sizeof path, "/tmp/wspush-slow-%d", (int)getpid());
        snprintf(address, sizeof address, "unix:%s", path);
        snprintf(local.sun_path, sizeof local.sun_path, "%s", path);
        CHECK_OK(ws_server_listen(server, address, 0));
        CHECK_OK(ws_server_start(server));
        *fd = client_of((struct sockaddr *)&local, sizeof local);
    }
    return server;
}

static void open_there(struct record *record, int fd)
{
    send_upgrade(fd, "/");
    expect_upgrade(fd);
    WAIT_FOR(record, opens, 1);
}

static void a_ping_behind_it(int is_unix)
{
    struct record record = RECORD;
    int fd;
    ws_server *server = server_for(&record, "pong_timeout", is_unix, &fd);
    open_there(&record, fd);
    CHECK_OK(ws_push(server, record.conn, data_of(), amount(is_unix), WS_BINARY));
    read_frame_slowly(fd, amount(is_unix));
    EXPECT_FRAME(fd, FIN | PING, "", 0);
    send_frame(fd, FIN | PONG, "", 0);
    send_message(fd, "here I am");
    struct frame frame;
    while ((frame = receive_frame(fd)).first == (FIN | PING))
        frame_free(&frame);
    CHECK_STRING("here I am", (char *)frame.data);
    frame_free(&frame);
    CHECK_INT(0, stats_of(server).pong_timeouts);
    stop_and_free(server);
    close(fd);
}

static void a_close_behind_it(int is_unix)
{
    struct record record = RECORD;
    int fd;
    ws_server *server = server_for(&record, "close_timeout", is_unix, &fd);
    open_there(&record, fd);
    CHECK_OK(ws_push(server, record.conn, data_of(), amount(is_unix), WS_BINARY));
    CHECK_OK(ws_close(server, record.conn, 4000, "that was all", 12));
    read_frame_slowly(fd, amount(is_unix));
    EXPECT_CLOSE(fd, 4000);
    send_close(fd, 4000, "");
    EXPECT_END(fd);
    WAIT_FOR(&record, closes, 1);
    CHECK_INT(4000, record.code);
    CHECK_INT(0, stats_of(server).close_timeouts);
    stop_and_free(server);
    close(fd);
}

/* The peer begins to close, and takes what was pushed before. */
static void an_answer_to_a_close_behind_it(void)
{
    struct record record = RECORD;
    int fd;
    ws_server *server = server_for(&record, "close_timeout", 0, &fd);
    open_there(&record, fd);
    CHECK_OK(ws_push(server, record.conn, data_of(), amount(0), WS_BINARY));
    send_close(fd, 1000, "");
    WAIT_FOR(&record, closes, 1);
    read_frame_slowly(fd, amount(0));
    EXPECT_CLOSE(fd, 1000);
    EXPECT_END(fd);
    close(fd);
    STATS_WHEN(server, connections_open, 0);
    CHECK_INT(0, stats_of(server).close_timeouts);
    stop_and_free(server);
}

static void respond(ws_server *server, ws_conn conn, const ws_request *request, void *user_data)
{
    (void)request, (void)user_data;
    CHECK_OK(ws_respond(server, conn, 200, NULL, data_of(), amount(0)));
}

static void a_response(const char *option, const char *connection)
{
    struct record record = RECORD;
    int fd;
    char request[128], head[1024];
    ws_server *server = new_server();
    CHECK_OK(ws_server_on_request(server, respond, &record));
    CHECK_OK(ws_server_set(server, option, value_of(timeout_ms())));
    fd = client_connect(start(server));
    keep_little(fd);
    snprintf(request, sizeof request, "GET / HTTP/1.1\r\nHost: a\r\nConnection: %s\r\n\r\n", connection);
    send_text(fd, request);
    CHECK_INT(200, receive_head(fd, head, sizeof head));
    read_slowly(fd, amount(0));
    if (strcmp(connection, "close") == 0) {
        EXPECT_END(fd);
        close(fd);
        STATS_WHEN(server, connections_open, 0);
    }
    CHECK_INT(0, stats_of(server).close_timeouts);
    stop_and_free(server);
}

/* Reads nothing at all. The kernel still answers for it. */
static void one_that_reads_nothing(int is_unix, int closes)
{
    struct record record = RECORD;
    int fd;
    ws_server *server = server_for(&record, closes ? "close_timeout" : "pong_timeout", is_unix, &fd);
    open_there(&record, fd);
    CHECK_OK(ws_push(server, record.conn, data_of(), amount(is_unix), WS_BINARY));
    int64_t since = now_ms();
    if (closes)
        CHECK_OK(ws_close(server, record.conn, 1000, NULL, 0));
    WAIT_FOR(&record, closes, 1);
    CHECK_INT(1006, record.code);
    int64_t took = now_ms() - since;
    CHECK(took >= timeout_ms() - 20);
    /* The kernel fills up the last of a window bit by bit, which takes it some seconds. */
    CHECK(took < 3 * timeout_ms() + scaled(8000, 30000));
    stop_and_free(server);
    close(fd);
}

/* Answers no ping, while its kernel goes on taking what is pushed: that is no sign of life. */
static void one_that_hangs(void)
{
    struct record record = RECORD;
    int fd;
    ws_server *server = recorded_server(&record, echo_message);
    CHECK_OK(ws_server_set(server, "pong_timeout", value_of(timeout_ms())));
    CHECK_OK(ws_server_set(server, "ping_interval", value_of(timeout_ms() / 4)));
    fd = client_open(start(server));
    WAIT_FOR(&record, opens, 1);
    int64_t since = now_ms();
    while (count_of(&record, &record.closes) == 0) {
        ws_push(server, record.conn, "tick", 4, WS_TEXT);
        poll(NULL, 0, 5);
    }
    CHECK_INT(1006, record.code);
    CHECK(now_ms() - since < 2 * timeout_ms() + scaled(1500, 20000));
    CHECK_INT(1, stats_of(server).pong_timeouts);
    stop_and_free(server);
    close(fd);
}

/* The same of a client, whose server reads slowly. */
static void a_client(int closes)
{
    struct client_record record = CLIENT_RECORD;
    struct listener listener = new_listener();
    unsigned char head[14];
    static unsigned char bytes[16 * 1024];
    keep_little(listener.fd); /* and so the sockets that it accepts */
    ws_client *client = recorded_client(listener.url, &record);
    CHECK_OK(ws_client_set(client, closes ? "close_timeout" : "pong_timeout", value_of(timeout_ms())));
    CHECK_OK(ws_client_set(client, "ping_interval", value_of(timeout_ms() / 4)));
    CHECK_OK(ws_client_start(client));
    int fd = OPEN_NEXT(&listener);
    WAIT_CLIENT(&record, opens, 1);
    CHECK_OK(ws_client_push(client, data_of(), amount(0), WS_BINARY));
    if (closes)
        CHECK_OK(ws_client_close(client, 4000, "", 0));
    receive_bytes(fd, head, 14);
    CHECK_INT(FIN | BINARY, head[0]);
    int64_t since = now_ms(), whole = 3 * timeout_ms();
    for (size_t at = 0; at < amount(0);) {
        size_t left = amount(0) - at;
        ssize_t got = recv(fd, bytes, left < sizeof bytes ? left : sizeof bytes, 0);
        if (got <= 0)
            fail(HERE, "cut after %zu bytes", at);
        at += (size_t)got;
        int64_t early = since + (int64_t)at * whole / (int64_t)amount(0) - now_ms();
        if (early > 0)
            poll(NULL, 0, (int)early);
    }
    if (closes) {
        EXPECT_CLOSE_FROM_CLIENT(fd, 4000);
        send_close_to_client(fd, 4000, "");
    } else {
        EXPECT_MASKED(fd, FIN | PING, "", 0);
        send_close_to_client(fd, 4000, "");
        EXPECT_CLOSE_FROM_CLIENT(fd, 4000);
    }
    shutdown(fd, SHUT_WR);
    EXPECT_CLOSED(client, &record, 4000);
    close(fd);
    close(listener.fd);
}

int main(void)
{
    begin();
    for (int is_unix = 0; is_unix < 2; is_unix++) {
        a_ping_behind_it(is_unix);
        a_close_behind_it(is_unix);
        one_that_reads_nothing(is_unix, 0);
        one_that_reads_nothing(is_unix, 1);
    }
    an_answer_to_a_close_behind_it();
    a_response("close_timeout", "close");
    a_response("response_timeout", "close");
    a_response("response_timeout", "keep-alive");
    one_that_hangs();
    a_client(0);
    a_client(1);
    return 0;
}
