//! Judges one frame of the corpus so many times, and nothing else: for `valgrind --tool=callgrind`.
//!
//! Two runs that differ only in the count give the instructions of one frame. Arguments: name and count;
//! without them (`cargo bench`, `cargo test`) each frame is judged once.

mod corpus;

use std::hint::black_box;

use ocpp_core::judge;
use ocpp_core::link::Role;
use ocpp_core::validate::Mode;

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let wanted = arguments.next();
    let count = arguments.next().and_then(|count| count.parse().ok()).unwrap_or(1_usize);
    for (name, text) in corpus::FRAMES {
        if wanted.as_deref().is_none_or(|wanted| wanted == name) {
            for _ in 0..count {
                black_box(judge::frame_text(black_box(text.trim_end()), Role::ChargePoint, Mode::Tolerant));
            }
        }
    }
}
