/* What is known of a connection, asked for at any time and from any thread: always that of this connection and no other's. */
#include "harness.h"

static ws_conn_facts facts_of(ws_server *server, ws_conn conn)
{
    ws_conn_facts facts = {.size = sizeof facts};
    CHECK_OK(ws_conn_info(server, conn, &facts));
    CHECK_INT(sizeof facts, facts.size);
    return facts;
}

static uint64_t unix_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static int own_port(int fd)
{
    struct sockaddr_in address;
    socklen_t length = sizeof address;
    CHECK_INT(0, getsockname(fd, (struct sockaddr *)&address, &length));
    return ntohs(address.sin_port);
}

static int client_at(int port, const char *target, const char *lines)
{
    char request[1024];
    int fd = client_connect(port);
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\n" UPGRADE_LINES "%s\r\n", target, lines);
    send_text(fd, request);
    expect_upgrade(fd);
    return fd;
}

/* In the callback of the open event they are there already. */
static void look_at_open(ws_server *server, ws_conn conn, const ws_request *request, void *user_data)
{
    ws_conn_facts facts = facts_of(server, conn);
    CHECK_STRING(ws_request_path(request), facts.path);
    CHECK_STRING(ws_request_subprotocol(request), facts.subprotocol);
    CHECK_STRING(ws_request_remote_address(request), facts.remote_address);
    CHECK_INT(ws_request_remote_port(request), facts.remote_port);
    CHECK_INT(ws_request_local_port(request), facts.local_port);
    record_open(server, conn, request, user_data);
}

/* In that of the close event they are gone. */
static void look_at_close(ws_server *server, ws_conn conn, int code, const void *reason, size_t length, void *user_data)
{
    ws_conn_facts facts = {.size = sizeof facts};
    CHECK_STATUS(WS_ERR_CLOSED, ws_conn_info(server, conn, &facts));
    record_close(server, conn, code, reason, length, user_data);
}

static void all_of_them(void)
{
    enum { SLACK_MS = 50 };
    struct record record = RECORD;
    ws_server *server = recorded_server(&record, echo_message);
    CHECK_OK(ws_server_on_open(server, look_at_open, &record));
    CHECK_OK(ws_server_on_close(server, look_at_close, &record));
    CHECK_OK(ws_server_set(server, "subprotocols", "v2.chat,v1.chat"));
    uint64_t before = unix_ms();
    int port = start(server), fd = client_at(port, "/rooms/7?token=secret", "Sec-WebSocket-Protocol: v1.chat\r\n");
    WAIT_FOR(&record, opens, 1);
    uint64_t after = unix_ms();
    ws_conn conn = record.conn;

    ws_conn_facts facts = facts_of(server, conn);
    for (int64_t deadline = now_ms() + 10000; facts.queued_bytes != 0; facts = facts_of(server, conn)) {
        CHECK(now_ms() < deadline); /* the response has left, and is about to be taken off */
        give_way();
    }
    CHECK_STRING("127.0.0.1", facts.remote_address);
    CHECK_INT(own_port(fd), facts.remote_port);
    CHECK_STRING("127.0.0.1", facts.local_address);
    CHECK_INT(port, facts.local_port);
    CHECK_STRING("/rooms/7", facts.path);
    CHECK_STRING("v1.chat", facts.subprotocol);
    CHECK(facts.opened_ms + SLACK_MS >= before && facts.opened_ms <= after + SLACK_MS);
    CHECK_INT(facts.opened_ms, facts.heard_ms);
    CHECK_INT(0, facts.topics);

    poll(NULL, 0, 3 * SLACK_MS); /* time has to pass here */
    uint64_t heard = unix_ms();
    send_message(fd, "here I am");
    EXPECT_MESSAGE(fd, "here I am");
    CHECK_OK(ws_subscribe(server, conn, "one"));
    CHECK_OK(ws_subscribe(server, conn, "two"));
    ws_conn_facts later = facts_of(server, conn);
    CHECK_INT(facts.opened_ms, later.opened_ms);
    CHECK(later.heard_ms + SLACK_MS >= heard && later.heard_ms <= unix_ms() + SLACK_MS);
    CHECK_INT(2, later.topics);

    static unsigned char chunk[65536];
    keep_little(fd);
    while (ws_push(server, conn, chunk, sizeof chunk, WS_BINARY) == WS_OK)
        ;
    CHECK(facts_of(server, conn).queued_bytes > sizeof chunk);
    CHECK_OK(ws_close(server, conn, 1000, NULL, 0)); /* closing is still there */
    CHECK_STRING("/rooms/7", facts_of(server, conn).path);
    reset(fd);
    WAIT_FOR(&record, closes, 1);

    ws_conn_facts none = {.size = sizeof none};
    CHECK_STATUS(WS_ERR_CLOSED, ws_conn_info(server, conn, &none));
    CHECK_STATUS(WS_ERR_CLOSED, ws_conn_info(server, 77, &none));
    CHECK_STATUS(WS_ERR_CLOSED, ws_conn_info(server, 0, &none));
    CHECK_STATUS(WS_ERR_NULL, ws_conn_info(server, conn, NULL));
    CHECK(none.path == NULL && none.opened_ms == 0); /* written only on success */
    none.size = sizeof none - 1;
    CHECK_STATUS(WS_ERR_ARGUMENT, ws_conn_info(server, conn, &none));
    CHECK_CONTAINS("ws_conn_facts", ws_last_error());
    stop_and_free(server);
    none.size = sizeof none;
    CHECK_STATUS(WS_ERR_HANDLE, ws_conn_info(server, conn, &none));
}

