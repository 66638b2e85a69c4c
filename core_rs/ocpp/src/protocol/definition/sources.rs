//! The texts of the definition files, and those that the core carries.

/// The text of every definition file.
#[derive(Debug, Clone, Copy)]
pub struct Sources<'a> {
    /// The version, e.g. `1.6`.
    pub version: &'a str,
    /// One file per feature profile, in the order of the standard.
    pub profiles: &'a [&'a str],
    /// Named types.
    pub types: &'a str,
    /// Error codes.
    pub errors: &'a str,
    /// Configuration keys.
    pub configuration_keys: &'a str,
    /// The documents that are cited; empty: references are not resolved.
    pub documents: &'a str,
    /// The known security events.
    pub security_events: &'a str,
}

impl Sources<'static> {
    /// OCPP 1.6 edition 2 with its errata, and the security whitepaper edition 3.
    pub(in crate::protocol) const V16: Self = Sources {
        version: "1.6",
        profiles: &[
            include_str!("../../../definitions/v16/core.toml"),
            include_str!("../../../definitions/v16/firmware.toml"),
            include_str!("../../../definitions/v16/local_auth.toml"),
            include_str!("../../../definitions/v16/remote_trigger.toml"),
            include_str!("../../../definitions/v16/reservation.toml"),
            include_str!("../../../definitions/v16/smart_charging.toml"),
            include_str!("../../../definitions/v16/security.toml"),
        ],
        types: include_str!("../../../definitions/v16/types.toml"),
        errors: include_str!("../../../definitions/v16/errors.toml"),
        configuration_keys: include_str!("../../../definitions/v16/config_keys.toml"),
        documents: include_str!("../../../definitions/v16/documents.toml"),
        security_events: include_str!("../../../definitions/v16/security_events.toml"),
    };

    /// OCPP 2.0.1: its messages and types, from its JSON schemas.
    pub(in crate::protocol) const V201: Self = Sources {
        version: "2.0.1",
        profiles: &[
            include_str!("../../../definitions/v201/security.toml"),
            include_str!("../../../definitions/v201/provisioning.toml"),
            include_str!("../../../definitions/v201/authorization.toml"),
            include_str!("../../../definitions/v201/local_auth.toml"),
            include_str!("../../../definitions/v201/transactions.toml"),
            include_str!("../../../definitions/v201/remote_control.toml"),
            include_str!("../../../definitions/v201/availability.toml"),
            include_str!("../../../definitions/v201/reservation.toml"),
            include_str!("../../../definitions/v201/tariff_and_cost.toml"),
            include_str!("../../../definitions/v201/metering.toml"),
            include_str!("../../../definitions/v201/smart_charging.toml"),
            include_str!("../../../definitions/v201/firmware.toml"),
            include_str!("../../../definitions/v201/iso15118.toml"),
            include_str!("../../../definitions/v201/diagnostics.toml"),
            include_str!("../../../definitions/v201/display_messages.toml"),
            include_str!("../../../definitions/v201/data_transfer.toml"),
        ],
        types: include_str!("../../../definitions/v201/types.toml"),
        errors: include_str!("../../../definitions/v201/errors.toml"),
        configuration_keys: "",
        documents: include_str!("../../../definitions/v201/documents.toml"),
        security_events: include_str!("../../../definitions/v201/security_events.toml"),
    };

    /// OCPP 2.1: its messages and types, from its JSON schemas.
    pub(in crate::protocol) const V21: Self = Sources {
        version: "2.1",
        profiles: &[
            include_str!("../../../definitions/v21/security.toml"),
            include_str!("../../../definitions/v21/provisioning.toml"),
            include_str!("../../../definitions/v21/authorization.toml"),
            include_str!("../../../definitions/v21/local_auth.toml"),
            include_str!("../../../definitions/v21/transactions.toml"),
            include_str!("../../../definitions/v21/remote_control.toml"),
            include_str!("../../../definitions/v21/availability.toml"),
            include_str!("../../../definitions/v21/reservation.toml"),
            include_str!("../../../definitions/v21/tariff_and_cost.toml"),
            include_str!("../../../definitions/v21/metering.toml"),
            include_str!("../../../definitions/v21/smart_charging.toml"),
            include_str!("../../../definitions/v21/firmware.toml"),
            include_str!("../../../definitions/v21/iso15118.toml"),
            include_str!("../../../definitions/v21/diagnostics.toml"),
            include_str!("../../../definitions/v21/display_messages.toml"),
            include_str!("../../../definitions/v21/data_transfer.toml"),
            include_str!("../../../definitions/v21/bidirectional.toml"),
            include_str!("../../../definitions/v21/der_control.toml"),
            include_str!("../../../definitions/v21/battery_swapping.toml"),
        ],
        types: include_str!("../../../definitions/v21/types.toml"),
        errors: include_str!("../../../definitions/v21/errors.toml"),
        configuration_keys: "",
        documents: include_str!("../../../definitions/v21/documents.toml"),
        security_events: include_str!("../../../definitions/v21/security_events.toml"),
    };
}
