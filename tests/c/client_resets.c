/* Connections that fail: by a reset or an end at every stage, refused, or without anybody who listens. */
#include "server.h"

static void end_of(int fd, int with_reset)
{
    if (with_reset)
        reset(fd);
    else
        close(fd);
}

/* Before the response is whole. `sent` of it have been sent; the request has been read or not. */
static void in_handshake(const struct listener *listener, int read_request, const char *sent, int with_reset)
{
    struct client_record record = CLIENT_RECORD;
    ws_client *client = started_client(listener->url, &record);
    int fd = ACCEPT(listener);
    if (read_request)
        receive_upgrade(fd);
    send_text(fd, sent);
    if (read_request && !with_reset) { /* an end, for nothing is unread */
        end_of(fd, 0);
        EXPECT_FAILURE(client, &record, WS_ERR_TRUNCATED, "");
    } else {
        end_of(fd, 1);
        WAIT_CLIENT(&record, ends, 1);
        /* Over what was unread the kernel may tell of a broken pipe first, but it is the same to a client. */
        EXPECT_FAILURE(client, &record, WS_ERR_RESET, "");
    }
}

static void before_it_opens(const struct listener *listener)
{
    static const char *const heads[] = {
        "", "H", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: webs",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r",
        "HTTP/1.1 100 Continue\r\n\r\n",
    };
    in_handshake(listener, 0, "", 1); /* on accept */
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        in_handshake(listener, 1, heads[i], 0);
        if (heads[i][0] == '\0') /* a reset would throw away what was sent before it, and be the same as this */
            in_handshake(listener, 1, heads[i], 1);
    }
}

/* Some of a head has come when the reset does. */
static void in_the_middle_of_the_head(const struct listener *listener)
{
    struct client_record record = CLIENT_RECORD;
    int waiting = 1;
    ws_client *client = started_client(listener->url, &record);
    int fd = ACCEPT(listener);
    receive_upgrade(fd);
    send_text(fd, "HTTP/1.1 101 Swi");
    while (waiting > 0) { /* until the client's side of the kernel has taken it */
        struct tcp_info info;
        socklen_t length = sizeof info;
        CHECK_INT(0, getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length));
        waiting = (int)info.tcpi_unacked;
        give_way();
    }
    reset(fd);
    EXPECT_FAILURE(client, &record, WS_ERR_RESET, "");
}

/* After the 101 it is a connection, and its end without a Close is 1006. */
static void after_it_opened(const struct listener *listener, const void *sent, size_t length, int with_reset)
{
    struct client_record record = CLIENT_RECORD;
    ws_client *client = started_client(listener->url, &record);
    int fd = OPEN_NEXT(listener);
    WAIT_CLIENT(&record, opens, 1);
    send_bytes(fd, sent, length);
    end_of(fd, with_reset);
    EXPECT_CLOSED(client, &record, 1006);
    CHECK_STRING("", record.reason);
    CHECK_INT(0, record.messages);
}

static void nobody_listens(void)
{
    struct client_record record = CLIENT_RECORD;
    struct listener listener = new_listener();
    char address[32];
    close(listener.fd);
    snprintf(address, sizeof address, "127.0.0.1:%d", listener.port);
    ws_client *client = started_client(listener.url, &record);
    EXPECT_FAILURE(client, &record, WS_ERR_CONNECT, "refused");
    CHECK_CONTAINS(address, record.detail);
    CHECK_INT(0, record.response);
}

static void no_such_name(void)
{
    struct client_record record = CLIENT_RECORD;
    ws_client *client = started_client("ws://no-such-host.invalid/", &record); /* RFC 2606, 2 */
    EXPECT_FAILURE(client, &record, WS_ERR_RESOLVE, "no-such-host.invalid");
}

int main(void)
{
    begin();
    struct listener listener = new_listener();
    before_it_opens(&listener);
    in_the_middle_of_the_head(&listener);
    for (int with_reset = 0; with_reset < 2; with_reset++) {
        after_it_opened(&listener, "", 0, with_reset);
        after_it_opened(&listener, "\x81", 1, with_reset);
        after_it_opened(&listener, "\x81\x7e\x01", 3, with_reset);
        after_it_opened(&listener, "\x81\x05" "hel", 5, with_reset);
        after_it_opened(&listener, "\x01\x05" "hello", 7, with_reset);
    }
    close(listener.fd);
    nobody_listens();
    no_such_name();
    return 0;
}
