/* A client in poll mode, for servers that others wrote: what the words say, in their order, over one connection.
 *
 *     client URL echo|fragments|ping|close|closed...      an orderly end is the last of them
 *     client URL refused                                  prints the status, the HTTP status and the sentence
 *
 * The server echoes, but for what it is asked by a word: see others/. */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wspush.h>

enum { DEADLINE_MS = 20000, LARGEST = 1 << 20 };

static ws_client *client;

static void wrong(const char *what)
{
    fprintf(stderr, "%s\n", what);
    exit(EXIT_FAILURE);
}

/* Ends the program where wspush says no. */
static int check(int result)
{
    if (result < 0) {
        fprintf(stderr, "%s: %s\n", ws_error_name(result), ws_last_error());
        exit(EXIT_FAILURE);
    }
    return result;
}

/* The next event, which must be of this type. Valid until the next call. */
static const ws_event *next(int type)
{
    static const ws_event *events;
    static int count, at;
    while (at == count) {
        count = check(ws_client_poll(client, &events, DEADLINE_MS));
        at = 0;
        if (count == 0)
            wrong("nothing happens any more");
    }
    const ws_event *event = &events[at++];
    if (event->type != type) {
        fprintf(stderr, "the event is of type %d, not %d; code %d: %.*s\n", event->type, type, event->code,
                (int)event->length, event->data ? (const char *)event->data : "");
        exit(EXIT_FAILURE);
    }
    return event;
}

static void expect(const void *data, size_t length, int opcode)
{
    const ws_event *event = next(WS_EVENT_MESSAGE);
    if (event->code != opcode || event->length != length || memcmp(event->data, data, length) != 0) {
        fprintf(stderr, "a message of %zu bytes and opcode %d: not the right one of %zu and %d\n", event->length, event->code,
                length, opcode);
        exit(EXIT_FAILURE);
    }
}

static void say(const char *word)
{
    check(ws_client_push(client, word, strlen(word), WS_TEXT));
}

/* Text and binary in each form of length, one at a time; then many short ones at once, in order. */
static void echo(void)
{
    static const size_t lengths[] = {0, 1, 125, 126, 127, 65535, 65536, LARGEST};
    static char data[LARGEST];
    for (size_t i = 0; i < LARGEST; i++)
        data[i] = (char)('a' + i * 7 % 26);
    for (int opcode = WS_TEXT; opcode <= WS_BINARY; opcode++)
        for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
            if (opcode == WS_BINARY)
                memset(data, 0xff - (int)i, sizeof data);
            check(ws_client_push(client, data, lengths[i], opcode));
            expect(data, lengths[i], opcode);
        }
    say("h\xc3\xa9llo \xf0\x9f\x91\x8b");
    expect("h\xc3\xa9llo \xf0\x9f\x91\x8b", 11, WS_TEXT);
    for (int i = 0; i < 1000; i++) {
        snprintf(data, 16, "number %d", i);
        say(data);
    }
    for (int i = 0; i < 1000; i++)
        expect(data, (size_t)snprintf(data, 16, "number %d", i), WS_TEXT);
}

static void fragments(void)
{
    static char data[70002];
    memset(data + 1, 0xff, 70000);
    data[70001] = 1;
    say("fragments");
    expect("Hello, w\xc3\xb6rld", 13, WS_TEXT);
    expect(data, sizeof data, WS_BINARY);
}

/* Ours is answered, or the connection would not live through what follows; that ours answers, the server says. */
static void ping(void)
{
    check(ws_client_ping(client, "hello?", 6));
    say("ping");
    expect("pong", 4, WS_TEXT);
}

static void expect_close(int code, const char *reason)
{
    const ws_event *event = next(WS_EVENT_CLOSE);
    if (event->code != code || event->length != strlen(reason) || memcmp(event->data, reason, event->length) != 0) {
        fprintf(stderr, "closed with %d %.*s\n", event->code, (int)event->length, (const char *)event->data);
        exit(EXIT_FAILURE);
    }
    next(WS_EVENT_END);
    check(ws_client_free(client));
}

static void closing(void)
{
    check(ws_client_close(client, 4000, "enough", 6));
    expect_close(4000, "enough");
}

static void closed(void)
{
    say("close");
    expect_close(4001, "as you wish");
}

static void refused(void)
{
    const ws_event *event = next(WS_EVENT_ERROR);
    printf("%s %d %.*s\n", ws_error_name(event->code), event->request ? ws_request_status(event->request) : 0,
           (int)event->length, (const char *)event->data);
    next(WS_EVENT_END);
    check(ws_client_free(client));
}

int main(int argc, char **argv)
{
    static const struct {
        const char *word;
        void (*act)(void);
    } words[] = {{"echo", echo}, {"fragments", fragments}, {"ping", ping}, {"close", closing}, {"closed", closed},
                 {"refused", refused}};
    if (argc < 3)
        wrong("usage: client URL echo|fragments|ping|close|closed|refused...");
    client = ws_client_new(argv[1]);
    check(ws_client_start(client));
    if (strcmp(argv[2], "refused") != 0)
        next(WS_EVENT_OPEN);
    for (int i = 2; i < argc; i++) {
        size_t k = 0;
        while (k < sizeof words / sizeof *words && strcmp(words[k].word, argv[i]) != 0)
            k++;
        if (k == sizeof words / sizeof *words)
            wrong("no such word");
        words[k].act();
    }
    return EXIT_SUCCESS;
}
