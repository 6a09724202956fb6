/* Made from src/ffi by cbindgen; do not edit. */

typedef enum {
  WS_OK = 0,
  WS_ERR_NULL = -1,
  WS_ERR_HANDLE = -2,
  WS_ERR_ARGUMENT = -3,
  WS_ERR_UTF8 = -4,
  WS_ERR_OPTION = -5,
  WS_ERR_VALUE = -6,
  WS_ERR_STATE = -7,
  WS_ERR_STOPPED = -8,
  WS_ERR_CLOSED = -9,
  WS_ERR_QUEUE_FULL = -10,
  WS_ERR_TOO_LARGE = -11,
  WS_ERR_ADDRESS = -12,
  WS_ERR_ADDRESS_IN_USE = -13,
  WS_ERR_PERMISSION = -14,
  WS_ERR_SYSTEM = -15,
  WS_ERR_MEMORY = -16,
  WS_ERR_IN_CALLBACK = -17,
  WS_ERR_WRONG_THREAD = -18,
  WS_ERR_FORKED = -19,
  WS_ERR_INTERRUPTED = -20,
  WS_ERR_PANIC = -21,
  WS_ERR_LIMIT = -22,
  WS_ERR_URL = -23,
  WS_ERR_UNSUPPORTED = -24,
  WS_ERR_RESOLVE = -25,
  WS_ERR_CONNECT = -26,
  WS_ERR_CONNECT_TIMEOUT = -27,
  WS_ERR_HANDSHAKE_TIMEOUT = -28,
  WS_ERR_HANDSHAKE = -29,
  WS_ERR_ACCEPT = -30,
  WS_ERR_TRUNCATED = -31,
  WS_ERR_RESET = -32,
  WS_ERR_HTTP_STATUS = -33,
  WS_ERR_UNAUTHORIZED = -34,
  WS_ERR_UNAVAILABLE = -35,
  WS_ERR_PROXY = -36,
  WS_ERR_REDIRECT = -37,
  WS_ERR_HEAD_TOO_LARGE = -38,
} ws_status;

typedef enum {
  WS_CAUSE_NONE = 0,
  WS_CAUSE_PEER = 1,
  WS_CAUSE_HOST = 2,
  WS_CAUSE_DISCONNECT = 3,
  WS_CAUSE_STOP = 4,
  WS_CAUSE_END_OF_STREAM = 5,
  WS_CAUSE_RESET = 6,
  WS_CAUSE_NETWORK = 7,
  WS_CAUSE_PONG_TIMEOUT = 8,
  WS_CAUSE_CLOSE_TIMEOUT = 9,
  WS_CAUSE_IDLE_TIMEOUT = 10,
  WS_CAUSE_LIFETIME = 11,
  WS_CAUSE_SLOW_CLIENT = 12,
  WS_CAUSE_CONTROL_FLOOD = 13,
  WS_CAUSE_PROTOCOL = 14,
  WS_CAUSE_UTF8 = 15,
  WS_CAUSE_TOO_BIG = 16,
  WS_CAUSE_FAULT = 17,
  WS_CAUSE_MEMORY = 18,
} ws_cause;

typedef enum {
  WS_TEXT = 1,
  WS_BINARY = 2,
} ws_opcode;

typedef enum {
  WS_EVENT_OPEN = 1,
  WS_EVENT_MESSAGE = 2,
  WS_EVENT_CLOSE = 3,
  WS_EVENT_REQUEST = 4,
  WS_EVENT_HANDSHAKE = 5,
  WS_EVENT_DRAIN = 6,
  WS_EVENT_LOG = 7,
  WS_EVENT_ERROR = 8,
  WS_EVENT_RETRY = 9,
  WS_EVENT_END = 10,
  WS_EVENT_PONG = 11,
} ws_event_type;

typedef enum {
  WS_LOG_ERROR = 3,
  WS_LOG_WARNING = 4,
  WS_LOG_NOTICE = 5,
  WS_LOG_INFO = 6,
  WS_LOG_DEBUG = 7,
} ws_log_level;

