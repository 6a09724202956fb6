//! What the engine answers by itself, before the host is asked: requests for files below `document_root`, and for the
//! counters at `metrics_path`.
//!
//! Files are looked up and read on the thread that runs the reactor. A short one is sent whole; a long one piece by piece, the
//! next when the last has left, so that it takes no more memory than a short one, however slow its reader is.

use super::super::connection::Wire;
use super::super::log::Level;
use super::super::metrics;
use super::super::request::Request;
use super::logging::named;
use super::{Fate, Reactor};
use crate::protocol::files::{Facts, FilePath, answer, media_type};

use crate::protocol::http::{Refusal, RequestHead, ResponseHead, SERVER};
use crate::sys::files::{Directory, File, Found};
use std::io;
use std::ops::Range;
use std::time::SystemTime;

/// The most that is read of a file at once, in bytes.
pub(crate) const PIECE: u64 = 64 * 1024;

/// What is still to be sent of a file.
#[derive(Debug)]
pub struct Rest {
    file: File,
    range: Range<u64>,
}

/// What a path of a request leads to.
enum Target {
    File(File, Vec<u8>),
    /// A directory with an index, which is to be asked for with a slash behind it.
    Directory,
    /// Nothing of ours.
    Nothing,
}

impl Reactor {
    /// Answers a request without a body, if it is for something that the engine serves by itself. Whether it was.
    pub(super) fn answer_by_itself(&mut self, wire: &mut Wire, head: &RequestHead<'_>) -> bool {
        if !matches!(head.method(), "GET" | "HEAD") {
            return false;
        }
        if !self.link.options.metrics_path.is_empty() && self.link.options.metrics_path == head.path() {
            let text = metrics::text(self.site.links.iter().map(|link| link.stats()));
            let headers = format!("Content-Type: {}\r\nCache-Control: no-store\r\n", metrics::MEDIA_TYPE);
            self.answer_whole(wire, 200, &headers, text.into_bytes());
            return true;
        }
        match self.look_up(head.path()) {
            Ok(Target::Nothing) => return false,
            Ok(Target::Directory) => self.redirect(wire, head),
            Ok(Target::File(file, path)) => self.answer_with_file(wire, head, file, &path),
            Err(error) => {
                self.log(Level::Error, |link| {
                    format!("{}: the file for {} cannot be opened: {error}", named(link, wire), head.path())
                });
                self.answer_with(wire, Refusal { status: 503, detail: "the file cannot be opened now" });
            }
        }
        true
    }

    /// Answers a request that the host takes no interest in.
    pub(super) fn answer_for_host(&mut self, wire: &mut Wire, request: &Request) {
        // Whoever asks whether the server is there, as balancers do, is told that it is (RFC 9110 section 9.3.7).
        if request.path().to_bytes() == SERVER.as_bytes() {
            return self.answer_whole(wire, 200, "Allow: GET, HEAD, OPTIONS\r\n", Vec::new());
        }
        self.answer_with(wire, self.why_nobody_answers(request));
    }

    fn why_nobody_answers(&self, request: &Request) -> Refusal {
        let path = request.path().to_str().unwrap_or_default();
        let options = &self.link.options;
        let asks = matches!(request.method().to_bytes(), b"GET" | b"HEAD");
        let is_there = || matches!(self.look_up(path), Ok(Target::File(..) | Target::Directory));
        if !asks && (!path.is_empty() && options.metrics_path == path || is_there()) {
            return Refusal { status: 405, detail: "this can only be read" };
        }
        Refusal { status: 404, detail: "not found" }
    }

    fn look_up(&self, path: &str) -> io::Result<Target> {
        let Some(root) = &self.site.root else { return Ok(Target::Nothing) };
        let Some(path) = FilePath::of_request(path) else { return Ok(Target::Nothing) };
        look_up(root, path)
    }

    fn redirect(&mut self, wire: &mut Wire, head: &RequestHead<'_>) {
        let query = head.query().map_or(String::new(), |query| format!("?{query}"));
        let headers = format!("Location: {}/{query}\r\nContent-Type: text/plain\r\n", head.path());
        self.answer_whole(wire, 301, &headers, b"this is a directory\n".to_vec());
    }

    fn answer_with_file(&mut self, wire: &mut Wire, head: &RequestHead<'_>, file: File, path: &[u8]) {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let facts = Facts { size: file.size, modified: file.modified };
        let answer = answer(head, media_type(path), facts, now);
        let length = answer.body.end - answer.body.start;
        let Ok(response) = ResponseHead::new(answer.status, &answer.headers, Some(length)) else {
            // Nothing of anybody else's is in it that could be invalid.
            return self.refuse(wire, Refusal { status: 500, detail: "internal error" });
        };
        if length == 0 || wire.http().exchange.head_only {
            return self.answer(wire, response, Vec::new());
        }
        self.begin_stream(wire, response);
        wire.http().rest = Some(Rest { file, range: answer.body });
        self.send_rest(wire);
    }

    /// Sends the next piece of a file, if one is being sent and the last piece has left.
    pub(super) fn send_rest(&mut self, wire: &mut Wire) -> Fate {
        let Some(mut rest) = wire.http.as_mut().and_then(|http| http.rest.take()) else { return Fate::Lives };
        let mut piece = Vec::new();
        let most =
            self.sender.fair_share().map_or(PIECE, |share| PIECE.min(share)).min(rest.range.end - rest.range.start);
        match rest.file.read_at(rest.range.start, &mut piece, most as usize) {
            // The length is told already: that the rest is missing can only be shown by an end that comes too early.
            Ok(0) | Err(_) => {
                wire.flags.broken = true;
                return Fate::Ends;
            }
            Ok(count) => rest.range.start += count as u64,
        }
        self.sender.append(wire, piece);
        if rest.range.is_empty() {
            self.end_exchange(wire);
        } else {
            wire.http().rest = Some(rest);
        }
        // It is sent in the next turn, so that others have theirs before.
        self.list(wire);
        Fate::Lives
    }

    /// Sends a whole response of ours that is no refusal.
    fn answer_whole(&mut self, wire: &mut Wire, status: u16, headers: &str, body: Vec<u8>) {
        match ResponseHead::new(status, headers, Some(body.len() as u64)) {
            Ok(head) => self.answer(wire, head, body),
            Err(_) => self.refuse(wire, Refusal { status: 500, detail: "internal error" }),
        }
    }
}

fn look_up(root: &Directory, path: FilePath) -> io::Result<Target> {
    let found = root.look_up(&path.path)?;
    match found {
        Found::File(file) if !path.is_directory => Ok(Target::File(file, path.path)),
        Found::Directory => {
            let index = path.index();
            match root.look_up(&index)? {
                Found::File(file) if path.is_directory => Ok(Target::File(file, index)),
                Found::File(_) => Ok(Target::Directory),
                Found::Directory | Found::Nothing => Ok(Target::Nothing),
            }
        }
        Found::File(_) | Found::Nothing => Ok(Target::Nothing),
    }
}
