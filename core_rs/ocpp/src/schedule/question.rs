//! The input of a composite schedule: profiles, transactions, hardware, and the span of time.

use crate::schedule::limit::{Supply, Tenths, Unit};
use crate::schedule::profile::Installed;
use crate::schedule::timeline::Segment;

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

/// Greatest rate of each connector, as far as it is known. No limit is above it (C10).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hardware {
    /// Amperes on each of three phases.
    pub ampere: Option<Tenths>,
    /// Watts in total.
    pub watt: Option<Tenths>,
}

impl Hardware {
    /// The lower one of both rates in one unit. A rate of the other unit is left out if it cannot be converted.
    #[must_use]
    pub fn in_unit(self, unit: Unit, supply: Supply, number_phases: Option<u8>) -> Option<Tenths> {
        let rates = [(self.ampere, Unit::Ampere), (self.watt, Unit::Watt)];
        let converted = rates.map(|(rate, own)| supply.convert(rate?, own, unit, number_phases));
        converted.into_iter().flatten().min()
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
    /// What a segment allows, in the unit of the answer. `number_phases`: what all limits at that moment leave.
    pub(crate) fn amount(&self, segment: &Segment, number_phases: Option<u8>) -> Tenths {
        let found = self.supply.convert(segment.limit, segment.unit, self.unit, number_phases);
        found.expect("a segment that cannot be converted is refused when it is laid out")
    }

    /// The rate of the hardware of a connector, in the unit of the answer.
    pub(crate) fn rate(&self, number_phases: Option<u8>) -> Option<Tenths> {
        self.hardware.in_unit(self.unit, self.supply, number_phases)
    }

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
