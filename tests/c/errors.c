/* Errors: each has a number, a name and a text; the detail belongs to the thread whose call failed. */
#include "harness.h"

static void every_status_has_a_name_and_a_text(void)
{
    static const char *const names[] = {
        "WS_OK", "WS_ERR_NULL", "WS_ERR_HANDLE", "WS_ERR_ARGUMENT", "WS_ERR_UTF8", "WS_ERR_OPTION", "WS_ERR_VALUE",
        "WS_ERR_STATE", "WS_ERR_STOPPED", "WS_ERR_CLOSED", "WS_ERR_QUEUE_FULL", "WS_ERR_TOO_LARGE", "WS_ERR_ADDRESS",
        "WS_ERR_ADDRESS_IN_USE", "WS_ERR_PERMISSION", "WS_ERR_SYSTEM", "WS_ERR_MEMORY", "WS_ERR_IN_CALLBACK",
        "WS_ERR_WRONG_THREAD", "WS_ERR_FORKED", "WS_ERR_INTERRUPTED", "WS_ERR_PANIC"};
    int count = (int)(sizeof names / sizeof *names);

    CHECK_INT(-count + 1, WS_ERR_PANIC); /* the numbers are part of the ABI */
    for (int i = 0; i < count; i++) {
        CHECK_STRING(names[i], ws_error_name(-i));
        CHECK(strlen(ws_strerror(-i)) > 4);
        for (int k = 0; k < i; k++)
            CHECK(strcmp(ws_strerror(-i), ws_strerror(-k)) != 0);
    }
}

static void unknown_ones_too(void)
{
    static const int unknown[] = {1, 7, -1000, -22, INT32_MAX, INT32_MIN};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        CHECK(ws_error_name(unknown[i]) != NULL && *ws_error_name(unknown[i]) != '\0');
        CHECK(ws_strerror(unknown[i]) != NULL && *ws_strerror(unknown[i]) != '\0');
    }
}

static void *another_thread(void *server)
{
    CHECK_STRING("", ws_last_error());
    CHECK_STATUS(WS_ERR_OPTION, ws_server_set(server, "colour", "blue"));
    CHECK_CONTAINS("colour", ws_last_error());
    return NULL;
}

static void the_detail_is_of_this_thread(void)
{
    ws_server *server = new_server();
    CHECK_STRING("", ws_last_error());
    CHECK_STATUS(WS_ERR_VALUE, ws_server_set(server, "max_message_size", "huge"));
    CHECK_CONTAINS("max_message_size", ws_last_error());
    CHECK_CONTAINS("huge", ws_last_error());
    join(spawn(another_thread, server));
    CHECK_CONTAINS("max_message_size", ws_last_error());

    CHECK_STATUS(WS_ERR_NULL, ws_server_set(NULL, "reactors", "1"));
    CHECK(strstr(ws_last_error(), "max_message_size") == NULL);
    CHECK_OK(ws_server_free(server));
}

int main(void)
{
    begin();
    every_status_has_a_name_and_a_text();
    unknown_ones_too();
    the_detail_is_of_this_thread();
    return 0;
}
