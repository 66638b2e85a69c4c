//! Allocations per frame: a count that does not depend on the machine, and that a build can fail on.

#[path = "../../measurements/src/lib.rs"]
mod corpus;
#[path = "support/ocpp16.rs"]
mod ocpp16;

use std::alloc::System;

use ocpp_core::link::judge;
use ocpp_core::link::{Effect, Link, Options, Role};
use ocpp_core::protocol::validate::Mode;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

use crate::ocpp16::ocpp16;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Frame, and the most allocations to judge it, to receive and answer it, and the same with samples kept as text.
const ALLOCATIONS: [(&str, [usize; 3]); 7] = [
    ("authorize", [3, 5, 5]),
    ("boot_notification", [3, 4, 4]),
    ("heartbeat", [2, 3, 3]),
    ("meter_values", [10, 12, 7]),
    ("start_transaction", [3, 5, 5]),
    ("status_notification", [3, 5, 5]),
    ("stop_transaction", [609, 612, 112]),
];

fn counted(work: impl FnOnce()) -> usize {
    let region = Region::new(ALLOCATOR);
    work();
    let change = region.change();
    change.allocations + change.reallocations
}

fn judged(text: &str) -> usize {
    let judge = || drop(judge::frame_text(ocpp16(), text, Role::ChargePoint, Mode::Tolerant));
    judge();
    counted(judge)
}

/// Of the last of several frames: the first ones fill what the link keeps.
fn linked(name: &str, text: &str, raw_sampled_values: bool) -> usize {
    let mut link = Link::new(Options { raw_sampled_values, ..corpus::options(ocpp16()) });
    let mut receive_and_reply = |text: &str| {
        let effects = link.receive(text, 0.0);
        let [Effect::Dispatch { unique_id, .. }] = effects.as_slice() else { panic!("{name}: {effects:?}") };
        link.reply(unique_id, corpus::answer(name)).expect("the answer is valid");
    };
    let texts = corpus::under_other_ids(text);
    let (last, first) = texts.split_last().expect("there are several");
    for text in first {
        receive_and_reply(text);
    }
    counted(|| receive_and_reply(last))
}

#[test]
fn no_frame_takes_more_allocations_than_it_did() {
    let found = corpus::FRAMES.map(|(name, text)| {
        let text = text.trim_end();
        (name, [judged(text), linked(name, text, false), linked(name, text, true)])
    });
    for ((name, found), (_, most)) in found.into_iter().zip(ALLOCATIONS) {
        let within = found.iter().zip(most).all(|(found, most)| *found <= most);
        assert!(within, "{name}: {found:?} allocations, at most {most:?}");
    }
}
