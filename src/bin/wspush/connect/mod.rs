//! `wspush connect`: one client, and three threads about it. One takes what comes and prints it ([`events`]), one reads what
//! is to be sent ([`crate::input`]), and this one waits for news of both and for the time, and decides when it ends ([`course`]).

mod course;
mod events;
mod heard;
mod json;
mod output;
mod pings;

use crate::arguments::Connect;
use crate::arguments::connect::Loudness;
use crate::gate::Gate;
use crate::input::{self, Recipient, Sender};
use crate::terminal::{complain, note};
use crate::{exit, signals};
use course::{Act, Course, News};
use events::Printer;
use heard::Heard;
use output::Output;
use pings::Pings;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Instant;
use wspush::client::Client;
use wspush::error::{Error, Status};
use wspush::protocol::decoder::Kind;

/// What this program takes where a server would be more careful: it prints what it was asked to fetch.
const DEFAULTS: [(&str, &str); 2] = [("max_message_size", "256M"), ("max_command_bytes", "64G")];

/// What the threads have in common.
struct Shared {
    client: Client,
    gate: Gate,
    heard: Heard,
    pings: Pings,
}

/// Connects, and stays until it is over.
pub fn run(arguments: &Connect) -> u8 {
    match begin(arguments) {
        Ok((shared, news)) => stay(arguments, &shared, &news),
        Err(why) => {
            let code = exit::of_failure(why.status);
            if arguments.loudness > Loudness::Quiet {
                complain(&why.detail);
            }
            // Who reads the output alone is to know it, too.
            Output::never_began(arguments, &why);
            Output::end(arguments, code);
            code
        }
    }
}

/// Starts the client and the threads about it.
fn begin(arguments: &Connect) -> Result<(Arc<Shared>, Receiver<News>), Error> {
    let no_thread = |error: std::io::Error| Error::system("start a thread", &error);
    let inputs = input::open(&arguments.sources).map_err(|why| Error::new(Status::WS_ERR_ARGUMENT, why))?;
    let client = set_up(arguments)?;
    let (tell, news) = mpsc::channel();
    let hear = tell.clone();
    signals::watch(move |signal| hear.send(News::Signal(signal)).unwrap_or_default()).map_err(no_thread)?;
    client.start()?;

    let shared = Arc::new(Shared { client, gate: Gate::default(), heard: Heard::new(), pings: Pings::default() });
    let (output, wanted) = (Output::new(arguments), arguments.count);
    let (printing, listener) = (Arc::clone(&shared), tell.clone());
    let print = move || Printer::new(&printing, output, listener, wanted).run();
    thread::Builder::new().name("output".to_owned()).spawn(print).map_err(no_thread)?;

    let sending = Arc::clone(&shared);
    let (kind, ends) = (if arguments.binary { Kind::Binary } else { Kind::Text }, arguments.ends);
    let send = move || {
        let sent = Sender { to: &*sending, kind, ends }.send_all(inputs);
        tell.send(sent.map_or_else(News::Broken, |()| News::InputEnded)).unwrap_or_default();
    };
    thread::Builder::new().name("input".to_owned()).spawn(send).map_err(no_thread)?;
    Ok((shared, news))
}

fn set_up(arguments: &Connect) -> Result<Client, Error> {
    let client = Client::new(&arguments.url);
    for (name, value) in DEFAULTS {
        client.set(name, value)?;
    }
    if arguments.pings.is_some() {
        client.set("pong_events", "on")?;
    }
    for (name, value) in &arguments.settings {
        client.set(name, value)?;
    }
    for (name, value) in &arguments.headers {
        client.add_header(name, value)?;
    }
    Ok(client)
}

impl Recipient for Shared {
    /// Waits until there is a connection with room for the message.
    fn send(&self, kind: Kind, message: &[u8]) -> Result<(), Error> {
        loop {
            let heard = self.gate.wait_open();
            match self.client.push(kind, message) {
                Err(error) if matches!(error.status, Status::WS_ERR_QUEUE_FULL | Status::WS_ERR_CLOSED) => {
                    self.gate.wait_news(heard);
                }
                result => return result,
            }
        }
    }
}

/// Waits for what happens, and does what follows from it.
fn stay(arguments: &Connect, shared: &Shared, news: &Receiver<News>) -> u8 {
    let mut course = Course::new(arguments, Instant::now());
    loop {
        let heard = shared.heard.last();
        let act = match next(news, course.deadline(heard)) {
            Some(News::Ended) => break,
            Some(told) => {
                if let News::Broken(why) = &told {
                    say(arguments, Loudness::Normal, &format!("wspush: {why}"));
                }
                course.hear(&told, Instant::now())
            }
            None => course.tick(shared.heard.last(), Instant::now()),
        };
        match act {
            Act::Nothing => {}
            Act::Ping => {
                say(arguments, Loudness::Verbose, "* ping");
                // Between two connections there is nobody to ping.
                let _ = shared.client.ping(shared.pings.begin(Instant::now()).as_bytes());
            }
            Act::Close => {
                // It may have ended by itself.
                let _ = shared.client.close(Some(arguments.close_code), &arguments.reason);
            }
            // The output may be stuck, so nothing more is written.
            Act::Leave => {
                if let Some(signal) = course.signal() {
                    signals::die_of(signal);
                }
                return course.exit();
            }
        }
    }
    Output::end(arguments, course.exit());
    if let Some(signal) = course.signal() {
        signals::die_of(signal);
    }
    course.exit()
}

/// The next news, or `None` at the deadline.
fn next(news: &Receiver<News>, deadline: Option<Instant>) -> Option<News> {
    // The thread of the signals holds a sender for ever, so that the channel does not end before the printer says so.
    let Some(deadline) = deadline else { return Some(news.recv().unwrap_or(News::Ended)) };
    match news.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        Ok(news) => Some(news),
        Err(RecvTimeoutError::Timeout) => None,
        Err(RecvTimeoutError::Disconnected) => Some(News::Ended),
    }
}

fn say(arguments: &Connect, loudness: Loudness, text: &str) {
    if arguments.loudness >= loudness {
        note(text);
    }
}