typedef struct ws_client ws_client;

typedef struct ws_loop ws_loop;

typedef struct ws_request ws_request;

typedef struct ws_server ws_server;

typedef uint64_t ws_conn;

typedef void (*ws_open_fn)(ws_server *server, ws_conn conn, const ws_request *request, void *user_data);

typedef void (*ws_message_fn)(ws_server *server,
                              ws_conn conn,
                              const void *data,
                              size_t length,
                              int opcode,
                              void *user_data);

typedef void (*ws_drain_fn)(ws_server *server, ws_conn conn, void *user_data);

typedef void (*ws_close_fn)(ws_server *server,
                            ws_conn conn,
                            int code,
                            const void *reason,
                            size_t length,
                            void *user_data);

typedef void (*ws_request_fn)(ws_server *server, ws_conn conn, const ws_request *request, void *user_data);

typedef void (*ws_handshake_fn)(ws_server *server, ws_conn conn, const ws_request *request, void *user_data);

typedef struct {
  ws_server *server;
  ws_conn conn;
  size_t length;
  int opcode;
} ws_push_arguments;

typedef struct {
  size_t size;
  const char *remote_address;
  const char *local_address;
  const char *path;
  const char *subprotocol;
  uint64_t opened_ms;
  uint64_t heard_ms;
  uint64_t queued_bytes;
  int remote_port;
  int local_port;
  int topics;
} ws_conn_facts;

typedef struct {
  ws_conn conn;
  ws_client *client;
  const void *data;
  size_t length;
  const ws_request *request;
  int32_t type;
  int32_t code;
  int32_t cause;
} ws_event;

typedef struct {
  size_t size;
  const uint64_t *numbers;
  const void *payloads;
  size_t payloads_length;
  const ws_event *others;
} ws_batch;

typedef void (*ws_log_fn)(ws_server *server, int level, const char *message, void *user_data);

typedef struct {
  size_t size;
  uint64_t connections_open;
  uint64_t connections_accepted;
  uint64_t connections_closed;
  uint64_t connections_refused;
  uint64_t requests;
  uint64_t requests_refused;
  uint64_t requests_timed_out;
  uint64_t slow_requests;
  uint64_t messages_in;
  uint64_t messages_out;
  uint64_t bytes_in;
  uint64_t bytes_out;
  uint64_t protocol_errors;
  uint64_t pong_timeouts;
  uint64_t idle_timeouts;
  uint64_t close_timeouts;
  uint64_t address_refusals;
  uint64_t handshakes_dropped;
  uint64_t proxy_errors;
  uint64_t lifetimes_ended;
  uint64_t control_floods;
  uint64_t messages_shed;
  uint64_t connections_cut;
  uint64_t bytes_cut;
  uint64_t pushes_refused;
  uint64_t messages_dropped;
  uint64_t slow_clients_closed;
  uint64_t total_queued_refusals;
  uint64_t reads_paused;
  uint64_t accepts_paused;
  uint64_t host_paused;
  uint64_t logs_dropped;
  uint64_t panics;
  uint64_t queued_bytes;
  uint64_t outbox_bytes;
  uint64_t message_bytes;
  uint64_t command_bytes;
  uint64_t event_bytes;
  uint64_t refused_400;
  uint64_t refused_403;
  uint64_t refused_404;
  uint64_t refused_405;
  uint64_t refused_408;
  uint64_t refused_413;
  uint64_t refused_414;
  uint64_t refused_417;
  uint64_t refused_426;
  uint64_t refused_431;
  uint64_t refused_500;
  uint64_t refused_501;
  uint64_t refused_503;
  uint64_t refused_504;
  uint64_t refused_505;
  uint64_t refused_other;
  uint64_t closed_1000;
  uint64_t closed_1001;
  uint64_t closed_1002;
  uint64_t closed_1003;
  uint64_t closed_1005;
  uint64_t closed_1006;
  uint64_t closed_1007;
  uint64_t closed_1008;
  uint64_t closed_1009;
  uint64_t closed_1011;
  uint64_t closed_1012;
  uint64_t closed_1013;
  uint64_t closed_application;
  uint64_t closed_other;
} ws_stats;

