//! What charge points send: the kinds of CALLs, and which one comes next.

use crate::template::Template;

const UNIQUE_ID: &str = "00000000-0000-4000-8000-000000000000";

/// A CALL of a charge point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// OCPP 1.6 4.2
    BootNotification,
    /// OCPP 1.6 4.6
    Heartbeat,
    /// OCPP 1.6 4.9
    StatusNotification,
    /// OCPP 1.6 4.1
    Authorize,
    /// OCPP 1.6 4.8
    StartTransaction,
    /// OCPP 1.6 4.7, four sampled values
    MeterValues,
    /// OCPP 1.6 4.10, without transactionData
    StopTransaction,
}

impl Kind {
    /// Whether the response has no fields.
    #[must_use]
    pub const fn answer_is_empty(self) -> bool {
        matches!(self, Self::MeterValues | Self::StatusNotification | Self::StopTransaction)
    }
}

/// What a charge point does during a measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// Heartbeats only.
    Heartbeat,
    /// `StatusNotifications` only.
    StatusNotification,
    /// `MeterValues` in a transaction.
    MeterValues,
    /// `StartTransaction` and `StopTransaction` in turns.
    Transactions,
    /// The day of a charge point, see `DAY`.
    MixedDay,
}

impl Scenario {
    /// All of them, by the names that the command line knows.
    pub const NAMES: [(&str, Self); 5] = [
        ("heartbeat", Self::Heartbeat),
        ("status_notification", Self::StatusNotification),
        ("meter_values", Self::MeterValues),
        ("transactions", Self::Transactions),
        ("mixed_day", Self::MixedDay),
    ];

    /// Find a scenario by its name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, scenario)| *scenario)
    }

    /// The first step of a charge point. Those of a mixed day begin at different hours.
    #[must_use]
    pub const fn first_step(self, charge_point: usize) -> usize {
        match self {
            Self::MixedDay => charge_point * 7 % DAY.len(),
            _ => 0,
        }
    }

    /// Whether a transaction has to run at the beginning; None: it does not matter.
    #[must_use]
    pub const fn wants_transaction(self, step: usize) -> Option<bool> {
        match self {
            Self::MeterValues => Some(true),
            Self::MixedDay => Some(step > DAY_START && step <= DAY_STOP),
            Self::Heartbeat | Self::StatusNotification | Self::Transactions => None,
        }
    }

    /// The CALL of a step. charging: whether a transaction runs.
    #[must_use]
    pub const fn call(self, step: usize, charging: bool) -> Kind {
        match self {
            Self::Heartbeat => Kind::Heartbeat,
            Self::StatusNotification => Kind::StatusNotification,
            Self::MeterValues => Kind::MeterValues,
            Self::Transactions if charging => Kind::StopTransaction,
            Self::Transactions => Kind::StartTransaction,
            Self::MixedDay => DAY[step % DAY.len()],
        }
    }
}

/// One charge and the time around it. Of 32 CALLs 18 are `MeterValues`, 8 Heartbeats, 3 `StatusNotifications`; a
/// transaction has its Authorize, start and stop.
const DAY: [Kind; 32] = [
    Kind::Heartbeat,
    Kind::Heartbeat,
    Kind::StatusNotification,
    Kind::Authorize,
    Kind::StartTransaction,
    Kind::StatusNotification,
    Kind::MeterValues,
    Kind::MeterValues,
    Kind::MeterValues,
    Kind::Heartbeat,
    Kind::MeterValues,
    Kind::MeterValues,
    Kind::MeterValues,
    Kind::Heartbeat,
    Kind::MeterValues,
    Kind::MeterValues,
    Kind::MeterValues,
    Kind::Heartbeat,
    Kind::MeterValues,
    Kind::MeterValues,
    Kind::MeterValues,
    Kind::Heartbeat,
    Kind::MeterValues,
    Kind::MeterValues,
    Kind::MeterValues,
    Kind::Heartbeat,
    Kind::MeterValues,
    Kind::MeterValues,
    Kind::MeterValues,
    Kind::StopTransaction,
    Kind::StatusNotification,
    Kind::Heartbeat,
];
const DAY_START: usize = 4;
const DAY_STOP: usize = 29;

