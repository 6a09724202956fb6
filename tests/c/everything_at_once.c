/* Everything at once, and every frame on the wire is looked at. Eight peers send messages of 5 to 400,000 bytes with pings
 * between them and get them back, while other threads push, publish and broadcast to them, and are pinged by the host; some
 * read slowly, and all sockets hold little. Whatever meets whatever, frames are whole, their content is right, and each
 * sender's messages come in their order: an echo behind the echo before it, a push behind the push before it.
 *
 * As a server and as a client, with callbacks and polled, with one reactor and three. It runs for seconds; WSPUSH_SOAK says
 * for how many, over all of it. */
#include "server.h"

enum { PEERS = 8, LONGEST = 400000, PUSHERS = 2, MUCH = 4 * 1024 * 1024 };

/* A message names its sender and its number: 'e' for an echo, 'p' and 'q' for pushes, 'b' for a broadcast, 't' for a topic. */
enum { HEAD = 5, KINDS = 256 };

static int64_t end_ms;           /* of this round */
static volatile int over;        /* nobody begins anything more */
static unsigned long long frames_seen;

static uint32_t draw(uint32_t *state, uint32_t below)
{
    *state ^= *state << 13, *state ^= *state >> 17, *state ^= *state << 5;
    return *state % below;
}

/* Long ones are rare. */
static size_t any_length(uint32_t *random)
{
    static const uint32_t most[] = {126, 130, 1000, 5000, 20000, 70000, LONGEST - HEAD};
    uint32_t kind = draw(random, 64);
    return HEAD + draw(random, most[kind < 24 ? 0 : kind < 32 ? 1 : kind < 44 ? 2 : kind < 52 ? 3 : kind < 58 ? 4 : kind < 62 ? 5 : 6]);
}

static void fill(unsigned char *message, int kind, uint32_t number, size_t length)
{
    message[0] = (unsigned char)kind;
    memcpy(message + 1, &number, 4);
    for (size_t i = HEAD; i < length; i++)
        message[i] = (unsigned char)(i * 13 + number * 7 + (uint32_t)kind + i / 253);
}

static void check_content(const unsigned char *message, size_t length)
{
    uint32_t number;
    CHECK(length >= HEAD);
    memcpy(&number, message + 1, 4);
    for (size_t i = HEAD; i < length; i++)
        if (message[i] != (unsigned char)(i * 13 + number * 7 + message[0] + i / 253))
            fail(HERE, "byte %zu of %zu of message %u of sender %c is %02x", i, length, number, message[0], message[i]);
}

/* ---- a peer: one thread that writes, one that reads ---------------------------------------------------------------- */

struct peer {
    int fd, masks, slow;             /* masks: it is a client, and its server does not */
    pthread_mutex_t lock;            /* of what is written: the reader answers pings */
    uint32_t echoes_sent, pings_sent;
    uint32_t next[KINDS];            /* by sender; what is number 0 is the first */
    uint32_t pongs;
    int closed;
};

static void write_frame(struct peer *peer, int first, const void *data, size_t length)
{
    pthread_mutex_lock(&peer->lock);
    if (peer->masks)
        send_frame(peer->fd, first, data, length);
    else
        send_unmasked(peer->fd, first, data, length);
    pthread_mutex_unlock(&peer->lock);
}

static void write_ping(struct peer *peer)
{
    uint32_t number = __atomic_fetch_add(&peer->pings_sent, 1, __ATOMIC_SEQ_CST);
    write_frame(peer, FIN | PING, &number, sizeof number);
}

