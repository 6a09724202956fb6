/* crowd: many connections that do little. One thread, one epoll.
 *
 *     crowd [options] HOST PORT
 *
 * Opens `-c` WebSocket connections, `-w` of them on their way at any time (connections accepted per second), leaves them
 * alone for `-t` seconds (processor time of the idle server), and reads what they cost the server in memory: of its own,
 * and of the kernel's, where half belongs to this program's ends of the same connections. With --raw the server is a
 * plain TCP echo, and its echo of the upgrade request counts as the answer.
 *
 * With --fan-out SECONDS one connection then sends messages, one after the other, to a server that broadcasts, and each
 * is awaited on every connection; a plain TCP server is sent the very bytes that a WebSocket server sends to all. While
 * a message spreads this program never sleeps in epoll, but looks again after a pause of its own: to be woken by the
 * kernel would be at the sender's expense, the more often the faster this side is. The time is that of the server as long
 * as load_cpu stays well below 1. The result is one line of key=value.
 *
 * With --stalled one connection never reads. Before the others come it is sent more than a server keeps for it, so that it is
 * in everybody's way from the start if it can be; what is counted, and awaited, is what the others get. */
#define _GNU_SOURCE
#include "common.h"

#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/epoll.h>

enum { ANSWER = 1024, PAUSE_NS = 50000, STALLED_AFTER_MS = 10000 };
enum { SENDER = 0, STALLED = 1, FILL = 64 * 1024, FILLS = 256, LITTLE = 16 * 1024 }; /* 16 MiB fill it */

static struct {
    int connections, window, pid;
    size_t payload;
    double seconds, fan_out;
    bool raw, stalled;
} options = {.connections = 10000, .window = 64, .payload = 64, .seconds = 3};

static const char request[] = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                              "Sec-WebSocket-Key: " SAMPLE_KEY "\r\nSec-WebSocket-Version: 13\r\n\r\n";

struct connection {
    int fd;
    bool asked, open;
    size_t length;
    char *answer; /* while it is not open */
    uint64_t received;
};

static struct connection *all;
static int epoll, opened;

static void begin_one(const struct addrinfo *address, struct connection *c)
{
    struct epoll_event event = {.events = EPOLLOUT | EPOLLIN | EPOLLET, .data.ptr = c};
    c->fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (c->fd < 0)
        die("socket: %s (after %d; see ulimit -n)", strerror(errno), opened);
    if (connect(c->fd, address->ai_addr, address->ai_addrlen) != 0 && errno != EINPROGRESS)
        die("connect: %s (after %d)", strerror(errno), opened);
    if (options.stalled && c == &all[STALLED]) {
        int little = LITTLE;
        setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &little, sizeof little);
    }
    c->answer = allocate(ANSWER);
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event) != 0)
        die("epoll_ctl: %s", strerror(errno));
}

static bool is_answered(const struct connection *c)
{
    if (options.raw)
        return c->length == sizeof request - 1;
    if (strstr(c->answer, "\r\n\r\n") == NULL) /* frames may follow it at once */
        return false;
    if (strncmp(c->answer, "HTTP/1.1 101 ", 13) != 0 || strstr(c->answer, SAMPLE_ACCEPT) == NULL)
        die("upgrade refused: %s", c->answer);
    return true;
}

static void go_on(struct connection *c, uint32_t events)
{
    if (!c->asked && events & EPOLLOUT) {
        if (send(c->fd, request, sizeof request - 1, MSG_NOSIGNAL) != sizeof request - 1)
            die("sending the upgrade request: %s (after %d)", strerror(errno), opened);
        c->asked = true;
    }
    if (!(events & EPOLLIN))
        return;
    ssize_t n = recv(c->fd, c->answer + c->length, ANSWER - 1 - c->length, 0);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0)
        die("the server hung up: %s (after %d)", n == 0 ? "end of stream" : strerror(errno), opened);
    c->length += (size_t)n;
    if (is_answered(c)) {
        free(c->answer);
        c->answer = NULL;
        c->open = true;
        opened++;
    }
}

static void open_until(const struct addrinfo *address, int wanted)
{
    struct epoll_event events[256];
    int begun = opened;
    while (opened < wanted) {
        while (begun < wanted && begun - opened < options.window)
            begin_one(address, &all[begun++]);
        int n = epoll_wait(epoll, events, 256, STALLED_AFTER_MS);
        if (n <= 0)
            die("no answer for %d s (after %d)", STALLED_AFTER_MS / 1000, opened);
        for (int i = 0; i < n; i++)
            if (!((struct connection *)events[i].data.ptr)->open)
                go_on(events[i].data.ptr, events[i].events);
    }
}

