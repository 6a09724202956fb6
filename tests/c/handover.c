/* One server makes way for another on the same port: whoever connects meanwhile is served by one of them. */
#include "harness.h"

#include <fcntl.h>
#include <sys/resource.h>

enum { LOOPS = 3 };

/* ---- a client that connects again and again ---------------------------------------------------------------------- */

struct loop {
    int port;
    volatile int stop;
    int echoes, goings, refused, lost; /* goings: Close 1001 instead of an echo; lost: cut without one */
};

static int receive_some(int fd, void *to, size_t length)
{
    return recv(fd, to, length, MSG_WAITALL) == (ssize_t)length;
}

/* Connects, upgrades, and asks for an echo. */
static void once(struct loop *loop)
{
    static const char request[] = "GET / HTTP/1.1\r\n" UPGRADE_LINES "\r\n";
    static const unsigned char hello[] = {FIN | TEXT, 0x80 | 5, 0, 0, 0, 0, 'h', 'e', 'l', 'l', 'o'};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)loop->port)};
    struct timeval limit = {.tv_sec = scaled(10, 60)};
    char head[512];
    unsigned char frame[128];
    size_t length = 0;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK_INT(0, setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit));
    if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        CHECK(errno == ECONNREFUSED || errno == ECONNRESET);
        loop->refused += errno == ECONNREFUSED;
        loop->lost += errno == ECONNRESET;
        close(fd);
        return;
    }
    int there = send(fd, request, sizeof request - 1, MSG_NOSIGNAL) > 0;
    while (there && (length < 4 || memcmp(head + length - 4, "\r\n\r\n", 4) != 0)) {
        CHECK(length < sizeof head);
        there = receive_some(fd, head + length++, 1);
    }
    if (there) {
        CHECK(memcmp(head, "HTTP/1.1 101 ", 13) == 0);
        there = send(fd, hello, sizeof hello, MSG_NOSIGNAL) > 0 && receive_some(fd, frame, 2) &&
                receive_some(fd, frame + 2, frame[1]);
    }
    if (!there)
        loop->lost++;
    else if (frame[0] == (FIN | TEXT))
        loop->echoes++;
    else {
        CHECK_INT(FIN | CLOSE, frame[0]);
        CHECK_INT(1001, frame[2] << 8 | frame[3]);
        loop->goings++;
    }
    reset(fd);
}

static void *connect_on(void *argument)
{
    struct loop *loop = argument;
    while (!loop->stop)
        once(loop);
    return NULL;
}

static void begin_loops(struct loop loops[LOOPS], pthread_t threads[LOOPS], int port)
{
    for (int i = 0; i < LOOPS; i++) {
        loops[i] = (struct loop){.port = port};
        threads[i] = spawn(connect_on, &loops[i]);
    }
}

static struct loop end_loops(struct loop loops[LOOPS], pthread_t threads[LOOPS])
{
    struct loop sum = {0};
    for (int i = 0; i < LOOPS; i++)
        loops[i].stop = 1;
    for (int i = 0; i < LOOPS; i++) {
        join(threads[i]);
        sum.echoes += loops[i].echoes;
        sum.goings += loops[i].goings;
        sum.refused += loops[i].refused;
        sum.lost += loops[i].lost;
    }
    return sum;
}

/* Waits until a server has been at work for a moment. */
static void let_serve(ws_server *server)
{
    int64_t deadline = now_ms() + scaled(10000, 60000);
    for (; stats_of(server).messages_in < (uint64_t)scaled(200, 3); give_way())
        CHECK(now_ms() < deadline);
}

static int listening_socket(int *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK_INT(0, bind(fd, (struct sockaddr *)&address, sizeof address));
    CHECK_INT(0, listen(fd, 1024));
    CHECK_INT(0, getsockname(fd, (struct sockaddr *)&address, &length));
    *port = ntohs(address.sin_port);
    return fd;
}

