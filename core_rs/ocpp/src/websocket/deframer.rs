//! The reading side of a connection.

use super::event::{Event, read_close};
use super::fault::Fault;
use super::head::{Head, Opcode, Reading, Side, Terms};
use super::inflate::inflate;
use super::mask;
use super::unfinished::Unfinished;

/// Limits of one message. A message beyond them fails the connection with 1009.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes of payload, over all fragments.
    pub message_bytes: usize,
    /// Most fragments without content worth their head. Without it a peer could send empty ones for ever. Each
    /// `FRAGMENT_BYTES` of payload allow one more: small devices send large messages in pieces of their buffer.
    pub fragments: usize,
}

/// Bytes of payload that are worth a fragment.
const FRAGMENT_BYTES: usize = 16;

impl Limits {
    /// Whether a message with so many fragments and bytes may have another fragment.
    pub(super) fn admits_fragment(self, fragments: usize, held_bytes: usize) -> bool {
        fragments < self.fragments.saturating_add(held_bytes / FRAGMENT_BYTES)
    }

    /// Whether a message with `held_bytes` so far may go on with this frame.
    pub(super) fn admit(self, head: &Head, held_bytes: usize) -> Result<(), Fault> {
        if held_bytes.saturating_add(head.payload_bytes) > self.message_bytes {
            return Err(Fault::TooBig);
        }
        Ok(())
    }
}

/// Turns the bytes of one connection into events.
///
/// One scratch buffer serves all connections of a thread, and an idle connection holds only this. A caller that wants
/// no events for now (backpressure) stops calling `next`, and keeps the rest of its bytes. A frame is judged as soon as
/// possible: flags and opcode at the first byte, a length before any payload, text at the first byte that is not UTF-8.
#[derive(Debug)]
pub struct Deframer {
    limits: Limits,
    terms: Terms,
    /// A close or a failure was reported. What comes after it is ignored.
    ended: bool,
    unfinished: Option<Box<Unfinished>>,
}

impl Deframer {
    /// Create the deframer of one side; the peer is the other side.
    #[must_use]
    pub fn new(side: Side, limits: Limits) -> Self {
        Self {
            limits,
            terms: Terms { side, inflates: false, is_lenient: false },
            ended: false,
            unfinished: None,
        }
    }

    /// Accept compressed messages (RFC 7692 with `no_context_takeover`).
    #[must_use]
    pub fn inflating(mut self) -> Self {
        self.terms.inflates = true;
        self
    }

    /// Find text that is not UTF-8, and the beginning of text over the limit, instead of failing the connection.
    /// Compressed text is not cut: its length is not known before.
    #[must_use]
    pub fn lenient(mut self) -> Self {
        self.terms.is_lenient = true;
        self
    }

    /// Take bytes off the front of `data` until one event is complete; `None` when all are taken.
    ///
    /// The contents of an event are in `scratch`, which is overwritten. Give what `data` still holds again, in front of
    /// what is read later.
    pub fn next<'s>(&mut self, data: &mut &[u8], scratch: &'s mut Vec<u8>) -> Option<Event<'s>> {
        if self.ended {
            *data = &[];
            return None;
        }
        let event = match self.take(data, scratch) {
            Ok(None) => return None,
            Ok(Some(opcode)) => interpret(opcode, scratch, self.terms.is_lenient).unwrap_or_else(Event::Fail),
            Err(fault) => Event::Fail(fault),
        };
        if matches!(event, Event::Close { .. } | Event::Fail(_)) {
            self.ended = true;
            self.unfinished = None;
            *data = &[];
        }
        Some(event)
    }

    /// Whether the peer has closed or failed.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Heap in use by this connection: 0 while nothing is unfinished, otherwise at most `Limits::message_bytes` and
    /// half a kilobyte.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.unfinished.as_ref().map_or(0, |unfinished| unfinished.held_bytes())
    }

    /// Put the next complete message or control frame into `scratch`.
    fn take(&mut self, data: &mut &[u8], scratch: &mut Vec<u8>) -> Result<Option<Opcode>, Fault> {
        if self.unfinished.is_none() {
            let whole = self.take_whole(data, scratch)?;
            if whole.is_some() || data.is_empty() {
                return Ok(whole);
            }
        }
        let unfinished = self.unfinished.get_or_insert_default();
        let taken = unfinished.take(data, scratch, self.terms, self.limits)?;
        if unfinished.is_empty() {
            self.unfinished = None;
        }
        Ok(taken)
    }

    /// A message over the limit fails the connection, or is taken in pieces and cut.
    #[cold]
    fn too_big(&self, head: &Head) -> Result<Option<Opcode>, Fault> {
        if head.may_be_cut(self.terms) { Ok(None) } else { Err(Fault::TooBig) }
    }

    /// The common case: a whole, final frame, and nothing before it.
    #[inline]
    fn take_whole(&self, data: &mut &[u8], scratch: &mut Vec<u8>) -> Result<Option<Opcode>, Fault> {
        let Reading::Complete(head) = Head::read(data, self.terms)? else { return Ok(None) };
        if !head.is_final || head.opcode == Opcode::Continuation {
            return Ok(None);
        }
        if head.payload_bytes > self.limits.message_bytes && !head.opcode.is_control() {
            return self.too_big(&head);
        }
        let Some((payload, rest)) = data[head.size_bytes..].split_at_checked(head.payload_bytes) else {
            return Ok(None);
        };
        scratch.clear();
        mask::append(scratch, payload, head.key);
        *data = rest;
        if head.is_compressed {
            inflate(scratch, self.limits.message_bytes)?;
        }
        Ok(Some(head.opcode))
    }
}

/// The event of a complete payload.
#[inline]
fn interpret(opcode: Opcode, payload: &[u8], is_lenient: bool) -> Result<Event<'_>, Fault> {
    match opcode {
        Opcode::CutText => Ok(Event::BrokenText { data: payload, is_cut: true }),
        Opcode::Text => match str::from_utf8(payload) {
            Ok(text) => Ok(Event::Text(text)),
            Err(_) if is_lenient => Ok(Event::BrokenText { data: payload, is_cut: false }),
            Err(_) => Err(Fault::NotUtf8),
        },
        Opcode::Binary => Ok(Event::Binary(payload)),
        Opcode::Ping => Ok(Event::Ping(payload)),
        Opcode::Pong => Ok(Event::Pong(payload)),
        Opcode::Close => read_close(payload),
        Opcode::Continuation => Err(Fault::ContinuationOfNothing),
    }
}
