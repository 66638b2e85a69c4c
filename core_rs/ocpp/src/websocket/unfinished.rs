//! The rare case: a frame in pieces, a message in fragments, control frames between them.

use super::deframer::Limits;
use super::fault::Fault;
use super::head::{Head, Opcode, Reading, Terms};
use super::held::Held;
use super::inflate::inflate;
use super::mask::{self, Key};

/// The received parts of an incomplete frame or message. Exists only while something is incomplete.
#[derive(Debug, Default)]
pub(super) struct Unfinished {
    /// An incomplete head or control frame, as it was received, masked.
    raw: Vec<u8>,
    message: Option<Message>,
}

/// A message that has begun.
#[derive(Debug)]
struct Message {
    /// `Text` or `Binary`.
    opcode: Opcode,
    is_compressed: bool,
    /// The payload so far, unmasked.
    payload: Vec<u8>,
    /// How many bytes of it are known to be UTF-8: at most three fewer than all. 0 if that is not checked yet.
    checked_bytes: usize,
    fragments: usize,
    /// How many bytes the current fragment lacks; 0: a head comes next.
    missing_bytes: usize,
    /// Whether the current fragment is the last one.
    is_final: bool,
    /// The key for the next byte of the current fragment.
    key: Option<Key>,
    /// Whether it went on beyond the limit: what follows is left out.
    is_cut: bool,
    held: Held,
}

impl Unfinished {
    pub(super) fn is_empty(&self) -> bool {
        self.raw.is_empty() && self.message.is_none()
    }

    pub(super) fn held_bytes(&self) -> usize {
        let payload = self.message.as_ref().map_or(0, |message| message.payload.capacity());
        size_of::<Self>() + self.raw.capacity() + payload
    }

    /// Put the next complete message or control frame into `scratch`; `None` when `data` is used up.
    pub(super) fn take(
        &mut self,
        data: &mut &[u8],
        scratch: &mut Vec<u8>,
        terms: Terms,
        limits: Limits,
    ) -> Result<Option<Opcode>, Fault> {
        loop {
            if self.message.as_ref().is_none_or(|message| message.missing_bytes == 0) {
                let Some(head) = self.take_head(data, terms)? else { return Ok(None) };
                if head.opcode.is_control() {
                    scratch.clear();
                    mask::append(scratch, &self.raw[head.size_bytes..], head.key);
                    self.raw.clear();
                    return Ok(Some(head.opcode));
                }
                self.raw.clear();
                self.begin_fragment(&head, terms, limits)?;
            }
            let Some(message) = &mut self.message else { return Ok(None) };
            message.take_payload(data, terms, limits)?;
            if message.missing_bytes > 0 {
                return Ok(None);
            }
            if message.is_final {
                let (opcode, is_compressed) = (message.opcode, message.is_compressed);
                let is_cut = message.is_cut;
                *scratch = std::mem::take(&mut message.payload);
                self.message = None;
                if is_compressed {
                    inflate(scratch, limits.message_bytes)?;
                }
                return Ok(Some(if is_cut { Opcode::CutText } else { opcode }));
            }
        }
    }

    /// Complete a head, or a whole control frame, in `raw`.
    fn take_head(&mut self, data: &mut &[u8], terms: Terms) -> Result<Option<Head>, Fault> {
        loop {
            // Also without further bytes: a fault is reported as soon as it can be seen.
            let needed = match Head::read(&self.raw, terms)? {
                Reading::Needs(needed) => needed,
                Reading::Complete(head) if head.opcode.is_control() => {
                    let needed = head.size_bytes + head.payload_bytes;
                    if self.raw.len() == needed {
                        return Ok(Some(head));
                    }
                    needed
                }
                Reading::Complete(head) => return Ok(Some(head)),
            };
            if data.is_empty() {
                return Ok(None);
            }
            let (taken, rest) = data.split_at(data.len().min(needed - self.raw.len()));
            self.raw.extend_from_slice(taken);
            *data = rest;
        }
    }

    fn begin_fragment(&mut self, head: &Head, terms: Terms, limits: Limits) -> Result<(), Fault> {
        match (head.opcode, &self.message) {
            (Opcode::Continuation, None) => return Err(Fault::ContinuationOfNothing),
            (Opcode::Continuation, Some(_)) | (_, None) => {}
            (_, Some(_)) => return Err(Fault::MessageInMessage),
        }
        let message = self.message.get_or_insert_with(|| Message::new(head.opcode, head.is_compressed));
        if !limits.admits_fragment(message.fragments, message.payload.len()) {
            return Err(Fault::TooManyFragments);
        }
        let may_be_cut = terms.is_lenient && message.opcode == Opcode::Text && !message.is_compressed;
        if !may_be_cut {
            limits.admit(head, message.payload.len())?;
        }
        message.fragments += 1;
        message.missing_bytes = head.payload_bytes;
        message.is_final = head.is_final;
        message.key = head.key;
        Ok(())
    }
}

impl Message {
    fn new(opcode: Opcode, is_compressed: bool) -> Self {
        Self {
            opcode,
            is_compressed,
            payload: Vec::new(),
            checked_bytes: 0,
            fragments: 0,
            missing_bytes: 0,
            is_final: false,
            key: None,
            is_cut: false,
            held: Held::default(),
        }
    }

    fn take_payload(&mut self, data: &mut &[u8], terms: Terms, limits: Limits) -> Result<(), Fault> {
        let (taken, rest) = data.split_at(data.len().min(self.missing_bytes));
        *data = rest;
        let room = limits.message_bytes.saturating_sub(self.payload.len());
        let kept = &taken[..taken.len().min(room)];
        if self.is_cut || !self.held.grow_to(self.payload.len() + kept.len()) {
            self.is_cut = true;
        } else {
            self.is_cut = kept.len() < taken.len();
            self.make_room(kept.len(), self.missing_bytes.min(room));
            self.key = mask::append(&mut self.payload, kept, self.key);
        }
        self.missing_bytes -= taken.len();
        if terms.is_lenient || self.opcode != Opcode::Text || self.is_compressed {
            return Ok(());
        }
        self.check_text()
    }

    /// Grow by doubling, so that an announced length costs nothing, and never beyond what may still come.
    fn make_room(&mut self, more: usize, announced: usize) {
        let length = self.payload.len();
        let (needed, most) = (length + more, length + announced);
        if needed > self.payload.capacity() {
            let capacity = (2 * self.payload.capacity()).clamp(needed, most);
            self.payload.reserve_exact(capacity - length);
        }
    }

    /// Fail at the first byte that cannot be UTF-8. The last character may be incomplete.
    fn check_text(&mut self) -> Result<(), Fault> {
        match str::from_utf8(&self.payload[self.checked_bytes..]) {
            Ok(_) => self.checked_bytes = self.payload.len(),
            Err(error) if error.error_len().is_none() => self.checked_bytes += error.valid_up_to(),
            Err(_) => return Err(Fault::NotUtf8),
        }
        Ok(())
    }
}