static ws_server *server_on(struct record *record, const char *address, int port, const char *reactors, int reuse)
{
    ws_server *server = recorded_server(record, echo_message);
    CHECK_OK(ws_server_set(server, "reactors", reactors));
    if (reuse)
        CHECK_OK(ws_server_set(server, "reuse_port", "on"));
    CHECK_OK(ws_server_listen(server, address, port));
    CHECK_OK(ws_server_start(server));
    return server;
}

/* ---- with an inherited socket ------------------------------------------------------------------------------------ */

static void inherited(const char *reactors)
{
    enum { RESTARTS = 8 };
    struct record records[RESTARTS + 1];
    struct loop loops[LOOPS];
    pthread_t threads[LOOPS];
    char address[16];
    int port, fd = listening_socket(&port), opens = 0;
    snprintf(address, sizeof address, "fd:%d", fd);
    for (int i = 0; i <= RESTARTS; i++)
        records[i] = (struct record)RECORD;

    ws_server *server = server_on(&records[0], address, 0, reactors, 0), *next;
    CHECK_INT(port, ws_server_port(server, 0));
    begin_loops(loops, threads, port);
    for (int i = 1; i <= RESTARTS; i++) {
        let_serve(server);
        if (i % 2 == 0) { /* both at once for a moment */
            next = server_on(&records[i], address, 0, reactors, 0);
            CHECK_OK(ws_server_stop(server, scaled(5000, 30000)));
        } else { /* nobody for a moment */
            CHECK_OK(ws_server_stop(server, scaled(5000, 30000)));
            next = server_on(&records[i], address, 0, reactors, 0);
        }
        CHECK_INT(0, stats_of(server).connections_cut);
        CHECK_INT(stats_of(server).connections_accepted, stats_of(server).connections_closed);
        CHECK_OK(ws_server_free(server));
        server = next;
    }
    let_serve(server);
    struct loop sum = end_loops(loops, threads);
    CHECK_INT(0, sum.refused);
    CHECK_INT(0, sum.lost);
    CHECK(sum.echoes >= RESTARTS * scaled(200, 3));
    stop_and_free(server);
    for (int i = 0; i <= RESTARTS; i++) {
        CHECK_INT(records[i].opens, records[i].closes);
        opens += records[i].opens;
    }
    CHECK_INT(sum.echoes + sum.goings, opens);

    CHECK_INT(FD_CLOEXEC, fcntl(fd, F_GETFD));
    CHECK_INT(O_NONBLOCK, fcntl(fd, F_GETFL) & O_NONBLOCK);
    CHECK(!refuses(port)); /* the socket is still the host's, and open */
    close(fd);
    CHECK(refuses(port));
}

static void what_cannot_be(void)
{
    static const struct {
        const char *address, *why;
    } named[] = {
        {"fd:", "descriptor"}, {"fd:x", "descriptor"},        {"fd:-1", "descriptor"},       {"fd: 3", "descriptor"},
        {"fd:99999999999", "descriptor"}, {"systemd:", "LISTEN_PID"}, {"systemd:web", "LISTEN_PID"},
    };
    char address[16];
    int port, listening = listening_socket(&port), connected = client_connect(port), pipes[2];
    CHECK_INT(0, pipe(pipes));
    for (size_t i = 0; i < sizeof named / sizeof *named; i++) {
        ws_server *server = new_server();
        CHECK_STATUS(WS_ERR_ADDRESS, ws_server_listen(server, named[i].address, 0));
        CHECK_CONTAINS(named[i].why, ws_last_error());
        CHECK_OK(ws_server_free(server));
    }
    int descriptors[] = {connected, pipes[0], 12345};
    for (int i = 0; i < 3; i++) {
        ws_server *server = new_server();
        snprintf(address, sizeof address, "fd:%d", descriptors[i]);
        CHECK_OK(ws_server_listen(server, address, 0));
        CHECK_STATUS(WS_ERR_ADDRESS, ws_server_start(server));
        CHECK_CONTAINS(address, ws_last_error());
        CHECK_OK(ws_server_free(server));
    }
    CHECK_INT(0, fcntl(connected, F_GETFL) & O_NONBLOCK); /* was left as it is */
    close(listening);
    close(connected);
    close(pipes[0]);
    close(pipes[1]);
}

