/* wspush: a WebSocket engine in a shared library. https://www.rfc-editor.org/rfc/rfc6455
 *
 * Made from src/ffi by cbindgen; do not edit. How to begin, the options, and the conventions that hold for
 * every function are in README.md. */

#ifndef WSPUSH_H
#define WSPUSH_H

#include <stddef.h>
#include <stdint.h>

/**
 * The number of this ABI. It changes when a program that was compiled against the older header would break.
 */
#define WS_ABI_VERSION 1

/**
 * The outcome of a call. `WS_OK` is 0 and errors are negative; a number is never used again for something else.
 * What went wrong in the case at hand is told by `ws_last_error`. Each function lists its errors; besides, all that
 * take a length may give `WS_ERR_TOO_LARGE` for one that no memory has, all that act on a started server
 * `WS_ERR_STOPPED` after its stop, and every one `WS_ERR_PANIC`.
 */
typedef enum {
  /**
   * Done.
   */
  WS_OK = 0,
  /**
   * A NULL where there must be none.
   */
  WS_ERR_NULL = -1,
  /**
   * Not a live server, client or loop: freed already, or never one.
   */
  WS_ERR_HANDLE = -2,
  /**
   * An argument out of its range: an opcode, a close code, a port, a reason over 123 bytes, a bad header.
   */
  WS_ERR_ARGUMENT = -3,
  /**
   * Text or a close reason that is not UTF-8.
   */
  WS_ERR_UTF8 = -4,
  /**
   * No option has this name.
   */
  WS_ERR_OPTION = -5,
  /**
   * The option does not take this value.
   */
  WS_ERR_VALUE = -6,
  /**
   * Not at this time: started already, not started yet, or not in this mode.
   */
  WS_ERR_STATE = -7,
  /**
   * The server has stopped, and every event was taken.
   */
  WS_ERR_STOPPED = -8,
  /**
   * The connection is closed or closing, or there never was one of this id.
   */
  WS_ERR_CLOSED = -9,
  /**
   * The queue of the connection, or the one on the way to it, is full.
   */
  WS_ERR_QUEUE_FULL = -10,
  /**
   * More bytes than fit: a ping of more than 125.
   */
  WS_ERR_TOO_LARGE = -11,
  /**
   * The address cannot be read or resolved, or is not one of this machine.
   */
  WS_ERR_ADDRESS = -12,
  /**
   * Something else listens on the address.
   */
  WS_ERR_ADDRESS_IN_USE = -13,
  /**
   * The system does not allow it.
   */
  WS_ERR_PERMISSION = -14,
  /**
   * Another error of the operating system.
   */
  WS_ERR_SYSTEM = -15,
  /**
   * Out of memory or of handles.
   */
  WS_ERR_MEMORY = -16,
  /**
   * Not from inside a callback.
   */
  WS_ERR_IN_CALLBACK = -17,
  /**
   * Another thread is doing this already.
   */
  WS_ERR_WRONG_THREAD = -18,
  /**
   * The server was started in another process: start after the fork.
   */
  WS_ERR_FORKED = -19,
  /**
   * A signal handler ran during the wait, or the process was stopped and continued: call again.
   */
  WS_ERR_INTERRUPTED = -20,
  /**
   * A fault inside wspush.
   */
  WS_ERR_PANIC = -21,
  /**
   * As many as an option allows are there already.
   */
  WS_ERR_LIMIT = -22,
  /**
   * The URL of a client cannot be read.
   */
  WS_ERR_URL = -23,
  /**
   * Not built in: `wss://`, until this library speaks TLS.
   */
  WS_ERR_UNSUPPORTED = -24,
  /**
   * The name of the server has no address, or could not be looked up.
   */
  WS_ERR_RESOLVE = -25,
  /**
   * No connection: refused, unreachable, no such socket.
   */
  WS_ERR_CONNECT = -26,
  /**
   * No connection within `connect_timeout`.
   */
  WS_ERR_CONNECT_TIMEOUT = -27,
  /**
   * No whole response within `handshake_timeout`.
   */
  WS_ERR_HANDSHAKE_TIMEOUT = -28,
  /**
   * A response that makes no WebSocket: malformed, or without the fields of an upgrade, or with a choice that was not offered.
   */
  WS_ERR_HANDSHAKE = -29,
  /**
   * A response whose Sec-WebSocket-Accept does not answer our key.
   */
  WS_ERR_ACCEPT = -30,
  /**
   * The server ended the connection before its response was whole.
   */
  WS_ERR_TRUNCATED = -31,
  /**
   * The connection was reset before it opened.
   */
  WS_ERR_RESET = -32,
  /**
   * The server answered with another status than 101.
   */
  WS_ERR_HTTP_STATUS = -33,
  /**
   * The server answered with 401, or the proxy with 407.
   */
  WS_ERR_UNAUTHORIZED = -34,
  /**
   * The server answered with 503.
   */
  WS_ERR_UNAVAILABLE = -35,
  /**
   * The proxy does not let us through.
   */
  WS_ERR_PROXY = -36,
  /**
   * A redirection that is not to be followed: none is allowed, there were too many, or it leads nowhere.
   */
  WS_ERR_REDIRECT = -37,
  /**
   * A response head over `max_response_head`.
   */
  WS_ERR_HEAD_TOO_LARGE = -38,
} ws_status;

/**
 * Why a connection closed, which the close code alone does not tell: 1006 has many causes, and the same code may be the
 * peer's or ours. A number is never used again for something else. `ws_cause_text` has each in words.
 */
typedef enum {
  /**
   * Nothing was closed.
   */
  WS_CAUSE_NONE = 0,
  /**
   * The peer closed it with a Close frame, for the reason and with the code that are told: a 1009 is of the peer's limit.
   */
  WS_CAUSE_PEER = 1,
  /**
   * The host closed it, by `ws_close` or `ws_client_close`.
   */
  WS_CAUSE_HOST = 2,
  /**
   * The host cut it, by `ws_disconnect`.
   */
  WS_CAUSE_DISCONNECT = 3,
  /**
   * The server was stopped, or the client or its loop ended.
   */
  WS_CAUSE_STOP = 4,
  /**
   * The peer ended the stream without a Close frame.
   */
  WS_CAUSE_END_OF_STREAM = 5,
  /**
   * The peer, or something on the way, reset the connection.
   */
  WS_CAUSE_RESET = 6,
  /**
   * The system gave the connection up: the network is down, or the peer could not be reached for too long.
   */
  WS_CAUSE_NETWORK = 7,
  /**
   * The peer was silent after a ping: `pong_timeout`.
   */
  WS_CAUSE_PONG_TIMEOUT = 8,
  /**
   * The peer did not answer the Close frame: `close_timeout`.
   */
  WS_CAUSE_CLOSE_TIMEOUT = 9,
  /**
   * The peer sent no message for too long: `idle_timeout`.
   */
  WS_CAUSE_IDLE_TIMEOUT = 10,
  /**
   * The connection was too old: `max_lifetime`.
   */
  WS_CAUSE_LIFETIME = 11,
  /**
   * The peer read too slowly: `max_queued_bytes`, `slow_client`.
   */
  WS_CAUSE_SLOW_CLIENT = 12,
  /**
   * The peer sent too many pings and pongs: `max_control_frames`.
   */
  WS_CAUSE_CONTROL_FLOOD = 13,
  /**
   * The peer broke the protocol: 1002.
   */
  WS_CAUSE_PROTOCOL = 14,
  /**
   * The peer sent text that is not UTF-8: 1007.
   */
  WS_CAUSE_UTF8 = 15,
  /**
   * The peer sent a message beyond a limit of ours: `max_message_size`, `max_frame_size` or `max_fragments`; 1009.
   */
  WS_CAUSE_TOO_BIG = 16,
  /**
   * A fault inside wspush: 1011.
   */
  WS_CAUSE_FAULT = 17,
  /**
   * Messages that were arriving took too much memory all together, and this one had stood still the longest:
   * `max_message_bytes`; or there was no memory for what was received. 1013. Or for what was to be sent: 1006.
   */
  WS_CAUSE_MEMORY = 18,
} ws_cause;

/**
 * The type of a message (RFC 6455 section 11.8).
 */
typedef enum {
  /**
   * UTF-8 text.
   */
  WS_TEXT = 1,
  /**
   * Any bytes.
   */
  WS_BINARY = 2,
} ws_opcode;

/**
 * The type of an event.
 */
typedef enum {
  /**
   * A WebSocket connection opened; `request` is what it asked for.
   */
  WS_EVENT_OPEN = 1,
  /**
   * A message arrived: `data`, `length`, and its opcode in `code`.
   */
  WS_EVENT_MESSAGE = 2,
  /**
   * An open connection closed: the last event of it. The reason is in `data`, the close code in `code`.
   */
  WS_EVENT_CLOSE = 3,
  /**
   * A plain HTTP request, to be answered with `ws_respond`.
   */
  WS_EVENT_REQUEST = 4,
  /**
   * An upgrade, to be decided about with `ws_accept` or `ws_respond`; only with the option `decide_upgrades`.
   */
  WS_EVENT_HANDSHAKE = 5,
  /**
   * What waits to be sent to a connection has fallen: see `ws_server_on_drain`.
   */
  WS_EVENT_DRAIN = 6,
  /**
   * A message for the log: `data`, `length`, and its `ws_log_level` in `code`; of no connection, and only with the option
   * `log_events`. It is UTF-8, in one line.
   */
  WS_EVENT_LOG = 7,
  /**
   * An attempt of a client to connect failed: why in `code`, a status, and in `data`, a sentence; with the response in
   * `request`, if there was one.
   */
  WS_EVENT_ERROR = 8,
  /**
   * Behind CLOSE or ERROR of a client: another attempt follows, in `code` milliseconds.
   */
  WS_EVENT_RETRY = 9,
  /**
   * Behind CLOSE or ERROR of a client, or when it was closed before it opened: there is no other attempt. The last event of
   * it. The answer to a Close frame may be on its way yet: free the client, or poll on until `WS_ERR_STOPPED`, before the process
   * ends.
   */
  WS_EVENT_END = 10,
  /**
   * A pong arrived, with the payload of the ping that it answers in `data`; only with the client's option `pong_events`.
   */
  WS_EVENT_PONG = 11,
} ws_event_type;

