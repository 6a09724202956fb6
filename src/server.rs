//! A server: options, where to listen, how to take events; then started, pushed to, and stopped.
//!
//! Everything but setting up may be done from any thread. A server starts once and stops once.

mod http;
mod starting;
mod topics;

use crate::engine::batch::Batch;
use crate::engine::commands::Command;
use crate::engine::delivery::Handler;
use crate::engine::facts::Facts;
use crate::engine::link::Link;
use crate::engine::log::Logger;
use crate::engine::registry::{ConnId, Phase, reactor_of};
use crate::engine::running::Running;
use crate::engine::stats::Stats;
use crate::engine::turn::{self, DIRECT_MIN, Host};
use crate::error::{Error, Result, Status};
use crate::options::Options;
use crate::protocol::decoder::Kind;
use crate::protocol::frame;
use crate::protocol::{close, utf8};
use crate::sys::inherit;
use crate::sys::lock::{Lock, Writing};
use crate::sys::process;
use crate::sys::socket::Address;
use std::net::ToSocketAddrs;
use std::os::fd::RawFd;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// A WebSocket server.
#[derive(Default)]
pub struct Server {
    setup: Lock<Setup>,
    running: OnceLock<Running>,
    ports: OnceLock<Vec<u16>>,
}

/// What is set before the start.
#[derive(Default)]
struct Setup {
    options: Options,
    addresses: Vec<Vec<Address>>,
    handler: Option<Arc<dyn Handler>>,
    logger: Option<Arc<dyn Logger>>,
}

impl Server {
    /// A server with the default options, not started.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    // ---- before the start -----------------------------------------------------------------------------------------

    /// Sets an option; [`crate::options::TABLE`] has them all.
    ///
    /// # Errors
    /// `WS_ERR_OPTION`, `WS_ERR_VALUE`, `WS_ERR_STATE` once started.
    pub fn set(&self, name: &str, value: &str) -> Result<()> {
        self.setup("set")?.options.set(name, value)
    }

    /// Adds an address to listen on: a name or an IP address and a port, or `unix:` and a path. Port 0 lets the kernel
    /// choose. Nothing is bound before [`Server::start`]. `fd:` and a number is a listening socket that is there already,
    /// `systemd:` all that a service manager has passed, and with a name behind it those of this name.
    ///
    /// # Errors
    /// `WS_ERR_ADDRESS`, `WS_ERR_ARGUMENT` for the port, `WS_ERR_STATE` once started.
    pub fn listen(&self, host: &str, port: i32) -> Result<()> {
        let mut setup = self.setup("listen")?;
        if let Some(path) = host.strip_prefix("unix:") {
            setup.addresses.push(vec![Address::Unix(PathBuf::from(path))]);
            return Ok(());
        }
        if let Some(descriptors) = inherited(host) {
            setup.addresses.extend(descriptors?.into_iter().map(|fd| vec![Address::Descriptor(fd)]));
            return Ok(());
        }
        let Ok(port) = u16::try_from(port) else {
            return Err(Error::new(
                Status::WS_ERR_ARGUMENT,
                format!("listen {host}: port {port} is not in 0 to 65535"),
            ));
        };
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let found = (bare, port).to_socket_addrs().map(Iterator::collect::<Vec<_>>);
        match found {
            Ok(found) if !found.is_empty() => {
                setup.addresses.push(found.into_iter().map(Address::Tcp).collect());
                Ok(())
            }
            Ok(_) => Err(Error::new(Status::WS_ERR_ADDRESS, format!("listen {host}: the name has no address"))),
            Err(error) => Err(Error::new(Status::WS_ERR_ADDRESS, format!("listen {host}:{port}: {error}"))),
        }
    }

    /// Has events handled by callbacks on the reactor threads, or, with `None`, taken with [`Server::poll`].
    ///
    /// # Errors
    /// `WS_ERR_STATE` once started.
    pub fn set_handler(&self, handler: Option<Arc<dyn Handler>>) -> Result<()> {
        self.setup("set a callback")?.handler = handler;
        Ok(())
    }