/* ---- as a service manager does it -------------------------------------------------------------------------------- */

/* The program that is activated, with two sockets: serves until it is told to go on with the next line. */
static int be_activated(void)
{
    struct record record = RECORD, other = RECORD;
    char byte;
    ws_server *server = recorded_server(&record, echo_message), *web = recorded_server(&other, echo_message);
    CHECK_OK(ws_server_listen(server, "systemd:", 0));
    CHECK_OK(ws_server_listen(web, "systemd:web", 0));
    CHECK_STATUS(WS_ERR_ADDRESS, ws_server_listen(web, "systemd:other", 0));
    CHECK_OK(ws_server_start(server));
    CHECK_OK(ws_server_start(web));
    CHECK_INT(ws_server_port(server, 1), ws_server_port(web, 0));
    CHECK_STATUS(WS_ERR_ARGUMENT, ws_server_port(server, 2));
    CHECK_STATUS(WS_ERR_ARGUMENT, ws_server_port(web, 1));
    CHECK_OK(ws_server_stop(web, 0));
    CHECK_OK(ws_server_free(web));
    CHECK_INT(1, read(0, &byte, 1)); /* the end of it is a command, too */
    CHECK_OK(ws_server_stop(server, scaled(5000, 30000)));
    CHECK_OK(ws_server_free(server));
    return 0;
}

static pid_t activate(const char *program, int admin, int web, int *command)
{
    int pipes[2];
    CHECK_INT(0, pipe(pipes));
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        char pid[16];
        int high[3] = {fcntl(admin, F_DUPFD, 64), fcntl(web, F_DUPFD, 64), fcntl(pipes[0], F_DUPFD, 64)};
        CHECK(dup2(high[0], 3) == 3 && dup2(high[1], 4) == 4 && dup2(high[2], 0) == 0);
        for (int i = 0; i < 3; i++)
            close(high[i]);
        close(pipes[1]);
        snprintf(pid, sizeof pid, "%d", (int)getpid());
        setenv("LISTEN_PID", pid, 1);
        setenv("LISTEN_FDS", "2", 1);
        setenv("LISTEN_FDNAMES", "admin:web", 1);
        execl(program, program, "activated", (char *)NULL);
        _exit(1);
    }
    close(pipes[0]);
    *command = pipes[1];
    return child;
}

static void expect_success(pid_t child, int command)
{
    int status;
    CHECK_INT(1, write(command, "s", 1));
    CHECK_INT(child, waitpid(child, &status, 0));
    CHECK_INT(0, status);
    close(command);
}

static void activated(const char *program)
{
    struct loop loops[LOOPS];
    pthread_t threads[LOOPS];
    int ports[2], admin = listening_socket(&ports[0]), web = listening_socket(&ports[1]), command, next;
    begin_loops(loops, threads, ports[1]); /* before there is a server: it is awaited */
    pid_t child = activate(program, admin, web, &command), successor;
    struct loop own = {.port = ports[0]};
    for (int i = 0; i < 3; i++) {
        once(&own);
        successor = activate(program, admin, web, &next);
        if (i == 1) { /* once with a while in which nobody serves */
            expect_success(successor, next);
            expect_success(child, command);
            successor = activate(program, admin, web, &next);
        } else
            expect_success(child, command);
        child = successor;
        command = next;
    }
    once(&own);
    struct loop sum = end_loops(loops, threads);
    expect_success(child, command);
    CHECK_INT(4, own.echoes + own.goings);
    CHECK_INT(0, sum.refused);
    CHECK_INT(0, sum.lost);
    CHECK(sum.echoes > 0);
    close(admin);
    close(web);
}

/* ---- without one ------------------------------------------------------------------------------------------------- */

static int gate[2];

