/* Connecting again: after what, how long after, how often, and what ends it. */
#include "server.h"

static ws_client *lasting(const char *url, struct client_record *record)
{
    ws_client *client = recorded_client(url, record);
    CHECK_OK(ws_client_set(client, "reconnect", "on"));
    CHECK_OK(ws_client_set(client, "reconnect_min", "10ms"));
    CHECK_OK(ws_client_set(client, "reconnect_max", "40ms"));
    return client;
}

static void closed_by_us(ws_client *client, struct client_record *record)
{
    CHECK_OK(ws_client_close(client, 1000, NULL, 0));
    WAIT_CLIENT(record, ends, 1);
    CHECK_OK(ws_client_wait(client));
    CHECK_OK(ws_client_free(client));
}

/* After a close, a cut, a refusal and a connection that was refused. */
static void after_whatever(void)
{
    struct client_record record = CLIENT_RECORD;
    struct listener listener = new_listener();
    ws_client *client = lasting(listener.url, &record);
    CHECK_OK(ws_client_start(client));

    int fd = OPEN_NEXT(&listener);
    WAIT_CLIENT(&record, opens, 1);
    send_close_to_client(fd, 1012, "restart");
    EXPECT_CLOSE_FROM_CLIENT(fd, 1012);
    close(fd);
    WAIT_CLIENT(&record, retries, 1);
    CHECK_INT(1, record.closes);

    fd = OPEN_NEXT(&listener);
    WAIT_CLIENT(&record, opens, 2);
    reset(fd);
    WAIT_CLIENT(&record, closes, 2);
    CHECK_INT(1006, record.code);

    fd = ACCEPT(&listener);
    receive_upgrade(fd);
    send_text(fd, "HTTP/1.1 500 Oh\r\n\r\n");
    WAIT_CLIENT(&record, errors, 1);
    CHECK_INT(WS_ERR_HTTP_STATUS, record.status);
    EXPECT_CUT(fd);

    fd = ACCEPT(&listener);
    reset(fd);
    WAIT_CLIENT(&record, errors, 2);

    fd = OPEN_NEXT(&listener);
    WAIT_CLIENT(&record, opens, 3);
    send_to_client(fd, "again");
    WAIT_CLIENT(&record, messages, 1);
    CHECK_OK(ws_client_push(client, "and again", 9, WS_TEXT));
    EXPECT_FROM_CLIENT(fd, "and again");
    CHECK_INT(4, record.retries);
    CHECK_INT(0, record.ends);

    CHECK_OK(ws_client_close(client, 1000, NULL, 0)); /* and this is the end of it */
    EXPECT_CLOSE_FROM_CLIENT(fd, 1000);
    send_close_to_client(fd, 1000, "");
    WAIT_CLIENT(&record, ends, 1);
    CHECK_INT(3, record.closes);
    CHECK(!is_dialled(&listener, 100));
    CHECK_INT(4, record.retries);
    CHECK_OK(ws_client_free(client));
    close(fd);
    close(listener.fd);
}

/* A server that is away for a while, and comes back at the same address. */
static void a_server_that_was_away(void)
{
    struct client_record record = CLIENT_RECORD;
    struct listener listener = new_listener();
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)listener.port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    close(listener.fd);
    ws_client *client = lasting(listener.url, &record);
    CHECK_OK(ws_client_start(client));
    WAIT_CLIENT(&record, errors, 3);
    CHECK_INT(WS_ERR_CONNECT, record.status);
    struct listener back = listen_on((struct sockaddr *)&address, sizeof address, 8);
    int fd = OPEN_NEXT(&back);
    WAIT_CLIENT(&record, opens, 1);
    close(fd);
    close(back.fd);
    closed_by_us(client, &record);
}

/* Attempts in a row are limited; a connection that was lost at once counts as one. */
static void so_many_attempts(void)
{
    struct client_record record = CLIENT_RECORD;
    struct listener listener = new_listener();
    ws_client *client = lasting(listener.url, &record);
    CHECK_OK(ws_client_set(client, "reconnect_attempts", "2"));
    CHECK_OK(ws_client_start(client));
    reset(ACCEPT(&listener));
    int fd = OPEN_NEXT(&listener);
    WAIT_CLIENT(&record, opens, 1);
    reset(fd);
    reset(ACCEPT(&listener));
    WAIT_CLIENT(&record, ends, 1);
    CHECK_INT(2, record.errors);
    CHECK_INT(1, record.closes);
    CHECK_INT(2, record.retries);
    CHECK(!is_dialled(&listener, 100));
    CHECK_OK(ws_client_free(client));
    close(listener.fd);
}

