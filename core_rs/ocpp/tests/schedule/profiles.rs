//! Short ways to write profiles and questions down. Monday 2026-03-02; offsets are seconds after 10:00 UTC.

use ocpp_core::schedule::limit::{Supply, Tenths, Unit};
use ocpp_core::schedule::profile::{Installed, Kind, Period, Profile, Purpose, Schedule, kept};
use ocpp_core::schedule::{Composite, Hardware, Options, Question, Source, Transaction, composite};

/// 2026-03-02T10:00:00Z
pub const TEN_S: i64 = 1_772_445_600;
pub const HOUR_S: i64 = 3_600;
pub const DAY_S: i64 = 86_400;
pub const MAINS: Supply = Supply::Alternating { nominal_voltage_v: 230 };

/// A profile in A, absolute from the day before, never ending: limits in whole amperes.
pub fn profile(id: i64, purpose: Purpose, stack_level: i64, rows: &[(i64, i64)]) -> Profile {
    Profile {
        id,
        transaction_id: None,
        stack_level,
        purpose,
        kind: Kind::Absolute,
        valid_from_s: None,
        valid_to_s: None,
        schedule: Schedule {
            start_s: Some(TEN_S - DAY_S),
            duration_s: None,
            unit: Unit::Ampere,
            periods: rows
                .iter()
                .map(|(start_s, limit)| Period {
                    start_s: *start_s,
                    limit: Tenths::new(limit * 10),
                    number_phases: None,
                })
                .collect(),
        },
    }
}

pub fn default(id: i64, stack_level: i64, limit: i64) -> Profile {
    profile(id, Purpose::TxDefault, stack_level, &[(0, limit)])
}

pub fn own(id: i64, stack_level: i64, limit: i64) -> Profile {
    profile(id, Purpose::Tx, stack_level, &[(0, limit)])
}

pub fn cap(id: i64, stack_level: i64, limit: i64) -> Profile {
    profile(id, Purpose::ChargePointMax, stack_level, &[(0, limit)])
}

/// From an offset on, for so long.
pub fn during(profile: Profile, from_s: i64, duration_s: i64) -> Profile {
    let schedule =
        Schedule { start_s: Some(TEN_S + from_s), duration_s: Some(duration_s), ..profile.schedule };
    Profile { schedule, ..profile }
}

/// The same numbers in W.
pub fn in_watts(mut profile: Profile) -> Profile {
    profile.schedule.unit = Unit::Watt;
    profile
}

pub fn on_phases(mut profile: Profile, number_phases: u8) -> Profile {
    for period in &mut profile.schedule.periods {
        period.number_phases = Some(number_phases);
    }
    profile
}

/// Connector 1 from 10:00 for an hour, in A; transaction 501 has begun at 10:00; hardware of 32 A.
pub fn question(installed: &[(u32, Profile)]) -> Question {
    let accepted = installed
        .iter()
        .map(|(connector_id, profile)| Installed { connector_id: *connector_id, profile: profile.clone() });
    let transactions = vec![Transaction { connector_id: 1, transaction_id: Some(501), start_s: TEN_S }];
    Question {
        installed: kept(accepted.collect(), &transactions),
        transactions,
        connector_id: 1,
        start_s: TEN_S,
        duration_s: HOUR_S,
        unit: Unit::Ampere,
        assume_transaction: false,
        hardware: Hardware { ampere: Some(Tenths::new(320)), watt: None },
        supply: MAINS,
        number_of_connectors: 2,
        options: Options::default(),
    }
}

pub fn answer(question: &Question) -> Composite {
    composite(question).expect("alternating current converts")
}

/// Start, and limit in tenths.
pub fn rows(question: &Question) -> Vec<(i64, i64)> {
    let periods = answer(question).periods.into_iter();
    periods.map(|period| (period.start_s, period.limit.expect("it is known").get())).collect()
}

/// Start and source of each stretch; profiles by their id, everything else as 0.
pub fn sources(question: &Question) -> Vec<(i64, i64)> {
    let id = |source| match source {
        Source::Profile(place) => question.installed[place].profile.id,
        _ => 0,
    };
    answer(question).stretches.into_iter().map(|stretch| (stretch.start_s, id(stretch.source))).collect()
}
