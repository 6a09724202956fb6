/* client: a chat on the command line. Lines of standard input are sent, what comes is printed.
 *
 *     client URL
 *
 * Poll mode in a loop of the program's own: one poll() waits for the input and for the client, whose descriptor is readable
 * while events wait. When the connection is lost the client makes another, at growing intervals; what is typed meanwhile is
 * sent then. */
#define _POSIX_C_SOURCE 200809L
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wspush.h>

/* Ends the program where wspush says no; its counts and descriptors (0 and above) pass through. */
static int check(int result)
{
    if (result < 0) {
        fprintf(stderr, "%s: %s\n", ws_error_name(result), ws_last_error());
        exit(EXIT_FAILURE);
    }
    return result;
}

static void tell(const ws_event *event)
{
    const char *data = event->data;
    switch (event->type) {
    case WS_EVENT_OPEN:
        fprintf(stderr, "connected to %s\n", ws_request_remote_address(event->request));
        break;
    case WS_EVENT_MESSAGE:
        printf("%.*s\n", (int)event->length, data);
        fflush(stdout);
        break;
    case WS_EVENT_CLOSE:
        fprintf(stderr, "closed with %d %.*s\n", event->code, (int)event->length, data);
        break;
    case WS_EVENT_ERROR:
        fprintf(stderr, "%s: %.*s\n", ws_error_name(event->code), (int)event->length, data);
        break;
    case WS_EVENT_RETRY:
        fprintf(stderr, "trying again in %d ms\n", event->code);
        break;
    default: /* others may come with later versions */
        break;
    }
}

/* Tells what has happened. 0 once the client has ended. */
static int take_events(ws_client *client)
{
    const ws_event *events;
    int count;
    while ((count = ws_client_poll(client, &events, 0)) > 0) {
        for (int i = 0; i < count; i++)
            tell(&events[i]);
    }
    if (count == WS_ERR_INTERRUPTED)
        return 1;
    return count == WS_ERR_STOPPED ? 0 : check(count) == 0;
}

/* Sends the next line. 0 at the end of the input. */
static int send_line(ws_client *client)
{
    char line[4096];
    int status;
    if (fgets(line, sizeof line, stdin) == NULL)
        return 0;
    status = ws_client_push(client, line, strcspn(line, "\n"), WS_TEXT);
    if (status != WS_OK) /* too much is kept already, or it is no UTF-8: the rest may go */
        fprintf(stderr, "%s: %s\n", ws_error_name(status), ws_last_error());
    return 1;
}

int main(int argc, char **argv)
{
    struct pollfd wait[2] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.events = POLLIN}};
    ws_client *client;
    int runs;

    if (argc != 2) {
        fprintf(stderr, "client URL\n");
        return EXIT_FAILURE;
    }
    client = ws_client_new(argv[1]);
    if (client == NULL) {
        fprintf(stderr, "%s\n", ws_last_error());
        return EXIT_FAILURE;
    }
    setvbuf(stdin, NULL, _IONBF, 0); /* poll() must not miss what stdio has read already */
    check(ws_client_set(client, "reconnect", "on"));
    check(ws_client_set(client, "max_offline_bytes", "64K"));
    check(ws_client_start(client));
    wait[1].fd = check(ws_client_event_fd(client));

    for (runs = 1; runs;) {
        if (poll(wait, 2, -1) < 0)
            continue;
        if (wait[0].revents != 0 && !send_line(client)) {
            wait[0].fd = -1;
            ws_client_close(client, 1000, "bye", 3); /* what is left is the end, which comes as an event */
        }
        if (wait[1].revents != 0)
            runs = take_events(client);
    }
    check(ws_client_free(client));
    return EXIT_SUCCESS;
}
