//! What a conversation finds, and tolerated deviations as JSON.

use crate::link::Effect;
use crate::protocol::value::write_string;
use crate::protocol::violation::Deviation;
use crate::websocket::Event;

/// Something that the caller has to do or to know.
#[derive(Debug, PartialEq)]
pub enum Found<'a> {
    /// An effect of the link. A `Send` is logged already.
    Effect(Effect<'a>),
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
