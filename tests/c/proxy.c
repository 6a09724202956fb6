/* Whom a request is from, behind a proxy: the PROXY protocol and X-Forwarded-For, from those who are trusted. */
#include "harness.h"

static const char v1[] = "PROXY TCP4 203.0.113.7 198.51.100.1 5000 443\r\n";
static const char v1_ipv6[] = "PROXY TCP6 2001:db8::7 2001:db8::1 5001 443\r\n";
#define V2 "\r\n\r\n\0\r\nQUIT\n"
static const char v2[] = V2 "\x21\x11\0\x13\xcb\0\x71\x08\xc6\x33\x64\x01\x13\x8a\x01\xbb\x04\0\x04pad!";
static const char local[] = V2 "\x20\0\0\0";

static const char v1_mapped[] = "PROXY TCP6 ::ffff:203.0.113.7 2001:db8::1 5000 443\r\n";
static const char v2_mapped[] = V2 "\x21\x21\0\x24\0\0\0\0\0\0\0\0\0\0\xff\xff\xcb\0\x71\x07"
    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x13\x88\x01\xbb";

struct seen {
    struct record record;
    char from[10][64]; /* address and port of each request */
};

static void see(struct seen *seen, const ws_request *request)
{
    int index = seen->record.requests + seen->record.opens;
    CHECK(index < 10);
    snprintf(seen->from[index], sizeof seen->from[index], "%s %d", ws_request_remote_address(request),
             ws_request_remote_port(request));
}

static void on_request(ws_server *server, ws_conn conn, const ws_request *request, void *user_data)
{
    struct seen *seen = user_data;
    see(seen, request);
    note(&seen->record, &seen->record.requests); /* before the client knows */
    CHECK_OK(ws_respond(server, conn, 200, NULL, "ok", 2));
}

static void on_open(ws_server *server, ws_conn conn, const ws_request *request, void *user_data)
{
    struct seen *seen = user_data;
    see(seen, request);
    record_open(server, conn, request, &seen->record);
}

static ws_server *server_behind(const char *proxies, const char *proxy_protocol, struct seen *seen)
{
    ws_server *server = new_server();
    CHECK_OK(ws_server_on_open(server, on_open, seen));
    CHECK_OK(ws_server_on_message(server, echo_message, &seen->record));
    CHECK_OK(ws_server_on_close(server, record_close, &seen->record));
    CHECK_OK(ws_server_on_request(server, on_request, seen));
    CHECK_OK(ws_server_set(server, "trusted_proxies", proxies));
    CHECK_OK(ws_server_set(server, "proxy_protocol", proxy_protocol));
    return server;
}

static int status_of(int fd)
{
    char head[2048], body[256];
    int length = 0, status = receive_head(fd, head, sizeof head);
    const char *line = strstr(head, "Content-Length: ");
    CHECK(line != NULL && sscanf(line, "Content-Length: %d", &length) == 1 && length < (int)sizeof body);
    receive_bytes(fd, body, (size_t)length);
    return status;
}

/* Sends the bytes, then a request with these lines, and tells how the server has seen its sender. */
static const char *seen_as(struct seen *seen, const char *from, int port, const void *before, size_t length,
                           const char *lines)
{
    int fd = client_from(from, port);
    seen->record.requests = seen->record.opens = 0;
    send_bytes(fd, before, length);
    send_text(fd, "GET / HTTP/1.1\r\nHost: a\r\n");
    send_text(fd, lines);
    send_text(fd, "\r\n");
    CHECK_INT(200, status_of(fd));
    close(fd);
    return seen->from[0];
}