static void *write_on(void *argument)
{
    struct peer *peer = argument;
    uint32_t random = 0x9e3779b9u * (uint32_t)(peer->fd + 1);
    unsigned char *message = malloc(LONGEST);
    CHECK(message != NULL);
    while (!over && now_ms() < end_ms) {
        size_t length = any_length(&random), done = 0;
        size_t pieces = draw(&random, 4) == 0 ? 1 + draw(&random, 4) : 1;
        /* Not more than some are under way: a peer that only writes would wait for one that only writes. */
        while (peer->echoes_sent - __atomic_load_n(&peer->next['e'], __ATOMIC_SEQ_CST) > 8)
            give_way();
        fill(message, 'e', peer->echoes_sent, length);
        for (size_t piece = 0; piece < pieces; piece++) {
            size_t part = piece + 1 == pieces ? length - done : length / pieces;
            if (draw(&random, 3) == 0)
                write_ping(peer);
            write_frame(peer, (piece == 0 ? BINARY : CONTINUATION) | (piece + 1 == pieces ? FIN : 0), message + done, part);
            done += part;
        }
        __atomic_add_fetch(&peer->echoes_sent, 1, __ATOMIC_SEQ_CST);
        if (draw(&random, 3) == 0)
            write_ping(peer);
    }
    free(message);
    return NULL;
}

static void see(struct peer *peer, const struct frame *frame)
{
    uint32_t number;
    int kind;
    __atomic_add_fetch(&frames_seen, 1, __ATOMIC_RELAXED);
    switch (frame->first) {
    case FIN | PONG:
        CHECK_INT(sizeof number, frame->length);
        memcpy(&number, frame->data, sizeof number);
        CHECK_INT(peer->pongs, number);
        peer->pongs++;
        break;
    case FIN | PING:
        CHECK_INT(4, frame->length);
        write_frame(peer, FIN | PONG, frame->data, frame->length);
        break;
    case FIN | CLOSE:
        if (frame->length < 2 || frame->data[0] << 8 != 0x300 || frame->data[1] != 0xe8)
            fail(HERE, "closed with %d %s", frame->data[0] << 8 | frame->data[1], (char *)frame->data + 2);
        peer->closed = 1;
        break;
    default:
        if (frame->first != (FIN | BINARY))
            fail(HERE, "a frame begins with %02x", frame->first);
        check_content(frame->data, frame->length);
        kind = frame->data[0];
        memcpy(&number, frame->data + 1, 4);
        if (strchr("epqbt", kind) == NULL)
            fail(HERE, "a message of nobody: %02x", kind);
        /* A broadcast may leave out a peer that takes too little; an echo is left out never, a push only if it is refused,
         * and then it keeps its number. */
        if (strchr("bt", kind) != NULL ? number < peer->next[kind] : number != peer->next[kind])
            fail(HERE, "message %u of sender %c comes where %u is due", number, kind, peer->next[kind]);
        __atomic_store_n(&peer->next[kind], number + 1, __ATOMIC_SEQ_CST);
    }
}

static void *read_on(void *argument)
{
    struct peer *peer = argument;
    uint32_t random = 77u * (uint32_t)(peer->fd + 1);
    while (!peer->closed) {
        struct frame frame = peer->masks ? receive_frame(peer->fd) : receive_masked(peer->fd).frame;
        see(peer, &frame);
        frame_free(&frame);
        if (peer->slow && draw(&random, 8) == 0)
            give_way();
    }
    return NULL;
}

/* Waits until all has come back that a peer has sent. */
static void await_answers(struct peer *peer)
{
    int64_t deadline = now_ms() + scaled(20000, 200000);
    while (__atomic_load_n(&peer->next['e'], __ATOMIC_SEQ_CST) < peer->echoes_sent ||
           __atomic_load_n(&peer->pongs, __ATOMIC_SEQ_CST) < peer->pings_sent) {
        if (now_ms() > deadline)
            fail(HERE, "%u of %u echoes and %u of %u pongs have come", peer->next['e'], peer->echoes_sent, peer->pongs,
                 peer->pings_sent);
        give_way();
    }
}

static void begin_peer(struct peer *peer, int fd, int masks, int slow)
{
    memset(peer, 0, sizeof *peer);
    peer->fd = fd;
    peer->masks = masks;
    peer->slow = slow;
    CHECK_INT(0, pthread_mutex_init(&peer->lock, NULL));
}

/* ---- a server under test --------------------------------------------------------------------------------------------- */

struct hosted {
    ws_server *server;
    int polls, opened;
    ws_conn conns[PEERS];
};

