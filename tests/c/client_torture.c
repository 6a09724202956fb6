/* Clients that connect again and again to a server that does whatever it likes, pushed to, closed and freed from several
 * threads at any time. What must hold: nothing hangs, every client is told in the right order, and in the end there is no
 * thread and no descriptor more than in the beginning. */
#include "server.h"

#include <dirent.h>
#include <fcntl.h>

enum { SERVERS = 4, HOSTS = 3, CLIENTS = 8 };

static struct listener listener;
static volatile int over;

/* A generator of its own for each thread, so that a run can be had again. */
static uint32_t draw(uint32_t *state, uint32_t below)
{
    *state ^= *state << 13, *state ^= *state >> 17, *state ^= *state << 5;
    return *state % below;
}

static int entries(const char *path)
{
    int count = 0;
    DIR *directory = opendir(path);
    CHECK(directory != NULL);
    while (readdir(directory) != NULL)
        count++;
    closedir(directory);
    return count;
}

/* Whether all was sent: the client may be gone at any time. */
static int try_send(int fd, const void *data, size_t length)
{
    return send(fd, data, length, MSG_NOSIGNAL) == (ssize_t)length;
}

/* Reads for a moment, and looks at nothing. */
static void drain(int fd, int milliseconds)
{
    char bytes[4096];
    struct pollfd waiting = {.fd = fd, .events = POLLIN};
    while (poll(&waiting, 1, milliseconds) == 1 && recv(fd, bytes, sizeof bytes, 0) > 0)
        ;
}

/* Up to the end of a request's head, or the client's. */
static int read_key(int fd, struct upgrade *upgrade)
{
    size_t length = 0;
    char key[64];
    while (length < 4 || memcmp(upgrade->head + length - 4, "\r\n\r\n", 4) != 0) {
        if (length + 1 == sizeof upgrade->head || recv(fd, upgrade->head + length, 1, 0) != 1)
            return 0;
        upgrade->head[++length] = '\0';
    }
    CHECK(header_of(upgrade->head, "Sec-WebSocket-Key", key, sizeof key));
    accept_of_key(key, strlen(key), upgrade->accept);
    return 1;
}

static void misbehave(int fd, uint32_t *random)
{
    static const char *const refusals[] = {
        "HTTP/1.1 503 No\r\nRetry-After: 0\r\n\r\n", "HTTP/1.1 404 No\r\n\r\n", "what?\r\n\r\n", "HTTP/1.1 101 Y",
        "HTTP/1.1 302 Found\r\nLocation: /again\r\n\r\n", "HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\n\r\n",
    };
    struct upgrade upgrade;
    unsigned char bytes[1024];
    uint32_t what = draw(random, 10);
    if (what == 0 || !read_key(fd, &upgrade)) /* at once */
        return;
    if (what <= 2) {
        const char *refusal = refusals[draw(random, sizeof refusals / sizeof *refusals)];
        try_send(fd, refusal, strlen(refusal));
        return;
    }
    size_t length = write_101(&upgrade, "", (char *)bytes, sizeof bytes);
    for (uint32_t i = draw(random, 3); i > 0; i--)
        length += write_unmasked(bytes + length, FIN | TEXT, "a message", 9);
    if (what == 3) /* a breach at the end of it */
        length += write_unmasked(bytes + length, 0xc1, "x", 1);
    if (what == 4)
        length += write_unmasked(bytes + length, FIN | CLOSE, "\x03\xe9" "bye", 5);
    if (what == 5) /* cut off */
        length -= draw(random, (uint32_t)length / 2);
    if (!try_send(fd, bytes, length))
        return;
    for (uint32_t i = draw(random, 20); what > 5 && i > 0; i--) {
        drain(fd, 1);
        if (!try_send(fd, bytes, write_unmasked(bytes, FIN | (i % 5 == 0 ? PING : BINARY), "more", 4)))
            return;
    }
    drain(fd, (int)draw(random, 5));
}

static void *serve(void *argument)
{
    uint32_t random = 0x9e3779b9u * (uint32_t)(1 + (intptr_t)argument);
    struct pollfd waiting = {.fd = listener.fd, .events = POLLIN};
    struct timeval limit = {.tv_sec = scaled(5, 30)};
    while (!over) {
        if (poll(&waiting, 1, 20) != 1)
            continue;
        int fd = accept(listener.fd, NULL, NULL); /* another thread may have been quicker: the socket does not block */
        if (fd < 0)
            continue;
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        misbehave(fd, &random);
        if (draw(&random, 2) == 0)
            reset(fd);
        else
            close(fd);
    }
    return NULL;
}

