/* A call may fail as late as in a handler of atexit or in the destructor of a thread's own data, when what the library
 * keeps for the thread is gone already: it returns its status all the same. */
#include "harness.h"

static ws_server *server, *polled;

static void fail_once_more(void)
{
    int status = ws_server_free(server);
    if (status != WS_ERR_HANDLE)
        fail(HERE, "the second free gives %s", ws_error_name(status));
    if (ws_last_error() == NULL)
        fail(HERE, "the last error is NULL");
}

static void when_the_thread_ends(void *data)
{
    (void)data;
    fail_once_more();
}

static void *fail_in_a_thread(void *key)
{
    CHECK_STATUS(WS_ERR_HANDLE, ws_server_free(server));
    CHECK_INT(0, pthread_setspecific(*(pthread_key_t *)key, key));
    return NULL;
}

/* Of a server that this thread has polled, and so has a way of its own to. */
static void free_at_last(void)
{
    int status = ws_server_free(polled);
    if (status != WS_OK)
        fail(HERE, "the free of a live server gives %s", ws_error_name(status));
}

int main(void)
{
    pthread_key_t key;
    const ws_event *events;
    begin();
    polled = new_server();
    start(polled);
    CHECK_INT(0, ws_server_poll(polled, &events, 10));
    CHECK_INT(0, atexit(free_at_last));
    CHECK_INT(0, atexit(fail_once_more));
    CHECK_INT(0, pthread_key_create(&key, when_the_thread_ends));
    server = new_server();
    CHECK_STATUS(WS_ERR_OPTION, ws_server_set(server, "nonsense", "1"));
    CHECK_OK(ws_server_free(server));
    join(spawn(fail_in_a_thread, &key));
    CHECK_INT(0, pthread_key_delete(key));
    return 0;
}