/* Delays grow, to a limit; the server's Retry-After is kept to. */
static void how_long_it_waits(void)
{
    struct client_record record = CLIENT_RECORD;
    struct listener listener = new_listener();
    close(listener.fd);
    ws_client *client = lasting(listener.url, &record);
    CHECK_OK(ws_client_set(client, "reconnect_min", "20ms"));
    CHECK_OK(ws_client_set(client, "reconnect_max", "80ms"));
    CHECK_OK(ws_client_start(client));
    for (int i = 1; i <= 8; i++) {
        WAIT_CLIENT(&record, retries, i);
        CHECK(record.delay_ms >= 0 && record.delay_ms <= 80);
    }
    closed_by_us(client, &record);
}

static void as_the_server_says(void)
{
    struct client_record record = CLIENT_RECORD;
    struct listener listener = new_listener();
    ws_client *client = lasting(listener.url, &record);
    CHECK_OK(ws_client_start(client));
    int fd = ACCEPT(&listener);
    receive_upgrade(fd);
    int64_t refused = now_ms();
    send_text(fd, "HTTP/1.1 503 Busy\r\nRetry-After: 1\r\n\r\n");
    WAIT_CLIENT(&record, retries, 1);
    CHECK_INT(WS_ERR_UNAVAILABLE, record.status);
    CHECK(record.delay_ms >= 1000 && record.delay_ms < 2000);
    EXPECT_CUT(fd);
    fd = ACCEPT(&listener);
    CHECK(now_ms() - refused >= 990);
    receive_upgrade(fd);
    send_text(fd, "HTTP/1.1 503 Busy\r\nRetry-After: 3600\r\n\r\n");
    WAIT_CLIENT(&record, retries, 2);
    EXPECT_CUT(fd);
    CHECK_OK(ws_client_reconnect(client)); /* the host knows better */
    fd = OPEN_NEXT(&listener);
    WAIT_CLIENT(&record, opens, 1);
    close(fd);
    closed_by_us(client, &record);
    close(listener.fd);
}

/* What cannot get better is not tried again; nor is anything unless it is asked for. */
static void no_second_attempt(void)
{
    struct client_record record = CLIENT_RECORD, another = CLIENT_RECORD;
    struct listener listener = new_listener();
    ws_client *client = lasting(listener.url, &record);
    CHECK_OK(ws_client_set(client, "max_redirects", "1"));
    CHECK_OK(ws_client_start(client));
    int fd = ACCEPT(&listener);
    receive_upgrade(fd);
    send_text(fd, "HTTP/1.1 302 Found\r\nLocation: wss://127.0.0.1/\r\n\r\n");
    EXPECT_FAILURE(client, &record, WS_ERR_UNSUPPORTED, "wss");
    close(fd);

    client = started_client(listener.url, &another);
    fd = OPEN_NEXT(&listener);
    WAIT_CLIENT(&another, opens, 1);
    close(fd);
    EXPECT_CLOSED(client, &another, 1006);
    CHECK(!is_dialled(&listener, 100));
    close(listener.fd);
}

/* Given up while it waits: at once, and not at the end of the delay. */
static void given_up_while_it_waits(void)
{
    struct client_record record = CLIENT_RECORD;
    struct listener listener = new_listener();
    ws_client *client = recorded_client(listener.url, &record);
    CHECK_OK(ws_client_set(client, "reconnect", "on"));
    CHECK_OK(ws_client_set(client, "reconnect_min", "1h"));
    CHECK_OK(ws_client_set(client, "reconnect_max", "1h"));
    CHECK_OK(ws_client_start(client));
    reset(ACCEPT(&listener));
    WAIT_CLIENT(&record, retries, 1);
    CHECK(record.delay_ms > 60000);
    CHECK_INT(0, ws_client_is_open(client));
    CHECK_OK(ws_client_reconnect(client)); /* the network is back */
    reset(ACCEPT(&listener));
    WAIT_CLIENT(&record, retries, 2);
    closed_by_us(client, &record);
    CHECK_INT(0, record.opens + record.closes);

    struct client_record freed = CLIENT_RECORD;
    client = lasting(listener.url, &freed);
    CHECK_OK(ws_client_start(client));
    reset(ACCEPT(&listener));
    WAIT_CLIENT(&freed, retries, 1);
    CHECK_OK(ws_client_free(client));
    close(listener.fd);
}

int main(void)
{
    begin();
    after_whatever();
    a_server_that_was_away();
    so_many_attempts();
    how_long_it_waits();
    as_the_server_says();
    no_second_attempt();
    given_up_while_it_waits();
    return 0;
}
