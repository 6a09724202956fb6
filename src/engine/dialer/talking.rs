//! The talk over a connection that was just made, until it is a WebSocket or never will be one: what the negotiation wants to
//! be sent is sent, and what arrives is shown to it.
//!
//! TLS will stand between the socket and the negotiation, here and nowhere else in the dialer: in its own handshake before the
//! first byte of the upgrade (behind the answer of the proxy, if there is one), and then in [`Talk::send`] and
//! [`Talk::receive`].

use crate::protocol::handshake::negotiation::{Response, Step};
use crate::protocol::handshake::{HandshakeError, Negotiation};
use crate::sys::socket::{Address, Socket};
use std::io;
use std::time::Instant;

/// Bytes received at a time, and so the most that can have been received behind a response.
pub(crate) const READ: usize = 4096;

/// A talk.
pub struct Talk {
    /// The connection.
    pub socket: Socket,
    /// The token that it is watched by.
    pub token: u64,
    /// Where it leads: to the server, or to the proxy.
    pub to: Address,
    /// When the answer must be there.
    pub deadline: Instant,
    /// Whom we are talking to.
    pub with: Party,
    negotiation: Negotiation,
    out: Vec<u8>,
    sent: usize,
    received: Vec<u8>,
    /// It is refused, and what the other side says of that is still on its way.
    pub is_refused: bool,
    /// Until when that is waited for.
    pub patience: Option<Instant>,
}

/// Who is to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Party {
    /// The proxy, to CONNECT.
    Proxy,
    /// The server, to the upgrade.
    Server,
}

/// How a talk stands.
pub enum News {
    /// The answer is not there yet.
    Nothing,
    /// The proxy has let us through. From here on the server is talked to, and has its own time for that.
    Tunnel,
    /// The connection is a WebSocket.
    Open(Response),
    /// It is none.
    Refused(HandshakeError, Option<Response>),
    /// The other side has ended it before its answer was whole.
    Ended,
    /// It is broken.
    Broken(io::Error),
}

impl News {
    /// If this is the end, the refusal that came before it, if one did.
    fn or_refusal(self, refusal: impl FnOnce() -> Option<Self>) -> Self {
        match self {
            Self::Ended | Self::Broken(_) => refusal().unwrap_or(self),
            news => news,
        }
    }
}

impl Talk {
    /// A talk that begins with these bytes.
    pub fn new(
        (socket, token, to): (Socket, u64, Address),
        (negotiation, out): (Negotiation, Vec<u8>),
        with: Party,
        deadline: Instant,
    ) -> Self {
        Self {
            socket,
            token,
            to,
            deadline,
            with,
            negotiation,
            out,
            sent: 0,
            received: Vec::new(),
            is_refused: false,
            patience: None,
        }
    }

    /// How many bytes of the answer have come.
    pub fn count(&self) -> usize {
        self.received.len()
    }

    /// What has come behind the answer.
    pub fn take_received(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.received)
    }

    /// Sends and receives what can be.
    pub fn go_on(&mut self) -> News {
        let sent = self.send();
        // What has come before the connection broke may say why it did. An end does not: the kernel tells of a reset once, and
        // of an end from then on.
        match (self.receive(), sent) {
            (News::Nothing | News::Ended, Err(error)) => News::Broken(error),
            (news, _) => news,
        }
        .or_refusal(|| self.end())
    }

    /// What is known of a refusal of which nothing more comes.
    pub fn end(&mut self) -> Option<News> {
        self.negotiation.end().map(|(error, response)| News::Refused(error, Some(response)))
    }

    fn send(&mut self) -> io::Result<()> {
        while self.sent < self.out.len() {
            match self.socket.send(&self.out[self.sent..]) {
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn receive(&mut self) -> News {
        // What has come behind the proxy's answer is the beginning of the server's, and perhaps all of it.
        if let Some(news) = self.look() {
            return news;
        }
        loop {
            self.received.reserve(READ);
            match self.socket.receive_appending(&mut self.received, READ) {
                Ok(0) => return News::Ended,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return News::Nothing,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return News::Broken(error),
            }
            if let Some(news) = self.look() {
                return news;
            }
        }
    }

    /// What the negotiation makes of all that has come.
    fn look(&mut self) -> Option<News> {
        self.negotiation.unfold(&mut self.received);
        match self.negotiation.read(&self.received) {
            Step::More => None,
            Step::Send { taken, bytes } => {
                self.received.drain(..taken);
                self.out = bytes;
                self.sent = 0;
                self.with = Party::Server;
                Some(News::Tunnel)
            }
            Step::Open { taken, response } => {
                self.received.drain(..taken);
                Some(News::Open(response))
            }
            Step::Refused => {
                self.is_refused = true;
                None
            }
            Step::Failed { error, response } => Some(News::Refused(error, response)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::handshake::negotiation::Upgrade;
    use crate::protocol::url::Url;
    use crate::sys::epoll::{Epoll, Events};
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::{AsFd, OwnedFd};

    #[test]
    fn a_reset_before_the_request_is_no_end() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let to = listener.local_addr().unwrap();
        let mut stream = TcpStream::connect(to).unwrap();
        let (peer, _) = listener.accept().unwrap();
        // What is closed with bytes unread is reset.
        stream.write_all(b"x").unwrap();
        peer.peek(&mut [0]).unwrap();
        drop(peer);
        stream.set_nonblocking(true).unwrap();
        let socket = Socket::from(OwnedFd::from(stream));
        let (epoll, mut events) = (Epoll::new().unwrap(), Events::with_capacity(1));
        epoll.add(socket.as_fd(), 1).unwrap();
        while events.is_empty() || !events.get(0).gone {
            epoll.wait(&mut events, 10_000).unwrap();
        }
        let url = Url::parse("ws://localhost/").unwrap();
        let upgrade = Upgrade { max_head: 1024, ..Upgrade::default() };
        let started = Negotiation::start(&url, None, &upgrade, true, &[0; 16]).unwrap();
        let mut talk = Talk::new((socket, 1, Address::Tcp(to)), started, Party::Server, Instant::now());
        assert!(matches!(talk.go_on(), News::Broken(_)));
    }
}
