/* What a message costs in steady state: system calls, and instructions that lock the bus, which is what locks and counters
 * shared between threads are made of. The thread that serves is stepped through, one instruction after the other, so that
 * everything the processor does is counted, inlined or not, and what the C library does as well. Allocations are
 * counted by tests/steady_state.rs.
 *
 * The server is a child; this process is its tracer and, on a second thread, its client. What is counted reaches from one
 * wait of the server to another one, and so is made up of whole turns. In poll mode the host serves on its own thread, and
 * the engine's is held meanwhile: else it would take over from a host that is thousands of times slower than any other.
 *
 *     SITES=1 build/tests/c/steady_state        prints where the locked instructions are */
#include "harness.h"

#if defined(__x86_64__)

#include "stepper.h"

#include <dirent.h>
#include <semaphore.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

/* Locked instructions that are allowed. In callback mode, for each turn: it says that it is about to wait, so that a push of
 * another thread would wake it. For a message: none. */
enum { CALLBACKS_TURN = 1, CALLBACKS_MESSAGE = 0 };

/* In poll mode, for each turn: the way of the batch to the host and back, and the seat of the reactor. For each push: what
 * waits for the connection. */
enum { POLL_TURN = 28, POLL_MESSAGE = 1 };

/* So slow a turn may see a deadline come up, or find a word changed by another thread and try again: all of them together have
 * at most so many more. */
enum { SPARE = 8 };

/* On a busy machine the tracer may hold the engine's thread in the middle of something, so that the turns are not all the same.
 * It then tries again. What costs more in every turn costs more each time. */
enum { TRIES = 5 };

enum { WARM_UP = 300, MOST_EXCHANGES = 8 };

/* Messages that leave together, and how often. */
struct load {
    int in_flight, length, exchanges;
};

static const struct load one = {1, 20, 5}, many = {32, 20, 2}, long_one = {1, 16384, 5};

/* ---- the server, a child ----------------------------------------------------------------------------------------- */

typedef void serve_fn(ws_server *server, int parent);

static void push_back(ws_server *server, ws_conn conn, const void *data, size_t length, int opcode, void *user_data)
{
    (void)user_data;
    CHECK_OK(ws_push(server, conn, data, length, opcode));
}

static void tell_port(ws_server *server, int parent)
{
    CHECK_OK(ws_server_set(server, "ping_interval", "0"));
    CHECK_OK(ws_server_set(server, "request_timeout", "1h"));
    int port = start(server);
    CHECK_INT(sizeof port, write(parent, &port, sizeof port));
}

static void callbacks(ws_server *server, int parent)
{
    char byte;
    CHECK_OK(ws_server_on_message(server, push_back, NULL));
    tell_port(server, parent);
    CHECK_INT(0, read(parent, &byte, 1)); /* until the parent has done */
}

static void poll_events(ws_server *server, int parent)
{
    const ws_event *events = NULL;
    tell_port(server, parent);
    for (;;) {
        int count = ws_server_poll(server, &events, -1);
        CHECK(count > 0 || count == WS_ERR_INTERRUPTED); /* it is, when the tracer comes */
        for (int i = 0; i < count; i++) {
            if (events[i].type == WS_EVENT_MESSAGE)
                CHECK_OK(ws_push(server, events[i].conn, events[i].data, events[i].length, events[i].code));
            else if (events[i].type == WS_EVENT_CLOSE)
                return;
        }
    }
}

static void poll_packed(ws_server *server, int parent)
{
    ws_batch batch = {.size = sizeof batch};
    ws_push_arguments arguments = {.server = server};
    tell_port(server, parent);
    for (;;) {
        int count = ws_server_poll_packed(server, &batch, -1);
        CHECK(count > 0 || count == WS_ERR_INTERRUPTED);
        for (int i = 0; i < count; i++) {
            const uint64_t *event = batch.numbers + 4 * (size_t)i;
            arguments.conn = event[0];
            arguments.opcode = (int)event[1];
            arguments.length = event[3];
            if (event[1] != 0)
                CHECK_OK(ws_push_with(&arguments, (const char *)batch.payloads + event[2]));
            else if (batch.others[event[2]].type == WS_EVENT_CLOSE)
                return;
        }
    }
}

