/* A relay: a server and clients in one process, each of which pushes from the callbacks of the other. What a browser sends goes
 * to the server upstream, and its answer back to that browser. */
#include "server.h"

enum { BROWSERS = 8, MESSAGES = 50 };

static struct record upstream_record = RECORD;
static ws_server *front;

struct line {
    ws_conn browser;
    ws_client *client;
    struct client_record record;
};

static struct line lines[BROWSERS];
static int opened;

static void back(ws_client *client, const void *data, size_t length, int opcode, void *user_data)
{
    struct line *line = user_data;
    CHECK(client == line->client);
    CHECK_OK(ws_push(front, line->browser, data, length, opcode));
}

/* A browser comes: a client of its own is started from inside the server's callback. */
static void browser_opens(ws_server *server, ws_conn conn, const ws_request *request, void *user_data)
{
    struct line *line = &lines[opened++];
    (void)server, (void)request;
    CHECK(opened <= BROWSERS);
    line->browser = conn;
    line->client = recorded_client(user_data, &line->record);
    CHECK_OK(ws_client_on_message(line->client, back, line));
    CHECK_OK(ws_client_set(line->client, "max_offline_bytes", "64K")); /* what the browser says before it is open */
    CHECK_OK(ws_client_start(line->client));
}

static struct line *line_of(ws_conn conn)
{
    int i = 0;
    while (i < BROWSERS && lines[i].browser != conn)
        i++;
    CHECK(i < BROWSERS);
    return &lines[i];
}

static void forth(ws_server *server, ws_conn conn, const void *data, size_t length, int opcode, void *user_data)
{
    (void)server, (void)user_data;
    CHECK_OK(ws_client_push(line_of(conn)->client, data, length, opcode));
}

static void browser_leaves(ws_server *server, ws_conn conn, int code, const void *reason, size_t length, void *user_data)
{
    (void)server, (void)code, (void)reason, (void)length, (void)user_data;
    CHECK_OK(ws_client_close(line_of(conn)->client, 1001, "the browser left", 16));
}

int main(void)
{
    char url[64], text[64];
    int fds[BROWSERS];
    begin();
    ws_server *upstream = recorded_server(&upstream_record, echo_message);
    snprintf(url, sizeof url, "ws://127.0.0.1:%d/", start(upstream));
    for (int i = 0; i < BROWSERS; i++)
        lines[i].record = (struct client_record)CLIENT_RECORD;
    front = new_server();
    CHECK_OK(ws_server_on_open(front, browser_opens, url));
    CHECK_OK(ws_server_on_message(front, forth, NULL));
    CHECK_OK(ws_server_on_close(front, browser_leaves, NULL));
    int port = start(front);

    for (int i = 0; i < BROWSERS; i++)
        fds[i] = client_open(port);
    for (int m = 0; m < MESSAGES; m++)
        for (int i = 0; i < BROWSERS; i++) {
            snprintf(text, sizeof text, "message %d of browser %d", m, i);
            send_message(fds[i], text);
        }
    for (int m = 0; m < MESSAGES; m++)
        for (int i = 0; i < BROWSERS; i++) {
            snprintf(text, sizeof text, "message %d of browser %d", m, i);
            EXPECT_MESSAGE(fds[i], text);
        }
    for (int i = 0; i < BROWSERS; i++) {
        send_close(fds[i], 1000, "");
        EXPECT_CLOSE(fds[i], 1000);
        EXPECT_END(fds[i]);
    }
    for (int i = 0; i < BROWSERS; i++)
        EXPECT_CLOSED(lines[i].client, &lines[i].record, 1001);
    WAIT_FOR(&upstream_record, closes, BROWSERS);
    CHECK_INT(BROWSERS * MESSAGES, upstream_record.messages);
    stop_and_free(front);
    stop_and_free(upstream);
    return 0;
}