/**
 * How much a message for the log matters, by the numbers of RFC 5424: the lower, the more.
 */
typedef enum {
  /**
   * A fault of ours, or of the system, that cost somebody something.
   */
  WS_LOG_ERROR = 3,
  /**
   * Something is short: descriptors, or the time of the host.
   */
  WS_LOG_WARNING = 4,
  /**
   * What happens seldom and is normal: the start, the stop.
   */
  WS_LOG_NOTICE = 5,
  /**
   * Who was refused or failed, and why.
   */
  WS_LOG_INFO = 6,
  /**
   * Who came and went.
   */
  WS_LOG_DEBUG = 7,
} ws_log_level;

/**
 * A client. Opaque, and checked as a `ws_server` is.
 */
typedef struct ws_client ws_client;

/**
 * What several clients that are polled have in common: one thread, and one queue of events. Opaque, and checked as a
 * `ws_server` is.
 */
typedef struct ws_loop ws_loop;

/**
 * The HTTP request of an open or request event; in the events of a client the response of the server, with the header fields
 * of that, and method, target, path and query of the request that it answers. Opaque. It lives as long as the event: in a callback until the callback
 * returns, in poll mode until the next `ws_server_poll`. So do the strings that these functions return; all are
 * NUL-terminated. A NULL request gives NULL, or 0.
 */
typedef struct ws_request ws_request;

/**
 * A server. Opaque: only functions of this library know what to do with it. All functions that take one check it, and
 * return `WS_ERR_HANDLE` for one that was freed.
 */
typedef struct ws_server ws_server;

/**
 * The id of a connection: from 1 to below 2^63, in the order of arrival as far as it fits, and never used again.
 */
typedef uint64_t ws_conn;

/**
 * Called when a WebSocket connection has opened. `request` is valid until the callback returns.
 */
typedef void (*ws_open_fn)(ws_server *server, ws_conn conn, const ws_request *request, void *user_data);

/**
 * Called for each message. `data` is not NUL-terminated and valid until the callback returns; `opcode` is `WS_TEXT`, and
 * then `data` is UTF-8, or `WS_BINARY`.
 */
typedef void (*ws_message_fn)(ws_server *server,
                              ws_conn conn,
                              const void *data,
                              size_t length,
                              int opcode,
                              void *user_data);

/**
 * Called when there is room again for a connection that was slow: see `ws_server_on_drain`.
 */
typedef void (*ws_drain_fn)(ws_server *server, ws_conn conn, void *user_data);

/**
 * Called once for each connection that was told as open, when it has closed; nothing is heard of it after that. `code`
 * is the close code: the peer's, or ours if we failed the connection; 1005 if the Close frame had none, 1006 if the
 * connection was lost without one. `reason` is UTF-8, not NUL-terminated, and valid until the callback returns.
 */
typedef void (*ws_close_fn)(ws_server *server,
                            ws_conn conn,
                            int code,
                            const void *reason,
                            size_t length,
                            void *user_data);

/**
 * Called for each plain HTTP request, to be answered with `ws_respond` now or later. `request` is valid until the
 * callback returns.
 */
typedef void (*ws_request_fn)(ws_server *server, ws_conn conn, const ws_request *request, void *user_data);

/**
 * Called for each upgrade that the options admit, to be accepted with `ws_accept` or refused with `ws_respond`, now or later.
 * `request` is valid until the callback returns.
 */
typedef void (*ws_handshake_fn)(ws_server *server, ws_conn conn, const ws_request *request, void *user_data);

/**
 * The arguments of `ws_push`, but for the data. They are as fixed as those are.
 */
typedef struct {
  /**
   * Whose connection it is.
   */
  ws_server *server;
  /**
   * To whom.
   */
  ws_conn conn;
  /**
   * Bytes of the payload.
   */
  size_t length;
  /**
   * `WS_TEXT` or `WS_BINARY`.
   */
  int opcode;
} ws_push_arguments;

/**
 * What is known of a WebSocket connection. Strings are UTF-8 and never NULL, and stay until the same thread asks again. It
 * may grow at its end in later versions: the caller says with `size` how much of it there is.
 */
typedef struct {
  /**
   * Set by the caller to `sizeof(ws_conn_facts)`.
   */
  size_t size;
  /**
   * Where it comes from, as `ws_request_remote_address` tells it.
   */
  const char *remote_address;
  /**
   * The IP address of ours that it came in at; "unix" over a Unix socket.
   */
  const char *local_address;
  /**
   * The path of its request, without the query; of a longer one the first 1,024 bytes.
   */
  const char *path;
  /**
   * The subprotocol that was chosen, empty if none was.
   */
  const char *subprotocol;
  /**
   * When it opened, in milliseconds of Unix time, to the hundredth of a second; by the clock of the start of the server.
   */
  uint64_t opened_ms;
  /**
   * When its peer last gave a sign of life, sent anything or took what had waited for it; in the same way.
   */
  uint64_t heard_ms;
  /**
   * Bytes that wait to be sent to it, as `ws_conn_queued_bytes` tells them.
   */
  uint64_t queued_bytes;
  /**
   * The port that it comes from; 0 over a Unix socket.
   */
  int remote_port;
  /**
   * The port of ours that it came in at; 0 over a Unix socket.
   */
  int local_port;
  /**
   * How many topics it is subscribed to.
   */
  int topics;
} ws_conn_facts;

/**
 * Something that happened, most often on a connection.
 */
typedef struct {
  /**
   * Which connection; LOG, ERROR, RETRY, END: 0.
   */
  ws_conn conn;
  /**
   * Which client; NULL in the events of a server.
   */
  ws_client *client;
  /**
   * MESSAGE, PONG: the payload; CLOSE: the reason; LOG, ERROR: the message; otherwise NULL. Not NUL-terminated.
   */
  const void *data;
  /**
   * Bytes at `data`.
   */
  size_t length;
  /**
   * OPEN, REQUEST and HANDSHAKE: the request; OPEN and ERROR of a client: the response, NULL if an ERROR has none;
   * otherwise NULL.
   */
  const ws_request *request;
  /**
   * A `ws_event_type`.
   */
  int32_t type;
  /**
   * MESSAGE: `WS_TEXT` or `WS_BINARY`. CLOSE: the close code of RFC 6455 section 7.4; 1005 if the peer gave none, 1006
   * if the connection was lost without a Close frame. LOG: the level. ERROR: the status. RETRY: milliseconds.
   */
  int32_t code;
  /**
   * CLOSE: a `ws_cause`, which says why; otherwise 0.
   */
  int32_t cause;
} ws_event;

/**
 * A batch of events in numbers, as `ws_server_poll_packed` gives it. It may grow at its end in later versions: the
 * caller says with `size` how much of it there is.
 */
typedef struct {
  /**
   * Set by the caller to `sizeof(ws_batch)`.
   */
  size_t size;
  /**
   * Four numbers for each event. Of a message: the connection, the opcode, where in `payloads` its payload begins,
   * and the length of that. Of any other event, or if the message is too large to be among `payloads`: the
   * connection, 0, its place in `others`, and 0. The address is the same for all batches of a server.
   */
  const uint64_t *numbers;
  /**
   * Where the payloads of messages lie, in one piece.
   */
  const void *payloads;
  /**
   * Bytes at `payloads`.
   */
  size_t payloads_length;
  /**
   * The events that are not told in numbers alone.
   */
  const ws_event *others;
} ws_batch;

/**
 * Called with each message for the log. `level` is a `ws_log_level`; `message` is UTF-8 in one line, NUL-terminated, and
 * valid until the callback returns.
 */
typedef void (*ws_log_fn)(ws_server *server, int level, const char *message, void *user_data);

/**
 * What a server has counted since its start, over all reactors. It may grow at its end in later versions: the caller
 * says with `size` how much of it there is.
 */