static void opened(ws_server *server, ws_conn conn, const ws_request *request, void *user_data)
{
    struct hosted *hosted = user_data;
    (void)request;
    CHECK_OK(ws_subscribe(server, conn, "all"));
    int place = __atomic_load_n(&hosted->opened, __ATOMIC_SEQ_CST);
    do
        CHECK(place < PEERS);
    while (!__atomic_compare_exchange_n(&hosted->opened, &place, place + 1, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
    __atomic_store_n(&hosted->conns[place], conn, __ATOMIC_SEQ_CST);
}

static void told(ws_server *server, ws_conn conn, const void *data, size_t length, int opcode, void *user_data)
{
    (void)user_data;
    CHECK_INT(WS_BINARY, opcode);
    check_content(data, length);
    if (length % 7 == 0) /* between the answers of a turn, which take the queue from here on */
        CHECK_OK(ws_ping(server, conn, "ping", 4));
    CHECK_OK(ws_push(server, conn, data, length, opcode));
}

static void *poll_all(void *argument)
{
    struct hosted *hosted = argument;
    const ws_event *events;
    int n;
    while ((n = ws_server_poll(hosted->server, &events, -1)) >= 0)
        for (int i = 0; i < n; i++)
            if (events[i].type == WS_EVENT_OPEN)
                opened(hosted->server, events[i].conn, events[i].request, hosted);
            else if (events[i].type == WS_EVENT_MESSAGE)
                told(hosted->server, events[i].conn, events[i].data, events[i].length, events[i].code, NULL);
    CHECK_INT(WS_ERR_STOPPED, n);
    return NULL;
}

struct pusher {
    struct hosted *hosted;
    int kind;
};

/* Pushes to any connection that not too much waits for: an answer always finds room. A number that was refused comes again. */
static void *push_on(void *argument)
{
    struct pusher *pusher = argument;
    uint32_t random = 31u * (uint32_t)pusher->kind, numbers[PEERS] = {0};
    unsigned char *message = malloc(LONGEST);
    CHECK(message != NULL);
    while (!over && now_ms() < end_ms) {
        uint32_t to = draw(&random, PEERS);
        size_t length = any_length(&random);
        if (ws_conn_queued_bytes(pusher->hosted->server, pusher->hosted->conns[to]) > MUCH) {
            give_way();
            continue;
        }
        fill(message, pusher->kind, numbers[to], length);
        int status = ws_push(pusher->hosted->server, pusher->hosted->conns[to], message, length, WS_BINARY);
        CHECK_STATUS(status == WS_ERR_QUEUE_FULL ? status : WS_OK, status);
        numbers[to] += status == WS_OK;
        if (status != WS_OK || draw(&random, 4) == 0)
            give_way();
    }
    free(message);
    return NULL;
}

/* Broadcasts and publishes. */
static void *tell_all_on(void *argument)
{
    struct hosted *hosted = argument;
    uint32_t random = 12345, broadcasts = 0, published = 0;
    unsigned char *message = malloc(LONGEST);
    CHECK(message != NULL);
    while (!over && now_ms() < end_ms) {
        size_t length = any_length(&random);
        int status;
        if (stats_of(hosted->server).queued_bytes > MUCH) {
            give_way();
            continue;
        }
        if (draw(&random, 2) == 0) {
            fill(message, 'b', broadcasts++, length);
            status = ws_broadcast(hosted->server, message, length, WS_BINARY);
        } else {
            fill(message, 't', published++, length);
            status = ws_publish(hosted->server, "all", message, length, WS_BINARY, 0);
        }
        CHECK(status >= 0 || status == WS_ERR_QUEUE_FULL);
        give_way();
    }
    free(message);
    return NULL;
}

/* A descriptor that listens, and whose connections hold little. */
static int little_listener(int *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0), little = 16 * 1024;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(fd >= 0);
    CHECK_INT(0, setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &little, sizeof little));
    CHECK_INT(0, bind(fd, (struct sockaddr *)&address, sizeof address));
    CHECK_INT(0, listen(fd, 16));
    CHECK_INT(0, getsockname(fd, (struct sockaddr *)&address, &length));
    *port = ntohs(address.sin_port);
    return fd;
}

