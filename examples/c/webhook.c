/* webhook: what is posted over HTTP is pushed to the browsers that watch.
 *
 *     webhook [PORT [HOST]]
 *
 *     curl -d 'order 7 is paid' http://127.0.0.1:9001/shop        # reaches every WebSocket at ws://127.0.0.1:9001/shop
 *
 * One port speaks both. A WebSocket is subscribed to its path as a topic; a POST to that path is published there, and
 * answered with the number of those who get it. Callback mode: the callbacks run on wspush's thread. */
#define _POSIX_C_SOURCE 200809L
#include <signal.h>
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

static void answer(ws_server *server, ws_conn conn, int status, const char *headers, const char *text)
{
    int result = ws_respond(server, conn, status, headers, text, strlen(text));

    if (result < 0 && result != WS_ERR_CLOSED) /* its client may have left */
        fprintf(stderr, "not answered: %s\n", ws_last_error());
}

static void on_open(ws_server *server, ws_conn conn, const ws_request *request, void *user_data)
{
    (void)user_data;
    if (ws_subscribe(server, conn, ws_request_path(request)) < 0) { /* too long for the name of a topic, say */
        fprintf(stderr, "not subscribed: %s\n", ws_last_error());
        ws_close(server, conn, 1008, NULL, 0);
    }
}

static void on_request(ws_server *server, ws_conn conn, const ws_request *request, void *user_data)
{
    char count[32];
    size_t length;
    const void *body = ws_request_body(request, &length);
    (void)user_data;

    if (strcmp(ws_request_method(request), "POST") != 0) {
        answer(server, conn, 405, "Allow: POST\r\n", "post something\n");
        return;
    }
    int result = ws_publish(server, ws_request_path(request), body, length, WS_TEXT, 0);
    if (result == WS_ERR_UTF8 || result == WS_ERR_ARGUMENT) {
        answer(server, conn, 400, NULL, "text in UTF-8, please, to a path of at most 255 bytes\n");
    } else if (result < 0) { /* more comes in than can go out: the caller may try again */
        answer(server, conn, 503, "Retry-After: 1\r\n", "later\n");
    } else {
        snprintf(count, sizeof count, "%d\n", result);
        answer(server, conn, 200, "Content-Type: text/plain\r\n", count);
    }
}

int main(int argc, char **argv)
{
    int port = argc > 1 ? atoi(argv[1]) : 9001, number;
    const char *host = argc > 2 ? argv[2] : "127.0.0.1";
    ws_server *server = ws_server_new();
    sigset_t signals;

    if (server == NULL) {
        fprintf(stderr, "%s\n", ws_last_error());
        return EXIT_FAILURE;
    }
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigprocmask(SIG_BLOCK, &signals, NULL);

    check(ws_server_on_open(server, on_open, NULL));
    check(ws_server_on_request(server, on_request, NULL));
    check(ws_server_listen(server, host, port));
    check(ws_server_start(server));
    printf("listening on %s:%d\n", host, check(ws_server_port(server, 0)));
    fflush(stdout);

    sigwait(&signals, &number);
    check(ws_server_stop(server, 5000)); /* says goodbye to every client, and waits for them five seconds at most */
    check(ws_server_free(server));
    return EXIT_SUCCESS;
}
