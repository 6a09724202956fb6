/* A client in each of its ways, at a server of our own: with callbacks, polled alone, and polled with others. */
#include "harness.h"

enum { MESSAGES = 200 };

static void on_message(ws_server *server, ws_conn conn, const void *data, size_t length, int opcode, void *user_data)
{
    (void)user_data;
    CHECK_OK(ws_push(server, conn, data, length, opcode));
}

/* The n-th payload: all three forms of the length come up. */
static size_t length_of(int n)
{
    return n % 50 == 49 ? 70000 : n % 10 == 9 ? 300 + (size_t)n : (size_t)n % 126;
}

static void fill(char *payload, int n)
{
    for (size_t i = 0; i < length_of(n); i++)
        payload[i] = (char)('a' + (i + (size_t)n) % 26);
}

struct called {
    int opened, sent, received, closed, ended;
    char payload[70000];
};

static void send_next(ws_client *client, struct called *called)
{
    if (called->sent == MESSAGES) {
        CHECK_OK(ws_client_close(client, 1000, "done", 4));
        return;
    }
    fill(called->payload, called->sent);
    CHECK_OK(ws_client_push(client, called->payload, length_of(called->sent), WS_TEXT));
    called->sent++;
}

static void on_client_open(ws_client *client, const ws_request *response, void *user_data)
{
    struct called *called = user_data;
    CHECK_INT(101, ws_request_status(response));
    CHECK_STRING("/echo", ws_request_path(response));
    called->opened++;
    send_next(client, called);
}

static void on_client_message(ws_client *client, const void *data, size_t length, int opcode, void *user_data)
{
    struct called *called = user_data;
    CHECK_INT(WS_TEXT, opcode);
    fill(called->payload, called->received);
    CHECK_INT(length_of(called->received), length);
    CHECK(memcmp(called->payload, data, length) == 0);
    called->received++;
    send_next(client, called);
}

static void on_client_close(ws_client *client, int code, const void *reason, size_t length, void *user_data)
{
    (void)client, (void)reason;
    CHECK_INT(1000, code);
    CHECK_INT(4, length);
    ((struct called *)user_data)->closed++;
}

static void on_client_end(ws_client *client, void *user_data)
{
    (void)client;
    ((struct called *)user_data)->ended++;
}

static void with_callbacks(const char *url)
{
    struct called called = {0};
    ws_client *client = ws_client_new(url);
    CHECK(client != NULL);
    CHECK_OK(ws_client_on_open(client, on_client_open, &called));
    CHECK_OK(ws_client_on_message(client, on_client_message, &called));
    CHECK_OK(ws_client_on_close(client, on_client_close, &called));
    CHECK_OK(ws_client_on_end(client, on_client_end, &called));
    CHECK_OK(ws_client_start(client));
    CHECK_OK(ws_client_wait(client));
    CHECK_OK(ws_client_free(client));
    CHECK_INT(1, called.opened);
    CHECK_INT(MESSAGES, called.received);
    CHECK_INT(1, called.closed);
    CHECK_INT(1, called.ended);
}

/* Takes the events of one client, or of a loop, until so many clients have ended. */
static void take(ws_client *alone, ws_loop *loop, int clients)
{
    static struct called called[2];
    ws_client *seen[2] = {NULL, NULL};
    memset(called, 0, sizeof called);
    for (int ended = 0; ended < clients;) {
        const ws_event *events;
        int count = alone != NULL ? ws_client_poll(alone, &events, scaled(10000, 60000))
                                  : ws_loop_poll(loop, &events, scaled(10000, 60000));
        CHECK(count > 0);
        for (int i = 0; i < count; i++) {
            const ws_event *event = &events[i];
            int which = seen[0] == NULL || seen[0] == event->client ? 0 : 1;
            CHECK(event->client != NULL);
            seen[which] = event->client;
            switch (event->type) {
            case WS_EVENT_OPEN:
                CHECK(event->conn > 0);
                on_client_open(event->client, event->request, &called[which]);
                break;
            case WS_EVENT_MESSAGE:
                on_client_message(event->client, event->data, event->length, event->code, &called[which]);
                break;
            case WS_EVENT_CLOSE:
                on_client_close(event->client, event->code, event->data, event->length, &called[which]);
                break;
            default:
                CHECK_INT(WS_EVENT_END, event->type);
                CHECK_INT(MESSAGES, called[which].received);
                CHECK_INT(1, called[which].closed);
                ended++;
            }
        }
    }
}

static void polled_alone(const char *url)
{
    const ws_event *events;
    ws_client *client = ws_client_new(url);
    CHECK_OK(ws_client_start(client));
    take(client, NULL, 1);
    CHECK_STATUS(WS_ERR_STOPPED, ws_client_poll(client, &events, -1));
    CHECK_OK(ws_client_free(client));
}

static void polled_together(const char *url)
{
    ws_loop *loop = ws_loop_new();
    ws_client *clients[2];
    for (int i = 0; i < 2; i++) {
        clients[i] = ws_client_new(url);
        CHECK_OK(ws_loop_add(loop, clients[i]));
        CHECK_OK(ws_client_start(clients[i]));
    }
    take(NULL, loop, 2);
    CHECK_OK(ws_client_free(clients[0]));
    CHECK_OK(ws_loop_free(loop));
    CHECK_OK(ws_client_free(clients[1]));
}

int main(void)
{
    char url[64];
    ws_server *server = new_server();
    CHECK_OK(ws_server_on_message(server, on_message, NULL));
    snprintf(url, sizeof url, "ws://127.0.0.1:%d/echo", start(server));
    with_callbacks(url);
    polled_alone(url);
    polled_together(url);
    stop_and_free(server);
    return 0;
}
