//! What a conversation finds, and tolerated deviations as JSON.

use std::fmt::Write as _;

use crate::link::Effect;
use crate::protocol::deviation::DeviationCode;
use crate::protocol::value::write_string;
use crate::protocol::violation::{Deviation, RAW_LIMIT};
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
    Tolerated(DeviationCode),
    /// Too many frames: do not read before this time, in monotonic seconds.
    Slow(f64),
    /// The frame is too big. The conversation ignores everything after it.
    TooBig,
    /// A binary message that is not text. The conversation ignores everything after it.
    NotText,
    /// The core had an internal failure at this text.
    Failed(&'a str),
}

/// Add a deviation of a text to the first message in it, or return it if there is none that has a place for it.
pub(super) fn add_to_first(effects: &mut [Effect<'_>], deviation: Deviation) -> Option<Deviation> {
    let place = effects.iter_mut().find_map(|effect| match effect {
        Effect::Dispatch { deviations, .. } => Some(deviations),
        Effect::Resolve(resolution) => Some(&mut resolution.deviations),
        _ => None,
    });
    let Some(place) = place else { return Some(deviation) };
    place.insert(0, deviation);
    None
}

/// The sequences of a text that are not UTF-8, in hexadecimal, each separated by a blank. Only the first ones.
pub(super) fn broken_bytes(data: &[u8]) -> String {
    let mut hex = String::new();
    for chunk in data.utf8_chunks().filter(|chunk| !chunk.invalid().is_empty()).take(RAW_LIMIT / 8) {
        if !hex.is_empty() {
            hex.push(' ');
        }
        for byte in chunk.invalid() {
            let _ = write!(hex, "{byte:02x}");
        }
    }
    hex
}

/// Write what was tolerated in one frame as JSON that `jsonb` can hold; `None`: nothing.
pub(super) fn deviations_json(of_text: Option<&Deviation>, effects: &[Effect<'_>]) -> Option<String> {
    let of_frame = effects.iter().flat_map(|effect| match effect {
        Effect::Dispatch { deviations, .. } => deviations.as_slice(),
        Effect::Resolve(resolution) => &resolution.deviations,
        _ => &[],
    });
    let mut json = String::new();
    for Deviation { kind, pointer, raw } in of_text.into_iter().chain(of_frame) {
        json.push(if json.is_empty() { '[' } else { ',' });
        for (name, text) in [("{\"kind\":", kind.as_str()), (",\"pointer\":", pointer), (",\"raw\":", raw)] {
            json.push_str(name);
            write_string(&text.replace('\0', "\u{fffd}"), &mut json);
        }
        json.push('}');
    }
    (!json.is_empty()).then(|| json + "]")
}
