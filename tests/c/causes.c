/* Why a connection closed, which its code alone does not say: with callbacks and by polling, as a server and as a client. */
#include "server.h"

enum { BY_CALLBACKS, BY_POLLING };

static void cut_hard(int fd)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    CHECK_INT(0, setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger));
    close(fd);
}

/* What the peer does, or this side; `frame` sends a frame as the peer's role wants it. */
typedef void frame_fn(int fd, int first, const void *data, size_t length);

enum action {
    RESETS, ENDS, IS_SILENT, SENDS_CLOSE, SENDS_1009, SENDS_MUCH, SENDS_LATIN, SENDS_NONSENSE, PINGS,
    WE_CLOSE, WE_CLOSE_AND_GET_NO_ANSWER, WE_CUT, WE_STOP, WE_PUSH_TOO_MUCH
};

enum { SERVERS = 1, CLIENTS = 2, BOTH = 3 };

static const struct {
    int roles;
    enum action action;
    const char *option, *value, *option_too, *value_too;
    int code, cause;
} cases[] = {
    {BOTH, SENDS_CLOSE, NULL, NULL, NULL, NULL, 4001, WS_CAUSE_PEER},
    {BOTH, SENDS_1009, NULL, NULL, NULL, NULL, 1009, WS_CAUSE_PEER},
    {BOTH, SENDS_MUCH, "max_message_size", "10", NULL, NULL, 1009, WS_CAUSE_TOO_BIG},
    {BOTH, SENDS_MUCH, "max_frame_size", "125", NULL, NULL, 1009, WS_CAUSE_TOO_BIG},
    {BOTH, SENDS_LATIN, NULL, NULL, NULL, NULL, 1007, WS_CAUSE_UTF8},
    {BOTH, SENDS_NONSENSE, NULL, NULL, NULL, NULL, 1002, WS_CAUSE_PROTOCOL},
    {BOTH, PINGS, "max_control_frames", "1", NULL, NULL, 1008, WS_CAUSE_CONTROL_FLOOD},
    {BOTH, ENDS, NULL, NULL, NULL, NULL, 1006, WS_CAUSE_END_OF_STREAM},
    {BOTH, RESETS, NULL, NULL, NULL, NULL, 1006, WS_CAUSE_RESET},
    {BOTH, IS_SILENT, "ping_interval", "10ms", "pong_timeout", "10ms", 1006, WS_CAUSE_PONG_TIMEOUT},
    {BOTH, IS_SILENT, "idle_timeout", "10ms", "close_timeout", "10s", 1001, WS_CAUSE_IDLE_TIMEOUT},
    {BOTH, WE_CLOSE, NULL, NULL, NULL, NULL, 4002, WS_CAUSE_HOST},
    {BOTH, WE_CLOSE_AND_GET_NO_ANSWER, "close_timeout", "10ms", NULL, NULL, 1006, WS_CAUSE_CLOSE_TIMEOUT},
    {SERVERS, IS_SILENT, "max_lifetime", "10ms", NULL, NULL, 1001, WS_CAUSE_LIFETIME},
    {SERVERS, WE_CUT, NULL, NULL, NULL, NULL, 1006, WS_CAUSE_DISCONNECT},
    {SERVERS, WE_STOP, NULL, NULL, NULL, NULL, 1001, WS_CAUSE_STOP},
    {SERVERS, WE_PUSH_TOO_MUCH, "slow_client", "close_1013", "max_queued_bytes", "64K", 1013, WS_CAUSE_SLOW_CLIENT},
};

enum { CASES = sizeof cases / sizeof *cases };

static void send_as_client(int fd, int first, const void *data, size_t length)
{
    send_frame(fd, first, data, length);
}

/* As many pings as there may be after a minute of silence, and one more, at a go: the first that is too many may end the connection. */
static void send_pings(int fd, int masked)
{
    enum { PINGS_SENT = 62 };
    static const unsigned char ping[6] = {FIN | PING, 0x80};
    unsigned char all[PINGS_SENT * sizeof ping] = {0};
    size_t each = masked ? sizeof ping : 2;
    for (size_t i = 0; i < PINGS_SENT; i++) {
        memcpy(all + i * each, ping, each);
        all[i * each + 1] = masked ? 0x80 : 0;
    }
    send_bytes(fd, all, PINGS_SENT * each);
}

