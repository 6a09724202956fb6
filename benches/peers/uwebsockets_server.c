/* uWebSockets, in C++, through its C API, which the library inside `socketify` of PyPI exports: the speed of the engine
 * without Python on top. The declarations are the part of that API that is used; the wheel brings no header.
 *
 *     uwebsockets_server PORT echo|broadcast */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct uws_app uws_app;
typedef struct uws_websocket uws_websocket;
typedef void (*uws_handler)(uws_websocket *ws, void *user_data);
typedef void (*uws_message_handler)(uws_websocket *ws, const char *data, size_t length, int opcode, void *user_data);

typedef struct {
    const char *key_file, *cert_file, *passphrase, *dh_params_file, *ca_file, *ciphers;
    int prefer_low_memory;
} uws_tls_options;

typedef struct {
    int port;
    const char *host;
    int options;
} uws_listen_options;

typedef struct {
    int compression;
    unsigned int max_payload_length;
    unsigned short idle_timeout;
    unsigned int max_backpressure;
    bool close_on_backpressure_limit, reset_idle_timeout_on_send, send_pings_automatically;
    unsigned short max_lifetime;
    void *upgrade;
    uws_handler open;
    uws_message_handler message;
    void *drain, *ping, *pong, *close, *subscription;
} uws_behavior;

uws_app *uws_create_app(int tls, uws_tls_options options);
void uws_ws(int tls, uws_app *app, const char *pattern, uws_behavior behavior, void *user_data);
void uws_app_listen_with_config(int tls, uws_app *app, uws_listen_options options,
                                void (*handler)(void *socket, uws_listen_options options, void *user_data), void *user_data);
void uws_app_run(int tls, uws_app *app);
int uws_ws_send(int tls, uws_websocket *ws, const char *data, size_t length, int opcode);
bool uws_ws_subscribe(int tls, uws_websocket *ws, const char *topic, size_t length);
bool uws_publish(int tls, uws_app *app, const char *topic, size_t topic_length, const char *data, size_t length, int opcode,
                 bool compress);

static void to_sender(uws_websocket *ws, const char *data, size_t length, int opcode, void *app)
{
    (void)app;
    uws_ws_send(0, ws, data, length, opcode);
}

static void to_all(uws_websocket *ws, const char *data, size_t length, int opcode, void *app)
{
    (void)ws;
    uws_publish(0, app, "all", 3, data, length, opcode, false);
}

static void subscribe(uws_websocket *ws, void *app)
{
    (void)app;
    uws_ws_subscribe(0, ws, "all", 3);
}

static void on_listen(void *socket, uws_listen_options options, void *user_data)
{
    (void)user_data;
    if (socket == NULL) {
        fprintf(stderr, "port %d is taken\n", options.port);
        exit(1);
    }
}

int main(int argc, char **argv)
{
    bool broadcast = argc > 2 && strcmp(argv[2], "broadcast") == 0;
    uws_listen_options address = {.port = argc > 1 ? atoi(argv[1]) : 0, .host = "127.0.0.1"};
    uws_behavior behavior = {.max_payload_length = 64 << 20, .max_backpressure = 64 << 20, .idle_timeout = 120,
                             .open = broadcast ? subscribe : NULL, .message = broadcast ? to_all : to_sender};
    uws_app *app = uws_create_app(0, (uws_tls_options){0});

    uws_ws(0, app, "/*", behavior, app);
    uws_app_listen_with_config(0, app, address, on_listen, NULL);
    uws_app_run(0, app);
    return 0;
}
