/* wspush_client: the client of wspush in callback mode, as the other clients of the benchmarks.
 *
 *     wspush_client PORT CONNECTIONS SIZE IN_FLIGHT WARM_UP SECONDS
 *
 * All connections share the one reactor; each message that comes back is counted, and another sent. */
#define _GNU_SOURCE
#include "common.h"

#include <wspush.h>

static size_t size;
static int in_flight, opened;
static uint64_t messages;
static char *payload;

/* Ends the program where wspush says no. */
static int check(int result)
{
    if (result < 0)
        die("%s: %s", ws_error_name(result), ws_last_error());
    return result;
}

static void on_open(ws_client *client, const ws_request *response, void *user_data)
{
    (void)response, (void)user_data;
    for (int i = 0; i < in_flight; i++)
        check(ws_client_push(client, payload, size, WS_TEXT));
    __atomic_add_fetch(&opened, 1, __ATOMIC_RELAXED);
}

static void on_message(ws_client *client, const void *data, size_t length, int opcode, void *user_data)
{
    (void)data, (void)user_data;
    if (length != size)
        die("an answer of %zu bytes", length);
    __atomic_store_n(&messages, messages + 1, __ATOMIC_RELAXED);
    check(ws_client_push(client, payload, size, opcode));
}

static void on_close(ws_client *client, int code, const void *reason, size_t length, void *user_data)
{
    (void)client, (void)reason, (void)length, (void)user_data;
    die("the server hung up: %d", code);
}

static void on_error(ws_client *client, int status, const char *detail, const ws_request *response, void *user_data)
{
    (void)client, (void)response, (void)user_data;
    die("%s: %s", ws_error_name(status), detail);
}

static void wait_for(double seconds)
{
    struct timespec time = {.tv_sec = (time_t)seconds, .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9)};
    nanosleep(&time, NULL);
}

int main(int argc, char **argv)
{
    char url[64];
    if (argc != 7) {
        fprintf(stderr, "usage: wspush_client PORT CONNECTIONS SIZE IN_FLIGHT WARM_UP SECONDS\n");
        return 2;
    }
    int connections = atoi(argv[2]);
    size = (size_t)atoi(argv[3]);
    in_flight = atoi(argv[4]);
    payload = allocate(size + 1);
    memset(payload, 'x', size);
    snprintf(url, sizeof url, "ws://127.0.0.1:%s/", argv[1]);
    for (int i = 0; i < connections; i++) {
        ws_client *client = ws_client_new(url);
        check(ws_client_set(client, "max_message_size", "64M"));
        check(ws_client_on_open(client, on_open, NULL));
        check(ws_client_on_message(client, on_message, NULL));
        check(ws_client_on_close(client, on_close, NULL));
        check(ws_client_on_error(client, on_error, NULL));
        check(ws_client_start(client));
    }
    while (__atomic_load_n(&opened, __ATOMIC_RELAXED) < connections)
        wait_for(0.001);
    wait_for(atof(argv[5]));
    uint64_t before = __atomic_load_n(&messages, __ATOMIC_RELAXED), started = now_ns();
    double cpu = own_cpu();
    wait_for(atof(argv[6]));
    double seconds = (double)(now_ns() - started) / 1e9;
    printf("messages_per_second=%.0f load_cpu=%.3f\n",
           (double)(__atomic_load_n(&messages, __ATOMIC_RELAXED) - before) / seconds, (own_cpu() - cpu) / seconds);
    fflush(stdout);
    _exit(0); /* without a goodbye, which would count as a failure */
}
