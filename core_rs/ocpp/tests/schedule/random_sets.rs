//! The merge against the oracle, over random sets: stacks, gaps, recurrences, units, phases, connectors.
//!
//! `SCHEDULE_SETS=1000000 cargo test --release -p ocpp-core --test schedule random_sets` is the long run.

use std::collections::BTreeSet;

use ocpp_core::schedule::limit::{Supply, Tenths, Unit};
use ocpp_core::schedule::profile::{Installed, Kind, Period, Profile, Purpose, Recurrency, Schedule, kept};
use ocpp_core::schedule::{Composite, Hardware, Options, Question, Source, Transaction, composite, explain};

use crate::numbers::Numbers;
use crate::oracle::{self, Set};

const DAY_S: i64 = 86_400;
/// Some midnight; all random times lie around it.
const MIDNIGHT_S: i64 = 1_772_409_600;

/// How long the questions are, and how wide times are strewn.
#[derive(Clone, Copy)]
struct Scale {
    horizon_s: i64,
    step_s: i64,
}

/// Every second is looked at.
const SHORT: Scale = Scale { horizon_s: 90, step_s: 1 };
/// Up to four weeks: looked at where anything may change.
const LONG: Scale = Scale { horizon_s: 28 * DAY_S, step_s: 900 };

struct Random {
    numbers: Numbers,
    scale: Scale,
}

impl Random {
    /// A moment around the span, some days before it now and then.
    fn moment(&mut self) -> i64 {
        let days = if self.numbers.once_in(3) { -self.numbers.within(0, 9) * DAY_S } else { 0 };
        let steps = self.scale.horizon_s / self.scale.step_s;
        MIDNIGHT_S + days + self.numbers.within(-steps / 2, steps + steps / 3) * self.scale.step_s
    }

    fn length(&mut self) -> i64 {
        self.numbers.within(0, self.scale.horizon_s.min(DAY_S) / self.scale.step_s) * self.scale.step_s
    }

    fn periods(&mut self) -> Vec<Period> {
        let mut starts = BTreeSet::from([0]);
        for _ in 0..self.numbers.within(0, 4) {
            starts.insert(self.length());
        }
        let periods = starts.into_iter().map(|start_s| Period {
            start_s,
            limit: Tenths::new(
                self.numbers.one_of(&[0, 60, 80, 160, 161, 320, 3_680, 36_800, 110_400, 110_000]),
            ),
            number_phases: self.numbers.one_of(&[None, None, Some(1), Some(2), Some(3)]),
        });
        periods.collect()
    }

    fn profile(&mut self, id: i64, unit: Option<Unit>) -> Profile {
        let purpose = self.numbers.one_of(&[
            Purpose::ChargePointMax,
            Purpose::TxDefault,
            Purpose::TxDefault,
            Purpose::Tx,
        ]);
        let kinds = [
            Kind::Absolute,
            Kind::Relative,
            Kind::Recurring(Recurrency::Daily),
            Kind::Recurring(Recurrency::Weekly),
        ];
        let start_s = if self.numbers.once_in(6) { None } else { Some(self.moment()) };
        let duration_s = if self.numbers.once_in(2) { None } else { Some(self.length()) };
        let valid_from_s = if self.numbers.once_in(4) { Some(self.moment()) } else { None };
        let valid_to_s = if self.numbers.once_in(4) { Some(self.moment()) } else { None };
        Profile {
            id,
            transaction_id: self.numbers.one_of(&[None, Some(501), Some(502)]),
            stack_level: self.numbers.within(0, 3),
            purpose,
            kind: self.numbers.one_of(&kinds),
            valid_from_s,
            valid_to_s,
            schedule: Schedule {
                start_s,
                duration_s,
                unit: unit.unwrap_or_else(|| self.numbers.one_of(&[Unit::Ampere, Unit::Watt])),
                periods: self.periods(),
            },
        }
    }

