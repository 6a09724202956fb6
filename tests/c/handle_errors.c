/* The words for the last error of a server, a client and a loop are found by the handle, on whichever thread the call was. */
#include "harness.h"

static void *fail_in_a_thread(void *server)
{
    CHECK_STATUS(WS_ERR_OPTION, ws_server_set(server, "no_such_option", "1"));
    return NULL;
}

static int stopping;

static void *set_without_end(void *server)
{
    while (!__atomic_load_n(&stopping, __ATOMIC_SEQ_CST))
        CHECK_STATUS(WS_ERR_OPTION, ws_server_set(server, "no_such_option", "1"));
    return NULL;
}

static void *push_without_end(void *server)
{
    while (!__atomic_load_n(&stopping, __ATOMIC_SEQ_CST))
        CHECK_STATUS(WS_ERR_STATE, ws_push(server, 99, "x", 1, WS_TEXT));
    return NULL;
}

static void on_another_thread(void)
{
    char text[1024], little[8], none = 'x';
    ws_server *server = new_server();
    CHECK_INT(0, ws_server_error(server, text, sizeof text));
    CHECK_STRING("", text);
    join(spawn(fail_in_a_thread, server));
    CHECK_STRING("", ws_last_error());
    int length = ws_server_error(server, text, sizeof text);
    CHECK_CONTAINS("no_such_option", text);
    CHECK_INT(strlen(text), length);

    /* No more is written than there is room for. */
    memset(little, 'x', sizeof little);
    CHECK_INT(length, ws_server_error(server, little, 5));
    CHECK_INT(0, memcmp(little, text, 4));
    CHECK_INT(0, memcmp(little + 4, "\0xxx", 4));
    CHECK_INT(length, ws_server_error(server, &none, 0));
    CHECK_INT(length, ws_server_error(server, NULL, 0));
    CHECK_INT('x', none);
    CHECK_STATUS(WS_ERR_NULL, ws_server_error(server, NULL, 1));
    CHECK_STATUS(WS_ERR_NULL, ws_server_error(NULL, text, sizeof text));

    /* Another server has its own. */
    ws_server *other = new_server();
    CHECK_INT(0, ws_server_error(other, text, sizeof text));
    CHECK_OK(ws_server_free(other));
    CHECK_STATUS(WS_ERR_HANDLE, ws_server_error(other, text, sizeof text));
    CHECK_OK(ws_server_free(server));
}

/* What is read while two threads fail is one of the two, and whole. */
static void while_others_fail(void)
{
    char text[1024];
    pthread_t threads[2];
    int seen[2] = {0, 0};
    ws_server *server = new_server();
    CHECK_OK(ws_server_listen(server, "127.0.0.1", 0));
    for (int i = 0; i < 2; i++)
        threads[i] = spawn(i == 0 ? set_without_end : push_without_end, server);
    while (seen[0] < scaled(1000, 10) || seen[1] < scaled(1000, 10)) {
        if (ws_server_error(server, text, sizeof text) == 0)
            continue;
        if (strstr(text, "no_such_option") != NULL) {
            seen[0]++;
        } else {
            CHECK_STRING("the server was not started", text);
            seen[1]++;
        }
    }
    __atomic_store_n(&stopping, 1, __ATOMIC_SEQ_CST);
    for (int i = 0; i < 2; i++)
        join(threads[i]);
    CHECK_OK(ws_server_free(server));
}

static void of_clients_and_loops(void)
{
    char text[1024];
    const ws_event *events;
    ws_client *client = ws_client_new("nonsense");
    CHECK_STATUS(WS_ERR_URL, ws_client_start(client));
    CHECK(ws_client_error(client, text, sizeof text) > 0);
    CHECK_STRING(ws_last_error(), text);
    CHECK_OK(ws_client_free(client));
    CHECK_STATUS(WS_ERR_HANDLE, ws_client_error(client, text, sizeof text));
    ws_loop *loop = ws_loop_new();
    CHECK_STATUS(WS_ERR_STATE, ws_loop_poll(loop, &events, 0));
    CHECK(ws_loop_error(loop, text, sizeof text) > 0);
    CHECK_STRING(ws_last_error(), text);
    CHECK_OK(ws_loop_free(loop));
    CHECK_STATUS(WS_ERR_HANDLE, ws_loop_error(loop, text, sizeof text));
}

int main(void)
{
    begin();
    on_another_thread();
    while_others_fail();
    of_clients_and_loops();
    return 0;
}
