/* load: a closed-loop WebSocket load generator. One thread, one epoll, nothing copied and nothing built while it runs.
 *
 *     load [options] HOST PORT
 *
 * Each connection keeps `-p` messages in flight: what comes back is counted and checked, and as many are sent again in
 * one send. The frames are masked once, before the clock starts, and lie end to end in one ring that all connections
 * send from, each from its own place in it, so that an answer meant for another connection is noticed.
 *
 * With --raw the same bytes, in the same pattern, go to a plain TCP echo: what the kernel alone costs. Every answer is
 * checked for its length and its content: short ones byte by byte, long ones at the ends of each piece received, and
 * every 64th of them in full. The result is one line of key=value; a wrong answer is a message on stderr and exit
 * status 1. */
#define _GNU_SOURCE
#include "common.h"

#include <fcntl.h>
#include <getopt.h>
#include <stdbool.h>
#include <sys/epoll.h>

enum { RECEIVE_BUFFER = 256 * 1024, STALLED_AFTER_MS = 10000, SAMPLE_EVERY = 64, SHORT = 4096, EDGE = 64, FAIR_AFTER = 8 };
enum { CONTINUATION = 0, TEXT = 1, BINARY = 2, CLOSE = 8, PING = 9, PONG = 10 };

static struct {
    const char *host, *port, *path;
    int connections, in_flight, opcode, pid;
    size_t payload;
    double seconds, warm_up;
    bool raw, latency;
} options = {.path = "/", .connections = 64, .in_flight = 1, .opcode = TEXT, .payload = 20, .seconds = 3, .warm_up = 0.5};

/* What is sent, and what must come back: `count` different messages, followed by the first `in_flight` of them again,
 * so that the next in_flight frames are contiguous wherever one starts. */
static struct {
    unsigned char *frames;   /* masked, as sent */
    unsigned char *answers;  /* the frames that come back; with --raw the very frames that were sent */
    size_t frame, answer;    /* length of one */
    size_t answer_head;      /* of which is not payload; with --raw 0 */
    size_t count;
} ring;

struct connection {
    int fd;
    size_t send_at, unsent;     /* in ring.frames, in bytes */
    size_t expected;            /* the message of the ring that must come back next */
    size_t got;                 /* bytes of its payload that have come */
    uint64_t left;              /* bytes the current frame still has */
    unsigned char head[MAX_SERVER_HEAD], head_length;
    bool final, control;
    unsigned char pong[MAX_CLIENT_HEAD + 125];
    size_t pong_length;
    uint64_t completed;
    uint64_t *sent_at;          /* with --latency: a ring of in_flight times */
    size_t oldest;
};

static uint64_t completed;

/* Round trips, in buckets that are 1/256 wide: no memory per message, percentiles right to 0.4 %. */
static uint64_t histogram[64 * 256];

static size_t bucket_of(uint64_t ns)
{
    int shift = ns < 512 ? 0 : 63 - __builtin_clzll(ns) - 8;
    return (size_t)(ns >> shift) + (size_t)shift * 256;
}

static double percentile_us(double p)
{
    uint64_t total = 0, seen = 0;
    for (size_t i = 0; i < sizeof histogram / sizeof *histogram; i++)
        total += histogram[i];
    for (size_t i = 0; i < sizeof histogram / sizeof *histogram; i++) {
        seen += histogram[i];
        if (total > 0 && (double)seen >= p * (double)total) {
            size_t shift = i < 512 ? 0 : i / 256 - 1;
            return (double)((uint64_t)(i - shift * 256) << shift) / 1000;
        }
    }
    return 0;
}

static void ring_build(void)
{
    unsigned char head[MAX_CLIENT_HEAD], mask[4] = {0};
    uint64_t random = 88172645463325252u;
    size_t head_length = frame_head(head, options.opcode, options.payload, mask);
    size_t in_flight = (size_t)options.in_flight;

    ring.frame = head_length + options.payload;
    ring.answer_head = options.raw ? 0 : head_length - sizeof mask;
    ring.answer = options.raw ? ring.frame : ring.answer_head + options.payload;
    ring.count = (64 * 1024) / ring.frame;
    if (ring.count > 64)
        ring.count = 64;
    if (ring.count < 1)
        ring.count = 1;
    ring.frames = allocate((ring.count + in_flight) * ring.frame);
    ring.answers = options.raw ? ring.frames : allocate(ring.count * ring.answer);
    for (size_t m = 0; m < ring.count; m++) {
        unsigned char *frame = ring.frames + m * ring.frame, *payload = frame + head_length;
        unsigned char *answer = ring.answers + m * ring.answer;
        for (int i = 0; i < 4; i++)
            mask[i] = (unsigned char)(random >> (8 * i));
        frame_head(frame, options.opcode, options.payload, mask);
        if (!options.raw)
            frame_head(answer, options.opcode, options.payload, NULL);
        for (size_t i = 0; i < options.payload; i++) { /* letters, so that it may be sent as text */
            random ^= random << 13, random ^= random >> 7, random ^= random << 17;
            unsigned char byte = (unsigned char)('a' + random % 26);
            payload[i] = byte ^ mask[i % 4];
            if (!options.raw)
                answer[ring.answer_head + i] = byte;
        }
    }
    for (size_t i = 0; i < in_flight; i++)
        memcpy(ring.frames + (ring.count + i) * ring.frame, ring.frames + (i % ring.count) * ring.frame, ring.frame);
}

