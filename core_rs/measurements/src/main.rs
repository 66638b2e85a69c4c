//! Counts the core's instructions per frame: does one thing with one frame so many times, under callgrind.
//!
//! Arguments: a frame of the corpus, a count, and what is done (see `main`). Two runs that differ only in the count
//! give the instructions of one frame. `check` runs them all and fails if a frame takes more than its bound: counts
//! are the same on every machine of one kind, so a build may fail on them. Without arguments each frame is judged
//! once.

mod check;
mod growth;

use std::cell::LazyCell;
use std::hint::black_box;
use std::process::ExitCode;

use ocpp_core::conversation::counters::Counters;
use ocpp_core::conversation::frame_log::{self, FrameLog};
use ocpp_core::conversation::meter_queue::MeterQueue;
use ocpp_core::conversation::{self, Around, Conversation, Found};
use ocpp_core::link::judge;
use ocpp_core::link::{Effect, Link, Options, Role};
use ocpp_core::protocol::Protocol;
use ocpp_core::protocol::validate::Mode;
use ocpp_core::websocket::{Deframer, Limits, Side, text_frame_into};
use stationmaster_postgres_rows::meter_values;

const LOG_LIMITS: frame_log::Limits =
    frame_log::Limits { frames: 100_000, bytes: 1 << 30, tenant_bytes_per_day: 1 << 40 };

/// Do one thing with a frame:
///
/// | work | what is counted |
/// |---|---|
/// | `judge` (the default) | parse and validate, outside of a connection |
/// | `link` | what a connection does, with the duplicate check and the answer |
/// | `link_raw` | the same, with samples kept as text |
/// | `deframe` | reading it out of a masked WebSocket frame |
/// | `whole` | all: from these bytes through link and frame log to the row of a COPY, and the answer |
/// | `answered` | all of a frame that the core answers at once: the same way, to the answer as bytes |
///
/// `redact` as the frame hides the secrets of a hostile text (see `growth`).
fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let wanted = arguments.next();
    if wanted.as_deref() == Some("redact") {
        growth::redact(&mut arguments);
        return ExitCode::SUCCESS;
    }
    if wanted.as_deref() == Some("check") {
        return check::run();
    }
    let count = arguments.next().and_then(|count| count.parse().ok()).unwrap_or(1_usize);
    let work = arguments.next();
    // Not made for `deframe`: hash tables with random seeds would make its small count vary.
    let protocol = LazyCell::new(Protocol::v16);
    for (name, text) in corpus::FRAMES {
        if wanted.as_deref().is_none_or(|wanted| wanted == name) {
            match work.as_deref() {
                Some("link") => link(corpus::options(*protocol), name, text.trim_end(), count),
                Some("deframe") => deframe(text.trim_end(), count),
                Some("whole") => whole(*protocol, text.trim_end(), count),
                Some("answered") => answered(*protocol, text.trim_end(), count),
                Some("link_raw") => {
                    let options = Options { raw_sampled_values: true, ..corpus::options(*protocol) };
                    link(options, name, text.trim_end(), count);
                }
                _ => judge(*protocol, text.trim_end(), count),
            }
        }
    }
    ExitCode::SUCCESS
}

fn judge(protocol: &'static Protocol, text: &str, count: usize) {
    for _ in 0..count {
        black_box(judge::frame_text(protocol, black_box(text), Role::ChargePoint, Mode::Tolerant));
    }
}

fn link(options: Options, name: &str, text: &str, count: usize) {
    let mut link = Link::new(options);
    let texts = corpus::under_other_ids(text);
    for text in texts.iter().cycle().take(count) {
        let effects = link.receive(black_box(text), 0.0);
        let [Effect::Dispatch { unique_id, .. }] = effects.as_slice() else {
            panic!("{name} is not dispatched");
        };
        black_box(link.reply(unique_id, corpus::answer(name))).expect("the answer is valid");
    }
}

