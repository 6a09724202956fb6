/* A host that sits somewhere else, with the batch that it took last: the engine does not go on looking for what it pushes, and
 * sends that all the same, at once. */
#include "harness.h"
#include <dirent.h>

/* How often the threads of this process have gone to sleep. */
static long sleeps(void)
{
    static const char key[] = "voluntary_ctxt_switches:";
    char path[300], line[128];
    long all = 0;
    DIR *tasks = opendir("/proc/self/task");
    struct dirent *task;
    CHECK(tasks != NULL);
    while ((task = readdir(tasks)) != NULL) {
        snprintf(path, sizeof path, "/proc/self/task/%s/status", task->d_name);
        FILE *file = fopen(path, "r");
        while (file != NULL && fgets(line, sizeof line, file) != NULL)
            if (strncmp(line, key, sizeof key - 1) == 0)
                all += atol(line + sizeof key - 1);
        if (file != NULL)
            fclose(file);
    }
    closedir(tasks);
    return all;
}

int main(void)
{
    struct poller poller = {.server = new_server()};
    int fd = client_open(start(poller.server));
    ws_conn conn = EXPECT_EVENT(&poller, WS_EVENT_OPEN)->conn;

    /* At first it looks once a millisecond. A while later it does not any more. */
    long before;
    int64_t deadline = now_ms() + scaled(20000, 120000);
    do {
        CHECK(now_ms() < deadline);
        before = sleeps();
        poll(NULL, 0, 200);
    } while (sleeps() - before > 20);

    /* What is pushed from this very batch arrives, one message after the other, though nobody polls. */
    deadline = now_ms() + scaled(10000, 60000);
    for (int i = 0; i < 100; i++) {
        char text[16];
        snprintf(text, sizeof text, "message %d", i);
        CHECK_OK(ws_push(poller.server, conn, text, strlen(text), WS_TEXT));
        EXPECT_MESSAGE(fd, text);
    }
    CHECK(now_ms() < deadline);

    /* And it goes on as ever. */
    send_message(fd, "again");
    EXPECT_EVENT(&poller, WS_EVENT_MESSAGE);
    CHECK_OK(ws_push(poller.server, conn, "still there", 11, WS_TEXT));
    EXPECT_MESSAGE(fd, "still there");
    close(fd);
    stop_and_free(poller.server);
    return 0;
}
