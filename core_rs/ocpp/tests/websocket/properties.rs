//! What holds for every stream of frames, and for every stream of bytes.

use ocpp_core::websocket::{
    Deframer, Event, Fault, Key, Limits, Side, binary_frame_into, close_frame_into, ping_frame_into,
    pong_frame_into, text_frame_into,
};
use proptest::prelude::*;

const LIMITS: Limits = Limits { message_bytes: 70_000, fragments: 20 };

/// A failure becomes a case by hand; nothing is written next to the sources.
fn config() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::default() }
}

/// What a peer does, as it is found again on the other side.
#[derive(Clone, Debug, PartialEq)]
enum Deed {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>, String),
    Fail(Fault),
}

impl From<Event<'_>> for Deed {
    fn from(event: Event<'_>) -> Self {
        match event {
            Event::Text(text) => Self::Text(text.to_owned()),
            Event::Binary(payload) | Event::BrokenText { data: payload, .. } => {
                Self::Binary(payload.to_vec())
            }
            Event::Ping(payload) => Self::Ping(payload.to_vec()),
            Event::Pong(payload) => Self::Pong(payload.to_vec()),
            Event::Close { code, reason } => Self::Close(code, reason.to_owned()),
            Event::Fail(fault) => Self::Fail(fault),
        }
    }
}

fn payload() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => prop::collection::vec(any::<u8>(), 0..40),
        2 => prop::collection::vec(any::<u8>(), 110..140),
        1 => (any::<u8>(), 65_500..65_600_usize).prop_map(|(byte, count)| vec![byte; count]),
    ]
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![8 => ".{0,40}", 2 => "[a-zäß€🔌]{100,140}", 1 => Just("€".repeat(21_845))]
}

fn control_payload() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..=125)
}

/// A message, and where it is cut into fragments; or a control frame.
fn deed() -> impl Strategy<Value = (Deed, Vec<prop::sample::Index>)> {
    let message = prop_oneof![text().prop_map(Deed::Text), payload().prop_map(Deed::Binary)];
    let control = prop_oneof![control_payload().prop_map(Deed::Ping), control_payload().prop_map(Deed::Pong)];
    prop_oneof![
        3 => (message, prop::collection::vec(any::<prop::sample::Index>(), 0..4)),
        1 => (control, Just(Vec::new())),
    ]
}

/// Append a message, with a ping between its fragments. Returns how many there are.
fn message_into(out: &mut Vec<u8>, deed: &Deed, cuts: &[prop::sample::Index], key: Option<Key>) -> usize {
    let (whole, opcode) = match deed {
        Deed::Text(text) => (text.as_bytes(), 0x1),
        Deed::Binary(payload) => (payload.as_slice(), 0x2),
        other => panic!("{other:?} is not a message"),
    };
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(whole.len() + 1)).collect();
    places.sort_unstable();
    let starts = std::iter::once(0).chain(places.iter().copied());
    let ends = places.iter().copied().chain(std::iter::once(whole.len()));
    for (n, (start, end)) in starts.zip(ends).enumerate() {
        if n > 0 {
            ping_frame_into(out, b"between", key);
        }
        let head = out.len();
        binary_frame_into(out, &whole[start..end], key);
        out[head] = if n == 0 { opcode } else { 0x0 } | if n == cuts.len() { 0x80 } else { 0 };
    }
    cuts.len()
}

/// The bytes of all deeds, and the deeds in the order in which they are complete.
fn stream(deeds: &[(Deed, Vec<prop::sample::Index>)], key: Option<Key>) -> (Vec<u8>, Vec<Deed>) {
    let (mut bytes, mut order) = (Vec::new(), Vec::new());
    for (deed, cuts) in deeds {
        match deed {
            Deed::Text(text) if cuts.is_empty() => text_frame_into(&mut bytes, text, key),
            Deed::Text(_) | Deed::Binary(_) => {
                let pings = message_into(&mut bytes, deed, cuts, key);
                order.extend((0..pings).map(|_| Deed::Ping(b"between".to_vec())));
            }
            Deed::Ping(payload) => ping_frame_into(&mut bytes, payload, key),
            Deed::Pong(payload) => pong_frame_into(&mut bytes, payload, key),
            Deed::Close(code, reason) => close_frame_into(&mut bytes, *code, reason, key),
            Deed::Fail(_) => unreachable!("a failure is never sent"),
        }
        order.push(deed.clone());
    }
    (bytes, order)
}

