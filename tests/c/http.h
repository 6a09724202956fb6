/* What the tests of plain HTTP share: a server in poll mode, requests as its host sees them, and answers as a client reads
 * them. Include it after nothing else. */
#ifndef WSPUSH_TESTS_HTTP_H
#define WSPUSH_TESTS_HTTP_H

#include "harness.h"

#define HOST "Host: a\r\n"

/* Starts a server in poll mode; `options` are pairs of a name and a value. */
static inline int begin_server(struct poller *poller, const char *const *options)
{
    memset(poller, 0, sizeof *poller);
    poller->server = new_server();
    for (; options != NULL && *options != NULL; options += 2)
        CHECK_OK(ws_server_set(poller->server, options[0], options[1]));
    return start(poller->server);
}

/* The next event must be a request with this path and body. Returns its connection. */
#define EXPECT_REQUEST(poller, path, body) expect_request(HERE, (poller), (path), (body), strlen(body))

static inline ws_conn expect_request(const char *where, struct poller *poller, const char *path, const void *body, size_t length)
{
    size_t found = 99;
    const ws_event *event = expect_event(where, poller, WS_EVENT_REQUEST);
    const void *data = ws_request_body(event->request, &found);
    if (strcmp(path, ws_request_path(event->request)) != 0)
        fail(where, "the request is for %s, not for %s", ws_request_path(event->request), path);
    if (found != length || (length > 0 && memcmp(data, body, length) != 0))
        fail(where, "another body: %zu bytes, not %zu", found, length);
    CHECK((length == 0) == (data == NULL));
    CHECK(ws_request_body(event->request, NULL) == NULL);
    return event->conn;
}

/* Answers, and reads the answer; the connection goes on after it. */
#define ANSWER(poller, conn, fd, text) answer(HERE, (poller), (conn), (fd), (text))

static inline void receive_answer(const char *where, int fd, int status, const char *text)
{
    char head[1024], body[1024], line[64];
    last_check = where;
    CHECK_INT(status, receive_head(fd, head, sizeof head));
    snprintf(line, sizeof line, "\r\nContent-Length: %zu\r\n", strlen(text));
    CHECK_CONTAINS(line, head);
    CHECK_CONTAINS("\r\nDate: ", head);
    receive_bytes(fd, body, strlen(text));
    if (memcmp(body, text, strlen(text)) != 0)
        fail(where, "the answer is %.*s, not %s", (int)strlen(text), body, text);
}

static inline void answer(const char *where, struct poller *poller, ws_conn conn, int fd, const char *text)
{
    CHECK_OK(ws_respond(poller->server, conn, 200, NULL, text, strlen(text)));
    receive_answer(where, fd, 200, text);
}

#endif
