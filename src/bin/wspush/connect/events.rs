//! What comes: a thread that takes it from the client, has it printed, and passes on what bears on the end. While the
//! output is slow, the client reads no more, and the peer has to wait.

use super::Shared;
use super::course::News;
use super::output::Output;
use std::io;
use std::sync::mpsc::Sender;
use std::time::Instant;
use wspush::engine::batch::{Batch, Event};
use wspush::error::Status;

pub struct Printer<'a> {
    shared: &'a Shared,
    output: Output,
    news: Sender<News>,
    /// Messages that are still wanted.
    wanted: Option<u64>,
    /// That there are none left has been told.
    satisfied: bool,
    /// The output cannot be written to any more.
    mute: bool,
}

impl<'a> Printer<'a> {
    pub fn new(shared: &'a Shared, output: Output, news: Sender<News>, wanted: Option<u64>) -> Self {
        Self { shared, output, news, wanted, satisfied: false, mute: false }
    }

    /// Takes events until there will be none any more. What says that this was the last of them is itself an event, behind
    /// which the client may still have to say goodbye to its peer.
    pub fn run(mut self) {
        loop {
            let taken = self.shared.client.poll(None, |batch| self.take(batch));
            match taken {
                Ok(_) => {}
                Err(error) if error.status == Status::WS_ERR_INTERRUPTED => {}
                Err(error) if error.status == Status::WS_ERR_STOPPED => break,
                Err(error) => {
                    self.tell(News::Broken(error.detail));
                    break;
                }
            }
        }
        self.tell(News::Ended);
    }

    fn take(&mut self, batch: &Batch) {
        let messages = batch.events().iter().any(|event| matches!(event, Event::Message(..)));
        if messages {
            self.shared.heard.begin();
        }
        for event in batch.events() {
            let printed = self.handle(batch, event);
            self.check(printed);
        }
        let flushed = self.print(Output::flush);
        self.check(flushed);
        if messages {
            self.shared.heard.end();
        }
        if self.wanted == Some(0) && !self.satisfied {
            // What could not be written was not had; that has been told already.
            self.satisfied = true;
            self.tell(News::Enough);
        }
    }

    fn handle(&mut self, batch: &Batch, event: &Event) -> io::Result<()> {
        match event {
            Event::Open(_, response) => {
                self.tell(News::Opened);
                self.shared.gate.set_open(true);
                self.print(|output| output.open(response))
            }
            Event::Message(_, kind, span) => {
                match &mut self.wanted {
                    Some(0) => return Ok(()),
                    Some(wanted) => *wanted -= 1,
                    None => {}
                }
                self.print(|output| output.message(*kind, batch.payload(*span)))
            }
            Event::Drain(_) => {
                self.shared.gate.drained();
                Ok(())
            }
            Event::Pong(_, span) => match self.shared.pings.end(batch.payload(*span), Instant::now()) {
                Some(time) => self.print(|output| output.pong(time)),
                None => Ok(()),
            },
            Event::Close(_, code, span, cause) => {
                self.tell(News::Closed(*code));
                self.shared.gate.set_open(false);
                self.print(|output| output.close(*code, &String::from_utf8_lossy(batch.payload(*span)), *cause))
            }
            Event::Failed(_, status, span, response) => {
                self.tell(News::Failed(*status));
                let detail = String::from_utf8_lossy(batch.payload(*span));
                self.print(|output| output.error(*status, &detail, response.as_deref()))
            }
            Event::Retry(_, delay) => self.print(|output| output.retry(*delay)),
            _ => Ok(()),
        }
    }

    fn print(&mut self, print: impl FnOnce(&mut Output) -> io::Result<()>) -> io::Result<()> {
        if self.mute { Ok(()) } else { print(&mut self.output) }
    }

    fn check(&mut self, printed: io::Result<()>) {
        let Err(error) = printed else { return };
        self.mute = true;
        self.tell(match error.kind() {
            io::ErrorKind::BrokenPipe => News::Unread,
            _ => News::Broken(format!("standard output: {error}")),
        });
    }

    fn tell(&self, news: News) {
        // Whoever listened has ended the program.
        let _ = self.news.send(news);
    }
}
