/* A client reads on while it has more to send than its server takes. The server may well do the same as ours does, and take
 * nothing more before its answers are read: then both would wait for each other. */
#include "server.h"

enum { LENGTH = 24 << 20 };

int main(void)
{
    struct listener listener = new_listener();
    struct client_record record = CLIENT_RECORD;
    ws_client *client = recorded_client(listener.url, &record);
    char *payload = malloc(LENGTH);
    int fd;

    CHECK(payload != NULL);
    memset(payload, 'b', LENGTH);
    CHECK_OK(ws_client_set(client, "max_queued_bytes", "8M"));
    CHECK_OK(ws_client_set(client, "high_watermark", "1M"));
    CHECK_OK(ws_client_start(client));
    fd = OPEN_NEXT(&listener);
    WAIT_CLIENT(&record, opens, 1);

    /* More than the kernels hold, so that the rest of it waits. */
    CHECK_OK(ws_client_push(client, payload, LENGTH, WS_BINARY));
    CHECK_STATUS(WS_ERR_QUEUE_FULL, ws_client_push(client, "no room", 7, WS_BINARY));
    CHECK(ws_client_queued_bytes(client) >= 8 << 20);
    for (int n = 1; n <= 3; n++) {
        send_to_client(fd, "read me");
        WAIT_CLIENT(&record, messages, n);
    }
    CHECK_STRING("read me", record.text);
    CHECK_INT(0, record.drains);

    /* It is sent all the same, and the drain told. */
    EXPECT_MASKED(fd, FIN | BINARY, payload, LENGTH);
    WAIT_CLIENT(&record, drains, 1);
    send_close_to_client(fd, 1000, "");
    EXPECT_CLOSE_FROM_CLIENT(fd, 1000);
    close(fd);
    EXPECT_CLOSED(client, &record, 1000);
    close(listener.fd);
    free(payload);
    return 0;
}
