/* broadcast: every message goes to everyone, and everyone hears who comes and goes.
 *
 *     broadcast [PORT [HOST]]
 *
 * Poll mode, the way for a program with a loop of its own: no callback is set, so wspush collects events and
 * ws_server_poll hands them out on this thread, many at a time. */
#define _POSIX_C_SOURCE 200809L
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <wspush.h>

static volatile sig_atomic_t stopping;

static void on_signal(int number)
{
    (void)number;
    stopping = 1;
}

/* Ends the program where wspush says no; its counts and ports (0 and above) pass through. */
static int check(int result)
{
    if (result < 0) {
        fprintf(stderr, "%s: %s\n", ws_error_name(result), ws_last_error());
        exit(EXIT_FAILURE);
    }
    return result;
}

static void tell_everyone(ws_server *server, const void *data, size_t length, int opcode)
{
    int status = ws_broadcast(server, data, length, opcode);

    if (status == WS_ERR_QUEUE_FULL) /* more comes in than can go out: this one is lost, and the rest goes on */
        fprintf(stderr, "not sent: %s\n", ws_last_error());
    else
        check(status);
}

static void announce(ws_server *server, ws_conn conn, const char *what)
{
    char line[64];
    int length = snprintf(line, sizeof line, "%" PRIu64 " %s", (uint64_t)conn, what);

    tell_everyone(server, line, (size_t)length, WS_TEXT);
}

static void handle(ws_server *server, const ws_event *event)
{
    switch (event->type) {
    case WS_EVENT_OPEN:
        announce(server, event->conn, "joined");
        break;
    case WS_EVENT_MESSAGE: /* its code is the opcode it came with: WS_TEXT or WS_BINARY */
        tell_everyone(server, event->data, event->length, event->code);
        break;
    case WS_EVENT_CLOSE:
        announce(server, event->conn, "left");
        break;
    case WS_EVENT_REQUEST: /* plain HTTP; whether its client is still there to read this is all one */
        ws_respond(server, event->conn, 404, NULL, "only WebSockets here\n", 21);
        break;
    }
}

int main(int argc, char **argv)
{
    int port = argc > 1 ? atoi(argv[1]) : 9001;
    const char *host = argc > 2 ? argv[2] : "127.0.0.1";
    struct sigaction action = {.sa_handler = on_signal};
    ws_server *server = ws_server_new();
    const ws_event *events;

    if (server == NULL) {
        fprintf(stderr, "%s\n", ws_last_error());
        return EXIT_FAILURE;
    }

    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);

    check(ws_server_listen(server, host, port));
    check(ws_server_start(server));
    printf("listening on %s:%d\n", host, check(ws_server_port(server, 0)));
    fflush(stdout);

    while (!stopping) {
        int count = ws_server_poll(server, &events, 500); /* half a second, should a signal arrive just before it */
        if (count == WS_ERR_INTERRUPTED)
            continue;
        check(count);
        for (int i = 0; i < count; i++)
            handle(server, &events[i]); /* an event and its data are valid until the next poll */
    }

    check(ws_server_stop(server, 5000)); /* says goodbye to every client, and waits for them five seconds at most */
    check(ws_server_free(server));
    return EXIT_SUCCESS;
}
