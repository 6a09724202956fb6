/* In poll mode the engine is run by the host while that waits for events, and by a thread of its own while the host is
 * away. However often the two take turns, nothing is lost, and what one thread pushes stays in order: small messages,
 * which gather, and large ones, which leave at once or in a buffer of their own. */
#include "harness.h"

enum { CLIENTS = 6, PUSHERS = 2, LARGEST = 90000 };

static ws_server *server;
static int echoes, pushes; /* for each client: of its own, and of each pusher */
static unsigned char filler[LARGEST];

static unsigned next(unsigned *random)
{
    *random = *random * 1664525u + 1013904223u;
    return *random >> 16;
}

/* A message that tells who it is from and its number, and has one of very different lengths. */
static size_t compose(unsigned char *out, char from, int number, unsigned random)
{
    static const size_t lengths[] = {12, 12, 40, 700, 3000, 9000, 20000, LARGEST};
    size_t length = lengths[random % (sizeof lengths / sizeof *lengths)];
    memcpy(out, filler, length);
    out[0] = (unsigned char)from;
    memcpy(out + 1, &number, sizeof number);
    return length;
}

static void push_whole(ws_conn conn, const void *data, size_t length)
{
    int status;
    while ((status = ws_push(server, conn, data, length, WS_BINARY)) == WS_ERR_QUEUE_FULL)
        sched_yield();
    CHECK_INT(WS_OK, status);
}

static void *push_to_all(void *argument)
{
    unsigned char *message = malloc(LARGEST);
    unsigned random = 1;
    for (int i = 0; i < pushes; i++) {
        for (ws_conn conn = 1; conn <= CLIENTS; conn++)
            push_whole(conn, message, compose(message, *(char *)argument, i, next(&random)));
    }
    free(message);
    return NULL;
}

/* Sends one message after the other, and reads what comes until it has everything, each kind in its order: for each
 * message of its own a short answer and the echo. */
static void *talk(void *argument)
{
    int fd = *(int *)argument, answers = 0, echoed = 0, pushed[PUSHERS] = {0};
    unsigned char *message = malloc(LARGEST);
    unsigned random = (unsigned)fd;
    size_t length = compose(message, 'e', 0, next(&random));
    send_frame(fd, FIN | BINARY, message, length);
    while (echoed < echoes || pushed[0] < pushes || pushed[1] < pushes) {
        struct frame frame = receive_frame(fd);
        int number;
        CHECK_INT(FIN | BINARY, frame.first);
        CHECK(frame.length >= 1 + sizeof number);
        memcpy(&number, frame.data + 1, sizeof number);
        if (frame.data[0] == 'a') {
            CHECK_INT(answers++, number);
            CHECK_INT(echoed, number);
        } else if (frame.data[0] == 'e') {
            CHECK_INT(echoed++, number);
            CHECK_INT(answers, echoed);
            CHECK(frame.length == length && memcmp(frame.data, message, length) == 0);
            if (echoed < echoes) {
                length = compose(message, 'e', echoed, next(&random));
                send_frame(fd, FIN | BINARY, message, length);
            }
        } else {
            CHECK(frame.data[0] < PUSHERS);
            CHECK_INT(pushed[frame.data[0]]++, number);
        }
        frame_free(&frame);
    }
    free(message);
    return NULL;
}

/* The host: mostly quick, now and then away for some milliseconds, with and without patience when it polls. */
static void serve(int messages)
{
    static const int patience[] = {-1, 0, 1, 5000};
    unsigned random = 7;
    for (int taken = 0; taken < messages;) {
        const ws_event *events;
        int count = ws_server_poll(server, &events, patience[next(&random) % 4]);
        CHECK(count >= 0);
        for (const ws_event *event = events; event < events + count; event++) {
            if (event->type == WS_EVENT_DRAIN) /* the client was behind for a while */
                continue;
            CHECK_INT(WS_EVENT_MESSAGE, event->type);
            unsigned char answer[1 + sizeof(int)] = "a";
            memcpy(answer + 1, (const char *)event->data + 1, sizeof(int));
            push_whole(event->conn, answer, sizeof answer);
            push_whole(event->conn, event->data, event->length);
            if (next(&random) % 50 == 0)
                poll(NULL, 0, (int)(next(&random) % 5));
            taken++;
        }
    }
}

int main(void)
{
    struct poller poller = {.server = NULL};
    char names[PUSHERS];
    int clients[CLIENTS];
    pthread_t pushers[PUSHERS], talkers[CLIENTS];

    begin();
    echoes = scaled(1500, 40);
    pushes = scaled(800, 20);
    for (size_t i = 0; i < LARGEST; i++)
        filler[i] = (unsigned char)(i % 251);
    poller.server = server = new_server();
    CHECK_OK(ws_server_set(server, "max_queued_bytes", "64M"));
    int port = start(server);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = client_open(port);
        CHECK_INT(i + 1, (int)EXPECT_EVENT(&poller, WS_EVENT_OPEN)->conn);
    }

    /* The host is at its own work, and does not come: the engine answers all the same. */
    int late = client_open(port);
    push_whole(1, "in time", 7);
    EXPECT_FRAME(clients[0], FIN | BINARY, "in time", 7);
    EXPECT_EVENT(&poller, WS_EVENT_OPEN);
    close(late);
    EXPECT_EVENT(&poller, WS_EVENT_CLOSE);

    for (int i = 0; i < CLIENTS; i++)
        talkers[i] = spawn(talk, &clients[i]);
    for (int i = 0; i < PUSHERS; i++) {
        names[i] = (char)i;
        pushers[i] = spawn(push_to_all, &names[i]);
    }
    serve(CLIENTS * echoes);
    for (int i = 0; i < PUSHERS; i++)
        join(pushers[i]);
    for (int i = 0; i < CLIENTS; i++)
        join(talkers[i]); /* nobody polls any more, and what was pushed arrives */
    for (int i = 0; i < CLIENTS; i++)
        close(clients[i]);
    stop_and_free(server);
    return 0;
}