fn deframe(text: &str, count: usize) {
    let limits = Limits { message_bytes: 262_144, fragments: 1024 };
    let mut deframer = Deframer::new(Side::Server, limits);
    let (mut bytes, mut scratch) = (Vec::new(), Vec::new());
    text_frame_into(&mut bytes, text, Some([0x12, 0xA4, 0x00, 0xFF]));
    for _ in 0..count {
        black_box(deframer.next(&mut black_box(bytes.as_slice()), &mut scratch));
    }
}

/// Batches of one frame from each of a few connections, which have one record in the queue at most.
fn whole(protocol: &'static Protocol, text: &str, count: usize) {
    const CONNECTIONS: usize = 4;
    let frames = masked_frames(text);
    let mut conversations: Vec<_> = (0..CONNECTIONS).map(|_| conversation(protocol)).collect();
    let (mut log, mut meters) = (FrameLog::new(LOG_LIMITS), MeterQueue::new(512, 512));
    let (mut counters, mut scratch) = (Counters::new(vec![0.01, 0.1, 1.0]), Vec::new());
    for number in 1..=count {
        let place = number % CONNECTIONS;
        let mut around = Around {
            now: 0.0,
            at_us: 1_772_352_000_000_000,
            frames: &mut log,
            meters: &mut meters,
            counters: &mut counters,
            owner: &|| place,
            found: &mut |_| {},
        };
        let frame = &frames[number / CONNECTIONS % frames.len()];
        conversations[place].feed(black_box(frame), &mut scratch, &mut around);
        if place == 0 {
            let mut batch = around.meters.take().expect("records wait");
            black_box(meter_values::copy(&batch));
            for waiting in batch.take_waiting() {
                let conversation = &mut conversations[waiting.owner];
                let answer = conversation.acknowledge(&waiting.unique_id, 0.0, None, &mut around);
                assert!(black_box(answer).is_some());
            }
        }
    }
}

fn answered(protocol: &'static Protocol, text: &str, count: usize) {
    let frames = masked_frames(text);
    let mut conversation = conversation(protocol);
    conversation.set_accepted(true);
    let (mut log, mut meters) = (FrameLog::new(LOG_LIMITS), MeterQueue::new(512, 512));
    let (mut counters, mut scratch) = (Counters::new(vec![0.01, 0.1, 1.0]), Vec::new());
    let (mut written, mut answers) = (Vec::new(), 0);
    for frame in frames.iter().cycle().take(count) {
        let mut around = Around {
            now: 0.0,
            at_us: 1_772_352_000_000_000,
            frames: &mut log,
            meters: &mut meters,
            counters: &mut counters,
            owner: &|| (),
            found: &mut |found| {
                let Found::Effect(Effect::Send(text)) = found else {
                    panic!("it is not answered: {found:?}")
                };
                written.clear();
                text_frame_into(&mut written, &text, None);
                answers += 1;
            },
        };
        conversation.feed(black_box(frame), &mut scratch, &mut around);
        black_box(&written);
    }
    assert_eq!(answers, count);
}

fn masked_frames(text: &str) -> Vec<Vec<u8>> {
    let frames = corpus::under_other_ids(text).into_iter().map(|text| {
        let mut bytes = Vec::new();
        text_frame_into(&mut bytes, &text, Some([0x12, 0xA4, 0x00, 0xFF]));
        bytes
    });
    frames.collect()
}

fn conversation(protocol: &'static Protocol) -> Conversation {
    let mut conversation = Conversation::new(conversation::Options {
        protocol,
        tenant_id: 1,
        charge_point_id: 2,
        connection_id: "00000000-0000-4000-8000-000000000000".to_owned(),
        mode: Mode::Tolerant,
        frame_bytes: 262_144,
        unregistered_bytes: 262_144,
        inflates: false,
        queue_limit: 50,
        rate_per_s: 1e9,
        burst: 1_000_000,
        now: 0.0,
    });
    conversation.register();
    conversation
}
