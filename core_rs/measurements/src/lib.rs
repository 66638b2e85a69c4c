//! The frames that every benchmark of this project measures: `benchmarks/corpus/*.json`, one frame each.

use ocpp_core::link::{Options, Role};
use ocpp_core::protocol::Protocol;
use ocpp_core::protocol::validate::Mode;

/// Name and text of each frame.
pub const FRAMES: [(&str, &str); 7] = [
    ("authorize", include_str!("../../../benchmarks/corpus/authorize.json")),
    ("boot_notification", include_str!("../../../benchmarks/corpus/boot_notification.json")),
    ("heartbeat", include_str!("../../../benchmarks/corpus/heartbeat.json")),
    ("meter_values", include_str!("../../../benchmarks/corpus/meter_values.json")),
    ("start_transaction", include_str!("../../../benchmarks/corpus/start_transaction.json")),
    ("status_notification", include_str!("../../../benchmarks/corpus/status_notification.json")),
    ("stop_transaction", include_str!("../../../benchmarks/corpus/stop_transaction.json")),
];

/// The link of a server.
#[must_use]
pub fn options(protocol: &'static Protocol) -> Options {
    Options {
        protocol,
        role: Role::CentralSystem,
        mode: Mode::Tolerant,
        limits: protocol.limits(),
        queue_limit: 50,
        raw_sampled_values: false,
    }
}

/// The payload of a plain answer.
#[must_use]
pub fn answer(frame: &str) -> &'static str {
    match frame {
        "authorize" => r#"{"idTagInfo":{"status":"Accepted"}}"#,
        "boot_notification" => {
            r#"{"status":"Accepted","currentTime":"2026-03-01T08:00:00.000Z","interval":300}"#
        }
        "heartbeat" => r#"{"currentTime":"2026-03-01T08:00:00.000Z"}"#,
        "start_transaction" => r#"{"transactionId":100001,"idTagInfo":{"status":"Accepted"}}"#,
        _ => "{}",
    }
}

/// The frame under ids that no two answers in memory share: more of them than a link remembers.
#[must_use]
pub fn under_other_ids(text: &str) -> Vec<String> {
    /// The id in each frame of the corpus. It is replaced by ids of the same length.
    const ID: &str = "00000000-0000-4000-8000-000000000000";
    (1..=8).map(|number| text.replacen(ID, &format!("00000000-0000-4000-8000-{number:012}"), 1)).collect()
}
