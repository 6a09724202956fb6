/* tcp_echo: a bare TCP echo, one thread, one epoll: the floor under any echo server, what the kernel alone costs.
 *
 *     tcp_echo [PORT [broadcast]]
 *
 * One recv and one send per connection and turn, and nothing else. What the kernel does not take at once waits in a
 * buffer of that connection, which is not read again before it is gone.
 *
 * As a broadcaster, the floor under fan-out, it echoes only what a connection sends first, which stands for the upgrade;
 * what comes later goes to all connections, in a bare loop of send. */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BUFFER = 512 * 1024, MOST = 65536 };

struct connection {
    int fd;
    int place; /* among all, when broadcasting; -1: not there yet */
    unsigned char *waiting; /* bytes read and not yet sent; NULL: none */
    size_t at, length;
};

static int epoll;
static bool broadcasting;
static struct connection *all[MOST];
static int count;

static void must(int ok, const char *what)
{
    if (!ok) {
        perror(what);
        exit(1);
    }
}

static void watch(struct connection *c, int how, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = c};
    must(epoll_ctl(epoll, how, c->fd, &event) == 0, "epoll_ctl");
}

static void drop(struct connection *c)
{
    if (c->place >= 0) {
        all[c->place] = all[--count];
        all[c->place]->place = c->place;
    }
    close(c->fd);
    free(c->waiting);
    free(c);
}

static void keep(struct connection *c, const unsigned char *data, size_t length)
{
    must((c->waiting = malloc(length)) != NULL, "malloc");
    memcpy(c->waiting, data, length);
    c->at = 0;
    c->length = length;
    watch(c, EPOLL_CTL_MOD, EPOLLOUT);
}

static void join(struct connection *c)
{
    must(count < MOST, "too many connections");
    c->place = count;
    all[count++] = c;
}

static void send_to_all(const unsigned char *data, size_t length)
{
    for (int i = 0; i < count; i++)
        must(send(all[i]->fd, data, length, MSG_NOSIGNAL) == (ssize_t)length, "send");
}

static void on_readable(struct connection *c)
{
    static unsigned char buffer[BUFFER];
    ssize_t got = recv(c->fd, buffer, sizeof buffer, 0);
    if (got <= 0) {
        drop(c);
        return;
    }
    if (broadcasting && c->place >= 0) {
        send_to_all(buffer, (size_t)got);
        return;
    }
    if (broadcasting)
        join(c);
    ssize_t sent = send(c->fd, buffer, (size_t)got, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN)
        drop(c);
    else if (sent < got)
        keep(c, buffer + (sent < 0 ? 0 : sent), (size_t)(got - (sent < 0 ? 0 : sent)));
}

static void on_writable(struct connection *c)
{
    ssize_t sent = send(c->fd, c->waiting + c->at, c->length - c->at, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) {
        drop(c);
        return;
    }
    c->at += sent < 0 ? 0 : (size_t)sent;
    if (c->at == c->length) {
        free(c->waiting);
        c->waiting = NULL;
        watch(c, EPOLL_CTL_MOD, EPOLLIN);
    }
}

static void on_client(int listener)
{
    int on = 1, fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct connection *c = calloc(1, sizeof *c);
    must(c != NULL, "calloc");
    c->fd = fd;
    c->place = -1;
    watch(c, EPOLL_CTL_ADD, EPOLLIN);
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                  .sin_port = htons((uint16_t)(argc > 1 ? atoi(argv[1]) : 0))};
    socklen_t length = sizeof address;
    int on = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct epoll_event events[256], event = {.events = EPOLLIN, .data.ptr = NULL};

    broadcasting = argc > 2 && strcmp(argv[2], "broadcast") == 0;
    must(setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0, "SO_REUSEADDR");
    must(bind(listener, (struct sockaddr *)&address, sizeof address) == 0, "bind");
    must(listen(listener, 4096) == 0, "listen");
    must(getsockname(listener, (struct sockaddr *)&address, &length) == 0, "getsockname");
    must((epoll = epoll_create1(EPOLL_CLOEXEC)) >= 0, "epoll_create1");
    must(epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) == 0, "epoll_ctl");
    printf("listening on 127.0.0.1:%d\n", ntohs(address.sin_port));
    fflush(stdout);

    for (;;) {
        int n = epoll_wait(epoll, events, 256, -1);
        must(n >= 0 || errno == EINTR, "epoll_wait");
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr == NULL)
                on_client(listener);
            else if (events[i].events & EPOLLOUT)
                on_writable(events[i].data.ptr);
            else
                on_readable(events[i].data.ptr);
        }
    }
}
