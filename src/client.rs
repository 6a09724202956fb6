//! A client: a URL, options, how to take events; then started, pushed to, and closed.
//!
//! It connects, and connects again after its connection was lost if that is asked for. Everything but setting up may be done
//! from any thread. A client starts once, and ends once: when it was closed, or when it has no connection and will not try for
//! another.
//!
//! Clients share threads: one dialer for the process, which makes their connections, and a [`Loop`] for many, on which the
//! connections live.

mod core;
mod looping;
mod members;

pub use self::looping::Loop;
pub use self::members::{List, Members};

use self::core::{Core, Policy};
use crate::cause::Cause;
use crate::engine::batch::Batch;
use crate::engine::dialer::{Dialer, Plan};
use crate::engine::facts::Facts;
use crate::engine::owner::{ClientHandler, Tag};
use crate::engine::running::check_may_wait;
use crate::engine::stats::Stats;
use crate::error::{Error, Result, Status};
use crate::options::{ClientOptions, header_replaced};
use crate::protocol::decoder::Kind;
use crate::protocol::frame;
use crate::protocol::url::{Scheme, Url};
use crate::protocol::{close, utf8};
use crate::sys::lock::Lock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

/// A WebSocket client.
pub struct Client {
    tag: Tag,
    /// Until the start: who has many clients does not pay for it afterwards.
    setup: Lock<Option<Box<Setup>>>,
    running: OnceLock<Running>,
}

/// What is set before the start.
#[derive(Default)]
struct Setup {
    url: String,
    options: ClientOptions,
    handler: Option<Arc<dyn ClientHandler>>,
    shared: Option<Arc<Loop>>,
}

/// What is there from the start on.
struct Running {
    core: Arc<Core>,
    home: Arc<Loop>,
    /// The loop is its own.
    alone: bool,
    /// Held for as long as the client is there.
    _dialer: Arc<Dialer>,
}

