/* Two servers in one program: a callback of one may poll the other, and each connection gets what is meant for it. */
#include "harness.h"

static ws_server *called, *polled;
static int go[2]; /* a pipe: the callback waits */

static void answer_then_poll(ws_server *server, ws_conn conn, const void *data, size_t length, int opcode, void *user_data)
{
    struct poller poller = {.server = polled};
    (void)data, (void)length, (void)opcode, (void)user_data;
    CHECK_OK(ws_push(server, conn, "to the called", 13, WS_TEXT));
    ws_conn other = EXPECT_EVENT(&poller, WS_EVENT_OPEN)->conn;
    CHECK_INT(0, ws_server_poll(polled, &poller.events, 1)); /* none waits; what comes now comes during the next wait */
    poller.next = poller.count = 0;
    CHECK_INT(1, write(go[1], "", 1));
    CHECK(EXPECT_EVENT(&poller, WS_EVENT_MESSAGE)->conn == other);
    CHECK_OK(ws_push(polled, other, "to the polled", 13, WS_TEXT));
    CHECK_INT(0, ws_server_poll(polled, &poller.events, 0));
    CHECK_OK(ws_push(server, conn, "once more", 9, WS_TEXT));
}

int main(void)
{
    char byte;
    begin();
    CHECK_INT(0, pipe(go));
    called = new_server();
    polled = new_server();
    CHECK_OK(ws_server_on_message(called, answer_then_poll, NULL));
    int one = client_open(start(called)), other = client_open(start(polled));
    send_message(one, "begin");
    CHECK_INT(1, read(go[0], &byte, 1));
    send_message(other, "comes while it is polled");
    EXPECT_MESSAGE(other, "to the polled");
    EXPECT_MESSAGE(one, "to the called");
    EXPECT_MESSAGE(one, "once more");
    stop_and_free(called);
    stop_and_free(polled);
    close(one);
    close(other);
    return 0;
}
