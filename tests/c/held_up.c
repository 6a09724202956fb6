/* A process that is held up (stopped, swapped out, on a machine that sleeps) finds every deadline passed when it goes on,
 * and more sockets ready than it looks at at a time. What its peers have sent meanwhile lies in the kernel. It is heard
 * before anybody is timed out.
 *
 * The server is a child process, which is stopped while its clients send. It serves in callback mode, or to a host that
 * polls, or beside one that is away. */
#include "harness.h"

#include <sys/prctl.h>
#include <sys/wait.h>

/* More than the engine asks the kernel for at a time. */
enum { CLIENTS = 600 };

/* The deadline under test. */
static int timeout_ms(void)
{
    return scaled(1500, 15000);
}

enum mode { CALLBACKS, POLLED, POLLED_AWAY };

struct child {
    pid_t pid;
    int port, orders;
};

struct host {
    ws_server *server;
    int orders;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int away, is_away, wrong_closes;
};

/* What the test asks for: 'c' closes all connections, 'a' has the host go away with its next batch, 'b' has it come back,
 * 's' stops. */
static void *obey(void *argument)
{
    struct host *host = argument;
    static ws_conn all[2 * CLIENTS];
    char order;
    while (read(host->orders, &order, 1) == 1) {
        if (order == 'c') {
            int64_t count = ws_server_connections(host->server, all, 2 * CLIENTS);
            for (int64_t i = 0; i < count; i++)
                CHECK_OK(ws_close(host->server, all[i], 1000, NULL, 0));
        } else if (order == 's') {
            CHECK_OK(ws_server_stop(host->server, scaled(20000, 100000)));
        } else {
            pthread_mutex_lock(&host->lock);
            host->away = order == 'a';
            pthread_cond_broadcast(&host->changed);
            pthread_mutex_unlock(&host->lock);
        }
    }
    return NULL;
}

static void host_message(ws_server *server, ws_conn conn, const void *data, size_t length, int opcode, void *user_data)
{
    (void)user_data;
    ws_push(server, conn, data, length, opcode);
}

static void host_request(ws_server *server, ws_conn conn, const ws_request *request, void *user_data)
{
    (void)request, (void)user_data;
    CHECK_OK(ws_respond(server, conn, 200, NULL, "ok", 2));
}

static void host_close(ws_server *server, ws_conn conn, int code, const void *reason, size_t length, void *user_data)
{
    struct host *host = user_data;
    (void)server, (void)conn, (void)reason, (void)length;
    host->wrong_closes += code == 1006;
}

static void poll_on(struct host *host)
{
    const ws_event *events;
    for (int count; (count = ws_server_poll(host->server, &events, -1)) != WS_ERR_STOPPED;) {
        pthread_mutex_lock(&host->lock);
        while (host->away)
            pthread_cond_wait(&host->changed, &host->lock);
        pthread_mutex_unlock(&host->lock);
        for (int i = 0; i < count; i++) {
            const ws_event *event = &events[i];
            if (event->type == WS_EVENT_MESSAGE)
                host_message(host->server, event->conn, event->data, event->length, event->code, host);
            else if (event->type == WS_EVENT_REQUEST)
                host_request(host->server, event->conn, event->request, host);
            else if (event->type == WS_EVENT_CLOSE)
                host_close(host->server, event->conn, event->code, event->data, event->length, host);
        }
    }
}