/* A sum of lines "Name: N kB" of a file of /proc, in bytes. */
static uint64_t kilobytes(const char *path, const char *const *names)
{
    char line[256];
    uint64_t total = 0;
    FILE *file = fopen(path, "r");
    if (file == NULL)
        die("%s: %s", path, strerror(errno));
    while (fgets(line, sizeof line, file) != NULL)
        for (const char *const *name = names; *name != NULL; name++)
            if (strncmp(line, *name, strlen(*name)) == 0)
                total += strtoull(line + strlen(*name), NULL, 10) * 1024;
    fclose(file);
    return total;
}

static uint64_t user_bytes(void)
{
    static const char *const names[] = {"Anonymous:", NULL};
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", options.pid);
    return options.pid ? kilobytes(path, names) : 0;
}

static uint64_t kernel_bytes(void)
{
    static const char *const names[] = {"Slab:", "PageTables:", "KernelStack:", NULL};
    return kilobytes("/proc/meminfo", names);
}

static void rest(double seconds)
{
    struct timespec time = {.tv_sec = (time_t)seconds, .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9)};
    nanosleep(&time, NULL);
}

static void take_delivery(struct connection *c, size_t expected, int *missing)
{
    static unsigned char buffer[65536];
    ssize_t got = recv(c->fd, buffer, sizeof buffer, 0);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0)
        die("the server hung up");
    c->received += (uint64_t)got;
    if (c->received > expected || memcmp(buffer + got - 1, "m", 1) != 0)
        die("something else was delivered: %zd bytes, %02x %02x", got, buffer[0], buffer[1]);
    *missing -= c->received == expected;
}

static void wait_until(int fd, short events)
{
    struct pollfd ready = {.fd = fd, .events = events};
    if (poll(&ready, 1, STALLED_AFTER_MS) != 1)
        die("no answer for %d s while the stalled connection is filled", STALLED_AFTER_MS / 1000);
}

/* Has more sent to the connection that does not read than is kept for it. The one that sends gets it, too, and reads it. */
static void fill_stalled(void)
{
    static const unsigned char mask[4] = {0};
    static unsigned char frame[MAX_CLIENT_HEAD + FILL], copy[sizeof frame];
    size_t head = frame_head(frame, 1, FILL, mask), length = head + FILL;
    struct epoll_event none = {0};
    int fd = all[SENDER].fd;
    epoll_ctl(epoll, EPOLL_CTL_DEL, all[STALLED].fd, &none);
    memset(frame + head, 'f', FILL);
    for (int i = 0; !options.raw && i < FILLS; i++) {
        for (size_t at = 0; at < length; wait_until(fd, POLLOUT)) {
            ssize_t n = send(fd, frame + at, length - at, MSG_NOSIGNAL);
            if (n < 0 && errno != EAGAIN)
                die("send: %s", strerror(errno));
            at += n > 0 ? (size_t)n : 0;
        }
        for (size_t at = 0; at < length - sizeof mask;) {
            wait_until(fd, POLLIN);
            ssize_t n = recv(fd, copy, length - sizeof mask - at, 0);
            if (n == 0 || (n < 0 && errno != EAGAIN))
                die("the server hung up while the stalled connection was filled");
            at += n > 0 ? (size_t)n : 0;
        }
    }
}

/* Sends one message and reads until every connection has got it. */
static void send_to_all(const unsigned char *frame, size_t frame_length, size_t expected)
{
    struct epoll_event events[1024];
    int missing = options.connections - options.stalled;
    uint64_t last = now_ns();
    for (int i = 0; i < options.connections; i++)
        all[i].received = 0;
    if (send(all[0].fd, frame, frame_length, MSG_NOSIGNAL) != (ssize_t)frame_length)
        die("send: %s", strerror(errno));
    while (missing > 0) {
        int n = epoll_wait(epoll, events, 1024, 0);
        for (int i = 0; i < n; i++)
            take_delivery(events[i].data.ptr, expected, &missing);
        if (n > 0)
            last = now_ns();
        else if (now_ns() - last > STALLED_AFTER_MS * 1000000ull)
            die("no answer for %d s, and %d connections still wait for theirs", STALLED_AFTER_MS / 1000, missing);
        else
            rest(PAUSE_NS / 1e9);
    }
}

static void drain(void)
{
    static unsigned char buffer[65536];
    for (int i = 0; i < options.connections; i++)
        while (!(options.stalled && i == STALLED) && recv(all[i].fd, buffer, sizeof buffer, 0) > 0)
            ;
}