static void who_is_named_is_told(struct seen *seen, int port)
{
    CHECK_STRING("203.0.113.7 5000", seen_as(seen, "127.0.0.2", port, v1, sizeof v1 - 1, ""));
    CHECK_STRING("2001:db8::7 5001", seen_as(seen, "127.0.0.2", port, v1_ipv6, sizeof v1_ipv6 - 1, ""));
    CHECK_STRING("203.0.113.8 5002", seen_as(seen, "127.0.0.3", port, v2, sizeof v2 - 1, ""));
    /* A balancer that serves both families may write an IPv4 address as an IPv6 one. */
    CHECK_STRING("203.0.113.7 5000", seen_as(seen, "127.0.0.2", port, v1_mapped, sizeof v1_mapped - 1, ""));
    CHECK_STRING("203.0.113.7 5000", seen_as(seen, "127.0.0.2", port, v2_mapped, sizeof v2_mapped - 1, ""));

    /* A client that is named says nothing else of itself. */
    const char *claim = "X-Forwarded-For: 192.0.2.66\r\n";
    CHECK_STRING("203.0.113.7 5000", seen_as(seen, "127.0.0.2", port, v1, sizeof v1 - 1, claim));
    /* Another proxy that is trusted does. */
    const char *behind = "PROXY TCP4 127.0.0.3 127.0.0.1 1 2\r\n";
    CHECK_STRING("192.0.2.66 0", seen_as(seen, "127.0.0.2", port, behind, strlen(behind), claim));
    /* Who speaks for nobody is who it is, and what comes through it is nobody's word. */
    CHECK(strncmp("127.0.0.2 ", seen_as(seen, "127.0.0.2", port, local, sizeof local - 1, claim), 10) == 0);
    const char *unknown = "PROXY UNKNOWN\r\n";
    CHECK(strncmp("127.0.0.2 ", seen_as(seen, "127.0.0.2", port, unknown, strlen(unknown), claim), 10) == 0);
}

/* However a header is cut, and whatever follows it. */
static void headers_in_pieces(struct seen *seen, int port)
{
    static const struct {
        const char *bytes, *client;
        size_t length;
    } rows[] = {{v1, "203.0.113.7 5000", sizeof v1 - 1}, {v2, "203.0.113.8 5002", sizeof v2 - 1}};
    for (size_t i = 0; i < 2; i++) {
        int fd = client_from("127.0.0.2", port);
        seen->record.requests = seen->record.opens = 0;
        for (size_t at = 0; at < rows[i].length; at++)
            send_bytes(fd, rows[i].bytes + at, 1);
        /* The rest at once: a request, another one, an upgrade, and a frame. */
        size_t length;
        unsigned char *frame = make_frame(FIN | TEXT, "hello", 5, 7, &length);
        char rest[1024];
        int used = snprintf(rest, sizeof rest,
                            "GET / HTTP/1.1\r\nHost: a\r\n\r\nHEAD /x HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n"
                            "GET / HTTP/1.1\r\n" UPGRADE_LINES "\r\n");
        memcpy(rest + used, frame, length);
        free(frame);
        send_bytes(fd, rest, (size_t)used + length);
        CHECK_INT(200, status_of(fd));
        char head[1024];
        CHECK_INT(200, receive_head(fd, head, sizeof head));
        expect_upgrade(fd);
        EXPECT_MESSAGE(fd, "hello");
        for (int k = 0; k < 3; k++)
            CHECK_STRING(rows[i].client, seen->from[k]);
        reset(fd);
        WAIT_FOR(&seen->record, closes, (int)i + 1);

        /* Header and request in one piece. */
        fd = client_from("127.0.0.2", port);
        seen->record.requests = seen->record.opens = 0;
        memcpy(rest, rows[i].bytes, rows[i].length);
        memcpy(rest + rows[i].length, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 27);
        send_bytes(fd, rest, rows[i].length + 27);
        CHECK_INT(200, status_of(fd));
        CHECK_STRING(rows[i].client, seen->from[0]);
        close(fd);
    }
}

