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
static int be_the_clients(int from_server, int to_server)
{
    int port;
    char go;
    CHECK_INT(sizeof port, read(from_server, &port, sizeof port));
    struct pollfd clients[CLIENTS];
    alarm((unsigned)scaled(30, 200));
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = (struct pollfd){.fd = client_connect(port), .events = POLLIN};
        send_upgrade(clients[i].fd, "/");
    }
    int first = answered(clients);
    CHECK(first > 0 && (first < LIMIT || under_valgrind()));
    CHECK_INT(1, write(to_server, "f", 1)); /* it is full */
    CHECK_INT(1, read(from_server, &go, 1));
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
    int to_child[2], from_child[2], status, port;
    char full;
    begin();
    CHECK_INT(0, pipe(to_child));
    CHECK_INT(0, pipe(from_child));
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        be_the_clients(to_child[0], from_child[1]);
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
    CHECK_INT(1, read(from_child[0], &full, 1));
    if (!under_valgrind()) {
        CHECK_INT(1, stats_of(server).accepts_paused);
        CHECK(stats_of(server).connections_accepted < CLIENTS);
        double starving = processor_seconds();
        poll(NULL, 0, 1000);
        CHECK(processor_seconds() - starving < 0.02); /* while some wait to be accepted */
    }
    CHECK_INT(1, write(to_child[1], "g", 1));
    CHECK_INT(child, waitpid(child, &status, 0));
    CHECK_INT(0, status);
    if (!under_valgrind())
        CHECK(processor_seconds() - before < 0.2);
    WAIT_FOR(&record, opens, CLIENTS);
    CHECK_INT(CLIENTS, stats_of(server).connections_accepted);
    stop_and_free(server);
    return 0;
}
