//! Every case of `tests/vectors/websocket`, cut into reads of every kind, against a server that echoes.

use crate::cases::{self, Answer, BINARY, CLOSE, Case, PONG, TEXT};
use ocpp_core::websocket::{
    Deframer, Event, Fault, Limits, Side, binary_frame_into, close_frame_into, ping_frame_into,
    text_frame_into,
};

const KEY: Option<[u8; 4]> = Some([1, 2, 3, 250]);

/// What an echoing server writes when it reads `bytes` in pieces of so many.
fn echo(limits: Limits, bytes: &[u8], piece_bytes: impl Iterator<Item = usize>) -> Vec<u8> {
    let mut deframer = Deframer::new(Side::Server, limits);
    let (mut scratch, mut out) = (Vec::new(), Vec::new());
    let mut left = bytes;
    for size in piece_bytes {
        let (mut data, later) = left.split_at(size.min(left.len()));
        left = later;
        while let Some(event) = deframer.next(&mut data, &mut scratch) {
            match event {
                Event::Text(text) => text_frame_into(&mut out, text, None),
                Event::Binary(payload) | Event::BrokenText { data: payload, .. } => {
                    binary_frame_into(&mut out, payload, None);
                }
                other => other.answer_into(&mut out, None),
            }
        }
        assert!(data.is_empty());
        if left.is_empty() {
            break;
        }
    }
    out
}

/// What a client reads of it.
fn answers(bytes: &[u8]) -> Vec<Answer> {
    let limits = Limits { message_bytes: bytes.len(), fragments: 1 };
    let mut deframer = Deframer::new(Side::Client, limits);
    let (mut scratch, mut data, mut found) = (Vec::new(), bytes, Vec::new());
    while let Some(event) = deframer.next(&mut data, &mut scratch) {
        found.push(match event {
            Event::Text(text) => Answer { opcode: TEXT, payload: text.as_bytes().to_vec() },
            Event::Binary(payload) | Event::BrokenText { data: payload, .. } => {
                Answer { opcode: BINARY, payload: payload.to_vec() }
            }
            Event::Pong(payload) => Answer { opcode: PONG, payload: payload.to_vec() },
            Event::Close { code, .. } => {
                Answer { opcode: CLOSE, payload: code.map_or(Vec::new(), |code| code.to_be_bytes().to_vec()) }
            }
            other => panic!("a server does not send {other:?}"),
        });
    }
    found
}

fn check(case: &Case, limits: Limits) {
    let mut wanted = case.answers();
    let mut bytes = case.bytes();
    if wanted.last().is_none_or(|answer| answer.opcode != CLOSE) {
        close_frame_into(&mut bytes, Some(1000), "", KEY);
        wanted.push(Answer { opcode: CLOSE, payload: 1000_u16.to_be_bytes().to_vec() });
    }
    let name = &case.name;
    let sizes: &[usize] = if bytes.len() < 70_000 { &[1, 2, 3, 7, 1024] } else { &[1000, 65_536] };
    for &size in sizes.iter().chain([&bytes.len()]) {
        let found = answers(&echo(limits, &bytes, std::iter::repeat(size)));
        assert!(found == wanted, "{name}, {size} bytes a read: {:?}", brief(&found));
    }
    if bytes.len() < 300 {
        for size in 1..bytes.len() {
            let found = answers(&echo(limits, &bytes, [size, bytes.len()].into_iter()));
            assert_eq!(found, wanted, "{name}, first read of {size} bytes");
        }
    }
}

fn brief(answers: &[Answer]) -> Vec<(u8, usize, &[u8])> {
    answers
        .iter()
        .map(|found| (found.opcode, found.payload.len(), found.payload.get(..20).unwrap_or(&found.payload)))
        .collect()
}

#[test]
fn every_case_is_answered_however_it_is_cut_into_reads() {
    let (limits, cases) = cases::read();
    assert!(cases.len() > 300);
    for case in &cases {
        check(case, limits);
    }
}

const LIMITS: Limits = Limits { message_bytes: 100_000, fragments: 16 };

fn server() -> Deframer {
    Deframer::new(Side::Server, LIMITS)
}

