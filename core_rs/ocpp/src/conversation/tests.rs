//! What one connection makes of what arrives.

use std::sync::LazyLock;

use super::counters::Counters;
use super::frame_log::{FrameLog, Limits};
use super::meter_queue::MeterQueue;
use super::*;
use crate::protocol::Protocol;
use crate::protocol::deviation::DeviationCode;
use crate::protocol::violation::Deviation;
use crate::websocket::{binary_frame_into, ping_frame_into, text_frame_into};

mod heartbeats;

const KEY: Option<[u8; 4]> = Some([1, 2, 3, 4]);
const METERED: &str = r#"[2,"m1","MeterValues",{"connectorId":1,"transactionId":7,"meterValue":[{"timestamp":"2026-01-01T00:00:00Z","sampledValue":[{"value":"1"}]}]}]"#;
const HEARTBEAT: &str = r#"[2,"h1","Heartbeat",{}]"#;

/// A text that the core fails at.
pub const DEFECT: &str = "defect";

static OCPP16: LazyLock<&Protocol> = LazyLock::new(Protocol::v16);

struct Bench {
    conversation: Conversation,
    frames: FrameLog,
    meters: MeterQueue<()>,
    counters: Counters,
    now: f64,
}

impl Bench {
    fn new(mode: Mode) -> Self {
        let options = Options {
            protocol: *OCPP16,
            tenant_id: 1,
            charge_point_id: 2,
            connection_id: "c".to_owned(),
            mode,
            frame_bytes: 4096,
            unregistered_bytes: 64,
            inflates: false,
            queue_limit: 4,
            rate_per_s: 10.0,
            burst: 20,
            now: 0.0,
        };
        let mut conversation = Conversation::new(options);
        conversation.register();
        Self {
            conversation,
            frames: FrameLog::new(Limits { frames: 100, bytes: 100_000, tenant_bytes_per_day: u64::MAX }),
            meters: MeterQueue::new(8, 8),
            counters: Counters::new(vec![1.0]),
            now: 0.0,
        }
    }

