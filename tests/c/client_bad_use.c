/* Clients used wrongly: NULL, freed, too early, too late, from the wrong place. Each call says so, and nothing breaks. */
#include "server.h"

static void nulls(void)
{
    const ws_event *events;
    ws_client *client = ws_client_new("ws://127.0.0.1/");
    CHECK(ws_client_new(NULL) == NULL);
    CHECK_CONTAINS("url", ws_last_error());
    CHECK(ws_client_new("ws://\xff/") == NULL);
    CHECK_STATUS(WS_ERR_NULL, ws_client_set(NULL, "reconnect", "on"));
    CHECK_STATUS(WS_ERR_NULL, ws_client_set(client, NULL, "on"));
    CHECK_STATUS(WS_ERR_NULL, ws_client_set(client, "reconnect", NULL));
    CHECK_STATUS(WS_ERR_NULL, ws_client_add_header(client, NULL, "x"));
    CHECK_STATUS(WS_ERR_NULL, ws_client_add_header(client, "X", NULL));
    CHECK_STATUS(WS_ERR_NULL, ws_client_on_open(NULL, NULL, NULL));
    CHECK_STATUS(WS_ERR_NULL, ws_client_start(NULL));
    CHECK_STATUS(WS_ERR_NULL, ws_client_wait(NULL));
    CHECK_STATUS(WS_ERR_NULL, ws_client_poll(NULL, &events, 0));
    CHECK_STATUS(WS_ERR_NULL, ws_client_poll(client, NULL, 0));
    CHECK_STATUS(WS_ERR_NULL, ws_client_push(NULL, "x", 1, WS_TEXT));
    CHECK_STATUS(WS_ERR_NULL, ws_client_push(client, NULL, 1, WS_TEXT));
    CHECK_STATUS(WS_ERR_NULL, ws_client_close(client, 1000, NULL, 1));
    CHECK_OK(ws_client_free(NULL));
    CHECK_OK(ws_client_free(client));
}

static void expect_state(ws_client *client, int status)
{
    const ws_event *events;
    CHECK_STATUS(status, ws_client_push(client, "x", 1, WS_TEXT));
    CHECK_STATUS(status, ws_client_ping(client, NULL, 0));
    CHECK_STATUS(status, ws_client_close(client, 1000, NULL, 0));
    CHECK_STATUS(status, ws_client_reconnect(client));
    CHECK_STATUS(status, ws_client_pause(client));
    CHECK_STATUS(status, ws_client_resume(client));
    CHECK_STATUS(status, ws_client_is_open(client));
    CHECK_INT(status, ws_client_queued_bytes(client));
    CHECK_STATUS(status, ws_client_wait(client));
    CHECK_STATUS(status, ws_client_poll(client, &events, 0));
    CHECK_STATUS(status, ws_client_event_fd(client));
}

static void too_early_and_too_late(void)
{
    ws_client *client = ws_client_new("ws://127.0.0.1/");
    expect_state(client, WS_ERR_STATE);
    CHECK_OK(ws_client_free(client));
    expect_state(client, WS_ERR_HANDLE);
    CHECK_STATUS(WS_ERR_HANDLE, ws_client_set(client, "reconnect", "on"));
    CHECK_STATUS(WS_ERR_HANDLE, ws_client_start(client));
    CHECK_STATUS(WS_ERR_HANDLE, ws_client_free(client));
    CHECK_STATUS(WS_ERR_HANDLE, ws_client_start((ws_client *)&client));
}

/* A server is no client, and a client no server. */
static void something_else(void)
{
    ws_server *server = new_server();
    ws_client *client = ws_client_new("ws://127.0.0.1/");
    CHECK_STATUS(WS_ERR_HANDLE, ws_client_start((ws_client *)server));
    CHECK_STATUS(WS_ERR_HANDLE, ws_server_start((ws_server *)client));
    CHECK_STATUS(WS_ERR_HANDLE, ws_client_free((ws_client *)server));
    CHECK_STATUS(WS_ERR_HANDLE, ws_server_free((ws_server *)client));
    CHECK_STATUS(WS_ERR_HANDLE, ws_loop_free((ws_loop *)client));
    CHECK_OK(ws_server_free(server));
    CHECK_OK(ws_client_free(client));
}

static void urls(void)
{
    static const struct {
        const char *url;
        int status;
    } bad[] = {
        {"", WS_ERR_URL}, {"x", WS_ERR_URL}, {"http://127.0.0.1/", WS_ERR_URL}, {"ws:/127.0.0.1/", WS_ERR_URL},
        {"ws://", WS_ERR_URL}, {"ws://:80/", WS_ERR_URL}, {"ws://a b/", WS_ERR_URL}, {"ws://a/b c", WS_ERR_URL},
        {"ws://a/\r\nX: y", WS_ERR_URL}, {"ws://a:0/", WS_ERR_URL}, {"ws://a:65536/", WS_ERR_URL}, {"ws://a:x/", WS_ERR_URL},
        {"ws://a/#fragment", WS_ERR_URL}, {"ws://[::1", WS_ERR_URL}, {"ws://[fe80::1%lo]/", WS_ERR_URL}, {"ws://a/%zz", WS_ERR_URL}, {"ws://a/b|c", WS_ERR_URL},
        {"ws://\xc3\xa4.example/", WS_ERR_URL}, {"unix:", WS_ERR_URL}, {"wss://me:secret@127.0.0.1/?secret", WS_ERR_UNSUPPORTED},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ws_client *client = ws_client_new(bad[i].url);
        int status = ws_client_start(client);
        if (status != bad[i].status)
            fail(HERE, "%s gives %s: %s", bad[i].url, ws_error_name(status), ws_last_error());
        CHECK(!strstr(ws_last_error(), "secret"));
        CHECK_OK(ws_client_free(client));
    }
}

