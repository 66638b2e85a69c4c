//! What went wrong. Any of it makes a run invalid: an answer that does not come is not fast.

use serde::Serialize;

const EXAMPLES: usize = 5;
const EXAMPLE_BYTES: usize = 300;

/// The kinds of failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The connection or its handshake was refused.
    Refused,
    /// A CALL was answered with a CALLERROR.
    CallError,
    /// A message that is not an answer to the CALL.
    Wrong,
    /// The server closed the connection.
    Closed,
    /// No answer in time.
    Unanswered,
}

/// How many of each kind, with the first few as text.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Failures {
    /// Connections or handshakes.
    pub refused: u64,
    /// CALLERRORs.
    pub call_errors: u64,
    /// Messages that are not answers.
    pub wrong: u64,
    /// Connections that the server closed.
    pub closed: u64,
    /// CALLs without an answer in time.
    pub unanswered: u64,
    /// The first few.
    pub examples: Vec<String>,
}

impl Failures {
    /// Count one. text: what happened; its beginning is kept.
    pub fn add(&mut self, failure: Failure, text: &str) {
        match failure {
            Failure::Refused => self.refused += 1,
            Failure::CallError => self.call_errors += 1,
            Failure::Wrong => self.wrong += 1,
            Failure::Closed => self.closed += 1,
            Failure::Unanswered => self.unanswered += 1,
        }
        if self.examples.len() < EXAMPLES {
            let end = text.floor_char_boundary(EXAMPLE_BYTES);
            self.examples.push(format!("{failure:?}: {}", &text[..end]));
        }
    }

    /// Whether there was none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.refused + self.call_errors + self.wrong + self.closed + self.unanswered == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_counted_and_the_first_few_kept() {
        let mut failures = Failures::default();
        assert!(failures.is_empty());
        for _ in 0..9 {
            failures.add(Failure::Wrong, &"é".repeat(EXAMPLE_BYTES));
        }
        failures.add(Failure::CallError, "last");
        assert!(!failures.is_empty());
        assert_eq!((failures.wrong, failures.call_errors, failures.examples.len()), (9, 1, EXAMPLES));
    }
}
