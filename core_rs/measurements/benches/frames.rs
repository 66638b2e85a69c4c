//! Time to parse and validate each frame of the corpus, in the core alone.
//!
//! `judge`: one frame outside of any connection, from text to a judged payload. `link`: what a connection does
//! for it, with the duplicate check and the answer; ids change, so that no answer comes from memory. `link_raw`: the
//! same with samples kept as text.
//! What is measured is the CPU time of the thread (`cpu_clock`): other processes do not count.

mod cpu_clock;

use std::hint::black_box;

use cpu_clock::CpuClock;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ocpp_core::link::judge;
use ocpp_core::link::{Effect, Link, Options, Role};
use ocpp_core::protocol::Protocol;
use ocpp_core::protocol::validate::Mode;

fn judge_frames(criterion: &mut Criterion<CpuClock>) {
    let protocol = Protocol::v16();
    for (mode, name) in [(Mode::Tolerant, "judge_tolerant"), (Mode::Strict, "judge_strict")] {
        let mut group = criterion.benchmark_group(name);
        for (frame, text) in corpus::FRAMES {
            let text = text.trim_end();
            let judged = judge::frame_text(protocol, text, Role::ChargePoint, mode);
            assert!(judged.payload.is_some() && judged.report.deviations.is_empty(), "{frame} is not valid");
            group.throughput(Throughput::Bytes(text.len() as u64));
            group.bench_function(frame, |bencher| {
                bencher.iter(|| judge::frame_text(protocol, black_box(text), Role::ChargePoint, mode));
            });
        }
        group.finish();
    }
}

fn answer_frames(criterion: &mut Criterion<CpuClock>) {
    let protocol = Protocol::v16();
    for (raw_sampled_values, name) in [(false, "link"), (true, "link_raw")] {
        let mut group = criterion.benchmark_group(name);
        for (frame, text) in corpus::FRAMES {
            let text = text.trim_end();
            let texts = corpus::under_other_ids(text);
            group.throughput(Throughput::Bytes(text.len() as u64));
            group.bench_function(BenchmarkId::from_parameter(frame), |bencher| {
                let mut link = Link::new(Options { raw_sampled_values, ..corpus::options(protocol) });
                let mut texts = texts.iter().cycle();
                bencher.iter(|| {
                    let text = texts.next().expect("a cycle has no end");
                    let effects = link.receive(black_box(text), 0.0);
                    let [Effect::Dispatch { unique_id, .. }] = effects.as_slice() else {
                        panic!("{frame} is not dispatched");
                    };
                    link.reply(unique_id, corpus::answer(frame))
                });
            });
        }
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(CpuClock);
    targets = judge_frames, answer_frames
}
criterion_main!(benches);