static void fan_out(void)
{
    static const unsigned char mask[4] = {0};
    unsigned char *frame = allocate(MAX_CLIENT_HEAD + options.payload);
    size_t head = frame_head(frame, 1, options.payload, options.raw ? NULL : mask), length = head + options.payload;
    size_t expected = options.raw ? length : length - sizeof mask;
    uint64_t messages = 0;
    memset(frame + head, 'm', options.payload);
    drain(); /* notices of who joined */
    send_to_all(frame, length, expected);

    uint64_t start = now_ns(), cpu = options.pid ? cpu_ns(options.pid) : 0;
    double own = own_cpu(), seconds;
    do {
        send_to_all(frame, length, expected);
        messages++;
        seconds = (double)(now_ns() - start) / 1e9;
    } while (seconds < options.fan_out);
    own = own_cpu() - own;

    double deliveries = (double)messages * (options.connections - options.stalled);
    printf(" fan_out_messages=%llu payload=%zu deliveries_per_second=%.0f load_cpu=%.2f", (unsigned long long)messages,
           options.payload, deliveries / seconds, own / seconds);
    if (options.pid) {
        cpu = cpu_ns(options.pid) - cpu;
        printf(" server_cpu=%.2f server_cpu_us_per_message=%.3f", (double)cpu / 1e9 / seconds,
               (double)cpu / 1e3 / deliveries);
    }
    free(frame);
}

/* Ends all connections by a reset. Otherwise each would hold its port for a minute (TIME_WAIT), and the crowd that comes next
 * would spend its time looking for free ones. */
static void hang_up(void)
{
    static const struct linger reset = {.l_onoff = 1};
    for (int i = 0; i < options.connections; i++) {
        setsockopt(all[i].fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        close(all[i].fd);
    }
}

static void usage(FILE *to)
{
    fprintf(to, "usage: crowd [options] HOST PORT\n"
                "  -c, --connections N   connections (10000)\n"
                "  -w, --window N        on their way at any time (64)\n"
                "  -t, --time SECONDS    idle (3)\n"
                "  -f, --fan-out SECONDS then broadcast for so long, one message at a time (0: not at all)\n"
                "  -s, --size BYTES      payload of such a message (64)\n"
                "  -S, --stalled         one connection never reads\n"
                "  -r, --raw             a plain TCP server\n"
                "  -P, --pid PID         of the server: memory and processor time\n");
}

int main(int argc, char **argv)
{
    static const struct option names[] = {
        {"connections", 1, 0, 'c'}, {"window", 1, 0, 'w'}, {"time", 1, 0, 't'}, {"fan-out", 1, 0, 'f'},
        {"size", 1, 0, 's'}, {"stalled", 0, 0, 'S'}, {"raw", 0, 0, 'r'}, {"pid", 1, 0, 'P'}, {"help", 0, 0, 'h'}, {0, 0, 0, 0}};
    for (int c; (c = getopt_long(argc, argv, "c:w:t:f:s:SrP:h", names, NULL)) != -1;) {
        switch (c) {
        case 'c': options.connections = atoi(optarg); break;
        case 'w': options.window = atoi(optarg); break;
        case 't': options.seconds = atof(optarg); break;
        case 'f': options.fan_out = atof(optarg); break;
        case 's': options.payload = (size_t)atoi(optarg); break;
        case 'S': options.stalled = true; break;
        case 'r': options.raw = true; break;
        case 'P': options.pid = atoi(optarg); break;
        case 'h': usage(stdout); return 0;
        default: usage(stderr); return 2;
        }
    }
    if (argc - optind != 2 || options.connections < 2 + 2 * options.stalled || options.window < 1 || options.payload < 1) {
        usage(stderr);
        return 2;
    }
    struct addrinfo *address = resolve(argv[optind], argv[optind + 1]);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    all = allocate((size_t)options.connections * sizeof *all);

    if (options.stalled) {
        open_until(address, STALLED + 1);
        fill_stalled();
    }
    uint64_t user = user_bytes(), kernel = kernel_bytes(), start = now_ns();
    open_until(address, options.connections / 2);
    double seconds = (double)(now_ns() - start) / 1e9;
    uint64_t user_half = user_bytes();
    start = now_ns();
    open_until(address, options.connections);
    seconds += (double)(now_ns() - start) / 1e9;
    rest(0.2);
    uint64_t user_all = user_bytes(), cpu = options.pid ? cpu_ns(options.pid) : 0;
    double count = options.connections, second_half = options.connections - options.connections / 2;
    printf("mode=%s connections=%d accepted_per_second=%.0f kernel_bytes_per_connection=%.0f",
           options.raw ? "raw" : "websocket", options.connections, count / seconds,
           (double)(int64_t)(kernel_bytes() - kernel) / count);
    if (options.pid)
        printf(" user_bytes_per_connection=%.0f user_bytes_per_connection_of_the_second_half=%.0f",
               (double)(int64_t)(user_all - user) / count, (double)(int64_t)(user_all - user_half) / second_half);
    rest(options.seconds);
    if (options.pid && options.seconds > 0)
        printf(" idle_cpu=%.5f", (double)(cpu_ns(options.pid) - cpu) / 1e9 / options.seconds);
    if (options.fan_out > 0)
        fan_out();
    printf("\n");
    hang_up();
    freeaddrinfo(address);
    return 0;
}
