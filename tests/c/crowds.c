/* Limits on who may be here: by address, before the first request, by age; and on pings. */
#include "harness.h"

/* Expects an answer with this status and this text in its body, and the end of the connection. */
static void expect_refusal(int fd, int status, const char *text)
{
    char head[1024], body[256];
    int length = 0;
    CHECK_INT(status, receive_head(fd, head, sizeof head));
    CHECK_CONTAINS("Connection: close\r\n", head);
    const char *line = strstr(head, "Content-Length: ");
    CHECK(line != NULL && sscanf(line, "Content-Length: %d", &length) == 1 && length < (int)sizeof body);
    receive_bytes(fd, body, (size_t)length);
    body[length] = '\0';
    CHECK_CONTAINS(text, body);
    EXPECT_END(fd);
}

static int open_from(const char *from, int port)
{
    int fd = client_from(from, port);
    send_upgrade(fd, "/");
    expect_upgrade(fd);
    return fd;
}

static void by_address(const char *reactors)
{
    struct record record = RECORD;
    ws_server *server = recorded_server(&record, echo_message);
    CHECK_OK(ws_server_set(server, "reactors", reactors));
    CHECK_OK(ws_server_set(server, "max_connections_per_address", "2"));
    char path[] = "/tmp/wspush-crowds-XXXXXX";
    int made = mkstemp(path);
    CHECK(made >= 0);
    close(made);
    char listen[64];
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    snprintf(listen, sizeof listen, "unix:%s.sock", path);
    snprintf(local.sun_path, sizeof local.sun_path, "%s.sock", path);
    int port = 0;
    CHECK_OK(ws_server_listen(server, listen, 0));
    CHECK_OK(ws_server_listen(server, "127.0.0.1", 0));
    CHECK_OK(ws_server_start(server));
    port = ws_server_port(server, 1);

    int first = open_from("127.0.0.2", port), second = open_from("127.0.0.2", port);
    expect_refusal(client_from("127.0.0.2", port), 503, "max_connections_per_address");
    int other = open_from("127.0.0.3", port);
    STATS_WHEN(server, address_refusals, 1);
    CHECK_INT(1, stats_of(server).connections_refused);
    int unix_clients[4];
    for (int i = 0; i < 4; i++) { /* have no address */
        unix_clients[i] = client_of((struct sockaddr *)&local, sizeof local);
        send_upgrade(unix_clients[i], "/");
        expect_upgrade(unix_clients[i]);
    }
    close(first); /* makes room */
    WAIT_FOR(&record, closes, 1);
    STATS_WHEN(server, connections_open, 6);
    first = open_from("127.0.0.2", port);
    send_message(first, "in");
    EXPECT_MESSAGE(first, "in");
    expect_refusal(client_from("127.0.0.2", port), 503, "max_connections_per_address");
    stop_and_free(server);
    close(first);
    close(second);
    close(other);
    for (int i = 0; i < 4; i++)
        close(unix_clients[i]);
    unlink(path);
}

/* Who comes from one address again and again, and stays to read why it is refused, keeps nobody else out. */
static void a_crowd_from_one_address(void)
{
    enum { CROWD = 150 };
    struct record record = RECORD;
    int crowd[CROWD], told = 0;
    char head[1024];
    ws_server *server = recorded_server(&record, echo_message);
    CHECK_OK(ws_server_set(server, "max_connections_per_address", "1"));
    CHECK_OK(ws_server_set(server, "close_timeout", "1m"));
    int port = start(server), first = open_from("127.0.0.2", port);
    for (int i = 0; i < CROWD; i++)
        crowd[i] = client_from("127.0.0.2", port);
    STATS_WHEN(server, address_refusals, CROWD);
    CHECK_INT(CROWD, stats_of(server).connections_refused);
    int other = open_from("127.0.0.3", port);
    send_message(other, "in");
    EXPECT_MESSAGE(other, "in");
    for (int i = 0; i < CROWD; i++) { /* as many are told as are kept for that */
        char byte;
        if (recv(crowd[i], &byte, 1, MSG_PEEK) == 1) {
            CHECK_INT(503, receive_head(crowd[i], head, sizeof head));
            told++;
        }
        EXPECT_CUT(crowd[i]);
    }
    CHECK_INT(64, told);
    STATS_WHEN(server, connections_open, 2);
    stop_and_free(server);
    close(first);
    close(other);
}