/* Not of a plain request, whose host has the request; and not of an upgrade before it is decided about. */
static void from_the_decision_on(void)
{
    struct poller poller = {.server = new_server()};
    ws_conn_facts facts = {.size = sizeof facts};
    CHECK_OK(ws_server_set(poller.server, "decide_upgrades", "on"));
    int fd = client_connect(start(poller.server));
    send_text(fd, "GET /plain HTTP/1.1\r\nHost: a\r\n\r\n");
    ws_conn conn = EXPECT_EVENT(&poller, WS_EVENT_REQUEST)->conn;
    CHECK_STATUS(WS_ERR_CLOSED, ws_conn_info(poller.server, conn, &facts));
    CHECK_OK(ws_respond(poller.server, conn, 204, NULL, NULL, 0));
    char head[1024];
    CHECK_INT(204, receive_head(fd, head, sizeof head));

    send_text(fd, "GET /decided HTTP/1.1\r\n" UPGRADE_LINES "Sec-WebSocket-Protocol: a, b\r\n\r\n");
    conn = EXPECT_EVENT(&poller, WS_EVENT_HANDSHAKE)->conn;
    CHECK_STATUS(WS_ERR_CLOSED, ws_conn_info(poller.server, conn, &facts));
    CHECK_OK(ws_accept(poller.server, conn, "b", NULL));
    for (int i = 0; i < 2; i++) { /* at once, and when it is open */
        facts = facts_of(poller.server, conn);
        CHECK_STRING("/decided", facts.path);
        CHECK_STRING("b", facts.subprotocol);
        CHECK_INT(own_port(fd), facts.remote_port);
        if (i == 0)
            CHECK_INT(conn, EXPECT_EVENT(&poller, WS_EVENT_OPEN)->conn);
    }
    expect_upgrade(fd);
    CHECK_INT(facts.opened_ms, facts_of(poller.server, conn).opened_ms);
    stop_and_free(poller.server);
    close(fd);
}

static void a_long_path(void)
{
    struct record record = RECORD;
    char path[3000];
    ws_server *server = recorded_server(&record, record_message);
    memset(path, 'p', sizeof path);
    path[0] = '/';
    path[sizeof path - 1] = '\0';
    int fd = client_connect(start(server));
    send_text(fd, "GET ");
    send_text(fd, path);
    send_text(fd, " HTTP/1.1\r\n" UPGRADE_LINES "\r\n");
    expect_upgrade(fd);
    WAIT_FOR(&record, opens, 1);
    path[1024] = '\0';
    CHECK_STRING(path, facts_of(server, record.conn).path);
    stop_and_free(server);
    close(fd);
}

static void over_other_sockets(void)
{
    struct record record = RECORD;
    char directory[] = "/tmp/wspush-facts-XXXXXX", host[64];
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    struct sockaddr_in6 loopback = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
    ws_server *server = recorded_server(&record, record_message);
    CHECK(mkdtemp(directory) != NULL);
    snprintf(local.sun_path, sizeof local.sun_path, "%s/socket", directory);
    snprintf(host, sizeof host, "unix:%s/socket", directory);
    int probe = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), fds[2], opens = 1;
    int has_ipv6 = probe >= 0 && bind(probe, (struct sockaddr *)&loopback, sizeof loopback) == 0;
    if (probe >= 0)
        close(probe);
    CHECK_OK(ws_server_listen(server, host, 0));
    if (has_ipv6)
        CHECK_OK(ws_server_listen(server, "::1", 0));
    CHECK_OK(ws_server_start(server));
    fds[0] = client_of((struct sockaddr *)&local, sizeof local);
    send_upgrade(fds[0], "/unix");
    expect_upgrade(fds[0]);
    WAIT_FOR(&record, opens, 1);
    ws_conn_facts facts = facts_of(server, 1);
    CHECK_STRING("unix", facts.remote_address);
    CHECK_STRING("unix", facts.local_address);
    CHECK_STRING("/unix", facts.path);
    CHECK_INT(0, facts.remote_port + facts.local_port);
    if (has_ipv6) {
        loopback.sin6_port = htons((uint16_t)ws_server_port(server, 1));
        fds[opens++] = client_of((struct sockaddr *)&loopback, sizeof loopback);
        send_upgrade(fds[1], "/six");
        expect_upgrade(fds[1]);
        WAIT_FOR(&record, opens, 2);
        facts = facts_of(server, 2);
        CHECK_STRING("::1", facts.remote_address);
        CHECK_STRING("::1", facts.local_address);
        CHECK_STRING("/six", facts.path);
        CHECK_INT(ws_server_port(server, 1), facts.local_port);
        CHECK(facts.remote_port > 0);
    }
    stop_and_free(server);
    for (int i = 0; i < opens; i++)
        close(fds[i]);
    CHECK_INT(0, rmdir(directory));
}

