//! What is sent: reading it piece by piece, no faster than somebody takes it.

use crate::arguments::connect::{Ends, Source};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, ErrorKind, IsTerminal, Read};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use wspush::error::{Error, Status};
use wspush::protocol::decoder::Kind;

/// The longest line, in bytes: what has no end must not fill the memory.
const LINE_MAX: u64 = 256 * 1024 * 1024;

/// The most that one read of a stream brings, in bytes.
const PIECE: usize = 64 * 1024;

/// Something to send.
pub struct Input {
    source: Source,
    /// The file, opened. `None` for a message, and for a pipe, which opens when somebody else opens its other end.
    file: Option<Box<dyn Read + Send>>,
}

/// Opens what there is to send, so that a missing file is known before anything is sent.
pub fn open(sources: &[Source]) -> Result<Vec<Input>, String> {
    sources
        .iter()
        .map(|source| {
            let path = path_of(source).filter(|path| !fs::metadata(path).is_ok_and(|data| data.file_type().is_fifo()));
            let file = path.map(open_file).transpose()?;
            Ok(Input { source: source.clone(), file })
        })
        .collect()
}

fn path_of(source: &Source) -> Option<&PathBuf> {
    match source {
        Source::Text(_) => None,
        Source::File(path) | Source::Lines(path) | Source::Stream(path) | Source::Json(path) => Some(path),
    }
}

fn open_file(path: &PathBuf) -> Result<Box<dyn Read + Send>, String> {
    if path == Path::new("-") {
        return Ok(Box::new(Stdin));
    }
    match File::open(path) {
        Ok(file) => Ok(Box::new(file)),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

/// Standard input. A terminal that is gone has come to its end.
struct Stdin;

impl Read for Stdin {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        /// The system's number for it; `ErrorKind` has no name.
        const EIO: i32 = 5;
        match io::stdin().read(buffer) {
            Err(error) if error.raw_os_error() == Some(EIO) && io::stdin().is_terminal() => Ok(0),
            result => result,
        }
    }
}

/// Somebody to send to.
pub trait Recipient {
    /// Sends a message, and returns when it was taken.
    fn send(&self, kind: Kind, message: &[u8]) -> Result<(), Error>;
}

/// Sends what was read.
pub struct Sender<'a> {
    pub to: &'a dyn Recipient,
    /// What messages are that do not say it themselves.
    pub kind: Kind,
    pub ends: Ends,
}

impl Sender<'_> {
    /// Sends all of it, in its order. Returns when the last message was taken.
    pub fn send_all(&self, inputs: Vec<Input>) -> Result<(), String> {
        inputs.into_iter().try_for_each(|input| self.send_one(input))
    }

    fn send_one(&self, Input { source, file }: Input) -> Result<(), String> {
        let (Some(path), name) = (path_of(&source), name_of(&source)) else {
            let Source::Text(text) = &source else { return Ok(()) };
            return self.to.send(self.kind, text.as_bytes()).map_err(|error| error.detail);
        };
        let file = file.map_or_else(|| open_file(path), Ok)?;
        match &source {
            Source::Text(_) => Ok(()),
            Source::File(_) => self.send_file(&name, file),
            Source::Lines(_) => self.send_lines(&name, file),
            Source::Stream(_) => self.send_stream(&name, file),
            Source::Json(_) => self.send_json(&name, file),
        }
    }

    fn send_file(&self, name: &str, mut file: impl Read) -> Result<(), String> {
        let mut whole = Vec::new();
        file.read_to_end(&mut whole).map_err(|error| format!("{name}: {error}"))?;
        self.to.send(self.kind, &whole).map_err(|error| explain(name, error))
    }

    fn send_lines(&self, name: &str, file: impl Read) -> Result<(), String> {
        let end = if self.ends == Ends::Null { b'\0' } else { b'\n' };
        each_line(name, file, end, |place, line| {
            self.to.send(self.kind, self.without_end(line)).map_err(|error| explain(place, error))
        })
    }

    /// A line without what ends it, unless that is to be kept. Of binary that is the line feed alone, of text a carriage return
    /// before it as well.
    fn without_end<'a>(&self, line: &'a [u8]) -> &'a [u8] {
        let ending: &[&[u8]] = match (self.ends, self.kind) {
            (Ends::Kept, _) => &[],
            (Ends::Null, _) => &[b"\0"],
            (Ends::Line, Kind::Binary) => &[b"\n"],
            (Ends::Line, Kind::Text) => &[b"\r\n", b"\n"],
        };
        ending.iter().find_map(|end| line.strip_suffix(*end)).unwrap_or(line)
    }

    /// Sends what each read brings.
    fn send_stream(&self, name: &str, mut file: impl Read) -> Result<(), String> {
        let mut piece = vec![0; PIECE];
        loop {
            match file.read(&mut piece) {
                Ok(0) => return Ok(()),
                Ok(length) => self.to.send(Kind::Binary, &piece[..length]).map_err(|error| explain(name, error))?,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(format!("{name}: {error}")),
            }
        }
    }

    fn send_json(&self, name: &str, file: impl Read) -> Result<(), String> {
        each_line(name, file, b'\n', |place, line| match message_of(line) {
            Ok(Some((kind, payload))) => self.to.send(kind, &payload).map_err(|error| explain(place, error)),
            Ok(None) => Ok(()),
            Err(why) => Err(format!("{place}: {why}")),
        })
    }
}