/* Serves until it is told to stop, and then expects that nobody was timed out. */
static void serve(enum mode mode, const char *const *options, int orders, int answers)
{
    begin();
    struct host host = {.server = new_server(), .orders = orders, .lock = PTHREAD_MUTEX_INITIALIZER,
                        .changed = PTHREAD_COND_INITIALIZER};
    char value[32];
    for (; options[0] != NULL; options += 2) {
        snprintf(value, sizeof value, "%dms", timeout_ms());
        CHECK_OK(ws_server_set(host.server, options[0], options[1][0] == '*' ? value : options[1]));
    }
    if (mode == CALLBACKS) {
        CHECK_OK(ws_server_on_message(host.server, host_message, &host));
        CHECK_OK(ws_server_on_request(host.server, host_request, &host));
        CHECK_OK(ws_server_on_close(host.server, host_close, &host));
    }
    int port = start(host.server);
    pthread_t obeys = spawn(obey, &host);
    CHECK_INT(sizeof port, write(answers, &port, sizeof port));
    if (mode == CALLBACKS)
        CHECK_OK(ws_server_wait(host.server));
    else
        poll_on(&host);
    join(obeys);
    ws_stats stats = stats_of(host.server);
    CHECK_INT(0, stats.pong_timeouts);
    CHECK_INT(0, stats.idle_timeouts);
    CHECK_INT(0, stats.requests_timed_out);
    CHECK_INT(0, stats.slow_requests);
    CHECK_INT(0, stats.close_timeouts);
    CHECK_INT(0, stats.connections_cut);
    CHECK_INT(0, stats.requests_refused);
    CHECK_INT(0, host.wrong_closes);
    CHECK_OK(ws_server_free(host.server));
    exit(0);
}

/* `options` are pairs; the value * is the deadline under test. */
static struct child begin_child(enum mode mode, const char *const *options)
{
    int orders[2], answers[2];
    struct child child = {0};
    CHECK_INT(0, pipe(orders));
    CHECK_INT(0, pipe(answers));
    child.pid = fork();
    CHECK(child.pid >= 0);
    if (child.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(orders[1]);
        close(answers[0]);
        serve(mode, options, orders[0], answers[1]);
    }
    close(orders[0]);
    close(answers[1]);
    CHECK_INT(sizeof child.port, read(answers[0], &child.port, sizeof child.port));
    close(answers[0]);
    child.orders = orders[1];
    return child;
}

static void order(const struct child *child, char what)
{
    CHECK_INT(1, write(child->orders, &what, 1));
}

static void stop_process(const struct child *child)
{
    int status;
    CHECK_INT(0, kill(child->pid, SIGSTOP));
    CHECK_INT(child->pid, waitpid(child->pid, &status, WUNTRACED));
    CHECK(WIFSTOPPED(status));
}

/* Lets the deadline pass, and has the process go on. */
static void go_on(const struct child *child)
{
    poll(NULL, 0, timeout_ms() + 500);
    CHECK_INT(0, kill(child->pid, SIGCONT));
}

static void expect_exit(const struct child *child)
{
    int status;
    close(child->orders);
    CHECK_INT(child->pid, waitpid(child->pid, &status, 0));
    CHECK(WIFEXITED(status));
    CHECK_INT(0, WEXITSTATUS(status));
}

/* Stops the server, and answers its Close frames. */
static void end_child(const struct child *child, const int *fds, int count)
{
    order(child, 's');
    for (int i = 0; i < count; i++) {
        struct frame frame;
        while ((frame = receive_frame(fds[i])).first != (FIN | CLOSE))
            frame_free(&frame);
        frame_free(&frame);
        send_close(fds[i], 1001, "");
        EXPECT_END(fds[i]);
    }
    expect_exit(child);
}

static void open_all(const struct child *child, int *fds)
{
    for (int i = 0; i < CLIENTS; i++)
        fds[i] = client_open(child->port);
}

/* The echo of a message, whatever pings come before it. */
static void expect_echo(int fd, const char *text)
{
    struct frame frame;
    while ((frame = receive_frame(fd)).first == (FIN | PING))
        frame_free(&frame);
    CHECK_INT(FIN | TEXT, frame.first);
    CHECK_STRING(text, (char *)frame.data);
    frame_free(&frame);
}

/* Has the host of a server that is polled leave with a batch in its hands. */
static void send_away(const struct child *child, enum mode mode, int fd)
{
    if (mode == POLLED_AWAY) {
        order(child, 'a');
        send_message(fd, "one for the road");
    }
}

static void call_back(const struct child *child, enum mode mode, int fd)
{
    if (mode == POLLED_AWAY) {
        order(child, 'b');
        expect_echo(fd, "one for the road");
    }
}

