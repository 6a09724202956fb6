/* Memory stays as it is, however many connections come and go. */
#include "harness.h"
#include <malloc.h>

enum { CLIENTS = 4, CONNECTIONS = 10000 };

static struct sockaddr_un address = {.sun_family = AF_UNIX};

static void *come_and_go(void *argument)
{
    char head[1024];
    (void)argument;
    for (int i = 0; i < CONNECTIONS; i++) {
        int fd = client_of((struct sockaddr *)&address, sizeof address);
        send_upgrade(fd, "/");
        CHECK(recv(fd, head, sizeof head, 0) > 0);
        if (i % 2 == 0)
            send_close(fd, 1000, "");
        close(fd);
    }
    return NULL;
}

/* What the allocator has from the system after so many connections, in bytes. */
static int64_t memory_after_a_crowd(ws_server *server)
{
    pthread_t clients[CLIENTS];
    for (int i = 0; i < CLIENTS; i++)
        clients[i] = spawn(come_and_go, NULL);
    for (int i = 0; i < CLIENTS; i++)
        join(clients[i]);
    STATS_WHEN(server, connections_open, 0);
    return (int64_t)mallinfo2().arena;
}

int main(void)
{
    begin();
    if (under_valgrind()) {
        fprintf(stderr, "valgrind has an allocator of its own\n");
        return SKIPPED;
    }
    struct record record = RECORD;
    char directory[] = "/tmp/wspush-churn-XXXXXX", name[128];
    CHECK(mkdtemp(directory) != NULL);
    snprintf(address.sun_path, sizeof address.sun_path, "%s/socket", directory);
    snprintf(name, sizeof name, "unix:%s", address.sun_path);
    ws_server *server = recorded_server(&record, record_message);
    CHECK_OK(ws_server_listen(server, name, 0));
    CHECK_OK(ws_server_start(server));
    int64_t before = memory_after_a_crowd(server), after = memory_after_a_crowd(server);
    CHECK_INT(2 * CLIENTS * CONNECTIONS, stats_of(server).connections_closed);
    if (after - before > 300 * 1024)
        fail(HERE, "%d connections more leave %lld KiB more", CLIENTS * CONNECTIONS, (long long)(after - before) / 1024);
    stop_and_free(server);
    CHECK_INT(0, rmdir(directory));
    return 0;
}
