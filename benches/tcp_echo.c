/* tcp_echo: a bare TCP echo, one thread, one epoll: the floor under any echo server, what the kernel alone costs.
 *
 *     tcp_echo [PORT [HOST]]
 *
 * One recv and one send per connection and turn, and nothing else. What the kernel does not take at once waits in a
 * buffer of that connection, which is not read again before it is gone. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BUFFER = 512 * 1024 };

struct connection {
    int fd;
    unsigned char *waiting; /* bytes read and not yet sent; NULL: none */
    size_t at, length;
};

static int epoll;

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

static void on_readable(struct connection *c)
{
    static unsigned char buffer[BUFFER];
    ssize_t got = recv(c->fd, buffer, sizeof buffer, 0);
    if (got <= 0) {
        drop(c);
        return;
    }
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
    watch(c, EPOLL_CTL_ADD, EPOLLIN);
}

int main(int argc, char **argv)
{
    const char *host = argc > 2 ? argv[2] : "127.0.0.1";
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)(argc > 1 ? atoi(argv[1]) : 0))};
    socklen_t length = sizeof address;
    int on = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct epoll_event events[256], event = {.events = EPOLLIN, .data.ptr = NULL};

    must(inet_pton(AF_INET, host, &address.sin_addr) == 1, host);
    must(setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0, "SO_REUSEADDR");
    must(bind(listener, (struct sockaddr *)&address, sizeof address) == 0, "bind");
    must(listen(listener, 4096) == 0, "listen");
    must(getsockname(listener, (struct sockaddr *)&address, &length) == 0, "getsockname");
    must((epoll = epoll_create1(EPOLL_CLOEXEC)) >= 0, "epoll_create1");
    must(epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) == 0, "epoll_ctl");
    printf("listening on %s:%d\n", host, ntohs(address.sin_port));
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
