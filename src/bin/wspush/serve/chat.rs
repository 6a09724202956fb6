//! `wspush serve --chat`: a server to talk through. One thread takes what clients send and prints it, another reads what is
//! to be sent to all of them, and the main thread waits for the end. The server is polled: while the output is slow it reads
//! no more, and its clients have to wait.

use super::{GOODBYE, Log, set_up};
use crate::arguments::Serve;
use crate::arguments::connect::Source;
use crate::gate::Gate;
use crate::input::{self, Recipient, Sender};
use crate::print::{self, Form};
use crate::terminal::{complain, harmless, note, told_close};
use crate::{exit, signals};
use std::collections::BTreeSet;
use std::io::{self, BufWriter, ErrorKind, IsTerminal, Stdout, Write};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use wspush::engine::batch::{Batch, Event};
use wspush::engine::registry::ConnId;
use wspush::error::{Error, Result, Status};
use wspush::protocol::decoder::Kind;
use wspush::server::Server;

/// A client that takes nothing for this long is cut, so that others need not wait for it.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the main thread waits for.
enum News {
    /// A signal came, nobody reads the output any more, or somebody at a terminal has ended the input.
    Enough,
    /// Something could not be read, sent or written.
    Broken(String),
}

/// What the threads have in common.
struct Chat {
    server: Server,
    gate: Gate,
    clients: Mutex<BTreeSet<ConnId>>,
}

/// Serves until a signal comes.
pub fn run(arguments: &Serve) -> u8 {
    let (chat, printer, news) = match begin(arguments) {
        Ok(begun) => begun,
        Err(why) => {
            complain(&why.detail);
            return exit::USAGE;
        }
    };
    // The thread of the signals holds a sender for ever.
    let broken = match news.recv() {
        Ok(News::Broken(why)) => Some(why),
        Ok(News::Enough) | Err(_) => None,
    };
    let _ = chat.server.stop(GOODBYE);
    // What has come is printed. A second signal ends a wait for an output that nobody reads.
    let _ = printer.join();
    let Some(why) = broken else { return exit::DONE };
    complain(&why);
    exit::USAGE
}

fn begin(arguments: &Serve) -> Result<(Arc<Chat>, JoinHandle<()>, Receiver<News>)> {
    let no_thread = |error: io::Error| Error::system("start a thread", &error);
    let inputs = input::open(&[Source::Lines("-".into())]);
    let inputs = inputs.map_err(|why| Error::new(Status::WS_ERR_ARGUMENT, why))?;
    let server = Server::new();
    set_up(&server, arguments)?;
    if arguments.verbose {
        server.set_logger(Some(Arc::new(Log)))?;
    }
    let (tell, news) = mpsc::channel();
    let hear = tell.clone();
    signals::watch(move |_| hear.send(News::Enough).unwrap_or_default()).map_err(no_thread)?;
    server.start()?;
    let _ = super::announce(&mut io::stderr().lock(), &server, arguments);

    let chat = Arc::new(Chat { server, gate: Gate::default(), clients: Mutex::default() });
    let form = Form::for_stdout(false, arguments.ends);
    let printer = Printer {
        chat: Arc::clone(&chat),
        out: BufWriter::with_capacity(64 * 1024, io::stdout()),
        form,
        tells: arguments.verbose || form == Form::Terminal,
        verbose: arguments.verbose,
        news: tell.clone(),
        mute: false,
    };
    let printer = thread::Builder::new().name("output".to_owned()).spawn(|| printer.run()).map_err(no_thread)?;
    let (sending, ends) = (Arc::clone(&chat), arguments.ends);
    let kind = if arguments.binary { Kind::Binary } else { Kind::Text };
    let send = move || match (Sender { to: &*sending, kind, ends }).send_all(inputs) {
        // Who has sent a file may want to see the answers.
        Ok(()) if !io::stdin().is_terminal() => {}
        Ok(()) => tell.send(News::Enough).unwrap_or_default(),
        Err(why) => tell.send(News::Broken(why)).unwrap_or_default(),
    };
    thread::Builder::new().name("input".to_owned()).spawn(send).map_err(no_thread)?;
    Ok((chat, printer, news))
}