/* What a client was told last. After a close or an error comes another attempt or the end; after the end, nothing. */
struct told {
    int open, owed, ended;
};

static int seen[WS_EVENT_END + 1]; /* of all, for whether this run has been one */

static void see(int type)
{
    __atomic_add_fetch(&seen[type], 1, __ATOMIC_RELAXED);
}

static void told_open(ws_client *client, const ws_request *response, void *user_data)
{
    struct told *told = user_data;
    (void)client, (void)response;
    CHECK(!told->open && !told->owed && !told->ended);
    told->open = 1;
    see(WS_EVENT_OPEN);
}

static void told_message(ws_client *client, const void *data, size_t length, int opcode, void *user_data)
{
    struct told *told = user_data;
    CHECK(told->open && !told->ended);
    see(WS_EVENT_MESSAGE);
    int status = ws_client_push(client, data, length, opcode);
    if (status != WS_ERR_HANDLE) /* another thread is at freeing it, and waits for this callback */
        CHECK_STATUS(status == WS_ERR_CLOSED || status == WS_ERR_QUEUE_FULL ? status : WS_OK, status);
}

static void told_close(ws_client *client, int code, const void *reason, size_t length, void *user_data)
{
    struct told *told = user_data;
    (void)client, (void)reason, (void)length;
    CHECK(told->open && !told->owed && !told->ended && code >= 1000);
    told->open = 0;
    told->owed = 1;
    see(WS_EVENT_CLOSE);
}

static void told_error(ws_client *client, int status, const char *detail, const ws_request *response, void *user_data)
{
    struct told *told = user_data;
    (void)client, (void)response;
    CHECK(!told->open && !told->owed && !told->ended && status < 0 && detail[0] != '\0');
    told->owed = 1;
    see(WS_EVENT_ERROR);
}

static void told_retry(ws_client *client, int delay_ms, void *user_data)
{
    struct told *told = user_data;
    (void)client;
    CHECK(told->owed && !told->ended && delay_ms >= 0);
    told->owed = 0;
    see(WS_EVENT_RETRY);
}

static void told_end(ws_client *client, void *user_data)
{
    struct told *told = user_data;
    (void)client;
    CHECK(!told->open && !told->ended);
    told->ended = 1;
    see(WS_EVENT_END);
}

static ws_client *new_one(struct told *told, uint32_t *random)
{
    ws_client *client = ws_client_new(listener.url);
    memset(told, 0, sizeof *told);
    CHECK_OK(ws_client_set(client, "reconnect", draw(random, 4) > 0 ? "on" : "off"));
    CHECK_OK(ws_client_set(client, "reconnect_min", "10ms"));
    CHECK_OK(ws_client_set(client, "reconnect_max", "10ms"));
    CHECK_OK(ws_client_set(client, "handshake_timeout", draw(random, 3) > 0 ? "5s" : scaled(1, 0) ? "10ms" : "200ms"));
    CHECK_OK(ws_client_set(client, "max_offline_bytes", draw(random, 2) > 0 ? "4K" : "0"));
    CHECK_OK(ws_client_set(client, "max_redirects", draw(random, 2) > 0 ? "3" : "0"));
    CHECK_OK(ws_client_on_open(client, told_open, told));
    CHECK_OK(ws_client_on_message(client, told_message, told));
    CHECK_OK(ws_client_on_close(client, told_close, told));
    CHECK_OK(ws_client_on_error(client, told_error, told));
    CHECK_OK(ws_client_on_retry(client, told_retry, told));
    CHECK_OK(ws_client_on_end(client, told_end, told));
    return client;
}

static void push_something(ws_client *client)
{
    int status = ws_client_push(client, "something", 9, WS_TEXT);
    CHECK(status == WS_OK || status == WS_ERR_CLOSED || status == WS_ERR_QUEUE_FULL);
}

static void do_something(ws_client **client, struct told *told, uint32_t *random)
{
    int status;
    switch (draw(random, 12)) {
    case 0: /* freed, and another in its place */
        CHECK_OK(ws_client_free(*client));
        *client = new_one(told, random);
        CHECK_OK(ws_client_start(*client));
        break;
    case 1:
        status = ws_client_close(*client, 1000, "so long", 7);
        CHECK(status == WS_OK || status == WS_ERR_CLOSED);
        break;
    case 2: /* closed, and waited for */
        status = ws_client_close(*client, 1001, NULL, 0);
        CHECK(status == WS_OK || status == WS_ERR_CLOSED);
        CHECK_OK(ws_client_wait(*client));
        CHECK(told->ended);
        break;
    case 3:
        CHECK_OK(ws_client_reconnect(*client));
        break;
    case 4:
        CHECK(ws_client_is_open(*client) >= 0 && ws_client_queued_bytes(*client) >= 0);
        break;
    case 5:
        status = ws_client_ping(*client, NULL, 0);
        CHECK(status == WS_OK || status == WS_ERR_CLOSED || status == WS_ERR_QUEUE_FULL);
        break;
    default:
        push_something(*client);
    }
}

