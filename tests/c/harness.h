/* What the tests share: checks that name the place and the values, a client that speaks raw bytes, a recorder for
 * callbacks and a reader for poll mode. Include it first. Nothing here sleeps: what must happen is waited for, with a
 * deadline. A program that passes exits with 0, one that cannot run here with 77. */
#ifndef WSPUSH_TESTS_HARNESS_H
#define WSPUSH_TESTS_HARNESS_H

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <wspush.h>

enum { FIN = 0x80, CONTINUATION = 0, TEXT = 1, BINARY = 2, CLOSE = 8, PING = 9, PONG = 10 };
enum { SKIPPED = 77 };

/* ---- checks ------------------------------------------------------------------------------------------------------ */

static const char *volatile last_check = "the start";

__attribute__((noreturn, format(printf, 2, 3))) static inline void fail(const char *where, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "%s: ", where);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    fflush(stderr);
    _exit(1); /* from any thread, whatever the others hold */
}

#define STRING_OF(x) #x
#define STRING(x) STRING_OF(x)
#define HERE __FILE__ ":" STRING(__LINE__)

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        last_check = HERE;                                                                                             \
        if (!(condition))                                                                                              \
            fail(HERE, "not so: %s", #condition);                                                                      \
    } while (0)

#define CHECK_INT(expected, actual)                                                                                    \
    do {                                                                                                               \
        last_check = HERE;                                                                                             \
        long long wanted_ = (long long)(expected), got_ = (long long)(actual);                                         \
        if (wanted_ != got_)                                                                                           \
            fail(HERE, "%s is %lld, not %lld", #actual, got_, wanted_);                                                \
    } while (0)

#define CHECK_STRING(expected, actual)                                                                                 \
    do {                                                                                                               \
        last_check = HERE;                                                                                             \
        const char *wanted_ = (expected), *got_ = (actual);                                                            \
        if (got_ == NULL || strcmp(wanted_, got_) != 0)                                                                \
            fail(HERE, "%s is \"%s\", not \"%s\"", #actual, got_ ? got_ : "(NULL)", wanted_);                          \
    } while (0)

#define CHECK_CONTAINS(part, actual)                                                                                   \
    do {                                                                                                               \
        last_check = HERE;                                                                                             \
        const char *wanted_ = (part), *got_ = (actual);                                                                \
        if (got_ == NULL || strstr(got_, wanted_) == NULL)                                                             \
            fail(HERE, "%s is \"%s\", without \"%s\"", #actual, got_ ? got_ : "(NULL)", wanted_);                      \
    } while (0)

/* A call that must end with this status. */
#define CHECK_STATUS(expected, call)                                                                                   \
    do {                                                                                                               \
        last_check = HERE;                                                                                             \
        int wanted_ = (expected), got_ = (int)(call);                                                                  \
        if (wanted_ != got_)                                                                                           \
            fail(HERE, "%s gives %d %s (\"%s\"), not %s", #call, got_, ws_error_name(got_), ws_last_error(),           \
                 ws_error_name(wanted_));                                                                              \
    } while (0)

#define CHECK_OK(call) CHECK_STATUS(WS_OK, call)

/* ---- the frame of a test ----------------------------------------------------------------------------------------- */

static inline int under_valgrind(void)
{
    return getenv("WSPUSH_VALGRIND") != NULL;
}

/* A count for the plain run, and a lower one for valgrind, which is some thirty times slower. */
static inline int scaled(int plain, int slow)
{
    return under_valgrind() ? slow : plain;
}

static inline void on_alarm(int number)
{
    static const char text[] = ": nothing more happened after this check; the deadline of the test has passed\n";
    (void)number;
    if (write(2, last_check, strlen(last_check)) < 0 || write(2, text, sizeof text - 1) < 0)
        _exit(2);
    _exit(1);
}

static inline void begin(void)
{
    signal(SIGALRM, on_alarm);
    alarm((unsigned)scaled(60, 300));
}

static inline int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* For a loop that looks again and again: valgrind runs one thread at a time, and not in turn. */
static inline void give_way(void)
{
    poll(NULL, 0, 1);
}

/* Memory of this process that is in RAM. */
static inline int64_t resident_bytes(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    CHECK(file != NULL && fscanf(file, "%*d %ld", &pages) == 1);
    fclose(file);
    return (int64_t)pages * sysconf(_SC_PAGESIZE);
}

static inline pthread_t spawn(void *(*body)(void *), void *argument)
{
    pthread_t thread;
    CHECK_INT(0, pthread_create(&thread, NULL, body, argument));
    return thread;
}

static inline void join(pthread_t thread)
{
    CHECK_INT(0, pthread_join(thread, NULL));
}

/* ---- the server under test --------------------------------------------------------------------------------------- */

static inline ws_server *new_server(void)
{
    ws_server *server = ws_server_new();
    CHECK(server != NULL);
    return server;
}

/* Starts it on a free port of the loopback, and returns the port. */
static inline int start(ws_server *server)
{
    CHECK_OK(ws_server_listen(server, "127.0.0.1", 0));
    CHECK_OK(ws_server_start(server));
    int port = ws_server_port(server, 0);
    CHECK(port > 0 && port < 65536);
    return port;
}

/* Clients that are still there are cut. */
static inline void stop_and_free(ws_server *server)
{
    CHECK_OK(ws_server_stop(server, 0));
    CHECK_OK(ws_server_free(server));
}

static inline ws_stats stats_of(ws_server *server)
{
    ws_stats stats = {.size = sizeof stats};
    CHECK_OK(ws_server_stats(server, &stats));
    CHECK_INT(sizeof stats, stats.size);
    return stats;
}

/* Waits until the server has counted so much: a client may learn of something a moment before that. */
#define STATS_WHEN(server, field, value) stats_when(HERE, (server), offsetof(ws_stats, field), (uint64_t)(value))

static inline ws_stats stats_when(const char *where, ws_server *server, size_t offset, uint64_t value)
{
    int64_t deadline = now_ms() + scaled(10000, 60000);
    last_check = where;
    for (;;) {
        uint64_t count;
        ws_stats stats = stats_of(server);
        memcpy(&count, (char *)&stats + offset, sizeof count);
        if (count == value)
            return stats;
        if (now_ms() > deadline)
            fail(where, "the counter stays at %" PRIu64 ", not %" PRIu64, count, value);
        give_way();
    }
}

/* What the callbacks saw, and a way to wait for it. */
struct record {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int opens, messages, drains, closes, requests;
    ws_conn conn;        /* the last that opened */
    ws_conn closed;      /* the last that closed, and how */
    int code;
    char reason[128];
};

#define RECORD {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER}

static inline void note(struct record *record, int *counter)
{
    pthread_mutex_lock(&record->lock);
    ++*counter;
    pthread_cond_broadcast(&record->changed);
    pthread_mutex_unlock(&record->lock);
}

/* Waits until the counter has reached the value; ten seconds at most. */
#define WAIT_FOR(record, counter, value) wait_for(HERE, #counter, (record), &(record)->counter, (value))

static inline void wait_for(const char *where, const char *name, struct record *record, int *counter, int value)
{
    struct timespec deadline;
    last_check = where;
    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += scaled(10, 60);
    pthread_mutex_lock(&record->lock);
    while (*counter < value)
        if (pthread_cond_timedwait(&record->changed, &record->lock, &deadline) == ETIMEDOUT)
            fail(where, "%s stays at %d, waiting for %d", name, *counter, value);
    pthread_mutex_unlock(&record->lock);
}

static inline void record_open(ws_server *server, ws_conn conn, const ws_request *request, void *user_data)
{
    struct record *record = user_data;
    CHECK(server != NULL && request != NULL);
    record->conn = conn;
    note(record, &record->opens);
}

static inline void record_message(ws_server *server, ws_conn conn, const void *data, size_t length, int opcode,
                                  void *user_data)
{
    struct record *record = user_data;
    CHECK(server != NULL && conn != 0 && data != NULL && length + 1 > 0 && (opcode == WS_TEXT || opcode == WS_BINARY));
    note(record, &record->messages);
}

static inline void record_drain(ws_server *server, ws_conn conn, void *user_data)
{
    struct record *record = user_data;
    CHECK(server != NULL && conn != 0);
    note(record, &record->drains);
}

static inline void record_close(ws_server *server, ws_conn conn, int code, const void *reason, size_t length,
                                void *user_data)
{
    struct record *record = user_data;
    CHECK(server != NULL && length <= 123);
    record->closed = conn;
    record->code = code;
    memcpy(record->reason, length > 0 ? reason : "", length);
    record->reason[length] = '\0';
    note(record, &record->closes);
}

/* Leaves the request unanswered. */
static inline void record_request(ws_server *server, ws_conn conn, const ws_request *request, void *user_data)
{
    struct record *record = user_data;
    CHECK(server != NULL && request != NULL);
    record->conn = conn;
    note(record, &record->requests);
}

/* As record_message, and sends the message back. */
static inline void echo_message(ws_server *server, ws_conn conn, const void *data, size_t length, int opcode,
                                void *user_data)
{
    int status = ws_push(server, conn, data, length, opcode);
    CHECK(status == WS_OK || status == WS_ERR_CLOSED || status == WS_ERR_QUEUE_FULL);
    record_message(server, conn, data, length, opcode, user_data);
}

/* How often it has happened so far. */
static inline int count_of(struct record *record, const int *counter)
{
    pthread_mutex_lock(&record->lock);
    int count = *counter;
    pthread_mutex_unlock(&record->lock);
    return count;
}

/* A server with the four callbacks set; on_message is record_message or echo_message. */
static inline ws_server *recorded_server(struct record *record, ws_message_fn on_message)
{
    ws_server *server = new_server();
    CHECK_OK(ws_server_on_open(server, record_open, record));
    CHECK_OK(ws_server_on_message(server, on_message, record));
    CHECK_OK(ws_server_on_drain(server, record_drain, record));
    CHECK_OK(ws_server_on_close(server, record_close, record));
    return server;
}

/* Poll mode, one event at a time. */
struct poller {
    ws_server *server;
    const ws_event *events;
    int count, next;
};

/* The next event, which must be of this type: ten seconds at most. Valid until the next call. */
#define EXPECT_EVENT(poller, type) expect_event(HERE, (poller), (type))

static inline const ws_event *expect_event(const char *where, struct poller *poller, int type)
{
    last_check = where;
    while (poller->next == poller->count) {
        poller->count = ws_server_poll(poller->server, &poller->events, scaled(10000, 60000));
        poller->next = 0;
        if (poller->count <= 0)
            fail(where, "poll gives %d (\"%s\"), waiting for an event of type %d", poller->count, ws_last_error(), type);
    }
    const ws_event *event = &poller->events[poller->next++];
    if (event->type != type)
        fail(where, "the event is of type %d, not %d", event->type, type);
    return event;
}

/* ---- a client of raw bytes: a connected, blocking socket whose calls give up after ten seconds ------------------- */

static inline int client_of(const struct sockaddr *address, socklen_t length)
{
    struct timeval limit = {.tv_sec = scaled(10, 60)};
    int on = 1, fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0);
    CHECK_INT(0, setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit));
    CHECK_INT(0, setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit));
    if (address->sa_family != AF_UNIX)
        CHECK_INT(0, setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on));
    if (connect(fd, address, length) != 0)
        fail(HERE, "connect: %s", strerror(errno));
    return fd;
}

