/* Messages that are pushed all the time, while the connection is lost and made again: what a connection gets is in the order
 * in which it was pushed, with nothing missing in between. */
#include "harness.h"

enum { CONNECTIONS = 100, EACH = 50 };

static struct {
    int64_t last;
    int count, connections;
    int done;
} seen;

static void on_open(ws_server *server, ws_conn conn, const ws_request *request, void *user_data)
{
    (void)server, (void)conn, (void)request, (void)user_data;
    seen.count = 0;
    __atomic_add_fetch(&seen.connections, 1, __ATOMIC_RELEASE);
}

static void on_message(ws_server *server, ws_conn conn, const void *data, size_t length, int opcode, void *user_data)
{
    int64_t number;
    (void)opcode, (void)user_data;
    CHECK_INT(sizeof number, length);
    memcpy(&number, data, sizeof number);
    if (seen.count++ > 0)
        CHECK_INT(seen.last + 1, number);
    else
        CHECK(seen.connections == 1 || number > seen.last);
    seen.last = number;
    if (seen.count == EACH)
        CHECK_OK(ws_close(server, conn, 1000, NULL, 0));
}

static void on_client_close(ws_client *client, int code, const void *reason, size_t length, void *user_data)
{
    (void)client, (void)code, (void)reason, (void)length, (void)user_data;
}

static void *push(void *client)
{
    for (int64_t number = 0; !__atomic_load_n(&seen.done, __ATOMIC_ACQUIRE);) {
        int status = ws_client_push(client, &number, sizeof number, WS_BINARY);
        if (status == WS_OK) {
            number++;
            continue;
        }
        CHECK_INT(WS_ERR_QUEUE_FULL, status);
        give_way();
    }
    return NULL;
}

int main(void)
{
    char url[64];
    begin();
    ws_server *server = new_server();
    CHECK_OK(ws_server_on_open(server, on_open, NULL));
    CHECK_OK(ws_server_on_message(server, on_message, NULL));
    snprintf(url, sizeof url, "ws://127.0.0.1:%d/", start(server));
    ws_client *client = ws_client_new(url);
    CHECK_OK(ws_client_set(client, "reconnect", "on"));
    CHECK_OK(ws_client_set(client, "reconnect_min", "10ms"));
    CHECK_OK(ws_client_set(client, "reconnect_max", "10ms"));
    CHECK_OK(ws_client_set(client, "max_offline_bytes", "4k"));
    CHECK_OK(ws_client_set(client, "max_queued_bytes", "64k"));
    CHECK_OK(ws_client_set(client, "high_watermark", "32k"));
    CHECK_OK(ws_client_set(client, "low_watermark", "8k"));
    CHECK_OK(ws_client_on_close(client, on_client_close, NULL));
    CHECK_OK(ws_client_start(client));
    pthread_t thread = spawn(push, client);
    while (__atomic_load_n(&seen.connections, __ATOMIC_ACQUIRE) < scaled(CONNECTIONS, 10))
        give_way();
    __atomic_store_n(&seen.done, 1, __ATOMIC_RELEASE);
    join(thread);
    CHECK_OK(ws_client_free(client));
    stop_and_free(server);
    return 0;
}