/* A host of clients with callbacks. */
static void *host(void *argument)
{
    uint32_t random = 0x85ebca6bu * (uint32_t)(1 + (intptr_t)argument);
    static struct told told[HOSTS][CLIENTS];
    struct told *mine = told[(intptr_t)argument];
    ws_client *clients[CLIENTS];
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = new_one(&mine[i], &random);
        CHECK_OK(ws_client_start(clients[i]));
    }
    while (!over) {
        uint32_t i = draw(&random, CLIENTS);
        do_something(&clients[i], &mine[i], &random);
        if (draw(&random, (uint32_t)scaled(8, 1)) == 0)
            poll(NULL, 0, scaled(1, 20));
    }
    for (int i = 0; i < CLIENTS; i++)
        CHECK_OK(ws_client_free(clients[i]));
    return NULL;
}

/* A host of clients in a loop, which come and go as well. */
static void *polling_host(void *argument)
{
    uint32_t random = 0xc2b2ae35u * (uint32_t)(1 + (intptr_t)argument);
    ws_client *clients[CLIENTS] = {0};
    ws_loop *loop = ws_loop_new();
    int64_t taken = 0;
    while (!over) {
        const ws_event *events;
        uint32_t i = draw(&random, CLIENTS);
        if (clients[i] == NULL || draw(&random, 20) == 0) {
            CHECK_OK(ws_client_free(clients[i]));
            clients[i] = ws_client_new(listener.url);
            CHECK_OK(ws_client_set(clients[i], "reconnect", draw(&random, 2) > 0 ? "on" : "off"));
            CHECK_OK(ws_client_set(clients[i], "reconnect_min", "10ms"));
            CHECK_OK(ws_client_set(clients[i], "reconnect_max", "10ms"));
            CHECK_OK(ws_loop_add(loop, clients[i]));
            CHECK_OK(ws_client_start(clients[i]));
        }
        int n = ws_loop_poll(loop, &events, 2);
        CHECK(n >= 0);
        for (int k = 0; k < n; k++) {
            int known = 0;
            for (int c = 0; c < CLIENTS; c++)
                known |= clients[c] == events[k].client;
            CHECK(known); /* of one that was freed nothing is heard any more */
            if (events[k].type == WS_EVENT_MESSAGE)
                push_something(events[k].client);
        }
        taken += n;
    }
    CHECK(taken > 0);
    for (int i = 0; i < CLIENTS; i++)
        CHECK_OK(ws_client_free(clients[i]));
    CHECK_OK(ws_loop_free(loop));
    return NULL;
}

int main(void)
{
    pthread_t servers[SERVERS], hosts[HOSTS + 1];
    begin();
    listener = new_listener();
    /* The first use of a client makes what the process keeps. */
    CHECK_OK(ws_client_free(ws_client_new(listener.url)));
    int descriptors = entries("/proc/self/fd"), tasks = entries("/proc/self/task");
    CHECK_INT(0, fcntl(listener.fd, F_SETFL, O_NONBLOCK)); /* several threads accept */
    for (intptr_t i = 0; i < SERVERS; i++)
        servers[i] = spawn(serve, (void *)i);
    for (intptr_t i = 0; i < HOSTS; i++)
        hosts[i] = spawn(host, (void *)i);
    hosts[HOSTS] = spawn(polling_host, NULL);
    poll(NULL, 0, scaled(3000, 6000));
    over = 1;
    for (int i = 0; i <= HOSTS; i++)
        join(hosts[i]);
    for (int i = 0; i < SERVERS; i++)
        join(servers[i]);
    int kinds[] = {WS_EVENT_OPEN, WS_EVENT_MESSAGE, WS_EVENT_CLOSE, WS_EVENT_ERROR, WS_EVENT_RETRY, WS_EVENT_END};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        printf("%d of type %d\n", seen[kinds[i]], kinds[i]);
        CHECK(seen[kinds[i]] > 0);
    }
    int64_t deadline = now_ms() + scaled(10000, 60000);
    last_check = HERE;
    while (entries("/proc/self/fd") > descriptors || entries("/proc/self/task") > tasks) {
        if (now_ms() > deadline)
            fail(HERE, "%d descriptors and %d threads are left over", entries("/proc/self/fd") - descriptors,
                 entries("/proc/self/task") - tasks);
        give_way();
    }
    close(listener.fd);
    return 0;
}
