//! The lengths that a client announces for its messages of the handshake (RFC 8446 4 and 5.1).
//!
//! OpenSSL makes room for a whole message when it has read its length, up to 131 396 bytes for a `ClientHello`. So ten
//! bytes of a stranger would cost that much memory. This reads along, and refuses such a length before OpenSSL sees it.

/// The most bytes of a message. A `ClientHello` has up to some thousands, a chain of certificates ten thousand.
const LONGEST: usize = 32_768;
const CHANGE_CIPHER_SPEC: u8 = 20;
const HANDSHAKE: u8 = 22;

/// Reads the records of a handshake as long as they are not encrypted.
#[derive(Default)]
pub(crate) struct MessageSizes {
    record: Head<5>,
    record_left: usize,
    message: Head<4>,
    message_left: usize,
    is_handshake: bool,
    has_changed: bool,
    is_over: bool,
}

impl MessageSizes {
    /// Read the next bytes of the client. Return whether all lengths are sensible. `is_old`: the version is agreed, and
    /// is TLS 1.2, in which messages are encrypted after a `ChangeCipherSpec`. In TLS 1.3 it means nothing.
    pub(crate) fn admit(&mut self, mut bytes: &[u8], is_old: bool) -> bool {
        while !self.is_over && !bytes.is_empty() {
            if self.record_left == 0 {
                bytes = self.record.take(bytes);
                if let Some([kind, _, _, high, low]) = self.record.whole() {
                    self.record_left = usize::from(u16::from_be_bytes([high, low]));
                    self.begin_record(kind, is_old);
                }
                continue;
            }
            let within = &bytes[..bytes.len().min(self.record_left)];
            let taken = if !self.is_handshake {
                within.len()
            } else if self.message_left > 0 {
                let taken = within.len().min(self.message_left);
                self.message_left -= taken;
                taken
            } else {
                let taken = within.len() - self.message.take(within).len();
                if let Some([_, high, middle, low]) = self.message.whole() {
                    self.message_left = u32::from_be_bytes([0, high, middle, low]) as usize;
                    if self.message_left > LONGEST {
                        return false;
                    }
                }
                taken
            };
            self.record_left -= taken;
            bytes = &bytes[taken..];
        }
        true
    }

    fn begin_record(&mut self, kind: u8, is_old: bool) {
        self.is_handshake = kind == HANDSHAKE;
        self.is_over = match kind {
            HANDSHAKE => self.has_changed && is_old,
            CHANGE_CIPHER_SPEC => false,
            // Encrypted, an alert, or no TLS.
            _ => true,
        };
        self.has_changed |= kind == CHANGE_CIPHER_SPEC;
    }
}

/// A head that may come in parts.
struct Head<const SIZE: usize> {
    bytes: [u8; SIZE],
    count: usize,
}

impl<const SIZE: usize> Default for Head<SIZE> {
    fn default() -> Self {
        Self { bytes: [0; SIZE], count: 0 }
    }
}

impl<const SIZE: usize> Head<SIZE> {
    /// Take what is missing, and return the rest.
    fn take<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let taken = bytes.len().min(SIZE - self.count);
        self.bytes[self.count..self.count + taken].copy_from_slice(&bytes[..taken]);
        self.count += taken;
        &bytes[taken..]
    }

    /// Return the head if it is whole, and begin the next one.
    fn whole(&mut self) -> Option<[u8; SIZE]> {
        if self.count < SIZE {
            return None;
        }
        self.count = 0;
        Some(self.bytes)
    }
}
