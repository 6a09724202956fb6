//! Topics: messages to all connections that are subscribed to a name.

use super::connection::kind;
use super::event::ws_conn;
use super::handle::{self, ws_server};
use super::server::HostedServer;
use super::{bytes, guard_of, text};
use crate::error::Status;
use std::ffi::{c_char, c_int, c_void};

const OK: c_int = Status::WS_OK as c_int;

fn count(count: usize) -> c_int {
    c_int::try_from(count).unwrap_or(c_int::MAX)
}

/// Subscribes an open connection to a topic: from now on it gets what is published there. A topic is any UTF-8 name of 1 to
/// 255 bytes, and exists as long as it has subscribers. To subscribe again does no harm, and a message comes once. A
/// connection that closes leaves its topics; in poll mode when the host polls again after it was told.
///
/// Any thread, and any callback, that of the open event among them.
///
/// Errors: `WS_ERR_CLOSED`; `WS_ERR_LIMIT` if the connection is subscribed to `max_topics` already; `WS_ERR_ARGUMENT` for a
/// name that is empty or too long; `WS_ERR_UTF8`, `WS_ERR_NULL`, `WS_ERR_HANDLE`, `WS_ERR_STATE`, `WS_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_subscribe(server: *mut ws_server, conn: ws_conn, topic: *const c_char) -> c_int {
    guard_of(server, || {
        // SAFETY: the contract of this function: `topic` is NUL-terminated.
        let topic = unsafe { text(topic, "topic")? };
        handle::with(server, |hosted: &HostedServer| hosted.server.subscribe(conn, topic)).map(|()| OK)
    })
}

/// Takes a connection off a topic. It still gets what was published before. Nothing happens if it is not subscribed, or is
/// closed.
///
/// Any thread, and any callback. Errors: those of `ws_subscribe`, without `WS_ERR_CLOSED` and `WS_ERR_LIMIT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_unsubscribe(server: *mut ws_server, conn: ws_conn, topic: *const c_char) -> c_int {
    guard_of(server, || {
        // SAFETY: the contract of this function: `topic` is NUL-terminated.
        let topic = unsafe { text(topic, "topic")? };
        handle::with(server, |hosted: &HostedServer| hosted.server.unsubscribe(conn, topic)).map(|()| OK)
    })
}

/// Sends a message to all connections that are subscribed to a topic at this moment, but not to `except`, if that is not 0:
/// the one that the message came from, say. It is encoded once. Returns how many they are; 0 is no error. Connections
/// whose queue is full are left out and counted, or closed, by the option `slow_client`; that concerns nobody else.
///
/// What one thread publishes and pushes arrives at each connection in that order.
///
/// Any thread, and any callback. Errors: `WS_ERR_ARGUMENT` for another opcode, or a name that is empty or too long;
/// `WS_ERR_UTF8` for text or a name that is not UTF-8; `WS_ERR_QUEUE_FULL` if `max_command_bytes` wait for a reactor, each
/// receiver counted, of whose connections none gets the message; `WS_ERR_MEMORY` if there is none for its frame; `WS_ERR_NULL`,
/// `WS_ERR_HANDLE`, `WS_ERR_STATE`, `WS_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_publish(
    server: *mut ws_server,
    topic: *const c_char,
    data: *const c_void,
    length: usize,
    opcode: c_int,
    except: ws_conn,
) -> c_int {
    guard_of(server, || {
        // SAFETY: the contract of this function: `topic` is NUL-terminated, and `data` leads to `length` bytes.
        let (topic, payload) = unsafe { (text(topic, "topic")?, bytes(data, length, "data")?) };
        let kind = kind(opcode)?;
        handle::with(server, |hosted: &HostedServer| hosted.server.publish(topic, kind, payload, except)).map(count)
    })
}

/// How many connections are subscribed to a topic: 0 for one that nobody is.
///
/// Any thread, and any callback. Errors: those of `ws_unsubscribe`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_topic_subscribers(server: *mut ws_server, topic: *const c_char) -> c_int {
    guard_of(server, || {
        // SAFETY: the contract of this function: `topic` is NUL-terminated.
        let topic = unsafe { text(topic, "topic")? };
        handle::with(server, |hosted: &HostedServer| hosted.server.subscribers(topic)).map(count)
    })
}

/// How many topics a connection is subscribed to: 0 once it has closed and left them.
///
/// Any thread, and any callback. Errors: `WS_ERR_HANDLE`, `WS_ERR_STATE`, `WS_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_conn_topics(server: *mut ws_server, conn: ws_conn) -> c_int {
    guard_of(server, || handle::with(server, |hosted: &HostedServer| hosted.server.topics_of(conn)).map(count))
}
