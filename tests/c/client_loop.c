/* One loop polls for many clients: each event says whose it is. */
#include "server.h"

enum { CLIENTS = 20 };

struct loop_poller {
    ws_loop *loop;
    const ws_event *events;
    int count, next;
};

static const ws_event *next_event(struct loop_poller *poller)
{
    while (poller->next == poller->count) {
        poller->count = ws_loop_poll(poller->loop, &poller->events, scaled(10000, 60000));
        poller->next = 0;
        if (poller->count <= 0)
            fail(last_check, "poll gives %d (\"%s\")", poller->count, ws_last_error());
    }
    return &poller->events[poller->next++];
}

static int index_of(ws_client *const clients[CLIENTS], const ws_client *client)
{
    int i = 0;
    while (i < CLIENTS && clients[i] != client)
        i++;
    CHECK(i < CLIENTS);
    return i;
}

static void many(void)
{
    struct listener listener = new_listener();
    struct loop_poller poller = {.loop = ws_loop_new()};
    ws_client *clients[CLIENTS];
    int fds[CLIENTS], opened = 0, messages[CLIENTS] = {0}, closed = 0, ended = 0;
    CHECK(poller.loop != NULL);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = ws_client_new(listener.url);
        CHECK_OK(ws_loop_add(poller.loop, clients[i]));
        CHECK_OK(ws_client_start(clients[i]));
        CHECK_STATUS(WS_ERR_STATE, ws_client_poll(clients[i], &poller.events, 0)); /* the loop does */
    }
    CHECK(ws_loop_event_fd(poller.loop) >= 0);
    for (int i = 0; i < CLIENTS; i++)
        fds[i] = OPEN_NEXT(&listener);
    while (opened < CLIENTS) {
        const ws_event *event = next_event(&poller);
        CHECK_INT(WS_EVENT_OPEN, event->type);
        index_of(clients, event->client);
        opened++;
    }
    for (int i = 0; i < CLIENTS; i++)
        send_to_client(fds[i], "ask");
    for (int left = CLIENTS; left > 0; left--) {
        const ws_event *event = next_event(&poller);
        CHECK_INT(WS_EVENT_MESSAGE, event->type);
        CHECK_INT(1, ++messages[index_of(clients, event->client)]);
        CHECK_OK(ws_client_push(event->client, "answer", 6, WS_TEXT));
    }
    for (int i = 0; i < CLIENTS; i++) {
        EXPECT_FROM_CLIENT(fds[i], "answer");
        send_close_to_client(fds[i], 1000, "");
    }
    while (ended < CLIENTS) {
        const ws_event *event = next_event(&poller);
        index_of(clients, event->client);
        CHECK(event->type == WS_EVENT_CLOSE || event->type == WS_EVENT_END);
        closed += event->type == WS_EVENT_CLOSE;
        ended += event->type == WS_EVENT_END;
    }
    CHECK_INT(CLIENTS, closed);
    CHECK_INT(0, ws_loop_poll(poller.loop, &poller.events, 0));
    for (int i = 0; i < CLIENTS; i++) {
        CHECK_OK(ws_client_free(clients[i]));
        close(fds[i]);
    }
    CHECK_OK(ws_loop_free(poller.loop));
    close(listener.fd);
}

/* Clients come and go while it runs; one that is freed is heard of no more. */
static void come_and_go(void)
{
    struct listener listener = new_listener();
    struct loop_poller poller = {.loop = ws_loop_new()};
    ws_client *stays = ws_client_new(listener.url), *goes = ws_client_new(listener.url);
    CHECK_OK(ws_loop_add(poller.loop, stays));
    CHECK_OK(ws_client_start(stays));
    int stayed = OPEN_NEXT(&listener);
    CHECK(next_event(&poller)->client == stays);
    CHECK_OK(ws_loop_add(poller.loop, goes));
    CHECK_OK(ws_client_start(goes));
    int gone = OPEN_NEXT(&listener);
    CHECK(next_event(&poller)->client == goes);
    CHECK_OK(ws_client_free(goes));
    EXPECT_CUT(gone);
    send_to_client(stayed, "still here");
    const ws_event *event = next_event(&poller);
    CHECK(event->client == stays && event->type == WS_EVENT_MESSAGE);
    CHECK_OK(ws_client_free(stays));
    EXPECT_CUT(stayed);
    CHECK_INT(0, ws_loop_poll(poller.loop, &poller.events, 0));
    CHECK_OK(ws_loop_free(poller.loop));
    close(listener.fd);
}

static void misused(void)
{
    struct client_record record = CLIENT_RECORD;
    struct listener listener = new_listener();
    const ws_event *events;
    ws_loop *loop = ws_loop_new(), *other = ws_loop_new();
    ws_client *client = ws_client_new(listener.url), *called = recorded_client(listener.url, &record);
    CHECK_STATUS(WS_ERR_NULL, ws_loop_add(NULL, client));
    CHECK_STATUS(WS_ERR_NULL, ws_loop_add(loop, NULL));
    CHECK_OK(ws_loop_add(loop, client));
    CHECK_STATUS(WS_ERR_STATE, ws_loop_add(other, client)); /* it has one */
    CHECK_OK(ws_client_start(client));
    int fd = ACCEPT(&listener);
    int status = ws_loop_add(other, called); /* a client with callbacks is not polled, and that shows at its start at the latest */
    CHECK_STATUS(WS_ERR_STATE, status != WS_OK ? status : ws_client_start(called));
    CHECK_OK(ws_client_free(called));
    CHECK_OK(ws_client_free(client));
    CHECK_OK(ws_loop_free(loop));
    CHECK_STATUS(WS_ERR_HANDLE, ws_loop_poll(loop, &events, 0));
    CHECK_STATUS(WS_ERR_HANDLE, ws_loop_free(loop));
    CHECK_OK(ws_loop_free(other));
    CHECK_OK(ws_loop_free(NULL));
    EXPECT_CUT(fd);
    close(listener.fd);
}