static void hold(ws_server *server, ws_conn conn, const void *data, size_t length, int opcode, void *user_data)
{
    char byte;
    record_message(server, conn, data, length, opcode, user_data);
    CHECK_INT(1, read(gate[0], &byte, 1));
}

static void answer(ws_server *server, ws_conn conn, const ws_request *request, void *user_data)
{
    CHECK_OK(ws_respond(server, conn, 200, NULL, "served", 6));
    record_request(server, conn, request, user_data);
}

static void *stop_it(void *server)
{
    CHECK_OK(ws_server_stop(server, scaled(5000, 30000)));
    return NULL;
}

/* Who has connected before a stop and was not accepted yet is served. */
static void the_queue_is_served(const char *unix_path)
{
    enum { CLIENTS = 12 };
    struct record record = RECORD;
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    char head[1024], listen[128];
    int clients[CLIENTS], port = 0;
    ws_server *server = recorded_server(&record, hold);
    CHECK_INT(0, pipe(gate));
    CHECK_OK(ws_server_on_request(server, answer, &record));
    snprintf(local.sun_path, sizeof local.sun_path, "%s", unix_path ? unix_path : "");
    snprintf(listen, sizeof listen, "unix:%s", local.sun_path);
    CHECK_OK(ws_server_listen(server, "127.0.0.1", 0));
    if (unix_path)
        CHECK_OK(ws_server_listen(server, listen, 0));
    CHECK_OK(ws_server_start(server));
    port = ws_server_port(server, 0);
    int holder = client_open(port);
    send_message(holder, "stay with me");
    WAIT_FOR(&record, messages, 1);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = unix_path ? client_of((struct sockaddr *)&local, sizeof local) : client_connect(port);
        if (i % 3 == 0)
            send_upgrade(clients[i], "/");
        else if (i % 3 == 1)
            send_text(clients[i], "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    pthread_t thread = spawn(stop_it, server);
    while (stats_of(server).command_bytes == 0)
        give_way();
    CHECK_INT(1, stats_of(server).connections_accepted);
    CHECK_INT(1, write(gate[1], "g", 1));
    for (int i = 0; i < CLIENTS; i++) {
        if (i % 3 == 0) {
            expect_upgrade(clients[i]);
            EXPECT_CLOSE(clients[i], 1001);
            send_close(clients[i], 1001, "");
            EXPECT_END(clients[i]);
        } else if (i % 3 == 1) {
            char body[6];
            CHECK_INT(200, receive_head(clients[i], head, sizeof head));
            CHECK_CONTAINS("Connection: close\r\n", head);
            receive_bytes(clients[i], body, sizeof body);
            EXPECT_END(clients[i]);
        } else
            EXPECT_CUT(clients[i]); /* had nothing to ask within a second */
    }
    EXPECT_CLOSE(holder, 1001);
    send_close(holder, 1001, "");
    EXPECT_END(holder);
    join(thread);
    CHECK_INT(1 + CLIENTS / 3, record.closes);
    CHECK_INT(1 + CLIENTS / 3, record.opens);
    CHECK_INT(CLIENTS / 3, record.requests);
    CHECK_INT(CLIENTS / 3, stats_of(server).connections_cut);
    CHECK_INT(1 + CLIENTS, stats_of(server).connections_accepted);
    CHECK(refuses(port));
    CHECK_OK(ws_server_free(server));
    close(gate[0]);
    close(gate[1]);
}

/* In poll mode the host may be waiting for the stop: it is told of upgrades, and plain requests are refused. */
static void the_queue_in_poll_mode(void)
{
    struct poller poller = {.server = new_server()};
    char head[1024];
    int port = start(poller.server), upgrades = client_connect(port), asks = client_connect(port);
    STATS_WHEN(poller.server, connections_accepted, 2);
    send_text(upgrades, "GET / HTTP/1.1\r\n");
    send_text(asks, "GET / HTTP/1.1\r\n");
    pthread_t thread = spawn(stop_it, poller.server);
    while (!refuses(port))
        give_way();
    send_text(upgrades, UPGRADE_LINES "\r\n");
    send_text(asks, "Host: a\r\n\r\n");
    expect_upgrade(upgrades);
    EXPECT_CLOSE(upgrades, 1001);
    send_close(upgrades, 1001, "");
    EXPECT_END(upgrades);
    CHECK_INT(503, receive_head(asks, head, sizeof head));
    EXPECT_CUT(asks);
    join(thread);
    EXPECT_EVENT(&poller, WS_EVENT_OPEN);
    CHECK_INT(1001, EXPECT_EVENT(&poller, WS_EVENT_CLOSE)->code);
    CHECK_INT(WS_ERR_STOPPED, ws_server_poll(poller.server, &poller.events, 0));
    CHECK_INT(0, stats_of(poller.server).connections_cut);
    CHECK_OK(ws_server_free(poller.server));
}

/* With reuse_port nobody is refused either. In the moment in which a listener closes the kernel may reset a connection that
 * has just come to it: how often that is, is told. */
static void reuse_port(void)
{
    enum { RESTARTS = 20 };
    struct record records[RESTARTS + 1];
    struct loop loops[LOOPS];
    pthread_t threads[LOOPS];
    for (int i = 0; i <= RESTARTS; i++)
        records[i] = (struct record)RECORD;
    ws_server *server = server_on(&records[0], "127.0.0.1", 0, "1", 1);
    int port = ws_server_port(server, 0);
    begin_loops(loops, threads, port);
    for (int i = 1; i <= RESTARTS; i++) {
        let_serve(server);
        ws_server *next = server_on(&records[i], "127.0.0.1", port, "1", 1);
        CHECK_OK(ws_server_stop(server, scaled(5000, 30000)));
        CHECK_INT(0, stats_of(server).connections_cut);
        CHECK_OK(ws_server_free(server));
        server = next;
    }
    let_serve(server);
    struct loop sum = end_loops(loops, threads);
    printf("reuse_port: %d restarts, %d echoes, %d closed with 1001, %d refused, %d reset\n", RESTARTS, sum.echoes,
           sum.goings, sum.refused, sum.lost);
    CHECK_INT(0, sum.refused);
    CHECK(sum.lost <= RESTARTS);
    stop_and_free(server);
}

/* Somebody who has the socket, too, shuts it down. Who is there is served, and the engine does not turn in circles. */
static void shut_down_by_another(void)
{
    struct record record = RECORD;
    struct rusage before, after;
    char address[16];
    int port, fd = listening_socket(&port);
    snprintf(address, sizeof address, "fd:%d", fd);
    ws_server *server = server_on(&record, address, 0, "1", 0);
    int client = client_open(port);
    CHECK_INT(0, shutdown(fd, SHUT_RDWR));
    STATS_WHEN(server, accepts_paused, 1);
    CHECK_INT(0, getrusage(RUSAGE_SELF, &before));
    poll(NULL, 0, 500);
    CHECK_INT(0, getrusage(RUSAGE_SELF, &after));
    long used = (after.ru_utime.tv_sec - before.ru_utime.tv_sec + after.ru_stime.tv_sec - before.ru_stime.tv_sec) * 1000000 +
                after.ru_utime.tv_usec - before.ru_utime.tv_usec + after.ru_stime.tv_usec - before.ru_stime.tv_usec;
    CHECK(used < 50000 || under_valgrind());
    send_message(client, "here");
    EXPECT_MESSAGE(client, "here");
    stop_and_free(server);
    close(client);
    close(fd);
}

int main(int count, char **arguments)
{
    begin();
    if (count > 1 && strcmp(arguments[1], "activated") == 0)
        return be_activated();
    char path[64];
    snprintf(path, sizeof path, "/tmp/wspush-handover-%d", (int)getpid());
    inherited("1");
    inherited("3");
    what_cannot_be();
    activated(arguments[0]);
    the_queue_is_served(NULL);
    the_queue_is_served(path);
    the_queue_in_poll_mode();
    reuse_port();
    shut_down_by_another();
    return 0;
}
