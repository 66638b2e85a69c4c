//! Messages that come compressed: what is read is what was written, in whatever pieces, and within the limits.

use miniz_oxide::deflate::core::{
    CompressorOxide, TDEFLFlush, compress_to_output, create_comp_flags_from_zip_params,
};
use ocpp_core::websocket::{Deframer, Event, Fault, Limits, Side};
use proptest::prelude::*;

const LIMITS: Limits = Limits { message_bytes: 20_000, fragments: 20 };
const KEY: [u8; 4] = [1, 2, 3, 250];
const FINAL: u8 = 0x80;
const COMPRESSED: u8 = 0x40;
const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const PING: u8 = 0x9;

/// What a client sends for a message (RFC 7692 7.2.1).
fn deflated(message: &[u8]) -> Vec<u8> {
    let mut compressor = CompressorOxide::new(create_comp_flags_from_zip_params(6, -15, 0));
    let mut out = Vec::new();
    compress_to_output(&mut compressor, message, TDEFLFlush::Sync, |piece| {
        out.extend_from_slice(piece);
        true
    });
    assert_eq!(out.split_off(out.len() - 4), [0, 0, 0xFF, 0xFF]);
    out
}

/// A masked frame, whatever its first byte says.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        length @ 0..126 => bytes.push(0x80 | u8::try_from(length).expect("short")),
        length => {
            bytes.push(0x80 | 0x7E);
            bytes.extend(u16::try_from(length).expect("of two bytes").to_be_bytes());
        }
    }
    bytes.extend(KEY);
    bytes.extend(payload.iter().zip(KEY.iter().cycle()).map(|(byte, key)| byte ^ key));
    bytes
}

#[derive(Debug, PartialEq)]
enum Found {
    Text(String),
    Binary(Vec<u8>),
    Ping,
    Fail(Fault),
}

fn read_by(mut deframer: Deframer, bytes: &[u8], piece_bytes: usize) -> Vec<Found> {
    let (mut scratch, mut found) = (Vec::new(), Vec::new());
    for mut data in bytes.chunks(piece_bytes) {
        while let Some(event) = deframer.next(&mut data, &mut scratch) {
            found.push(match event {
                Event::Text(text) => Found::Text(text.to_owned()),
                Event::Binary(payload) | Event::BrokenText { data: payload, .. } => {
                    Found::Binary(payload.to_vec())
                }
                Event::Ping(_) => Found::Ping,
                Event::Fail(fault) => Found::Fail(fault),
                other => panic!("the peer did not send {other:?}"),
            });
        }
    }
    found
}

/// In pieces of several sizes, all with the same result.
fn read(bytes: &[u8]) -> Vec<Found> {
    let read_in = |size| read_by(Deframer::new(Side::Server, LIMITS).inflating(), bytes, size);
    let found = read_in(bytes.len());
    for size in [1, 2, 7, 100] {
        assert_eq!(read_in(size), found, "{size} bytes a read");
    }
    found
}

#[test]
fn compressed_and_plain_messages_follow_each_other() {
    let text = r#"[2,"1","Heartbeat",{}]"#;
    let bytes = [
        frame(FINAL | COMPRESSED | TEXT, &deflated(text.as_bytes())),
        frame(FINAL | TEXT, text.as_bytes()),
        frame(FINAL | COMPRESSED | BINARY, &deflated(&[0xFF; 3000])),
        frame(FINAL | COMPRESSED | TEXT, &deflated(b"")),
    ];
    let expected = [
        Found::Text(text.to_owned()),
        Found::Text(text.to_owned()),
        Found::Binary(vec![0xFF; 3000]),
        Found::Text(String::new()),
    ];
    assert_eq!(read(&bytes.concat()), expected);
}

#[test]
fn fragments_are_inflated_together_and_control_frames_stand_between_them() {
    let text = "€".repeat(500);
    let payload = deflated(text.as_bytes());
    let (first, second) = payload.split_at(payload.len() / 2);
    let bytes = [
        frame(COMPRESSED | TEXT, first),
        frame(FINAL | PING, b"x"),
        frame(CONTINUATION, b""),
        frame(FINAL | CONTINUATION, second),
    ];
    assert_eq!(read(&bytes.concat()), [Found::Ping, Found::Text(text)]);
}

#[test]
fn the_bit_stands_at_the_beginning_of_a_message_and_nowhere_else() {
    let payload = deflated(b"x");
    let begun = frame(COMPRESSED | TEXT, &payload);
    for bytes in [
        frame(FINAL | COMPRESSED | PING, b""),
        [begun, frame(FINAL | COMPRESSED | CONTINUATION, b"")].concat(),
        frame(FINAL | 0x20 | TEXT, b"x"),
        frame(FINAL | COMPRESSED | 0x10 | TEXT, &payload),
    ] {
        assert_eq!(read(&bytes), [Found::Fail(Fault::ReservedBit)]);
    }
    let not_agreed = Deframer::new(Side::Server, LIMITS);
    let bytes = frame(FINAL | COMPRESSED | TEXT, &payload);
    assert_eq!(read_by(not_agreed, &bytes, bytes.len()), [Found::Fail(Fault::ReservedBit)]);
}

#[test]
fn what_cannot_be_inflated_or_is_no_text_ends_the_connection() {
    let garbage = frame(FINAL | COMPRESSED | TEXT, &[0xFF; 20]);
    assert_eq!(read(&garbage), [Found::Fail(Fault::NotDeflated)]);
    let cut = deflated("a text that is longer than a few bytes".as_bytes());
    let cut = frame(FINAL | COMPRESSED | TEXT, &cut[..cut.len() / 2]);
    assert!(matches!(read(&cut).as_slice(), [Found::Fail(Fault::NotDeflated) | Found::Text(_)]));
    let no_text = frame(FINAL | COMPRESSED | TEXT, &deflated(b"\xC3\x28"));
    assert_eq!(read(&no_text), [Found::Fail(Fault::NotUtf8)]);
}

#[test]
fn a_bomb_is_as_large_as_the_limit_and_no_larger() {
    let most = vec![b'x'; LIMITS.message_bytes];
    let text = String::from_utf8(most.clone()).expect("ASCII");
    assert_eq!(read(&frame(FINAL | COMPRESSED | TEXT, &deflated(&most))), [Found::Text(text)]);
    for size in [LIMITS.message_bytes + 1, 10_000_000] {
        let bomb = deflated(&vec![b'x'; size]);
        assert!(bomb.len() < LIMITS.message_bytes);
        assert_eq!(read(&frame(FINAL | COMPRESSED | TEXT, &bomb)), [Found::Fail(Fault::TooBig)]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_message_is_read_as_it_was_written(message in prop::collection::vec(any::<u8>(), 0..2000)) {
        let bytes = frame(FINAL | COMPRESSED | BINARY, &deflated(&message));
        prop_assert_eq!(read(&bytes), [Found::Binary(message)]);
    }

    #[test]
    fn any_bytes_are_inflated_or_refused(payload in prop::collection::vec(any::<u8>(), 1..200)) {
        let found = read(&frame(FINAL | COMPRESSED | BINARY, &payload));
        prop_assert!(matches!(
            found.as_slice(),
            [Found::Binary(_) | Found::Fail(Fault::NotDeflated | Fault::TooBig)]
        ));
    }
}
