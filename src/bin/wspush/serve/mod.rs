//! `wspush serve`: a server that sends back what it is sent, on the reactor's own thread; or, with `--chat`, one to talk
//! through ([`chat`]).

mod chat;

use crate::arguments::Serve;
use crate::arguments::serve::Answer;
use crate::terminal::{complain, harmless, note, told_close};
use crate::{exit, signals};
use std::io::{self, Write};
use std::sync::{Arc, Weak, mpsc};
use std::time::Duration;
use wspush::cause::Cause;
use wspush::engine::delivery::Handler;
use wspush::engine::log::{Level, Logger};
use wspush::engine::registry::ConnId;
use wspush::engine::request::Request;
use wspush::error::{Error, Result, Status};
use wspush::protocol::decoder::Kind;
use wspush::server::Server;

/// The time that clients have to say goodbye when it stops.
const GOODBYE: Duration = Duration::from_secs(5);

/// Serves until a signal comes.
pub fn run(arguments: &Serve) -> u8 {
    if arguments.answer == Answer::Chat {
        return chat::run(arguments);
    }
    let (tell, told) = mpsc::channel();
    let hear = move |_| tell.send(()).unwrap_or_default();
    let watched = signals::watch(hear).map_err(|error| Error::system("signals", &error));
    let started = watched.and_then(|()| start(arguments));
    let server = match started {
        Ok(server) => server,
        Err(error) => {
            complain(&error.detail);
            return exit::USAGE;
        }
    };
    // Should nobody read where it listens, it serves all the same.
    let _ = announce(&mut io::stdout().lock(), &server, arguments);
    let _ = told.recv();
    let _ = server.stop(GOODBYE);
    exit::DONE
}

fn start(arguments: &Serve) -> Result<Arc<Server>> {
    let server = Arc::new(Server::new());
    set_up(&server, arguments)?;
    let host = Host {
        server: Arc::downgrade(&server),
        broadcast: arguments.answer == Answer::Broadcast,
        verbose: arguments.verbose,
    };
    server.set_handler(Some(Arc::new(host)))?;
    if arguments.verbose {
        server.set_logger(Some(Arc::new(Log)))?;
    }
    server.start()?;
    Ok(server)
}

fn set_up(server: &Server, arguments: &Serve) -> Result<()> {
    server.set("max_message_size", "64M")?;
    for (name, value) in &arguments.settings {
        server.set(name, value)?;
    }
    for (host, port) in &arguments.addresses {
        server.listen(host, *port)?;
    }
    Ok(())
}

fn announce(out: &mut impl Write, server: &Server, arguments: &Serve) -> io::Result<()> {
    for (index, (host, _)) in arguments.addresses.iter().enumerate() {
        match server.port(index) {
            Ok(port) if port > 0 => writeln!(out, "listening on {host}:{port}")?,
            _ => writeln!(out, "listening on {host}")?,
        }
    }
    out.flush()
}

/// Who handles what happens.
struct Host {
    server: Weak<Server>,
    broadcast: bool,
    verbose: bool,
}

impl Host {
    fn note(&self, conn: ConnId, what: &str) {
        if self.verbose {
            note(&format!("{conn}: {}", harmless(what, false)));
        }
    }

    fn answer(&self, server: &Server, conn: ConnId, kind: Kind, payload: &[u8]) -> Result<()> {
        if self.broadcast {
            return server.broadcast(kind, payload);
        }
        server.push(conn, kind, payload)
    }
}

impl Handler for Host {
    fn open(&self, conn: ConnId, request: &Request) {
        if self.verbose {
            let [target, address] = [request.target(), request.remote_address()].map(|text| text.to_string_lossy());
            self.note(conn, &format!("opened {target} from {address}"));
        }
    }

    fn message(&self, conn: ConnId, kind: Kind, payload: &[u8]) {
        if self.verbose {
            self.note(conn, &described(kind, payload));
        }
        let Some(server) = self.server.upgrade() else { return };
        match self.answer(&server, conn, kind, payload) {
            Ok(()) => {}
            Err(error) if error.status == Status::WS_ERR_CLOSED => {}
            Err(error) => {
                complain(&error.detail);
                // A client that sends and does not read.
                let _ = server.disconnect(conn);
            }
        }
    }

    fn drain(&self, _: ConnId) {}

    fn close(&self, conn: ConnId, code: u16, reason: &str, cause: Cause) {
        self.note(conn, &told_close(code, reason, cause));
    }

    fn request(&self, _: ConnId, _: &Request) -> bool {
        false
    }

    fn decides(&self) -> bool {
        false
    }

    fn handshake(&self, _: ConnId, _: &Request) {}
}

fn described(kind: Kind, payload: &[u8]) -> String {
    format!("{} of {} bytes", if kind == Kind::Text { "text" } else { "binary" }, payload.len())
}

/// What the library has to say, on standard error.
struct Log;

impl Logger for Log {
    fn log(&self, level: Level, message: &str) {
        note(&format!("{level:?}: {}", harmless(message, false)));
    }
}