static void pongs(enum mode mode)
{
    static int fds[CLIENTS];
    static const char *const options[] = {"ping_interval", "100ms", "pong_timeout", "*", NULL};
    struct child child = begin_child(mode, options);
    open_all(&child, fds);
    send_away(&child, mode, fds[0]);
    for (int i = 0; i < CLIENTS; i++)
        EXPECT_FRAME(fds[i], FIN | PING, "", 0);
    stop_process(&child);
    for (int i = 0; i < CLIENTS; i++)
        send_frame(fds[i], FIN | PONG, "", 0);
    go_on(&child);
    call_back(&child, mode, fds[0]);
    for (int i = 0; i < CLIENTS; i++)
        send_message(fds[i], "still here");
    for (int i = 0; i < CLIENTS; i++)
        expect_echo(fds[i], "still here");
    end_child(&child, fds, CLIENTS);
    for (int i = 0; i < CLIENTS; i++)
        close(fds[i]);
}

/* As many pings as there may be in the time, though they are all read in one moment. */
static void pings(enum mode mode)
{
    enum { PINGS = 80 };
    static const char *const options[] = {"ping_interval", "0", "max_control_frames", "50", NULL};
    struct child child = begin_child(mode, options);
    int fd = client_open(child.port);
    send_message(fd, "before");
    expect_echo(fd, "before");
    stop_process(&child);
    for (int i = 0; i < PINGS; i++)
        send_frame(fd, FIN | PING, &i, sizeof i);
    go_on(&child); /* after two seconds */
    for (int i = 0; i < PINGS; i++)
        EXPECT_FRAME(fd, FIN | PONG, &i, sizeof i);
    end_child(&child, &fd, 1);
    close(fd);
}

static void messages(enum mode mode)
{
    static int fds[CLIENTS];
    static const char *const options[] = {"ping_interval", "0", "idle_timeout", "*", NULL};
    struct child child = begin_child(mode, options);
    open_all(&child, fds);
    send_away(&child, mode, fds[0]);
    stop_process(&child);
    for (int i = 0; i < CLIENTS; i++)
        send_message(fds[i], "not idle");
    go_on(&child);
    call_back(&child, mode, fds[0]);
    for (int i = 0; i < CLIENTS; i++)
        expect_echo(fds[i], "not idle");
    end_child(&child, fds, CLIENTS);
    for (int i = 0; i < CLIENTS; i++)
        close(fds[i]);
}

/* The rest of a head, or of a body, that is longer than what is received at a time. */
static void requests(enum mode mode, const char *option, int body)
{
    static int fds[CLIENTS];
    static char rest[200 * 1024];
    const char *const options[] = {option, "*", NULL};
    char head[1024];
    struct child child = begin_child(mode, options);
    memset(rest, 'x', sizeof rest);
    size_t length = body ? sizeof rest : 0;
    for (int i = 0; i < CLIENTS; i++) {
        fds[i] = client_connect(child.port);
        send_text(fds[i], body ? "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 204800\r\n\r\n"
                               : "GET / HTTP/1.1\r\nHost: a\r\n");
    }
    stop_process(&child);
    for (int i = 0; i < CLIENTS; i++) {
        send_bytes(fds[i], rest, length);
        if (!body)
            send_text(fds[i], "Connection: close\r\n\r\n");
    }
    go_on(&child);
    for (int i = 0; i < CLIENTS; i++) {
        CHECK_INT(200, receive_head(fds[i], head, sizeof head));
        receive_bytes(fds[i], head, 2);
        EXPECT_END(fds[i]);
    }
    end_child(&child, NULL, 0);
}

static void further_requests(enum mode mode)
{
    static int fds[CLIENTS];
    static const char *const options[] = {"keep_alive_timeout", "*", NULL};
    char head[1024];
    struct child child = begin_child(mode, options);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < CLIENTS; i++) {
            if (round == 0)
                fds[i] = client_connect(child.port);
            send_text(fds[i], round == 0 ? "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n"
                                         : "GET /2 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        }
        if (round == 1)
            go_on(&child);
        for (int i = 0; i < CLIENTS; i++) {
            CHECK_INT(200, receive_head(fds[i], head, sizeof head));
            receive_bytes(fds[i], head, 2);
        }
        if (round == 0)
            stop_process(&child);
    }
    for (int i = 0; i < CLIENTS; i++)
        EXPECT_END(fds[i]);
    end_child(&child, NULL, 0);
}

