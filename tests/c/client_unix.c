/* A client at a Unix socket: raw, and a server of our own there. */
#include "server.h"

static char directory[] = "/tmp/wspush-test-XXXXXX", path[sizeof directory + 16];

static struct listener listen_at_path(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, strlen(path) + 1);
    return listen_on((struct sockaddr *)&address, sizeof address, 8);
}

static void with_target(const char *target, const char *expected)
{
    struct client_record record = CLIENT_RECORD;
    struct listener listener = listen_at_path();
    char url[128], line[128], host[64];
    snprintf(url, sizeof url, "unix:%s%s", path, target);
    ws_client *client = started_client(url, &record);
    int fd = ACCEPT(&listener);
    struct upgrade upgrade = receive_upgrade(fd);
    snprintf(line, sizeof line, "GET %s HTTP/1.1\r\n", expected);
    CHECK_BEGINS(line, upgrade.head);
    CHECK(header_of(upgrade.head, "Host", host, sizeof host));
    CHECK_STRING("localhost", host);
    send_101(fd, &upgrade, "");
    send_to_client(fd, "over a path");
    WAIT_CLIENT(&record, messages, 1);
    CHECK_OK(ws_client_push(client, "and back", 8, WS_TEXT));
    EXPECT_FROM_CLIENT(fd, "and back");
    close(fd);
    EXPECT_CLOSED(client, &record, 1006);
    close(listener.fd);
    unlink(path);
}

static void nobody_there(void)
{
    struct client_record record = CLIENT_RECORD, another = CLIENT_RECORD;
    char url[128];
    snprintf(url, sizeof url, "unix:%s", path);
    ws_client *client = started_client(url, &record);
    EXPECT_FAILURE(client, &record, WS_ERR_CONNECT, path);
    struct listener listener = listen_at_path(); /* a socket that nobody listens on any more */
    close(listener.fd);
    client = started_client(url, &another);
    EXPECT_FAILURE(client, &another, WS_ERR_CONNECT, "refused");
    unlink(path);
}

static void at_a_server_of_ours(void)
{
    struct client_record record = CLIENT_RECORD;
    struct record serving = RECORD;
    char url[128], host[128];
    ws_server *server = recorded_server(&serving, echo_message);
    snprintf(host, sizeof host, "unix:%s", path);
    snprintf(url, sizeof url, "unix:%s:/chat?a=b", path);
    CHECK_OK(ws_server_listen(server, host, 0));
    CHECK_OK(ws_server_start(server));
    ws_client *client = started_client(url, &record);
    WAIT_CLIENT(&record, opens, 1);
    CHECK_OK(ws_client_push(client, "hello", 5, WS_TEXT));
    WAIT_CLIENT(&record, messages, 1);
    CHECK_STRING("hello", record.text);
    CHECK_OK(ws_client_close(client, 1000, NULL, 0));
    EXPECT_CLOSED(client, &record, 1000);
    stop_and_free(server);
}

int main(void)
{
    begin();
    CHECK(mkdtemp(directory) != NULL);
    snprintf(path, sizeof path, "%s/socket", directory);
    with_target("", "/");
    with_target(":/", "/");
    with_target(":/one/two?three=4", "/one/two?three=4");
    nobody_there();
    at_a_server_of_ours();
    CHECK_INT(0, rmdir(directory));
    return 0;
}