    fn accepted(&mut self, unit: Option<Unit>) -> Vec<Installed> {
        let count = self.numbers.within(0, 9);
        let mut accepted = Vec::new();
        for _ in 0..count {
            let id = self.numbers.within(1, 12);
            let profile = self.profile(id, unit);
            let connector_id = match profile.purpose {
                Purpose::ChargePointMax => 0,
                Purpose::TxDefault => self.numbers.one_of(&[0, 0, 1, 2]),
                Purpose::Tx => self.numbers.one_of(&[1, 1, 2]),
            };
            accepted.push(Installed { connector_id, profile });
        }
        accepted
    }

    /// What was accepted, and the question.
    fn question(&mut self) -> (Vec<Installed>, Question) {
        let direct = self.numbers.once_in(8);
        let unit = self.numbers.one_of(&[Unit::Ampere, Unit::Watt]);
        let nominal_voltage_v = self.numbers.one_of(&[230, 120]);
        let supply = if direct { Supply::Direct } else { Supply::Alternating { nominal_voltage_v } };
        let accepted = self.accepted(direct.then_some(unit));
        let mut transactions = Vec::new();
        for connector_id in 1..=3 {
            if self.numbers.once_in(2) {
                let transaction_id = self.numbers.one_of(&[None, Some(501), Some(502)]);
                transactions.push(Transaction { connector_id, transaction_id, start_s: self.moment() });
            }
        }
        let hardware = Hardware {
            ampere: self.numbers.maybe(100, 400).map(Tenths::new),
            watt: self.numbers.maybe(10_000, 200_000).map(Tenths::new),
        };
        let question = Question {
            installed: kept(accepted.clone(), &transactions),
            transactions,
            connector_id: self.numbers.one_of(&[0, 1, 1, 1, 2]),
            start_s: self.moment(),
            duration_s: self.numbers.within(0, self.scale.horizon_s),
            unit,
            assume_transaction: self.numbers.once_in(2),
            hardware,
            supply,
            number_of_connectors: 3,
            options: Options {
                strict_tx_override: self.numbers.once_in(4),
                recurring_before_anchor: self.numbers.once_in(4),
            },
        };
        (accepted, question)
    }
}

/// Moments at which anything may change, and their neighbours. Some more than needed, found without the sweep.
fn moments(question: &Question, found: &Composite) -> BTreeSet<i64> {
    let mut edges: BTreeSet<i64> =
        found.periods.iter().map(|period| question.start_s + period.start_s).collect();
    let bases: Vec<i64> = question.transactions.iter().map(|t| t.start_s).chain([question.start_s]).collect();
    for Installed { profile, .. } in &question.installed {
        edges.extend(profile.valid_from_s.into_iter().chain(profile.valid_to_s));
        for base in profile.schedule.start_s.iter().chain(&bases) {
            let offsets = profile.schedule.periods.iter().map(|period| period.start_s);
            for offset in offsets.chain(profile.schedule.duration_s) {
                edges.extend((0..40).map(|day| base + offset + day * DAY_S));
            }
        }
    }
    let around = edges.into_iter().flat_map(|edge| [edge - 1, edge, edge + 1]);
    around.chain([question.start_s]).filter(|t| (question.start_s..question.end_s()).contains(t)).collect()
}

fn set(question: &Question, source: Source) -> Set {
    match source {
        Source::Profile(place) => Set::Profile(question.installed[place].profile.id),
        Source::Hardware => Set::Hardware,
        Source::Connectors(_) => Set::Connectors,
        Source::Idle => Set::Idle,
        Source::Nothing => Set::Nothing,
    }
}

/// A question of one connector with alternating current.
pub fn random_question(seed: u64) -> Question {
    let scale = if seed.is_multiple_of(2) { SHORT } else { LONG };
    let mut random = Random { numbers: Numbers::new(seed), scale };
    loop {
        let (_, question) = random.question();
        if question.connector_id > 0 && question.supply != Supply::Direct {
            return question;
        }
    }
}