/* All of a subnet, which the loopback of IPv6 is alone in. */
static void by_address_in_ipv6(void)
{
    struct record record = RECORD;
    ws_server *server = recorded_server(&record, echo_message);
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    CHECK_OK(ws_server_set(server, "max_connections_per_address", "1"));
    CHECK_OK(ws_server_listen(server, "::1", 0));
    if (ws_server_start(server) != WS_OK) {
        CHECK_OK(ws_server_free(server)); /* there is no IPv6 here; tests/c/ipv6.c says so */
        return;
    }
    address.sin6_port = htons((uint16_t)ws_server_port(server, 0));
    int fd = client_of((struct sockaddr *)&address, sizeof address);
    send_upgrade(fd, "/");
    expect_upgrade(fd);
    expect_refusal(client_of((struct sockaddr *)&address, sizeof address), 503, "max_connections_per_address");
    stop_and_free(server);
    close(fd);
}

/* A flood of connections that never ask: whoever asks gets in, and the oldest of the flood goes. */
static void before_the_first_request(void)
{
    enum { FLOOD = 8 };
    struct record record = RECORD;
    int silent[FLOOD];
    ws_server *server = recorded_server(&record, echo_message);
    CHECK_OK(ws_server_set(server, "max_pending_handshakes", "4"));
    int port = start(server), open = client_open(port);
    for (int i = 0; i < FLOOD; i++) {
        silent[i] = client_connect(port);
        send_text(silent[i], "GET / HTTP/1.1\r\nHost: ");
        STATS_WHEN(server, connections_accepted, i + 2);
    }
    for (int i = 0; i < FLOOD - 4; i++)
        expect_refusal(silent[i], 503, "max_pending_handshakes");
    STATS_WHEN(server, handshakes_dropped, FLOOD - 4);

    int fd = client_open(port); /* pushes one out, and owes nothing itself any more */
    expect_refusal(silent[4], 503, "max_pending_handshakes");
    send_text(silent[5], "a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    expect_upgrade(silent[5]); /* who was slow and yet asked in time */
    int more[2] = {client_connect(port), client_connect(port)};
    STATS_WHEN(server, connections_accepted, FLOOD + 4);
    CHECK_INT(FLOOD - 3, stats_of(server).handshakes_dropped); /* there was room for both */
    int clients[] = {open, fd, silent[5]};
    for (int i = 0; i < 3; i++) {
        send_message(clients[i], "here");
        EXPECT_MESSAGE(clients[i], "here");
    }
    stop_and_free(server);
    int left[] = {open, fd, silent[5], silent[6], silent[7], more[0], more[1]};
    for (size_t i = 0; i < sizeof left / sizeof *left; i++)
        close(left[i]);
}

static volatile int is_held;

static void hold(ws_server *server, ws_conn conn, const void *data, size_t length, int opcode, void *user_data)
{
    echo_message(server, conn, data, length, opcode, user_data);
    while (is_held)
        give_way();
}

/* Many come at once and have asked before they are accepted: nobody owes anything. */
static void a_burst_of_requests(void)
{
    enum { BURST = 20 };
    struct record record = RECORD;
    ws_server *server = recorded_server(&record, hold);
    CHECK_OK(ws_server_set(server, "max_pending_handshakes", "4"));
    int port = start(server), fd = client_open(port), burst[BURST];
    is_held = 1;
    send_message(fd, "wait");
    STATS_WHEN(server, messages_in, 1);
    for (int i = 0; i < BURST; i++) {
        burst[i] = client_connect(port);
        send_upgrade(burst[i], "/");
    }
    is_held = 0;
    for (int i = 0; i < BURST; i++)
        expect_upgrade(burst[i]);
    CHECK_INT(0, stats_of(server).handshakes_dropped);
    stop_and_free(server);
    for (int i = 0; i < BURST; i++)
        close(burst[i]);
    close(fd);
}

/* A long flood costs no more than a short one. */
static void a_long_flood(void)
{
    struct record record = RECORD;
    ws_server *server = recorded_server(&record, echo_message);
    CHECK_OK(ws_server_set(server, "max_pending_handshakes", "16"));
    int port = start(server), fd = client_open(port), flood = scaled(2000, 100);
    for (int i = 0; i < flood; i++)
        reset(client_connect(port));
    send_message(fd, "still here");
    EXPECT_MESSAGE(fd, "still here");
    STATS_WHEN(server, connections_open, 1);
    int last = client_open(port);
    stop_and_free(server);
    close(fd);
    close(last);
}

static void by_age(void)
{
    struct poller poller = {.server = new_server()};
    CHECK_OK(ws_server_set(poller.server, "max_lifetime", under_valgrind() ? "3s" : "300ms"));
    CHECK_OK(ws_server_set(poller.server, "ping_interval", "20ms"));
    int64_t began = now_ms();
    int port = start(poller.server), fd = client_open(port), silent = client_connect(port);
    EXPECT_EVENT(&poller, WS_EVENT_OPEN);
    int code = 0, pings = 0;
    while (code == 0) { /* a busy one is closed all the same */
        struct frame frame = receive_frame(fd);
        if (frame.first == (FIN | PING)) {
            send_frame(fd, FIN | PONG, frame.data, frame.length);
            pings++;
        } else {
            CHECK_INT(FIN | CLOSE, frame.first);
            CHECK_STRING("connection lifetime", (char *)frame.data + 2);
            code = frame.data[0] << 8 | frame.data[1];
        }
        frame_free(&frame);
    }
    CHECK_INT(1001, code);
    CHECK(now_ms() - began >= 285 && now_ms() - began < scaled(2000, 30000));
    CHECK(pings > 0 || under_valgrind());
    send_close(fd, 1001, "");
    CHECK_INT(1001, EXPECT_EVENT(&poller, WS_EVENT_CLOSE)->code);
    expect_refusal(silent, 408, "max_lifetime"); /* and so is who has not even asked */
    STATS_WHEN(poller.server, lifetimes_ended, 2);
    EXPECT_END(fd);
    stop_and_free(poller.server);
}

/* HTTP connections grow old, too, whatever ids they have: one that is idle ends, one with a request that is with the host
 * ends behind the response, and an upgrade that is not decided about is refused. */
static void by_age_in_http(void)
{
    static const char get[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    struct poller poller = {.server = new_server()};
    ws_server *server = poller.server;
    char head[1024], body[2];
    CHECK_OK(ws_server_set(server, "max_lifetime", under_valgrind() ? "5s" : "500ms"));
    CHECK_OK(ws_server_set(server, "keep_alive_timeout", "1m"));
    CHECK_OK(ws_server_set(server, "response_timeout", "1m"));
    CHECK_OK(ws_server_set(server, "decide_upgrades", "on"));
    int64_t began = now_ms();
    int port = start(server), idle = client_connect(port), busy = client_connect(port), asks = client_connect(port);
    send_upgrade(asks, "/");
    EXPECT_EVENT(&poller, WS_EVENT_HANDSHAKE);
    int clients[] = {idle, idle, busy};
    for (int i = 0; i < 3; i++) {
        send_text(clients[i], get);
        CHECK_OK(ws_respond(server, EXPECT_EVENT(&poller, WS_EVENT_REQUEST)->conn, 200, NULL, "ok", 2));
        CHECK_INT(200, receive_head(clients[i], head, sizeof head));
        receive_bytes(clients[i], body, 2);
    }
    send_text(busy, get);
    ws_conn conn = EXPECT_EVENT(&poller, WS_EVENT_REQUEST)->conn;
    CHECK(under_valgrind() || now_ms() - began < 480);
    EXPECT_END(idle);
    CHECK(now_ms() - began >= 485);
    expect_refusal(asks, 503, "max_lifetime");
    STATS_WHEN(server, lifetimes_ended, 3);
    CHECK_OK(ws_respond(server, conn, 200, NULL, "ok", 2));
    CHECK_INT(200, receive_head(busy, head, sizeof head));
    CHECK_CONTAINS("Connection: close\r\n", head);
    receive_bytes(busy, body, 2);
    EXPECT_END(busy);
    stop_and_free(server);
}

/* So many pings or pongs in one go, which the server receives in one, too. */
static void send_control_frames(int fd, int opcode, int count)
{
    unsigned char *all = NULL;
    size_t one, length = 0;
    for (int i = 0; i < count; i++) {
        unsigned char *frame = make_frame(FIN | opcode, "x", 1, 0x12345678, &one);
        all = realloc(all, length + one);
        CHECK(all != NULL);
        memcpy(all + length, frame, one);
        length += one;
        free(frame);
    }
    send_bytes(fd, all, length);
    free(all);
}

static void pings(int poll_mode)
{
    enum { MOST = 50, FLOOD = 61 * MOST + 1, MESSAGES = 200 }; /* a silence of a second counts, up to a minute */
    struct record record = RECORD;
    struct poller poller = {.server = poll_mode ? new_server() : recorded_server(&record, echo_message)};
    ws_server *server = poller.server;
    CHECK_OK(ws_server_set(server, "max_control_frames", "50"));
    int port = start(server), other = client_open(port);
    if (poll_mode)
        EXPECT_EVENT(&poller, WS_EVENT_OPEN);
    for (int opcode = PING; opcode <= PONG; opcode++) {
        int fd = client_open(port);
        if (poll_mode)
            EXPECT_EVENT(&poller, WS_EVENT_OPEN);
        send_control_frames(fd, opcode, FLOOD);
        if (poll_mode)
            CHECK_INT(1008, EXPECT_EVENT(&poller, WS_EVENT_CLOSE)->code);
        send_control_frames(other, opcode, MOST); /* each has a count of its own */
        for (int i = 0; i < MOST && opcode == PING; i++)
            EXPECT_FRAME(other, FIN | PONG, "x", 1);
        if (poll_mode) /* the host is done with what came before */
            CHECK_INT(0, ws_server_poll(server, &poller.events, 0));
        int answers = 0;
        struct frame frame;
        while ((frame = receive_frame(fd)).first == (FIN | PONG)) {
            frame_free(&frame);
            answers++;
        }
        CHECK_INT(FIN | CLOSE, frame.first);
        CHECK_INT(1008, frame.data[0] << 8 | frame.data[1]);
        frame_free(&frame);
        CHECK(opcode == PING ? answers >= MOST && answers < FLOOD : answers == 0);
        close(fd);
        STATS_WHEN(server, control_floods, opcode - PING + 1);
        STATS_WHEN(server, connections_open, 1);
        close(other);
        if (poll_mode)
            EXPECT_EVENT(&poller, WS_EVENT_CLOSE);
        other = client_open(port);
        if (poll_mode)
            EXPECT_EVENT(&poller, WS_EVENT_OPEN);
    }
    for (int i = 0; i < MESSAGES; i++) /* data is free of it */
        send_message(other, "data");
    for (int i = 0; i < MESSAGES && poll_mode; i++)
        EXPECT_EVENT(&poller, WS_EVENT_MESSAGE); /* or reading would pause until they are taken */
    STATS_WHEN(server, messages_in, MESSAGES);
    CHECK_INT(2, stats_of(server).control_floods);
    stop_and_free(server);
    close(other);
}

int main(void)
{
    begin();
    by_address("1");
    by_address("4");
    a_crowd_from_one_address();
    by_address_in_ipv6();
    before_the_first_request();
    a_burst_of_requests();
    a_long_flood();
    by_age();
    by_age_in_http();
    pings(0);
    pings(1);
    return 0;
}