static void headers_that_are_none(ws_server *server, int port)
{
    static const struct {
        const char *bytes;
        size_t length;
    } rows[] = {
#define BYTES(text) {text, sizeof text - 1}
        BYTES("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), /* it is missing */
        BYTES("\r\nGET / HTTP/1.1\r\n"),
        BYTES("PROXY TCP4 203.0.113.7 198.51.100.1 5000\r\n"),
        BYTES("PROXY TCP4 203.0.113.7 198.51.100.1 5000 99999\r\n"),
        BYTES("PROXY TCP4 ::1 ::1 1 2\r\n"),
        BYTES("PROXY UNKNOWN xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"),
        BYTES(V2 "\x31\x11\0\x0c"),
        BYTES(V2 "\x21\x11\0\x0b"),
        BYTES(V2 "\x20\0\xff\xff"),
        BYTES(V2 "\x21\x11\0\x10\xcb\0\x71\x08\xc6\x33\x64\x01\x13\x8a\x01\xbb\x04\0\x09x"),
#undef BYTES
    };
    int count = sizeof rows / sizeof *rows;
    for (int i = 0; i < count; i++) {
        int fd = client_from("127.0.0.2", port);
        send_bytes(fd, rows[i].bytes, rows[i].length);
        int status = status_of(fd);
        if (status != 400)
            fail(HERE, "%d for header %d", status, i);
        EXPECT_END(fd);
    }
    STATS_WHEN(server, proxy_errors, count);
    CHECK_INT(count, stats_of(server).refused_400);

    /* One that does not come to its end runs into the deadline of a request. */
    int fd = client_from("127.0.0.2", port);
    send_bytes(fd, v2, 20);
    CHECK_INT(408, status_of(fd));
    EXPECT_END(fd);
    close(client_from("127.0.0.2", port)); /* a look whether somebody listens */
    CHECK_INT(count, stats_of(server).proxy_errors);
}

/* Balancers check by a connection that they reset, often before it is accepted: that is nobody's fault. */
static int gate[2], refusals;

static void hold(ws_server *server, ws_conn conn, const ws_request *request, void *user_data)
{
    char byte;
    CHECK_OK(ws_respond(server, conn, 200, NULL, "ok", 2));
    record_request(server, conn, request, user_data);
    CHECK_INT(1, read(gate[0], &byte, 1));
}

static void count_refusals(ws_server *server, int level, const char *message, void *user_data)
{
    CHECK(server != NULL && level <= WS_LOG_DEBUG && user_data == &refusals);
    if (strstr(message, "refused") != NULL)
        __atomic_add_fetch(&refusals, 1, __ATOMIC_SEQ_CST);
}

static void who_is_gone_is_not_refused(const char *caps)
{
    static const struct {
        const char *bytes;
        size_t length;
    } rows[] = {
#define BYTES(text) {text, sizeof text - 1}
        BYTES(v1), BYTES(v2), BYTES(local), BYTES("PROXY UNKNOWN\r\n"), BYTES("PROXY TC"), BYTES(""),
        BYTES("PROXY TCP4 203.0.113.7 198.51.100.1 5000 443\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        BYTES("PROXY TCP4 203.0.113.7 198.51.100.1 5000 443\r\nGET / HTTP/1.1\r\n" UPGRADE_LINES "\r\n"),
#undef BYTES
    };
    enum { ROWS = sizeof rows / sizeof *rows, ROUNDS = 6 };
    struct seen seen = {.record = RECORD};
    ws_server *server = server_behind("127.0.0.2/31, unix", "on", &seen);
    CHECK_INT(0, pipe(gate));
    CHECK_OK(ws_server_on_request(server, hold, &seen.record));
    CHECK_OK(ws_server_on_log(server, count_refusals, &refusals));
    CHECK_OK(ws_server_set(server, "log_level", "debug"));
    CHECK_OK(ws_server_set(server, "max_connections_per_address", caps));
    int port = start(server), fd = client_from("127.0.0.5", port);
    send_text(fd, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    WAIT_FOR(&seen.record, requests, 1); /* the reactor is held up */
    for (int i = 0; i < ROUNDS * ROWS; i++) {
        int check = client_from("127.0.0.2", port);
        send_bytes(check, rows[i % ROWS].bytes, rows[i % ROWS].length);
        if (i / ROWS % 2 == 0)
            reset(check);
        else if (rows[i % ROWS].length <= sizeof v1_ipv6) /* no request */
            close(check);
        else
            reset(check);
    }
    CHECK_INT(1, write(gate[1], "x", 1));
    CHECK_INT(200, status_of(fd));
    STATS_WHEN(server, connections_accepted, 1 + ROUNDS * ROWS);
    ws_stats stats = STATS_WHEN(server, connections_closed, ROUNDS * ROWS);
    CHECK_INT(0, stats.requests_refused);
    CHECK_INT(0, stats.proxy_errors);
    CHECK_INT(0, stats.connections_refused);
    CHECK_INT(0, stats.address_refusals);
    CHECK_INT(0, stats.panics);
    CHECK_INT(0, __atomic_load_n(&refusals, __ATOMIC_SEQ_CST));
    CHECK_INT(1, count_of(&seen.record, &seen.record.requests));
    CHECK_INT(0, count_of(&seen.record, &seen.record.opens));
    close(fd);
    stop_and_free(server);
    close(gate[0]);
    close(gate[1]);
}

static void others_are_not_believed(struct seen *seen, ws_server *server, int port)
{
    const char *lines = "X-Forwarded-For: 192.0.2.66\r\n";
    CHECK(strncmp("127.0.0.4 ", seen_as(seen, "127.0.0.4", port, "", 0, lines), 10) == 0);
    uint64_t errors = stats_of(server).proxy_errors;
    int fd = client_from("127.0.0.4", port);
    send_bytes(fd, v1, sizeof v1 - 1);
    CHECK_INT(400, status_of(fd)); /* a request that is none */
    EXPECT_END(fd);
    CHECK_INT(errors, stats_of(server).proxy_errors);
}

static void by_the_proxy_protocol(const char *reactors)
{
    struct seen seen = {.record = RECORD};
    ws_server *server = server_behind("127.0.0.2/31", "on", &seen);
    CHECK_OK(ws_server_set(server, "reactors", reactors));
    CHECK_OK(ws_server_set(server, "request_timeout", under_valgrind() ? "3s" : "500ms"));
    int port = start(server);
    who_is_named_is_told(&seen, port);
    headers_in_pieces(&seen, port);
    headers_that_are_none(server, port);
    others_are_not_believed(&seen, server, port);
    stop_and_free(server);
}

static void by_forwarded_for(void)
{
    struct seen seen = {.record = RECORD};
    ws_server *server = server_behind("127.0.0.2, 10.0.0.0/8", "off", &seen);
    int port = start(server);
    CHECK_STRING("192.0.2.7 0", seen_as(&seen, "127.0.0.2", port, "", 0, "X-Forwarded-For: 192.0.2.7\r\n"));
    CHECK_STRING("192.0.2.7 80", seen_as(&seen, "127.0.0.2", port, "", 0, "X-Forwarded-For: 1.1.1.1, 192.0.2.7:80, 10.0.0.1\r\n"));
    CHECK_STRING("2001:db8::7 0", seen_as(&seen, "127.0.0.2", port, "", 0, "X-Forwarded-For: 2001:db8::7\r\nX-Forwarded-For: 10.1.1.1\r\n"));
    CHECK(strncmp("127.0.0.2 ", seen_as(&seen, "127.0.0.2", port, "", 0, "X-Forwarded-For: unknown\r\n"), 10) == 0);
    CHECK(strncmp("127.0.0.2 ", seen_as(&seen, "127.0.0.2", port, "", 0, "Forwarded: for=192.0.2.7\r\n"), 10) == 0);
    CHECK(strncmp("127.0.0.1 ", seen_as(&seen, "127.0.0.1", port, "", 0, "X-Forwarded-For: 192.0.2.7\r\n"), 10) == 0);

    int fd = client_from("127.0.0.2", port);
    seen.record.requests = seen.record.opens = 0;
    send_text(fd, "GET / HTTP/1.1\r\nX-Forwarded-For: 192.0.2.7\r\n" UPGRADE_LINES "\r\n");
    expect_upgrade(fd);
    CHECK_STRING("192.0.2.7 0", seen.from[0]);
    close(fd);
    fd = client_from("127.0.0.2", port);
    send_bytes(fd, v1, sizeof v1 - 1); /* nobody has asked for one */
    CHECK_INT(400, status_of(fd));
    EXPECT_END(fd);
    CHECK_INT(0, stats_of(server).proxy_errors);
    stop_and_free(server);
}

/* A client is one by its own address, not by that of the proxy it shares with others. */
static void limits_are_those_of_the_client(const char *proxy_protocol)
{
    struct seen seen = {.record = RECORD};
    int by_header = strcmp(proxy_protocol, "on") == 0, fds[5];
    ws_server *server = server_behind("127.0.0.2", proxy_protocol, &seen);
    CHECK_OK(ws_server_set(server, "max_connections_per_address", "1"));
    int port = start(server);
    for (int i = 0; i < 5; i++) {
        fds[i] = client_from("127.0.0.2", port);
        char head[512];
        snprintf(head, sizeof head, "PROXY TCP4 203.0.113.%d 127.0.0.1 1 2\r\n", i % 4);
        send_text(fds[i], by_header ? head : "");
        snprintf(head, sizeof head, "GET / HTTP/1.1\r\nX-Forwarded-For: 203.0.113.%d\r\n" UPGRADE_LINES "\r\n", i % 4);
        if (i < 4) {
            send_text(fds[i], head);
            expect_upgrade(fds[i]);
        } else {
            send_text(fds[i], by_header ? "" : head);
            CHECK_INT(503, status_of(fds[i]));
            EXPECT_END(fds[i]);
        }
    }
    STATS_WHEN(server, address_refusals, 1);
    CHECK_STRING("203.0.113.3", strtok(seen.from[3], " "));
    close(fds[0]); /* makes room */
    WAIT_FOR(&seen.record, closes, 1);
    STATS_WHEN(server, connections_open, 3);
    fds[0] = client_from("127.0.0.2", port);
    send_text(fds[0], by_header ? "PROXY TCP4 203.0.113.0 127.0.0.1 1 2\r\n" : "");
    send_text(fds[0], "GET / HTTP/1.1\r\nX-Forwarded-For: 203.0.113.0\r\n" UPGRADE_LINES "\r\n");
    expect_upgrade(fds[0]);
    stop_and_free(server);
    for (int i = 0; i < 4; i++)
        close(fds[i]);
}

/* Of a chain of proxies none is a client, neither the one that speaks to us nor the one that it names. */
static void limits_are_not_those_of_a_proxy(void)
{
    struct seen seen = {.record = RECORD};
    int fds[3];
    ws_server *server = server_behind("127.0.0.2, 10.0.0.0/8", "on", &seen);
    CHECK_OK(ws_server_set(server, "max_connections_per_address", "1"));
    int port = start(server);
    for (int i = 0; i < 3; i++) {
        char head[512];
        fds[i] = client_from("127.0.0.2", port);
        snprintf(head, sizeof head, "PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\nGET / HTTP/1.1\r\nX-Forwarded-For: 203.0.113.%d\r\n"
                 UPGRADE_LINES "\r\n", i % 2);
        send_text(fds[i], head);
        if (i < 2)
            expect_upgrade(fds[i]);
        else
            CHECK_INT(503, status_of(fds[i]));
    }
    STATS_WHEN(server, address_refusals, 1);
    CHECK_INT(1, stats_of(server).connections_refused);
    stop_and_free(server);
    for (int i = 0; i < 3; i++)
        close(fds[i]);
}

static void over_a_unix_socket(void)
{
    struct seen seen = {.record = RECORD};
    char directory[] = "/tmp/wspush-proxy-XXXXXX", listen[64];
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    CHECK(mkdtemp(directory) != NULL);
    snprintf(address.sun_path, sizeof address.sun_path, "%s/s", directory);
    snprintf(listen, sizeof listen, "unix:%s/s", directory);
    ws_server *server = server_behind("unix", "on", &seen);
    CHECK_OK(ws_server_listen(server, listen, 0));
    CHECK_OK(ws_server_start(server));
    static const char unix_source[] = V2 "\x21\x31\0\xd8";
    char header[16 + 216] = {0};
    memcpy(header, unix_source, 16);
    struct {
        const char *header;
        size_t length;
        const char *lines, *client;
    } rows[] = {
        {v1, sizeof v1 - 1, "", "203.0.113.7 5000"},
        {header, sizeof header, "", "unix 0"},
        {header, sizeof header, "X-Forwarded-For: 192.0.2.7\r\n", "192.0.2.7 0"},
        {local, sizeof local - 1, "X-Forwarded-For: 192.0.2.7\r\n", "unix 0"},
    };
    for (int i = 0; i < 4; i++) {
        int fd = client_of((struct sockaddr *)&address, sizeof address);
        seen.record.requests = 0;
        send_bytes(fd, rows[i].header, rows[i].length);
        send_text(fd, "GET / HTTP/1.1\r\nHost: a\r\n");
        send_text(fd, rows[i].lines);
        send_text(fd, "\r\n");
        CHECK_INT(200, status_of(fd));
        CHECK_STRING(rows[i].client, seen.from[0]);
        close(fd);
    }
    stop_and_free(server);
    CHECK_INT(0, rmdir(directory));
}

static void nobody_to_speak_it(void)
{
    ws_server *server = new_server();
    CHECK_OK(ws_server_set(server, "proxy_protocol", "on"));
    CHECK_OK(ws_server_listen(server, "127.0.0.1", 0));
    CHECK_STATUS(WS_ERR_VALUE, ws_server_start(server));
    CHECK_CONTAINS("trusted_proxies", ws_last_error());
    CHECK_OK(ws_server_set(server, "trusted_proxies", "::1"));
    CHECK_OK(ws_server_start(server));
    stop_and_free(server);
}

int main(void)
{
    begin();
    by_the_proxy_protocol("1");
    by_the_proxy_protocol("2");
    by_forwarded_for();
    who_is_gone_is_not_refused("0");
    who_is_gone_is_not_refused("3");
    limits_are_those_of_the_client("on");
    limits_are_those_of_the_client("off");
    limits_are_not_those_of_a_proxy();
    over_a_unix_socket();
    nobody_to_speak_it();
    return 0;
}
