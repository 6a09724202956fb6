//! What is told of a connection: messages on standard output, all else on standard error; or, with `--json`, everything on
//! standard output, an event per line.

use super::json::Line;
use crate::arguments::Connect;
use crate::arguments::connect::Loudness;
use crate::print::{self, Form};
use crate::terminal::{complain, harmless, note, told_close};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use std::borrow::Cow;
use std::io::{self, BufWriter, IsTerminal, Stdout, Write};
use std::time::Duration;
use wspush::cause::Cause;
use wspush::engine::request::Request;
use wspush::error::{Error, Status};
use wspush::protocol::decoder::Kind;

pub struct Output {
    out: BufWriter<Stdout>,
    form: Form,
    loudness: Loudness,
    /// Somebody sits there and types.
    interactive: bool,
    close_code: u16,
}

impl Output {
    pub fn new(arguments: &Connect) -> Self {
        Self {
            form: Form::for_stdout(arguments.json, arguments.ends),
            loudness: arguments.loudness,
            interactive: io::stdin().is_terminal() && io::stderr().is_terminal(),
            close_code: arguments.close_code,
            out: BufWriter::with_capacity(64 * 1024, io::stdout()),
        }
    }

    pub fn open(&mut self, response: &Request) -> io::Result<()> {
        self.head(response);
        if self.loudness == Loudness::Verbose || self.converses() {
            note("* connected");
        }
        if self.form == Form::Json {
            let mut line = Line::of("open");
            line.number("status", response.status().into());
            line.text_or_null("subprotocol", &response.subprotocol().to_string_lossy());
            line.pairs("headers", headers(response));
            self.out.write_all(line.end())?;
        }
        Ok(())
    }

    pub fn message(&mut self, kind: Kind, payload: &[u8]) -> io::Result<()> {
        match self.form {
            Form::Json => self.out.write_all(json_message(kind, payload).end()),
            form => print::message(&mut self.out, form, kind, payload),
        }
    }

    /// A pong, so long after its ping.
    pub fn pong(&mut self, time: Duration) -> io::Result<()> {
        let ms = format!("{:.3}", time.as_secs_f64() * 1000.0);
        if self.complains() {
            note(&format!("* pong after {ms} ms"));
        }
        if self.form == Form::Json {
            self.out.write_all(Line::of("pong").raw("ms", &ms).end())?;
        }
        Ok(())
    }

    pub fn close(&mut self, code: u16, reason: &str, cause: Cause) -> io::Result<()> {
        let told = told_close(code, reason, cause);
        let expected = matches!(code, 1000 | 1001 | 1005) || code == self.close_code;
        if self.loudness == Loudness::Verbose || expected && self.converses() {
            note(&format!("* {}", told.trim_end()));
        } else if !expected && self.complains() {
            complain(told.trim_end());
        }
        if self.form == Form::Json {
            let cause = cause.name().to_string_lossy().trim_start_matches("WS_CAUSE_").to_ascii_lowercase();
            let mut line = Line::of("close");
            self.out.write_all(line.number("code", code.into()).text("reason", reason).text("cause", &cause).end())?;
        }
        Ok(())
    }

    /// An attempt to connect failed, perhaps with a response.
    pub fn error(&mut self, status: Status, detail: &str, response: Option<&Request>) -> io::Result<()> {
        if let Some(response) = response {
            self.head(response);
        }
        if self.complains() {
            complain(&harmless(detail, false));
        }
        if self.form == Form::Json {
            self.out.write_all(json_error(status, detail, response).end())?;
        }
        Ok(())
    }

    /// Another attempt follows.
    pub fn retry(&mut self, delay: Duration) -> io::Result<()> {
        if self.complains() {
            complain(&format!("the next attempt is in {:.1} s", delay.as_secs_f64()));
        }
        if self.form == Form::Json {
            self.out.write_all(Line::of("retry").number("delay_ms", delay.as_millis()).end())?;
        }
        Ok(())
    }

    /// What was told so far is to be seen now.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// What there is to be told if there is no connection to be tried.
    pub fn never_began(arguments: &Connect, why: &Error) {
        if arguments.json {
            // Who has read enough may be gone.
            let _ = io::stdout().write_all(json_error(why.status, &why.detail, None).end());
        }
    }

    /// The last line there is.
    pub fn end(arguments: &Connect, exit: u8) {
        if arguments.json {
            let _ = io::stdout().write_all(Line::of("end").number("exit", exit.into()).end());
        }
    }

    fn head(&self, response: &Request) {
        if self.loudness < Loudness::Verbose {
            return;
        }
        note(&format!("< HTTP/1.1 {}", response.status()));
        for (name, value) in headers(response) {
            note(&format!("< {}: {}", harmless(&name, false), harmless(&value, false)));
        }
    }

    /// Whether what goes wrong is told on standard error. With `--json` it is told elsewhere.
    fn complains(&self) -> bool {
        match self.loudness {
            Loudness::Quiet => false,
            Loudness::Normal => self.form != Form::Json,
            Loudness::Verbose => true,
        }
    }

    /// Whether what goes well is told, too.
    fn converses(&self) -> bool {
        self.interactive && self.complains()
    }
}

fn json_message(kind: Kind, payload: &[u8]) -> Line {
    let mut line = Line::of("message");
    match kind {
        Kind::Text => line.text("type", "text").text("data", &String::from_utf8_lossy(payload)),
        Kind::Binary => line.text("type", "binary").text("data", &BASE64_STANDARD.encode(payload)),
    };
    line
}

fn json_error(status: Status, detail: &str, response: Option<&Request>) -> Line {
    let mut line = Line::of("error");
    line.text("name", &status.name().to_string_lossy()).text("detail", detail);
    match response {
        Some(response) => line.number("status", response.status().into()).pairs("headers", headers(response)),
        None => line.raw("status", "null").raw("headers", "[]"),
    };
    line
}

fn headers(response: &Request) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    let fields = (0..response.header_count()).filter_map(|index| response.header_at(index));
    fields.map(|(name, value)| (name.to_string_lossy(), value.to_string_lossy()))
}