typedef struct {
  /**
   * Set by the caller to `sizeof(ws_stats)`.
   */
  size_t size;
  /**
   * Connections at this time, in whatever phase.
   */
  uint64_t connections_open;
  /**
   * Connections accepted.
   */
  uint64_t connections_accepted;
  /**
   * Connections that have ended.
   */
  uint64_t connections_closed;
  /**
   * Connections beyond a limit of connections: answered with 503, or dropped if there are very many.
   */
  uint64_t connections_refused;
  /**
   * Request heads received whole.
   */
  uint64_t requests;
  /**
   * Answers of ours with an error, 4xx or 5xx, those to connections that sent no whole request included.
   */
  uint64_t requests_refused;
  /**
   * Requests that were not whole within `request_timeout`.
   */
  uint64_t requests_timed_out;
  /**
   * Requests that came more slowly than `min_receive_rate`.
   */
  uint64_t slow_requests;
  /**
   * Messages received.
   */
  uint64_t messages_in;
  /**
   * Messages handed to the kernel or to the queue of a connection, each receiver of a broadcast counted.
   */
  uint64_t messages_out;
  /**
   * Bytes received, of everything.
   */
  uint64_t bytes_in;
  /**
   * Bytes sent, of everything.
   */
  uint64_t bytes_out;
  /**
   * Connections failed for a breach of the protocol or of a limit: 1002, 1007, 1009.
   */
  uint64_t protocol_errors;
  /**
   * Connections cut for silence after a ping.
   */
  uint64_t pong_timeouts;
  /**
   * Connections closed by `idle_timeout`.
   */
  uint64_t idle_timeouts;
  /**
   * Connections cut because the peer did not end them within `close_timeout`.
   */
  uint64_t close_timeouts;
  /**
   * Connections beyond `max_connections_per_address`, which are among those refused.
   */
  uint64_t address_refusals;
  /**
   * Connections beyond `max_pending_handshakes`, the oldest each time: answered with 503, or dropped if there are very many.
   */
  uint64_t handshakes_dropped;
  /**
   * Connections of proxies that began with no header of the PROXY protocol, or with one that is none.
   */
  uint64_t proxy_errors;
  /**
   * Connections closed by `max_lifetime`.
   */
  uint64_t lifetimes_ended;
  /**
   * Connections closed by `max_control_frames`.
   */
  uint64_t control_floods;
  /**
   * Connections closed by `max_message_bytes`, or because there was no memory for a message.
   */
  uint64_t messages_shed;
  /**
   * Connections that a stop cut, because its time was over, or `close_timeout`.
   */
  uint64_t connections_cut;
  /**
   * Bytes that waited for connections and never left, because the connection was cut or lost before.
   */
  uint64_t bytes_cut;
  /**
   * Pushes refused, or receivers of a broadcast left out, because a queue was full.
   */
  uint64_t pushes_refused;
  /**
   * Messages dropped because a queue was full, each receiver of a broadcast counted: with `slow_client` as drop.
   */
  uint64_t messages_dropped;
  /**
   * Connections closed because their queue was full: with `slow_client` as close_1008 or close_1013.
   */
  uint64_t slow_clients_closed;
  /**
   * Messages, and receivers of one, that were refused, dropped, or closed for, and responses answered with 503, only because
   * `max_total_queued_bytes` waited for all. They are in the counters of those, too.
   */
  uint64_t total_queued_refusals;
  /**
   * Times that reading from a connection paused because it did not take what was sent to it.
   */
  uint64_t reads_paused;
  /**
   * Times that accepting paused because there were no descriptors left, or an inherited listener was shut down.
   */
  uint64_t accepts_paused;
  /**
   * Times that all reading paused because the host did not take its events.
   */
  uint64_t host_paused;
  /**
   * Messages for the log that were left out: there were more than 100 of a kind in a second, or the host did not take its events.
   */
  uint64_t logs_dropped;
  /**
   * Faults inside wspush that cost a connection.
   */
  uint64_t panics;
  /**
   * Bytes that wait for connections to take them, in all.
   */
  uint64_t queued_bytes;
  /**
   * Those of them that wait in the outboxes of connections, which `max_total_queued_bytes` bounds.
   */
  uint64_t outbox_bytes;
  /**
   * Bytes of memory that messages take which are still arriving.
   */
  uint64_t message_bytes;
  /**
   * Bytes of pushes and commands of other threads that wait for a reactor, each receiver of a message to many counted.
   */
  uint64_t command_bytes;
  /**
   * Poll mode: bytes of events that wait for the host, in the one queue of all reactors: told of reactor 0.
   */
  uint64_t event_bytes;
  /**
   * Requests refused with 400: the request is no HTTP that is taken here.
   */
  uint64_t refused_400;
  /**
   * Requests refused with 403: the page's Origin is not allowed.
   */
  uint64_t refused_403;
  /**
   * Requests refused with 404: there is nothing there.
   */
  uint64_t refused_404;
  /**
   * Requests refused with 405: the method is not served.
   */
  uint64_t refused_405;
  /**
   * Requests refused with 408: it was not whole in time, or the connection's time was over.
   */
  uint64_t refused_408;
  /**
   * Requests refused with 413: its body is too long.
   */
  uint64_t refused_413;
  /**
   * Requests refused with 414: its target is too long.
   */
  uint64_t refused_414;
  /**
   * Requests refused with 417: it expects what cannot be met.
   */
  uint64_t refused_417;
  /**
   * Requests refused with 426: another version of the WebSocket protocol is needed.
   */
  uint64_t refused_426;
  /**
   * Requests refused with 431: its head is too long.
   */
  uint64_t refused_431;
  /**
   * Requests refused with 500: a fault inside wspush.
   */
  uint64_t refused_500;
  /**
   * Requests refused with 501: it asks for what is not implemented.
   */
  uint64_t refused_501;
  /**
   * Requests refused with 503: there are too many, or the server stops.
   */
  uint64_t refused_503;
  /**
   * Requests refused with 504: the host did not answer in time.
   */
  uint64_t refused_504;
  /**
   * Requests refused with 505: another version of HTTP is needed.
   */
  uint64_t refused_505;
  /**
   * Requests refused with any other status. All of these together are `requests_refused`.
   */
  uint64_t refused_other;
  /**
   * WebSockets that closed with 1000: normal.
   */
  uint64_t closed_1000;
  /**
   * WebSockets that closed with 1001: going away.
   */
  uint64_t closed_1001;
  /**
   * WebSockets that closed with 1002: a breach of the protocol.
   */
  uint64_t closed_1002;
  /**
   * WebSockets that closed with 1003: data of a kind that is not taken.
   */
  uint64_t closed_1003;
  /**
   * WebSockets that closed with 1005: a Close without a code.
   */
  uint64_t closed_1005;
  /**
   * WebSockets that closed with 1006: lost without a Close.
   */
  uint64_t closed_1006;
  /**
   * WebSockets that closed with 1007: text that is not UTF-8, or other data that is not what it is said to be.
   */
  uint64_t closed_1007;
  /**
   * WebSockets that closed with 1008: a breach of a policy.
   */
  uint64_t closed_1008;
  /**
   * WebSockets that closed with 1009: a message that is too long.
   */
  uint64_t closed_1009;
  /**
   * WebSockets that closed with 1011: an error inside.
   */
  uint64_t closed_1011;
  /**
   * WebSockets that closed with 1012: the service restarts.
   */
  uint64_t closed_1012;
  /**
   * WebSockets that closed with 1013: try again later.
   */
  uint64_t closed_1013;
  /**
   * WebSockets that closed with a code of the application's, 3000 to 4999.
   */
  uint64_t closed_application;
  /**
   * WebSockets that closed with any other code. All of these together are the closes told to the host.
   */
  uint64_t closed_other;
} ws_stats;

/**
 * Called when the connection of a client has opened. `response` is what the server answered, with status 101; it is valid
 * until the callback returns.
 */
typedef void (*ws_client_open_fn)(ws_client *client, const ws_request *response, void *user_data);

/**
 * Called for each message. `data` is not NUL-terminated and valid until the callback returns; `opcode` is `WS_TEXT`, and
 * then `data` is UTF-8, or `WS_BINARY`.
 */
typedef void (*ws_client_message_fn)(ws_client *client, const void *data, size_t length, int opcode, void *user_data);

/**
 * Called when there is room again for what is pushed: see `ws_server_on_drain`.
 */
typedef void (*ws_client_drain_fn)(ws_client *client, void *user_data);

/**
 * Called once for each connection that was told as open, when it has closed. `code` is the close code: the server's, or ours
 * if we failed the connection; 1005 if the Close frame had none, 1006 if the connection was lost without one. `ws_close_cause` says why. `reason` is
 * UTF-8, not NUL-terminated, and valid until the callback returns.
 */
typedef void (*ws_client_close_fn)(ws_client *client, int code, const void *reason, size_t length, void *user_data);

/**
 * Called when an attempt to connect has failed. `status` is a `ws_status`, `detail` says what was tried, on what, and what to
 * do about it; it is UTF-8 and NUL-terminated. `response` is what the server or the proxy answered, NULL if that was nothing.
 * Both are valid until the callback returns.
 */
typedef void (*ws_client_error_fn)(ws_client *client,
                                   int status,
                                   const char *detail,
                                   const ws_request *response,
                                   void *user_data);

/**
 * Called behind a close or an error: another attempt to connect follows, in `delay_ms` milliseconds.
 */
typedef void (*ws_client_retry_fn)(ws_client *client, int delay_ms, void *user_data);

/**
 * Called behind a close or an error, or when a client was closed before it opened: there is no other attempt. The last that is
 * heard of the client.
 */
typedef void (*ws_client_end_fn)(ws_client *client, void *user_data);

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The number of the ABI, `WS_ABI_VERSION` of the header that the library was built with. A host that loads the
 * library at run time compares it with the one it was written for. Any thread, any time.
 */
uint32_t ws_abi_version(void);

/**
 * The version of the library, such as "0.1.0". Static; any thread, any time.
 */
const char *ws_version(void);

/**
 * What a status means, in a few words of English: "address already in use". Never NULL, static; any thread, any time.
 */
const char *ws_strerror(int status);

/**
 * The name of a status: "WS_ERR_ADDRESS_IN_USE". Never NULL, static; any thread, any time.
 */
const char *ws_error_name(int status);

/**
 * What went wrong in the last call of this thread that failed: what was tried, on what, and often what to do. Empty
 * if none has failed. Never NULL; valid until the next call of this thread that fails. For hosts that do not choose the thread
 * of a call, `ws_server_error`, `ws_client_error` and `ws_loop_error` tell the same by the handle.
 */
const char *ws_last_error(void);

/**
 * Inside a close callback: why the connection closed, a `ws_cause`. Anywhere else `WS_CAUSE_NONE`; events have a field for it.
 */
int ws_close_cause(void);

/**
 * The name of a cause: "WS_CAUSE_PONG_TIMEOUT". Never NULL, static; any thread, any time.
 */
const char *ws_cause_name(int cause);

/**
 * What a cause means, in a few words of English: "the peer answered no ping (pong_timeout)". Never NULL, static; any thread,
 * any time.
 */
const char *ws_cause_text(int cause);