static void flush(struct connection *c)
{
    while (c->unsent > 0) {
        ssize_t n = send(c->fd, ring.frames + c->send_at, c->unsent, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0)
            die("send: %s", strerror(errno));
        c->unsent -= (size_t)n;
        c->send_at = (c->send_at + (size_t)n) % (ring.count * ring.frame);
    }
    if (c->pong_length > 0 && send(c->fd, c->pong, c->pong_length, MSG_NOSIGNAL) == (ssize_t)c->pong_length)
        c->pong_length = 0;
}

static void send_messages(struct connection *c, size_t count)
{
    bool blocked = c->unsent > 0; /* then the kernel will say when there is room */
    c->unsent += count * ring.frame;
    if (!blocked)
        flush(c);
}

static void check(const struct connection *c, const unsigned char *data, size_t length)
{
    const unsigned char *right = ring.answers + c->expected * ring.answer + ring.answer_head + c->got;
    bool whole = length <= 2 * EDGE || ring.answer <= SHORT || c->completed % SAMPLE_EVERY == 0;
    if (ring.answer_head + c->got + length > ring.answer)
        die("an answer longer than its message of %zu bytes", options.payload);
    if (whole ? memcmp(data, right, length) != 0
              : memcmp(data, right, EDGE) != 0 || memcmp(data + length - EDGE, right + length - EDGE, EDGE) != 0)
        die("a wrong answer: message %llu of a connection, within %zu bytes from %zu on",
            (unsigned long long)c->completed, length, c->got);
}

static void messages_done(struct connection *c, size_t count, uint64_t now)
{
    c->got = 0;
    c->expected = c->expected + count == ring.count ? 0 : c->expected + count;
    c->completed += count;
    completed += count;
    for (size_t i = 0; options.latency && i < count; i++) {
        histogram[bucket_of(now - c->sent_at[c->oldest])]++;
        c->sent_at[c->oldest] = now; /* its successor leaves with the send that ends this turn */
        c->oldest = c->oldest + 1 == (size_t)options.in_flight ? 0 : c->oldest + 1;
    }
}

/* The usual case, cheap: whole answers, exactly as expected, compared all at once. Returns how many there are at the start
 * of the data, 0 where it is anything else: the parser looks then. */
static size_t take_whole(struct connection *c, const unsigned char *data, size_t length)
{
    size_t count = length / ring.answer;
    if (count > ring.count - c->expected)
        count = ring.count - c->expected;
    if (c->got > 0 || c->left > 0 || c->head_length > 0 || ring.answer > SHORT || count == 0 ||
        memcmp(data, ring.answers + c->expected * ring.answer, count * ring.answer) != 0)
        return 0;
    return count;
}

/* Takes the bytes of a frame's head; true when it is complete, with `left`, `final` and `control` set from it. */
static bool take_head(struct connection *c, const unsigned char **data, const unsigned char *end)
{
    static const unsigned char mask[4] = {0};
    for (;;) {
        size_t need = c->head_length < 2 || c->head[1] < 126 ? 2 : c->head[1] == 126 ? 4 : 10;
        if (c->head_length == need && need >= 2)
            break;
        if (*data == end)
            return false;
        c->head[c->head_length++] = *(*data)++;
    }
    int opcode = c->head[0] & 15;
    c->final = c->head[0] & 0x80;
    c->control = opcode >= CLOSE;
    c->left = c->head[1];
    if (c->left >= 126) {
        c->left = 0;
        for (size_t i = 2; i < c->head_length; i++)
            c->left = c->left << 8 | c->head[i];
    }
    if (opcode == CLOSE)
        die("the server sent a Close");
    if (c->head[0] & 0x70 || c->head[1] & 0x80 || (!c->control && opcode != (c->got ? CONTINUATION : options.opcode)))
        die("a frame that is no answer: %02x %02x", c->head[0], c->head[1]);
    if (opcode == PING) {
        if (c->left > 125)
            die("a ping of %llu bytes", (unsigned long long)c->left);
        c->pong_length = frame_head(c->pong, PONG, c->left, mask);
    }
    c->head_length = 0;
    return true;
}