static void serve(int polls, const char *reactors)
{
    static struct peer peers[PEERS];
    struct hosted hosted = {.server = new_server(), .polls = polls};
    struct pusher pushers[PUSHERS] = {{&hosted, 'p'}, {&hosted, 'q'}};
    pthread_t host = 0, writers[PEERS], readers[PEERS], others[PUSHERS + 1];
    int little_port, listener = little_listener(&little_port);
    char name[32];
    snprintf(name, sizeof name, "fd:%d", listener);
    CHECK_OK(ws_server_set(hosted.server, "reactors", reactors));
    CHECK_OK(ws_server_set(hosted.server, "max_control_frames", "0"));
    CHECK_OK(ws_server_set(hosted.server, "max_command_bytes", "32M"));
    CHECK_OK(ws_server_set(hosted.server, "max_queued_bytes", "32M")); /* an echo is never refused */
    CHECK_OK(ws_server_listen(hosted.server, name, 0));
    if (!polls) {
        CHECK_OK(ws_server_on_open(hosted.server, opened, &hosted));
        CHECK_OK(ws_server_on_message(hosted.server, told, &hosted));
    }
    int port = start(hosted.server);
    port = ws_server_port(hosted.server, 1);
    if (polls)
        host = spawn(poll_all, &hosted);
    for (int i = 0; i < PEERS; i++) {
        int fd = client_connect(i % 2 == 0 ? little_port : port);
        keep_little(fd);
        send_upgrade(fd, "/");
        expect_upgrade(fd);
        begin_peer(&peers[i], fd, 1, i % 4 >= 2);
    }
    while (__atomic_load_n(&hosted.opened, __ATOMIC_SEQ_CST) < PEERS || hosted.conns[PEERS - 1] == 0)
        give_way();
    for (int i = 0; i < PEERS; i++) {
        readers[i] = spawn(read_on, &peers[i]);
        writers[i] = spawn(write_on, &peers[i]);
    }
    for (int i = 0; i < PUSHERS; i++)
        others[i] = spawn(push_on, &pushers[i]);
    others[PUSHERS] = spawn(tell_all_on, &hosted);
    for (int i = 0; i < PEERS; i++)
        join(writers[i]);
    for (int i = 0; i <= PUSHERS; i++)
        join(others[i]);
    for (int i = 0; i < PEERS; i++) {
        await_answers(&peers[i]);
        pthread_mutex_lock(&peers[i].lock);
        send_close(peers[i].fd, 1000, "");
        pthread_mutex_unlock(&peers[i].lock);
        join(readers[i]);
        EXPECT_END(peers[i].fd);
    }
    ws_stats stats = STATS_WHEN(hosted.server, connections_open, 0);
    CHECK_INT(0, stats.protocol_errors);
    CHECK_INT(0, stats.bytes_cut);
    CHECK_INT(0, stats.queued_bytes);
    CHECK_OK(ws_server_stop(hosted.server, 0));
    if (polls)
        join(host);
    CHECK_OK(ws_server_free(hosted.server));
    close(listener);
}

/* ---- clients under test ------------------------------------------------------------------------------------------- */

static void client_told(ws_client *client, const void *data, size_t length, int opcode, void *user_data)
{
    (void)user_data;
    CHECK_INT(WS_BINARY, opcode);
    check_content(data, length);
    if (length % 7 == 0)
        CHECK_OK(ws_client_ping(client, "ping", 4));
    CHECK_OK(ws_client_push(client, data, length, opcode));
}

static void *poll_clients(void *argument)
{
    ws_loop *loop = argument;
    const ws_event *events;
    int ends = 0;
    while (ends < PEERS) {
        int n = ws_loop_poll(loop, &events, -1);
        CHECK(n >= 0);
        for (int i = 0; i < n; i++) {
            if (events[i].type == WS_EVENT_MESSAGE)
                client_told(events[i].client, events[i].data, events[i].length, events[i].code, NULL);
            ends += events[i].type == WS_EVENT_END;
        }
    }
    return NULL;
}

struct client_pusher {
    ws_client **clients;
    int kind;
};

