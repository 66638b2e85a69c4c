//! Rules across the fields of one request, judged strictly on what the central system sends.
//!
//! The definition names them per message; here they are. Rules that need the state of a charge point
//! (its limits, its transactions) are not here.

use crate::value::Value;
use crate::violation::{ErrorCode, Path, Violation};

/// A rule across fields.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Name in the definition.
    pub name: &'static str,
    check: fn(&mut Check<'_, '_>),
}

const RULES: &[Rule] = &[
    Rule { name: "first_period_starts_at_zero", check: first_period_starts_at_zero },
    Rule { name: "periods_strictly_increase", check: periods_strictly_increase },
    Rule { name: "charge_point_max_on_connector_zero", check: charge_point_max_on_connector_zero },
    Rule { name: "tx_profile_needs_connector", check: tx_profile_needs_connector },
    Rule { name: "recurring_needs_kind_and_start", check: recurring_needs_kind_and_start },
    Rule { name: "absolute_needs_start", check: absolute_needs_start },
    Rule {
        name: "remote_start_profile_is_tx_profile_without_transaction",
        check: remote_start_profile_is_tx_profile_without_transaction,
    },
    Rule { name: "full_list_entries_need_id_tag_info", check: full_list_entries_need_id_tag_info },
    Rule { name: "id_tags_are_unique", check: id_tags_are_unique },
    Rule { name: "list_version_is_positive", check: list_version_is_positive },
];

impl Rule {
    /// The rule of that name.
    ///
    /// # Panics
    /// When the definition names a rule that is not here; a test loads every definition.
    #[must_use]
    pub fn named(name: &str) -> Self {
        *RULES.iter().find(|rule| rule.name == name).unwrap_or_else(|| panic!("no rule is named {name}"))
    }

    /// What breaks the rule in a payload that `validate` has passed.
    #[must_use]
    pub fn broken_by(self, payload: &Value<'_>) -> Vec<Violation> {
        let mut check = Check { rule: self, payload, violations: Vec::new() };
        (self.check)(&mut check);
        check.violations
    }
}

struct Check<'v, 'a> {
    rule: Rule,
    payload: &'v Value<'a>,
    violations: Vec<Violation>,
}

impl Check<'_, '_> {
    fn broken(&mut self, path: &Path<'_>, detail: &str) {
        self.violations.push(Violation {
            code: ErrorCode::PropertyConstraintViolation,
            pointer: path.pointer(),
            reason: self.rule.name,
            detail: detail.to_owned(),
        });
    }
}

const ROOT: Path<'static> = Path::ROOT;

/// The charging profile of a request and its member name.
fn profile<'v>(payload: &'v Value<'_>) -> Option<(&'static str, &'v Value<'v>)> {
    ["csChargingProfiles", "chargingProfile"]
        .into_iter()
        .find_map(|name| payload.get(name).map(|profile| (name, profile)))
}

fn member_is(value: &Value<'_>, name: &str, wanted: &str) -> bool {
    value.get(name).and_then(Value::as_str) == Some(wanted)
}

fn integer(value: &Value<'_>, name: &str) -> Option<i64> {
    match value.get(name) {
        Some(Value::Integer(number)) => Some(*number),
        _ => None,
    }
}

fn period_starts(profile: &Value<'_>) -> Vec<i64> {
    let periods = profile.get("chargingSchedule").and_then(|schedule| schedule.get("chargingSchedulePeriod"));
    match periods {
        Some(Value::Array(periods)) => {
            periods.iter().filter_map(|period| integer(period, "startPeriod")).collect()
        }
        _ => Vec::new(),
    }
}