/**
 * Copies what went wrong in the last call with this server that failed, on whichever thread, into `buffer`, NUL-terminated: the
 * words of `ws_last_error`, for hosts that do not choose the thread of a call. At most `size` bytes are written, the NUL among them, and
 * no character is cut; NULL is fine if `size` is 0. Of longer words the first 1,023 bytes are kept. Another thread's call may fail in
 * between: the words are whole then, but that one's.
 *
 * Returns the length of the words without the NUL, whatever fits; 0 if no call has failed.
 *
 * Any thread, and any callback. Errors: `WS_ERR_NULL`, `WS_ERR_HANDLE`.
 */
int ws_server_error(ws_server *server,
                    char *buffer,
                    size_t size);

/**
 * The same for a client. Why an attempt to connect failed is told by its error event.
 *
 * Any thread, and any callback. Errors: those of `ws_server_error`.
 */
int ws_client_error(ws_client *client, char *buffer, size_t size);

/**
 * The same for a loop.
 *
 * Any thread, and any callback. Errors: those of `ws_server_error`.
 */
int ws_loop_error(ws_loop *looping, char *buffer, size_t size);

/**
 * Makes a server with the default options. It is freed with `ws_server_free`.
 *
 * Returns NULL if 1024 servers live already. Any thread.
 */
ws_server *ws_server_new(void);

/**
 * Sets an option by its name, before the start: `ws_server_set(server, "max_message_size", "2M")`. The README has a
 * table of all options. Sizes are in bytes and take K, M or G (1024 each); times are in seconds and take ms, s, m or h.
 *
 * Errors: `WS_ERR_OPTION`, `WS_ERR_VALUE`, `WS_ERR_STATE` once started, `WS_ERR_NULL`, `WS_ERR_UTF8`, `WS_ERR_HANDLE`.
 */
int ws_server_set(ws_server *server, const char *name, const char *value);

/**
 * Adds an address to listen on, before the start; any number of them. `host` is an IPv4 or IPv6 address, a name, or
 * "unix:" and a path (then `port` is ignored). `port` is 0 to 65535; 0 lets the kernel choose, see `ws_server_port`.
 * "::" takes IPv6 alone: add "0.0.0.0" for IPv4. A name that is not an address is looked up here, which may block; of
 * several addresses the first that can be bound is taken.
 *
 * "fd:3" is a listening TCP or Unix socket that is open already, as descriptor 3 here, and `port` is ignored. "systemd:" is
 * every socket that a service manager has passed to this process by socket activation (`LISTEN_PID`, `LISTEN_FDS`), each a
 * listener of its own for `ws_server_port`; "systemd:web" is those of them that `LISTEN_FDNAMES` calls web. Such a socket
 * outlives the server, so that a restart refuses nobody: what nobody accepts meanwhile waits in it. The server takes a
 * duplicate at the start. The descriptor itself stays the host's, open; it is made non-blocking and close-on-exec.
 *
 * Nothing is bound before `ws_server_start`.
 *
 * Errors: `WS_ERR_ADDRESS`, `WS_ERR_ARGUMENT`, `WS_ERR_STATE` once started, `WS_ERR_NULL`, `WS_ERR_UTF8`,
 * `WS_ERR_HANDLE`.
 */
int ws_server_listen(ws_server *server,
                     const char *host,
                     int port);

/**
 * The port of the `listener`-th call of `ws_server_listen`, counted from 0, after the start. 0 for a Unix socket.
 *
 * Any thread. Errors: `WS_ERR_ARGUMENT` if there is no such listener, `WS_ERR_STATE` before the start,
 * `WS_ERR_HANDLE`, `WS_ERR_FORKED`.
 */
int ws_server_port(ws_server *server, int listener);

/**
 * Sets the function to be called when a connection opens, before the start. NULL unsets it.
 *
 * If at least one callback is set at the start, the server is in callback mode: callbacks run on the reactor threads,
 * with `user_data` as it was given, and must not block. With more than one reactor they run at the same time, though
 * never two for one connection. From inside a callback, of whatever server or client, everything may be called but
 * `ws_server_wait`, `ws_server_run` and `ws_client_wait`, and `ws_server_free` for the server itself. If no callback is set,
 * the server is in poll mode: see `ws_server_poll`.
 *
 * A callback returns: it must not throw a C++ exception, which ends the process (`std::terminate`), nor `longjmp` out. One that ends its
 * thread (`pthread_exit`, as CPython does at its exit) ends what the thread serves: the server stops without a word, its connections
 * stay until the process ends, and calls that wait for it return.
 *
 * A callback may fork. In the child it calls `exec` or `_exit`, or lives on; what it starts there is the child's own. If it returns in
 * the child, its thread ends there, for what it served is the parent's: no socket is touched, and a child without another
 * thread ends by `exit(0)`.
 *
 * Errors: `WS_ERR_STATE` once started, `WS_ERR_NULL`, `WS_ERR_HANDLE`.
 */
int ws_server_on_open(ws_server *server,
                      ws_open_fn callback,
                      void *user_data);

/**
 * Sets the function to be called for each message. See `ws_server_on_open`.
 */
int ws_server_on_message(ws_server *server, ws_message_fn callback, void *user_data);

/**
 * Sets the function to be called when there is room again for a connection that was slow: once each time that what waits
 * to be sent to it had risen to the option `high_watermark` and has fallen to `low_watermark`; and once after a push to it
 * was refused with `WS_ERR_QUEUE_FULL`, or dropped, when no more than `low_watermark` waits. So a host that is refused
 * goes on when it is called, and never waits in vain, but for a connection that closes. See `ws_server_on_open`.
 */
int ws_server_on_drain(ws_server *server,
                       ws_drain_fn callback,
                       void *user_data);

/**
 * Sets the function to be called when a connection has closed. See `ws_server_on_open`.
 */
int ws_server_on_close(ws_server *server, ws_close_fn callback, void *user_data);

/**
 * Sets the function to be called for each plain HTTP request. Without it, in callback mode, they are answered with
 * 404. See `ws_server_on_open`.
 */
int ws_server_on_request(ws_server *server, ws_request_fn callback, void *user_data);

/**
 * Sets the function that decides about upgrades. Without it, in callback mode, all that the options admit are accepted. See
 * `ws_server_on_open`.
 */
int ws_server_on_handshake(ws_server *server,
                           ws_handshake_fn callback,
                           void *user_data);

/**
 * Binds the addresses and starts the reactor threads. A server starts once; if it fails, it may be tried again. In a
 * process that forks, start after the fork. The threads receive no signals.
 *
 * Errors: `WS_ERR_ADDRESS_IN_USE`, `WS_ERR_PERMISSION`, `WS_ERR_ADDRESS`, `WS_ERR_SYSTEM`, `WS_ERR_MEMORY`,
 * `WS_ERR_VALUE` for options that do not go together, `WS_ERR_STATE` if it was started already or has no address,
 * `WS_ERR_NULL`, `WS_ERR_HANDLE`.
 */
int ws_server_start(ws_server *server);

/**
 * Waits until the server has stopped.
 *
 * Errors: `WS_ERR_IN_CALLBACK` inside a callback, of whatever server or client; `WS_ERR_STATE` before the start, `WS_ERR_NULL`,
 * `WS_ERR_HANDLE`, `WS_ERR_FORKED`.
 */
int ws_server_wait(ws_server *server);

/**
 * `ws_server_start`, then `ws_server_wait`.
 *
 * Errors: those of the two.
 */
int ws_server_run(ws_server *server);

/**
 * Stops the server: closes the listening sockets, sends Close 1001 to every connection behind what waits for it, gives
 * queues and peers at most `timeout_ms` milliseconds (negative: an hour), and cuts what is left; `connections_cut` and
 * `bytes_cut` of `ws_stats` say how much that was. Every open connection is told as closed. Plain requests that wait for
 * a response are answered with 503. What was pushed before the stop is sent first, as long as its time lasts; what is still on
 * its way to a reactor when the time is over is cut, all but a last part of 16 MiB, so that a flood of pushes holds up no stop.
 *
 * Who has connected less than a second before still has a request served: an upgrade opens, and is closed with 1001; a
 * plain request goes to its callback, and in poll mode it is answered with 503. With the option `reuse_port` a successor
 * may listen before this one stops. In the moment in which a socket closes the kernel may yet reset a connection that has
 * just come to it, more rarely if the sysctl `net.ipv4.tcp_migrate_req` is on; with a socket that is inherited, see
 * `ws_server_listen`, that cannot happen.
 *
 * Waits until that is done; inside a callback, of this server or of another server or client, it only begins it. In poll mode the last events can be taken afterwards.
 * To stop again does no harm, and shortens the time if it is less. Any thread, and any callback; not from a signal
 * handler.
 *
 * Errors: `WS_ERR_STATE` before the start, `WS_ERR_NULL`, `WS_ERR_HANDLE`, `WS_ERR_FORKED`.
 */
int ws_server_stop(ws_server *server,
                   int timeout_ms);

/**
 * Frees a server, and stops it at once if it runs. NULL is fine. The handle, and all events and requests of the server,
 * are invalid from now on; calls of other threads that wait for it end. When this returns, none of its callbacks runs, and none will.
 *
 * Inside a callback, of whatever other server or client, it does not wait, so that callbacks may free one another's servers: its
 * connections and listening sockets close a moment later, and none of the server's callbacks begins after that, but one that
 * its threads are in, or about to enter, may still be running. What that one uses must live on until it returns.
 *
 * Errors: `WS_ERR_IN_CALLBACK` inside a callback of this server, which is not freed then; `WS_ERR_HANDLE` if it was
 * freed already.
 */
int ws_server_free(ws_server *server);

