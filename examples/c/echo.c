/* echo: every message goes back to its sender, as it came.
 *
 *     echo [PORT [HOST]]
 *
 * Callback mode, the fast way: wspush calls on_message on a thread of its own, and main only waits to be told to stop.
 * Port 0 takes any free port; the line printed at the start says which. */
#define _POSIX_C_SOURCE 200809L
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <wspush.h>

/* Ends the program where wspush says no; its counts and ports (0 and above) pass through. */
static int check(int result)
{
    if (result < 0) {
        fprintf(stderr, "%s: %s\n", ws_error_name(result), ws_last_error());
        exit(EXIT_FAILURE);
    }
    return result;
}

static void on_message(ws_server *server, ws_conn conn, const void *data, size_t length, int opcode, void *user_data)
{
    int status = ws_push(server, conn, data, length, opcode);
    (void)user_data;

    if (status == WS_OK || status == WS_ERR_CLOSED) /* the client may have left in the meantime */
        return;
    fprintf(stderr, "connection %" PRIu64 ": %s\n", (uint64_t)conn, ws_last_error());
    ws_disconnect(server, conn); /* a client that sends and does not read: WS_ERR_QUEUE_FULL */
}

int main(int argc, char **argv)
{
    int port = argc > 1 ? atoi(argv[1]) : 9001;
    const char *host = argc > 2 ? argv[2] : "127.0.0.1";
    ws_server *server = ws_server_new();
    sigset_t signals;
    int received;

    if (server == NULL) {
        fprintf(stderr, "%s\n", ws_last_error());
        return EXIT_FAILURE;
    }

    /* Ctrl-C and SIGTERM no longer kill: sigwait takes them, below. The threads of wspush take no signals. */
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);

    check(ws_server_set(server, "max_message_size", "64M"));
    check(ws_server_on_message(server, on_message, NULL));
    check(ws_server_listen(server, host, port));
    check(ws_server_start(server));
    printf("listening on %s:%d\n", host, check(ws_server_port(server, 0)));
    fflush(stdout);

    sigwait(&signals, &received);
    check(ws_server_stop(server, 5000)); /* says goodbye to every client, and waits for them five seconds at most */
    check(ws_server_free(server));
    return EXIT_SUCCESS;
}
