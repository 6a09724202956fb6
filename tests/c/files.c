/* Files below document_root, answered before the host is asked. */
#include "harness.h"

#include <fcntl.h>
#include <sys/stat.h>

enum { LARGE = 3 * 1024 * 1024 + 7, HUGE = 64 * 1024 * 1024 }; /* huge: more than the kernel takes for a connection */

static char top[] = "/tmp/wspush-files-XXXXXX";
static unsigned char *large;

static const char *in_top(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", top, name);
    return path;
}

/* Long ago, so that its ETag is a strong one. */
static void make_file(const char *name, const void *bytes, size_t length)
{
    struct timespec times[2] = {{.tv_sec = 784111777}, {.tv_sec = 784111777}};
    int fd = open(in_top(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    CHECK(fd >= 0);
    CHECK_INT(length, write(fd, bytes, length));
    CHECK_INT(0, futimens(fd, times));
    close(fd);
}

static void make_tree(void)
{
    CHECK(mkdtemp(top) != NULL);
    CHECK_INT(0, mkdir(in_top("root"), 0755));
    CHECK_INT(0, mkdir(in_top("root/docs"), 0755));
    CHECK_INT(0, mkdir(in_top("root/bare"), 0755));
    CHECK_INT(0, mkdir(in_top("root/.git"), 0755));
    make_file("secret", "secret", 6);
    make_file("root/index.html", "<h1>home</h1>", 13);
    make_file("root/docs/index.html", "<h1>docs</h1>", 13);
    make_file("root/a b.txt", "0123456789", 10);
    make_file("root/empty.css", "", 0);
    make_file("root/.git/config", "hidden", 6);
    large = malloc(LARGE);
    for (int i = 0; i < LARGE; i++)
        large[i] = (unsigned char)(i * 31 >> 3);
    make_file("root/large.bin", large, LARGE);
    make_file("root/huge.bin", "", 0);
    CHECK_INT(0, truncate(in_top("root/huge.bin"), HUGE));
    CHECK_INT(0, symlink("../secret", in_top("root/link")));
    CHECK_INT(0, symlink("/etc", in_top("root/etc")));
    CHECK_INT(0, symlink("root", in_top("current")));
    CHECK_INT(0, mkfifo(in_top("root/pipe"), 0644));
}

static void remove_tree(void)
{
    static const char *const files[] = {"root/index.html", "root/docs/index.html", "root/a b.txt", "root/empty.css",
                                        "root/.git/config", "root/large.bin", "root/huge.bin", "root/link", "root/etc", "root/pipe",
                                        "current", "secret"};
    static const char *const directories[] = {"root/docs", "root/bare", "root/.git", "root", "."};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        CHECK_INT(0, unlink(in_top(files[i])));
    for (size_t i = 0; i < 4; i++)
        CHECK_INT(0, rmdir(in_top(directories[i])));
    CHECK_INT(0, rmdir(top));
    free(large);
}

struct answer {
    int status, length;
    char head[2048];
    unsigned char *body;
};

static const char *header(const struct answer *answer, const char *name)
{
    static char value[512];
    char line[64];
    snprintf(line, sizeof line, "\r\n%s: ", name);
    const char *at = strstr(answer->head, line);
    if (at == NULL)
        return "";
    at += strlen(line);
    snprintf(value, sizeof value, "%.*s", (int)strcspn(at, "\r"), at);
    return value;
}

/* Reads an answer whose body is as long as it says. */
static struct answer *receive_answer(int fd, int has_body)
{
    static struct answer answer;
    free(answer.body);
    answer.status = receive_head(fd, answer.head, sizeof answer.head);
    answer.length = atoi(header(&answer, "Content-Length"));
    answer.body = calloc(1, (size_t)answer.length + 1);
    CHECK(answer.body != NULL);
    if (has_body && answer.status != 304)
        receive_bytes(fd, answer.body, (size_t)answer.length);
    return &answer;
}

static int connection; /* kept for all of them: each answer ends where it says */

static struct answer *ask(const char *method, const char *path, const char *lines)
{
    char request[8192];
    snprintf(request, sizeof request, "%s %s HTTP/1.1\r\nHost: a\r\n%s\r\n", method, path, lines);
    send_text(connection, request);
    return receive_answer(connection, strcmp(method, "HEAD") != 0);
}

static struct answer *get(const char *path, const char *lines)
{
    return ask("GET", path, lines);
}

static void files(void)
{
    struct answer *answer = get("/", "");
    CHECK_INT(200, answer->status);
    CHECK_STRING("<h1>home</h1>", (char *)answer->body);
    CHECK_STRING("text/html; charset=utf-8", header(answer, "Content-Type"));
    CHECK_STRING("nosniff", header(answer, "X-Content-Type-Options"));
    CHECK_STRING("Sun, 06 Nov 1994 08:49:37 GMT", header(answer, "Last-Modified"));
    CHECK(strlen(header(answer, "Date")) == 29);

    answer = get("/a%20b.txt?whatever=../..", "");
    CHECK_INT(200, answer->status);
    CHECK_STRING("0123456789", (char *)answer->body);
    CHECK_STRING("text/plain; charset=utf-8", header(answer, "Content-Type"));
    CHECK_INT(200, get("http://elsewhere.example/index.html", "")->status);

    answer = get("/empty.css", "");
    CHECK_INT(200, answer->status);
    CHECK_STRING("0", header(answer, "Content-Length"));

    answer = get("/docs?x=1", "");
    CHECK_INT(301, answer->status);
    CHECK_STRING("/docs/?x=1", header(answer, "Location"));
    answer = get("/docs/", "");
    CHECK_INT(200, answer->status);
    CHECK_STRING("<h1>docs</h1>", (char *)answer->body);

    answer = ask("HEAD", "/large.bin", "Range: bytes=0-0\r\n");
    CHECK_INT(200, answer->status);
    CHECK_INT(LARGE, answer->length);
    CHECK_STRING("application/octet-stream", header(answer, "Content-Type"));
}

static void conditions_and_ranges(void)
{
    char line[128], tag[64];
    struct answer *answer = get("/a%20b.txt", "");
    snprintf(tag, sizeof tag, "%s", header(answer, "ETag"));
    CHECK(tag[0] == '"');
    snprintf(line, sizeof line, "If-None-Match: \"x\", W/%s\r\n", tag);
    answer = get("/a%20b.txt", line);
    CHECK_INT(304, answer->status);
    CHECK_STRING(tag, header(answer, "ETag"));
    CHECK_STRING("", header(answer, "Content-Length"));
    CHECK_INT(304, get("/a%20b.txt", "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n")->status);
    CHECK_INT(200, get("/a%20b.txt", "If-Modified-Since: Sun, 06 Nov 1994 08:49:36 GMT\r\n")->status);
    CHECK_INT(412, get("/a%20b.txt", "If-Match: \"x\"\r\n")->status);

    answer = get("/a%20b.txt", "Range: bytes=2-4\r\n");
    CHECK_INT(206, answer->status);
    CHECK_STRING("bytes 2-4/10", header(answer, "Content-Range"));
    CHECK_STRING("234", (char *)answer->body);
    CHECK_STRING("789", (char *)get("/a%20b.txt", "Range: bytes=-3\r\n")->body);
    answer = get("/a%20b.txt", "Range: bytes=10-\r\n");
    CHECK_INT(416, answer->status);
    CHECK_STRING("bytes */10", header(answer, "Content-Range"));
    CHECK_INT(200, get("/a%20b.txt", "Range: bytes=0-1,3-4\r\n")->status);
    snprintf(line, sizeof line, "Range: bytes=2-4\r\nIf-Range: %s\r\n", tag);
    CHECK_INT(206, get("/a%20b.txt", line)->status);
    CHECK_INT(200, get("/a%20b.txt", "Range: bytes=2-4\r\nIf-Range: \"x\"\r\n")->status);

    answer = get("/large.bin", "Range: bytes=100000-2000000\r\n");
    CHECK_INT(206, answer->status);
    CHECK_INT(1900001, answer->length);
    CHECK(memcmp(answer->body, large + 100000, 1900001) == 0);
}

/* No file: nobody but the host answers, here with 404 as it has no callback for requests. */
static void no_way_out(void)
{
    static const char *const paths[] = {
        "/none", "/link", "/etc/passwd", "/pipe", "/bare", "/bare/", "/index.html/", "/docs/none", "/docs/index.html/x",
        "/../secret", "/docs/../../secret", "/./index.html", "/%2e%2e/secret", "/..%2fsecret", "/%2e%2e%2fsecret",
        "/docs/%2e%2e/%2e%2e/secret", "/..%5csecret", "/..\\secret", "//index.html", "/docs//index.html",
        "/.git/config", "/%2egit/config", "/index.html%00", "/index.html%00.txt", "/%zz", "/%", "/a%20b.txt%0a",
        "//etc/passwd", "/a b", "/%252e%252e/secret"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        if (strchr(paths[i], ' ') != NULL)
            continue; /* is no target at all */
        int status = get(paths[i], "")->status;
        if (status != 404)
            fail(HERE, "%d for %s", status, paths[i]);
    }
}

static void other_methods(void)
{
    static const char *const methods[] = {"POST", "PUT", "DELETE", "OPTIONS", "get"};
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        struct answer *answer = ask(methods[i], "/index.html", "Content-Length: 0\r\n");
        CHECK_INT(405, answer->status);
        CHECK_STRING("GET, HEAD", header(answer, "Allow"));
        CHECK_INT(404, ask(methods[i], "/none", "")->status);
    }
}

/* The connection goes on behind a file, with what was asked before it has left. */
static void pipelined(int port)
{
    int fd = client_connect(port);
    send_text(fd, "GET /large.bin HTTP/1.1\r\nHost: a\r\n\r\nGET /docs/ HTTP/1.1\r\nHost: a\r\n\r\n"
                  "GET /large.bin HTTP/1.1\r\nHost: a\r\n\r\nGET /none HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    struct answer *answer = receive_answer(fd, 1);
    CHECK_INT(LARGE, answer->length);
    CHECK(memcmp(answer->body, large, LARGE) == 0);
    CHECK_STRING("<h1>docs</h1>", (char *)receive_answer(fd, 1)->body);
    answer = receive_answer(fd, 1);
    CHECK(memcmp(answer->body, large, LARGE) == 0);
    CHECK_INT(404, receive_answer(fd, 1)->status);
    EXPECT_END(fd);

    /* Whoever has said all there is to say gets all there is to get; HTTP/1.0 gets the end with it. */
    fd = client_connect(port);
    send_text(fd, "GET /large.bin HTTP/1.0\r\n\r\n");
    CHECK_INT(0, shutdown(fd, SHUT_WR));
    answer = receive_answer(fd, 1);
    CHECK(memcmp(answer->body, large, LARGE) == 0);
    EXPECT_END(fd);
}

/* Reads the body of HUGE zeros that an answer with a huge file has. */
static void receive_huge(int fd)
{
    static unsigned char bytes[1 << 20], zeros[1 << 20];
    char head[2048];
    CHECK_INT(200, receive_head(fd, head, sizeof head));
    for (int64_t left = HUGE; left > 0; left -= sizeof bytes) {
        receive_bytes(fd, bytes, sizeof bytes);
        CHECK(memcmp(bytes, zeros, sizeof bytes) == 0);
    }
}

/* A file goes out as it is taken, and takes no memory while it is not. */
static void slow_readers(ws_server *server, int port)
{
    int clients[10], count = scaled(10, 3);
    int64_t before = resident_bytes();
    for (int i = 0; i < count; i++) {
        clients[i] = client_connect(port);
        send_text(clients[i], "GET /huge.bin HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    for (int i = 0; i < count; i++) { /* each has begun to get it */
        struct pollfd readable = {.fd = clients[i], .events = POLLIN};
        CHECK_INT(1, poll(&readable, 1, scaled(10000, 60000)));
    }
    CHECK_STRING("<h1>home</h1>", (char *)get("/", "")->body); /* nobody else waits for them */
    CHECK(stats_of(server).queued_bytes <= (uint64_t)count * 128 * 1024);
    if (!under_valgrind())
        CHECK(resident_bytes() - before < 8 * 1024 * 1024);
    for (int i = 2; i < count; i++)
        reset(clients[i]);
    for (int i = 0; i < 2; i++) {
        receive_huge(clients[i]);
        close(clients[i]);
    }
    STATS_WHEN(server, connections_open, 1);
    STATS_WHEN(server, queued_bytes, 0);
}

/* One that takes nothing is cut, after the time that the host would have for a piece. */
static void stuck_readers(void)
{
    struct record record = RECORD;
    ws_server *server = recorded_server(&record, echo_message);
    CHECK_OK(ws_server_set(server, "document_root", in_top("current"))); /* over a link, that is fine */
    CHECK_OK(ws_server_set(server, "response_timeout", "200ms"));
    int port = start(server);
    int fd = client_connect(port);
    send_text(fd, "GET /huge.bin HTTP/1.1\r\nHost: a\r\n\r\n");
    STATS_WHEN(server, connections_closed, 1);
    close(fd);
    stop_and_free(server);
}

/* A file that became shorter than was told ends the connection, for nothing else can tell the client. */
static void a_file_that_shrinks(ws_server *server, int port)
{
    int fd = client_connect(port);
    send_text(fd, "GET /huge.bin HTTP/1.1\r\nHost: a\r\n\r\n");
    char head[2048];
    CHECK_INT(200, receive_head(fd, head, sizeof head));
    uint64_t closed = stats_of(server).connections_closed;
    CHECK_INT(0, truncate(in_top("root/huge.bin"), 100));
    int64_t got = 0;
    static char bytes[1 << 20];
    for (ssize_t n; (n = recv(fd, bytes, sizeof bytes, 0)) > 0;)
        got += n;
    CHECK(got < HUGE);
    STATS_WHEN(server, connections_closed, closed + 1);
    close(fd);
    CHECK_INT(0, truncate(in_top("root/huge.bin"), HUGE));
}

static void *stop_it(void *server)
{
    CHECK_OK(ws_server_stop(server, scaled(30000, 120000)));
    return NULL;
}

/* What is under way when the server stops comes to its end. */
static void a_stop_meanwhile(void)
{
    struct record record = RECORD;
    ws_server *server = recorded_server(&record, echo_message);
    CHECK_OK(ws_server_set(server, "document_root", in_top("root")));
    int port = start(server), fd = client_connect(port);
    send_text(fd, "GET /huge.bin HTTP/1.1\r\nHost: a\r\n\r\n");
    struct pollfd readable = {.fd = fd, .events = POLLIN};
    CHECK_INT(1, poll(&readable, 1, scaled(10000, 60000)));
    pthread_t stopping = spawn(stop_it, server);
    while (!refuses(port))
        give_way();
    receive_huge(fd);
    EXPECT_END(fd);
    join(stopping);
    CHECK_INT(0, stats_of(server).connections_cut);
    CHECK_OK(ws_server_free(server));
}

static void answer_request(ws_server *server, ws_conn conn, const ws_request *request, void *user_data)
{
    struct record *record = user_data;
    CHECK_OK(ws_respond(server, conn, 200, NULL, ws_request_method(request), strlen(ws_request_method(request))));
    note(record, &record->requests);
}

static void no_drain(ws_server *server, ws_conn conn, void *user_data)
{
    (void)server, (void)user_data;
    fail(HERE, "a drain of %" PRIu64 " is told", conn);
}

/* What is no file is the host's, and so is what is not a question for one. */
static void the_host_comes_second(void)
{
    struct record record = RECORD;
    ws_server *server = recorded_server(&record, echo_message);
    CHECK_OK(ws_server_on_request(server, answer_request, &record));
    CHECK_OK(ws_server_on_drain(server, no_drain, NULL));
    CHECK_OK(ws_server_set(server, "high_watermark", "1K"));
    CHECK_OK(ws_server_set(server, "document_root", in_top("root")));
    int port = start(server);
    connection = client_connect(port);
    CHECK_STRING("<h1>home</h1>", (char *)get("/index.html", "")->body);
    CHECK_STRING("GET", (char *)get("/none", "")->body);
    CHECK_STRING("GET", (char *)get("/.git/config", "")->body);
    CHECK_STRING("POST", (char *)ask("POST", "/index.html", "Content-Length: 0\r\n")->body);
    CHECK_INT(3, record.requests);
    int other = client_connect(port);
    send_text(other, "GET /huge.bin HTTP/1.1\r\nHost: a\r\n\r\n");
    receive_huge(other); /* which the host hears nothing of */
    close(other);
    send_upgrade(connection, "/index.html"); /* an upgrade is none */
    expect_upgrade(connection);
    send_message(connection, "x");
    EXPECT_MESSAGE(connection, "x");
    close(connection);
    stop_and_free(server);
}

/* In poll mode, too. */
static void polled(void)
{
    struct poller poller = {.server = new_server()};
    CHECK_OK(ws_server_set(poller.server, "document_root", in_top("root")));
    int port = start(poller.server);
    int fd = client_connect(port);
    send_text(fd, "GET /index.html HTTP/1.1\r\nHost: a\r\n\r\nGET /none HTTP/1.1\r\nHost: a\r\n\r\n");
    const ws_event *event = EXPECT_EVENT(&poller, WS_EVENT_REQUEST); /* of the second alone */
    CHECK_STRING("/none", ws_request_path(event->request));
    CHECK_OK(ws_respond(poller.server, event->conn, 404, NULL, "none", 4));
    CHECK_STRING("<h1>home</h1>", (char *)receive_answer(fd, 1)->body);
    CHECK_INT(404, receive_answer(fd, 1)->status);
    close(fd);
    stop_and_free(poller.server);
}

static void roots_that_are_none(void)
{
    static const char *const roots[] = {"none", "secret"};
    for (int i = 0; i < 2; i++) {
        ws_server *server = new_server();
        CHECK_OK(ws_server_set(server, "document_root", in_top(roots[i])));
        CHECK_OK(ws_server_listen(server, "127.0.0.1", 0));
        CHECK_STATUS(WS_ERR_VALUE, ws_server_start(server));
        CHECK_CONTAINS(roots[i], ws_last_error());
        CHECK_OK(ws_server_set(server, "document_root", ""));
        CHECK_OK(ws_server_start(server));
        stop_and_free(server);
    }
}

int main(void)
{
    begin();
    make_tree();
    struct record record = RECORD;
    ws_server *server = recorded_server(&record, echo_message);
    CHECK_OK(ws_server_set(server, "document_root", in_top("root")));
    int port = start(server);
    connection = client_connect(port);
    files();
    conditions_and_ranges();
    no_way_out();
    other_methods();
    pipelined(port);
    slow_readers(server, port);
    a_file_that_shrinks(server, port);
    CHECK_STRING("<h1>home</h1>", (char *)get("/", "")->body); /* still on the first connection */
    close(connection);
    stop_and_free(server);
    stuck_readers();
    a_stop_meanwhile();
    the_host_comes_second();
    polled();
    roots_that_are_none();
    remove_tree();
    return 0;
}
