/* The request that a client makes, and the responses that it takes: in every form that the RFCs allow, in one packet with
 * frames or byte by byte. */
#include "server.h"

/* The request of a client is what its URL and its options say. */
static void the_request(const struct listener *listener)
{
    struct client_record record = CLIENT_RECORD;
    char url[160], host[64], value[256];
    snprintf(url, sizeof url, "ws://Aladdin:open%%20sesame@127.0.0.1:%d/a%%20b?c=d&e", listener->port);
    ws_client *client = recorded_client(url, &record);
    CHECK_OK(ws_client_set(client, "subprotocols", "chat.v2, chat.v1"));
    CHECK_OK(ws_client_set(client, "origin", "https://example.com"));
    CHECK_OK(ws_client_set(client, "cookie", "a=b; c=d"));
    CHECK_OK(ws_client_set(client, "user_agent", "test/1"));
    CHECK_OK(ws_client_add_header(client, "X-One", "1"));
    CHECK_OK(ws_client_add_header(client, "X-Two", "two words"));
    CHECK_OK(ws_client_start(client));
    int fd = ACCEPT(listener);
    struct upgrade upgrade = receive_upgrade(fd);
    CHECK_BEGINS("GET /a%20b?c=d&e HTTP/1.1\r\n", upgrade.head);
    snprintf(host, sizeof host, "127.0.0.1:%d", listener->port);
    CHECK(header_of(upgrade.head, "Host", value, sizeof value));
    CHECK_STRING(host, value);
    CHECK(header_of(upgrade.head, "Authorization", value, sizeof value));
    CHECK_STRING("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", value); /* RFC 7617, 2 */
    CHECK(header_of(upgrade.head, "Sec-WebSocket-Protocol", value, sizeof value));
    CHECK_STRING("chat.v2, chat.v1", value);
    CHECK(header_of(upgrade.head, "Origin", value, sizeof value));
    CHECK_STRING("https://example.com", value);
    CHECK(header_of(upgrade.head, "Cookie", value, sizeof value));
    CHECK_STRING("a=b; c=d", value);
    CHECK(header_of(upgrade.head, "User-Agent", value, sizeof value));
    CHECK_STRING("test/1", value);
    CHECK_CONTAINS("\r\nX-One: 1\r\nX-Two: two words\r\n", upgrade.head);
    CHECK(!header_of(upgrade.head, "Sec-WebSocket-Extensions", value, sizeof value));
    send_101(fd, &upgrade, "Sec-WebSocket-Protocol: chat.v1\r\n");
    WAIT_CLIENT(&record, opens, 1);
    CHECK_STRING("chat.v1", record.subprotocol);
    send_close_to_client(fd, 1000, "");
    EXPECT_CLOSE_FROM_CLIENT(fd, 1000);
    EXPECT_CLOSED(client, &record, 1000);
    close(fd);
}

/* Nothing that was not asked for is told to a server, and no key twice. */
static void a_plain_request(const struct listener *listener)
{
    char keys[8][64], value[64];
    for (int i = 0; i < 8; i++) {
        struct client_record record = CLIENT_RECORD;
        ws_client *client = started_client(listener->url, &record);
        int fd = ACCEPT(listener);
        struct upgrade upgrade = receive_upgrade(fd);
        CHECK_BEGINS("GET / HTTP/1.1\r\n", upgrade.head);
        CHECK(!header_of(upgrade.head, "Authorization", value, sizeof value));
        CHECK(!header_of(upgrade.head, "Cookie", value, sizeof value));
        CHECK(!header_of(upgrade.head, "Origin", value, sizeof value));
        CHECK(!header_of(upgrade.head, "Sec-WebSocket-Protocol", value, sizeof value));
        CHECK(header_of(upgrade.head, "Sec-WebSocket-Key", keys[i], sizeof keys[i]));
        for (int k = 0; k < i; k++)
            CHECK(strcmp(keys[i], keys[k]) != 0);
        CHECK_OK(ws_client_close(client, 1000, NULL, 0)); /* gives up */
        WAIT_CLIENT(&record, ends, 1);
        CHECK_INT(0, record.opens + record.closes);
        CHECK_OK(ws_client_free(client));
        EXPECT_CUT(fd);
    }
}