/// OCPP 1.6 errata 3.45
fn first_period_starts_at_zero(check: &mut Check<'_, '_>) {
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
fn periods_strictly_increase(check: &mut Check<'_, '_>) {
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
fn charge_point_max_on_connector_zero(check: &mut Check<'_, '_>) {
    let Some((_, profile)) = profile(check.payload) else { return };
    let is_max = member_is(profile, "chargingProfilePurpose", "ChargePointMaxProfile");
    if is_max && integer(check.payload, "connectorId") != Some(0) {
        check.broken(&ROOT.name("connectorId"), "a ChargePointMaxProfile belongs to connector 0");
    }
}

/// OCPP 1.6 3.13.1, errata 3.53
fn tx_profile_needs_connector(check: &mut Check<'_, '_>) {
    let Some((_, profile)) = profile(check.payload) else { return };
    let is_tx = member_is(profile, "chargingProfilePurpose", "TxProfile");
    if is_tx && integer(check.payload, "connectorId").is_none_or(|connector| connector < 1) {
        check.broken(&ROOT.name("connectorId"), "a TxProfile belongs to a connector above 0");
    }
}

/// OCPP 1.6 7.8, errata 3.56
fn recurring_needs_kind_and_start(check: &mut Check<'_, '_>) {
    let Some((name, profile)) = profile(check.payload) else { return };
    if !member_is(profile, "chargingProfileKind", "Recurring") {
        return;
    }
    let path = ROOT.name(name);
    if profile.get("recurrencyKind").is_none() {
        check.broken(&path.name("recurrencyKind"), "a recurring profile needs its recurrency kind");
    }
    start_schedule_is_due(check, profile, &path);
}

/// OCPP 1.6 7.13
fn absolute_needs_start(check: &mut Check<'_, '_>) {
    let Some((name, profile)) = profile(check.payload) else { return };
    if member_is(profile, "chargingProfileKind", "Absolute") {
        start_schedule_is_due(check, profile, &ROOT.name(name));
    }
}

fn start_schedule_is_due(check: &mut Check<'_, '_>, profile: &Value<'_>, path: &Path<'_>) {
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
fn remote_start_profile_is_tx_profile_without_transaction(check: &mut Check<'_, '_>) {
    let Some((name, profile)) = profile(check.payload) else { return };
    let path = ROOT.name(name);
    if !member_is(profile, "chargingProfilePurpose", "TxProfile") {
        check.broken(&path.name("chargingProfilePurpose"), "the profile of a remote start is a TxProfile");
    }
    if profile.get("transactionId").is_some() {
        check.broken(&path.name("transactionId"), "the transaction of a remote start has no id yet");
    }
}

fn list_entries<'v>(payload: &'v Value<'_>) -> &'v [Value<'v>] {
    match payload.get("localAuthorizationList") {
        Some(Value::Array(entries)) => entries,
        _ => &[],
    }
}

/// OCPP 1.6 5.15
fn full_list_entries_need_id_tag_info(check: &mut Check<'_, '_>) {
    if !member_is(check.payload, "updateType", "Full") {
        return;
    }
    for (place, entry) in list_entries(check.payload).iter().enumerate() {
        if entry.get("idTagInfo").is_none() {
            let list = ROOT.name("localAuthorizationList");
            let entry = list.index(place);
            check.broken(&entry.name("idTagInfo"), "each entry of a full list needs its idTagInfo");
        }
    }
}

/// OCPP 1.6 5.15
fn id_tags_are_unique(check: &mut Check<'_, '_>) {
    let mut seen = std::collections::HashSet::new();
    for (place, entry) in list_entries(check.payload).iter().enumerate() {
        let Some(id_tag) = entry.get("idTag").and_then(Value::as_str) else { continue };
        if !seen.insert(id_tag.to_lowercase()) {
            let list = ROOT.name("localAuthorizationList");
            let entry = list.index(place);
            check.broken(&entry.name("idTag"), "an idTag stands twice in the list");
        }
    }
}

/// OCPP 1.6 errata 3.52
fn list_version_is_positive(check: &mut Check<'_, '_>) {
    if integer(check.payload, "listVersion").is_some_and(|version| version < 1) {
        check.broken(&ROOT.name("listVersion"), "0 and -1 have meanings of their own; send 1 or more");
    }
}
