/* metrics_path: the counters as Prometheus reads them. */
#include "harness.h"

/* What is at this path, with the given method, on a connection of its own. */
static int fetch(int port, const char *method, const char *target, char *head, size_t head_size, char *body, size_t size)
{
    int fd = client_connect(port), length = 0;
    char request[256];
    snprintf(request, sizeof request, "%s %s HTTP/1.1\r\nHost: a\r\n\r\n", method, target);
    send_text(fd, request);
    int status = receive_head(fd, head, head_size);
    const char *line = strstr(head, "Content-Length: ");
    CHECK(line != NULL && sscanf(line, "Content-Length: %d", &length) == 1 && (size_t)length < size);
    if (strcmp(method, "HEAD") != 0)
        receive_bytes(fd, body, (size_t)length);
    body[strcmp(method, "HEAD") != 0 ? length : 0] = '\0';
    close(fd);
    return status;
}

/* The sum of the samples of this name over all reactors, and how many there are. */
static uint64_t sample(const char *text, const char *name, const char *label, int *count)
{
    uint64_t sum = 0;
    size_t length = strlen(name);
    *count = 0;
    for (const char *line = text; line != NULL && *line != '\0'; line = strchr(line, '\n') + 1) {
        if (strncmp(line, name, length) != 0 || line[length] != '{')
            continue;
        const char *end = strchr(line, '}');
        CHECK(end != NULL && end[1] == ' ');
        const char *found = strstr(line, label);
        if (found == NULL || found > end)
            continue;
        sum += strtoull(end + 2, NULL, 10);
        ++*count;
    }
    return sum;
}

static void told(const char *reactors)
{
    static char head[4096], body[128 * 1024];
    struct record record = RECORD;
    ws_server *server = recorded_server(&record, echo_message);
    CHECK_OK(ws_server_set(server, "metrics_path", "/metrics"));
    CHECK_OK(ws_server_set(server, "reactors", reactors));
    int port = start(server), count;
    int fd = client_open(port);
    for (int i = 0; i < 5; i++) {
        send_message(fd, "hello");
        EXPECT_MESSAGE(fd, "hello");
    }
    send_close(fd, 1000, "");
    EXPECT_CLOSE(fd, 1000);
    EXPECT_END(fd);
    fd = client_open(port);
    WAIT_FOR(&record, closes, 1);
    CHECK_INT(404, fetch(port, "GET", "/elsewhere", head, sizeof head, body, sizeof body));
    STATS_WHEN(server, connections_open, 1);

    CHECK_INT(200, fetch(port, "GET", "/metrics?x=1", head, sizeof head, body, sizeof body));
    CHECK_CONTAINS("\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n", head);
    CHECK_CONTAINS("\n# TYPE wspush_messages_in_total counter\n", body);
    CHECK_CONTAINS("\n# TYPE wspush_connections_open gauge\n", body);
    CHECK_INT(5, sample(body, "wspush_messages_in_total", "", &count));
    CHECK_INT(atoi(reactors), count);
    CHECK_INT(5, sample(body, "wspush_messages_out_total", "", &count));
    CHECK_INT(2, sample(body, "wspush_connections_open", "", &count)); /* the one that asks, too */
    CHECK_INT(1, sample(body, "wspush_refusals_total", "status=\"404\"", &count));
    CHECK_INT(1, sample(body, "wspush_closes_total", "code=\"1000\"", &count));
    CHECK_INT(stats_of(server).requests, sample(body, "wspush_requests_total", "", &count));

    CHECK_INT(200, fetch(port, "HEAD", "/metrics", head, sizeof head, body, sizeof body));
    CHECK_INT(405, fetch(port, "DELETE", "/metrics", head, sizeof head, body, sizeof body));
    CHECK_CONTAINS("\r\nAllow: GET, HEAD\r\n", head);
    CHECK_INT(404, fetch(port, "GET", "/metrics/", head, sizeof head, body, sizeof body));
    close(fd);
    stop_and_free(server);
}

static void not_unless_asked_for(void)
{
    char head[4096], body[1024];
    struct record record = RECORD;
    ws_server *server = recorded_server(&record, echo_message);
    int port = start(server);
    CHECK_INT(404, fetch(port, "GET", "/metrics", head, sizeof head, body, sizeof body));
    stop_and_free(server);
}

int main(void)
{
    begin();
    told("1");
    told("2");
    not_unless_asked_for();
    return 0;
}