    /// Has messages for the log go to `logger`, in callback mode.
    ///
    /// # Errors
    /// `WS_ERR_STATE` once started.
    pub fn set_logger(&self, logger: Option<Arc<dyn Logger>>) -> Result<()> {
        self.setup("set a callback")?.logger = logger;
        Ok(())
    }

    fn setup(&self, what: &str) -> Result<Writing<'_, Setup>> {
        let setup = self.setup.write();
        if self.running.get().is_some() {
            return Err(Error::new(Status::WS_ERR_STATE, format!("{what}: the server was started already")));
        }
        Ok(setup)
    }

    /// Binds every address and starts the reactors. If anything fails, nothing stays behind, and it may be tried again.
    ///
    /// # Errors
    /// `WS_ERR_STATE` if it was started already or has nowhere to listen; `WS_ERR_VALUE` for options that do not go together;
    /// `WS_ERR_ADDRESS`, `WS_ERR_ADDRESS_IN_USE`,
    /// `WS_ERR_PERMISSION`, `WS_ERR_SYSTEM`.
    pub fn start(&self) -> Result<()> {
        self.start_as(None)
    }

    /// The same for a host that has a short name for the server, by which it can push.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn start_as(&self, host: Host) -> Result<()> {
        let mut setup = self.setup("start")?;
        if setup.addresses.is_empty() {
            return Err(Error::new(Status::WS_ERR_STATE, "start: there is no address to listen on"));
        }
        process::watch_forks();
        if setup.options.reactors > 1 {
            setup.options.reuse_port = true;
        }
        let (running, ports) = starting::start(&setup, host)?;
        // The lock on the setup is held, so nobody else can have set them.
        let _ = self.ports.set(ports);
        let _ = self.running.set(running);
        // One reactor tells it for all; and not before it is so, for who hears it may call.
        let _ = self.running()?.links[0].enqueue(Command::LogStart);
        Ok(())
    }

    // ---- from the start on ----------------------------------------------------------------------------------------

    fn running(&self) -> Result<&Running> {
        let not_started = || Error::new(Status::WS_ERR_STATE, "the server was not started");
        self.running.get().ok_or_else(not_started)?.here()
    }

    #[inline]
    fn link(&self, conn: ConnId) -> Result<&Link> {
        let running = self.running()?;
        Ok(&running.links[reactor_of(conn, running.links.len() as u64)])
    }

    /// The port of the `listener`-th address, counted from 0; 0 for a Unix socket.
    ///
    /// # Errors
    /// `WS_ERR_STATE` before the start, `WS_ERR_ARGUMENT` if there is no such address.
    pub fn port(&self, listener: usize) -> Result<u16> {
        self.running()?;
        let ports = self.ports.get().map_or(&[][..], Vec::as_slice);
        ports.get(listener).copied().ok_or_else(|| {
            Error::new(Status::WS_ERR_ARGUMENT, format!("listener {listener}: there are {}", ports.len()))
        })
    }

    /// Sends a message. What becomes of it if the queue of the connection is full is for the option `slow_client` to say.
    ///
    /// # Errors
    /// `WS_ERR_CLOSED`, `WS_ERR_QUEUE_FULL`, `WS_ERR_UTF8` for text that is not UTF-8.
    #[inline]
    pub fn push(&self, conn: ConnId, kind: Kind, payload: &[u8]) -> Result<()> {
        check_text(kind, payload)?;
        if payload.len() >= DIRECT_MIN {
            if let Some(result) = self.running()?.send_directly(conn, kind.into(), payload) {
                return result;
            }
        }
        self.link(conn)?.send(conn, kind.into(), payload)
    }

    /// Sends a message to every open connection; it is encoded once. Connections with a full queue are left out, or closed, by
    /// the option `slow_client`.
    ///
    /// # Errors
    /// `WS_ERR_UTF8`, `WS_ERR_QUEUE_FULL` if a reactor cannot take it.
    pub fn broadcast(&self, kind: Kind, payload: &[u8]) -> Result<()> {
        check_text(kind, payload)?;
        let frame = encode(kind, payload)?;
        let links = &self.running()?.links;
        // Every reactor is given its copy, whatever another one says.
        links.iter().map(|link| link.broadcast(&frame)).fold(Ok(()), Result::and)
    }

    /// Sends a ping. Its pong is not told; it counts as a sign of life.
    ///
    /// # Errors
    /// `WS_ERR_TOO_LARGE` beyond 125 bytes, `WS_ERR_CLOSED`, `WS_ERR_QUEUE_FULL`.
    pub fn ping(&self, conn: ConnId, payload: &[u8]) -> Result<()> {
        frame::check_ping(payload)?;
        self.link(conn)?.ping(conn, payload)
    }

    /// Begins the closing handshake, with a code that may be sent, or without one. What was pushed before is sent
    /// first; the close is told when the peer has answered, or when `close_timeout` is over.
    ///
    /// # Errors
    /// `WS_ERR_ARGUMENT` for a code that must not be sent or a reason over 123 bytes, `WS_ERR_CLOSED`.
    pub fn close(&self, conn: ConnId, code: Option<u16>, reason: &str) -> Result<()> {
        close::check(code, reason)?;
        self.link(conn)?.close(conn, code, reason)
    }

    /// What is known of a connection, and when the clock of the facts' ticks was 0, in milliseconds of Unix time.
    ///
    /// # Errors
    /// `WS_ERR_CLOSED`.
    pub fn facts(&self, conn: ConnId) -> Result<(Facts, u64)> {
        Ok((self.link(conn)?.facts_of(conn)?, self.running()?.epoch_ms))
    }

    /// Has a drain told, once, as soon as no more than `low_watermark` waits to be sent to a connection.
    ///
    /// # Errors
    /// `WS_ERR_CLOSED`.
    pub fn await_drain(&self, conn: ConnId) -> Result<()> {
        self.link(conn)?.await_drain(conn)
    }

    /// Has nothing more read from a connection, until [`Server::resume`]: what the peer sends waits in the kernels, and then
    /// with the peer. It is not timed out for that. What was received before may still be told.
    ///
    /// # Errors
    /// `WS_ERR_CLOSED`.
    pub fn pause(&self, conn: ConnId) -> Result<()> {
        self.link(conn)?.halt(conn, true)
    }

    /// Goes on reading from a connection.
    ///
    /// # Errors
    /// `WS_ERR_CLOSED`.
    pub fn resume(&self, conn: ConnId) -> Result<()> {
        self.link(conn)?.halt(conn, false)
    }

    /// Cuts a connection without a Close frame. It is told as closed with 1006.
    ///
    /// # Errors
    /// `WS_ERR_CLOSED`.
    pub fn disconnect(&self, conn: ConnId) -> Result<()> {
        self.link(conn)?.disconnect(conn)
    }

    /// Whether messages may be pushed to this connection.
    ///
    /// # Errors
    /// `WS_ERR_STATE`, `WS_ERR_FORKED`.
    pub fn is_open(&self, conn: ConnId) -> Result<bool> {
        Ok(self.link(conn)?.registry.standing(conn).is_some_and(|standing| standing.phase == Phase::Open))
    }

    /// Bytes that wait to be sent to a connection.
    ///
    /// # Errors
    /// `WS_ERR_CLOSED`.
    pub fn queued_bytes(&self, conn: ConnId) -> Result<u64> {
        self.link(conn)?.queued_bytes(conn)
    }

    /// The open connections.
    ///
    /// # Errors
    /// `WS_ERR_STATE`, `WS_ERR_FORKED`.
    pub fn connections(&self) -> Result<impl Iterator<Item = ConnId>> {
        Ok(self.running()?.links.iter().flat_map(|link| link.registry.open()))
    }

    /// The counters of every reactor.
    ///
    /// # Errors
    /// `WS_ERR_STATE`, `WS_ERR_FORKED`.
    pub fn stats(&self) -> Result<impl Iterator<Item = &Stats>> {
        Ok(self.running()?.links.iter().map(|link| link.stats()))
    }

    /// The counters of one reactor.
    ///
    /// # Errors
    /// `WS_ERR_ARGUMENT` if there is none of this number, `WS_ERR_STATE`, `WS_ERR_FORKED`.
    pub fn reactor_stats(&self, reactor: usize) -> Result<&Stats> {
        let links = &self.running()?.links;
        links
            .get(reactor)
            .map(|link| link.stats())
            .ok_or_else(|| Error::new(Status::WS_ERR_ARGUMENT, format!("reactor {reactor}: there are {}", links.len())))
    }

    /// Waits for events for at most `limit` and reads them with `read`; see [`EventQueue::poll`](crate::engine::events::EventQueue::poll).
    ///
    /// # Errors
    /// `WS_ERR_STATE` if callbacks are set or it was not started, and those of [`EventQueue::poll`](crate::engine::events::EventQueue::poll).
    pub fn poll<T>(&self, limit: Option<Duration>, read: impl FnOnce(&Batch) -> T) -> Result<Option<T>> {
        self.running()?.poll(limit, read)
    }

    /// Says that the host is done with the events that it has taken; see [`EventQueue::finish`](crate::engine::events::EventQueue::finish).
    ///
    /// # Errors
    /// As [`Server::poll`].
    pub fn finish(&self) -> Result<()> {
        self.running()?.finish()
    }

    /// A descriptor that is readable while events wait, for a loop of the host's own.
    ///
    /// # Errors
    /// As [`Server::poll`].
    pub fn event_fd(&self) -> Result<std::os::fd::RawFd> {
        self.running()?.event_fd()
    }

    /// Stops: nothing new is accepted, every connection is sent Close 1001 behind what waits for it, and what is not
    /// gone after `time` is cut. Waits until it is done, except inside a callback, of this server or another. To stop again does no harm, and
    /// shortens the time if it is less.
    ///
    /// # Errors
    /// `WS_ERR_STATE` if it was not started, `WS_ERR_FORKED`.
    pub fn stop(&self, time: Duration) -> Result<()> {
        self.running()?.stop(time);
        Ok(())
    }

    /// Stops at once, and has calls of [`Server::poll`] end without events: what they would lead to is about to go.
    pub fn retire(&self) {
        if let Some(running) = self.running.get() {
            running.retire();
        }
    }

    /// Waits until the server has stopped.
    ///
    /// # Errors
    /// `WS_ERR_IN_CALLBACK` inside a callback of whatever server or client, `WS_ERR_STATE`, `WS_ERR_FORKED`.
    pub fn wait(&self) -> Result<()> {
        self.running()?.wait()
    }

    /// Whether the calling thread is inside a callback of this server.
    #[must_use]
    pub fn is_in_callback(&self) -> bool {
        self.running.get().is_some_and(Running::is_in_callback)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A forked child has nothing to stop: the threads are the parent's.
        let _ = self.stop(Duration::ZERO);
    }
}