/// Calls `take` with each line and where it stands.
fn each_line(
    name: &str,
    file: impl Read,
    end: u8,
    mut take: impl FnMut(&str, &[u8]) -> Result<(), String>,
) -> Result<(), String> {
    let mut file = BufReader::with_capacity(64 * 1024, file);
    let mut line = Vec::new();
    for number in 1_u64.. {
        line.clear();
        let read = file.by_ref().take(LINE_MAX).read_until(end, &mut line);
        match read {
            Ok(0) => return Ok(()),
            Ok(_) if line.len() as u64 == LINE_MAX && line.last() != Some(&end) => {
                return Err(format!("{name}: line {number} is longer than {LINE_MAX} bytes"));
            }
            Ok(_) => take(&format!("{name}: line {number}"), &line)?,
            Err(error) => return Err(format!("{name}: {error}")),
        }
    }
    Ok(())
}

/// The message in a line of JSON; `None` if the line is empty, or tells of another event.
fn message_of(line: &[u8]) -> Result<Option<(Kind, Vec<u8>)>, String> {
    const OTHERS: [&str; 6] = ["open", "pong", "close", "error", "retry", "end"];
    if line.trim_ascii().is_empty() {
        return Ok(None);
    }
    let object: Value = serde_json::from_slice(line).map_err(|error| format!("not JSON: {error}"))?;
    let field = |name: &str| object.get(name).map(|value| value.as_str().unwrap_or_default());
    match field("event") {
        None | Some("message") => {}
        Some(other) if OTHERS.contains(&other) => return Ok(None),
        Some(_) => return Err("the event is none that --json prints".to_owned()),
    }
    let Some(data) = object.get("data").and_then(Value::as_str) else {
        return Err("it takes an object such as {\"type\":\"text\",\"data\":\"hello\"}".to_owned());
    };
    match field("type") {
        None | Some("text") => Ok(Some((Kind::Text, data.as_bytes().to_owned()))),
        Some("binary") => match BASE64_STANDARD.decode(data) {
            Ok(bytes) => Ok(Some((Kind::Binary, bytes))),
            Err(error) => Err(format!("the data of a binary message is Base64: {error}")),
        },
        Some(_) => Err("the type is text or binary".to_owned()),
    }
}

fn name_of(source: &Source) -> String {
    match path_of(source) {
        Some(path) if path == Path::new("-") => "standard input".to_owned(),
        Some(path) => path.display().to_string(),
        None => String::new(),
    }
}

fn explain(name: &str, error: Error) -> String {
    if error.status == Status::WS_ERR_UTF8 {
        return format!("{name}: not UTF-8, so it cannot be sent as text (see --binary)");
    }
    format!("{name}: {}", error.detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_json() {
        let text = |text: &str| Ok(Some((Kind::Text, text.as_bytes().to_owned())));
        assert_eq!(message_of(br#"{"type":"text","data":"a\n\u00e9"}"#), text("a\n\u{e9}"));
        assert_eq!(message_of(br#"{"data":""}"#), text(""));
        let binary = br#" {"event":"message","type":"binary","data":"AP8K","more":1}"#;
        assert_eq!(message_of(binary), Ok(Some((Kind::Binary, vec![0, 255, 10]))));
        for other in [&b""[..], b" \r\n", br#"{"event":"open","status":101}"#, br#"{"event":"end","exit":0}"#] {
            assert_eq!(message_of(other), Ok(None));
        }
        for bad in [
            "hello",
            "[]",
            "{}",
            "\"text\"",
            r#"{"data":1}"#,
            r#"{"type":1,"data":"a"}"#,
            r#"{"type":"ping","data":"a"}"#,
            r#"{"event":"massage","data":"a"}"#,
            r#"{"type":"binary","data":"?"}"#,
        ] {
            assert!(message_of(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