static void *push_from_clients(void *argument)
{
    struct client_pusher *pusher = argument;
    uint32_t random = 41u * (uint32_t)pusher->kind, numbers[PEERS] = {0};
    unsigned char *message = malloc(LONGEST);
    CHECK(message != NULL);
    while (!over && now_ms() < end_ms) {
        uint32_t from = draw(&random, PEERS);
        size_t length = any_length(&random);
        if (ws_client_queued_bytes(pusher->clients[from]) > MUCH) {
            give_way();
            continue;
        }
        fill(message, pusher->kind, numbers[from], length);
        int status = ws_client_push(pusher->clients[from], message, length, WS_BINARY);
        CHECK_STATUS(status == WS_ERR_QUEUE_FULL ? status : WS_OK, status);
        numbers[from] += status == WS_OK;
        if (status != WS_OK || draw(&random, 4) == 0)
            give_way();
    }
    free(message);
    return NULL;
}

static void dial(int polls)
{
    static struct peer peers[PEERS];
    struct listener listener = new_listener();
    ws_client *clients[PEERS];
    ws_loop *loop = polls ? ws_loop_new() : NULL;
    struct client_pusher pushers[PUSHERS] = {{clients, 'p'}, {clients, 'q'}};
    pthread_t host = 0, writers[PEERS], readers[PEERS], others[PUSHERS];
    keep_little(listener.fd);
    for (int i = 0; i < PEERS; i++) {
        clients[i] = ws_client_new(listener.url);
        CHECK_OK(ws_client_set(clients[i], "max_queued_bytes", "32M"));
        CHECK_OK(ws_client_set(clients[i], "max_command_bytes", "32M"));
        CHECK_OK(ws_client_set(clients[i], "max_control_frames", "0"));
        if (polls)
            CHECK_OK(ws_loop_add(loop, clients[i]));
        else
            CHECK_OK(ws_client_on_message(clients[i], client_told, NULL));
        CHECK_OK(ws_client_start(clients[i]));
    }
    if (polls)
        host = spawn(poll_clients, loop);
    for (int i = 0; i < PEERS; i++)
        begin_peer(&peers[i], OPEN_NEXT(&listener), 0, i % 4 >= 2);
    for (int i = 0; i < PEERS; i++)
        while (ws_client_is_open(clients[i]) != 1)
            give_way();
    for (int i = 0; i < PEERS; i++) {
        readers[i] = spawn(read_on, &peers[i]);
        writers[i] = spawn(write_on, &peers[i]);
    }
    for (int i = 0; i < PUSHERS; i++)
        others[i] = spawn(push_from_clients, &pushers[i]);
    for (int i = 0; i < PEERS; i++)
        join(writers[i]);
    for (int i = 0; i < PUSHERS; i++)
        join(others[i]);
    for (int i = 0; i < PEERS; i++) {
        await_answers(&peers[i]);
        pthread_mutex_lock(&peers[i].lock);
        send_close_to_client(peers[i].fd, 1000, "");
        pthread_mutex_unlock(&peers[i].lock);
        join(readers[i]);
        close(peers[i].fd);
        CHECK_OK(ws_client_wait(clients[i]));
    }
    if (polls)
        join(host);
    for (int i = 0; i < PEERS; i++)
        CHECK_OK(ws_client_free(clients[i]));
    if (polls)
        CHECK_OK(ws_loop_free(loop));
    close(listener.fd);
}

/* ---- */

static void begin_round(int64_t length_ms)
{
    alarm((unsigned)(length_ms / 1000 + scaled(60, 300)));
    end_ms = now_ms() + length_ms;
}

int main(void)
{
    const char *soak = getenv("WSPUSH_SOAK");
    int64_t seconds = soak != NULL ? atoi(soak) : 0, until = now_ms() + seconds * 1000;
    int64_t length_ms = seconds > 0 ? (seconds * 1000 < 60000 ? seconds * 1000 / 6 : 10000) : scaled(1500, 4000);
    begin();
    do {
        for (int polls = 0; polls < 2; polls++) {
            begin_round(length_ms);
            serve(polls, "1");
            begin_round(length_ms);
            serve(polls, "3");
            begin_round(length_ms);
            dial(polls);
        }
        if (soak != NULL)
            printf("%llu frames so far\n", frames_seen), fflush(stdout);
    } while (now_ms() < until);
    CHECK(frames_seen > (unsigned)scaled(1000, 100));
    return 0;
}
