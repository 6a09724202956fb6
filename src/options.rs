//! The options of a server and those of a client, set by name as text, and the tables that document them.

#[cfg(test)]
mod bounds;
mod client;
mod row;
mod table;
mod values;

use crate::error::{Error, Result, Status};
use crate::protocol::decoder::Limits;
use crate::protocol::handshake::Admission;
use std::time::Duration;
use values::{G, K, M};

pub use client::{CLIENT_TABLE, ClientOptions, header_replaced};
pub use row::Row;
pub use table::TABLE;

/// Everything about a server that can be set before it starts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "documented in TABLE, under the same names")]
pub struct Options {
    pub reactors: u64,
    pub max_connections: u64,
    pub max_connections_per_address: u64,
    pub max_pending_handshakes: u64,
    pub max_message_size: u64,
    pub max_frame_size: u64,
    pub max_fragments: u64,
    pub max_message_bytes: u64,
    pub max_queued_bytes: u64,
    pub max_total_queued_bytes: u64,
    pub high_watermark: u64,
    pub low_watermark: u64,
    pub slow_client: SlowClient,
    pub max_topics: u64,
    pub max_event_bytes: u64,
    pub max_command_bytes: u64,
    pub max_request_head: u64,
    pub max_request_body: u64,
    pub max_body_bytes: u64,
    pub decide_upgrades: bool,
    pub admission: Admission,
    pub trusted_proxies: Vec<String>,
    pub proxy_protocol: bool,
    pub document_root: String,
    pub metrics_path: String,
    pub log_level: String,
    pub log_events: bool,
    pub request_timeout: Duration,
    pub body_timeout: Duration,
    pub min_receive_rate: u64,
    pub keep_alive_timeout: Duration,
    pub response_timeout: Duration,
    pub ping_interval: Duration,
    pub pong_timeout: Duration,
    pub idle_timeout: Duration,
    pub idle_counts_all: bool,
    pub pong_events: bool,
    pub max_lifetime: Duration,
    pub max_control_frames: u64,
    pub close_timeout: Duration,
    pub backlog: u64,
    pub reuse_port: bool,
    pub unix_mode: String,
    pub unix_owner: String,
    pub unix_group: String,
}

/// What becomes of a message that would exceed `max_queued_bytes` of its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SlowClient {
    /// It is refused, and whoever pushed it is told.
    Refuse,
    /// It is dropped and counted.
    Drop,
    /// The connection is closed, with this code.
    Close(u16),
}

impl SlowClient {
    const NAMES: &[&str] = &["refuse", "drop", "close_1008", "close_1013"];
    const ALL: [Self; 4] = [Self::Refuse, Self::Drop, Self::Close(1008), Self::Close(1013)];
}

impl Default for Options {
    fn default() -> Self {
        Self {
            reactors: 1,
            max_connections: 100_000,
            max_connections_per_address: 0,
            max_pending_handshakes: 0,
            max_message_size: M,
            max_frame_size: 2 * G,
            max_fragments: 131_072,
            max_message_bytes: 256 * M,
            max_queued_bytes: 4 * M,
            max_total_queued_bytes: G,
            high_watermark: 0,
            low_watermark: 0,
            slow_client: SlowClient::Refuse,
            max_topics: 10_000,
            max_event_bytes: M,
            max_command_bytes: 64 * M,
            max_request_head: 8 * K,
            max_request_body: M,
            max_body_bytes: 256 * M,
            decide_upgrades: false,
            admission: Admission::default(),
            trusted_proxies: Vec::new(),
            proxy_protocol: false,
            document_root: String::new(),
            metrics_path: String::new(),
            log_level: "notice".to_owned(),
            log_events: false,
            request_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            min_receive_rate: 0,
            keep_alive_timeout: Duration::from_secs(15),
            response_timeout: Duration::from_secs(30),
            ping_interval: Duration::from_secs(30),
            pong_timeout: Duration::from_secs(15),
            idle_timeout: Duration::ZERO,
            idle_counts_all: false,
            pong_events: false,
            max_lifetime: Duration::ZERO,
            max_control_frames: 1000,
            close_timeout: Duration::from_secs(5),
            backlog: 1024,
            reuse_port: false,
            unix_mode: String::new(),
            unix_owner: String::new(),
            unix_group: String::new(),
        }
    }
}

impl Options {
    /// Sets the option of this name.
    ///
    /// # Errors
    /// `WS_ERR_OPTION` for a name that is not in [`TABLE`], `WS_ERR_VALUE` for a value out of its range or form.
    pub fn set(&mut self, name: &str, value: &str) -> Result<()> {
        row::set(TABLE, self, name, value)
    }

    /// Fills in what follows from other options, and checks that they go together.
    ///
    /// # Errors
    /// `WS_ERR_VALUE`.
    pub fn settle(&mut self) -> Result<()> {
        let derived = |value: u64, otherwise: u64| if value == 0 { otherwise } else { value };
        self.high_watermark = derived(self.high_watermark, self.max_queued_bytes / 4);
        self.low_watermark = derived(self.low_watermark, self.high_watermark / 2);
        let Self { max_queued_bytes: most, high_watermark: high, low_watermark: low, .. } = *self;
        let detail = if high > most {
            format!("option high_watermark is {high}: it is at most max_queued_bytes, which is {most}")
        } else if low >= high {
            format!("option low_watermark is {low}: it is below high_watermark, which is {high}")
        } else {
            return Ok(());
        };
        Err(Error::new(Status::WS_ERR_VALUE, detail))
    }

    /// The permission bits of `unix_mode`, if it is set.
    #[must_use]
    pub fn unix_permissions(&self) -> Option<u32> {
        values::permissions(&self.unix_mode)
    }

    /// What the decoder of a connection needs to know.
    #[must_use]
    pub fn limits(&self) -> Limits {
        Limits {
            max_message: self.max_message_size,
            max_frame: self.max_frame_size,
            max_fragments: u32::try_from(self.max_fragments).unwrap_or(u32::MAX),
        }
    }
}

#[cfg(test)]
mod tests;
