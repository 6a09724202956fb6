//! The message layer of the codec: frames in, messages and control frames out (RFC 6455 sections 5.4 and 5.5).
//!
//! [`Decoder::step`] is given the bytes that have arrived and takes at most one frame from their start. A message that
//! lies whole in one frame, whole in the input, is unmasked where it stands and handed out from there: nothing is
//! copied and nothing allocated. Only a message that arrives in pieces is assembled in a buffer of the decoder, which
//! grows with the bytes that have arrived and never with a length that was merely declared. What the decoder leaves
//! unconsumed is therefore always short: a piece of a header, or of a control frame.
//!
//! A large frame may bypass the input: while one is under way, [`Decoder::direct`] lends the message buffer so that
//! the next bytes can be received straight into it.

use super::frame::{self, Header, Opcode};
use super::message::Message;
use super::{Role, Violation, close, mask, utf8};

/// What an endpoint takes from its peer.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The longest message, in bytes of payload, all fragments together.
    pub max_message: u64,
    /// The longest payload of one frame, in bytes.
    pub max_frame: u64,
    /// The most frames of one message.
    pub max_fragments: u32,
}

/// The two types of message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// UTF-8, and checked to be.
    Text = 1,
    /// Any bytes.
    Binary = 2,
}

impl From<Kind> for Opcode {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Text => Self::Text,
            Kind::Binary => Self::Binary,
        }
    }
}

