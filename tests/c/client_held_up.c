/* Clients in a process that is held up (stopped, swapped out, on a machine that sleeps): when it goes on, their deadlines have
 * passed, and more sockets are ready than are looked at at a time. What their servers have sent meanwhile is heard before any
 * of them is given up. See held_up.c for servers. */
#include "server.h"

#include <sys/prctl.h>
#include <sys/wait.h>

/* More than the engine asks the kernel for at a time. */
enum { CLIENTS = 600, PINGS = 80 };

/* The deadline under test. */
static int timeout_ms(void)
{
    return scaled(1500, 15000);
}

static int closes;

static void host_message(ws_client *client, const void *data, size_t length, int opcode, void *user_data)
{
    (void)user_data;
    CHECK_OK(ws_client_push(client, data, length, opcode));
}

static void host_close(ws_client *client, int code, const void *reason, size_t length, void *user_data)
{
    (void)client, (void)code, (void)reason, (void)length, (void)user_data;
    __atomic_add_fetch(&closes, 1, __ATOMIC_SEQ_CST);
}

/* Has clients until the other end of the pipe is closed, none of which loses its connection. All share a thread. */
static void be_clients(const struct listener *listener, int orders)
{
    static ws_client *clients[CLIENTS];
    char value[32], byte;
    begin();
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    snprintf(value, sizeof value, "%dms", timeout_ms());
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = ws_client_new(listener->url);
        CHECK_OK(ws_client_set(clients[i], "ping_interval", "100ms"));
        CHECK_OK(ws_client_set(clients[i], "pong_timeout", value));
        CHECK_OK(ws_client_set(clients[i], "max_control_frames", "50"));
        CHECK_OK(ws_client_on_message(clients[i], host_message, NULL));
        CHECK_OK(ws_client_on_close(clients[i], host_close, NULL));
        CHECK_OK(ws_client_start(clients[i]));
    }
    CHECK_INT(0, read(orders, &byte, 1));
    CHECK_INT(0, __atomic_load_n(&closes, __ATOMIC_SEQ_CST));
    for (int i = 0; i < CLIENTS; i++)
        CHECK_OK(ws_client_free(clients[i]));
    exit(0);
}

/* The next frame that is no ping of the client's own. */
static struct frame next_frame(int fd)
{
    struct frame frame;
    while ((frame = receive_masked(fd).frame).first == (FIN | PING))
        frame_free(&frame);
    return frame;
}

int main(void)
{
    static int fds[CLIENTS];
    int orders[2], status;
    begin();
    struct listener listener = new_listener();
    CHECK_INT(0, pipe(orders));
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        close(orders[1]);
        be_clients(&listener, orders[0]);
    }
    close(orders[0]);
    for (int i = 0; i < CLIENTS; i++)
        fds[i] = OPEN_NEXT(&listener);
    for (int i = 0; i < CLIENTS; i++)
        EXPECT_MASKED(fds[i], FIN | PING, "", 0);
    CHECK_INT(0, kill(child, SIGSTOP));
    CHECK_INT(child, waitpid(child, &status, WUNTRACED));
    CHECK(WIFSTOPPED(status));
    for (int i = 0; i < CLIENTS; i++)
        send_unmasked(fds[i], FIN | PONG, "", 0);
    for (int i = 0; i < PINGS; i++) /* no more than there may be in the time that passes */
        send_unmasked(fds[0], FIN | PING, &i, sizeof i);
    poll(NULL, 0, timeout_ms() + 1000);
    CHECK_INT(0, kill(child, SIGCONT));
    for (int i = 0; i < CLIENTS; i++)
        send_to_client(fds[i], "still here");
    for (int i = 0; i < CLIENTS; i++) {
        struct frame frame;
        for (int k = 0; i == 0 && k < PINGS; k++) {
            frame = next_frame(fds[i]);
            CHECK_INT(FIN | PONG, frame.first);
            CHECK(frame.length == sizeof k && memcmp(frame.data, &k, sizeof k) == 0);
            frame_free(&frame);
        }
        frame = next_frame(fds[i]);
        CHECK_INT(FIN | TEXT, frame.first);
        CHECK_STRING("still here", (char *)frame.data);
        frame_free(&frame);
    }
    close(orders[1]);
    CHECK_INT(child, waitpid(child, &status, 0));
    CHECK(WIFEXITED(status));
    CHECK_INT(0, WEXITSTATUS(status));
    for (int i = 0; i < CLIENTS; i++)
        close(fds[i]);
    close(listener.fd);
    return 0;
}