typedef void (*ws_client_open_fn)(ws_client *client, const ws_request *response, void *user_data);

typedef void (*ws_client_message_fn)(ws_client *client, const void *data, size_t length, int opcode, void *user_data);

typedef void (*ws_client_drain_fn)(ws_client *client, void *user_data);

typedef void (*ws_client_close_fn)(ws_client *client, int code, const void *reason, size_t length, void *user_data);

typedef void (*ws_client_error_fn)(ws_client *client,
                                   int status,
                                   const char *detail,
                                   const ws_request *response,
                                   void *user_data);

typedef void (*ws_client_retry_fn)(ws_client *client, int delay_ms, void *user_data);

typedef void (*ws_client_end_fn)(ws_client *client, void *user_data);

uint32_t ws_abi_version(void);

const char *ws_version(void);

const char *ws_strerror(int status);

const char *ws_error_name(int status);

const char *ws_last_error(void);

int ws_close_cause(void);

const char *ws_cause_name(int cause);

const char *ws_cause_text(int cause);

int ws_server_error(ws_server *server, char *buffer, size_t size);

int ws_client_error(ws_client *client, char *buffer, size_t size);

int ws_loop_error(ws_loop *looping, char *buffer, size_t size);

ws_server *ws_server_new(void);

int ws_server_set(ws_server *server, const char *name, const char *value);

int ws_server_listen(ws_server *server, const char *host, int port);

int ws_server_port(ws_server *server, int listener);

int ws_server_on_open(ws_server *server, ws_open_fn callback, void *user_data);

int ws_server_on_message(ws_server *server, ws_message_fn callback, void *user_data);

int ws_server_on_drain(ws_server *server, ws_drain_fn callback, void *user_data);

int ws_server_on_close(ws_server *server, ws_close_fn callback, void *user_data);

int ws_server_on_request(ws_server *server, ws_request_fn callback, void *user_data);

int ws_server_on_handshake(ws_server *server, ws_handshake_fn callback, void *user_data);

int ws_server_start(ws_server *server);

int ws_server_wait(ws_server *server);

int ws_server_run(ws_server *server);

int ws_server_stop(ws_server *server, int timeout_ms);

int ws_server_free(ws_server *server);

int ws_push(ws_server *server, ws_conn conn, const void *data, size_t length, int opcode);

int ws_push_with(const ws_push_arguments *arguments, const void *data);

int ws_broadcast(ws_server *server, const void *data, size_t length, int opcode);

int ws_ping(ws_server *server, ws_conn conn, const void *data, size_t length);

int ws_close(ws_server *server, ws_conn conn, int code, const void *reason, size_t length);

int ws_conn_await_drain(ws_server *server, ws_conn conn);

int ws_conn_pause(ws_server *server, ws_conn conn);

int ws_conn_resume(ws_server *server, ws_conn conn);

int ws_disconnect(ws_server *server, ws_conn conn);

int ws_conn_is_open(ws_server *server, ws_conn conn);

int64_t ws_conn_queued_bytes(ws_server *server, ws_conn conn);

int64_t ws_server_connections(ws_server *server, ws_conn *ids, size_t capacity);

int ws_conn_info(ws_server *server, ws_conn conn, ws_conn_facts *facts);

int ws_client_info(ws_client *client, ws_conn_facts *facts);

int ws_subscribe(ws_server *server, ws_conn conn, const char *topic);

int ws_unsubscribe(ws_server *server, ws_conn conn, const char *topic);

int ws_publish(ws_server *server, const char *topic, const void *data, size_t length, int opcode, ws_conn except);

int ws_topic_subscribers(ws_server *server, const char *topic);

int ws_conn_topics(ws_server *server, ws_conn conn);

int ws_server_poll(ws_server *server, const ws_event **events, int timeout_ms);

int ws_server_done(ws_server *server);

int ws_server_poll_packed(ws_server *server, ws_batch *batch, int timeout_ms);

