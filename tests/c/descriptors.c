/* A process that runs out of descriptors: who is connected is served, who is not waits, without the engine turning in
 * circles; and as soon as there is room they get in. */
#include "harness.h"

#include <fcntl.h>
#include <sys/resource.h>

enum { CLIENTS = 60, LIMIT = 40 };

/* How many of these have an answer, after everything has been quiet for a moment. */
static int answered(struct pollfd *clients)
{
    int count = 0, before = -1;
    while (count != before) {
        before = count;
        poll(NULL, 0, scaled(300, 2000));
        CHECK(poll(clients, CLIENTS, 0) >= 0);
        count = 0;
        for (int i = 0; i < CLIENTS; i++)
            count += clients[i].fd >= 0 && clients[i].revents != 0;
    }
    return count;
}

/* The clients are a process of their own, with descriptors of its own. */
static int be_the_clients(int port)
{
    struct pollfd clients[CLIENTS];
    alarm((unsigned)scaled(30, 200));
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = (struct pollfd){.fd = client_connect(port), .events = POLLIN};
        send_upgrade(clients[i].fd, "/");
    }
    int first = answered(clients);
    CHECK(first > 0 && (first < LIMIT || under_valgrind()));
    for (int i = 0; i < CLIENTS; i++) {
        if (clients[i].revents == 0)
            continue;
        expect_upgrade(clients[i].fd);
        send_message(clients[i].fd, "served all the same");
        EXPECT_MESSAGE(clients[i].fd, "served all the same");
        close(clients[i].fd);
        clients[i].fd = -1;
    }
    for (int i = 0; i < CLIENTS; i++) {
        if (clients[i].fd < 0)
            continue;
        expect_upgrade(clients[i].fd);
        close(clients[i].fd); /* makes room for the next */
    }
    return 0;
}

static double processor_seconds(void)
{
    struct rusage usage;
    CHECK_INT(0, getrusage(RUSAGE_SELF, &usage));
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

int main(void)
{
    struct record record = RECORD;
    int to_child[2], status, port;
    begin();
    CHECK_INT(0, pipe(to_child));
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        CHECK_INT(sizeof port, read(to_child[0], &port, sizeof port));
        be_the_clients(port);
        execlp("true", "true", (char *)NULL);
        _exit(1);
    }
    int next = open("/dev/null", O_RDONLY | O_CLOEXEC);
    struct rlimit limit;
    CHECK_INT(0, getrlimit(RLIMIT_NOFILE, &limit));
    if (!under_valgrind()) /* which ends the connections that go beyond it: there all get in at once */
        limit.rlim_cur = LIMIT;
    if (next > LIMIT / 2 || setrlimit(RLIMIT_NOFILE, &limit) != 0) {
        puts("too many descriptors are open already");
        kill(child, SIGKILL);
        return SKIPPED;
    }
    ws_server *server = recorded_server(&record, echo_message);
    port = start(server);
    CHECK_INT(sizeof port, write(to_child[1], &port, sizeof port));
    double before = processor_seconds();
    CHECK_INT(child, waitpid(child, &status, 0));
    CHECK_INT(0, status);
    if (!under_valgrind())
        CHECK(processor_seconds() - before < 0.2);
    WAIT_FOR(&record, opens, CLIENTS);
    stop_and_free(server);
    return 0;
}