/// What a step brought to light. Payloads are unmasked; they stand in the input, or in the decoder until the next step.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A whole message that stood whole in the input.
    Message(Kind, &'a [u8]),
    /// The same of a long message from a client, as the frame that a server would send it in: its header, of so many bytes,
    /// has been put where the client's ended.
    Framed(Kind, &'a [u8], usize),
    /// A whole message that was assembled. Whoever wants to keep it may take it.
    Assembled(Kind, &'a mut Message),
    /// To be answered with a pong of the same payload.
    Ping(&'a [u8]),
    /// An answer to a ping, or unasked.
    Pong(&'a [u8]),
    /// The peer begins or answers the closing handshake. Nothing that follows counts.
    Close(Option<u16>, &'a str),
}

/// A data frame whose payload has not arrived in full.
#[derive(Debug, Clone, Copy)]
struct Partial {
    remaining: u64,
    key: Option<mask::Key>,
    fin: bool,
}

/// A message of which at least one frame has begun.
#[derive(Debug, Clone, Copy)]
struct Open {
    kind: Kind,
    frames: u32,
    text: utf8::Validator,
}

/// The decoder of one connection.
#[derive(Debug)]
pub struct Decoder {
    message: Message,
    open: Option<Open>,
    partial: Option<Partial>,
    role: Role,
}

/// A frame payload with at least this much still to come is worth receiving straight into the message, in bytes.
const DIRECT_MIN: u64 = 32 * 1024;

/// The header of a short frame from a client: two bytes and the masking key.
const SHORT_HEADER: usize = 6;

/// The header of a short frame from a server.
const SHORT_UNMASKED_HEADER: usize = 2;

/// The longest payload of a short frame, in bytes.
const SHORT_MAX: usize = 125;

/// The least by which a message that is received directly grows, in bytes.
const DIRECT_STEP: usize = 64 * 1024;

impl Decoder {
    /// A decoder for an endpoint of this role, at the start of the stream of frames.
    #[must_use]
    pub const fn new(role: Role) -> Self {
        Self { message: Message::new(), open: None, partial: None, role }
    }

    /// Takes at most one frame, or a piece of one, from the start of `input`. Returns how many bytes it took and what
    /// they gave. No bytes taken means that the rest must be kept and shown again with more behind it.
    ///
    /// # Errors
    /// The violation to fail the connection with. The decoder must not be used after that.
    #[inline]
    pub fn step<'a>(
        &'a mut self,
        input: &'a mut [u8],
        limits: &Limits,
    ) -> Result<(usize, Option<Event<'a>>), Violation> {
        if self.partial.is_some() {
            return self.resume(input);
        }
        let Some((header, start)) = Header::parse(input, self.role)? else {
            return Ok((0, None));
        };
        if header.opcode.is_control() {
            return control(header, start, input);
        }
        self.admit(&header, limits)?;
        let available = input.len() - start;
        if header.fin && self.open.is_none() && header.length <= available as u64 {
            return whole(header, start, input);
        }
        self.begin(&header);
        let (taken, event) = self.resume(&input[start..])?;
        Ok((start + taken, event))
    }

    /// Takes the short messages at the start of `input`, as long as one follows the other and `deliver` wants more:
    /// final frames of at most 125 bytes that are there as a whole. It does nothing that [`Decoder::step`] would not do,
    /// but it does it in a few dozen instructions, for what most peers send most of the time. Returns how many bytes it
    /// took; what comes next is for [`Decoder::step`].
    ///
    /// # Errors
    /// As for [`Decoder::step`].
    #[inline]
    pub fn short_messages(
        &mut self,
        input: &mut [u8],
        limits: &Limits,
        mut deliver: impl FnMut(Kind, &[u8]) -> bool,
    ) -> Result<usize, Violation> {
        let mut taken = 0;
        if self.role != Role::Server || !self.is_idle() {
            return Ok(taken);
        }
        let longest = longest_short(limits);
        while let Some((kind, payload)) = short_message(&mut input[taken..], longest)? {
            taken += SHORT_HEADER + payload.len();
            if !deliver(kind, payload) {
                break;
            }
        }
        Ok(taken)
    }

    /// The same for a client, whose peer does not mask. It is a function of its own so that neither is slower for the other.
    ///
    /// # Errors
    /// As for [`Decoder::step`].
    #[inline]
    pub fn short_unmasked_messages(
        &mut self,
        input: &[u8],
        limits: &Limits,
        mut deliver: impl FnMut(Kind, &[u8]) -> bool,
    ) -> Result<usize, Violation> {
        let mut taken = 0;
        if self.role != Role::Client || !self.is_idle() {
            return Ok(taken);
        }
        let longest = longest_short(limits);
        while let Some((kind, payload)) = short_unmasked_message(&input[taken..], longest)? {
            taken += SHORT_UNMASKED_HEADER + payload.len();
            if !deliver(kind, payload) {
                break;
            }
        }
        Ok(taken)
    }

    /// While a large payload is under way: the message buffer, with room, and how many bytes may be received into it.
    /// [`Decoder::received`] must be called with the count of bytes appended. `None` where there is no memory for it either: the next
    /// step says so.
    pub fn direct(&mut self) -> Option<(&mut Vec<u8>, usize)> {
        let partial = self.partial.as_ref().filter(|partial| partial.remaining >= DIRECT_MIN)?;
        let remaining = usize::try_from(partial.remaining).unwrap_or(usize::MAX);
        self.message.room(DIRECT_STEP, remaining)
    }

    /// Says that `count` bytes were appended to the buffer that [`Decoder::direct`] lent.
    ///
    /// # Errors
    /// As for [`Decoder::step`].
    pub fn received(&mut self, count: usize) -> Result<Option<Event<'_>>, Violation> {
        self.absorb(count)
    }

    /// Whether nothing is under way: every message that has begun has ended.
    #[must_use]
    pub const fn is_idle(&self) -> bool {
        self.open.is_none() && self.partial.is_none()
    }

    /// What the message under way takes of memory, in bytes.
    #[inline]
    #[must_use]
    pub fn held(&self) -> usize {
        self.message.capacity()
    }

    /// Lets go of the message under way. The decoder must not be used after that.
    pub fn discard(&mut self) {
        self.message = Message::new();
    }

    /// Lends a buffer to assemble the next message in, if the decoder has none.
    pub fn supply(&mut self, take: impl FnOnce() -> Vec<u8>) {
        if self.message.capacity() == 0 {
            self.message = Message::within(take());
        }
    }

    /// Gives back the buffer of an assembled message once it has been delivered.
    #[inline]
    pub fn release(&mut self, give: impl FnOnce(Vec<u8>)) {
        if self.message.capacity() > 0 && self.is_idle() {
            give(std::mem::take(&mut self.message).into_buffer());
        }
    }

    /// Judges the header of a data frame against the message under way and the limits (section 5.4).
    #[inline]
    fn admit(&self, header: &Header, limits: &Limits) -> Result<(), Violation> {
        let (so_far, frames) = match (&self.open, header.opcode) {
            (None, Opcode::Continuation) => {
                return Err(Violation::protocol("continuation frame without a message"));
            }
            (Some(open), Opcode::Continuation) => (self.message.len() as u64, open.frames),
            (Some(_), _) => return Err(Violation::protocol("new message within a fragmented one")),
            (None, _) => (0, 0),
        };
        if header.length > limits.max_frame {
            return Err(Violation::too_big("frame larger than accepted"));
        }
        if header.length > limits.max_message - so_far.min(limits.max_message) {
            return Err(Violation::too_big("message larger than accepted"));
        }
        if frames >= limits.max_fragments {
            return Err(Violation::too_big("message in more fragments than accepted"));
        }
        Ok(())
    }

    /// Enters a data frame that cannot be handed out from where it stands.
    fn begin(&mut self, header: &Header) {
        match &mut self.open {
            Some(open) => open.frames += 1,
            None => {
                let kind = if header.opcode == Opcode::Text { Kind::Text } else { Kind::Binary };
                self.message.clear();
                self.open = Some(Open { kind, frames: 1, text: utf8::Validator::default() });
            }
        }
        self.partial = Some(Partial { remaining: header.length, key: header.mask, fin: header.fin });
    }

    /// Moves what has arrived of the frame under way into the message.
    fn resume(&mut self, input: &[u8]) -> Result<(usize, Option<Event<'_>>), Violation> {
        let Some(partial) = &self.partial else { return Ok((0, None)) };
        let count = usize::try_from(partial.remaining).unwrap_or(usize::MAX).min(input.len());
        self.message.append(&input[..count]).map_err(|_| NO_MEMORY)?;
        Ok((count, self.absorb(count)?))
    }

    /// Unmasks and checks the last `count` bytes of the message, and ends the frame and the message where they end.
    fn absorb(&mut self, count: usize) -> Result<Option<Event<'_>>, Violation> {
        let (Some(partial), Some(open)) = (&mut self.partial, &mut self.open) else {
            return Ok(None);
        };
        let fresh = self.message.last(count);
        if let Some(key) = &mut partial.key {
            *key = mask::apply(fresh, *key).next;
        }
        if open.kind == Kind::Text {
            open.text.push(fresh).map_err(|_| NOT_UTF8)?;
        }
        partial.remaining -= count as u64;
        if partial.remaining > 0 {
            return Ok(None);
        }
        let (fin, kind) = (partial.fin, open.kind);
        self.partial = None;
        if !fin {
            return Ok(None);
        }
        open.text.finish().map_err(|_| NOT_UTF8)?;
        self.open = None;
        Ok(Some(Event::Assembled(kind, &mut self.message)))
    }
}

/// The longest payload of a short message that is taken.
fn longest_short(limits: &Limits) -> usize {
    (SHORT_MAX as u64).min(limits.max_message).min(limits.max_frame) as usize
}

/// A short message from a client, if one is there: see [`Decoder::short_messages`].
#[inline(always)]
fn short_message(input: &mut [u8], longest: usize) -> Result<Option<(Kind, &[u8])>, Violation> {
    let Some((&mut [first, second, ref key @ ..], rest)) = input.split_first_chunk_mut::<SHORT_HEADER>() else {
        return Ok(None);
    };
    // Without the mask bit, or with a longer form of the length, this is more than `longest`.
    let length = usize::from(second ^ frame::MASKED);
    if !matches!(first, TEXT | BINARY) || length > longest || length > rest.len() {
        return Ok(None);
    }
    let payload = &mut rest[..length];
    let ascii = mask::apply(payload, *key).ascii;
    if first == BINARY {
        return Ok(Some((Kind::Binary, payload)));
    }
    if !ascii && !utf8::is_valid(payload) {
        return Err(NOT_UTF8);
    }
    Ok(Some((Kind::Text, payload)))
}

/// A short message from a server, if one is there.
#[inline(always)]
fn short_unmasked_message(input: &[u8], longest: usize) -> Result<Option<(Kind, &[u8])>, Violation> {
    let Some((&[first, second], rest)) = input.split_first_chunk::<SHORT_UNMASKED_HEADER>() else {
        return Ok(None);
    };
    // With the mask bit, or with a longer form of the length, this is more than `longest`.
    let length = usize::from(second);
    if !matches!(first, TEXT | BINARY) || length > longest || length > rest.len() {
        return Ok(None);
    }
    let payload = &rest[..length];
    if first == BINARY {
        return Ok(Some((Kind::Binary, payload)));
    }
    if !mask::is_ascii(payload) && !utf8::is_valid(payload) {
        return Err(NOT_UTF8);
    }
    Ok(Some((Kind::Text, payload)))
}

const TEXT: u8 = frame::FIN | Opcode::Text as u8;
const BINARY: u8 = frame::FIN | Opcode::Binary as u8;

/// A message with at least this much payload is handed out as a frame, in bytes: to those who pass it on it saves the work of
/// sending it in two pieces.
pub const FRAMED_MIN: usize = 8 * 1024;

const NO_MEMORY: Violation = Violation::out_of_memory("no memory for the message");

const NOT_UTF8: Violation = Violation::invalid_utf8("text message is not UTF-8");

/// A message in one frame, all of it in the input.
#[inline]
fn whole(header: Header, start: usize, input: &mut [u8]) -> Result<(usize, Option<Event<'_>>), Violation> {
    let end = start + header.length as usize;
    let payload = &mut input[start..end];
    let ascii = match header.mask {
        Some(key) => mask::apply(payload, key).ascii,
        None => mask::is_ascii(payload),
    };
    let kind = if header.opcode == Opcode::Binary { Kind::Binary } else { Kind::Text };
    if kind == Kind::Text && !ascii && !utf8::is_valid(payload) {
        return Err(NOT_UTF8);
    }
    if header.mask.is_none() || payload.len() < FRAMED_MIN {
        return Ok((end, Some(Event::Message(kind, &input[start..end]))));
    }
    let mut bytes = [0; frame::MAX_HEADER];
    let length = Header { mask: None, ..header }.write(&mut bytes);
    input[start - length..start].copy_from_slice(&bytes[..length]);
    Ok((end, Some(Event::Framed(kind, &input[start - length..end], length))))
}

/// A control frame: taken whole or not at all, for it is never longer than 125 bytes.
fn control(header: Header, start: usize, input: &mut [u8]) -> Result<(usize, Option<Event<'_>>), Violation> {
    let end = start + header.length as usize;
    let Some(payload) = input.get_mut(start..end) else {
        return Ok((0, None));
    };
    if let Some(key) = header.mask {
        let _ = mask::apply(payload, key);
    }
    let event = match header.opcode {
        Opcode::Ping => Event::Ping(payload),
        Opcode::Pong => Event::Pong(payload),
        _ => {
            let (code, reason) = close::parse(payload)?;
            Event::Close(code, reason)
        }
    };
    Ok((end, Some(event)))
}

#[cfg(test)]
mod tests;
