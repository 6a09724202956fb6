/* A client and IPv6: literal addresses, and a name that has both families, of which one answers. */
#include "server.h"

static int listen6(struct listener *listener)
{
    struct sockaddr_in6 address = {.sin6_family = AF_INET6};
    socklen_t length = sizeof address;
    address.sin6_addr = in6addr_loopback;
    int probe = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int has = probe >= 0 && bind(probe, (struct sockaddr *)&address, sizeof address) == 0;
    if (probe >= 0)
        close(probe);
    if (!has)
        return 0;
    *listener = listen_on((struct sockaddr *)&address, sizeof address, 8);
    CHECK_INT(0, getsockname(listener->fd, (struct sockaddr *)&address, &length));
    listener->port = ntohs(address.sin6_port);
    return 1;
}

/* Connects, and has the Host that the URL says. */
static void reaches(const struct listener *listener, const char *host)
{
    struct client_record record = CLIENT_RECORD;
    char url[96], expected[96], value[96];
    snprintf(url, sizeof url, "ws://%s:%d/", host, listener->port);
    snprintf(expected, sizeof expected, "%s:%d", host, listener->port);
    ws_client *client = started_client(url, &record);
    int fd = ACCEPT(listener);
    struct upgrade upgrade = receive_upgrade(fd);
    CHECK(header_of(upgrade.head, "Host", value, sizeof value));
    CHECK_STRING(expected, value);
    send_101(fd, &upgrade, "");
    WAIT_CLIENT(&record, opens, 1);
    close(fd);
    EXPECT_CLOSED(client, &record, 1006);
}

/* The zone is this machine's business: the loopback's is the interface 1, and the server is not told of it. */
static void reaches_by_zone(const struct listener *listener)
{
    struct client_record record = CLIENT_RECORD;
    char url[96], expected[96], value[96];
    snprintf(url, sizeof url, "ws://[::1%%251]:%d/", listener->port);
    snprintf(expected, sizeof expected, "[::1]:%d", listener->port);
    ws_client *client = started_client(url, &record);
    int fd = ACCEPT(listener);
    struct upgrade upgrade = receive_upgrade(fd);
    CHECK(header_of(upgrade.head, "Host", value, sizeof value));
    CHECK_STRING(expected, value);
    send_101(fd, &upgrade, "");
    WAIT_CLIENT(&record, opens, 1);
    close(fd);
    EXPECT_CLOSED(client, &record, 1006);
}

int main(void)
{
    struct listener four = new_listener(), six;
    begin();
    reaches(&four, "127.0.0.1");
    reaches(&four, "localhost"); /* whichever family comes first, the other one is tried */
    if (!listen6(&six)) {
        fprintf(stderr, "no IPv6 here\n");
        return SKIPPED;
    }
    reaches(&six, "[::1]");
    reaches_by_zone(&six);
    struct client_record record = CLIENT_RECORD;
    char url[96];
    close(six.fd);
    snprintf(url, sizeof url, "ws://[::1]:%d/", six.port);
    EXPECT_FAILURE(started_client(url, &record), &record, WS_ERR_CONNECT, "[::1]");
    close(four.fd);
    return 0;
}
