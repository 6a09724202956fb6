/* What the tests of the client share: a server of raw bytes that answers as a test says, a recorder for a client's
 * callbacks, and a reader for its poll mode. The client dials from a thread of its own, so a test plays the server with
 * blocking calls that give up after ten seconds. Include it first. */
#ifndef WSPUSH_TESTS_SERVER_H
#define WSPUSH_TESTS_SERVER_H

#include "harness.h"

/* ---- the server -------------------------------------------------------------------------------------------------- */

struct listener {
    int fd, port;
    char url[64];
};

static inline struct listener listen_on(const struct sockaddr *address, socklen_t length, int backlog)
{
    struct listener listener = {.fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    struct timeval limit = {.tv_sec = scaled(10, 60)};
    CHECK(listener.fd >= 0);
    CHECK_INT(0, setsockopt(listener.fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit)); /* of accept */
    CHECK_INT(0, bind(listener.fd, address, length));
    CHECK_INT(0, listen(listener.fd, backlog));
    return listener;
}

static inline struct listener new_listener(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    struct listener listener = listen_on((struct sockaddr *)&address, sizeof address, 128);
    CHECK_INT(0, getsockname(listener.fd, (struct sockaddr *)&address, &length));
    listener.port = ntohs(address.sin_port);
    snprintf(listener.url, sizeof listener.url, "ws://127.0.0.1:%d/", listener.port);
    return listener;
}

#define ACCEPT(listener) accept_from(HERE, (listener))

static inline int accept_from(const char *where, const struct listener *listener)
{
    struct timeval limit = {.tv_sec = scaled(10, 60)};
    last_check = where;
    int on = 1, fd = accept(listener->fd, NULL, NULL);
    if (fd < 0)
        fail(where, "nobody connects: %s", strerror(errno));
    CHECK_INT(0, setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit));
    CHECK_INT(0, setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* not of a Unix socket */
    return fd;
}

/* Whether somebody connects within so many milliseconds. */
static inline int is_dialled(const struct listener *listener, int timeout_ms)
{
    struct pollfd waiting = {.fd = listener->fd, .events = POLLIN};
    return poll(&waiting, 1, timeout_ms) == 1;
}

/* The head of a request, and what answers its Sec-WebSocket-Key. */
struct upgrade {
    char head[8192], accept[32];
};

/* SHA-1 of less than 120 bytes (FIPS 180-4), for the one thing that needs it. */
static inline void sha1(const char *text, unsigned char digest[20])
{
    uint32_t h[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    unsigned char block[128] = {0};
    size_t length = strlen(text), blocks = (length + 9 + 63) / 64;
    CHECK(blocks <= 2);
    memcpy(block, text, length);
    block[length] = 0x80;
    block[blocks * 64 - 2] = (unsigned char)(length * 8 >> 8);
    block[blocks * 64 - 1] = (unsigned char)(length * 8);
    for (size_t at = 0; at < blocks * 64; at += 64) {
        uint32_t w[80], v[5];
        memcpy(v, h, sizeof v);
        for (int i = 0; i < 80; i++) {
            uint32_t x = i < 16 ? 0 : w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16];
            w[i] = x << 1 | x >> 31;
            for (int k = 0; i < 16 && k < 4; k++)
                w[i] = (k == 0 ? 0 : w[i]) << 8 | block[at + (size_t)(4 * i + k)];
            uint32_t f = i < 20   ? ((v[1] & v[2]) | (~v[1] & v[3])) + 0x5a827999
                         : i < 40 ? (v[1] ^ v[2] ^ v[3]) + 0x6ed9eba1
                         : i < 60 ? ((v[1] & v[2]) | (v[1] & v[3]) | (v[2] & v[3])) + 0x8f1bbcdc
                                  : (v[1] ^ v[2] ^ v[3]) + 0xca62c1d6;
            uint32_t next = (v[0] << 5 | v[0] >> 27) + f + v[4] + w[i];
            v[4] = v[3], v[3] = v[2], v[2] = v[1] << 30 | v[1] >> 2, v[1] = v[0], v[0] = next;
        }
        for (int i = 0; i < 5; i++)
            h[i] += v[i];
    }
    for (int i = 0; i < 20; i++)
        digest[i] = (unsigned char)(h[i / 4] >> (24 - 8 * (i % 4)));
}

/* RFC 6455, 4.2.2. */
static inline void accept_of_key(const char *key, size_t length, char accept[32])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char text[96];
    unsigned char digest[21] = {0};
    snprintf(text, sizeof text, "%.*s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", (int)length, key);
    sha1(text, digest);
    for (int i = 0; i < 28; i++) {
        int bit = i * 6, two = digest[bit / 8] << 8 | (bit / 8 < 20 ? digest[bit / 8 + 1] : 0);
        accept[i] = i == 27 ? '=' : digits[two >> (10 - bit % 8) & 63];
    }
    accept[28] = '\0';
}

