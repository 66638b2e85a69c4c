//! Time to parse and validate each frame of the corpus, in the core alone.
//!
//! `judge`: one frame outside of any connection, from text to a judged payload. `link`: what a connection does
//! for it, with the duplicate check and the answer; ids change, so that no answer comes from memory.
//! What is measured is the CPU time of the thread (`cpu_clock`): other processes do not count.

mod corpus;
mod cpu_clock;

use std::hint::black_box;

use cpu_clock::CpuClock;
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ocpp_core::json::Limits;
use ocpp_core::judge;
use ocpp_core::link::{Effect, Link, Options, Role};
use ocpp_core::validate::Mode;

const OPTIONS: Options = Options {
    role: Role::CentralSystem,
    mode: Mode::Tolerant,
    limits: LIMITS,
    queue_limit: 50,
    raw_sampled_values: false,
};
const LIMITS: Limits = Limits { bytes: 262_144, depth: 16, items: 4_096, members: 64 };
/// Stands in each frame of the corpus; replaced by ids of the same length.
const CORPUS_ID: &str = "00000000-0000-4000-8000-000000000000";

fn judge_frames(criterion: &mut Criterion<CpuClock>) {
    for (mode, name) in [(Mode::Tolerant, "judge_tolerant"), (Mode::Strict, "judge_strict")] {
        let mut group = criterion.benchmark_group(name);
        for (frame, text) in corpus::FRAMES {
            let text = text.trim_end();
            let judged = judge::frame_text(text, Role::ChargePoint, mode);
            assert!(judged.payload.is_some() && judged.report.deviations.is_empty(), "{frame} is not valid");
            group.throughput(Throughput::Bytes(text.len() as u64));
            group.bench_function(frame, |bencher| {
                bencher.iter(|| judge::frame_text(black_box(text), Role::ChargePoint, mode));
            });
        }
        group.finish();
    }
}

fn answer_frames(criterion: &mut Criterion<CpuClock>) {
    let mut group = criterion.benchmark_group("link");
    for (frame, text) in corpus::FRAMES {
        let Some(answer) = answer(frame) else { continue };
        let text = text.trim_end();
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(BenchmarkId::from_parameter(frame), |bencher| {
            let mut link = Link::new(OPTIONS);
            let mut count = 0_u64;
            bencher.iter_batched(
                || {
                    count += 1;
                    text.replacen(CORPUS_ID, &format!("00000000-0000-4000-8000-{count:012}"), 1)
                },
                |text| {
                    let effects = link.receive(&text, 0.0);
                    let [Effect::Dispatch { unique_id, .. }] = effects.as_slice() else {
                        panic!("{frame} is not dispatched");
                    };
                    let sent = link.reply(unique_id, answer);
                    drop(effects);
                    (text, sent)
                },
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

/// The payload of a plain answer.
fn answer(frame: &str) -> Option<&'static str> {
    Some(match frame {
        "authorize" => r#"{"idTagInfo":{"status":"Accepted"}}"#,
        "boot_notification" => {
            r#"{"status":"Accepted","currentTime":"2026-03-01T08:00:00.000Z","interval":300}"#
        }
        "heartbeat" => r#"{"currentTime":"2026-03-01T08:00:00.000Z"}"#,
        "start_transaction" => r#"{"transactionId":100001,"idTagInfo":{"status":"Accepted"}}"#,
        "meter_values" | "status_notification" | "stop_transaction" => "{}",
        _ => return None,
    })
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(CpuClock);
    targets = judge_frames, answer_frames
}
criterion_main!(benches);
