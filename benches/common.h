/* What the load programs share: time, loud failure, connecting and upgrading, writing a masked frame, and reading what
 * another process costs from /proc. Everything is static and header-only, so that each program is one compiler call. */
#ifndef WSPUSH_BENCHES_COMMON_H
#define WSPUSH_BENCHES_COMMON_H

#include <dirent.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define MAX_CLIENT_HEAD 14 /* of a frame: 2 bytes, 8 of length, 4 of mask (RFC 6455, 5.2) */
#define MAX_SERVER_HEAD 10

/* The sample nonce of RFC 6455, 1.3, and its answer: a server that does not compute it is no WebSocket server. */
#define SAMPLE_KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define SAMPLE_ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

__attribute__((noreturn, format(printf, 1, 2))) static void die(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}

__attribute__((unused)) static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

__attribute__((unused)) static void *allocate(size_t size)
{
    void *memory = calloc(1, size);
    if (memory == NULL)
        die("out of memory: %zu bytes", size);
    return memory;
}

__attribute__((unused)) static struct addrinfo *resolve(const char *host, const char *port)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *address;
    int error = getaddrinfo(host, port, &hints, &address);
    if (error != 0)
        die("%s:%s: %s", host, port, gai_strerror(error));
    return address;
}

/* A connected, still blocking socket, whose calls give up after ten seconds. */
__attribute__((unused)) static int dial(const struct addrinfo *address)
{
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    struct timeval limit = {.tv_sec = 10};
    if (fd < 0)
        die("socket: %s", strerror(errno));
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(fd, address->ai_addr, address->ai_addrlen) != 0)
        die("connect: %s", strerror(errno));
    return fd;
}

__attribute__((unused)) static void upgrade_send(int fd, const char *path)
{
    char request[512];
    int length = snprintf(request, sizeof request,
                          "GET %s HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                          "Sec-WebSocket-Key: " SAMPLE_KEY "\r\nSec-WebSocket-Version: 13\r\n\r\n", path);
    if (send(fd, request, (size_t)length, MSG_NOSIGNAL) != length)
        die("sending the upgrade request: %s", strerror(errno));
}

__attribute__((unused)) static void upgrade_receive(int fd)
{
    char answer[4096];
    size_t length = 0;
    do { /* byte by byte: what follows the answer belongs to the frames */
        if (length + 1 == sizeof answer || recv(fd, answer + length, 1, 0) != 1)
            die("upgrade: no complete answer: %.*s", (int)length, answer);
        answer[++length] = '\0';
    } while (length < 4 || memcmp(answer + length - 4, "\r\n\r\n", 4) != 0);
    if (strncmp(answer, "HTTP/1.1 101 ", 13) != 0 || strstr(answer, SAMPLE_ACCEPT) == NULL)
        die("upgrade refused: %s", answer);
}

/* The head of a final frame; returns its length. With a mask the frame is a client's. */
__attribute__((unused)) static size_t frame_head(unsigned char *out, int opcode, uint64_t length,
                                                 const unsigned char *mask)
{
    size_t at = 0, wide = length < 126 ? 0 : length < 65536 ? 2 : 8;
    out[at++] = (unsigned char)(0x80 | opcode);
    out[at++] = (unsigned char)((mask ? 0x80 : 0) | (wide == 0 ? length : wide == 2 ? 126 : 127));
    while (wide > 0)
        out[at++] = (unsigned char)(length >> (8 * --wide));
    if (mask) {
        memcpy(out + at, mask, 4);
        at += 4;
    }
    return at;
}

/* Processor time of this program so far, in seconds. */
__attribute__((unused)) static double own_cpu(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* Processor time of a process, its threads and its children so far, in nanoseconds. */
__attribute__((unused)) static uint64_t cpu_ns(int pid)
{
    char path[320];
    uint64_t total = 0;
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *tasks = opendir(path);
    if (tasks == NULL)
        die("%s: %s", path, strerror(errno));
    for (struct dirent *task; (task = readdir(tasks)) != NULL;) {
        unsigned long long ran = 0;
        int child;
        if (task->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "/proc/%d/task/%s/schedstat", pid, task->d_name);
        FILE *file = fopen(path, "r");
        if (file != NULL && fscanf(file, "%llu", &ran) == 1)
            total += ran;
        if (file != NULL)
            fclose(file);
        snprintf(path, sizeof path, "/proc/%d/task/%s/children", pid, task->d_name);
        file = fopen(path, "r");
        while (file != NULL && fscanf(file, "%d", &child) == 1)
            total += cpu_ns(child);
        if (file != NULL)
            fclose(file);
    }
    closedir(tasks);
    return total;
}

#endif
