//! The machinery: reactors, each with an epoll of its own, and what passes between them and the host.
//!
//! A [`reactor`] owns its connections: nobody else touches a socket, so no connection needs a lock. Who runs it is decided
//! by who has its [`seat`]: a thread of its own, or a host that waits for events. What other threads
//! may do is in [`link`]: look a connection up in the [`registry`], and put [`commands`] into the reactor's queue. What
//! the reactor has to say goes out through a [`delivery`]: to callbacks on its own thread, or in batches of [`events`]
//! to the host's.

pub mod answers;
pub mod backoff;
pub mod batch;
pub mod census;
pub mod commands;
pub mod connection;
pub mod delivery;
pub mod dialer;
pub(crate) mod discarded;
pub mod events;
pub mod facts;
pub mod http;
pub mod inbox;
pub mod link;
pub mod log;
pub mod metrics;
pub mod outbox;
pub mod owner;
pub mod pool;
pub mod reactor;
pub mod registry;
pub mod request;
pub mod running;
pub mod seat;
pub mod site;
pub mod sparse;
pub mod stats;
pub mod timers;
pub mod topics;
pub mod turn;
pub mod worker;
