/* The library is a guest in the process: its threads take no signals, a broken connection raises no SIGPIPE, its
 * descriptors do not pass to other programs, and nothing is left open behind it. */
#include "harness.h"

#include <dirent.h>
#include <fcntl.h>

static char inherited[1024];

/* How many there are. Those that were there before the library are remembered; of the others all must be CLOEXEC. */
static int open_descriptors(int first)
{
    int count = 0;
    DIR *directory = opendir("/proc/self/fd");
    CHECK(directory != NULL);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        int fd = atoi(entry->d_name);
        if (entry->d_name[0] == '.' || fd == dirfd(directory))
            continue;
        count++;
        CHECK(fd >= 0);
        if (first && fd < (int)sizeof inherited)
            inherited[fd] = 1;
        if ((fd >= (int)sizeof inherited || !inherited[fd]) && (fcntl(fd, F_GETFD) & FD_CLOEXEC) == 0)
            fail(HERE, "descriptor %d would pass to other programs", fd);
    }
    closedir(directory);
    return count;
}

static int threads(uint64_t *unblocked)
{
    int count = 0;
    DIR *directory = opendir("/proc/self/task");
    CHECK(directory != NULL);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        char path[320], line[256];
        uint64_t blocked = 0;
        if (entry->d_name[0] == '.')
            continue;
        count++;
        snprintf(path, sizeof path, "/proc/self/task/%s/status", entry->d_name);
        FILE *file = fopen(path, "r");
        CHECK(file != NULL);
        while (fgets(line, sizeof line, file) != NULL)
            if (sscanf(line, "SigBlk: %" SCNx64, &blocked) == 1 && atoi(entry->d_name) != getpid())
                *unblocked |= ~blocked;
        fclose(file);
    }
    closedir(directory);
    return count;
}

static void a_broken_pipe(int port, struct record *record, ws_server *server)
{
    int opened = record->opens, fd = client_open(port);
    WAIT_FOR(record, opens, opened + 1);
    reset(fd);
    for (; ws_push(server, record->conn, "into the void", 13, WS_TEXT) != WS_ERR_CLOSED; give_way())
        ; /* SIGPIPE would end the program */
}

int main(void)
{
    struct record record = RECORD;
    uint64_t unblocked = 0;
    begin();
    int before = open_descriptors(1), threads_before = threads(&unblocked);
    for (int round = 0; round < 3; round++) {
        ws_server *server = recorded_server(&record, echo_message);
        CHECK_OK(ws_server_set(server, "reactors", "2"));
        int port = start(server), fd = client_open(port);
        WAIT_FOR(&record, opens, 2 * round + 1);
        CHECK_INT(threads_before + 2, threads(&unblocked));
        /* SIGBUS, SIGFPE, SIGILL, SIGSEGV and the two that cannot be blocked are left as they are */
        uint64_t wanted = 0;
        static const int ordinary[] = {SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGALRM, SIGTERM, SIGUSR1, SIGUSR2, SIGCHLD,
                                       SIGWINCH};
        for (size_t i = 0; i < sizeof ordinary / sizeof *ordinary; i++)
            wanted |= UINT64_C(1) << (ordinary[i] - 1);
        if (!under_valgrind()) /* which keeps masks of its own */
            CHECK_INT(0, unblocked & wanted);
        a_broken_pipe(port, &record, server);
        CHECK(open_descriptors(0) > before);
        CHECK_OK(ws_server_free(server));
        close(fd);
    }
    CHECK_INT(before, open_descriptors(0));
    int64_t deadline = now_ms() + scaled(10000, 60000);
    for (; threads(&unblocked) != threads_before; give_way()) /* one that was joined may take a moment to leave the list */
        CHECK(now_ms() < deadline);
    return 0;
}