/// Read a stream in pieces of these sizes, again and again.
fn read(side: Side, bytes: &[u8], sizes: &[usize]) -> (Deframer, Vec<Deed>) {
    let mut deframer = Deframer::new(side, LIMITS);
    let (mut scratch, mut found, mut left) = (Vec::new(), Vec::new(), bytes);
    for size in sizes.iter().cycle() {
        let (mut data, later) = left.split_at(left.len().min(*size));
        while let Some(event) = deframer.next(&mut data, &mut scratch) {
            found.push(Deed::from(event));
        }
        assert!(data.is_empty());
        assert!(deframer.held_bytes() <= LIMITS.message_bytes + 512);
        left = later;
        if left.is_empty() {
            break;
        }
    }
    (deframer, found)
}

fn sizes() -> impl Strategy<Value = Vec<usize>> {
    let size = prop_oneof![4 => 1..8_usize, 2 => 8..200_usize, 1 => 200..100_000_usize];
    prop::collection::vec(size, 1..6)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_was_sent_is_what_comes_however_it_is_cut(
        deeds in prop::collection::vec(deed(), 0..8),
        close in (prop_oneof![Just(None), (3000..5000_u16).prop_map(Some)], "[a-zäß€]{0,40}"),
        key in any::<Key>(),
        sizes in sizes(),
    ) {
        let mut deeds = deeds;
        let (code, reason) = close;
        deeds.push((Deed::Close(code, if code.is_some() { reason } else { String::new() }), Vec::new()));
        for (side, key) in [(Side::Server, Some(key)), (Side::Client, None)] {
            let (bytes, wanted) = stream(&deeds, key);
            prop_assert!(read(side, &bytes, &[bytes.len()]).1 == wanted);
            let (deframer, found) = read(side, &bytes, &sizes);
            prop_assert!(found == wanted);
            prop_assert_eq!(deframer.held_bytes(), 0);
        }
    }

    #[test]
    fn what_comes_of_a_damaged_stream_does_not_depend_on_how_it_is_cut(
        deeds in prop::collection::vec(deed(), 1..5),
        damages in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        near_the_front in any::<bool>(),
        key in any::<Key>(),
        sizes in sizes(),
    ) {
        let (mut bytes, _) = stream(&deeds, Some(key));
        let room = if near_the_front { bytes.len().min(16) } else { bytes.len() };
        for (place, byte) in damages {
            bytes[place.index(room)] = byte;
        }
        let (_, whole) = read(Side::Server, &bytes, &[bytes.len()]);
        let (_, pieces) = read(Side::Server, &bytes, &sizes);
        prop_assert!(whole == pieces);
        let (_, single) = read(Side::Server, &bytes, &[1]);
        prop_assert!(whole == single);
    }

    #[test]
    fn any_bytes_come_to_the_same_end_however_they_are_cut(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        sizes in sizes(),
    ) {
        for side in [Side::Server, Side::Client] {
            prop_assert_eq!(read(side, &bytes, &[200]).1, read(side, &bytes, &sizes).1);
        }
    }
}

/// The damage has to leave some streams whole and break others, in more than one way.
#[test]
fn damage_breaks_streams_in_many_ways() {
    let mut bytes = Vec::new();
    text_frame_into(&mut bytes, "Hello, wörld", Some([1, 2, 3, 4]));
    let mut faults = std::collections::HashSet::new();
    let mut good = 0;
    for place in 0..bytes.len() {
        for byte in 0..=255 {
            let mut damaged = bytes.clone();
            damaged[place] = byte;
            match read(Side::Server, &damaged, &[5]).1.as_slice() {
                [Deed::Fail(fault)] => {
                    faults.insert(fault.reason());
                }
                _ => good += 1,
            }
        }
    }
    assert!(faults.len() >= 8, "{faults:?}");
    assert!(good > 1000, "{good}");
}
