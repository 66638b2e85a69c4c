//! The faults of a message: broken rules, and deviations that were repaired or kept.

use crate::protocol::deviation::DeviationCode;
use crate::protocol::error_table::ErrorCode;

/// One broken rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The error code that the rule calls for.
    pub code: ErrorCode,
    /// JSON pointer (RFC 6901) into the payload; empty for the payload or frame as a whole.
    pub pointer: String,
    /// Stable name of the rule, e.g. `missing` or `too_long`.
    pub reason: &'static str,
    /// One line for people. Never holds text of the message itself.
    pub detail: String,
}

/// One deviation from the standard that was repaired, or kept as it was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deviation {
    /// What differs.
    pub kind: DeviationCode,
    /// JSON pointer into the payload; empty for the frame as a whole.
    pub pointer: String,
    /// The value that was found there, as JSON text, cut to `RAW_LIMIT` bytes.
    pub raw: String,
}

/// How many bytes of a deviation's text are kept.
pub const RAW_LIMIT: usize = 120;

/// The path from the payload to a value. It becomes a JSON pointer only if something is wrong.
#[derive(Clone, Copy)]
pub struct Path<'p> {
    parent: Option<&'p Path<'p>>,
    step: Step<'p>,
}

#[derive(Clone, Copy)]
enum Step<'p> {
    Name(&'p str),
    Index(usize),
}

impl<'p> Path<'p> {
    /// The payload itself.
    pub const ROOT: Path<'static> = Path { parent: None, step: Step::Index(0) };

    /// The path to a member.
    #[must_use]
    pub fn name(&'p self, name: &'p str) -> Path<'p> {
        Path { parent: Some(self), step: Step::Name(name) }
    }

    /// The path to an item.
    #[must_use]
    pub fn index(&'p self, index: usize) -> Path<'p> {
        Path { parent: Some(self), step: Step::Index(index) }
    }

    /// Whether this is a member with an identity: another number is another thing.
    #[must_use]
    pub fn is_identity(&self) -> bool {
        matches!(self.step, Step::Name(name) if name.ends_with("Id"))
    }

    /// The path as a JSON pointer (RFC 6901).
    #[must_use]
    pub fn pointer(&self) -> String {
        let Some(parent) = self.parent else { return String::new() };
        let mut text = parent.pointer();
        text.push('/');
        match self.step {
            Step::Name(name) => text.push_str(&name.replace('~', "~0").replace('/', "~1")),
            Step::Index(index) => text.push_str(&index.to_string()),
        }
        text
    }
}
