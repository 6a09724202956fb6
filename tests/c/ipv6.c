/* IPv6: the loopback, with or without brackets, and "::", which is every address of IPv6 and leaves IPv4 alone. */
#include "harness.h"

static int connect6(int port)
{
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    address.sin6_addr = in6addr_loopback;
    return client_of((struct sockaddr *)&address, sizeof address);
}

static int has_ipv6(void)
{
    struct sockaddr_in6 address = {.sin6_family = AF_INET6};
    address.sin6_addr = in6addr_loopback;
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int has = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0;
    if (fd >= 0)
        close(fd);
    return has;
}

static void expect_address(ws_server *server, ws_conn conn, const ws_request *request, void *user_data)
{
    struct record *record = user_data;
    snprintf(record->reason, sizeof record->reason, "%s", ws_request_remote_address(request));
    CHECK(ws_request_remote_port(request) > 0);
    record_open(server, conn, request, user_data);
}

static void on_host(const char *host)
{
    struct record record = RECORD;
    ws_server *server = recorded_server(&record, echo_message);
    CHECK_OK(ws_server_on_open(server, expect_address, &record));
    CHECK_OK(ws_server_listen(server, host, 0));
    CHECK_OK(ws_server_start(server));
    int port = ws_server_port(server, 0), fd = connect6(port);
    send_upgrade(fd, "/");
    expect_upgrade(fd);
    WAIT_FOR(&record, opens, 1);
    CHECK_STRING("::1", record.reason);
    send_message(fd, "over six");
    EXPECT_MESSAGE(fd, "over six");
    stop_and_free(server);
    close(fd);
}

/* The same port of both families, each asked for by itself. */
static void both_families(void)
{
    struct record record = RECORD, record6 = RECORD;
    ws_server *server = recorded_server(&record, echo_message), *server6 = recorded_server(&record6, echo_message);
    CHECK_OK(ws_server_listen(server, "0.0.0.0", 0));
    CHECK_OK(ws_server_start(server));
    int port = ws_server_port(server, 0);
    CHECK_OK(ws_server_listen(server6, "::", port));
    CHECK_OK(ws_server_start(server6));
    int four = client_open(port), six = connect6(port);
    send_upgrade(six, "/");
    expect_upgrade(six);
    WAIT_FOR(&record, opens, 1);
    WAIT_FOR(&record6, opens, 1);
    stop_and_free(server);
    stop_and_free(server6);
    close(four);
    close(six);
}

int main(void)
{
    begin();
    if (!has_ipv6()) {
        puts("there is no IPv6 here");
        return SKIPPED;
    }
    on_host("::1");
    on_host("[::1]");
    on_host("::");
    both_families();
    return 0;
}