/// The text of each kind of CALL; those of the corpus are the ones that every benchmark measures.
pub struct Templates([(Kind, Template); 7]);

impl Templates {
    /// Prepare the texts.
    #[must_use]
    pub fn new() -> Self {
        let of = |kind, text: &str, changes: &[(&str, &str)]| {
            let mut text = text.trim().to_owned();
            for (old, new) in [(UNIQUE_ID, "{id}")].iter().chain(changes) {
                assert!(text.contains(old), "the corpus' {kind:?} has no {old}");
                text = text.replacen(old, new, 1);
            }
            (kind, Template::new(&text))
        };
        let tag = ("04A1B2C3D4E5F6", "{id_tag}");
        Self([
            of(Kind::BootNotification, include_str!("../../corpus/boot_notification.json"), &[]),
            of(Kind::Heartbeat, include_str!("../../corpus/heartbeat.json"), &[]),
            of(
                Kind::StatusNotification,
                include_str!("../../corpus/status_notification.json"),
                &[("2026-03-01T08:15:30.000Z", "{time}")],
            ),
            of(Kind::Authorize, include_str!("../../corpus/authorize.json"), &[tag]),
            of(
                Kind::StartTransaction,
                include_str!("../../corpus/start_transaction.json"),
                &[tag, ("1204330", "{register}"), ("2026-03-01T08:15:00.000Z", "{time}")],
            ),
            of(
                Kind::MeterValues,
                include_str!("../../corpus/meter_values.json"),
                &[
                    ("100001", "{transaction_id}"),
                    ("1207080", "{register}"),
                    ("2026-03-01T08:30:00.000Z", "{time}"),
                ],
            ),
            // The corpus' one carries a day of transactionData; a pair measures the start and the stop.
            of(Kind::StopTransaction, STOP_TRANSACTION, &[]),
        ])
    }

    /// The text of one kind.
    #[must_use]
    pub const fn of(&self, kind: Kind) -> &Template {
        &self.0[kind as usize].1
    }
}

const STOP_TRANSACTION: &str = concat!(
    r#"[2,"00000000-0000-4000-8000-000000000000","StopTransaction",{"idTag":"{id_tag}","#,
    r#""meterStop":{register},"timestamp":"{time}","transactionId":{transaction_id},"reason":"Local"}]"#
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::Filling;

    #[test]
    fn each_kind_has_its_own_text() {
        let templates = Templates::new();
        let filling =
            Filling { run: 1, number: 2, start_ms: 1_709_280_000_000, transaction_id: 77, id_tag: "TAG" };
        for (index, (kind, template)) in templates.0.iter().enumerate() {
            assert_eq!(*kind as usize, index);
            let mut text = Vec::new();
            template.write(&filling, &mut text);
            let call: (u8, String, String, serde_json::Value) = serde_json::from_slice(&text).unwrap();
            assert_eq!((call.0, call.2), (2, format!("{kind:?}")));
            if *kind == Kind::MeterValues {
                assert_eq!(call.3["transactionId"], 77);
                assert_eq!(call.3["meterValue"][0]["sampledValue"].as_array().unwrap().len(), 4);
                assert_eq!(call.3["meterValue"][0]["sampledValue"][0]["value"], "1000002");
                assert_eq!(call.3["meterValue"][0]["timestamp"], "2024-03-01T08:00:00.002Z");
            }
        }
    }

    #[test]
    fn a_day_starts_and_stops_one_transaction_where_it_says() {
        let at = |wanted| DAY.iter().position(|kind| *kind == wanted);
        assert_eq!(at(Kind::StartTransaction), Some(DAY_START));
        assert_eq!(at(Kind::StopTransaction), Some(DAY_STOP));
        for (step, kind) in DAY.iter().enumerate() {
            if *kind == Kind::MeterValues {
                assert_eq!(Scenario::MixedDay.wants_transaction(step), Some(true));
            }
        }
        assert_eq!(Scenario::MixedDay.wants_transaction(DAY_START), Some(false));
        assert_eq!(DAY.iter().filter(|kind| **kind == Kind::MeterValues).count(), 18);
    }

    #[test]
    fn names_are_found() {
        assert_eq!(Scenario::of_name("mixed_day"), Some(Scenario::MixedDay));
        assert_eq!(Scenario::of_name("nothing"), None);
    }
}