static inline int client_connect(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return client_of((struct sockaddr *)&address, sizeof address);
}

/* Connects from an address of the loopback network. */
static inline int client_from(const char *from, int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET}, to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct timeval limit = {.tv_sec = scaled(10, 60)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_INT(1, inet_pton(AF_INET, from, &address.sin_addr));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK_INT(0, setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit));
    CHECK_INT(0, bind(fd, (struct sockaddr *)&address, sizeof address));
    CHECK_INT(0, connect(fd, (struct sockaddr *)&to, sizeof to));
    return fd;
}

/* Whether nobody listens on the port. */
static inline int refuses(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int refused = connect(fd, (struct sockaddr *)&address, sizeof address) != 0 && errno == ECONNREFUSED;
    close(fd);
    return refused;
}

/* Ends the connection with a reset. */
static inline void reset(int fd)
{
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    CHECK_INT(0, setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once));
    close(fd);
}

/* Sends these bytes over and over and reads nothing, until the server takes no more or `most` bytes are sent; returns
 * how many were. */
static inline int64_t stuff(int fd, const void *bytes, size_t length, int64_t most)
{
    int64_t sent = 0;
    struct pollfd room = {.fd = fd, .events = POLLOUT};
    while (sent < most && poll(&room, 1, scaled(500, 3000)) == 1 && (room.revents & (POLLERR | POLLHUP)) == 0) {
        size_t at = (size_t)(sent % (int64_t)length), n = length - at;
        if (most - sent < (int64_t)n)
            n = (size_t)(most - sent);
        ssize_t taken = send(fd, (const char *)bytes + at, n, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (taken < 0 && errno != EAGAIN)
            break;
        sent += taken > 0 ? taken : 0;
    }
    return sent;
}

static inline void send_bytes(int fd, const void *data, size_t length)
{
    const char *at = data;
    while (length > 0) {
        ssize_t n = send(fd, at, length, MSG_NOSIGNAL);
        if (n <= 0)
            fail(HERE, "send: %s", strerror(errno));
        at += n;
        length -= (size_t)n;
    }
}

static inline void send_text(int fd, const char *text)
{
    send_bytes(fd, text, strlen(text));
}

/* Reads exactly this many bytes. */
static inline void receive_bytes(int fd, void *data, size_t length)
{
    char *at = data;
    size_t left = length;
    while (left > 0) {
        ssize_t n = recv(fd, at, left, MSG_WAITALL);
        if (n < 0 && errno == EINTR)
            continue; /* SIGCHLD, say */
        if (n < 0)
            fail(last_check, "recv: %s", strerror(errno));
        if (n == 0)
            fail(last_check, "the stream ended after %zu of %zu bytes", length - left, length);
        at += n;
        left -= (size_t)n;
    }
}

/* The head of an HTTP answer, up to its empty line; returns its status. */
static inline int receive_head(int fd, char *head, size_t capacity)
{
    size_t length = 0;
    int status = 0;
    while (length < 4 || memcmp(head + length - 4, "\r\n\r\n", 4) != 0) {
        CHECK(length + 1 < capacity);
        receive_bytes(fd, head + length, 1); /* no byte more: frames may follow */
        head[++length] = '\0';
    }
    if (sscanf(head, "HTTP/1.1 %d ", &status) != 1)
        fail(last_check, "no HTTP answer: %s", head);
    return status;
}

#define UPGRADE_LINES                                                                                                  \
    "Host: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"                    \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

static inline void send_upgrade(int fd, const char *target)
{
    char request[1024];
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\n" UPGRADE_LINES "\r\n", target);
    send_text(fd, request);
}

static inline void expect_upgrade(int fd)
{
    char head[4096];
    int status = receive_head(fd, head, sizeof head);
    if (status != 101 || strstr(head, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") == NULL) /* RFC 6455, 1.3 */
        fail(last_check, "not upgraded: %s", head);
}

static inline int client_open(int port)
{
    int fd = client_connect(port);
    send_upgrade(fd, "/");
    expect_upgrade(fd);
    return fd;
}

/* Little room in the kernel on this side: what is not read yet waits with the server. */
static inline void keep_little(int fd)
{
    int bytes = 64 * 1024;
    CHECK_INT(0, setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes));
}

/* Writes a masked head for a payload of this length; the mask is the last four bytes. Returns its length. */
static inline size_t write_head(unsigned char *out, int first, uint64_t length, uint32_t mask)
{
    size_t at = 0;
    int wide = length < 126 ? 0 : length < 65536 ? 2 : 8;
    out[at++] = (unsigned char)first;
    out[at++] = (unsigned char)(0x80 | (wide == 0 ? length : wide == 2 ? 126 : 127));
    while (wide-- > 0)
        out[at++] = (unsigned char)(length >> (8 * wide));
    memcpy(out + at, &mask, 4);
    return at + 4;
}

/* A whole masked frame in memory, to be freed. `first` is FIN, reserved bits and opcode. */
static inline unsigned char *make_frame(int first, const void *data, size_t length, uint32_t mask, size_t *total)
{
    unsigned char *frame = malloc(14 + length), key[4];
    CHECK(frame != NULL);
    size_t head = write_head(frame, first, length, mask);
    memcpy(key, &mask, 4);
    for (size_t i = 0; i < length; i++)
        frame[head + i] = ((const unsigned char *)data)[i] ^ key[i % 4];
    *total = head + length;
    return frame;
}

static inline void send_frame(int fd, int first, const void *data, size_t length)
{
    size_t total;
    unsigned char *frame = make_frame(first, data, length, 0x5a17c3e9, &total);
    send_bytes(fd, frame, total);
    free(frame);
}

static inline void send_message(int fd, const char *text)
{
    send_frame(fd, FIN | TEXT, text, strlen(text));
}

static inline void send_close(int fd, int code, const char *reason)
{
    unsigned char payload[125] = {(unsigned char)(code >> 8), (unsigned char)code};
    memcpy(payload + 2, reason, strlen(reason));
    send_frame(fd, FIN | CLOSE, payload, code == 0 ? 0 : 2 + strlen(reason));
}

/* The next frame of the server: checks that it is a legal one (RFC 6455, 5.2: no mask, shortest length form). */
struct frame {
    int first;           /* FIN and opcode */
    size_t length;
    unsigned char *data; /* freed with frame_free */
};

static inline struct frame receive_frame(int fd)
{
    unsigned char head[2], wide[8];
    struct frame frame = {0};
    receive_bytes(fd, head, 2);
    frame.first = head[0];
    if ((head[0] & 0x70) != 0 || (head[1] & 0x80) != 0)
        fail(last_check, "not a frame of a server: %02x %02x", head[0], head[1]);
    size_t more = head[1] == 127 ? 8 : head[1] == 126 ? 2 : 0;
    receive_bytes(fd, wide, more);
    for (size_t i = 0; i < more; i++)
        frame.length = frame.length << 8 | wide[i];
    if (more == 0)
        frame.length = head[1];
    if ((more == 2 && frame.length < 126) || (more == 8 && frame.length < 65536))
        fail(last_check, "a length of %zu in %zu bytes", frame.length, more);
    frame.data = malloc(frame.length + 1);
    CHECK(frame.data != NULL);
    receive_bytes(fd, frame.data, frame.length);
    frame.data[frame.length] = '\0';
    return frame;
}

static inline void frame_free(struct frame *frame)
{
    free(frame->data);
    frame->data = NULL;
}

/* Expects one whole frame with exactly this content. */
#define EXPECT_FRAME(fd, first, data, length) expect_frame(HERE, (fd), (first), (data), (length))
#define EXPECT_MESSAGE(fd, text) expect_frame(HERE, (fd), FIN | TEXT, (text), strlen(text))

static inline void expect_frame(const char *where, int fd, int first, const void *data, size_t length)
{
    last_check = where;
    struct frame frame = receive_frame(fd);
    if (frame.first != first)
        fail(where, "the frame begins with %02x (\"%.60s\"), not %02x", frame.first, (char *)frame.data, first);
    if (frame.length != length)
        fail(where, "the frame has %zu bytes (\"%.60s\"), not %zu", frame.length, (char *)frame.data, length);
    if (memcmp(frame.data, data, length) != 0)
        fail(where, "the frame has another content: \"%.60s\"", (char *)frame.data);
    frame_free(&frame);
}

/* Expects a Close frame with this code, 0 for one without. */
#define EXPECT_CLOSE(fd, code) expect_close(HERE, (fd), (code))

static inline void expect_close(const char *where, int fd, int code)
{
    last_check = where;
    struct frame frame = receive_frame(fd);
    int got = frame.length >= 2 ? frame.data[0] << 8 | frame.data[1] : 0;
    if (frame.first != (FIN | CLOSE))
        fail(where, "the frame begins with %02x, not with a Close", frame.first);
    if (got != code || frame.length == 1)
        fail(where, "the Close has the code %d (\"%.60s\"), not %d", got, (char *)frame.data + (got ? 2 : 0), code);
    frame_free(&frame);
}

/* Expects the orderly end of the stream, and closes our side. */
#define EXPECT_END(fd) expect_end(HERE, (fd))

static inline void expect_end(const char *where, int fd)
{
    char byte;
    last_check = where;
    ssize_t n = recv(fd, &byte, 1, 0);
    if (n != 0)
        fail(where, "the stream does not end: %s", n > 0 ? "there are more bytes" : strerror(errno));
    close(fd);
}

/* Expects that the connection is cut, in whichever way; what comes before is thrown away. */
#define EXPECT_CUT(fd) expect_cut(HERE, (fd))

static inline void expect_cut(const char *where, int fd)
{
    char bytes[4096];
    ssize_t n;
    last_check = where;
    while ((n = recv(fd, bytes, sizeof bytes, 0)) > 0)
        ;
    if (n < 0 && errno != ECONNRESET)
        fail(where, "the connection is not cut: %s", strerror(errno));
    close(fd);
}

#endif
