//! What holds for every set of profiles, over random ones.

use ocpp_core::schedule::limit::{Supply, Tenths, Unit};
use ocpp_core::schedule::profile::{Installed, Kind, Period, Profile, Purpose, Schedule};
use ocpp_core::schedule::{Composite, Hardware, Question, Transaction, composite};

use crate::numbers::Numbers;
use crate::oracle;
use crate::random_sets::random_question;

const SEEDS: std::ops::Range<u64> = 0..1_500;

fn merged(question: &Question) -> Composite {
    composite(question).expect("random questions convert")
}

/// Limit and phases at a second after the start.
fn at(found: &Composite, offset_s: i64) -> (Option<Tenths>, Option<u8>) {
    let place = found.periods.partition_point(|period| period.start_s <= offset_s) - 1;
    (found.periods[place].limit, found.periods[place].number_phases)
}

/// Random questions of one connector, and some seconds inside of each.
fn for_each(mut check: impl FnMut(&mut Numbers, Question, &[i64])) {
    for seed in SEEDS {
        let question = random_question(seed);
        let mut numbers = Numbers::new(seed ^ 0xabcd);
        let seconds: Vec<i64> = (0..40).map(|_| numbers.within(0, question.duration_s.max(1) - 1)).collect();
        check(&mut numbers, question, &seconds);
    }
}

fn with(question: &Question, installed: Installed) -> Question {
    let mut installed_before = question.installed.clone();
    installed_before.push(installed);
    Question { installed: installed_before, ..question.clone() }
}

/// A constant limit in the unit of the question, with an unused id.
fn constant(question: &Question, purpose: Purpose, stack_level: i64, limit: i64) -> Profile {
    Profile {
        id: 1_000,
        transaction_id: None,
        stack_level,
        purpose,
        kind: Kind::Absolute,
        valid_from_s: None,
        valid_to_s: None,
        schedule: Schedule {
            start_s: Some(question.start_s),
            duration_s: None,
            unit: question.unit,
            periods: vec![Period { start_s: 0, limit: Tenths::new(limit), number_phases: None }],
        },
    }
}

#[test]
fn a_cap_on_top_never_raises_a_limit() {
    let mut lowered = 0;
    for_each(|numbers, question, seconds| {
        let limit = numbers.within(0, 400);
        let cap = constant(&question, Purpose::ChargePointMax, 0, limit);
        let is_no_cap = |installed: &Installed| installed.profile.purpose != Purpose::ChargePointMax;
        let installed = question.installed.iter().filter(|installed| is_no_cap(installed)).cloned().collect();
        let question = Question { installed, ..question };
        let without = merged(&question);
        let after = merged(&with(&question, Installed { connector_id: 0, profile: cap }));
        for second in seconds {
            let (low, high) = (at(&after, *second).0, at(&without, *second).0);
            if let (Some(low), Some(high)) = (low, high) {
                assert!(low <= high, "{low} above {high}");
                lowered += i32::from(low < high);
            }
            assert!(low.is_some_and(|low| low <= Tenths::new(limit)));
        }
    });
    assert!(lowered > 500, "{lowered}");
}

#[test]
fn a_profile_below_one_in_force_changes_nothing() {
    let mut covered = 0;
    for_each(|numbers, question, seconds| {
        let below = constant(&question, Purpose::Tx, -1, numbers.within(0, 400));
        let connector_id = question.connector_id;
        let before = merged(&question);
        let after = merged(&with(&question, Installed { connector_id, profile: below }));
        for second in seconds {
            let place = before.stretches.partition_point(|stretch| stretch.start_s <= *second) - 1;
            if let ocpp_core::schedule::Source::Profile(place) = before.stretches[place].source
                && question.installed[place].profile.purpose == Purpose::Tx
                && !question.options.strict_tx_override
            {
                assert_eq!(at(&before, *second), at(&after, *second));
                covered += 1;
            }
        }
    });
    assert!(covered > 250, "{covered}");
}

#[test]
fn the_order_of_installation_has_no_effect_on_distinct_ids_and_levels() {
    for_each(|numbers, mut question, _| {
        for (level, installed) in (0..).zip(&mut question.installed) {
            installed.profile.stack_level = level;
        }
        let before = merged(&question);
        for last in (1..question.installed.len()).rev() {
            let other = numbers.within(0, i64::try_from(last).expect("small"));
            question.installed.swap(last, usize::try_from(other).expect("not negative"));
        }
        assert_eq!(merged(&question).periods, before.periods);
    });
}

#[test]
fn a_shift_in_time_shifts_the_answer() {
    for_each(|numbers, mut question, _| {
        let before = merged(&question);
        let shift_s = numbers.within(-1_000_000_000, 1_000_000_000);
        question.start_s += shift_s;
        for transaction in &mut question.transactions {
            transaction.start_s += shift_s;
        }
        for Installed { profile, .. } in &mut question.installed {
            for moment_s in
                [&mut profile.valid_from_s, &mut profile.valid_to_s, &mut profile.schedule.start_s]
            {
                *moment_s = moment_s.map(|moment_s| moment_s + shift_s);
            }
        }
        assert_eq!(merged(&question).periods, before.periods);
    });
}

