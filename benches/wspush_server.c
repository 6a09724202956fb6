/* wspush_server: what the examples have no argument for: a quiet broadcast, also by a topic, and options by name.
 *
 *     wspush_server PORT echo|broadcast|publish [NAME=VALUE...]
 *
 * Callback mode on 127.0.0.1. It announces nobody, so that a broadcast is all that is sent. */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

static void echo(ws_server *server, ws_conn conn, const void *data, size_t length, int opcode, void *user_data)
{
    (void)user_data;
    if (ws_push(server, conn, data, length, opcode) == WS_ERR_QUEUE_FULL)
        ws_disconnect(server, conn); /* it sends and does not read */
}

static void broadcast(ws_server *server, ws_conn conn, const void *data, size_t length, int opcode, void *user_data)
{
    (void)conn, (void)user_data;
    check(ws_broadcast(server, data, length, opcode));
}

static void subscribe(ws_server *server, ws_conn conn, const ws_request *request, void *user_data)
{
    (void)request, (void)user_data;
    check(ws_subscribe(server, conn, "everyone"));
}

static void publish(ws_server *server, ws_conn conn, const void *data, size_t length, int opcode, void *user_data)
{
    (void)conn, (void)user_data;
    check(ws_publish(server, "everyone", data, length, opcode, 0));
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        ws_open_fn on_open;
        ws_message_fn on_message;
    } modes[] = {{"echo", NULL, echo}, {"broadcast", NULL, broadcast}, {"publish", subscribe, publish}};
    ws_server *server = ws_server_new();
    int mode = 0;

    while (argc > 2 && mode < 3 && strcmp(argv[2], modes[mode].name) != 0)
        mode++;
    if (argc < 3 || mode == 3) {
        fprintf(stderr, "usage: wspush_server PORT echo|broadcast|publish [NAME=VALUE...]\n");
        return 2;
    }
    check(ws_server_set(server, "max_message_size", "64M"));
    for (int i = 3; i < argc; i++) {
        char *value = strchr(argv[i], '=');
        if (value == NULL) {
            fprintf(stderr, "%s: not NAME=VALUE\n", argv[i]);
            return 2;
        }
        *value++ = '\0';
        check(ws_server_set(server, argv[i], value));
    }
    check(ws_server_on_open(server, modes[mode].on_open, NULL));
    check(ws_server_on_message(server, modes[mode].on_message, NULL));
    check(ws_server_listen(server, "127.0.0.1", atoi(argv[1])));
    check(ws_server_start(server));
    printf("listening on 127.0.0.1:%d\n", check(ws_server_port(server, 0)));
    fflush(stdout);
    check(ws_server_wait(server));
    return EXIT_SUCCESS;
}