/**
 * Sends a message to a connection. `data` is copied, or sent, before the call returns; NULL is fine if `length` is 0.
 *
 * `WS_OK` means that the message is in the queue of the connection, behind all that this thread has pushed to it
 * before. Whether the peer gets it is for TCP and the peer to say.
 *
 * Any thread, and any callback. Inside a message callback, an answer to the same connection is the fastest.
 *
 * Once `max_queued_bytes` wait for the connection, or its share while `max_total_queued_bytes` wait for all, at most 64 KiB, the
 * option `slow_client` rules: refuse gives `WS_ERR_QUEUE_FULL`; drop
 * gives `WS_OK`, and the message is dropped; close_1008 and close_1013 begin to close the connection, with a Close frame
 * behind what waits, and give `WS_ERR_CLOSED`; if the client takes nothing for `close_timeout`, it is cut. A push that was
 * refused as full, or dropped, is followed by a drain event (`ws_server_on_drain`) or by the close event.
 *
 * Errors: `WS_ERR_CLOSED`; `WS_ERR_QUEUE_FULL` as said, and once `max_command_bytes` wait for the reactor of the
 * connection; `WS_ERR_MEMORY` if there is none to keep it in; `WS_ERR_UTF8` for text that is not UTF-8; `WS_ERR_ARGUMENT` for
 * another opcode; `WS_ERR_NULL`, `WS_ERR_HANDLE`, `WS_ERR_STATE`, `WS_ERR_FORKED`. Nothing was sent then.
 */
int ws_push(ws_server *server,
            ws_conn conn,
            const void *data,
            size_t length,
            int opcode);

/**
 * `ws_push` for hosts to which a field is cheaper to write than an argument is to pass, as is the way of PHP and other
 * scripting languages. `arguments` is the caller's: it is read during the call, and may serve for the next one.
 *
 * Any thread, and any callback. Errors: those of `ws_push`.
 */
int ws_push_with(const ws_push_arguments *arguments, const void *data);

/**
 * Sends a message to every open connection. It is encoded once. Connections whose queue is full are left out and
 * counted, or closed, by the option `slow_client`; that concerns nobody else, and is no error.
 *
 * A program may broadcast faster than a reactor sends. What waits for the reactor counts for each receiver, and at
 * `max_command_bytes` a broadcast is refused; it can be repeated a moment later. In callback mode, once half of that waits and a
 * callback has pushed some of it, no further message is delivered before the reactor has taken it: so a callback that pushes less
 * than half at a time is not refused for what callbacks have pushed, however many messages came at a time.
 *
 * Any thread, and any callback. Errors: those of `ws_push`, without `WS_ERR_CLOSED`; `WS_ERR_QUEUE_FULL` means that
 * `max_command_bytes` wait for a reactor, of whose connections none gets the message.
 */
int ws_broadcast(ws_server *server,
                 const void *data,
                 size_t length,
                 int opcode);

/**
 * Sends a ping of at most 125 bytes (RFC 6455 section 5.5.2). Its pong counts as a sign of life and is not told; without any
 * within `pong_timeout` the connection is cut. The option `ping_interval` sends pings by itself.
 *
 * Any thread, and any callback. Errors: `WS_ERR_TOO_LARGE`, and those of `ws_push`.
 */
int ws_ping(ws_server *server,
            ws_conn conn,
            const void *data,
            size_t length);

/**
 * Begins the closing handshake (RFC 6455 section 7): what was pushed before is sent, then a Close frame with `code` and a
 * UTF-8 `reason` of at most 123 bytes. `code` is 1000 to 1003, 1007 to 1014 or 3000 to 4999, or 0 for a Close frame
 * without code and reason. The close event follows when the peer has answered, or after `close_timeout`.
 *
 * Messages that still arrive are dropped. In poll mode so are those that wait for the host: the batches that it takes from now on have
 * no message, drain or pong of the connection, only its close event. That holds with `WS_ERR_CLOSED`, too. The batch that the host
 * holds already stays as it is: a host that wants no more of the connection passes over the rest of it there, and need remember
 * that until the end of the batch only.
 *
 * Any thread, and any callback. Errors: `WS_ERR_CLOSED` also if it is closing already, `WS_ERR_ARGUMENT`,
 * `WS_ERR_UTF8`, `WS_ERR_NULL`, `WS_ERR_HANDLE`, `WS_ERR_STATE`, `WS_ERR_FORKED`.
 */
int ws_close(ws_server *server,
             ws_conn conn,
             int code,
             const void *reason,
             size_t length);

/**
 * Asks for a drain event (`ws_server_on_drain`) as soon as no more than the option `low_watermark` waits to be sent to this
 * connection, which may be at once; as a push that was refused does by itself. For hosts that stop sending of their own
 * accord, at a mark of their own (`ws_conn_queued_bytes`). To ask again before it has come does no harm, and it comes once.
 *
 * Any thread, and any callback. Errors: those of `ws_conn_pause`.
 */
int ws_conn_await_drain(ws_server *server,
                        ws_conn conn);

/**
 * Reads nothing more from a connection until `ws_conn_resume`: what its peer sends waits in the kernel, and when that is
 * full, the peer has to wait. To pause again does no harm.
 *
 * From a callback of the connection it holds at once: what was received with the message, up to 256 KiB, is kept until it is resumed.
 * In poll mode, and from another thread, what was received before still comes, in its order: a host that polls gets the rest of the
 * batch that it holds, and of the batches that wait for it (at most about `max_event_bytes`), and then nothing until it resumes. One
 * that is not to handle it yet copies it: payloads are there until the next poll only.
 *
 * Nobody is closed for silence meanwhile, and time spent so does not count; pings go out all the same (option
 * `ping_interval`), though nothing comes of their pongs. Pushing and closing work as ever: `ws_close` and
 * `ws_server_stop` end the pause. A connection that breaks is told as closed; a peer that ends it in order is not noticed
 * before reading goes on, with all that it has sent before.
 *
 * Any thread, and any callback. Errors: `WS_ERR_CLOSED`, also if it is closing; `WS_ERR_QUEUE_FULL` once twice
 * `max_command_bytes` wait for the reactor, which only a loop of pauses leads to; `WS_ERR_HANDLE`, `WS_ERR_STATE`,
 * `WS_ERR_FORKED`.
 */
int ws_conn_pause(ws_server *server,
                  ws_conn conn);

/**
 * Reads on after `ws_conn_pause`. Nothing happens if the connection is not paused.
 *
 * Any thread, and any callback. Errors: those of `ws_conn_pause`.
 */
int ws_conn_resume(ws_server *server, ws_conn conn);

/**
 * Cuts a connection at once, without a Close frame; what waits to be sent is lost. The close event tells 1006. In poll mode nothing
 * else of it is in the batches that the host takes from now on, as with `ws_close`.
 *
 * Any thread, and any callback. Errors: `WS_ERR_CLOSED`, `WS_ERR_HANDLE`, `WS_ERR_STATE`, `WS_ERR_FORKED`.
 */
int ws_disconnect(ws_server *server,
                  ws_conn conn);

/**
 * 1 if messages may be pushed to this connection, 0 if it is closing, closed or never was.
 *
 * Any thread, and any callback. Errors: `WS_ERR_HANDLE`, `WS_ERR_STATE`, `WS_ERR_FORKED`.
 */
int ws_conn_is_open(ws_server *server, ws_conn conn);

/**
 * Bytes that wait to be sent to this connection, frame headers included.
 *
 * Any thread, and any callback. Errors: `WS_ERR_CLOSED` if it is gone, `WS_ERR_HANDLE`, `WS_ERR_STATE`,
 * `WS_ERR_FORKED`.
 */
int64_t ws_conn_queued_bytes(ws_server *server, ws_conn conn);

/**
 * Writes the ids of open connections to `ids`, at most `capacity` of them, and returns how many are open. If that is
 * more than `capacity`, the rest is not written. `ids` may be NULL if `capacity` is 0.
 *
 * Any thread, and any callback; connections may open and close meanwhile. Errors: `WS_ERR_NULL`, `WS_ERR_HANDLE`,
 * `WS_ERR_STATE`, `WS_ERR_FORKED`.
 */
int64_t ws_server_connections(ws_server *server, ws_conn *ids, size_t capacity);

/**
 * Fills `facts`, of which `size` must be set, with what is known of an open WebSocket connection, one that is closing by
 * `ws_close` included. It is the connection of this id and never another; where that closes at the same moment, either what
 * was known of it is told or `WS_ERR_CLOSED`.
 *
 * Any thread, and any callback but that of the close event, when it is gone. The strings stay until this thread calls it
 * again or ends.
 *
 * Errors: `WS_ERR_CLOSED`; `WS_ERR_NULL`, `WS_ERR_ARGUMENT` for a `size` below that of the first version;
 * `WS_ERR_HANDLE`, `WS_ERR_STATE`, `WS_ERR_FORKED`.
 */
int ws_conn_info(ws_server *server,
                 ws_conn conn,
                 ws_conn_facts *facts);

/**
 * The same for the connection that a client has now: the address that it came from is the server's, or the proxy's, and the
 * path that of its own request.
 *
 * Any thread, and any callback but that of the close event. Errors: `WS_ERR_CLOSED` if it has none; the others of
 * `ws_conn_info`.
 */
int ws_client_info(ws_client *client,
                   ws_conn_facts *facts);

/**
 * Subscribes an open connection to a topic: from now on it gets what is published there. A topic is any UTF-8 name of 1 to
 * 255 bytes, and exists as long as it has subscribers. To subscribe again does no harm, and a message comes once. A
 * connection that closes leaves its topics; in poll mode when the host polls again after it was told.
 *
 * Any thread, and any callback, that of the open event among them.
 *
 * Errors: `WS_ERR_CLOSED`; `WS_ERR_LIMIT` if the connection is subscribed to `max_topics` already; `WS_ERR_ARGUMENT` for a
 * name that is empty or too long; `WS_ERR_UTF8`, `WS_ERR_NULL`, `WS_ERR_HANDLE`, `WS_ERR_STATE`, `WS_ERR_FORKED`.
 */
int ws_subscribe(ws_server *server,
                 ws_conn conn,
                 const char *topic);

/**
 * Takes a connection off a topic. It still gets what was published before. Nothing happens if it is not subscribed, or is
 * closed.
 *
 * Any thread, and any callback. Errors: those of `ws_subscribe`, without `WS_ERR_CLOSED` and `WS_ERR_LIMIT`.
 */