    /// Let the conversation do something; what it finds, in short.
    fn step<R>(
        &mut self,
        work: impl FnOnce(&mut Conversation, &mut Around<'_, ()>) -> R,
    ) -> (R, Vec<String>) {
        let mut seen = Vec::new();
        let result = self.step_with(|found| seen.push(short(&found)), work);
        (result, seen)
    }

    fn step_with<R>(
        &mut self,
        mut found: impl FnMut(Found<'_>),
        work: impl FnOnce(&mut Conversation, &mut Around<'_, ()>) -> R,
    ) -> R {
        let mut around = Around {
            now: self.now,
            at_us: 1_772_352_000_000_000,
            frames: &mut self.frames,
            meters: &mut self.meters,
            counters: &mut self.counters,
            owner: &|| (),
            found: &mut found,
        };
        work(&mut self.conversation, &mut around)
    }

    fn text(&mut self, text: &str) -> Vec<String> {
        self.step(|conversation, around| conversation.text(text, None, around)).1
    }

    fn feed(&mut self, data: &[u8]) -> Vec<String> {
        self.step(|conversation, around| conversation.feed(data, &mut Vec::new(), around)).1
    }

    fn logged(&mut self) -> usize {
        self.frames.frames()
    }
}

fn short(found: &Found<'_>) -> String {
    match found {
        Found::Effect(Effect::Dispatch { action, .. }) => format!("dispatch {action}"),
        Found::Effect(Effect::Send(text)) => format!("send {text}"),
        Found::Effect(Effect::Ignored { reason, .. }) => format!("ignored {reason}"),
        Found::Effect(Effect::Refused { violations, .. }) => {
            format!("refused {}", violations[0].code.as_str())
        }
        Found::Effect(other) => format!("{other:?}"),
        Found::Control(event) => format!("{event:?}"),
        other => format!("{other:?}"),
    }
}

#[test]
fn meter_values_go_to_the_queue_and_are_answered_when_they_are_stored() {
    let mut bench = Bench::new(Mode::Tolerant);
    assert_eq!(bench.text(METERED), ["Recorded"]);
    let mut batch = bench.meters.take().expect("a batch waits");
    assert_eq!((batch.len(), bench.conversation.is_recording()), (1, true));
    bench.now = 0.5;
    let waiting = batch.take_one(0).expect("a connection waits");
    let (answer, _) =
        bench.step(|conversation, around| conversation.acknowledge(&waiting.unique_id, 0.0, None, around));
    assert_eq!((answer.as_deref(), bench.conversation.is_recording()), (Some(r#"[3,"m1",{}]"#), false));
    assert_eq!(bench.logged(), 2);
    let counts = bench.counters.take();
    assert_eq!((counts.frames_in, counts.frames_out), (1, 1));
    assert_eq!(counts.answered["MeterValues"].buckets, [1, 0]);
    assert_eq!(bench.text(METERED), [r#"send [3,"m1",{}]"#, "ignored repeated"]);
}

#[test]
fn a_record_that_is_not_stored_is_refused_and_may_come_again() {
    let mut bench = Bench::new(Mode::Tolerant);
    bench.text(METERED);
    let waiting = bench.meters.take().and_then(|mut batch| batch.take_one(0)).expect("a connection waits");
    let refusal = Some((ErrorCode::InternalError, "later"));
    let (answer, _) =
        bench.step(|conversation, around| conversation.acknowledge(&waiting.unique_id, 0.0, refusal, around));
    assert_eq!(answer.as_deref(), Some(r#"[4,"m1","InternalError","later",{}]"#));
    assert_eq!(bench.text(METERED), ["Recorded"]);
}

#[test]
fn a_closed_connection_is_not_answered() {
    let mut bench = Bench::new(Mode::Tolerant);
    bench.text(METERED);
    let waiting = bench.meters.take().and_then(|mut batch| batch.take_one(0)).expect("a connection waits");
    bench.conversation.close();
    let (answer, _) =
        bench.step(|conversation, around| conversation.acknowledge(&waiting.unique_id, 0.0, None, around));
    assert_eq!((answer, bench.conversation.is_recording()), (None, false));
    assert_eq!(bench.text(HEARTBEAT), Vec::<String>::new());
}

#[test]
fn what_is_not_plain_is_dispatched() {
    for text in [
        METERED.replace("\"transactionId\":7,", ""),
        METERED.replace(":7,", ":0,"),
        METERED.replace("Z\"", "Zz\""),
        METERED.replace("\"MeterValues\"", "\"meterValues\""),
    ] {
        assert_eq!(Bench::new(Mode::Tolerant).text(&text), ["dispatch MeterValues"], "{text}");
    }
}

#[test]
fn a_record_behind_a_call_that_waits_is_dispatched_behind_it() {
    let mut bench = Bench::new(Mode::Tolerant);
    assert_eq!(bench.text(HEARTBEAT), ["dispatch Heartbeat"]);
    assert_eq!(bench.text(METERED), ["dispatch MeterValues"]);
    for unique_id in ["h1", "m1"] {
        let payload = if unique_id == "h1" { r#"{"currentTime":"2026-01-01T00:00:00Z"}"# } else { "{}" };
        let (answer, _) = bench.step(|conversation, around| conversation.reply(unique_id, payload, around));
        assert!(answer.is_ok());
    }
    assert_eq!(bench.text(&METERED.replace("m1", "m2")), ["Recorded"]);
}

#[test]
fn a_connection_has_one_record_in_the_queue_at_most() {
    let mut bench = Bench::new(Mode::Tolerant);
    assert_eq!(bench.text(METERED), ["Recorded"]);
    assert_eq!(bench.text(&METERED.replace("m1", "m2")), ["dispatch MeterValues"]);
    assert_eq!(bench.meters.len(), 1);
}

#[test]
fn a_full_or_closed_queue_leaves_records_to_the_caller() {
    let mut bench = Bench::new(Mode::Tolerant);
    bench.meters.close();
    assert_eq!(bench.text(METERED), ["dispatch MeterValues"]);
}

#[test]
fn a_charge_point_that_is_not_registered_sends_small_frames_unless_they_are_about_transactions() {
    let mut bench = Bench::new(Mode::Tolerant);
    bench.conversation.registration = Registration::Never;
    assert_eq!(bench.text(HEARTBEAT), ["dispatch Heartbeat"]);
    assert_eq!(bench.text(METERED), ["dispatch MeterValues"]);
    for (number, action) in
        ["StopTransaction.req", "stoptransaction", "StopTransactionRequest"].iter().enumerate()
    {
        let text = format!(
            r#"[2,"s{number}","{action}",{{"transactionId":7,"meterStop":1,"timestamp":"2026-01-01T00:00:00Z"}}]"#
        );
        assert_eq!(bench.text(&text), ["dispatch StopTransaction"], "{action}");
    }
    let data = "d".repeat(64);
    assert_eq!(bench.text(&format!(r#"[2,"d","DataTransfer",{{"vendorId":"{data}"}}]"#)), ["TooBig"]);
    assert_eq!(bench.text(HEARTBEAT), Vec::<String>::new(), "it is closed");
}

#[test]
fn a_billing_message_is_dispatched_however_damaged_it_is() {
    let mut bench = Bench::new(Mode::Strict);
    for payload in [
        r#"{"connectorId":1}"#,
        "[]",
        "null",
        "7",
        r#"{"meterStart":NaN,"idTag":"A"#,
        r#"{"idTag":"a","idTag":"b"}"#,
    ] {
        let text = format!(r#"[2,"s1","StartTransaction",{payload}]"#);
        assert_eq!(bench.text(&text), ["dispatch StartTransaction"], "{text}");
    }
    let found = bench.text(r#"[2,"a1","Authorize",{}]"#);
    assert_eq!(found[0], "refused ProtocolError");
    assert!(found[1].starts_with("send [4,"), "{found:?}");
}

#[test]
fn a_read_holds_messages_and_control_frames_in_order() {
    let mut bench = Bench::new(Mode::Tolerant);
    let mut data = Vec::new();
    text_frame_into(&mut data, HEARTBEAT, KEY);
    ping_frame_into(&mut data, b"p", KEY);
    binary_frame_into(&mut data, b" \xef", KEY);
    ping_frame_into(&mut data, b"q", KEY);
    let found = bench.feed(&data);
    assert_eq!(found, ["dispatch Heartbeat", "Ping([112])", "NotText", "Ping([113])"]);
}

#[test]
fn text_in_a_binary_frame_is_tolerated_but_not_strictly() {
    let binary =
        |mode, data: &[u8]| Bench::new(mode).step(|conversation, around| conversation.binary(data, around)).1;
    let marked = format!("\u{feff}{HEARTBEAT}");
    assert_eq!(binary(Mode::Tolerant, HEARTBEAT.as_bytes()), ["dispatch Heartbeat"]);
    assert_eq!(binary(Mode::Tolerant, marked.as_bytes()), ["dispatch Heartbeat"]);
    assert_eq!(binary(Mode::Tolerant, b"[]"), ["Tolerated(BinaryFrame)", "ignored unreadable"]);
    for data in [&b"\x00\x01"[..], b"\xff\xfe[\x002\x00", b"{}", b""] {
        assert_eq!(binary(Mode::Tolerant, data), ["NotText"]);
    }
    let latin1 = b"[2,\"a\",\"Authorize\",{\"idTag\":\"M\xfcller\"}]";
    assert_eq!(binary(Mode::Tolerant, latin1), ["dispatch Authorize"]);
    assert_eq!(binary(Mode::Strict, HEARTBEAT.as_bytes()), ["NotText"]);
}

fn deviations_of(bench: &mut Bench, text: &[u8]) -> Vec<(String, String)> {
    let mut data = Vec::new();
    frame_into(&mut data, text);
    let mut found = Vec::new();
    let note = |one: Found<'_>| {
        if let Found::Effect(Effect::Dispatch { deviations, .. }) = one {
            found.extend(deviations.into_iter().map(|deviation| (deviation.kind.to_string(), deviation.raw)));
        }
    };
    bench.step_with(note, |conversation, around| conversation.feed(&data, &mut Vec::new(), around));
    found
}

/// A masked text frame of any bytes, with the long form of the length.
fn frame_into(out: &mut Vec<u8>, text: &[u8]) {
    binary_frame_into(out, text, KEY);
    out[0] = 0x81;
}

#[test]
fn text_that_is_not_utf8_is_read_with_its_bytes_kept() {
    let mut bench = Bench::new(Mode::Tolerant);
    let text = b"[2,\"a\",\"Authorize\",{\"idTag\":\"M\xfcller\xe4\"}]";
    assert_eq!(deviations_of(&mut bench, text), [("not_utf8".to_owned(), "fc e4".to_owned())]);
    let mut data = Vec::new();
    frame_into(&mut data, text);
    let found = Bench::new(Mode::Strict).feed(&data);
    assert_eq!(found, ["Fail(NotUtf8)"]);
}

#[test]
fn a_message_over_the_limit_is_read_as_far_as_it_fits() {
    let long = format!("{METERED} {}", " ".repeat(8_000));
    let mut bench = Bench::new(Mode::Tolerant);
    let whole = deviations_of(&mut bench, long.as_bytes());
    assert_eq!(whole, [("over_limit".to_owned(), "4096".to_owned())]);
    let element = r#"{"timestamp":"2026-01-01T00:00:00Z","sampledValue":[{"value":"1"}]},"#;
    let begun = METERED.split_once("[{").map_or("", |(begun, _)| begun);
    let cut = format!("{begun}[{}", element.repeat(200));
    let kinds: Vec<_> = deviations_of(&mut bench, cut.as_bytes()).into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds[..2], ["over_limit", "damaged"]);
    let mut data = Vec::new();
    frame_into(
        &mut data,
        format!(r#"[2,"d","DataTransfer",{{"vendorId":"{}"}}]"#, "v".repeat(5_000)).as_bytes(),
    );
    let found = bench.feed(&data);
    assert_eq!(found[0], "Tolerated(OverLimit)");
    assert_eq!(found[1], "refused FormationViolation");
    data.clear();
    frame_into(&mut data, "x".repeat(5_000).as_bytes());
    assert_eq!(bench.feed(&data), ["ignored unreadable", "TooBig"]);
}

#[test]
fn a_peer_that_sends_too_much_is_read_more_slowly_and_loses_nothing() {
    let mut bench = Bench::new(Mode::Tolerant);
    for number in 0..20 {
        assert_eq!(bench.text(&HEARTBEAT.replace("h1", &number.to_string())), ["dispatch Heartbeat"]);
    }
    assert_eq!(bench.text(HEARTBEAT), ["Slow(0.1)", "dispatch Heartbeat"]);
    bench.now = 10.0;
    for number in 21..41 {
        assert_eq!(bench.text(&HEARTBEAT.replace("h1", &number.to_string())), ["dispatch Heartbeat"]);
    }
    assert_eq!(bench.text(&HEARTBEAT.replace("h1", "41")), ["Slow(10.1)", "dispatch Heartbeat"]);
}

#[test]
fn deviations_are_written_as_json_that_jsonb_takes() {
    let found =
        |raw: &str| Deviation { kind: DeviationCode::TooLong, pointer: "/a".to_owned(), raw: raw.to_owned() };
    let dispatch = |deviations| Effect::Dispatch {
        unique_id: "1".into(),
        action: "Heartbeat",
        payload: crate::protocol::value::Value::Null,
        deviations,
        text: None,
    };
    assert_eq!(deviations_json(None, &[dispatch(Vec::new())]), None);
    let binary = Deviation { kind: DeviationCode::BinaryFrame, pointer: String::new(), raw: String::new() };
    let json = deviations_json(Some(&binary), &[dispatch(vec![found("\"\0")])]);
    let expected = concat!(
        r#"[{"kind":"binary_frame","pointer":"","raw":""},"#,
        "{\"kind\":\"too_long\",\"pointer\":\"/a\",\"raw\":\"\\\"\u{fffd}\"}]"
    );
    assert_eq!(json.as_deref(), Some(expected));
}

#[test]
fn a_defect_costs_its_own_message_only() {
    let mut bench = Bench::new(Mode::Tolerant);
    assert_eq!(bench.text(DEFECT), ["Failed(\"defect\")"]);
    assert_eq!(bench.logged(), 1);
    assert_eq!(bench.text(HEARTBEAT), ["dispatch Heartbeat"]);
}
