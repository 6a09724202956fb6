/* The client as Autobahn's fuzzingserver wants one: asks it for the number of its cases, echoes in each until it closes,
 * and has the report written.
 *
 *     client URL AGENT callback|poll */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wspush.h>

enum { MOST_CASES = 100000 };

static int polled;

/* Ends the program where wspush says no. */
static int check(int result)
{
    if (result < 0) {
        fprintf(stderr, "%s: %s\n", ws_error_name(result), ws_last_error());
        exit(EXIT_FAILURE);
    }
    return result;
}

/* A client that sends back what comes; with `count`, one that reads a number instead. */
static void take(ws_client *client, const void *data, size_t length, int opcode, int *count)
{
    char text[16] = "";
    if (count != NULL) {
        memcpy(text, data, length < sizeof text ? length : sizeof text - 1);
        *count = atoi(text);
        return;
    }
    int status = ws_client_push(client, data, length, opcode);
    if (status != WS_ERR_CLOSED) /* a case may end before its answer is pushed */
        check(status);
}

static void on_message(ws_client *client, const void *data, size_t length, int opcode, void *user_data)
{
    take(client, data, length, opcode, user_data);
}

static void refused(int status, const char *detail, size_t length)
{
    fprintf(stderr, "%s: %.*s\n", ws_error_name(status), (int)length, detail);
    exit(EXIT_FAILURE);
}

static void on_error(ws_client *client, int status, const char *detail, const ws_request *response, void *user_data)
{
    (void)client, (void)response, (void)user_data;
    refused(status, detail, strlen(detail));
}

static void poll_to_end(ws_client *client, int *count)
{
    for (;;) {
        const ws_event *events;
        int n = ws_client_poll(client, &events, -1);
        if (n == WS_ERR_STOPPED)
            return;
        for (int i = 0; i < check(n); i++) {
            if (events[i].type == WS_EVENT_MESSAGE)
                take(client, events[i].data, events[i].length, events[i].code, count);
            else if (events[i].type == WS_EVENT_ERROR)
                refused(events[i].code, events[i].data, events[i].length);
        }
    }
}

/* One connection, to its end. */
static void run(const char *url, int *count)
{
    static const char *const options[][2] = {{"max_message_size", "64M"}, {"max_queued_bytes", "64M"}};
    ws_client *client = ws_client_new(url);
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        check(ws_client_set(client, options[i][0], options[i][1]));
    if (!polled) {
        check(ws_client_on_message(client, on_message, count));
        check(ws_client_on_error(client, on_error, NULL));
    }
    check(ws_client_start(client));
    if (polled)
        poll_to_end(client, count);
    else
        check(ws_client_wait(client));
    check(ws_client_free(client));
}

int main(int argc, char **argv)
{
    char url[512];
    int count = 0;
    if (argc != 4 || (strcmp(argv[3], "callback") != 0 && strcmp(argv[3], "poll") != 0)) {
        fprintf(stderr, "usage: client URL AGENT callback|poll\n");
        return 2;
    }
    polled = strcmp(argv[3], "poll") == 0;
    snprintf(url, sizeof url, "%s/getCaseCount", argv[1]);
    run(url, &count);
    if (count < 1 || count > MOST_CASES) {
        fprintf(stderr, "%s says %d cases\n", url, count);
        return EXIT_FAILURE;
    }
    for (int i = 1; i <= count; i++) {
        snprintf(url, sizeof url, "%s/runCase?case=%d&agent=%s", argv[1], i, argv[2]);
        run(url, NULL);
    }
    snprintf(url, sizeof url, "%s/updateReports?agent=%s", argv[1], argv[2]);
    run(url, NULL);
    return EXIT_SUCCESS;
}