/// The descriptors that an address stands for, if it stands for such.
fn inherited(host: &str) -> Option<Result<Vec<RawFd>>> {
    let unusable = |why: String| Error::new(Status::WS_ERR_ADDRESS, format!("listen {host}: {why}"));
    if let Some(number) = host.strip_prefix("fd:") {
        let fd = number.parse().ok().filter(|fd: &RawFd| *fd >= 0);
        return Some(fd.map(|fd| vec![fd]).ok_or_else(|| unusable("no number of a descriptor".to_owned())));
    }
    let name = Some(host.strip_prefix("systemd:")?).filter(|name| !name.is_empty());
    let passed = inherit::passed(name, std::process::id(), |key| std::env::var(key).ok());
    Some(passed.map_err(|why| unusable(format!("no socket was passed to this process: {why}"))))
}

fn check_text(kind: Kind, payload: &[u8]) -> Result<()> {
    if kind == Kind::Text && !turn::is_lent(payload) && !utf8::is_valid(payload) {
        return Err(Error::new(Status::WS_ERR_UTF8, "a text message must be UTF-8; send other bytes as WS_BINARY"));
    }
    Ok(())
}

/// A message as the frame that all its receivers share.
fn encode(kind: Kind, payload: &[u8]) -> Result<Arc<Vec<u8>>> {
    let mut frame = Vec::new();
    frame.try_reserve_exact(frame::length(payload.len(), false)).map_err(|_| Error::no_memory())?;
    frame::write(&mut frame, kind.into(), true, None, payload);
    Ok(Arc::new(frame))
}
