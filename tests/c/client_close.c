/* The end of a client's connection, from either side, and what is still allowed then. */
#include "server.h"

static ws_client *open_client(const struct listener *listener, struct client_record *record, int *fd)
{
    ws_client *client = started_client(listener->url, record);
    *fd = OPEN_NEXT(listener);
    WAIT_CLIENT(record, opens, 1);
    CHECK_INT(1, ws_client_is_open(client));
    return client;
}

/* The server closes: its code and reason are told, and answered with the same code. */
static void by_the_server(const struct listener *listener, int code, const char *reason)
{
    struct client_record record = CLIENT_RECORD;
    int fd;
    ws_client *client = open_client(listener, &record, &fd);
    send_to_client(fd, "last words");
    send_close_to_client(fd, code, reason);
    EXPECT_CLOSE_FROM_CLIENT(fd, code);
    WAIT_CLIENT(&record, closes, 1);
    CHECK_INT(1, record.messages);
    CHECK_STRING(reason, record.reason);
    WAIT_CLIENT(&record, ends, 1);
    CHECK_INT(0, ws_client_is_open(client));
    CHECK_STATUS(WS_ERR_CLOSED, ws_client_push(client, "x", 1, WS_TEXT));
    CHECK_STATUS(WS_ERR_CLOSED, ws_client_ping(client, NULL, 0));
    EXPECT_CLOSED(client, &record, code == 0 ? 1005 : code);
    close(fd);
}

/* The client closes: what it pushed before goes out before, what the server sends until its own Close comes in. */
static void by_the_client(const struct listener *listener)
{
    struct client_record record = CLIENT_RECORD;
    int fd;
    ws_client *client = open_client(listener, &record, &fd);
    CHECK_OK(ws_client_push(client, "before", 6, WS_TEXT));
    CHECK_OK(ws_client_close(client, 4001, "a reason", 8));
    CHECK_STATUS(WS_ERR_CLOSED, ws_client_push(client, "after", 5, WS_TEXT));
    EXPECT_FROM_CLIENT(fd, "before");
    EXPECT_MASKED(fd, FIN | CLOSE, "\x0f\xa1" "a reason", 10);
    send_close_to_client(fd, 4001, "a reason");
    EXPECT_CLOSED(client, &record, 4001);
    EXPECT_END(fd);
}

/* It is the server that ends the stream: RFC 6455, 7.1.1. A server that does not is not waited for without end. */
static void a_server_that_does_not_end_it(const struct listener *listener, int answers)
{
    struct client_record record = CLIENT_RECORD;
    ws_client *client = recorded_client(listener->url, &record);
    CHECK_OK(ws_client_set(client, "close_timeout", "200ms"));
    CHECK_OK(ws_client_start(client));
    int fd = OPEN_NEXT(listener);
    WAIT_CLIENT(&record, opens, 1);
    CHECK_OK(ws_client_close(client, 1000, NULL, 0));
    EXPECT_CLOSE_FROM_CLIENT(fd, 1000);
    if (answers)
        send_close_to_client(fd, 1000, "");
    EXPECT_CLOSED(client, &record, answers ? 1000 : 1006);
    EXPECT_CUT(fd);
}

/* Freed while it is open: the server is told, or at least sees the end. */
static void freed_while_open(const struct listener *listener)
{
    struct client_record record = CLIENT_RECORD;
    int fd;
    ws_client *client = open_client(listener, &record, &fd);
    CHECK_OK(ws_client_free(client));
    CHECK_STATUS(WS_ERR_HANDLE, ws_client_push(client, "x", 1, WS_TEXT));
    EXPECT_CUT(fd);
}

/* Given up before it opened, at each stage. */
static void given_up(const struct listener *listener)
{
    struct client_record record = CLIENT_RECORD, another = CLIENT_RECORD;
    ws_client *client = started_client(listener->url, &record);
    int fd = ACCEPT(listener);
    CHECK_OK(ws_client_close(client, 1000, NULL, 0));
    WAIT_CLIENT(&record, ends, 1);
    CHECK_INT(0, record.opens + record.closes + record.retries);
    CHECK_OK(ws_client_wait(client));
    CHECK_OK(ws_client_free(client));
    EXPECT_CUT(fd);

    client = started_client(listener->url, &another);
    fd = ACCEPT(listener);
    struct upgrade upgrade = receive_upgrade(fd);
    send_101(fd, &upgrade, ""); /* it may open, or not any more: either way it ends */
    CHECK_OK(ws_client_close(client, 1000, NULL, 0));
    EXPECT_CUT(fd);
    WAIT_CLIENT(&another, ends, 1);
    CHECK_INT(another.opens, another.closes);
    CHECK_OK(ws_client_free(client));
}

static void push_and_close(ws_client *client, const ws_request *response, void *user_data)
{
    CHECK_OK(ws_client_push(client, "from the callback", 17, WS_TEXT));
    CHECK_OK(ws_client_ping(client, "p", 1));
    CHECK_OK(ws_client_close(client, 1001, "bye", 3));
    CHECK_STATUS(WS_ERR_IN_CALLBACK, ws_client_wait(client));
    CHECK_STATUS(WS_ERR_IN_CALLBACK, ws_client_free(client));
    client_opened(client, response, user_data);
}

static void from_a_callback(const struct listener *listener)
{
    struct client_record record = CLIENT_RECORD;
    ws_client *client = recorded_client(listener->url, &record);
    CHECK_OK(ws_client_on_open(client, push_and_close, &record));
    CHECK_OK(ws_client_start(client));
    int fd = OPEN_NEXT(listener);
    EXPECT_FROM_CLIENT(fd, "from the callback");
    EXPECT_MASKED(fd, FIN | PING, "p", 1);
    EXPECT_CLOSE_FROM_CLIENT(fd, 1001);
    send_close_to_client(fd, 1001, "bye");
    EXPECT_CLOSED(client, &record, 1001);
    EXPECT_END(fd);
}

int main(void)
{
    begin();
    struct listener listener = new_listener();
    by_the_server(&listener, 0, "");
    by_the_server(&listener, 1000, "");
    by_the_server(&listener, 1001, "going away");
    by_the_server(&listener, 3000, "gr\xc3\xbc\xc3\x9f" "e");
    by_the_server(&listener, 4999, "");
    by_the_client(&listener);
    a_server_that_does_not_end_it(&listener, 0);
    a_server_that_does_not_end_it(&listener, 1);
    freed_while_open(&listener);
    given_up(&listener);
    from_a_callback(&listener);
    close(listener.fd);
    return 0;
}
