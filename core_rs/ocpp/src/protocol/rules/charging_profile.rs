//! Rules across the fields of a charging profile. OCPP 1.6 3.13, 7.8 to 7.14

use super::{Check, ROOT, integer, member_is};
use crate::protocol::moment;
use crate::protocol::value::Value;
use crate::protocol::violation::Path;

/// The charging profile of a request and its member name.
fn profile<'v>(payload: &'v Value<'_>) -> Option<(&'static str, &'v Value<'v>)> {
    ["csChargingProfiles", "chargingProfile"]
        .into_iter()
        .find_map(|name| payload.get(name).map(|profile| (name, profile)))
}

/// The periods of a profile's schedule.
fn periods<'v>(profile: &'v Value<'_>) -> &'v [Value<'v>] {
    let periods = profile.get("chargingSchedule").and_then(|schedule| schedule.get("chargingSchedulePeriod"));
    match periods {
        Some(Value::Array(periods)) => periods,
        _ => &[],
    }
}

fn period_starts(profile: &Value<'_>) -> Vec<i64> {
    periods(profile).iter().filter_map(|period| integer(period, "startPeriod")).collect()
}

/// OCPP 1.6 errata 3.45
pub(super) fn first_period_starts_at_zero(check: &mut Check<'_, '_>) {
    let Some((name, profile)) = profile(check.payload) else { return };
    if period_starts(profile).first().is_some_and(|start| *start != 0) {
        let profile = ROOT.name(name);
        let schedule = profile.name("chargingSchedule");
        let periods = schedule.name("chargingSchedulePeriod");
        let first = periods.index(0);
        check.broken(&first.name("startPeriod"), "the first period must start at 0 seconds");
    }
}

/// OCPP 1.6 7.14
pub(super) fn periods_strictly_increase(check: &mut Check<'_, '_>) {
    let Some((name, profile)) = profile(check.payload) else { return };
    let starts = period_starts(profile);
    for (place, pair) in starts.windows(2).enumerate() {
        if pair[1] <= pair[0] {
            let profile = ROOT.name(name);
            let schedule = profile.name("chargingSchedule");
            let periods = schedule.name("chargingSchedulePeriod");
            let period = periods.index(place + 1);
            check.broken(&period.name("startPeriod"), "each period must start after the one before it");
        }
    }
}

/// OCPP 1.6 3.13.1
pub(super) fn charge_point_max_on_connector_zero(check: &mut Check<'_, '_>) {
    let Some((_, profile)) = profile(check.payload) else { return };
    let is_max = member_is(profile, "chargingProfilePurpose", "ChargePointMaxProfile");
    if is_max && integer(check.payload, "connectorId") != Some(0) {
        check.broken(&ROOT.name("connectorId"), "a ChargePointMaxProfile needs connector 0");
    }
}

/// OCPP 1.6 3.13.1, errata 3.53
pub(super) fn tx_profile_needs_connector(check: &mut Check<'_, '_>) {
    let Some((_, profile)) = profile(check.payload) else { return };
    let is_tx = member_is(profile, "chargingProfilePurpose", "TxProfile");
    if is_tx && integer(check.payload, "connectorId").is_none_or(|connector| connector < 1) {
        check.broken(&ROOT.name("connectorId"), "a TxProfile needs a connector above 0");
    }
}

/// OCPP 1.6 7.8
pub(super) fn transaction_id_needs_tx_profile(check: &mut Check<'_, '_>) {
    let Some((name, profile)) = profile(check.payload) else { return };
    let is_tx = member_is(profile, "chargingProfilePurpose", "TxProfile");
    if !is_tx && profile.get("transactionId").is_some_and(|id| !matches!(id, Value::Null)) {
        check.broken(&ROOT.name(name).name("transactionId"), "only a TxProfile has a transactionId");
    }
}

/// OCPP 1.6 7.8, errata 3.56
pub(super) fn recurring_needs_kind_and_start(check: &mut Check<'_, '_>) {
    let Some((name, profile)) = profile(check.payload) else { return };
    if !member_is(profile, "chargingProfileKind", "Recurring") {
        return;
    }
    let path = ROOT.name(name);
    if profile.get("recurrencyKind").is_none() {
        check.broken(&path.name("recurrencyKind"), "a recurring profile needs its recurrency kind");
    }
    require_start_schedule(check, profile, &path);
}

/// OCPP 1.6 7.13
pub(super) fn absolute_needs_start(check: &mut Check<'_, '_>) {
    let Some((name, profile)) = profile(check.payload) else { return };
    if member_is(profile, "chargingProfileKind", "Absolute") {
        require_start_schedule(check, profile, &ROOT.name(name));
    }
}

