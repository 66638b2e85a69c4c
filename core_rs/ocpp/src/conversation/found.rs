//! What a conversation finds, and tolerated deviations as JSON.

use crate::link::Effect;
use crate::protocol::value::write_string;
use crate::protocol::violation::{Deviation, Violation};
use crate::websocket::Event;

/// Something that the caller has to do or to know.
#[derive(Debug, PartialEq)]
pub enum Found<'a> {
    /// An effect of the link, other than a refusal. A `Send` is logged already.
    Effect(Effect<'a>),
    /// A CALL was refused.
    Refused {
        /// The unique id, as it was received.
        unique_id: String,
        /// The action, if it could be read.
        action: Option<String>,
        /// The broken rules; the first one decides the code. Never empty.
        violations: Vec<Violation>,
        /// A billing message that must be stored before its CALLERROR is sent.
        to_keep: Option<Kept<'a>>,
    },
    /// A WebSocket event that is not a message.
    Control(Event<'a>),
    /// Enough records wait in the queue: wake the writer.
    Recorded,
    /// A deviation outside of the frame itself was tolerated.
    Tolerated(&'static str),
    /// Too many frames: do not read before this time, in monotonic seconds.
    Slow(f64),
    /// The frame is too big. The conversation ignores everything after it.
    TooBig,
    /// A binary message that is not text. The conversation ignores everything after it.
    NotText,
    /// The core had an internal failure at this text.
    Failed(&'a str),
}

/// A billing message that was refused.
#[derive(Debug, PartialEq, Eq)]
pub struct Kept<'a> {
    /// The message as it was received.
    pub raw: &'a str,
    /// The CALLERROR for it. Give it to `send` later.
    pub answer: String,
}

/// Write what was tolerated in one frame as JSON that `jsonb` can hold; `None`: nothing.
pub(super) fn deviations_json(deviation: Option<&'static str>, effects: &[Effect<'_>]) -> Option<String> {
    let of_text = deviation.map(|kind| Deviation { kind, pointer: String::new(), raw: String::new() });
    let of_frame = effects.iter().flat_map(|effect| match effect {
        Effect::Dispatch { deviations, .. } => deviations.as_slice(),
        Effect::Resolve(resolution) => &resolution.deviations,
        _ => &[],
    });
    let mut json = String::new();
    for Deviation { kind, pointer, raw } in of_text.iter().chain(of_frame) {
        json.push(if json.is_empty() { '[' } else { ',' });
        for (name, text) in [("{\"kind\":", *kind), (",\"pointer\":", pointer), (",\"raw\":", raw)] {
            json.push_str(name);
            write_string(&text.replace('\0', "\u{fffd}"), &mut json);
        }
        json.push('}');
    }
    (!json.is_empty()).then(|| json + "]")
}
