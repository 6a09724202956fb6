/* Requests that come too slowly are not waited for: neither their heads nor their bodies, whatever is sent in between. */
#include "harness.h"

#define RATE "100" /* bytes a second; each request has five seconds besides */

/* A client that sends a request piece by piece. */
struct sender {
    const char *name, *request;
    size_t first;             /* bytes that it sends at once */
    int bytes, every;         /* then so many each so many milliseconds */
    int at_least, at_most;    /* how long it takes until it has its answer */
    int status;
    int fd, answered, took;
    size_t sent;
};

static char long_head[1200], long_body[1600];

static void step(struct sender *sender, int64_t now)
{
    struct pollfd there = {.fd = sender->fd, .events = POLLIN};
    size_t length = strlen(sender->request), due = sender->first;
    char head[2048];
    if (sender->every > 0)
        due += (size_t)(now / sender->every) * (size_t)sender->bytes;
    if (due > length)
        due = length;
    CHECK(poll(&there, 1, 0) >= 0);
    if (there.revents != 0) {
        sender->answered = receive_head(sender->fd, head, sizeof head);
        sender->took = (int)now;
        if (sender->answered == 408)
            CHECK_CONTAINS("Connection: close\r\n", head);
    } else if (due > sender->sent) {
        send_bytes(sender->fd, sender->request + sender->sent, due - sender->sent);
        sender->sent = due;
    }
}

static void answer(ws_server *server, ws_conn conn, const ws_request *request, void *user_data)
{
    CHECK_OK(ws_respond(server, conn, 200, NULL, "whole", 5));
    record_request(server, conn, request, user_data);
}

int main(void)
{
    static const char body_head[] = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1500\r\n\r\n";
    struct record record = RECORD;
    begin();
    strcpy(long_head, "GET / HTTP/1.1\r\nHost: a\r\nX: ");
    memset(long_head + strlen(long_head), 'x', sizeof long_head - strlen(long_head) - 5);
    memcpy(long_head + sizeof long_head - 5, "\r\n\r\n", 5);
    strcpy(long_body, body_head);
    memset(long_body + strlen(long_body), 'b', 1500);
    struct sender senders[] = {
        {"a head that drips", long_head, 1, 1, 200, 4900, 6500, 408, 0, 0, 0, 0},
        {"a head that comes quickly enough", long_head, 1, 30, 200, 7000, 9500, 200, 0, 0, 0, 0},
        {"a head that stops", long_head, 300, 0, 0, 7700, 9500, 408, 0, 0, 0, 0}, /* has paid for three seconds */
        {"a body that drips", long_body, sizeof body_head - 1, 1, 200, 5200, 7000, 408, 0, 0, 0, 0},
        {"a body that comes quickly enough", long_body, sizeof body_head - 1, 40, 200, 7000, 9500, 200, 0, 0, 0, 0},
        {"one that is there at once", long_body, sizeof long_body, 0, 0, 0, 3000, 200, 0, 0, 0, 0},
    };
    enum { SENDERS = sizeof senders / sizeof *senders };
    ws_server *server = recorded_server(&record, record_message);
    CHECK_OK(ws_server_on_request(server, answer, &record));
    CHECK_OK(ws_server_set(server, "min_receive_rate", RATE));
    CHECK_OK(ws_server_set(server, "request_timeout", "1m"));
    CHECK_OK(ws_server_set(server, "body_timeout", "1m"));
    int port = start(server), silent = client_connect(port), open = client_open(port), left = SENDERS;
    for (int i = 0; i < SENDERS; i++)
        senders[i].fd = client_connect(port);
    int64_t began = now_ms();
    while (left > 0) {
        for (int i = 0; i < SENDERS; i++) {
            if (senders[i].answered != 0)
                continue;
            step(&senders[i], now_ms() - began);
            if (senders[i].answered == 0)
                continue;
            left--;
            if (senders[i].answered != senders[i].status || senders[i].took < senders[i].at_least ||
                (senders[i].took > senders[i].at_most && !under_valgrind()))
                fail(HERE, "%s: %d after %d ms", senders[i].name, senders[i].answered, senders[i].took);
        }
        CHECK(now_ms() - began < scaled(15000, 30000));
        poll(NULL, 0, 20);
    }
    for (int i = 0; i < SENDERS; i++)
        close(senders[i].fd);
    ws_stats stats = stats_of(server);
    CHECK_INT(3, stats.slow_requests);
    CHECK_INT(3, stats.refused_408);
    CHECK_INT(0, stats.requests_timed_out);
    CHECK_INT(3, record.requests);
    send_upgrade(silent, "/"); /* who has sent nothing is not slow, and a WebSocket owes no request */
    expect_upgrade(silent);
    CHECK_OK(ws_push(server, record.conn, "there", 5, WS_TEXT));
    EXPECT_MESSAGE(silent, "there");
    CHECK_INT(2, record.opens);
    stop_and_free(server);
    close(silent);
    close(open);
    return 0;
}