impl Client {
    /// A client of the server at `url`, not started: `ws://host:port/path?query`, or `unix:/path/of/socket:/path?query`.
    #[must_use]
    pub fn new(url: &str) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self::tagged(url, NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// The same with a name of the host's, by which it is known in the events of a loop.
    #[must_use]
    pub fn tagged(url: &str, tag: Tag) -> Self {
        let setup = Setup { url: url.to_owned(), ..Setup::default() };
        Self { tag, setup: Lock::new(Some(Box::new(setup))), running: OnceLock::new() }
    }

    /// Its name in the events of a loop.
    #[must_use]
    pub const fn tag(&self) -> Tag {
        self.tag
    }

    // ---- before the start -----------------------------------------------------------------------------------------

    /// Sets an option; [`crate::options::CLIENT_TABLE`] has them all. Once started, those that say how to connect can be set for
    /// the next attempt: all from `connect_timeout` to `max_redirects`, and `max_response_head`.
    ///
    /// # Errors
    /// `WS_ERR_OPTION`, `WS_ERR_VALUE`; once started `WS_ERR_STATE` for any other option, `WS_ERR_CLOSED` if it has ended.
    pub fn set(&self, name: &str, value: &str) -> Result<()> {
        self.set_up_or_plan(|setup| setup.options.set(name, value), |plan| set_in_plan(plan, name, value))
    }

    /// Sets the URL, for the next attempt if it was started.
    ///
    /// # Errors
    /// Once started `WS_ERR_URL`, `WS_ERR_UNSUPPORTED`, `WS_ERR_CLOSED` if it has ended. Before that the start tells what is
    /// wrong with it.
    pub fn set_url(&self, url: &str) -> Result<()> {
        let set = |setup: &mut Setup| {
            url.clone_into(&mut setup.url);
            Ok(())
        };
        self.set_up_or_plan(set, |plan| {
            plan.url = parse_url("set the URL", url)?;
            Ok(())
        })
    }

    /// Adds a header field to the request.
    ///
    /// # Errors
    /// Those of [`ClientOptions::add_header`]; `WS_ERR_STATE` once started.
    pub fn add_header(&self, name: &str, value: &str) -> Result<()> {
        self.set_up("add a header", |setup| setup.options.add_header(name, value))
    }

    /// Has this header field in the place of all of its name, or none of that name, from the next attempt on if it was started.
    ///
    /// # Errors
    /// Those of [`ClientOptions::add_header`]; `WS_ERR_CLOSED` if it has ended.
    pub fn set_header(&self, name: &str, value: Option<&str>) -> Result<()> {
        self.set_up_or_plan(
            |setup| setup.options.set_header(name, value),
            |plan| {
                plan.upgrade.headers = header_replaced(&plan.upgrade.headers, name, value)?;
                Ok(())
            },
        )
    }

    /// Has events handled by callbacks, or, with `None`, taken with [`Client::poll`] or [`Loop::poll`].
    ///
    /// # Errors
    /// `WS_ERR_STATE` once started.
    pub fn set_handler(&self, handler: Option<Arc<dyn ClientHandler>>) -> Result<()> {
        self.set_up("set a callback", |setup| {
            setup.handler = handler;
            Ok(())
        })
    }

    /// Has its events come with those of the other clients of a loop.
    ///
    /// # Errors
    /// `WS_ERR_STATE` once started, or if it is in a loop already.
    pub fn join(&self, home: &Arc<Loop>) -> Result<()> {
        self.set_up("add to a loop", |setup| {
            if setup.shared.is_some() {
                return Err(Error::new(Status::WS_ERR_STATE, "add to a loop: the client is in one already"));
            }
            setup.shared = Some(Arc::clone(home));
            Ok(())
        })
    }

    fn set_up_or_plan(
        &self,
        set: impl FnOnce(&mut Setup) -> Result<()>,
        plan: impl FnOnce(&mut Plan) -> Result<()>,
    ) -> Result<()> {
        let mut place = self.setup.write();
        if let Some(setup) = place.as_deref_mut() {
            return set(setup);
        }
        drop(place);
        self.core()?.change_plan(plan)
    }

    fn set_up<T>(&self, what: &str, change: impl FnOnce(&mut Setup) -> Result<T>) -> Result<T> {
        self.setup.write().as_deref_mut().map_or_else(|| Err(started(what)), change)
    }

    /// Begins to connect. How that ends is an event: open, or error.
    ///
    /// # Errors
    /// `WS_ERR_URL`, `WS_ERR_UNSUPPORTED` for `wss://`, `WS_ERR_VALUE` for options that do not go together or with those of the
    /// loop, `WS_ERR_STATE` if it was started already, `WS_ERR_SYSTEM`.
    pub fn start(&self) -> Result<()> {
        let mut place = self.setup.write();
        let Some(setup) = place.as_deref() else { return Err(started("start")) };
        let mut options = setup.options.clone();
        options.settle()?;
        let plan = Arc::new(plan(&setup.url, &options)?);
        let (home, alone) = match (&setup.shared, &setup.handler) {
            (Some(_), Some(_)) => {
                let detail = "start: callbacks are set, and a loop is polled: it is one or the other";
                return Err(Error::new(Status::WS_ERR_STATE, detail));
            }
            (Some(shared), None) => (Arc::clone(shared), false),
            (None, Some(_)) => (Loop::of_callbacks(&options.engine)?, false),
            (None, None) => (Arc::new(Loop::new()), true),
        };
        let link = home.link(&options.engine, setup.handler.is_none())?;
        let dialer = Dialer::shared().map_err(|error| Error::system("start a dialer", &error))?;
        let members = (!alone && setup.handler.is_none()).then(|| home.members());
        let (policy, handler) = (Policy::new(&options, alone), setup.handler.clone());
        let core = Core::new(self.tag, policy, link, Arc::downgrade(&dialer), handler, members);
        // The setup was there, so nobody else can have set it.
        let _ = self.running.set(Running { core: Arc::clone(&core), home, alone, _dialer: dialer });
        *place = None;
        drop(place);
        core.begin(plan);
        Ok(())
    }

    // ---- from the start on ----------------------------------------------------------------------------------------

    fn running(&self) -> Result<&Running> {
        let not_started = || Error::new(Status::WS_ERR_STATE, "the client was not started");
        let running = self.running.get().ok_or_else(not_started)?;
        running.home.running()?;
        Ok(running)
    }

    fn core(&self) -> Result<&Core> {
        Ok(&self.running()?.core)
    }

    /// Sends a message; or, while there is no connection, keeps it for the next one, as far as `max_offline_bytes` allows.
    ///
    /// # Errors
    /// `WS_ERR_CLOSED` without a connection, `WS_ERR_QUEUE_FULL`, `WS_ERR_UTF8` for text that is not UTF-8.
    #[inline]
    pub fn push(&self, kind: Kind, payload: &[u8]) -> Result<()> {
        if kind == Kind::Text && !utf8::is_valid(payload) {
            return Err(Error::new(Status::WS_ERR_UTF8, "a text message must be UTF-8; send other bytes as WS_BINARY"));
        }
        self.core()?.push(kind, payload)
    }

    /// Sends a ping. Its pong is not told; it counts as a sign of life, and without any within `pong_timeout` the connection is cut.
    ///
    /// # Errors
    /// `WS_ERR_TOO_LARGE` beyond 125 bytes, `WS_ERR_CLOSED`, `WS_ERR_QUEUE_FULL`.
    pub fn ping(&self, payload: &[u8]) -> Result<()> {
        frame::check_ping(payload)?;
        let core = self.core()?;
        core.link().ping(core.conn()?, payload)
    }

    /// Ends the client: closes its connection, with a code that may be sent or without one, and makes no other. Before it is
    /// open it gives up. To close again changes nothing.
    ///
    /// # Errors
    /// `WS_ERR_ARGUMENT` for a code that must not be sent or a reason over 123 bytes, `WS_ERR_CLOSED` if it has ended.
    pub fn close(&self, code: Option<u16>, reason: &str) -> Result<()> {
        close::check(code, reason)?;
        self.core()?.close(code, reason)
    }

    /// Has the next attempt to connect made at once, if one is waiting; and looks whether an open connection is still there, as
    /// [`Client::ping`].
    ///
    /// # Errors
    /// `WS_ERR_STATE`, `WS_ERR_FORKED`.
    pub fn reconnect(&self) -> Result<()> {
        self.core()?.hurry();
        Ok(())
    }

    /// Whether it has an open connection.
    ///
    /// # Errors
    /// `WS_ERR_STATE`, `WS_ERR_FORKED`.
    pub fn is_open(&self) -> Result<bool> {
        Ok(self.core()?.is_open())
    }

    /// The code with which its last connection has closed, and why; 0 if it has one, or had none. It is known before it is told.
    ///
    /// # Errors
    /// `WS_ERR_STATE`, `WS_ERR_FORKED`.
    pub fn last_close(&self) -> Result<(u16, Cause)> {
        Ok(self.core()?.last_close())
    }

    /// Bytes that wait to be sent, and those that are kept for the next connection.
    ///
    /// # Errors
    /// `WS_ERR_STATE`, `WS_ERR_FORKED`.
    pub fn queued_bytes(&self) -> Result<u64> {
        Ok(self.core()?.queued_bytes())
    }

    /// Drops the messages that are kept for the next connection, and returns how many they were.
    ///
    /// # Errors
    /// `WS_ERR_STATE`, `WS_ERR_FORKED`.
    pub fn clear_offline(&self) -> Result<u64> {
        Ok(self.core()?.clear_kept())
    }

    /// Has nothing more read from the connection, until [`Client::resume`]. The next connection is read from again.
    ///
    /// # Errors
    /// `WS_ERR_CLOSED`.
    pub fn pause(&self) -> Result<()> {
        let core = self.core()?;
        core.link().halt(core.conn()?, true)
    }

    /// Goes on reading.
    ///
    /// # Errors
    /// `WS_ERR_CLOSED`.
    pub fn resume(&self) -> Result<()> {
        let core = self.core()?;
        core.link().halt(core.conn()?, false)
    }

    /// What is known of the connection, and when the clock of the facts' ticks was 0, in milliseconds of Unix time.
    ///
    /// # Errors
    /// `WS_ERR_CLOSED`.
    pub fn facts(&self) -> Result<(Facts, u64)> {
        let core = self.core()?;
        Ok((core.link().facts_of(core.conn()?)?, self.running()?.home.running()?.epoch_ms))
    }

    /// Shows the counters of its loop, which are those of all clients there.
    ///
    /// # Errors
    /// `WS_ERR_STATE`, `WS_ERR_FORKED`.
    pub fn stats(&self, look: impl FnOnce(&Stats)) -> Result<()> {
        look(self.core()?.link().stats());
        Ok(())
    }

    /// Waits until it has ended, for at most `limit`. Whether it has.
    ///
    /// # Errors
    /// `WS_ERR_IN_CALLBACK`, `WS_ERR_STATE`, `WS_ERR_FORKED`.
    pub fn wait(&self, limit: Option<Duration>) -> Result<bool> {
        check_may_wait()?;
        Ok(self.core()?.wait(limit))
    }

    /// Waits for events for at most `limit` and reads them with `read`; see [`Loop::poll`].
    ///
    /// # Errors
    /// `WS_ERR_STATE` if it was not started, has callbacks, or is in a loop of others; `WS_ERR_STOPPED` when it has ended and
    /// every event was taken; and those of [`Loop::poll`].
    pub fn poll<T>(&self, limit: Option<Duration>, read: impl FnOnce(&Batch) -> T) -> Result<Option<T>> {
        self.own_loop()?.poll(limit, read)
    }

    /// Says that the host is done with the events that it has taken; see [`Loop::finish`].
    ///
    /// # Errors
    /// As [`Client::poll`].
    pub fn finish(&self) -> Result<()> {
        self.own_loop()?.finish()
    }

    /// A descriptor that is readable while events wait.
    ///
    /// # Errors
    /// As [`Client::poll`].
    pub fn event_fd(&self) -> Result<std::os::fd::RawFd> {
        self.own_loop()?.event_fd()
    }

    fn own_loop(&self) -> Result<&Loop> {
        let running = self.running()?;
        if !running.alone {
            let detail = "poll: its events go to its callbacks, or come with those of its loop";
            return Err(Error::new(Status::WS_ERR_STATE, detail));
        }
        Ok(&running.home)
    }

    /// Whether the calling thread is inside a callback of this client, or of one that shares its thread.
    #[must_use]
    pub fn is_in_callback(&self) -> bool {
        self.running.get().is_some_and(|running| running.home.is_in_callback())
    }

    /// Ends it at once. When this returns, no callback runs, and none will; calls of [`Client::poll`] have ended. Inside a callback,
    /// of whatever server or client, it does not wait for that.
    pub fn retire(&self) {
        let Some(Running { core, home, alone, .. }) = self.running.get() else { return };
        if home.running().is_err() {
            // In a forked child there is nothing to end, and whatever was locked at the fork is locked for ever.
            return;
        }
        if *alone {
            core.abandon();
            home.retire();
        } else {
            core.release();
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.retire();
    }
}

/// All that an attempt to connect needs to know.
fn plan(url: &str, options: &ClientOptions) -> Result<Plan> {
    Ok(Plan {
        url: parse_url("start: the URL", url)?,
        proxy: options.proxy_url(),
        resolutions: options.resolutions(),
        upgrade: options.upgrade(),
        max_redirects: options.max_redirects as u32,
        connect_timeout: options.connect_timeout,
        handshake_timeout: options.handshake_timeout,
    })
}

fn parse_url(what: &str, url: &str) -> Result<Url> {
    let url = Url::parse(url).map_err(|error| Error::new(Status::WS_ERR_URL, format!("{what}: {error}")))?;
    if url.scheme == Scheme::Wss {
        // Without the target, in which there may be a secret.
        let at = url.authority();
        let detail = format!("{what}: wss://{at}: wss:// is not supported yet, for want of TLS; ws:// is");
        return Err(Error::new(Status::WS_ERR_UNSUPPORTED, detail));
    }
    Ok(url)
}

/// Sets an option that says how to connect where the next attempt finds it.
fn set_in_plan(plan: &mut Plan, name: &str, value: &str) -> Result<()> {
    let mut options = ClientOptions::default();
    options.set(name, value)?;
    options.settle()?;
    let mut header = |name, value: &str| {
        plan.upgrade.headers =
            header_replaced(&plan.upgrade.headers, name, Some(value).filter(|text| !text.is_empty()))?;
        Ok(())
    };
    match name {
        "origin" => return header("Origin", value),
        "cookie" => return header("Cookie", value),
        "user_agent" => return header("User-Agent", value),
        "connect_timeout" => plan.connect_timeout = options.connect_timeout,
        "handshake_timeout" => plan.handshake_timeout = options.handshake_timeout,
        "max_redirects" => plan.max_redirects = options.max_redirects as u32,
        "proxy" => plan.proxy = options.proxy_url(),
        "resolve" => plan.resolutions = options.resolutions(),
        "host" => plan.upgrade.host = options.host,
        "subprotocols" => plan.upgrade.subprotocols = options.subprotocols,
        "max_response_head" => plan.upgrade.max_head = options.upgrade().max_head,
        _ => return Err(started(&format!("set {name}"))),
    }
    Ok(())
}

fn started(what: &str) -> Error {
    Error::new(Status::WS_ERR_STATE, format!("{what}: the client was started already"))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