static void options(void)
{
    static const char *const values[][2] = {
        {"connect_timeout", "0"}, {"handshake_timeout", "x"}, {"reconnect", "perhaps"}, {"reconnect_min", "-1s"},
        {"max_redirects", "-1"}, {"subprotocols", "a b"}, {"origin", "no origin"}, {"cookie", "a=b\r\nX: y"},
        {"user_agent", "a\r\nb"}, {"max_message_size", "0"}, {"max_response_head", "1"},
    };
    static const char *const headers[][2] = {
        {"", "x"}, {"A b", "x"}, {"A:", "x"}, {"A", "x\r\nB: y"}, {"A", "x\n"}, {"Host", "x"}, {"Upgrade", "x"},
        {"Connection", "x"}, {"Sec-WebSocket-Key", "x"}, {"sec-websocket-version", "8"}, {"Sec-WebSocket-Extensions", "x"},
    };
    ws_client *client = ws_client_new("ws://127.0.0.1/");
    CHECK_STATUS(WS_ERR_OPTION, ws_client_set(client, "reactors", "2")); /* a server's */
    CHECK_STATUS(WS_ERR_OPTION, ws_client_set(client, "no_such", "x"));
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        int status = ws_client_set(client, values[i][0], values[i][1]);
        if (status != WS_ERR_VALUE)
            fail(HERE, "%s=%s gives %s", values[i][0], values[i][1], ws_error_name(status));
        CHECK_CONTAINS(values[i][0], ws_last_error());
    }
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        int status = ws_client_add_header(client, headers[i][0], headers[i][1]);
        if (status != WS_ERR_ARGUMENT)
            fail(HERE, "%s: %s gives %s", headers[i][0], headers[i][1], ws_error_name(status));
    }
    CHECK_OK(ws_client_set(client, "reconnect_min", "5s"));
    CHECK_OK(ws_client_set(client, "reconnect_max", "1s"));
    CHECK_STATUS(WS_ERR_VALUE, ws_client_start(client));
    CHECK_CONTAINS("reconnect_min", ws_last_error());
    CHECK_OK(ws_client_set(client, "reconnect_max", "5s"));
    CHECK_OK(ws_client_free(client));
}

static void while_it_runs(void)
{
    struct listener listener = new_listener();
    struct client_record record = CLIENT_RECORD;
    static char large[126];
    const ws_event *events;
    ws_client *client = started_client(listener.url, &record);
    int fd = OPEN_NEXT(&listener);
    WAIT_CLIENT(&record, opens, 1);
    CHECK_STATUS(WS_ERR_STATE, ws_client_start(client));
    CHECK_STATUS(WS_ERR_STATE, ws_client_set(client, "reconnect", "on"));
    CHECK_STATUS(WS_ERR_STATE, ws_client_add_header(client, "X", "y"));
    CHECK_STATUS(WS_ERR_STATE, ws_client_on_open(client, NULL, NULL));
    CHECK_STATUS(WS_ERR_STATE, ws_client_poll(client, &events, 0)); /* it has callbacks */
    CHECK_STATUS(WS_ERR_STATE, ws_client_event_fd(client));
    CHECK_STATUS(WS_ERR_ARGUMENT, ws_client_push(client, "x", 1, 0));
    CHECK_STATUS(WS_ERR_ARGUMENT, ws_client_push(client, "x", 1, 8));
    CHECK_STATUS(WS_ERR_UTF8, ws_client_push(client, "\xff", 1, WS_TEXT));
    CHECK_STATUS(WS_ERR_TOO_LARGE, ws_client_ping(client, large, sizeof large));
    CHECK_STATUS(WS_ERR_TOO_LARGE, ws_client_push(client, "x", SIZE_MAX, WS_BINARY));
    CHECK_STATUS(WS_ERR_ARGUMENT, ws_client_close(client, 1005, NULL, 0));
    CHECK_STATUS(WS_ERR_ARGUMENT, ws_client_close(client, 999, NULL, 0));
    CHECK_STATUS(WS_ERR_ARGUMENT, ws_client_close(client, 1000, large, 124));
    CHECK_STATUS(WS_ERR_UTF8, ws_client_close(client, 1000, "\xff", 1));
    CHECK_INT(1, ws_client_is_open(client)); /* all of that has changed nothing */
    CHECK_OK(ws_client_push(client, "x", 1, WS_BINARY));
    EXPECT_MASKED(fd, FIN | BINARY, "x", 1);
    CHECK_OK(ws_client_close(client, 1000, NULL, 0));
    CHECK_OK(ws_client_close(client, 1001, NULL, 0)); /* again: changes nothing */
    EXPECT_CLOSE_FROM_CLIENT(fd, 1000);
    send_close_to_client(fd, 1000, "");
    close(fd);
    WAIT_CLIENT(&record, ends, 1);
    CHECK_STATUS(WS_ERR_CLOSED, ws_client_close(client, 1000, NULL, 0));
    CHECK_STATUS(WS_ERR_STATE, ws_client_start(client)); /* a client starts once */
    EXPECT_CLOSED(client, &record, 1000);
    close(listener.fd);
}

int main(void)
{
    begin();
    nulls();
    too_early_and_too_late();
    something_else();
    urls();
    options();
    while_it_runs();
    return 0;
}