struct server {
    pid_t process, thread; /* the thread that serves */
    pid_t keeper;          /* in poll mode: the engine's; else 0 */
    int pipe, port;
};

/* The thread of the engine, or 0 if it has not given itself its name yet. */
static pid_t engines_thread(pid_t process)
{
    char path[320], name[32];
    snprintf(path, sizeof path, "/proc/%d/task", process);
    DIR *directory = opendir(path);
    CHECK(directory != NULL);
    pid_t found = 0;
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        snprintf(path, sizeof path, "/proc/%d/task/%s/comm", process, entry->d_name);
        FILE *file = entry->d_name[0] == '.' ? NULL : fopen(path, "r");
        if (file != NULL && fgets(name, sizeof name, file) != NULL && strcmp(name, "wspush-0\n") == 0)
            found = atoi(entry->d_name);
        if (file != NULL)
            fclose(file);
    }
    closedir(directory);
    return found;
}

static struct server start_child(serve_fn *serve)
{
    int ends[2];
    struct server child = {0};
    CHECK_INT(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
    child.process = fork();
    CHECK(child.process >= 0);
    if (child.process == 0) {
        CHECK_INT(0, prctl(PR_SET_PDEATHSIG, SIGKILL));
        close(ends[0]);
        ws_server *server = new_server();
        serve(server, ends[1]);
        stop_and_free(server);
        _exit(0);
    }
    close(ends[1]);
    child.pipe = ends[0];
    CHECK_INT(sizeof child.port, read(child.pipe, &child.port, sizeof child.port));
    while ((child.thread = engines_thread(child.process)) == 0)
        give_way();
    if (serve != callbacks) {
        child.keeper = child.thread;
        child.thread = child.process;
    }
    return child;
}

static void end_child(struct server *child)
{
    int status;
    close(child->pipe);
    CHECK_INT(child->process, waitpid(child->process, &status, 0));
    CHECK_INT(0, status);
}

/* ---- its client, a thread ---------------------------------------------------------------------------------------- */

struct client {
    int fd, exchanges;
    int held, counted; /* what the tracer and the client have done */
    sem_t idle, go;
    unsigned char *frames, *answers, *received;
    size_t frames_length, answers_length;
};

static void prepare(struct client *client, struct load load)
{
    size_t length = (size_t)load.length, count = (size_t)load.in_flight, total;
    unsigned char *text = malloc(length);
    CHECK(text != NULL);
    memset(text, 'x', length);
    unsigned char *frame = make_frame(FIN | TEXT, text, length, 0x5a17c3e9, &total);
    size_t answer = total - 4, head = answer - length; /* the mask does not come back */
    client->frames_length = total * count;
    client->answers_length = answer * count;
    client->frames = malloc(total * count);
    client->answers = malloc(answer * count);
    client->received = malloc(answer * count);
    CHECK(client->frames != NULL && client->answers != NULL && client->received != NULL);
    for (size_t i = 0; i < count; i++) {
        unsigned char *at = client->answers + i * answer;
        memcpy(client->frames + i * total, frame, total);
        memcpy(at, frame, head);
        at[1] &= 0x7f;
        memcpy(at + head, text, length);
    }
    free(frame);
    free(text);
}

static void exchange(struct client *client)
{
    send_bytes(client->fd, client->frames, client->frames_length);
    receive_bytes(client->fd, client->received, client->answers_length);
    CHECK(memcmp(client->received, client->answers, client->answers_length) == 0);
}

static void *talk(void *argument)
{
    struct client *client = argument;
    for (int i = 0; i < WARM_UP || !__atomic_load_n(&client->held, __ATOMIC_SEQ_CST); i++)
        exchange(client);
    CHECK_INT(0, sem_post(&client->idle));
    CHECK_INT(0, sem_wait(&client->go));
    for (int i = 0; i < client->exchanges; i++)
        exchange(client);
    __atomic_store_n(&client->counted, 1, __ATOMIC_SEQ_CST);
    exchange(client); /* ends the wait of the server, so that the tracer gets to know */
    return NULL;
}

/* ---- the tracer -------------------------------------------------------------------------------------------------- */

struct turn {
    int instructions, locked, receives, sends, others;
};

struct counts {
    struct turn turns[MOST_EXCHANGES];
    int turn_count, other; /* a system call that is among `others` */
    struct sites locked;
};

/* Holds the engine's thread in the short wait from which it looks while the host comes and goes: there it neither has the
 * seat nor needs to be called. */
static void hold_keeper(pid_t keeper)
{
    enum { WAITED_WITH_TIMEOUT = -516 }; /* ERESTART_RESTARTBLOCK, which tracers alone get to see */
    seize(keeper);
    for (;; give_way()) {
        struct user_regs_struct registers = interrupt(keeper);
        if (registers.orig_rax == SYS_futex && (long long)registers.rax == WAITED_WITH_TIMEOUT &&
            ptrace(PTRACE_PEEKDATA, keeper, (void *)registers.r10, NULL) == 0) /* for less than a second */
            return;
        CHECK_INT(0, ptrace(PTRACE_CONT, keeper, NULL, NULL));
    }
}

static int is_wait(const struct user_regs_struct *registers)
{
    return kind_of(registers->rip) == CALL && (registers->rax == SYS_epoll_wait || registers->rax == SYS_epoll_pwait);
}

static void tally_call(struct counts *counts, struct turn *turn, uint64_t number)
{
    if (number == SYS_recvfrom) {
        turn->receives++;
    } else if (number == SYS_sendto || number == SYS_sendmsg) {
        turn->sends++;
    } else {
        turn->others++;
        counts->other = (int)number;
    }
}

static void tally(struct counts *counts, const struct user_regs_struct *registers)
{
    int wait = is_wait(registers);
    if (wait && counts->turn_count < MOST_EXCHANGES)
        counts->turn_count++;
    struct turn *turn = &counts->turns[counts->turn_count - 1];
    enum kind kind = kind_of(registers->rip);
    turn->instructions++;
    if (kind == LOCKED) {
        turn->locked++;
        add_site(&counts->locked, registers->rip);
    } else if (kind == CALL && !wait) {
        tally_call(counts, turn, registers->rax);
    }
}

/* Steps from a wait on, until the client has all its answers and the server waits again. */
static void step_through(struct counts *counts, pid_t thread, struct client *client)
{
    seize(thread);
    struct user_regs_struct registers = interrupt(thread);
    while (!is_wait(&registers))
        registers = step(thread);
    CHECK_INT(0, sem_post(&client->go));
    for (;;) {
        struct user_regs_struct next = step(thread);
        if (is_wait(&registers) && __atomic_load_n(&client->counted, __ATOMIC_SEQ_CST))
            break;
        tally(counts, &registers);
        registers = next;
    }
    CHECK_INT(0, ptrace(PTRACE_DETACH, thread, NULL, NULL));
}

static struct counts count(serve_fn *serve, struct load load)
{
    struct counts counts = {.turn_count = 0};
    struct server server = start_child(serve);
    struct client client = {.fd = client_open(server.port), .exchanges = load.exchanges};
    struct timeval no_limit = {0}; /* a server that is stepped through may take as long as it wants on a busy machine */
    CHECK_INT(0, setsockopt(client.fd, SOL_SOCKET, SO_RCVTIMEO, &no_limit, sizeof no_limit));
    CHECK_INT(0, setsockopt(client.fd, SOL_SOCKET, SO_SNDTIMEO, &no_limit, sizeof no_limit));
    alarm(60);
    CHECK_INT(0, sem_init(&client.idle, 0, 0));
    CHECK_INT(0, sem_init(&client.go, 0, 0));
    prepare(&client, load);
    pthread_t thread = spawn(talk, &client);
    if (server.keeper != 0)
        hold_keeper(server.keeper); /* while there is traffic, for it looks no longer when there is none */
    __atomic_store_n(&client.held, 1, __ATOMIC_SEQ_CST);
    CHECK_INT(0, sem_wait(&client.idle));
    step_through(&counts, server.thread, &client);
    join(thread);
    if (server.keeper != 0)
        CHECK_INT(0, ptrace(PTRACE_DETACH, server.keeper, NULL, NULL));
    free(client.frames);
    free(client.answers);
    free(client.received);
    close(client.fd);
    end_child(&server);
    return counts;
}

/* ---- the verdict ------------------------------------------------------------------------------------------------- */

static int is_steady(const struct counts *counts, struct load load)
{
    int least = counts->turns[0].locked, all = 0, others = 0;
    for (int i = 0; i < counts->turn_count; i++) {
        least = counts->turns[i].locked < least ? counts->turns[i].locked : least;
        all += counts->turns[i].locked;
        others += counts->turns[i].others;
    }
    return counts->turn_count == load.exchanges && others == 0 && all - least * counts->turn_count <= SPARE;
}

static struct counts count_steadily(serve_fn *serve, struct load load)
{
    struct counts counts = count(serve, load);
    for (int i = 1; i < TRIES && !is_steady(&counts, load); i++)
        counts = count(serve, load);
    return counts;
}

/* Checks the system calls of each turn. Returns how many locked instructions a turn has, at the least. All instructions are told but not checked: so slow, the timers have more time to catch up with. */
static int judge(const char *name, const struct counts *counts, struct load load)
{
    const struct turn *first = counts->turns;
    int least = first->locked, more = 0;
    for (int i = 0; i < counts->turn_count; i++)
        least = counts->turns[i].locked < least ? counts->turns[i].locked : least;
    printf("%-12s %5d bytes, %2d in flight: 1 wait, %d receive, %d send, %d other calls, %3d of %5d instructions locked\n",
           name, load.length, load.in_flight, first->receives, first->sends, first->others, least, first->instructions);
    if (getenv("SITES") != NULL)
        print_sites(&counts->locked);
    CHECK_INT(load.exchanges, counts->turn_count); /* one wait for each exchange */
    for (int i = 0; i < counts->turn_count; i++) {
        const struct turn *turn = &counts->turns[i];
        if (turn->receives != 1 || turn->sends != 1 || turn->others != 0)
            fail(HERE, "%s: %d receives, %d sends, %d other system calls (%d)", name, turn->receives, turn->sends,
                 turn->others, counts->other);
        more += turn->locked - least;
    }
    CHECK(more <= SPARE);
    return least;
}

static void check_locked(int most, int locked, const struct counts *counts)
{
    if (locked > most)
        print_sites(&counts->locked);
    CHECK(locked <= most);
}

static void in_callback_mode(void)
{
    static const struct load *const loads[] = {&one, &many, &long_one};
    for (size_t i = 0; i < sizeof loads / sizeof *loads; i++) {
        struct counts counts = count_steadily(callbacks, *loads[i]);
        int locked = judge("callbacks", &counts, *loads[i]);
        check_locked(CALLBACKS_TURN + loads[i]->in_flight * CALLBACKS_MESSAGE, locked, &counts);
    }
}

static void in_poll_mode(const char *name, serve_fn *serve)
{
    struct counts counts = count_steadily(serve, one);
    int of_one = judge(name, &counts, one);
    check_locked(POLL_TURN + POLL_MESSAGE, of_one, &counts);
    counts = count_steadily(serve, many);
    int of_many = judge(name, &counts, many);
    check_locked((many.in_flight - 1) * POLL_MESSAGE, of_many - of_one, &counts);
}

int main(void)
{
    begin();
    setvbuf(stdout, NULL, _IOLBF, 0); /* children have none of it */
    if (under_valgrind()) /* whose instructions they would be */
        return 0;
    in_callback_mode();
    in_poll_mode("poll", poll_events);
    in_poll_mode("poll, packed", poll_packed);
    return 0;
}

#else

int main(void)
{
    puts("the instructions of this processor are not known");
    return SKIPPED;
}

#endif
