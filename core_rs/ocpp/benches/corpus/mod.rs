//! The frames that every benchmark of this project measures: `benchmarks/corpus/*.json`, one frame each.

/// Name and text of each frame.
pub const FRAMES: [(&str, &str); 7] = [
    ("authorize", include_str!("../../../../benchmarks/corpus/authorize.json")),
    ("boot_notification", include_str!("../../../../benchmarks/corpus/boot_notification.json")),
    ("heartbeat", include_str!("../../../../benchmarks/corpus/heartbeat.json")),
    ("meter_values", include_str!("../../../../benchmarks/corpus/meter_values.json")),
    ("start_transaction", include_str!("../../../../benchmarks/corpus/start_transaction.json")),
    ("status_notification", include_str!("../../../../benchmarks/corpus/status_notification.json")),
    ("stop_transaction", include_str!("../../../../benchmarks/corpus/stop_transaction.json")),
];