/* Reads frames; returns how many messages were completed. */
static size_t take_frames(struct connection *c, const unsigned char *data, size_t length, uint64_t now)
{
    const unsigned char *end = data + length;
    size_t done = 0;
    while (data < end || c->left > 0) {
        size_t whole = take_whole(c, data, (size_t)(end - data));
        if (whole > 0) {
            messages_done(c, whole, now);
            done += whole;
            data += whole * ring.answer;
            continue;
        }
        if (c->left == 0 && !take_head(c, &data, end))
            break;
        size_t piece = (size_t)(end - data) < c->left ? (size_t)(end - data) : (size_t)c->left;
        if (c->control) {
            if ((c->head[0] & 15) == PING) {
                memcpy(c->pong + c->pong_length, data, piece);
                c->pong_length += piece;
            }
        } else {
            check(c, data, piece);
            c->got += piece;
        }
        data += piece;
        c->left -= piece;
        if (c->left > 0)
            break;
        if (!c->control && c->final) {
            if (c->got != options.payload)
                die("an answer of %zu bytes to a message of %zu", c->got, options.payload);
            messages_done(c, 1, now);
            done++;
        }
    }
    return done;
}

static size_t take_raw(struct connection *c, const unsigned char *data, size_t length, uint64_t now)
{
    size_t done = 0;
    while (length > 0) {
        size_t whole = take_whole(c, data, length);
        size_t piece = length < ring.answer - c->got ? length : ring.answer - c->got;
        if (whole > 0) {
            piece = whole * ring.answer;
        } else {
            check(c, data, piece);
            c->got += piece;
            whole = c->got == ring.answer ? 1 : 0;
        }
        data += piece;
        length -= piece;
        if (whole > 0) {
            messages_done(c, whole, now);
            done += whole;
        }
    }
    return done;
}

static void turn(struct connection *c, uint32_t events)
{
    static unsigned char buffer[RECEIVE_BUFFER];
    ssize_t n = sizeof buffer;
    if (events & EPOLLOUT && c->unsent > 0)
        flush(c);
    while (n == sizeof buffer) { /* edge-triggered: a short read has emptied the socket */
        n = recv(c->fd, buffer, sizeof buffer, 0);
        if (n < 0 && errno == EAGAIN)
            break;
        if (n <= 0)
            die("the server hung up: %s", n == 0 ? "end of stream" : strerror(errno));
        uint64_t now = options.latency ? now_ns() : 0;
        size_t done = (options.raw ? take_raw : take_frames)(c, buffer, (size_t)n, now);
        if (done > 0)
            send_messages(c, done);
    }
    if (c->pong_length > 0 && c->unsent == 0 && c->left == 0)
        flush(c);
}

static void run_until(int epoll, uint64_t deadline)
{
    struct epoll_event events[256];
    while (now_ns() < deadline) {
        int n = epoll_wait(epoll, events, 256, STALLED_AFTER_MS);
        if (n == 0)
            die("no answer for %d s", STALLED_AFTER_MS / 1000);
        if (n < 0 && errno != EINTR)
            die("epoll_wait: %s", strerror(errno));
        for (int i = 0; i < n; i++)
            turn(events[i].data.ptr, events[i].events);
    }
}

static struct connection *connect_all(int epoll)
{
    struct connection *all = allocate((size_t)options.connections * sizeof *all);
    struct addrinfo *address = resolve(options.host, options.port);
    for (int i = 0; i < options.connections; i++) {
        struct connection *c = &all[i];
        struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c};
        c->fd = dial(address);
        if (!options.raw) {
            upgrade_send(c->fd, options.path);
            upgrade_receive(c->fd);
        }
        c->expected = (size_t)i * 7 % ring.count;
        c->send_at = c->expected * ring.frame;
        c->sent_at = allocate((size_t)options.in_flight * sizeof *c->sent_at);
        fcntl(c->fd, F_SETFL, O_NONBLOCK);
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event) != 0)
            die("epoll_ctl: %s", strerror(errno));
    }
    freeaddrinfo(address);
    return all;
}

