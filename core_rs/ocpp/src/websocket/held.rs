//! The memory that unfinished large messages of all connections hold together.

use std::sync::atomic::{AtomicUsize, Ordering};

/// A message up to this size does not count.
const FREE_BYTES: usize = 262_144;
/// Most bytes of larger messages in one process. A message that would need more is cut.
const PROCESS_BYTES: usize = 134_217_728;

static HELD_BYTES: AtomicUsize = AtomicUsize::new(0);

/// The part of one message. It is given back when the message is.
#[derive(Debug, Default)]
pub(super) struct Held(usize);

impl Held {
    /// Count so many bytes of this message in all. Returns whether there was room for them.
    pub(super) fn grow_to(&mut self, bytes: usize) -> bool {
        let counted = bytes.saturating_sub(FREE_BYTES);
        let Some(more) = counted.checked_sub(self.0).filter(|more| *more > 0) else { return true };
        if HELD_BYTES.fetch_add(more, Ordering::Relaxed) + more > PROCESS_BYTES {
            HELD_BYTES.fetch_sub(more, Ordering::Relaxed);
            return false;
        }
        self.0 = counted;
        true
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.0 > 0 {
            HELD_BYTES.fetch_sub(self.0, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_messages_share_a_limit_and_give_it_back() {
        let mut all: Vec<Held> = Vec::new();
        let message_bytes = 8 * 1024 * 1024;
        while all.last_mut().is_none_or(|held| held.grow_to(message_bytes)) {
            all.push(Held::default());
            assert!(all.len() < 100, "there is a limit");
        }
        assert_eq!(all.len(), 17);
        assert!(all[16].grow_to(FREE_BYTES), "a small one is always taken");
        all.remove(0);
        assert!(all[15].grow_to(message_bytes));
    }
}