fn require_start_schedule(check: &mut Check<'_, '_>, profile: &Value<'_>, path: &Path<'_>) {
    let schedule = profile.get("chargingSchedule");
    if schedule.is_some_and(|schedule| schedule.get("startSchedule").is_none()) {
        let schedule = path.name("chargingSchedule");
        check.broken(
            &schedule.name("startSchedule"),
            "a profile of this kind needs the start of its schedule",
        );
    }
}

/// OCPP 1.6 5.11, errata 3.41
pub(super) fn remote_start_profile_is_tx_profile_without_transaction(check: &mut Check<'_, '_>) {
    let Some((name, profile)) = profile(check.payload) else { return };
    let path = ROOT.name(name);
    if !member_is(profile, "chargingProfilePurpose", "TxProfile") {
        check.broken(
            &path.name("chargingProfilePurpose"),
            "the profile of a remote start must be a TxProfile",
        );
    }
    if profile.get("transactionId").is_some() {
        check.broken(
            &path.name("transactionId"),
            "a remote start must not name a transaction: it has no id yet",
        );
    }
}

/// OCPP 1.6 7.9, errata 3.56: the charge point chooses when its times begin.
pub(super) fn relative_omits_start(check: &mut Check<'_, '_>) {
    let Some((name, profile)) = profile(check.payload) else { return };
    let schedule = profile.get("chargingSchedule");
    let has_start = schedule.is_some_and(|schedule| schedule.get("startSchedule").is_some());
    if member_is(profile, "chargingProfileKind", "Relative") && has_start {
        let profile = ROOT.name(name);
        let schedule = profile.name("chargingSchedule");
        check.broken(&schedule.name("startSchedule"), "a relative profile must not have a start");
    }
}

/// A cap of the charge point does not belong to a transaction, so its times would have no beginning.
pub(super) fn charge_point_max_is_not_relative(check: &mut Check<'_, '_>) {
    let Some((name, profile)) = profile(check.payload) else { return };
    let is_max = member_is(profile, "chargingProfilePurpose", "ChargePointMaxProfile");
    if is_max && member_is(profile, "chargingProfileKind", "Relative") {
        let path = ROOT.name(name);
        check.broken(&path.name("chargingProfileKind"), "a ChargePointMaxProfile cannot be relative");
    }
}

/// OCPP 1.6 7.13, 7.14
pub(super) fn rates_are_not_negative(check: &mut Check<'_, '_>) {
    let Some((name, profile)) = profile(check.payload) else { return };
    let path = ROOT.name(name);
    let path = path.name("chargingSchedule");
    let is_negative = |holder: &Value<'_>, name: &str| match holder.get(name) {
        Some(Value::Number(text)) => text.parse::<f64>().is_ok_and(|rate| rate < 0.0),
        _ => false,
    };
    if profile.get("chargingSchedule").is_some_and(|schedule| is_negative(schedule, "minChargingRate")) {
        check.broken(&path.name("minChargingRate"), "a rate must be 0 or more");
    }
    let path = path.name("chargingSchedulePeriod");
    for (place, period) in periods(profile).iter().enumerate() {
        if is_negative(period, "limit") {
            check.broken(&path.index(place).name("limit"), "a limit must be 0 or more");
        }
    }
}

/// OCPP 1.6 7.13
pub(super) fn duration_is_not_negative(check: &mut Check<'_, '_>) {
    let Some((name, profile)) = profile(check.payload) else { return };
    let duration_s = profile.get("chargingSchedule").and_then(|schedule| integer(schedule, "duration"));
    if duration_s.is_some_and(|duration_s| duration_s < 0) {
        let profile = ROOT.name(name);
        let schedule = profile.name("chargingSchedule");
        check.broken(&schedule.name("duration"), "a duration must be 0 seconds or more");
    }
}

/// OCPP 1.6 7.14
pub(super) fn number_phases_is_one_to_three(check: &mut Check<'_, '_>) {
    let Some((name, profile)) = profile(check.payload) else { return };
    let path = ROOT.name(name);
    let path = path.name("chargingSchedule");
    let path = path.name("chargingSchedulePeriod");
    for (place, period) in periods(profile).iter().enumerate() {
        if integer(period, "numberPhases").is_some_and(|phases| !(1..=3).contains(&phases)) {
            check.broken(&path.index(place).name("numberPhases"), "the number of phases must be 1, 2 or 3");
        }
    }
}

/// OCPP 1.6 7.8
pub(super) fn valid_to_is_after_valid_from(check: &mut Check<'_, '_>) {
    let Some((name, profile)) = profile(check.payload) else { return };
    let moment_s = |name: &str| profile.get(name).and_then(Value::as_str).and_then(moment::parse);
    if let (Some(from_s), Some(to_s)) = (moment_s("validFrom"), moment_s("validTo"))
        && to_s <= from_s
    {
        let path = ROOT.name(name);
        check.broken(&path.name("validTo"), "validTo must be after validFrom");
    }
}
