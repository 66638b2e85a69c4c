//! Time to work out composite schedules: profiles already read, all of them meant for the connector.
//!
//! What is measured is the CPU time of the thread (`cpu_clock`): other processes do not count.

mod cpu_clock;

use std::hint::black_box;

use cpu_clock::CpuClock;
use criterion::{Criterion, criterion_group, criterion_main};
use ocpp_core::schedule::limit::{Supply, Tenths, Unit};
use ocpp_core::schedule::profile::{Installed, Kind, Period, Profile, Purpose, Recurrency, Schedule};
use ocpp_core::schedule::write;
use ocpp_core::schedule::{Hardware, Options, Question, Transaction, composite, explain};

/// 2026-03-02T10:00:00Z
const START_S: i64 = 1_772_445_600;
const HOUR_S: i64 = 3_600;
const DAY_S: i64 = 86_400;

/// The profile of that number: caps, defaults and profiles of the transaction by turns, daily, weekly, absolute
/// and relative ones, in A and in W, with four periods each and gaps between their turns.
fn profile(number: i64) -> Profile {
    let purpose = match number % 5 {
        0 => Purpose::ChargePointMax,
        1 => Purpose::Tx,
        _ => Purpose::TxDefault,
    };
    let kind = match number % 7 {
        0 | 3 => Kind::Recurring(Recurrency::Weekly),
        1 if purpose != Purpose::ChargePointMax => Kind::Relative,
        2 => Kind::Absolute,
        _ => Kind::Recurring(Recurrency::Daily),
    };
    let unit = if number % 3 == 0 { Unit::Watt } else { Unit::Ampere };
    let step = if unit == Unit::Watt { 6_900 } else { 10 };
    let period = |place: i64| Period {
        start_s: place * (HOUR_S + number * 60 % HOUR_S),
        limit: Tenths::new((8 + (number * 7 + place * 5) % 24) * step),
        number_phases: (number % 4 == 0).then_some(3),
    };
    Profile {
        id: number,
        transaction_id: None,
        stack_level: number,
        purpose,
        kind,
        valid_from_s: None,
        valid_to_s: None,
        schedule: Schedule {
            start_s: (kind != Kind::Relative).then_some(START_S - 9 * DAY_S + number * 1_231 % DAY_S),
            duration_s: Some(10 * HOUR_S),
            unit,
            periods: (0..4).map(period).collect(),
        },
    }
}

fn question(profiles: i64, duration_s: i64) -> Question {
    let installed = (0..profiles).map(profile).map(|profile| {
        let connector_id = u32::from(profile.purpose == Purpose::Tx);
        Installed { connector_id, profile }
    });
    Question {
        installed: installed.collect(),
        transactions: vec![Transaction { connector_id: 1, transaction_id: None, start_s: START_S - 600 }],
        connector_id: 1,
        start_s: START_S,
        duration_s,
        unit: Unit::Ampere,
        assume_transaction: false,
        hardware: Hardware { ampere: Some(Tenths::new(320)), watt: None },
        supply: Supply::Alternating { nominal_voltage_v: 230 },
        number_of_connectors: 1,
        options: Options::default(),
    }
}

fn merge(criterion: &mut Criterion<CpuClock>) {
    let asked = question(20, DAY_S);
    let found = composite(&asked).expect("it converts");
    assert!(found.periods.len() > 10, "a day with {} periods shows nothing", found.periods.len());
    let mut group = criterion.benchmark_group("20_profiles_24_hours");
    group.bench_function("merge", |bencher| bencher.iter(|| composite(black_box(&asked))));
    group.bench_function("merge_and_explain", |bencher| {
        bencher.iter(|| {
            let found = composite(black_box(&asked)).expect("it converts");
            explain(&asked, &found, write::MOST_LISTED)
        });
    });
    group.bench_function("answer_as_json", |bencher| {
        bencher.iter(|| write::answer(black_box(&asked), usize::MAX));
    });
    group.finish();
}

/// Ten times as many profiles, and 28 times as long: each should take about as many times as long.
fn grow(criterion: &mut Criterion<CpuClock>) {
    let mut group = criterion.benchmark_group("growth");
    for (days, span) in [(1, "24_hours"), (7, "1_week"), (28, "4_weeks")] {
        for profiles in [20, 200, 2_000] {
            let asked = question(profiles, days * DAY_S);
            let name = format!("{profiles}_profiles_{span}");
            group.bench_function(name, |bencher| bencher.iter(|| composite(black_box(&asked))));
        }
    }
    group.finish();
}

criterion_group! {
    name = schedules;
    config = Criterion::default().with_measurement(CpuClock);
    targets = merge, grow
}
criterion_main!(schedules);
