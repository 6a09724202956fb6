//! wspush: a WebSocket engine for hosts with a C FFI.
//!
//! The library is made for the C API in [`ffi`], which `include/wspush.h` declares and PHP loads. The floors below it
//! are open to Rust as well, though their shape may still change from version to version. From the top down:
//!
//! - [`ffi`]: the C API: argument checks, a guard, and calls down.
//! - [`server`] and [`client`]: a server and a client as a Rust program would hold them; [`options`] has all that can be set.
//! - [`engine`]: reactors, connections, queues, timers, ids.
//! - [`protocol`]: RFC 6455 and its handshake, without input or output, for both roles.
//! - [`sys`]: the kernel, behind safe types.
//!
//! A server is set up, started, polled for events or given a handler for them, and stopped:
//!
//! ```
//! use wspush::engine::batch::Event;
//! use wspush::server::Server;
//! use std::time::Duration;
//!
//! let server = Server::new();
//! server.set("max_message_size", "64K")?;
//! server.listen("127.0.0.1", 0)?;
//! server.start()?;
//! println!("listening on port {}", server.port(0)?);
//!
//! // Once, where a host would loop: take a batch of events and echo what they bring.
//! server.poll(Some(Duration::ZERO), |batch| {
//!     for event in batch.events() {
//!         if let Event::Message(conn, kind, span) = event {
//!             let _ = server.push(*conn, *kind, batch.payload(*span));
//!         }
//!     }
//! })?;
//!
//! server.stop(Duration::from_secs(5))?;
//! # Ok::<(), wspush::error::Error>(())
//! ```

pub mod cause;
pub mod client;
pub mod engine;
pub mod error;
pub mod ffi;
pub mod options;
pub mod protocol;
pub mod server;
pub mod sys;