#[test]
fn an_idle_connection_costs_32_bytes_and_no_heap() {
    assert!(size_of::<Deframer>() <= 32);
    let (mut deframer, mut scratch, mut bytes) = (server(), Vec::new(), Vec::new());
    text_frame_into(&mut bytes, &"x".repeat(100_000), KEY);
    let (mut first, mut second) = bytes.split_at(90_000);
    assert_eq!(deframer.next(&mut first, &mut scratch), None);
    assert!((90_000..100_500).contains(&deframer.held_bytes()));
    assert!(matches!(deframer.next(&mut second, &mut scratch), Some(Event::Text(_))));
    assert_eq!(deframer.held_bytes(), 0);
}

#[test]
fn what_is_only_announced_costs_nothing() {
    let (mut deframer, mut scratch, mut bytes) = (server(), Vec::new(), Vec::new());
    text_frame_into(&mut bytes, &"x".repeat(100_000), KEY);
    assert_eq!(deframer.next(&mut &bytes[..100], &mut scratch), None);
    assert!(deframer.held_bytes() < 500);
}

#[test]
fn a_control_frame_in_pieces_leaves_no_heap() {
    let (mut deframer, mut scratch, mut bytes) = (server(), Vec::new(), Vec::new());
    ping_frame_into(&mut bytes, b"ping", KEY);
    let (mut first, mut second) = bytes.split_at(8);
    assert_eq!(deframer.next(&mut first, &mut scratch), None);
    assert_eq!(deframer.next(&mut second, &mut scratch), Some(Event::Ping(b"ping")));
    assert_eq!(deframer.held_bytes(), 0);
}

#[test]
fn a_failure_gives_the_heap_back() {
    let (mut deframer, mut scratch, mut bytes) = (server(), Vec::new(), Vec::new());
    text_frame_into(&mut bytes, "one", KEY);
    bytes[0] = 0x01;
    assert_eq!(deframer.next(&mut bytes.as_slice(), &mut scratch), None);
    assert!(deframer.held_bytes() > 0);
    let mut second = bytes.as_slice();
    assert_eq!(deframer.next(&mut second, &mut scratch), Some(Event::Fail(Fault::MessageInMessage)));
    assert!(second.is_empty());
    assert_eq!((deframer.held_bytes(), deframer.has_ended()), (0, true));
}

#[test]
fn a_caller_may_stop_and_go_on_later() {
    let (mut deframer, mut scratch, mut bytes) = (server(), Vec::new(), Vec::new());
    text_frame_into(&mut bytes, "one", KEY);
    let one = bytes.len();
    text_frame_into(&mut bytes, "two", KEY);
    let mut data = bytes.as_slice();
    assert_eq!(deframer.next(&mut data, &mut scratch), Some(Event::Text("one")));
    assert_eq!(data, &bytes[one..]);
    let mut kept = data.to_vec();
    text_frame_into(&mut kept, "three", KEY);
    let mut data = kept.as_slice();
    assert_eq!(deframer.next(&mut data, &mut scratch), Some(Event::Text("two")));
    assert_eq!(deframer.next(&mut data, &mut scratch), Some(Event::Text("three")));
    assert_eq!(deframer.next(&mut data, &mut scratch), None);
}

#[test]
fn a_client_refuses_a_masked_frame() {
    let (mut deframer, mut scratch) = (Deframer::new(Side::Client, LIMITS), Vec::new());
    let mut bytes = Vec::new();
    text_frame_into(&mut bytes, "Hello", KEY);
    assert_eq!(deframer.next(&mut bytes.as_slice(), &mut scratch), Some(Event::Fail(Fault::Masked)));
}

#[test]
fn what_is_written_into_a_control_frame_is_cut_to_fit() {
    let mut out = Vec::new();
    close_frame_into(&mut out, Some(1002), &"ä".repeat(100), None);
    ping_frame_into(&mut out, &[7; 200], None);
    assert_eq!(out[..2], [0x88, 2 + 122]);
    assert_eq!(out[2 + 124..][..2], [0x89, 125]);
    assert_eq!(out.len(), 2 + 124 + 2 + 125);
}