fn compare(seed: u64, scale: Scale) {
    let (accepted, question) = Random { numbers: Numbers::new(seed), scale }.question();
    let ledger = oracle::ledger(&accepted, &question);
    assert_eq!(ledger, question.installed, "seed {seed}");
    let found = composite(&question).expect("one unit with direct current");
    assert_eq!(found.periods[0].start_s, 0, "seed {seed}");
    for pair in found.periods.windows(2) {
        assert!(pair[0].start_s < pair[1].start_s, "seed {seed}");
        let differ = (pair[0].limit, pair[0].number_phases) != (pair[1].limit, pair[1].number_phases);
        assert!(differ, "seed {seed}: {pair:?}");
    }
    let times: Vec<i64> = match scale.step_s {
        1 => (question.start_s..question.end_s()).collect(),
        _ => moments(&question, &found).into_iter().collect(),
    };
    let (mut period, mut stretch) = (0, 0);
    for t in times {
        let offset = t - question.start_s;
        while found.periods.get(period + 1).is_some_and(|next| next.start_s <= offset) {
            period += 1;
        }
        while found.stretches.get(stretch + 1).is_some_and(|next| next.start_s <= offset) {
            stretch += 1;
        }
        let expected = oracle::evaluate(&question, &ledger, t);
        let held = &found.periods[period];
        let source = set(&question, found.stretches[stretch].source);
        let same = (held.limit, held.number_phases, source)
            == (expected.limit, expected.number_phases, expected.source);
        assert!(same, "seed {seed}, second {offset}: {held:?} {source:?}, not {expected:?}\n{question:#?}");
    }
    if scale.step_s == 1 && question.connector_id > 0 {
        compare_rivals(seed, &question, &ledger, &found);
    }
}

fn compare_rivals(seed: u64, question: &Question, ledger: &[Installed], found: &Composite) {
    let rivals = explain(question, found, usize::MAX).expect("it was answered");
    for (place, stretch) in found.stretches.iter().enumerate() {
        let last = question.end_s() - question.start_s;
        let end_s = found.stretches.get(place + 1).map_or(last, |next| next.start_s);
        let seconds = (stretch.start_s..end_s).map(|offset| question.start_s + offset);
        let expected: Vec<_> = seconds.flat_map(|t| oracle::beaten(question, ledger, t)).collect();
        let expected_ids: BTreeSet<i64> = expected.iter().map(|(id, _)| *id).collect();
        let id = |place: usize| question.installed[place].profile.id;
        let ids: Vec<i64> = rivals[place].beaten.iter().map(|beaten| id(beaten.profile)).collect();
        assert_eq!(ids.len(), expected_ids.len(), "seed {seed}: {ids:?}, not {expected_ids:?}");
        assert_eq!(ids.into_iter().collect::<BTreeSet<_>>(), expected_ids, "seed {seed}");
        for beaten in &rivals[place].beaten {
            let said = (id(beaten.profile), beaten.reason);
            assert!(expected.contains(&said), "seed {seed}: {said:?} is not among {expected:?}");
        }
    }
}

fn sets() -> u64 {
    std::env::var("SCHEDULE_SETS").ok().and_then(|text| text.parse().ok()).unwrap_or(2_400)
}

#[test]
fn random_sets_are_merged_as_the_oracle_says_second_by_second() {
    for seed in 0..sets() / 4 * 3 {
        compare(seed, SHORT);
    }
}

#[test]
fn random_sets_of_weeks_are_merged_as_the_oracle_says_at_every_change() {
    for seed in sets() / 4 * 3..sets() {
        compare(seed, LONG);
    }
}

#[test]
fn random_sets_meet_every_source_and_every_reason() {
    let (mut kinds, mut reasons) = (BTreeSet::new(), BTreeSet::new());
    for seed in 0..400 {
        let (_, question) = Random { numbers: Numbers::new(seed), scale: SHORT }.question();
        let found = composite(&question).expect("one unit with direct current");
        let set = found.stretches.iter().map(|stretch| set(&question, stretch.source));
        kinds.extend(set.map(|set| match set {
            Set::Profile(_) => "profile",
            Set::Hardware => "hardware",
            Set::Connectors => "connectors",
            Set::Idle => "idle",
            Set::Nothing => "nothing",
        }));
        let rivals = explain(&question, &found, usize::MAX).expect("it was answered");
        reasons.extend(rivals.iter().flat_map(|rivals| &rivals.beaten).map(|beaten| beaten.reason.as_str()));
    }
    assert_eq!(kinds.len(), 5, "{kinds:?}");
    assert_eq!(reasons.len(), 5, "{reasons:?}");
}
