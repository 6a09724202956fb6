/* Redirections: followed only where they are allowed, as often as they are allowed, and without credentials elsewhere. */
#include "server.h"

static ws_client *redirectable(const char *url, struct client_record *record, const char *most)
{
    ws_client *client = recorded_client(url, record);
    CHECK_OK(ws_client_set(client, "max_redirects", most));
    CHECK_OK(ws_client_set(client, "cookie", "a=b"));
    CHECK_OK(ws_client_add_header(client, "X-Own", "kept"));
    CHECK_OK(ws_client_start(client));
    return client;
}

static void redirect(const struct listener *listener, int status, const char *location)
{
    char response[512];
    int fd = ACCEPT(listener);
    receive_upgrade(fd);
    snprintf(response, sizeof response, "HTTP/1.1 %d Elsewhere\r\nLocation: %s\r\nContent-Length: 3\r\n\r\nbye", status, location);
    send_text(fd, response);
    EXPECT_CUT(fd);
}

/* Takes the client at this target, looks for its credentials, and closes. */
static void arrives(const struct listener *listener, const char *target, int with_credentials, ws_client *client,
                    struct client_record *record)
{
    char line[64], value[128];
    int fd = ACCEPT(listener);
    struct upgrade upgrade = receive_upgrade(fd);
    snprintf(line, sizeof line, "GET %s HTTP/1.1\r\n", target);
    CHECK_BEGINS(line, upgrade.head);
    CHECK_INT(with_credentials, header_of(upgrade.head, "Authorization", value, sizeof value));
    CHECK_INT(with_credentials, header_of(upgrade.head, "Cookie", value, sizeof value));
    CHECK(header_of(upgrade.head, "X-Own", value, sizeof value));
    send_101(fd, &upgrade, "");
    WAIT_CLIENT(record, opens, 1);
    send_close_to_client(fd, 1000, "");
    EXPECT_CLOSE_FROM_CLIENT(fd, 1000);
    EXPECT_CLOSED(client, record, 1000);
    close(fd);
}

static void to(const struct listener *from, int status, const char *location, const struct listener *arrival, const char *target)
{
    struct client_record record = CLIENT_RECORD;
    char url[96];
    snprintf(url, sizeof url, "ws://me:secret@127.0.0.1:%d/one/two?x=y", from->port);
    ws_client *client = redirectable(url, &record, "1");
    redirect(from, status, location);
    arrives(arrival, target, from == arrival, client, &record);
}

static void too_many(const struct listener *listener)
{
    struct client_record record = CLIENT_RECORD;
    ws_client *client = redirectable(listener->url, &record, "2");
    for (int i = 0; i < 3; i++)
        redirect(listener, 302, "/again");
    EXPECT_FAILURE(client, &record, WS_ERR_REDIRECT, "2");
    CHECK_INT(302, record.response);
    CHECK(!is_dialled(listener, 50));
}

static void not_followed(const struct listener *listener, const char *response, int status, const char *part)
{
    struct client_record record = CLIENT_RECORD;
    ws_client *client = redirectable(listener->url, &record, "5");
    int fd = ACCEPT(listener);
    receive_upgrade(fd);
    send_text(fd, response);
    EXPECT_FAILURE(client, &record, status, part);
    CHECK(strstr(record.detail, "s3cret") == NULL);
    EXPECT_CUT(fd);
    CHECK(!is_dialled(listener, 50));
}

/* Each hop counts from the one before it, and once lost, credentials do not come back. */
static void there_and_back(const struct listener *one, const struct listener *two)
{
    struct client_record record = CLIENT_RECORD;
    char url[96], location[96];
    snprintf(url, sizeof url, "ws://me:secret@127.0.0.1:%d/", one->port);
    ws_client *client = redirectable(url, &record, "3");
    snprintf(location, sizeof location, "ws://127.0.0.1:%d/b", two->port);
    redirect(one, 307, location);
    snprintf(location, sizeof location, "ws://127.0.0.1:%d/c", one->port);
    redirect(two, 307, location);
    arrives(one, "/c", 0, client, &record);
}

int main(void)
{
    begin();
    struct listener one = new_listener(), two = new_listener();
    char there[64];
    to(&one, 301, "/other?z", &one, "/other?z");
    to(&one, 302, "three", &one, "/one/three");
    to(&one, 302, "four?x#fragment", &one, "/one/four?x"); /* RFC 9110, 10.2.2 */
    to(&one, 307, "?only=query", &one, "/one/two?only=query");
    snprintf(there, sizeof there, "http://127.0.0.1:%d/by-http", one.port);
    to(&one, 308, there, &one, "/by-http");
    to(&one, 303, two.url, &two, "/");
    snprintf(there, sizeof there, "//127.0.0.1:%d/x", two.port);
    to(&one, 302, there, &two, "/x");
    too_many(&one);
    there_and_back(&one, &two);
    not_followed(&one, "HTTP/1.1 302 Found\r\n\r\n", WS_ERR_REDIRECT, "Location");
    not_followed(&one, "HTTP/1.1 302 Found\r\nLocation: ftp://127.0.0.1/\r\n\r\n", WS_ERR_REDIRECT, "ftp");
    not_followed(&one, "HTTP/1.1 302 Found\r\nLocation: unix:/tmp/x\r\n\r\n", WS_ERR_REDIRECT, "");
    not_followed(&one, "HTTP/1.1 302 Found\r\nLocation: wss://127.0.0.1/\r\n\r\n", WS_ERR_UNSUPPORTED, "wss");
    not_followed(&one, "HTTP/1.1 302 Found\r\nLocation: ws://me:s3cret@127.0.0.1/?s3cret\r\n\r\n", WS_ERR_REDIRECT, "127.0.0.1");
    not_followed(&one, "HTTP/1.1 302 Found\r\nLocation: wss://127.0.0.1/?s3cret\r\n\r\n", WS_ERR_UNSUPPORTED, "wss");
    close(one.fd);
    close(two.fd);
    return 0;
}