/* The value of a header, into `value`; 0 if the head has none of this name, which is compared as it is written. */
static inline int header_of(const char *head, const char *name, char *value, size_t capacity)
{
    char line[128];
    snprintf(line, sizeof line, "\r\n%s: ", name);
    const char *at = strstr(head, line);
    if (at == NULL)
        return 0;
    at += strlen(line);
    size_t length = strcspn(at, "\r");
    CHECK(length < capacity);
    memcpy(value, at, length);
    value[length] = '\0';
    return 1;
}

#define CHECK_BEGINS(part, text)                                                                                       \
    do {                                                                                                               \
        last_check = HERE;                                                                                             \
        const char *wanted_ = (part), *got_ = (text);                                                                  \
        if (strncmp(wanted_, got_, strlen(wanted_)) != 0)                                                              \
            fail(HERE, "%s is \"%s\", and does not begin with \"%s\"", #text, got_, wanted_);                            \
    } while (0)

static inline void receive_request_head(int fd, char *head, size_t capacity)
{
    size_t length = 0;
    head[0] = '\0';
    while (length < 4 || memcmp(head + length - 4, "\r\n\r\n", 4) != 0) {
        CHECK(length + 1 < capacity);
        receive_bytes(fd, head + length, 1);
        head[++length] = '\0';
    }
}

static inline struct upgrade receive_upgrade(int fd)
{
    struct upgrade upgrade;
    char key[64];
    receive_request_head(fd, upgrade.head, sizeof upgrade.head);
    CHECK_BEGINS("GET ", upgrade.head);
    CHECK_CONTAINS("\r\nUpgrade: websocket\r\n", upgrade.head);
    CHECK_CONTAINS("\r\nConnection: Upgrade\r\n", upgrade.head);
    CHECK_CONTAINS("\r\nSec-WebSocket-Version: 13\r\n", upgrade.head);
    CHECK(header_of(upgrade.head, "Sec-WebSocket-Key", key, sizeof key));
    CHECK_INT(24, strlen(key)); /* 16 bytes in base64 */
    accept_of_key(key, strlen(key), upgrade.accept);
    return upgrade;
}

/* Writes the response of a server that accepts, with more header lines. */
static inline size_t write_101(const struct upgrade *upgrade, const char *lines, char *out, size_t capacity)
{
    return (size_t)snprintf(out, capacity,
                            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                            "Sec-WebSocket-Accept: %s\r\n%s\r\n", upgrade->accept, lines);
}

static inline void send_101(int fd, const struct upgrade *upgrade, const char *lines)
{
    char response[2048];
    send_bytes(fd, response, write_101(upgrade, lines, response, sizeof response));
}

/* Takes the next client, and opens. */
#define OPEN_NEXT(listener) open_next(HERE, (listener))

static inline int open_next(const char *where, const struct listener *listener)
{
    int fd = accept_from(where, listener);
    struct upgrade upgrade = receive_upgrade(fd);
    send_101(fd, &upgrade, "");
    return fd;
}

/* A frame without a mask, as servers send it; `first` is FIN, reserved bits and opcode. */
static inline size_t write_unmasked(unsigned char *out, int first, const void *data, size_t length)
{
    size_t at = 0;
    int wide = length < 126 ? 0 : length < 65536 ? 2 : 8;
    out[at++] = (unsigned char)first;
    out[at++] = (unsigned char)(wide == 0 ? length : wide == 2 ? 126 : 127);
    while (wide-- > 0)
        out[at++] = (unsigned char)(length >> (8 * wide));
    memcpy(out + at, data, length);
    return at + length;
}

static inline void send_unmasked(int fd, int first, const void *data, size_t length)
{
    unsigned char *frame = malloc(10 + length);
    CHECK(frame != NULL);
    send_bytes(fd, frame, write_unmasked(frame, first, length > 0 ? data : "", length));
    free(frame);
}

static inline void send_to_client(int fd, const char *text)
{
    send_unmasked(fd, FIN | TEXT, text, strlen(text));
}

/* A Close; code 0 for one without. */
static inline void send_close_to_client(int fd, int code, const char *reason)
{
    unsigned char payload[125] = {(unsigned char)(code >> 8), (unsigned char)code};
    memcpy(payload + 2, reason, strlen(reason));
    send_unmasked(fd, FIN | CLOSE, payload, code == 0 ? 0 : 2 + strlen(reason));
}

/* The next frame of the client: a legal one (RFC 6455, 5.1 and 5.2: masked, shortest length form), without its mask. */
struct masked {
    struct frame frame;
    unsigned char mask[4];
};

static inline struct masked receive_masked(int fd)
{
    struct masked got = {.frame = {0}};
    unsigned char head[2], wide[8];
    receive_bytes(fd, head, 2);
    got.frame.first = head[0];
    if ((head[0] & 0x70) != 0 || (head[1] & 0x80) == 0)
        fail(last_check, "not a frame of a client: %02x %02x", head[0], head[1]);
    int form = head[1] & 0x7f;
    size_t more = form == 127 ? 8 : form == 126 ? 2 : 0;
    receive_bytes(fd, wide, more);
    got.frame.length = more == 0 ? (size_t)form : 0;
    for (size_t i = 0; i < more; i++)
        got.frame.length = got.frame.length << 8 | wide[i];
    if ((more == 2 && got.frame.length < 126) || (more == 8 && got.frame.length < 65536))
        fail(last_check, "a length of %zu in %zu bytes", got.frame.length, more);
    receive_bytes(fd, got.mask, 4);
    got.frame.data = malloc(got.frame.length + 1);
    CHECK(got.frame.data != NULL);
    receive_bytes(fd, got.frame.data, got.frame.length);
    for (size_t i = 0; i < got.frame.length; i++)
        got.frame.data[i] ^= got.mask[i % 4];
    got.frame.data[got.frame.length] = '\0';
    return got;
}

#define EXPECT_MASKED(fd, first, data, length) expect_masked(HERE, (fd), (first), (data), (length))
#define EXPECT_FROM_CLIENT(fd, text) expect_masked(HERE, (fd), FIN | TEXT, (text), strlen(text))

static inline void expect_masked(const char *where, int fd, int first, const void *data, size_t length)
{
    last_check = where;
    struct frame frame = receive_masked(fd).frame;
    if (frame.first != first)
        fail(where, "the frame begins with %02x (\"%.60s\"), not %02x", frame.first, (char *)frame.data, first);
    if (frame.length != length || memcmp(frame.data, data, length) != 0)
        fail(where, "the frame has another content, of %zu bytes: \"%.60s\"", frame.length, (char *)frame.data);
    frame_free(&frame);
}

/* Expects a Close with this code, 0 for one without. */
#define EXPECT_CLOSE_FROM_CLIENT(fd, code) expect_close_from_client(HERE, (fd), (code))

static inline void expect_close_from_client(const char *where, int fd, int code)
{
    last_check = where;
    struct frame frame = receive_masked(fd).frame;
    int got = frame.length >= 2 ? frame.data[0] << 8 | frame.data[1] : 0;
    if (frame.first != (FIN | CLOSE))
        fail(where, "the frame begins with %02x (\"%.60s\"), not with a Close", frame.first, (char *)frame.data);
    if (got != code || frame.length == 1)
        fail(where, "the Close has the code %d (\"%.60s\"), not %d", got, (char *)frame.data + (got ? 2 : 0), code);
    frame_free(&frame);
}

/* ---- the client under test --------------------------------------------------------------------------------------- */

/* What the callbacks saw. Wait with WAIT_CLIENT. */
struct client_record {
    struct record base;
    int opens, messages, drains, closes, errors, retries, ends;
    int code, status, response, delay_ms;  /* of the last close, error, and retry; response: the HTTP status, 0 for none */
    size_t length;                         /* of the last message, and its opcode */
    int opcode;
    char text[256], reason[128], detail[512], subprotocol[64]; /* text: how the last message begins */
};

#define CLIENT_RECORD {.base = RECORD}
#define WAIT_CLIENT(record, counter, value) wait_for(HERE, #counter, &(record)->base, &(record)->counter, (value))

static inline void client_opened(ws_client *client, const ws_request *response, void *user_data)
{
    struct client_record *record = user_data;
    CHECK(client != NULL && response != NULL);
    CHECK_INT(101, ws_request_status(response));
    const char *subprotocol = ws_request_subprotocol(response);
    snprintf(record->subprotocol, sizeof record->subprotocol, "%s", subprotocol ? subprotocol : "");
    note(&record->base, &record->opens);
}

static inline void client_message(ws_client *client, const void *data, size_t length, int opcode, void *user_data)
{
    struct client_record *record = user_data;
    CHECK(client != NULL && (opcode == WS_TEXT || opcode == WS_BINARY));
    size_t kept = length < sizeof record->text - 1 ? length : sizeof record->text - 1;
    memcpy(record->text, data, kept);
    record->text[kept] = '\0';
    record->length = length;
    record->opcode = opcode;
    note(&record->base, &record->messages);
}

static inline void client_drained(ws_client *client, void *user_data)
{
    struct client_record *record = user_data;
    CHECK(client != NULL);
    note(&record->base, &record->drains);
}

static inline void client_closed(ws_client *client, int code, const void *reason, size_t length, void *user_data)
{
    struct client_record *record = user_data;
    CHECK(client != NULL && length <= 123);
    record->code = code;
    memcpy(record->reason, length > 0 ? reason : "", length);
    record->reason[length] = '\0';
    note(&record->base, &record->closes);
}

static inline void client_failed(ws_client *client, int status, const char *detail, const ws_request *response,
                                 void *user_data)
{
    struct client_record *record = user_data;
    CHECK(client != NULL && status < 0 && detail != NULL && detail[0] != '\0');
    record->status = status;
    record->response = response != NULL ? ws_request_status(response) : 0;
    snprintf(record->detail, sizeof record->detail, "%s", detail);
    note(&record->base, &record->errors);
}

static inline void client_retries(ws_client *client, int delay_ms, void *user_data)
{
    struct client_record *record = user_data;
    CHECK(client != NULL && delay_ms >= 0);
    record->delay_ms = delay_ms;
    note(&record->base, &record->retries);
}

static inline void client_ended(ws_client *client, void *user_data)
{
    struct client_record *record = user_data;
    CHECK(client != NULL);
    CHECK_INT(0, record->ends);
    note(&record->base, &record->ends);
}

/* A client with all callbacks set. */
static inline ws_client *recorded_client(const char *url, struct client_record *record)
{
    ws_client *client = ws_client_new(url);
    CHECK(client != NULL);
    CHECK_OK(ws_client_on_open(client, client_opened, record));
    CHECK_OK(ws_client_on_message(client, client_message, record));
    CHECK_OK(ws_client_on_drain(client, client_drained, record));
    CHECK_OK(ws_client_on_close(client, client_closed, record));
    CHECK_OK(ws_client_on_error(client, client_failed, record));
    CHECK_OK(ws_client_on_retry(client, client_retries, record));
    CHECK_OK(ws_client_on_end(client, client_ended, record));
    return client;
}

static inline ws_client *started_client(const char *url, struct client_record *record)
{
    ws_client *client = recorded_client(url, record);
    CHECK_OK(ws_client_start(client));
    return client;
}

/* Waits for the one error of a client that never opened, and for its end. */
#define EXPECT_FAILURE(client, record, status, part) expect_failure(HERE, (client), (record), (status), (part))

static inline void expect_failure(const char *where, ws_client *client, struct client_record *record, int status,
                                  const char *part)
{
    wait_for(where, "ends", &record->base, &record->ends, 1);
    if (record->errors != 1 || record->opens + record->closes + record->retries > 0)
        fail(where, "%d errors, %d opens, %d closes, %d retries; the last error is %s: %s", record->errors, record->opens,
             record->closes, record->retries, ws_error_name(record->status), record->detail);
    if (record->status != status || strstr(record->detail, part) == NULL)
        fail(where, "the error is %s: %s; not %s with \"%s\"", ws_error_name(record->status), record->detail,
             ws_error_name(status), part);
    CHECK_OK(ws_client_wait(client));
    CHECK_OK(ws_client_free(client));
}

/* Waits for the end of a client that was open, and closed so. */
#define EXPECT_CLOSED(client, record, code) expect_closed(HERE, (client), (record), (code))

static inline void expect_closed(const char *where, ws_client *client, struct client_record *record, int code)
{
    wait_for(where, "ends", &record->base, &record->ends, 1);
    if (record->opens != 1 || record->closes != 1 || record->errors + record->retries > 0)
        fail(where, "%d opens, %d closes, %d errors, %d retries", record->opens, record->closes, record->errors,
             record->retries);
    if (record->code != code)
        fail(where, "closed with %d (\"%s\"), not %d", record->code, record->reason, code);
    CHECK_OK(ws_client_free(client));
}

/* Poll mode, one event at a time. */
struct client_poller {
    ws_client *client;
    const ws_event *events;
    int count, next;
};

#define EXPECT_CLIENT_EVENT(poller, type) expect_client_event(HERE, (poller), (type))

static inline const ws_event *expect_client_event(const char *where, struct client_poller *poller, int type)
{
    last_check = where;
    while (poller->next == poller->count) {
        poller->count = ws_client_poll(poller->client, &poller->events, scaled(10000, 60000));
        poller->next = 0;
        if (poller->count <= 0)
            fail(where, "poll gives %d (\"%s\"), waiting for an event of type %d", poller->count, ws_last_error(), type);
    }
    const ws_event *event = &poller->events[poller->next++];
    if (event->type != type)
        fail(where, "the event is of type %d (code %d), not %d", event->type, event->code, type);
    if (event->client != poller->client)
        fail(where, "the event is of another client");
    return event;
}

#endif