/* What is left of a client that was freed does not end a poll; and nobody starts in a loop that was freed. */
static void left_behind(void)
{
    struct listener listener = new_listener();
    ws_loop *loop = ws_loop_new();
    ws_client *clients[3];
    const ws_event *events;
    int fds[2];
    for (int i = 0; i < 3; i++)
        CHECK_OK(ws_loop_add(loop, clients[i] = ws_client_new(listener.url)));
    for (int i = 0; i < 2; i++) {
        CHECK_OK(ws_client_start(clients[i]));
        fds[i] = OPEN_NEXT(&listener);
        while (ws_client_is_open(clients[i]) != 1)
            give_way();
        if (i == 0)
            CHECK_OK(ws_client_free(clients[0]));
    }
    CHECK_INT(1, ws_loop_poll(loop, &events, scaled(10000, 60000)));
    CHECK_INT(WS_EVENT_OPEN, events->type);
    CHECK(events->client == clients[1]);
    CHECK_INT(0, ws_loop_poll(loop, &events, 0));
    CHECK_OK(ws_loop_free(loop));
    CHECK_STATUS(WS_ERR_STATE, ws_client_start(clients[2]));
    CHECK_OK(ws_client_free(clients[1]));
    CHECK_OK(ws_client_free(clients[2]));
    close(fds[0]);
    close(fds[1]);
    close(listener.fd);
}

/* With the loop goes the client that still waits for its next attempt: whoever waits for its end has it. */
static void waiting_for_nothing(void)
{
    struct listener listener = new_listener();
    ws_loop *loop = ws_loop_new();
    ws_client *client = ws_client_new(listener.url);
    const ws_event *events;
    close(listener.fd);
    CHECK_OK(ws_client_set(client, "reconnect", "on"));
    CHECK_OK(ws_client_set(client, "reconnect_min", "1h"));
    CHECK_OK(ws_client_set(client, "reconnect_max", "1h"));
    CHECK_OK(ws_loop_add(loop, client));
    CHECK_OK(ws_client_start(client));
    CHECK_INT(2, ws_loop_poll(loop, &events, scaled(10000, 60000)));
    CHECK_INT(WS_EVENT_ERROR, events[0].type);
    CHECK_INT(WS_ERR_CONNECT, events[0].code);
    CHECK_INT(WS_EVENT_RETRY, events[1].type);
    CHECK_OK(ws_loop_free(loop));
    CHECK_OK(ws_client_wait(client));
    CHECK_STATUS(WS_ERR_CLOSED, ws_client_push(client, "x", 1, WS_TEXT));
    CHECK_OK(ws_client_free(client));
}

/* Clients that go on trying, in a loop that nobody polls: once as many failures wait as may, none of them dials any more. When
 * somebody polls they go on, and every failure is told. */
static void attempts_while_nobody_polls(void)
{
    enum { MOST = 400, PAD = 4000 };
    struct listener listener = new_listener();
    struct loop_poller poller = {.loop = ws_loop_new()};
    ws_client *clients[CLIENTS];
    char refusal[PAD + 100], pad[PAD + 1];
    int attempts = 0, told = 0;
    memset(pad, 'p', PAD);
    pad[PAD] = '\0';
    snprintf(refusal, sizeof refusal, "HTTP/1.1 503 No\r\nContent-Length: 0\r\nX-Pad: %s\r\n\r\n", pad);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = ws_client_new(listener.url);
        CHECK_OK(ws_client_set(clients[i], "reconnect", "true"));
        CHECK_OK(ws_client_set(clients[i], "reconnect_min", "10ms"));
        CHECK_OK(ws_client_set(clients[i], "reconnect_max", "10ms"));
        CHECK_OK(ws_client_set(clients[i], "max_event_bytes", "64K"));
        CHECK_OK(ws_loop_add(poller.loop, clients[i]));
        CHECK_OK(ws_client_start(clients[i]));
    }
    for (; is_dialled(&listener, scaled(1000, 10000)); attempts++) {
        int fd = ACCEPT(&listener);
        receive_upgrade(fd);
        send_text(fd, refusal);
        close(fd);
        CHECK(attempts < MOST);
    }
    CHECK(attempts >= CLIENTS);
    while (told < attempts)
        told += next_event(&poller)->type == WS_EVENT_ERROR;
    CHECK(is_dialled(&listener, scaled(10000, 60000)));
    for (int i = 0; i < CLIENTS; i++)
        CHECK_OK(ws_client_free(clients[i]));
    CHECK_OK(ws_loop_free(poller.loop));
    close(listener.fd);
}

int main(void)
{
    begin();
    waiting_for_nothing();
    many();
    left_behind();
    come_and_go();
    misused();
    attempts_while_nobody_polls();
    return 0;
}
