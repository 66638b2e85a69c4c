//! Does one thing with one frame of the corpus so many times, and nothing else: for `valgrind --tool=callgrind`.
//!
//! Two runs that differ only in the count give the instructions of one frame. Arguments: frame, count, and what
//! is done: `judge` (parse and validate, outside of any connection; this when it is left out), `link` (what a
//! connection does for it, with the duplicate check and the answer), `link_raw` (the same, samples kept as text),
//! `deframe` (taken out of a masked WebSocket frame that is one read) or `whole` (everything: from the bytes of that
//! read through link and frame log to the row of a COPY, and its answer). `check` does that itself and fails where
//! a frame takes more than its bound: a count is the same in every minute of every machine of one kind, so a
//! build can fail on it. Without arguments (`cargo bench`) each frame is judged once.

mod check;
#[path = "../../ocpp/benches/corpus/mod.rs"]
mod corpus;

use std::hint::black_box;
use std::process::ExitCode;

use ocpp_core::conversation::counters::Tally;
use ocpp_core::conversation::frame_log::FrameLog;
use ocpp_core::conversation::meter_queue::MeterQueue;
use ocpp_core::conversation::{self, Around, Conversation};
use ocpp_core::link::judge;
use ocpp_core::link::{Effect, Link, Options, Role};
use ocpp_core::protocol::validate::Mode;
use ocpp_core::websocket::{Deframer, Limits, Side, text_frame_into};
use stationmaster_postgres_rows::meter_values;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let wanted = arguments.next();
    if wanted.as_deref() == Some("check") {
        return check::run();
    }
    let count = arguments.next().and_then(|count| count.parse().ok()).unwrap_or(1_usize);
    let work = arguments.next();
    for (name, text) in corpus::FRAMES {
        if wanted.as_deref().is_none_or(|wanted| wanted == name) {
            match work.as_deref() {
                Some("link") => link(name, text.trim_end(), count, false),
                Some("deframe") => deframe(text.trim_end(), count),
                Some("whole") => whole(text.trim_end(), count),
                Some("link_raw") => link(name, text.trim_end(), count, true),
                _ => judge(text.trim_end(), count),
            }
        }
    }
    ExitCode::SUCCESS
}

fn judge(text: &str, count: usize) {
    for _ in 0..count {
        black_box(judge::frame_text(black_box(text), Role::ChargePoint, Mode::Tolerant));
    }
}

fn link(name: &str, text: &str, count: usize, raw_sampled_values: bool) {
    let mut link = Link::new(Options { raw_sampled_values, ..corpus::OPTIONS });
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
fn whole(text: &str, count: usize) {
    const CONNECTIONS: usize = 4;
    let frames = corpus::under_other_ids(text).into_iter().map(|text| {
        let mut bytes = Vec::new();
        text_frame_into(&mut bytes, &text, Some([0x12, 0xA4, 0x00, 0xFF]));
        bytes
    });
    let frames: Vec<_> = frames.collect();
    let mut conversations: Vec<_> = (0..CONNECTIONS).map(|_| conversation()).collect();
    let (mut log, mut meters) = (FrameLog::new(100_000, 1 << 30), MeterQueue::new(512, 512));
    let (mut tally, mut scratch) = (Tally::new(vec![0.01, 0.1, 1.0]), Vec::new());
    for number in 1..=count {
        let place = number % CONNECTIONS;
        let mut around = Around {
            now: 0.0,
            at_us: 1_772_352_000_000_000,
            frames: &mut log,
            meters: &mut meters,
            tally: &mut tally,
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

fn conversation() -> Conversation {
    let mut conversation = Conversation::new(conversation::Options {
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
