/* libwebsockets, one thread, its own event loop: libwebsockets_server PORT echo|broadcast
 *
 * A message may come in pieces, and is to be written when its connection is writable: so it is put together in memory of
 * its own, and waits in the queue of each receiver. */
#include <libwebsockets.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_MESSAGE = 64 << 20, PIECE = 64 << 10 };

struct message {
    int receivers; /* in whose queues it is */
    bool binary;
    size_t length;
    unsigned char data[]; /* LWS_PRE bytes, into which libwebsockets writes the frame's head, and the payload */
};

struct queued {
    struct queued *next;
    struct message *message;
};

struct session {
    struct session *next, *previous;
    struct lws *wsi;
    struct message *coming;
    struct queued *first, **last;
};

static bool broadcasting;
static struct session everyone = {.next = &everyone, .previous = &everyone};

static void join(struct session *s, struct lws *wsi)
{
    memset(s, 0, sizeof *s);
    s->wsi = wsi;
    s->last = &s->first;
    s->next = &everyone;
    s->previous = everyone.previous;
    s->next->previous = s->previous->next = s;
}

static void queue(struct session *s, struct message *message)
{
    struct queued *entry = malloc(sizeof *entry);
    *entry = (struct queued){.message = message};
    message->receivers++;
    *s->last = entry;
    s->last = &entry->next;
    lws_callback_on_writable(s->wsi);
}

static void dequeue(struct session *s)
{
    struct queued *entry = s->first;
    if ((s->first = entry->next) == NULL)
        s->last = &s->first;
    if (--entry->message->receivers == 0)
        free(entry->message);
    free(entry);
}

static void leave(struct session *s)
{
    s->next->previous = s->previous;
    s->previous->next = s->next;
    while (s->first != NULL)
        dequeue(s);
    free(s->coming);
}

/* Adds a piece to the message that is coming. */
static bool take(struct session *s, const void *piece, size_t length)
{
    size_t before = s->coming != NULL ? s->coming->length : 0;
    if (before + length > MAX_MESSAGE)
        return false;
    s->coming = realloc(s->coming, sizeof *s->coming + LWS_PRE + before + length);
    memcpy(s->coming->data + LWS_PRE + before, piece, length);
    s->coming->length = before + length;
    return true;
}

static void answer(struct session *sender)
{
    struct message *message = sender->coming;
    sender->coming = NULL;
    message->receivers = 0;
    message->binary = lws_frame_is_binary(sender->wsi);
    if (!broadcasting)
        queue(sender, message);
    else
        for (struct session *s = everyone.next; s != &everyone; s = s->next)
            queue(s, message);
}

static bool write_queue(struct session *s)
{
    while (s->first != NULL && !lws_send_pipe_choked(s->wsi)) {
        struct message *message = s->first->message;
        enum lws_write_protocol type = message->binary ? LWS_WRITE_BINARY : LWS_WRITE_TEXT;
        if (lws_write(s->wsi, message->data + LWS_PRE, message->length, type) < 0)
            return false;
        dequeue(s);
    }
    if (s->first != NULL)
        lws_callback_on_writable(s->wsi);
    return true;
}

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *session, void *data, size_t length)
{
    switch (reason) {
    case LWS_CALLBACK_ESTABLISHED:
        join(session, wsi);
        break;
    case LWS_CALLBACK_RECEIVE:
        if (!take(session, data, length))
            return -1;
        if (lws_is_final_fragment(wsi))
            answer(session);
        break;
    case LWS_CALLBACK_SERVER_WRITEABLE:
        return write_queue(session) ? 0 : -1;
    case LWS_CALLBACK_CLOSED:
        leave(session);
        break;
    default:
        break;
    }
    return 0;
}

int main(int argc, char **argv)
{
    static const struct lws_protocols protocols[] = {
        {.name = "any", .callback = on_event, .per_session_data_size = sizeof(struct session), .rx_buffer_size = PIECE,
         .tx_packet_size = MAX_MESSAGE}, {0}};
    struct lws_context_creation_info info = {
        .port = argc > 1 ? atoi(argv[1]) : 0, .iface = "127.0.0.1", .options = LWS_SERVER_OPTION_DISABLE_IPV6,
        .protocols = protocols, .pt_serv_buf_size = PIECE};

    if (argc > 1 && strcmp(argv[1], "version") == 0)
        return puts(lws_get_library_version()) < 0;
    broadcasting = argc > 2 && strcmp(argv[2], "broadcast") == 0;
    lws_set_log_level(LLL_ERR, NULL);
    struct lws_context *context = lws_create_context(&info);
    while (context != NULL && lws_service(context, 0) >= 0)
        ;
    return 1;
}