int ws_unsubscribe(ws_server *server,
                   ws_conn conn,
                   const char *topic);

/**
 * Sends a message to all connections that are subscribed to a topic at this moment, but not to `except`, if that is not 0:
 * the one that the message came from, say. It is encoded once. Returns how many they are; 0 is no error. Connections
 * whose queue is full are left out and counted, or closed, by the option `slow_client`; that concerns nobody else.
 *
 * What one thread publishes and pushes arrives at each connection in that order.
 *
 * Any thread, and any callback. Errors: `WS_ERR_ARGUMENT` for another opcode, or a name that is empty or too long;
 * `WS_ERR_UTF8` for text or a name that is not UTF-8; `WS_ERR_QUEUE_FULL` if `max_command_bytes` wait for a reactor, each
 * receiver counted, of whose connections none gets the message; `WS_ERR_MEMORY` if there is none for its frame; `WS_ERR_NULL`,
 * `WS_ERR_HANDLE`, `WS_ERR_STATE`, `WS_ERR_FORKED`.
 */
int ws_publish(ws_server *server,
               const char *topic,
               const void *data,
               size_t length,
               int opcode,
               ws_conn except);

/**
 * How many connections are subscribed to a topic: 0 for one that nobody is.
 *
 * Any thread, and any callback. Errors: those of `ws_unsubscribe`.
 */
int ws_topic_subscribers(ws_server *server, const char *topic);

/**
 * How many topics a connection is subscribed to: 0 once it has closed and left them.
 *
 * Any thread, and any callback. Errors: `WS_ERR_HANDLE`, `WS_ERR_STATE`, `WS_ERR_FORKED`.
 */
int ws_conn_topics(ws_server *server, ws_conn conn);

/**
 * Takes events, in poll mode: when no callback was set before the start.
 *
 * Waits until there are events or `timeout_ms` milliseconds have passed (0: does not wait; negative: waits without
 * end), and returns their number and, in `*events`, the first of them. All that they point to stays as it is until the
 * next call for this server, or until it is freed. Events of one connection come in their order.
 *
 * A connection that its peer closes gets its Close answer when the host calls again, so that the answers to the last
 * messages go before it; `close_timeout` bounds the wait, counted from the last message as well. Meanwhile `ws_push` takes what
 * is pushed to it only while the host has a batch with a message of it; otherwise it gives `WS_ERR_CLOSED`. A host that goes
 * about other things before it calls again says so by `ws_server_done`.
 *
 * 0 means that the time was up. One thread at a time may poll a server, another one each time if that is convenient;
 * pushing from others meanwhile is fine. The same thread all the time is a little cheaper.
 *
 * Errors: `WS_ERR_INTERRUPTED` if a signal handler ran on this thread or the process was stopped and continued (call
 * again), `WS_ERR_STOPPED` once the server has stopped and every event was taken, `WS_ERR_STATE` before the start or if
 * callbacks are set, `WS_ERR_WRONG_THREAD` while another thread polls, `WS_ERR_MEMORY` if there is none to list the events in,
 * which stay where they are, `WS_ERR_NULL`, `WS_ERR_HANDLE`, `WS_ERR_FORKED`.
 */
int ws_server_poll(ws_server *server,
                   const ws_event **events,
                   int timeout_ms);

/**
 * Says that the host has handled the events that it has taken, and does not call for the next ones yet: connections that their
 * peers have closed, or will close, do not wait for answers to them any longer. Without this the next poll says so. The events
 * stay as they are until then.
 *
 * One thread at a time, as with `ws_server_poll`. Errors: `WS_ERR_STATE` before the start or if callbacks are set,
 * `WS_ERR_WRONG_THREAD` while another thread polls, `WS_ERR_NULL`, `WS_ERR_HANDLE`, `WS_ERR_FORKED`.
 */
int ws_server_done(ws_server *server);

/**
 * `ws_server_poll` for hosts to which a number in memory is cheap and a structure is not, as is the way of PHP and other
 * scripting languages. It fills `batch`, of which `size` must be set, and returns the number of events. What `batch`
 * points to stays as it is for as long as events of `ws_server_poll` do.
 *
 * Errors: those of `ws_server_poll`; `WS_ERR_ARGUMENT` for a `size` below that of the first version.
 */
int ws_server_poll_packed(ws_server *server,
                          ws_batch *batch,
                          int timeout_ms);

/**
 * A file descriptor that is readable while events wait, for an event loop of the host's own (poll, epoll, libuv,
 * ReactPHP). Do not read from it or close it: when it is readable, call `ws_server_poll` with a timeout of 0 until it
 * returns 0. It may be readable once more after the last event was taken. It lives as long as the server.
 *
 * Errors: those of `ws_server_poll`.
 */
int ws_server_event_fd(ws_server *server);

/**
 * Sets the function to be called with each message for the log, of `log_level` and graver, in callback mode. It runs on the
 * reactor threads and must not block, as those of `ws_server_on_open`; to set it alone does not make callback mode. In poll
 * mode messages come as events instead, with the option `log_events`.
 *
 * What is written: where the server listens, that it stops and has stopped, that accepting or reading paused, who was
 * refused or failed and why, faults of ours; at most 100 messages a second for each reactor of what peers do (info, debug),
 * and as many of what is graver. Without this callback, and
 * without the option, nothing is written anywhere.
 *
 * Errors: as `ws_server_on_open`.
 */
int ws_server_on_log(ws_server *server,
                     ws_log_fn callback,
                     void *user_data);

/**
 * The status of a response, 101 if it opened the connection. 0 for a request.
 */
int ws_request_status(const ws_request *request);

/**
 * The reason phrase of a response: "Unauthorized". Empty if it came without one, and for a request. Not necessarily UTF-8.
 */
const char *ws_request_reason(const ws_request *request);

/**
 * The method: "GET".
 */
const char *ws_request_method(const ws_request *request);

/**
 * The version of HTTP in which it was sent: 10 for HTTP/1.0, 11 for HTTP/1.1. For a client that is 11, the version of the
 * request that the response answers. 0 for NULL.
 */
int ws_request_version(const ws_request *request);

/**
 * The target as it was sent: "/chat?room=1".
 */
const char *ws_request_target(const ws_request *request);

/**
 * The path, percent-encoded as it was sent: "/chat". It starts with a slash, or is "*" when OPTIONS asks about the server
 * as a whole (RFC 9110 section 9.3.7).
 */
const char *ws_request_path(const ws_request *request);

/**
 * What follows the question mark, percent-encoded as it was sent: "room=1". Empty if there is none.
 */
const char *ws_request_query(const ws_request *request);

/**
 * The value of the first header field of this name, in any case of letters; NULL if there is none.
 */
const char *ws_request_header(const ws_request *request, const char *name);

/**
 * How many header fields there are, at most 100.
 */
int ws_request_header_count(const ws_request *request);

/**
 * The name of a header field, as it was sent, by its place from 0; NULL beyond the last.
 */
const char *ws_request_header_name(const ws_request *request, int index);

/**
 * The value of a header field, by its place from 0; NULL beyond the last.
 */
const char *ws_request_header_value(const ws_request *request, int index);

/**
 * The body, with its length in bytes in `*length`; NULL and 0 if there is none. Not NUL-terminated: any bytes, as they were
 * sent but for the transfer coding, at most `max_request_body` of them. `length` may not be NULL. Of a response that refuses a
 * client it is the beginning of the body: what came of the first 4 KiB within a second of the head; none of a redirection.
 */
const void *ws_request_body(const ws_request *request,
                            size_t *length);

/**
 * The subprotocol that was chosen for the connection (option `subprotocols`, RFC 6455 section 1.9): "v2.chat". Empty if none
 * was.
 */
const char *ws_request_subprotocol(const ws_request *request);

/**
 * The IP address that the connection comes from, "192.0.2.7" or "2001:db8::1"; "unix" over a Unix socket.
 */
const char *ws_request_remote_address(const ws_request *request);

/**
 * The port that the connection comes from; 0 over a Unix socket.
 */
int ws_request_remote_port(const ws_request *request);

/**
 * The port of ours that the connection came in at; 0 over a Unix socket.
 */
int ws_request_local_port(const ws_request *request);

/**
 * Answers the HTTP request of a request event, once; or refuses the upgrade of a handshake event. Whether the connection
 * takes another request after it is for its client to say (RFC 9112 section 9.3); that one will have another `ws_conn`.
 *
 * `status` is 200 to 599. `headers` is NULL or lines of "Name: value", each ended by CR LF; `Date`, `Content-Length` and
 * `Connection` are added, and the latter two must not be there. A HEAD request is answered without the body. Who has none
 * made for it may say how long that for a GET would be: with an empty body `Content-Length` may be there, and counts if the
 * request is a HEAD (RFC 9110 section 8.6).
 *
 * While `max_total_queued_bytes` wait to be sent to all clients, a body of more than 64 KiB is not sent: the client gets 503.
 *
 * Any thread, and any callback, now or later within `response_timeout`.
 *
 * Errors: `WS_ERR_ARGUMENT` for a status or header that cannot be sent, `WS_ERR_CLOSED` if no request of this
 * connection waits, `WS_ERR_QUEUE_FULL`, `WS_ERR_MEMORY` if there is none for the body, `WS_ERR_UTF8` for the headers, `WS_ERR_NULL`,
 * `WS_ERR_HANDLE`, `WS_ERR_STATE`, `WS_ERR_FORKED`.
 */
int ws_respond(ws_server *server,
               ws_conn conn,
               int status,
               const char *headers,
               const void *body,
               size_t length);