static char last_line[256];

static void note_line(ws_server *server, int level, const char *message, void *user_data)
{
    CHECK(server != NULL && level <= WS_LOG_DEBUG && user_data == NULL);
    if (strstr(message, "opened at") != NULL)
        snprintf(last_line, sizeof last_line, "%s", message);
}

static void open_in_both_forms(ws_server *server, ws_conn conn, const ws_request *request, void *user_data)
{
    CHECK_CONTAINS(ws_request_remote_address(request), last_line);
    CHECK(strstr(last_line, "ffff") == NULL);
    look_at_open(server, conn, request, user_data);
}

/* A service manager's socket takes both families. An IPv4 client is one there as everywhere. */
static void over_a_socket_for_both_families(void)
{
    struct record record = RECORD;
    struct sockaddr_in6 any = {.sin6_family = AF_INET6};
    socklen_t length = sizeof any;
    char host[16];
    int off = 0, fds[3], listener = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0)
        return; /* a system without IPv6 */
    any.sin6_addr = in6addr_any;
    CHECK_INT(0, setsockopt(listener, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off));
    if (bind(listener, (struct sockaddr *)&any, sizeof any) != 0) {
        close(listener);
        return;
    }
    CHECK_INT(0, listen(listener, 16));
    CHECK_INT(0, getsockname(listener, (struct sockaddr *)&any, &length));
    int port = ntohs(any.sin6_port);
    snprintf(host, sizeof host, "fd:%d", listener);

    ws_server *server = recorded_server(&record, record_message);
    CHECK_OK(ws_server_on_open(server, open_in_both_forms, &record));
    CHECK_OK(ws_server_on_log(server, note_line, NULL));
    CHECK_OK(ws_server_set(server, "log_level", "debug"));
    CHECK_OK(ws_server_set(server, "trusted_proxies", "127.0.0.2"));
    CHECK_OK(ws_server_set(server, "max_connections_per_address", "2"));
    CHECK_OK(ws_server_listen(server, host, 0));
    CHECK_OK(ws_server_start(server));
    for (int i = 0; i < 2; i++) {
        fds[i] = client_at(port, "/", "X-Forwarded-For: 192.0.2.7\r\n"); /* which is not believed */
        WAIT_FOR(&record, opens, i + 1);
        ws_conn_facts facts = facts_of(server, record.conn);
        CHECK_STRING("127.0.0.1", facts.remote_address);
        CHECK_STRING("127.0.0.1", facts.local_address);
        CHECK_INT(own_port(fds[i]), facts.remote_port);
        CHECK_INT(port, facts.local_port);
    }
    int fd = client_connect(port);
    char head[1024];
    CHECK_INT(503, receive_head(fd, head, sizeof head));
    close(fd);
    STATS_WHEN(server, address_refusals, 1);

    fds[2] = client_from("127.0.0.2", port);
    send_text(fds[2], "GET / HTTP/1.1\r\nX-Forwarded-For: 192.0.2.7\r\n" UPGRADE_LINES "\r\n");
    expect_upgrade(fds[2]);
    WAIT_FOR(&record, opens, 3);
    CHECK_STRING("192.0.2.7", facts_of(server, record.conn).remote_address);
    stop_and_free(server);
    for (int i = 0; i < 3; i++)
        close(fds[i]);
    close(listener);
}