#define YES "HTTP/1.1 101 Yes\r\n"

static const char *const taken[] = {
    YES "Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
    YES "UPGRADE: WebSocket\r\nCONNECTION: upgrade\r\nSEC-WEBSOCKET-ACCEPT: %s\r\n\r\n",
    YES "connection: Upgrade\r\nupgrade:websocket\r\nsec-websocket-accept:   %s  \t\r\nServer: x\r\n\r\n",
    YES "Upgrade: websocket\r\nConnection: x\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\nSet-Cookie: a=b\r\n\r\n",
    "HTTP/1.1 101\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
    YES "Connection: x,\r\n\tUpgrade\r\nUpgrade:\r\n websocket\r\nSec-WebSocket-Accept:\r\n \r\n  %s\r\nX: a\r\n b\r\n\r\n",
    "HTTP/1.1 103 Early Hints\r\nLink: </x>;\r\n rel=preload\r\n\r\n"
    YES "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
    "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    YES "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
};

/* Every form of yes, with two messages behind it: in one packet, or byte by byte. */
static void every_yes(const struct listener *listener, int in_pieces)
{
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++) {
        struct client_record record = CLIENT_RECORD;
        unsigned char response[1024];
        ws_client *client = started_client(listener->url, &record);
        int fd = ACCEPT(listener);
        struct upgrade upgrade = receive_upgrade(fd);
        size_t length = (size_t)snprintf((char *)response, sizeof response, taken[i], upgrade.accept);
        length += write_unmasked(response + length, FIN | TEXT, "first", 5);
        length += write_unmasked(response + length, TEXT, "sec", 3);
        length += write_unmasked(response + length, FIN | PING, "?", 1);
        length += write_unmasked(response + length, FIN | CONTINUATION, "ond", 3);
        for (size_t at = 0; at < length; at += in_pieces ? 1 : length)
            send_bytes(fd, response + at, in_pieces ? 1 : length);
        wait_for(taken[i], "messages", &record.base, &record.messages, 2);
        CHECK_INT(1, record.opens);
        CHECK_STRING("second", record.text);
        EXPECT_MASKED(fd, FIN | PONG, "?", 1);
        CHECK_OK(ws_client_push(client, "third", 5, WS_TEXT));
        EXPECT_FROM_CLIENT(fd, "third");
        CHECK_OK(ws_client_close(client, 1000, "done", 4));
        EXPECT_CLOSE_FROM_CLIENT(fd, 1000);
        send_close_to_client(fd, 1000, "done");
        EXPECT_CLOSED(client, &record, 1000);
        EXPECT_END(fd);
    }
}

/* A Close right behind the 101: it opened, and closed. */
static void a_close_at_once(const struct listener *listener)
{
    struct client_record record = CLIENT_RECORD;
    char response[512];
    ws_client *client = started_client(listener->url, &record);
    int fd = ACCEPT(listener);
    struct upgrade upgrade = receive_upgrade(fd);
    size_t length = write_101(&upgrade, "", response, sizeof response);
    length += write_unmasked((unsigned char *)response + length, FIN | CLOSE, "\x03\xf5later", 7);
    send_bytes(fd, response, length);
    EXPECT_CLOSED(client, &record, 1013);
    CHECK_STRING("later", record.reason);
    EXPECT_CLOSE_FROM_CLIENT(fd, 1013);
    close(fd);
}

int main(void)
{
    begin();
    struct listener listener = new_listener();
    the_request(&listener);
    a_plain_request(&listener);
    every_yes(&listener, 0);
    every_yes(&listener, 1);
    a_close_at_once(&listener);
    close(listener.fd);
    return 0;
}