static void measure(void)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct connection *all = connect_all(epoll);
    uint64_t least = UINT64_MAX, most = 0, start = now_ns();

    for (int i = 0; i < options.connections; i++) {
        for (int k = 0; k < options.in_flight; k++)
            all[i].sent_at[k] = start;
        send_messages(&all[i], (size_t)options.in_flight);
    }
    run_until(epoll, start + (uint64_t)(options.warm_up * 1e9));
    for (int i = 0; i < options.connections; i++)
        all[i].completed = 0;
    memset(histogram, 0, sizeof histogram);

    uint64_t before = completed, cpu = options.pid ? cpu_ns(options.pid) : 0;
    double own = own_cpu();
    start = now_ns();
    run_until(epoll, start + (uint64_t)(options.seconds * 1e9));
    double seconds = (double)(now_ns() - start) / 1e9;
    uint64_t messages = completed - before;
    own = own_cpu() - own;
    cpu = options.pid ? cpu_ns(options.pid) - cpu : 0;

    for (int i = 0; i < options.connections; i++) {
        least = all[i].completed < least ? all[i].completed : least;
        most = all[i].completed > most ? all[i].completed : most;
    }
    if (least == 0 && messages / (uint64_t)options.connections >= FAIR_AFTER)
        die("a connection got no answer at all while others got %llu", (unsigned long long)most);
    printf("mode=%s opcode=%s connections=%d payload=%zu in_flight=%d seconds=%.3f messages=%llu messages_per_second=%.0f "
           "megabytes_per_second=%.1f least_per_connection=%llu most_per_connection=%llu load_cpu=%.2f",
           options.raw ? "raw" : "websocket", options.opcode == TEXT ? "text" : "binary", options.connections,
           options.payload, options.in_flight, seconds, (unsigned long long)messages, (double)messages / seconds,
           (double)messages * (double)options.payload / seconds / 1e6, (unsigned long long)least,
           (unsigned long long)most, own / seconds);
    if (options.latency)
        printf(" p50_us=%.2f p99_us=%.2f p999_us=%.2f", percentile_us(0.5), percentile_us(0.99), percentile_us(0.999));
    if (options.pid)
        printf(" server_cpu=%.2f server_cpu_us_per_message=%.3f", (double)cpu / 1e9 / seconds,
               (double)cpu / 1e3 / (double)messages);
    printf("\n");
}

static void usage(FILE *to)
{
    fprintf(to, "usage: load [options] HOST PORT\n"
                "  -c, --connections N   connections (64)\n"
                "  -s, --size BYTES      payload of a message (20); K and M are understood\n"
                "  -p, --in-flight N     messages in flight per connection (1)\n"
                "  -t, --time SECONDS    measured (3)\n"
                "  -w, --warm-up SECONDS not measured, before that (0.5)\n"
                "  -b, --binary          binary messages instead of text\n"
                "  -r, --raw             the same bytes to a plain TCP echo\n"
                "  -l, --latency         round-trip percentiles\n"
                "  -P, --pid PID         also the processor time of that server process, its threads and children\n"
                "      --path PATH       of the upgrade request (/)\n");
}

static double number(const char *text, double least, double most)
{
    char *end;
    double value = strtod(text, &end);
    if (end != text && *end == 'K')
        value *= 1024, end++;
    else if (end != text && *end == 'M')
        value *= 1024 * 1024, end++;
    if (end == text || *end != '\0' || !(value >= least && value <= most))
        die("%s: not a number from %g to %g", text, least, most);
    return value;
}

int main(int argc, char **argv)
{
    static const struct option names[] = {
        {"connections", 1, 0, 'c'}, {"size", 1, 0, 's'}, {"in-flight", 1, 0, 'p'}, {"time", 1, 0, 't'},
        {"warm-up", 1, 0, 'w'}, {"binary", 0, 0, 'b'}, {"raw", 0, 0, 'r'}, {"latency", 0, 0, 'l'},
        {"pid", 1, 0, 'P'}, {"path", 1, 0, 'u'}, {"help", 0, 0, 'h'}, {0, 0, 0, 0}};
    for (int c; (c = getopt_long(argc, argv, "c:s:p:t:w:brlP:h", names, NULL)) != -1;) {
        switch (c) {
        case 'c': options.connections = (int)number(optarg, 1, 100000); break;
        case 's': options.payload = (size_t)number(optarg, 0, 1 << 30); break;
        case 'p': options.in_flight = (int)number(optarg, 1, 65536); break;
        case 't': options.seconds = number(optarg, 0.01, 3600); break;
        case 'w': options.warm_up = number(optarg, 0, 3600); break;
        case 'b': options.opcode = BINARY; break;
        case 'r': options.raw = true; break;
        case 'l': options.latency = true; break;
        case 'P': options.pid = (int)number(optarg, 1, 1 << 22); break;
        case 'u': options.path = optarg; break;
        case 'h': usage(stdout); return 0;
        default: usage(stderr); return 2;
        }
    }
    if (argc - optind != 2) {
        usage(stderr);
        return 2;
    }
    options.host = argv[optind];
    options.port = argv[optind + 1];
    ring_build();
    measure();
    return 0;
}