/* What the peer does by itself; the socket, -1 if it is closed. */
static int act(int fd, enum action action, frame_fn *frame)
{
    static const char much[200] = "much";
    switch (action) {
    case RESETS:
        cut_hard(fd);
        return -1;
    case ENDS:
        close(fd);
        return -1;
    case SENDS_CLOSE:
        frame(fd, FIN | CLOSE, "\x0f\xa1", 2);
        break;
    case SENDS_1009:
        frame(fd, FIN | CLOSE, "\x03\xf1", 2);
        break;
    case SENDS_MUCH:
        frame(fd, FIN | BINARY, much, sizeof much);
        break;
    case SENDS_LATIN:
        frame(fd, FIN | TEXT, "\xe4", 1);
        break;
    case SENDS_NONSENSE:
        frame(fd, FIN | 3, "", 0);
        break;
    case PINGS:
        send_pings(fd, frame == send_as_client);
        break;
    default:
        break;
    }
    return fd;
}

/* Answers the Close of this side, which comes behind pings perhaps. */
static void answer_close(int fd, struct frame (*receive)(int), frame_fn *frame)
{
    for (;;) {
        struct frame got = receive(fd);
        int is_close = got.first == (FIN | CLOSE);
        if (is_close)
            frame(fd, FIN | CLOSE, got.data, got.length);
        frame_free(&got);
        if (is_close)
            return;
    }
}

static int wants_answer(int at)
{
    enum action action = cases[at].action;
    return action == WE_CLOSE || action == WE_STOP || action == WE_PUSH_TOO_MUCH || cases[at].cause == WS_CAUSE_IDLE_TIMEOUT ||
           cases[at].cause == WS_CAUSE_LIFETIME;
}

static void check(int at, int code, int cause)
{
    if (cases[at].code != code || cases[at].cause != cause)
        fail(HERE, "case %d: closed with %d, %s, and not with %d, %s", at, code, ws_cause_name(cause), cases[at].code,
             ws_cause_name(cases[at].cause));
}

/* ---- as a server ------------------------------------------------------------------------------------------------- */

struct told {
    struct record record;
    int opens, closes, code, cause;
    ws_conn conn;
};

static void note_open(ws_server *server, ws_conn conn, const ws_request *request, void *user_data)
{
    struct told *told = user_data;
    (void)server, (void)request;
    CHECK_INT(WS_CAUSE_NONE, ws_close_cause());
    told->conn = conn;
    note(&told->record, &told->opens);
}

static void note_close(ws_server *server, ws_conn conn, int code, const void *reason, size_t length, void *user_data)
{
    struct told *told = user_data;
    (void)server, (void)conn, (void)reason, (void)length;
    told->code = code;
    told->cause = ws_close_cause();
    note(&told->record, &told->closes);
}

static void *stop_the_server(void *server)
{
    CHECK_OK(ws_server_stop(server, scaled(10000, 60000)));
    return NULL;
}

static void push_too_much(ws_server *server, ws_conn conn)
{
    static const char much[60000] = "much";
    while (ws_push(server, conn, much, sizeof much, WS_BINARY) == WS_OK) {
    }
}

static void as_a_server(int at, int mode)
{
    struct told told = {.record = RECORD};
    struct poller poller = {.server = new_server()};
    ws_server *server = poller.server;
    pthread_t stopper;
    int stops = cases[at].action == WE_STOP;
    if (cases[at].option != NULL)
        CHECK_OK(ws_server_set(server, cases[at].option, cases[at].value));
    if (cases[at].option_too != NULL)
        CHECK_OK(ws_server_set(server, cases[at].option_too, cases[at].value_too));
    if (mode == BY_CALLBACKS) {
        CHECK_OK(ws_server_on_open(server, note_open, &told));
        CHECK_OK(ws_server_on_close(server, note_close, &told));
    }
    int fd = client_open(start(server));
    if (mode == BY_CALLBACKS)
        wait_for(HERE, "opens", &told.record, &told.opens, 1);
    else
        told.conn = EXPECT_EVENT(&poller, WS_EVENT_OPEN)->conn;
    switch (cases[at].action) {
    case WE_CLOSE:
    case WE_CLOSE_AND_GET_NO_ANSWER:
        CHECK_OK(ws_close(server, told.conn, 4002, "", 0));
        break;
    case WE_CUT:
        CHECK_OK(ws_disconnect(server, told.conn));
        break;
    case WE_STOP:
        stopper = spawn(stop_the_server, server);
        break;
    case WE_PUSH_TOO_MUCH:
        push_too_much(server, told.conn);
        break;
    default:
        fd = act(fd, cases[at].action, send_as_client);
    }
    if (wants_answer(at))
        answer_close(fd, receive_frame, send_as_client);
    if (mode == BY_CALLBACKS) {
        wait_for(HERE, "closes", &told.record, &told.closes, 1);
    } else {
        const ws_event *event = EXPECT_EVENT(&poller, WS_EVENT_CLOSE);
        told.code = event->code;
        told.cause = event->cause;
    }
    check(at, told.code, told.cause);
    if (fd >= 0)
        close(fd);
    if (stops)
        join(stopper);
    stop_and_free(server);
}

