//! A charging profile as typed values, and which of the accepted ones a charge point keeps.

use std::collections::HashMap;

use crate::schedule::limit::{Tenths, Unit};
use crate::schedule::question::Transaction;

/// The purpose of a profile: what it limits. OCPP 1.6 7.10
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// The charge point as a whole.
    ChargePointMax,
    /// Transactions that have no profile of their own in force.
    TxDefault,
    /// One transaction.
    Tx,
}

impl Purpose {
    /// The purpose of that name in frames.
    #[must_use]
    pub fn named(text: &str) -> Option<Self> {
        [Self::ChargePointMax, Self::TxDefault, Self::Tx].into_iter().find(|purpose| purpose.as_str() == text)
    }

    /// The name in frames.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ChargePointMax => "ChargePointMaxProfile",
            Self::TxDefault => "TxDefaultProfile",
            Self::Tx => "TxProfile",
        }
    }
}

/// How often a recurring schedule starts again. OCPP 1.6 7.33
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recurrency {
    /// Every 24 hours.
    Daily,
    /// Every 7 times 24 hours.
    Weekly,
}

impl Recurrency {
    /// Seconds from one start to the next. Errata 3.78: local time does not matter.
    #[must_use]
    pub fn interval_s(self) -> i64 {
        match self {
            Self::Daily => 86_400,
            Self::Weekly => 604_800,
        }
    }
}

/// The moment that the times of a schedule count from. OCPP 1.6 7.9
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `startSchedule`; without it, the start of the transaction (7.13).
    Absolute,
    /// `startSchedule`, and again each day or week.
    Recurring(Recurrency),
    /// The start of the transaction.
    Relative,
}

/// A limit that holds until the next period starts. OCPP 1.6 7.14
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// The start, in seconds after the start of the schedule.
    pub start_s: i64,
    /// The limit in the unit of the schedule; not negative.
    pub limit: Tenths,
    /// The number of phases, 1 to 3.
    pub number_phases: Option<u8>,
}

/// Limits over time. OCPP 1.6 7.13
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// The start, in seconds since 1970, UTC.
    pub start_s: Option<i64>,
    /// The length in seconds. Without it the last period never ends. 0: the schedule is never in force.
    pub duration_s: Option<i64>,
    /// Unit of the limits.
    pub unit: Unit,
    /// The periods, by strictly rising start.
    pub periods: Vec<Period>,
}

/// A charging profile. OCPP 1.6 7.8. `minChargingRate` is not here: it never raises a limit (C8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// `chargingProfileId`.
    pub id: i64,
    /// The transaction of a `TxProfile`.
    pub transaction_id: Option<i64>,
    /// The stack level. The profile in force with the highest level leads.
    pub stack_level: i64,
    /// The purpose: what the profile limits.
    pub purpose: Purpose,
    /// The moment that the times of the schedule count from.
    pub kind: Kind,
    /// First second of its validity.
    pub valid_from_s: Option<i64>,
    /// First second after its validity.
    pub valid_to_s: Option<i64>,
    /// The limits over time.
    pub schedule: Schedule,
}

/// A profile, and the connector it was accepted for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installed {
    /// 0: the charge point, or with a `TxDefaultProfile` every connector.
    pub connector_id: u32,
    /// The profile.
    pub profile: Profile,
}

/// A charge point keeps one profile for each of these: the next one that is accepted replaces it. OCPP 1.6 3.13.2
type Place = (u32, Purpose, i64, Option<i64>);

impl Installed {
    /// A `TxProfile` without a transaction is for the one that runs on its connector.
    fn place(&self, running: &[Transaction]) -> Place {
        let Profile { purpose, stack_level, transaction_id, .. } = self.profile;
        let here = || running.iter().find(|transaction| transaction.connector_id == self.connector_id);
        let transaction_id = match purpose {
            Purpose::Tx => transaction_id.or_else(|| here()?.transaction_id),
            Purpose::TxDefault | Purpose::ChargePointMax => None,
        };
        (self.connector_id, purpose, stack_level, transaction_id)
    }
}

/// The profiles of `accepted`, given in the order of acceptance, that a charge point keeps: a later profile removes the
/// one with the same id on any connector (OCPP 1.6 5.16.3), and the one in the same place. The order stays. `running`:
/// the transactions, at most one for each connector.
#[must_use]
pub fn kept(accepted: Vec<Installed>, running: &[Transaction]) -> Vec<Installed> {
    let mut by_id: HashMap<i64, usize> = HashMap::with_capacity(accepted.len());
    let mut by_place: HashMap<Place, usize> = HashMap::with_capacity(accepted.len());
    let mut keeps = vec![true; accepted.len()];
    for (number, installed) in accepted.iter().enumerate() {
        let of_this_id = by_id.insert(installed.profile.id, number);
        let in_this_place = by_place.insert(installed.place(running), number);
        for earlier in of_this_id.into_iter().chain(in_this_place) {
            keeps[earlier] = false;
        }
    }
    accepted.into_iter().zip(keeps).filter_map(|(installed, keep)| keep.then_some(installed)).collect()
}
