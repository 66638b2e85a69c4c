//! Rules across the fields of one request, judged strictly on what the central system sends.
//!
//! The definition names the rules of each message. Rules that need the state of a charge point (its limits, its
//! transactions) are not here.

mod charging_profile;

use crate::protocol::error_table::ErrorCode;
use crate::protocol::value::Value;
use crate::protocol::violation::{Path, Violation};

/// A rule across fields.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Name in the definition.
    pub name: &'static str,
    check: fn(&mut Check<'_, '_>),
}

const RULES: &[Rule] = &[
    Rule { name: "first_period_starts_at_zero", check: charging_profile::first_period_starts_at_zero },
    Rule { name: "periods_strictly_increase", check: charging_profile::periods_strictly_increase },
    Rule {
        name: "charge_point_max_on_connector_zero",
        check: charging_profile::charge_point_max_on_connector_zero,
    },
    Rule { name: "tx_profile_needs_connector", check: charging_profile::tx_profile_needs_connector },
    Rule {
        name: "transaction_id_needs_tx_profile",
        check: charging_profile::transaction_id_needs_tx_profile,
    },
    Rule { name: "recurring_needs_kind_and_start", check: charging_profile::recurring_needs_kind_and_start },
    Rule { name: "absolute_needs_start", check: charging_profile::absolute_needs_start },
    Rule { name: "relative_omits_start", check: charging_profile::relative_omits_start },
    Rule {
        name: "charge_point_max_is_not_relative",
        check: charging_profile::charge_point_max_is_not_relative,
    },
    Rule { name: "rates_are_not_negative", check: charging_profile::rates_are_not_negative },
    Rule { name: "duration_is_not_negative", check: charging_profile::duration_is_not_negative },
    Rule { name: "number_phases_is_one_to_three", check: charging_profile::number_phases_is_one_to_three },
    Rule { name: "valid_to_is_after_valid_from", check: charging_profile::valid_to_is_after_valid_from },
    Rule {
        name: "remote_start_profile_is_tx_profile_without_transaction",
        check: charging_profile::remote_start_profile_is_tx_profile_without_transaction,
    },
    Rule { name: "full_list_entries_need_id_tag_info", check: full_list_entries_need_id_tag_info },
    Rule { name: "id_tags_are_unique", check: id_tags_are_unique },
    Rule { name: "list_version_is_positive", check: list_version_is_positive },
];

impl Rule {
    /// The rule of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        RULES.iter().find(|rule| rule.name == name).copied()
    }

    /// Find what breaks the rule in a payload that `validate` has accepted.
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

fn member_is(value: &Value<'_>, name: &str, wanted: &str) -> bool {
    value.get(name).and_then(Value::as_str) == Some(wanted)
}

fn integer(value: &Value<'_>, name: &str) -> Option<i64> {
    match value.get(name) {
        Some(Value::Integer(number)) => Some(*number),
        _ => None,
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
            check.broken(&entry.name("idTag"), "duplicate idTag");
        }
    }
}

/// OCPP 1.6 errata 3.52
fn list_version_is_positive(check: &mut Check<'_, '_>) {
    if integer(check.payload, "listVersion").is_some_and(|version| version < 1) {
        check.broken(&ROOT.name("listVersion"), "must be 1 or more: 0 and -1 have special meanings");
    }
}