/* Behind a proxy that is trusted it is the client that is told. */
static void of_a_client_behind_a_proxy(void)
{
    struct record record = RECORD;
    ws_server *server = recorded_server(&record, record_message);
    CHECK_OK(ws_server_on_open(server, look_at_open, &record));
    CHECK_OK(ws_server_set(server, "trusted_proxies", "127.0.0.1"));
    int port = start(server), fds[2];
    const char *const clients[] = {"198.51.100.7", "2001:db8::17"};
    for (int i = 0; i < 2; i++) {
        char lines[64];
        snprintf(lines, sizeof lines, "X-Forwarded-For: %s\r\n", clients[i]);
        fds[i] = client_at(port, "/", lines);
        WAIT_FOR(&record, opens, i + 1);
        CHECK_STRING(clients[i], facts_of(server, record.conn).remote_address);
        CHECK_STRING("127.0.0.1", facts_of(server, record.conn).local_address);
    }
    stop_and_free(server);
    close(fds[0]);
    close(fds[1]);
}

/* ---- coming and going -------------------------------------------------------------------------------------------- */

enum { MOST = 40000, COMERS = 2, ASKERS = 2 };

static struct {
    pthread_mutex_t lock;
    ws_conn last;
    struct {
        int port;
        char path[24];
    } by_conn[MOST];
    int coming;
} churn = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void note_open(ws_server *server, ws_conn conn, const ws_request *request, void *user_data)
{
    (void)server, (void)user_data;
    CHECK(conn < MOST);
    pthread_mutex_lock(&churn.lock);
    churn.last = conn > churn.last ? conn : churn.last;
    churn.by_conn[conn].port = ws_request_remote_port(request);
    snprintf(churn.by_conn[conn].path, sizeof churn.by_conn[conn].path, "%s", ws_request_path(request));
    pthread_mutex_unlock(&churn.lock);
}

struct comer {
    int number, port, count;
};

static void *come_and_go(void *argument)
{
    const struct comer *comer = argument;
    int kept[8] = {0};
    for (int i = 0; i < comer->count; i++) {
        char target[32];
        int *fd = &kept[i % 8];
        if (*fd > 0)
            reset(*fd);
        snprintf(target, sizeof target, "/%d/%d", comer->number, i);
        *fd = client_at(comer->port, target, "");
    }
    for (int i = 0; i < 8; i++)
        reset(kept[i]);
    __atomic_sub_fetch(&churn.coming, 1, __ATOMIC_SEQ_CST);
    return NULL;
}

/* Asks for the last that have come, of which some are gone, and one that is still to come. */
static void *ask(void *server)
{
    intptr_t compared = 0, gone = 0;
    while (__atomic_load_n(&churn.coming, __ATOMIC_SEQ_CST) > 0) {
        pthread_mutex_lock(&churn.lock);
        ws_conn last = churn.last;
        pthread_mutex_unlock(&churn.lock);
        for (ws_conn conn = last > 40 ? last - 40 : 1; conn <= last + 1; conn++) {
            ws_conn_facts facts = {.size = sizeof facts};
            int status = ws_conn_info(server, conn, &facts);
            if (status == WS_ERR_CLOSED) {
                gone++;
                continue;
            }
            CHECK_OK(status);
            pthread_mutex_lock(&churn.lock);
            if (churn.by_conn[conn].port != 0) {
                CHECK_INT(churn.by_conn[conn].port, facts.remote_port);
                CHECK_STRING(churn.by_conn[conn].path, facts.path);
                compared++;
            }
            pthread_mutex_unlock(&churn.lock);
        }
        give_way();
    }
    CHECK(compared > 0 && gone > 0);
    return NULL;
}

/* Slots are used again meanwhile, for there are fewer of them than connections come. */
static void under_churn(const char *reactors)
{
    struct comer comers[COMERS];
    pthread_t coming[COMERS], asking[ASKERS];
    ws_server *server = new_server();
    CHECK_OK(ws_server_on_open(server, note_open, NULL));
    CHECK_OK(ws_server_set(server, "reactors", reactors));
    CHECK_OK(ws_server_set(server, "max_connections", "100"));
    int port = start(server);
    memset(churn.by_conn, 0, sizeof churn.by_conn);
    churn.last = 0;
    churn.coming = COMERS;
    for (int i = 0; i < COMERS; i++) {
        comers[i] = (struct comer){i, port, scaled(3000, 700)};
        coming[i] = spawn(come_and_go, &comers[i]);
    }
    for (int i = 0; i < ASKERS; i++)
        asking[i] = spawn(ask, server);
    for (int i = 0; i < COMERS; i++)
        join(coming[i]);
    for (int i = 0; i < ASKERS; i++)
        join(asking[i]);
    stop_and_free(server);
}

int main(void)
{
    begin();
    all_of_them();
    from_the_decision_on();
    a_long_path();
    over_other_sockets();
    over_a_socket_for_both_families();
    of_a_client_behind_a_proxy();
    under_churn("1");
    under_churn("3");
    return 0;
}
