//! What is sent: a thread that reads it piece by piece, and no faster than the connection takes it.

use super::gate::Gate;
use crate::arguments::connect::Source;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use wspush::client::Client;
use wspush::error::{Error, Status};
use wspush::protocol::decoder::Kind;

/// The longest line, in bytes: what has no end must not fill the memory.
const LINE_MAX: u64 = 256 * 1024 * 1024;

/// Something to send, opened.
pub enum Input {
    Text(String),
    File(String, Box<dyn Read + Send>),
    Lines(String, Box<dyn Read + Send>),
}

/// Opens what there is to send, so that a missing file is known before anything is sent.
pub fn open(sources: &[Source]) -> Result<Vec<Input>, String> {
    sources
        .iter()
        .map(|source| match source {
            Source::Text(text) => Ok(Input::Text(text.clone())),
            Source::File(path) => open_file(path).map(|(name, file)| Input::File(name, file)),
            Source::Lines(path) => open_file(path).map(|(name, file)| Input::Lines(name, file)),
        })
        .collect()
}

/// A file and what to call it.
fn open_file(path: &Path) -> Result<(String, Box<dyn Read + Send>), String> {
    if path == Path::new("-") {
        return Ok(("standard input".to_owned(), Box::new(io::stdin())));
    }
    let name = path.display().to_string();
    match File::open(path) {
        Ok(file) => Ok((name, Box::new(file))),
        Err(error) => Err(format!("{name}: {error}")),
    }
}

/// Who sends.
pub struct Sender<'a> {
    pub client: &'a Client,
    pub gate: &'a Gate,
    pub kind: Kind,
}

impl Sender<'_> {
    /// Sends all of it, in its order. Returns when the library has taken the last message.
    pub fn send_all(&self, inputs: Vec<Input>) -> Result<(), String> {
        // Whether there is anything to send or not: it has not ended before it could begin.
        self.gate.wait_open();
        for input in inputs {
            match input {
                Input::Text(text) => self.send(text.as_bytes()).map_err(|error| error.detail)?,
                Input::File(name, file) => self.send_file(&name, file)?,
                Input::Lines(name, file) => self.send_lines(&name, file)?,
            }
        }
        Ok(())
    }

    fn send_file(&self, name: &str, mut file: impl Read) -> Result<(), String> {
        let mut whole = Vec::new();
        file.read_to_end(&mut whole).map_err(|error| format!("{name}: {error}"))?;
        self.send(&whole).map_err(|error| self.explain(name, error))
    }

    fn send_lines(&self, name: &str, file: impl Read) -> Result<(), String> {
        let mut file = BufReader::with_capacity(64 * 1024, file);
        let mut line = Vec::new();
        for number in 1_u64.. {
            line.clear();
            let read = file.by_ref().take(LINE_MAX).read_until(b'\n', &mut line);
            match read {
                Ok(0) => return Ok(()),
                Ok(_) if line.len() as u64 == LINE_MAX && !line.ends_with(b"\n") => {
                    return Err(format!("{name}: line {number} is longer than {LINE_MAX} bytes"));
                }
                Ok(_) => {}
                Err(error) => return Err(format!("{name}: {error}")),
            }
            let message = self.without_end(&line);
            self.send(message).map_err(|error| self.explain(&format!("{name}: line {number}"), error))?;
        }
        Ok(())
    }

    /// A line without what ends it. Of binary that is the line feed alone, of text a carriage return before it as well.
    fn without_end<'a>(&self, line: &'a [u8]) -> &'a [u8] {
        let Some(line) = line.strip_suffix(b"\n") else { return line };
        if self.kind == Kind::Binary { line } else { line.strip_suffix(b"\r").unwrap_or(line) }
    }

    fn send(&self, message: &[u8]) -> Result<(), Error> {
        loop {
            let heard = self.gate.wait_open();
            match self.client.push(self.kind, message) {
                Err(error) if matches!(error.status, Status::WS_ERR_QUEUE_FULL | Status::WS_ERR_CLOSED) => {
                    self.gate.wait_news(heard);
                }
                result => return result,
            }
        }
    }

    fn explain(&self, name: &str, error: Error) -> String {
        if error.status == Status::WS_ERR_UTF8 {
            return format!("{name}: not UTF-8, so it cannot be sent as text (see --binary)");
        }
        format!("{name}: {}", error.detail)
    }
}