/**
 * Begins to answer an HTTP request piece by piece: when its length is not known, or it is too large to be in memory at a
 * time, or its pieces come as time goes by. `ws_respond_write` and `ws_respond_end` go on with it. `status` and `headers`
 * are as for `ws_respond`; statuses that have no body (204, 205, 304) cannot be streamed.
 *
 * Any thread, and any callback. Errors: those of `ws_respond`.
 */
int ws_respond_begin(ws_server *server,
                     ws_conn conn,
                     int status,
                     const char *headers);

/**
 * Sends the next piece of a response; an empty one does nothing. `ws_conn_queued_bytes` tells how much waits. Between two
 * pieces no more than `response_timeout` may pass, or the connection is cut.
 *
 * Any thread, and any callback. Errors: `WS_ERR_QUEUE_FULL` once `max_queued_bytes` wait to be sent, or 64 KiB while
 * `max_total_queued_bytes` wait for all: try again when the drain event tells that there is room;
 * `WS_ERR_CLOSED` if no response of this connection is being streamed, or its client is gone; `WS_ERR_MEMORY` if
 * there is none for the piece; `WS_ERR_NULL`, `WS_ERR_TOO_LARGE`, `WS_ERR_HANDLE`, `WS_ERR_STATE`, `WS_ERR_FORKED`.
 */
int ws_respond_write(ws_server *server,
                     ws_conn conn,
                     const void *data,
                     size_t length);

/**
 * Ends a response that was sent piece by piece.
 *
 * Any thread, and any callback. Errors: `WS_ERR_CLOSED` if no response of this connection is being streamed, or its client
 * is gone; `WS_ERR_HANDLE`, `WS_ERR_STATE`, `WS_ERR_FORKED`.
 */
int ws_respond_end(ws_server *server,
                   ws_conn conn);

/**
 * Accepts the upgrade of a handshake event: the connection is a WebSocket, messages may be pushed to it, and the open
 * event follows, unless its client is gone by then. To refuse it, `ws_respond` is called instead. What is not decided within `response_timeout` is refused
 * with 504.
 *
 * `subprotocol` is one of those that the client offers (header `Sec-WebSocket-Protocol`); NULL is the one that the option
 * `subprotocols` has chosen, or none. `headers` is NULL or lines of "Name: value", each ended by CR LF, such as
 * `Set-Cookie`, for the 101 response (RFC 6455 section 4.2.2).
 *
 * Any thread, and any callback, now or later. Errors: `WS_ERR_CLOSED` if no upgrade of this connection waits;
 * `WS_ERR_ARGUMENT` for a subprotocol that was not offered or a header that cannot be sent, and then it still waits;
 * `WS_ERR_UTF8`, `WS_ERR_STOPPED`, `WS_ERR_NULL`, `WS_ERR_HANDLE`, `WS_ERR_STATE`, `WS_ERR_FORKED`.
 */
int ws_accept(ws_server *server,
              ws_conn conn,
              const char *subprotocol,
              const char *headers);

/**
 * Fills `stats`, of which `size` must be set, with the sums over all reactors. To tell `queued_bytes` takes a look at each
 * connection, some microseconds for a thousand of them: ask once a second rather than for each message. Any thread, from the start on; also after the stop.
 *
 * Errors: `WS_ERR_NULL`, `WS_ERR_ARGUMENT` for a `size` below that of the first version, `WS_ERR_STATE`,
 * `WS_ERR_HANDLE`, `WS_ERR_FORKED`.
 */
int ws_server_stats(ws_server *server,
                    ws_stats *stats);

/**
 * The same for one reactor, counted from 0: the share of one thread in what `ws_server_stats` tells.
 *
 * Any thread, from the start on; also after the stop. Errors: as `ws_server_stats`, and `WS_ERR_ARGUMENT` if there is no
 * such reactor.
 */
int ws_reactor_stats(ws_server *server,
                     int reactor,
                     ws_stats *stats);

/**
 * The same for the thread of a client, with the numbers of all clients that share it. What only a server counts stays 0;
 * `connections_accepted` are the connections that were made.
 *
 * Any thread, from the start of the client on. Errors: as `ws_server_stats`.
 */
int ws_client_stats(ws_client *client,
                    ws_stats *stats);

/**
 * Makes a client of the server at `url`, with the default options. It is freed with `ws_client_free`.
 *
 * `url` is "ws://host:port/path?query"; the port is 80 if there is none. IPv6 addresses stand in brackets. "ws://user:password@host"
 * sends the two by HTTP basic authentication. "unix:/path/of/socket" connects to a Unix socket, and
 * "unix:/path/of/socket:/path?query" asks for that path there. "wss://" is not supported yet. What is wrong with the URL is told
 * by `ws_client_start`.
 *
 * Returns NULL if `url` is NULL or not UTF-8, or if 1,048,576 clients live already; `ws_last_error` says which. Any thread.
 */
ws_client *ws_client_new(const char *url);

/**
 * Sets an option by its name, before the start: `ws_client_set(client, "reconnect", "on")`. The README has a table of all
 * options of a client. Sizes and times are written as for `ws_server_set`.
 *
 * Once started, these can be set for the next attempt to connect: `connect_timeout`, `handshake_timeout`, `subprotocols`,
 * `origin`, `cookie`, `user_agent`, `proxy`, `host`, `resolve`, `max_redirects`, `max_response_head`. Then any thread, and any
 * callback. An attempt that is under way goes on as it is.
 *
 * Errors: `WS_ERR_OPTION`, `WS_ERR_VALUE`; once started `WS_ERR_STATE` for any other option, `WS_ERR_CLOSED` if it has ended;
 * `WS_ERR_NULL`, `WS_ERR_UTF8`, `WS_ERR_HANDLE`, `WS_ERR_FORKED`.
 */
int ws_client_set(ws_client *client,
                  const char *name,
                  const char *value);

/**
 * Sets the URL, as `ws_client_new` takes it. Once started it is for the next attempt to connect, with `reconnect`: an open
 * connection, and an attempt that is under way, go on as they are.
 *
 * Any thread, and any callback. Errors: once started `WS_ERR_URL` and `WS_ERR_UNSUPPORTED`, which `ws_client_start` tells
 * otherwise, and `WS_ERR_CLOSED` if it has ended; `WS_ERR_NULL`, `WS_ERR_UTF8`, `WS_ERR_HANDLE`, `WS_ERR_FORKED`.
 */
int ws_client_set_url(ws_client *client,
                      const char *url);

/**
 * Has the request have this header field in the place of all of its name; NULL as `value`: none of that name. Once started it is
 * for the next attempt to connect: a fresh token, say, after an error event with status 401.
 *
 * Any thread, and any callback. Errors: those of `ws_client_add_header`, but for `WS_ERR_STATE`; `WS_ERR_CLOSED` if the client has
 * ended; `WS_ERR_FORKED`.
 */
int ws_client_set_header(ws_client *client,
                         const char *name,
                         const char *value);

/**
 * Adds a header field to the request, before the start. The same name may be added several times.
 *
 * Errors: `WS_ERR_ARGUMENT` for what cannot stand in a request (CR, LF, NUL, a name that is no token), and for Host and the
 * fields of the handshake itself; `WS_ERR_TOO_LARGE` for more than 64 KiB in all; `WS_ERR_STATE` once started, `WS_ERR_NULL`,
 * `WS_ERR_UTF8`, `WS_ERR_HANDLE`.
 */
int ws_client_add_header(ws_client *client,
                         const char *name,
                         const char *value);

/**
 * Begins to connect, and returns at once: what comes of it is told by an open or an error event. A client starts once. In a
 * process that forks, start after the fork. The threads receive no signals.
 *
 * Errors: `WS_ERR_URL`; `WS_ERR_UNSUPPORTED` for "wss://"; `WS_ERR_VALUE` for options that do not go together, or not with those
 * of its loop; `WS_ERR_STATE` if it was started already, or has callbacks and is in a loop; `WS_ERR_SYSTEM`, `WS_ERR_MEMORY`,
 * `WS_ERR_NULL`, `WS_ERR_HANDLE`, `WS_ERR_FORKED`.
 */
int ws_client_start(ws_client *client);

/**
 * Waits until the client has ended: it was closed, or has no connection and will not try for another.
 *
 * Errors: `WS_ERR_IN_CALLBACK` inside a callback, of whatever client or server; `WS_ERR_STATE` before the start, `WS_ERR_NULL`,
 * `WS_ERR_HANDLE`, `WS_ERR_FORKED`.
 */
int ws_client_wait(ws_client *client);

/**
 * Takes events of a client in poll mode that is in no loop, as `ws_server_poll` takes those of a server.
 *
 * Errors: `WS_ERR_STOPPED` once the client has ended and every event was taken; `WS_ERR_STATE` before the start, with callbacks, or
 * in a loop; and the others of `ws_server_poll`.
 */
int ws_client_poll(ws_client *client,
                   const ws_event **events,
                   int timeout_ms);

/**
 * The same in numbers, as `ws_server_poll_packed`.
 *
 * Errors: those of `ws_client_poll`; `WS_ERR_ARGUMENT` for a `size` below that of the first version.
 */
int ws_client_poll_packed(ws_client *client, ws_batch *batch, int timeout_ms);

/**
 * Says that the host has handled the events that it has taken, and does not call for the next ones yet, as `ws_server_done`.
 * A host that sends for long without a poll should say so: what it pushes once the server has closed the connection is then
 * refused, or kept for the next connection, rather than taken for an answer.
 *
 * Errors: those of `ws_server_done`; `WS_ERR_STATE` in a loop, too.
 */
int ws_client_done(ws_client *client);

/**
 * A file descriptor that is readable while events wait, as `ws_server_event_fd`. It lives as long as the client.
 *
 * Errors: those of `ws_client_poll`.
 */
int ws_client_event_fd(ws_client *client);

