//! The input of a composite schedule: profiles, transactions, hardware, and the span of time.

use crate::schedule::limit::{Supply, Tenths, Unit};
use crate::schedule::profile::Installed;

/// A transaction that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// Connector, from 1.
    pub connector_id: u32,
    /// `None`: not known, so that only profiles without a `transactionId` apply.
    pub transaction_id: Option<i64>,
    /// Timestamp of its `StartTransaction`.
    pub start_s: i64,
}

/// Greatest rate of each connector, if it is known. It holds while no profile is in force (C10).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hardware {
    /// Amperes on each of three phases.
    pub ampere: Option<Tenths>,
    /// Watts in total.
    pub watt: Option<Tenths>,
}

impl Hardware {
    /// The rate in one unit, converted from the other if necessary and possible.
    #[must_use]
    pub fn in_unit(self, unit: Unit, supply: Supply) -> Option<Tenths> {
        let (own, other, other_unit) = match unit {
            Unit::Ampere => (self.ampere, self.watt, Unit::Watt),
            Unit::Watt => (self.watt, self.ampere, Unit::Ampere),
        };
        own.or_else(|| supply.convert(other?, other_unit, unit, None))
    }
}

/// Points of the standard that charge points read differently.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// While a `TxProfile` is installed for the transaction, no `TxDefaultProfile` counts, even when the former has no
    /// period in force (C2, the letter of OCPP 1.6 3.13.1).
    pub strict_tx_override: bool,
    /// A recurring schedule also holds before its first `startSchedule` (C4, as `EVerest` does).
    pub recurring_before_anchor: bool,
}

/// The complete input of a composite schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The profiles that the charge point keeps (`profile::kept`).
    pub installed: Vec<Installed>,
    /// The running transactions, at most one for each connector.
    pub transactions: Vec<Transaction>,
    /// Connector, or 0 for what the charge point as a whole draws.
    pub connector_id: u32,
    /// When the schedule starts, in seconds since 1970.
    pub start_s: i64,
    /// The length in seconds, not negative. 0 asks only for the limit at the start (C11).
    pub duration_s: i64,
    /// Unit of the answer.
    pub unit: Unit,
    /// Assume a transaction that starts at `start_s` if none runs.
    pub assume_transaction: bool,
    /// The highest rate of each connector.
    pub hardware: Hardware,
    /// How amperes and watts are converted.
    pub supply: Supply,
    /// Connectors of the charge point, from 1 on.
    pub number_of_connectors: u32,
    /// How to read unclear points of the standard.
    pub options: Options,
}

impl Question {
    /// First second after the span.
    #[must_use]
    pub fn end_s(&self) -> i64 {
        self.start_s + self.duration_s.max(1)
    }

    /// The transaction on a connector, running or assumed.
    #[must_use]
    pub fn transaction(&self, connector_id: u32) -> Option<Transaction> {
        let running = self.transactions.iter().find(|running| running.connector_id == connector_id).copied();
        let assumed = Transaction { connector_id, transaction_id: None, start_s: self.start_s };
        running.or_else(|| self.assume_transaction.then_some(assumed))
    }
}