int ws_server_event_fd(ws_server *server);

int ws_server_on_log(ws_server *server, ws_log_fn callback, void *user_data);

int ws_request_status(const ws_request *request);

const char *ws_request_reason(const ws_request *request);

const char *ws_request_method(const ws_request *request);

int ws_request_version(const ws_request *request);

const char *ws_request_target(const ws_request *request);

const char *ws_request_path(const ws_request *request);

const char *ws_request_query(const ws_request *request);

const char *ws_request_header(const ws_request *request, const char *name);

int ws_request_header_count(const ws_request *request);

const char *ws_request_header_name(const ws_request *request, int index);

const char *ws_request_header_value(const ws_request *request, int index);

const void *ws_request_body(const ws_request *request, size_t *length);

const char *ws_request_subprotocol(const ws_request *request);

const char *ws_request_remote_address(const ws_request *request);

int ws_request_remote_port(const ws_request *request);

int ws_request_local_port(const ws_request *request);

int ws_respond(ws_server *server, ws_conn conn, int status, const char *headers, const void *body, size_t length);

int ws_respond_begin(ws_server *server, ws_conn conn, int status, const char *headers);

int ws_respond_write(ws_server *server, ws_conn conn, const void *data, size_t length);

int ws_respond_end(ws_server *server, ws_conn conn);

int ws_accept(ws_server *server, ws_conn conn, const char *subprotocol, const char *headers);

int ws_server_stats(ws_server *server, ws_stats *stats);

int ws_reactor_stats(ws_server *server, int reactor, ws_stats *stats);

int ws_client_stats(ws_client *client, ws_stats *stats);

ws_client *ws_client_new(const char *url);

int ws_client_set(ws_client *client, const char *name, const char *value);

int ws_client_set_url(ws_client *client, const char *url);

int ws_client_set_header(ws_client *client, const char *name, const char *value);

int ws_client_add_header(ws_client *client, const char *name, const char *value);

int ws_client_start(ws_client *client);

int ws_client_wait(ws_client *client);

int ws_client_poll(ws_client *client, const ws_event **events, int timeout_ms);

int ws_client_poll_packed(ws_client *client, ws_batch *batch, int timeout_ms);

int ws_client_done(ws_client *client);

int ws_client_event_fd(ws_client *client);

int ws_client_push(ws_client *client, const void *data, size_t length, int opcode);

int ws_client_ping(ws_client *client, const void *data, size_t length);

int ws_client_close(ws_client *client, int code, const void *reason, size_t length);

int ws_client_reconnect(ws_client *client);

int ws_client_clear_offline(ws_client *client);

int ws_client_pause(ws_client *client);

int ws_client_resume(ws_client *client);

int ws_client_is_open(ws_client *client);

int ws_client_close_code(ws_client *client, int *cause);

int64_t ws_client_queued_bytes(ws_client *client);

int ws_client_free(ws_client *client);

int ws_client_on_open(ws_client *client, ws_client_open_fn callback, void *user_data);

int ws_client_on_message(ws_client *client, ws_client_message_fn callback, void *user_data);

int ws_client_on_drain(ws_client *client, ws_client_drain_fn callback, void *user_data);

int ws_client_on_close(ws_client *client, ws_client_close_fn callback, void *user_data);

int ws_client_on_error(ws_client *client, ws_client_error_fn callback, void *user_data);

int ws_client_on_retry(ws_client *client, ws_client_retry_fn callback, void *user_data);

int ws_client_on_end(ws_client *client, ws_client_end_fn callback, void *user_data);

ws_loop *ws_loop_new(void);

int ws_loop_add(ws_loop *looping, ws_client *client);

int ws_loop_poll(ws_loop *looping, const ws_event **events, int timeout_ms);

int ws_loop_poll_packed(ws_loop *looping, ws_batch *batch, int timeout_ms);

int ws_loop_done(ws_loop *looping);

int ws_loop_event_fd(ws_loop *looping);

int ws_loop_free(ws_loop *looping);