/**
 * Sends a message. `data` is copied before the call returns; NULL is fine if `length` is 0. Masking is done here.
 *
 * `WS_OK` means that the message is in the queue of the connection, behind all that this thread has pushed before. While
 * there is no connection it is kept for the next one, up to the option `max_offline_bytes`, which is 0 at first: then it is
 * refused with `WS_ERR_CLOSED`. What was in the queue of a connection that is lost is lost with it. A connection that the
 * server has closed takes answers to its last messages and nothing else, as with `ws_server_poll`.
 *
 * Any thread, and any callback. Errors: `WS_ERR_CLOSED`; `WS_ERR_QUEUE_FULL` once `max_queued_bytes` wait for the connection, or
 * 64 KiB while `max_total_queued_bytes` wait for those of all clients of its thread, which is
 * followed by a drain event or by the close event, or `max_offline_bytes` for the next; `WS_ERR_UTF8` for text that is not UTF-8;
 * `WS_ERR_MEMORY` if there is none to keep it in; `WS_ERR_ARGUMENT` for another opcode; `WS_ERR_NULL`, `WS_ERR_HANDLE`,
 * `WS_ERR_STATE`, `WS_ERR_FORKED`.
 */
int ws_client_push(ws_client *client,
                   const void *data,
                   size_t length,
                   int opcode);

/**
 * Sends a ping of at most 125 bytes (RFC 6455 section 5.5.2). Its pong counts as a sign of life and is not told; without any
 * within `pong_timeout` the connection is cut. The option `ping_interval` sends pings by itself.
 *
 * Any thread, and any callback. Errors: `WS_ERR_TOO_LARGE`, and those of `ws_client_push`.
 */
int ws_client_ping(ws_client *client,
                   const void *data,
                   size_t length);

/**
 * Ends a client: what was pushed before is sent, then a Close frame as by `ws_close`, and no further connection is made. A
 * client that is not open gives up its attempt, and messages that were kept are dropped. The close event, if there was a
 * connection, and the end event follow; in poll mode messages that wait for the host are left out, as by `ws_close`.
 *
 * Any thread, and any callback. Errors: `WS_ERR_CLOSED` if it has ended; `WS_ERR_ARGUMENT`, `WS_ERR_UTF8`, `WS_ERR_NULL`,
 * `WS_ERR_HANDLE`, `WS_ERR_STATE`, `WS_ERR_FORKED`.
 */
int ws_client_close(ws_client *client,
                    int code,
                    const void *reason,
                    size_t length);

/**
 * For hosts that know that the network is back, or another. Has the next attempt to connect made at once, if one is waiting. On
 * an open connection it sends a ping: unless something is heard within `pong_timeout`, the connection is cut, and with `reconnect`
 * made again. Otherwise nothing happens.
 *
 * Any thread, and any callback. Errors: `WS_ERR_NULL`, `WS_ERR_HANDLE`, `WS_ERR_STATE`, `WS_ERR_FORKED`.
 */
int ws_client_reconnect(ws_client *client);

/**
 * Drops the messages that are kept for the next connection (`max_offline_bytes`), and returns how many they were.
 *
 * Any thread, and any callback. Errors: `WS_ERR_NULL`, `WS_ERR_HANDLE`, `WS_ERR_STATE`, `WS_ERR_FORKED`.
 */
int ws_client_clear_offline(ws_client *client);

/**
 * Reads nothing more from the connection until `ws_client_resume`, as `ws_conn_pause`. The next connection is read from again.
 *
 * Any thread, and any callback. Errors: `WS_ERR_CLOSED` without an open connection; `WS_ERR_NULL`, `WS_ERR_HANDLE`,
 * `WS_ERR_STATE`, `WS_ERR_FORKED`.
 */
int ws_client_pause(ws_client *client);

/**
 * Reads on after `ws_client_pause`.
 *
 * Any thread, and any callback. Errors: those of `ws_client_pause`.
 */
int ws_client_resume(ws_client *client);

/**
 * 1 if the client has an open connection, 0 if it has none.
 *
 * Any thread, and any callback. Errors: `WS_ERR_NULL`, `WS_ERR_HANDLE`, `WS_ERR_STATE`, `WS_ERR_FORKED`.
 */
int ws_client_is_open(ws_client *client);

/**
 * The close code of the connection that the client had last, as soon as that is over: in poll mode before the close event, which tells
 * the same, is taken. 0 while it has a connection, and before the first. If `cause` is not NULL, why it closed is written there,
 * a `ws_cause`.
 *
 * Any thread, and any callback. Errors: `WS_ERR_NULL`, `WS_ERR_HANDLE`, `WS_ERR_STATE`, `WS_ERR_FORKED`.
 */
int ws_client_close_code(ws_client *client,
                         int *cause);

/**
 * Bytes that wait to be sent, frame headers included, and those that are kept for the next connection.
 *
 * Any thread, and any callback. Errors: `WS_ERR_NULL`, `WS_ERR_HANDLE`, `WS_ERR_STATE`, `WS_ERR_FORKED`.
 */
int64_t ws_client_queued_bytes(ws_client *client);

/**
 * Frees a client, and ends it at once if it runs, with a Close frame 1001 if there is room for one. NULL is fine. The handle,
 * and all events and responses of the client, are invalid from now on. When this returns, none of its callbacks runs, and none
 * will; calls of other threads that wait for it end, and a callback that is running finds the handle gone.
 *
 * Inside a callback, of whatever server or client, it does not wait, so that callbacks may free one another's clients: none of
 * the client's callbacks begins after that, but one that its thread is in, or about to enter, may still be running. What that one
 * uses must live on until it returns.
 *
 * Errors: `WS_ERR_IN_CALLBACK` inside a callback of a client of its thread, and then it is not freed; `WS_ERR_HANDLE` if it was
 * freed already.
 */
int ws_client_free(ws_client *client);

/**
 * Sets the function to be called when the connection opens, before the start. NULL unsets it.
 *
 * If at least one callback is set at the start, the client is in callback mode: its callbacks run on a thread that all clients
 * in callback mode share whose options are the same, but for those of connecting; with `user_data` as it was given, and must
 * not block, throw or end their thread: see `ws_server_on_open`. From inside a callback, of whatever server or client, everything may
 * be called but `ws_client_wait`, `ws_server_wait` and `ws_server_run`, and `ws_client_free` for clients of that thread. If no
 * callback is set, the client is in poll mode: see `ws_client_poll`.
 *
 * Errors: `WS_ERR_STATE` once started, `WS_ERR_NULL`, `WS_ERR_HANDLE`.
 */
int ws_client_on_open(ws_client *client,
                      ws_client_open_fn callback,
                      void *user_data);

/**
 * Sets the function to be called for each message. See `ws_client_on_open`.
 */
int ws_client_on_message(ws_client *client, ws_client_message_fn callback, void *user_data);

/**
 * Sets the function to be called when there is room again for what is pushed, as `ws_server_on_drain`. See `ws_client_on_open`.
 */
int ws_client_on_drain(ws_client *client,
                       ws_client_drain_fn callback,
                       void *user_data);

/**
 * Sets the function to be called when the connection has closed. See `ws_client_on_open`.
 */
int ws_client_on_close(ws_client *client, ws_client_close_fn callback, void *user_data);

/**
 * Sets the function to be called when an attempt to connect has failed. See `ws_client_on_open`.
 */
int ws_client_on_error(ws_client *client, ws_client_error_fn callback, void *user_data);

/**
 * Sets the function to be called when another attempt follows. See `ws_client_on_open`.
 */
int ws_client_on_retry(ws_client *client, ws_client_retry_fn callback, void *user_data);

/**
 * Sets the function to be called when there is no other attempt. See `ws_client_on_open`.
 */
int ws_client_on_end(ws_client *client, ws_client_end_fn callback, void *user_data);

/**
 * Makes a loop: what several clients that are polled have in common, one thread and one queue of events. It is freed with
 * `ws_loop_free`. Clients with callbacks need none: they share a thread by themselves.
 *
 * Returns NULL if 1024 loops live already. Any thread.
 */
ws_loop *ws_loop_new(void);

/**
 * Has the events of a client come with those of the loop, before the client is started; it must have no callbacks then. The
 * first client that is started brings the options that concern the loop, all but those of connecting; the others must have
 * the same.
 *
 * Errors: `WS_ERR_STATE` once started, or if it is in a loop already; `WS_ERR_NULL`, `WS_ERR_HANDLE`.
 */
int ws_loop_add(ws_loop *looping,
                ws_client *client);

/**
 * Takes events of all clients of the loop, as `ws_server_poll` takes those of a server; `client` says whose an event is. Those of
 * clients that were freed meanwhile are left out.
 *
 * Errors: those of `ws_server_poll`; `WS_ERR_STATE` before the first client was started.
 */
int ws_loop_poll(ws_loop *looping,
                 const ws_event **events,
                 int timeout_ms);

/**
 * The same in numbers, as `ws_server_poll_packed`. Messages come with their connection alone: whose that is was told when it
 * opened.
 *
 * Errors: those of `ws_loop_poll`; `WS_ERR_ARGUMENT` for a `size` below that of the first version.
 */
int ws_loop_poll_packed(ws_loop *looping,
                        ws_batch *batch,
                        int timeout_ms);

/**
 * Says that the host has handled the events that it has taken, and does not call for the next ones yet, as `ws_server_done`.
 *
 * Errors: those of `ws_server_done`.
 */
int ws_loop_done(ws_loop *looping);

/**
 * A file descriptor that is readable while events wait, as `ws_server_event_fd`.
 *
 * Errors: those of `ws_loop_poll`.
 */
int ws_loop_event_fd(ws_loop *looping);

/**
 * Frees a loop, and ends the connections of its clients at once. NULL is fine. The clients are freed for themselves, before or
 * afterwards. Calls of other threads that wait for its events end. Inside a callback, of whatever server or client, it does not wait
 * for its thread to end.
 *
 * Errors: `WS_ERR_HANDLE` if it was freed already.
 */
int ws_loop_free(ws_loop *looping);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* WSPUSH_H */
