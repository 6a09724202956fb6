//! HTTP beside WebSocket: answers to requests, and decisions about upgrades.

use super::Server;
use crate::engine::registry::ConnId;
use crate::error::{Error, Result, Status};
use crate::protocol::http::ResponseHead;

impl Server {
    /// Answers an HTTP request: a plain one, or an upgrade that is thereby refused. `headers` are lines, each `Name: value`
    /// and CRLF; Date, Content-Length and Connection are added. To a HEAD request the body is not sent, only its length.
    ///
    /// # Errors
    /// `WS_ERR_ARGUMENT` for a status or headers that cannot be sent, `WS_ERR_CLOSED` if no request waits.
    pub fn respond(&self, conn: ConnId, status: u16, headers: &str, body: &[u8]) -> Result<()> {
        let head = response_head(status, headers, Some(body.len() as u64))?;
        self.link(conn)?.respond(conn, head, body)
    }

    /// Begins to answer an HTTP request piece by piece. `headers` as for [`Server::respond`].
    ///
    /// # Errors
    /// As [`Server::respond`].
    pub fn begin_stream(&self, conn: ConnId, status: u16, headers: &str) -> Result<()> {
        let head = response_head(status, headers, None)?;
        self.link(conn)?.begin_stream(conn, head)
    }

    /// Sends the next piece of a response.
    ///
    /// # Errors
    /// `WS_ERR_CLOSED` if none is being streamed, `WS_ERR_QUEUE_FULL`.
    pub fn send_piece(&self, conn: ConnId, piece: &[u8]) -> Result<()> {
        // An empty chunk would be the end.
        if piece.is_empty() { Ok(()) } else { self.link(conn)?.send_piece(conn, piece) }
    }

    /// Ends a response that came piece by piece.
    ///
    /// # Errors
    /// `WS_ERR_CLOSED` if none is being streamed.
    pub fn end_stream(&self, conn: ConnId) -> Result<()> {
        self.link(conn)?.end_stream(conn)
    }

    /// Accepts an upgrade that the host decides about, with this subprotocol or the one that the options choose.
    ///
    /// # Errors
    /// `WS_ERR_CLOSED` if none waits; `WS_ERR_ARGUMENT` for a subprotocol that the client has not offered or headers that
    /// cannot be sent.
    pub fn accept(&self, conn: ConnId, subprotocol: Option<&str>, headers: &str) -> Result<()> {
        self.link(conn)?.accept(conn, subprotocol, headers)
    }
}

fn response_head(status: u16, headers: &str, body_length: Option<u64>) -> Result<ResponseHead> {
    ResponseHead::new(status, headers, body_length)
        .map_err(|error| Error::new(Status::WS_ERR_ARGUMENT, format!("respond: {error}")))
}
