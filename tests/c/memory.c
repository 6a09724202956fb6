/* What there is no memory for is an error of the call that asked for it, WS_ERR_MEMORY, and costs nobody else anything. */
#include "harness.h"
#include "server.h"

#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

enum { HUGE_LENGTH = 300 * 1024 * 1024, SPARE = 96 * 1024 * 1024 };

static char *huge; /* zeros, of which the kernel has no page in memory */

/* Has the process get no more address space than it has, and a little. */
static void limit_memory(void)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    CHECK(file != NULL);
    CHECK_INT(1, fscanf(file, "%lu", &pages));
    fclose(file);
    struct rlimit limit;
    CHECK_INT(0, getrlimit(RLIMIT_AS, &limit));
    limit.rlim_cur = (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + SPARE;
    CHECK_INT(0, setrlimit(RLIMIT_AS, &limit));
}

static void push_much(ws_server *server, ws_conn conn, const void *data, size_t length, int opcode, void *user_data)
{
    if (length == 3) /* sent from where it lies, as far as the kernel takes it; the rest would have to be kept */
        CHECK_OK(ws_push(server, conn, huge, HUGE_LENGTH, WS_BINARY));
    CHECK_STATUS(WS_ERR_MEMORY, ws_broadcast(server, huge, HUGE_LENGTH, WS_BINARY));
    CHECK_STATUS(WS_ERR_MEMORY, ws_publish(server, "news", huge, HUGE_LENGTH, WS_BINARY, 0));
    echo_message(server, conn, data, length, opcode, user_data);
}

static void respond_much(ws_server *server, ws_conn conn, const ws_request *request, void *user_data)
{
    (void)request, (void)user_data;
    CHECK_STATUS(WS_ERR_MEMORY, ws_respond(server, conn, 200, NULL, huge, HUGE_LENGTH));
    CHECK_OK(ws_respond_begin(server, conn, 200, NULL));
    CHECK_STATUS(WS_ERR_MEMORY, ws_respond_write(server, conn, huge, HUGE_LENGTH));
    CHECK_OK(ws_respond_write(server, conn, "here", 4));
    CHECK_OK(ws_respond_end(server, conn));
}

static void of_a_server(void)
{
    struct record record = RECORD;
    char head[1024], body[4];
    ws_server *server = recorded_server(&record, push_much);
    CHECK_OK(ws_server_on_request(server, respond_much, &record));
    CHECK_OK(ws_server_set(server, "max_queued_bytes", "2G"));
    CHECK_OK(ws_server_set(server, "max_total_queued_bytes", "4G"));
    CHECK_OK(ws_server_set(server, "max_command_bytes", "2G"));
    int port = start(server), fd = client_open(port), other = client_open(port);
    WAIT_FOR(&record, opens, 2);
    ws_conn conn = record.conn;
    CHECK_OK(ws_subscribe(server, conn, "news"));
    /* From this thread, and from a callback that answers its own connection and sends to all. */
    CHECK_STATUS(WS_ERR_MEMORY, ws_push(server, conn, huge, HUGE_LENGTH, WS_BINARY));
    CHECK_STATUS(WS_ERR_MEMORY, ws_broadcast(server, huge, HUGE_LENGTH, WS_BINARY));
    CHECK_STATUS(WS_ERR_MEMORY, ws_publish(server, "news", huge, HUGE_LENGTH, WS_BINARY, 0));
    send_message(fd, "still here");
    EXPECT_MESSAGE(fd, "still here");
    int cut = client_open(port);
    WAIT_FOR(&record, opens, 3);
    send_message(cut, "big");
    WAIT_FOR(&record, closes, 1);
    CHECK_INT(1006, record.code);
    close(cut);
    int asking = client_connect(port);
    send_text(asking, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK_INT(200, receive_head(asking, head, sizeof head));
    CHECK_CONTAINS("chunked", head);
    receive_bytes(asking, body, 3);
    close(asking);
    CHECK_OK(ws_push(server, conn, "after it", 8, WS_TEXT));
    EXPECT_MESSAGE(other, "after it");
    STATS_WHEN(server, queued_bytes, 0);
    STATS_WHEN(server, command_bytes, 0);
    stop_and_free(server);
    close(fd);
    close(other);
}

static void of_a_client(void)
{
    struct client_record record = CLIENT_RECORD;
    struct listener listener = new_listener();
    ws_client *client = recorded_client(listener.url, &record);
    CHECK_OK(ws_client_set(client, "max_offline_bytes", "1G"));
    CHECK_OK(ws_client_set(client, "max_queued_bytes", "2G"));
    CHECK_OK(ws_client_set(client, "max_command_bytes", "2G"));
    CHECK_OK(ws_client_start(client));
    CHECK_STATUS(WS_ERR_MEMORY, ws_client_push(client, huge, HUGE_LENGTH, WS_BINARY)); /* to be kept */
    CHECK_OK(ws_client_push(client, "kept", 4, WS_TEXT));
    int fd = OPEN_NEXT(&listener);
    EXPECT_FROM_CLIENT(fd, "kept");
    CHECK_STATUS(WS_ERR_MEMORY, ws_client_push(client, huge, HUGE_LENGTH, WS_BINARY));
    CHECK_OK(ws_client_push(client, "sent", 4, WS_TEXT));
    EXPECT_FROM_CLIENT(fd, "sent");
    CHECK_OK(ws_client_free(client));
    close(fd);
    close(listener.fd);
}

int main(void)
{
    begin();
    if (under_valgrind()) { /* which needs address space of its own */
        puts("valgrind, or a sanitizer, needs address space of its own");
        return 77;
    }
    huge = calloc(1, HUGE_LENGTH);
    CHECK(huge != NULL);
    limit_memory();
    of_a_server();
    of_a_client();
    free(huge);
    return 0;
}