impl Chat {
    fn clients(&self) -> MutexGuard<'_, BTreeSet<ConnId>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a message to one client, as soon as that has room. Whether it was taken.
    fn send_to(&self, conn: ConnId, kind: Kind, message: &[u8]) -> Result<bool> {
        let queued = || self.server.queued_bytes(conn).unwrap_or(0);
        // What waited for the client at which moment.
        let (mut waited, mut at) = (None, Instant::now());
        loop {
            let heard = self.gate.news();
            match self.server.push(conn, kind, message) {
                Ok(()) => return Ok(true),
                Err(error) if error.status == Status::WS_ERR_CLOSED => return Ok(false),
                Err(error) if error.status != Status::WS_ERR_QUEUE_FULL => return Err(error),
                Err(_) => {}
            }
            let before = *waited.get_or_insert_with(queued);
            self.gate.wait_news_for(heard, PATIENCE.saturating_sub(at.elapsed()));
            if at.elapsed() < PATIENCE {
                continue;
            }
            if queued() >= before {
                complain(&format!("{conn}: it takes nothing, and is cut"));
                let _ = self.server.disconnect(conn);
                return Ok(false);
            }
            (waited, at) = (None, Instant::now());
        }
    }
}

impl Recipient for Chat {
    /// Sends to everyone who is there; if nobody is, waits for somebody.
    fn send(&self, kind: Kind, message: &[u8]) -> Result<()> {
        loop {
            let heard = self.gate.wait_open();
            let clients = self.clients().clone();
            let mut taken = false;
            for conn in clients {
                taken |= self.send_to(conn, kind, message)?;
            }
            if taken {
                return Ok(());
            }
            self.gate.wait_news(heard);
        }
    }
}

/// Prints what comes.
struct Printer {
    chat: Arc<Chat>,
    out: BufWriter<Stdout>,
    form: Form,
    /// Whether it says who comes and goes.
    tells: bool,
    verbose: bool,
    news: mpsc::Sender<News>,
    /// The output cannot be written to any more.
    mute: bool,
}

impl Printer {
    fn run(mut self) {
        let chat = Arc::clone(&self.chat);
        loop {
            match chat.server.poll(None, |batch| self.take(batch)) {
                Ok(_) => {}
                Err(error) if error.status == Status::WS_ERR_INTERRUPTED => {}
                Err(error) if error.status == Status::WS_ERR_STOPPED => break,
                Err(error) => {
                    let _ = self.news.send(News::Broken(error.detail));
                    break;
                }
            }
        }
    }

    fn take(&mut self, batch: &Batch) {
        for event in batch.events() {
            self.handle(batch, event);
        }
        let flushed = self.out.flush();
        self.check(flushed);
    }

    fn handle(&mut self, batch: &Batch, event: &Event) {
        match event {
            Event::Open(conn, request) => {
                let [target, address] = [request.target(), request.remote_address()].map(|text| text.to_string_lossy());
                self.tell(*conn, &format!("opened {target} from {address}"));
                self.chat.clients().insert(*conn);
                self.chat.gate.set_open(true);
            }
            Event::Message(conn, kind, span) => {
                let payload = batch.payload(*span);
                if self.verbose {
                    self.tell(*conn, &super::described(*kind, payload));
                }
                let printed = self.print(*conn, *kind, payload);
                self.check(printed);
            }
            Event::Drain(_) => self.chat.gate.drained(),
            Event::Close(conn, code, span, cause) => {
                let reason = String::from_utf8_lossy(batch.payload(*span));
                self.tell(*conn, &told_close(*code, &reason, *cause));
                let mut clients = self.chat.clients();
                clients.remove(conn);
                self.chat.gate.set_open(!clients.is_empty());
            }
            Event::Request(conn, _) => {
                // It may be gone.
                let _ = self.chat.server.respond(*conn, 404, "", b"");
            }
            _ => {}
        }
    }

    fn print(&mut self, conn: ConnId, kind: Kind, payload: &[u8]) -> io::Result<()> {
        if self.mute {
            return Ok(());
        }
        if self.form == Form::Terminal {
            write!(self.out, "{conn}: ")?;
        }
        print::message(&mut self.out, self.form, kind, payload)
    }

    fn check(&mut self, printed: io::Result<()>) {
        let Err(error) = printed else { return };
        if std::mem::replace(&mut self.mute, true) {
            return;
        }
        let _ = self.news.send(match error.kind() {
            ErrorKind::BrokenPipe => News::Enough,
            _ => News::Broken(format!("standard output: {error}")),
        });
    }

    fn tell(&mut self, conn: ConnId, what: &str) {
        if !self.tells {
            return;
        }
        // What was printed before came before.
        let flushed = self.out.flush();
        self.check(flushed);
        note(&format!("{conn}: {}", harmless(what, false)));
    }
}
