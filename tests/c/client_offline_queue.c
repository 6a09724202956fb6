/* Messages pushed while there is no connection: refused, or kept to be sent when there is one, in order and within a bound. */
#include "server.h"

static ws_client *keeping(const char *url, struct client_record *record, const char *bytes)
{
    ws_client *client = recorded_client(url, record);
    CHECK_OK(ws_client_set(client, "reconnect", "on"));
    CHECK_OK(ws_client_set(client, "reconnect_min", "10ms"));
    CHECK_OK(ws_client_set(client, "reconnect_max", "20ms"));
    CHECK_OK(ws_client_set(client, "max_offline_bytes", bytes));
    CHECK_OK(ws_client_start(client));
    return client;
}

static void ended(ws_client *client, struct client_record *record)
{
    CHECK_OK(ws_client_close(client, 1000, NULL, 0));
    WAIT_CLIENT(record, ends, 1);
    CHECK_OK(ws_client_free(client));
}

static void refused_without_it(const struct listener *listener)
{
    struct client_record record = CLIENT_RECORD;
    ws_client *client = keeping(listener->url, &record, "0");
    int fd = ACCEPT(listener);
    CHECK_STATUS(WS_ERR_CLOSED, ws_client_push(client, "early", 5, WS_TEXT));
    struct upgrade upgrade = receive_upgrade(fd);
    send_101(fd, &upgrade, "");
    WAIT_CLIENT(&record, opens, 1);
    CHECK_OK(ws_client_push(client, "in time", 7, WS_TEXT));
    EXPECT_FROM_CLIENT(fd, "in time");
    close(fd);
    ended(client, &record);
}

/* Before the first connection and between two, ahead of what is pushed when it is open. */
static void kept_in_order(const struct listener *listener)
{
    struct client_record record = CLIENT_RECORD;
    ws_client *client = keeping(listener->url, &record, "64K");
    int fd = ACCEPT(listener);
    CHECK_OK(ws_client_push(client, "one", 3, WS_TEXT));
    CHECK_OK(ws_client_push(client, "\x00\xff", 2, WS_BINARY));
    CHECK(ws_client_queued_bytes(client) >= 5);
    struct upgrade upgrade = receive_upgrade(fd);
    send_101(fd, &upgrade, "");
    WAIT_CLIENT(&record, opens, 1);
    CHECK_OK(ws_client_push(client, "three", 5, WS_TEXT));
    EXPECT_FROM_CLIENT(fd, "one");
    EXPECT_MASKED(fd, FIN | BINARY, "\x00\xff", 2);
    EXPECT_FROM_CLIENT(fd, "three");
    close(fd);
    WAIT_CLIENT(&record, closes, 1);
    fd = ACCEPT(listener);
    CHECK_OK(ws_client_push(client, "four", 4, WS_TEXT));
    upgrade = receive_upgrade(fd);
    send_101(fd, &upgrade, "");
    EXPECT_FROM_CLIENT(fd, "four"); /* and none of the first connection's again */
    close(fd);
    ended(client, &record);
}

static void within_its_bound(const struct listener *listener)
{
    struct client_record record = CLIENT_RECORD;
    static char message[400];
    ws_client *client = keeping(listener->url, &record, "1000");
    int fd = ACCEPT(listener), kept = 0, status;
    memset(message, 'x', sizeof message);
    while ((status = ws_client_push(client, message, sizeof message, WS_TEXT)) == WS_OK)
        CHECK(++kept < 4);
    CHECK_INT(WS_ERR_QUEUE_FULL, status);
    CHECK(kept >= 1);
    ws_stats stats = {.size = sizeof stats};
    CHECK_OK(ws_client_stats(client, &stats));
    CHECK_INT(1, stats.pushes_refused);
    CHECK_STATUS(WS_ERR_UTF8, ws_client_push(client, "\xff", 1, WS_TEXT));
    struct upgrade upgrade = receive_upgrade(fd);
    send_101(fd, &upgrade, "");
    for (int i = 0; i < kept; i++)
        EXPECT_MASKED(fd, FIN | TEXT, message, sizeof message);
    CHECK_OK(ws_client_push(client, "room again", 10, WS_TEXT));
    EXPECT_FROM_CLIENT(fd, "room again");
    close(fd);
    ended(client, &record);
}

/* What is kept outlasts attempts that fail. */
static void through_failures(const struct listener *listener)
{
    struct client_record record = CLIENT_RECORD;
    ws_client *client = keeping(listener->url, &record, "64K");
    int fd = ACCEPT(listener);
    CHECK_OK(ws_client_push(client, "patience", 8, WS_TEXT));
    reset(fd);
    fd = ACCEPT(listener);
    receive_upgrade(fd);
    send_text(fd, "HTTP/1.1 500 Oh\r\n\r\n");
    EXPECT_CUT(fd);
    fd = OPEN_NEXT(listener);
    EXPECT_FROM_CLIENT(fd, "patience");
    close(fd);
    ended(client, &record);
    CHECK_STRING("", record.text);
}

/* What is pushed to the last connection when that is closing is refused rather than kept for none. */
static void not_for_a_connection_that_never_comes(const struct listener *listener)
{
    ws_client *client = ws_client_new(listener->url);
    const ws_event *events;
    int fd, status;
    CHECK_OK(ws_client_set(client, "max_offline_bytes", "1M"));
    CHECK_OK(ws_client_start(client));
    fd = OPEN_NEXT(listener);
    CHECK_INT(1, ws_client_poll(client, &events, scaled(10000, 60000)));
    CHECK_INT(WS_EVENT_OPEN, events->type);
    reset(fd);
    while ((status = ws_client_push(client, "lost", 4, WS_TEXT)) == WS_OK)
        give_way();
    CHECK_INT(WS_ERR_CLOSED, status);
    CHECK_OK(ws_client_free(client));
}

int main(void)
{
    begin();
    struct listener listener = new_listener();
    refused_without_it(&listener);
    kept_in_order(&listener);
    within_its_bound(&listener);
    through_failures(&listener);
    not_for_a_connection_that_never_comes(&listener);
    close(listener.fd);
    return 0;
}