/* ---- as a client ------------------------------------------------------------------------------------------------- */

static void note_client_close(ws_client *client, int code, const void *reason, size_t length, void *user_data)
{
    struct told *told = user_data;
    (void)client, (void)reason, (void)length;
    told->code = code;
    told->cause = ws_close_cause();
    note(&told->record, &told->closes);
}

static void note_client_open(ws_client *client, const ws_request *response, void *user_data)
{
    struct told *told = user_data;
    (void)client, (void)response;
    note(&told->record, &told->opens);
}

static struct frame receive_from_client(int fd)
{
    return receive_masked(fd).frame;
}

static void as_a_client(int at, int mode)
{
    struct told told = {.record = RECORD};
    struct listener listener = new_listener();
    struct client_poller poller = {.client = ws_client_new(listener.url)};
    ws_client *client = poller.client;
    if (cases[at].option != NULL)
        CHECK_OK(ws_client_set(client, cases[at].option, cases[at].value));
    if (cases[at].option_too != NULL)
        CHECK_OK(ws_client_set(client, cases[at].option_too, cases[at].value_too));
    if (mode == BY_CALLBACKS) {
        CHECK_OK(ws_client_on_open(client, note_client_open, &told));
        CHECK_OK(ws_client_on_close(client, note_client_close, &told));
    }
    CHECK_OK(ws_client_start(client));
    int fd = OPEN_NEXT(&listener);
    if (mode == BY_CALLBACKS)
        wait_for(HERE, "opens", &told.record, &told.opens, 1);
    else
        EXPECT_CLIENT_EVENT(&poller, WS_EVENT_OPEN);
    if (cases[at].action == WE_CLOSE || cases[at].action == WE_CLOSE_AND_GET_NO_ANSWER)
        CHECK_OK(ws_client_close(client, 4002, "", 0));
    else
        fd = act(fd, cases[at].action, send_unmasked);
    if (wants_answer(at))
        answer_close(fd, receive_from_client, send_unmasked);
    if (mode == BY_CALLBACKS) {
        wait_for(HERE, "closes", &told.record, &told.closes, 1);
    } else {
        const ws_event *event = EXPECT_CLIENT_EVENT(&poller, WS_EVENT_CLOSE);
        told.code = event->code;
        told.cause = event->cause;
    }
    check(at, told.code, told.cause);
    CHECK_OK(ws_client_free(client));
    if (fd >= 0)
        close(fd);
    close(listener.fd);
}

int main(void)
{
    begin();
    for (int at = 0; at < CASES; at++) {
        for (int mode = BY_CALLBACKS; mode <= BY_POLLING; mode++) {
            if (cases[at].roles & SERVERS)
                as_a_server(at, mode);
            if (cases[at].roles & CLIENTS)
                as_a_client(at, mode);
        }
    }
    CHECK_STRING("WS_CAUSE_PONG_TIMEOUT", ws_cause_name(WS_CAUSE_PONG_TIMEOUT));
    CHECK_STRING("the peer answered no ping (pong_timeout)", ws_cause_text(WS_CAUSE_PONG_TIMEOUT));
    CHECK_STRING("WS_CAUSE_UNKNOWN", ws_cause_name(-1));
    CHECK_STRING("unknown cause", ws_cause_text(1000));
    CHECK_INT(WS_CAUSE_NONE, ws_close_cause());
    return 0;
}