static void answers_to_a_close(enum mode mode)
{
    static int fds[CLIENTS];
    static const char *const options[] = {"close_timeout", "*", NULL};
    struct child child = begin_child(mode, options);
    open_all(&child, fds);
    order(&child, 'c');
    for (int i = 0; i < CLIENTS; i++)
        EXPECT_CLOSE(fds[i], 1000);
    stop_process(&child);
    for (int i = 0; i < CLIENTS; i++)
        send_close(fds[i], 1000, "");
    go_on(&child);
    for (int i = 0; i < CLIENTS; i++)
        EXPECT_END(fds[i]);
    end_child(&child, NULL, 0);
}

/* Those that have asked are not pushed out by those that come. A head may be longer than what is received at a time. */
static void pending(void)
{
    static int fds[CLIENTS];
    static char head[40 * 1024];
    static const char *const options[] = {"max_pending_handshakes", "32", "max_request_head", "64K", NULL};
    struct child child = begin_child(CALLBACKS, options);
    memset(head, 'x', sizeof head);
    for (int i = 0; i < 32; i++)
        fds[i] = client_connect(child.port);
    stop_process(&child);
    for (int i = 0; i < 32; i++) {
        send_text(fds[i], "GET / HTTP/1.1\r\nX: ");
        send_bytes(fds[i], head, sizeof head);
        send_text(fds[i], "\r\n" UPGRADE_LINES "\r\n");
    }
    for (int i = 32; i < CLIENTS; i++) {
        fds[i] = client_connect(child.port);
        send_upgrade(fds[i], "/");
    }
    CHECK_INT(0, kill(child.pid, SIGCONT));
    for (int i = 0; i < CLIENTS; i++)
        expect_upgrade(fds[i]);
    end_child(&child, fds, CLIENTS);
    for (int i = 0; i < CLIENTS; i++)
        close(fds[i]);
}

/* A stop gives requests that are under way a second. */
static void a_stop(enum mode mode)
{
    static int fds[CLIENTS];
    static const char *const options[] = {NULL};
    struct child child = begin_child(mode, options);
    int first = client_open(child.port);
    for (int i = 0; i < CLIENTS; i++) {
        fds[i] = client_connect(child.port);
        send_text(fds[i], "GET / HTTP/1.1\r\n");
    }
    order(&child, 's');
    EXPECT_CLOSE(first, 1001);
    stop_process(&child);
    send_close(first, 1001, "");
    for (int i = 0; i < CLIENTS; i++)
        send_text(fds[i], UPGRADE_LINES "\r\n");
    go_on(&child);
    EXPECT_END(first);
    for (int i = 0; i < CLIENTS; i++) {
        expect_upgrade(fds[i]);
        EXPECT_CLOSE(fds[i], 1001);
        send_close(fds[i], 1001, "");
        EXPECT_END(fds[i]);
    }
    expect_exit(&child);
}

/* Each mode in a process of its own: most of the time of this test is spent waiting for deadlines. */
int main(void)
{
    pid_t lanes[POLLED_AWAY + 1];
    begin();
    for (enum mode mode = CALLBACKS; mode <= POLLED_AWAY; mode++) {
        lanes[mode] = fork();
        CHECK(lanes[mode] >= 0);
        if (lanes[mode] > 0)
            continue;
        begin();
        pongs(mode);
        if (mode != POLLED_AWAY)
            pings(mode);
        messages(mode);
        if (mode == CALLBACKS)
            pending();
        if (mode == POLLED_AWAY)
            return 0;
        requests(mode, "request_timeout", 0);
        requests(mode, "body_timeout", 1);
        further_requests(mode);
        answers_to_a_close(mode);
        a_stop(mode);
        return 0;
    }
    int failed = 0;
    for (enum mode mode = CALLBACKS; mode <= POLLED_AWAY; mode++) {
        int status;
        CHECK_INT(lanes[mode], waitpid(lanes[mode], &status, 0));
        failed |= status;
    }
    return failed != 0;
}