#[test]
fn two_halves_are_the_whole() {
    for_each(|numbers, question, seconds| {
        if question.assume_transaction || question.duration_s < 2 {
            return;
        }
        let cut_s = numbers.within(1, question.duration_s - 1);
        let whole = merged(&question);
        let first = merged(&Question { duration_s: cut_s, ..question.clone() });
        let second = merged(&Question {
            start_s: question.start_s + cut_s,
            duration_s: question.duration_s - cut_s,
            ..question
        });
        for offset_s in seconds {
            let half = if *offset_s < cut_s { at(&first, *offset_s) } else { at(&second, offset_s - cut_s) };
            assert_eq!(half, at(&whole, *offset_s));
        }
    });
}

#[test]
fn a_composite_installed_as_the_profile_of_a_transaction_reproduces_itself() {
    for_each(|_, question, _| {
        let found = merged(&question);
        if found.periods.iter().any(|period| period.limit.is_none()) {
            return;
        }
        let mut profile = constant(&question, Purpose::Tx, 0, 0);
        profile.schedule.periods = found
            .periods
            .iter()
            .map(|period| Period {
                start_s: period.start_s,
                limit: period.limit.expect("it is known"),
                number_phases: period.number_phases,
            })
            .collect();
        let connector_id = question.connector_id;
        let transaction = Transaction { connector_id, transaction_id: None, start_s: question.start_s };
        let again = Question {
            installed: vec![Installed { connector_id, profile }],
            transactions: vec![transaction],
            ..question
        };
        assert_eq!(merged(&again).periods, found.periods);
    });
}

#[test]
fn watts_alone_answered_in_watts_do_not_depend_on_the_voltage() {
    for_each(|_, mut question, _| {
        for installed in &mut question.installed {
            installed.profile.schedule.unit = Unit::Watt;
        }
        question.unit = Unit::Watt;
        question.hardware.ampere = None;
        let voltages = [1, 120, 230].map(|nominal_voltage_v| Supply::Alternating { nominal_voltage_v });
        let answers = voltages.map(|supply| merged(&Question { supply, ..question.clone() }).periods);
        assert_eq!(answers[0], answers[1]);
        assert_eq!(answers[1], answers[2]);
    });
}

/// What is allowed at a second: tenths of an ampere on each phase, tenths of a watt.
fn allowed(question: &Question, found: &Composite, second: i64) -> Option<(i64, i64)> {
    let Supply::Alternating { nominal_voltage_v } = question.supply else { return None };
    let (limit, number_phases) = at(found, second);
    let watts_per_ampere = i64::from(nominal_voltage_v) * i64::from(number_phases.unwrap_or(3));
    let limit = limit?.get();
    Some(match question.unit {
        Unit::Ampere => (limit, limit * watts_per_ampere),
        // Rounded up: it is not a tenth of a watt above any profile in A.
        Unit::Watt => ((limit + watts_per_ampere - 1).div_euclid(watts_per_ampere), limit),
    })
}

/// Check a limit against what the merged profiles and the hardware say, each in its own unit.
fn is_below_all(question: &Question, found: &Composite, connector: u32, second: i64) -> bool {
    let Some((amperes, watts)) = allowed(question, found, second) else { return false };
    let merged = oracle::leaders(question, &question.installed, connector, question.start_s + second);
    let merged = merged.iter().flatten().map(|says| (says.limit, says.unit));
    let rates = [(question.hardware.ampere, Unit::Ampere), (question.hardware.watt, Unit::Watt)];
    let rates = rates.into_iter().filter_map(|(rate, unit)| Some((rate?.get(), unit)));
    let mut any = false;
    for (limit, unit) in merged.chain(rates) {
        match unit {
            Unit::Ampere => assert!(amperes <= limit, "{amperes} above {limit} A: {question:#?}"),
            Unit::Watt => assert!(watts <= limit, "{watts} above {limit} W: {question:#?}"),
        }
        any |= unit != question.unit;
    }
    any
}

#[test]
fn amperes_and_watts_are_below_every_merged_profile_whichever_unit_is_asked() {
    let mut converted = 0;
    for_each(|_, question, seconds| {
        for unit in [Unit::Ampere, Unit::Watt] {
            let question = Question { unit, ..question.clone() };
            let found = merged(&question);
            for second in seconds {
                converted += i32::from(is_below_all(&question, &found, question.connector_id, *second));
            }
        }
    });
    assert!(converted > 50_000, "{converted}");
}

#[test]
fn the_charge_point_as_a_whole_is_below_the_merged_cap_whichever_unit_is_asked() {
    let mut converted = 0;
    for_each(|_, question, seconds| {
        for unit in [Unit::Ampere, Unit::Watt] {
            // The hardware is that of each connector.
            let question =
                Question { unit, connector_id: 0, hardware: Hardware::default(), ..question.clone() };
            let found = merged(&question);
            let caps = Question { transactions: vec![], assume_transaction: false, ..question };
            for second in seconds {
                converted += i32::from(is_below_all(&caps, &found, 1, *second));
            }
        }
    });
    assert!(converted > 5_000, "{converted}");
}

#[test]
fn the_answers_in_both_units_describe_the_same_current() {
    for_each(|_, question, seconds| {
        let [amperes, watts] =
            [Unit::Ampere, Unit::Watt].map(|unit| merged(&Question { unit, ..question.clone() }));
        let Supply::Alternating { nominal_voltage_v } = question.supply else { return };
        for second in seconds {
            let ((ampere, phases), (watt, watt_phases)) = (at(&amperes, *second), at(&watts, *second));
            assert_eq!(phases, watt_phases);
            let factor = i64::from(nominal_voltage_v) * i64::from(phases.unwrap_or(3));
            assert_eq!(ampere.map(Tenths::get), watt.map(|watt| watt.get().div_euclid(factor)));
        }
    });
}
