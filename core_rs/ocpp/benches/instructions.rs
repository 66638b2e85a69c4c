//! Does one thing with one frame of the corpus so many times, and nothing else: for `valgrind --tool=callgrind`.
//!
//! Two runs that differ only in the count give the instructions of one frame. Arguments: frame, count, and what
//! is done: `judge` (parse and validate, outside of any connection; this when it is left out), `link` (what a
//! connection does for it, with the duplicate check and the answer), `link_raw` (the same, samples kept as text)
//! or `deframe` (taken out of a masked WebSocket frame that is one read). `check` does that itself and fails where
//! a frame takes more than its bound: a count is the same in every minute of every machine of one kind, so a
//! build can fail on it. Without arguments (`cargo bench`) each frame is judged once.

mod check;
mod corpus;

use std::hint::black_box;
use std::process::ExitCode;

use ocpp_core::judge;
use ocpp_core::link::{Effect, Link, Options, Role};
use ocpp_core::validate::Mode;
use ocpp_core::websocket::{Deframer, Limits, Side, text_frame_into};

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
