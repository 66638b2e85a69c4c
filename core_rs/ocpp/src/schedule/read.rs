//! Reads a question from JSON, judges it by the rules of the standard, and bounds the work that it asks for.
//!
//! Profiles are judged as the `SetChargingProfile` that would install them: by the definition, and by the rules
//! across fields. Rules that depend on a charge point's state or abilities are not checked.

use std::collections::HashSet;

use crate::frame::json::Reader;
use crate::protocol::error_table::ErrorCode;
use crate::protocol::value::Value;
use crate::protocol::violation::{Path, Violation};
use crate::protocol::{Limits, Protocol};
use crate::schedule::form::{Findings, Form};
use crate::schedule::limit::{Supply, Unit};
use crate::schedule::profile::{Installed, kept};
use crate::schedule::question::{Hardware, Options, Question, Transaction};
use crate::schedule::read_profile;
use crate::schedule::timeline::most_segments;

/// Longest span, a leap year.
pub const LONGEST_S: i64 = 366 * 86_400;
/// Most profiles of one question.
pub const MOST_PROFILES: usize = 2_000;
/// Most connectors of a charge point.
pub const MOST_CONNECTORS: i64 = 100;
/// Most stretches of all profiles in the span, on all connectors of the question: the measure of the work.
pub const MOST_SEGMENTS: u64 = 200_000;
/// Arrays are counted here and not by the reader, so that the violation names the array.
const LIMITS: Limits = Limits { bytes: usize::MAX, depth: 16, items: usize::MAX, members: 64 };

const MEMBERS: [&str; 12] = [
    "installed",
    "transactions",
    "connectorId",
    "scheduleStart",
    "duration",
    "chargingRateUnit",
    "assumeTransaction",
    "hardwareMax",
    "currentType",
    "nominalVoltage",
    "numberOfConnectors",
    "options",
];

/// Read a question.
///
/// # Errors
/// Each broken rule with its JSON pointer; `not_json` alone when the text is not JSON.
pub fn question(protocol: &'static Protocol, text: &str) -> Result<Question, Vec<Violation>> {
    let mut reader = Reader::new(text, LIMITS, false);
    let mut value = match reader.value() {
        Ok(value) if reader.peek().is_none() => value,
        Ok(_) => return Err(not_json("unexpected text after the value".to_owned())),
        Err(error) => return Err(not_json(format!("{} at byte {}", error.fault, error.offset))),
    };
    let mut findings = Findings::default();
    let question = read(protocol, &mut value, &mut findings);
    question.filter(|_| findings.is_empty()).ok_or_else(|| findings.into_violations())
}

fn not_json(detail: String) -> Vec<Violation> {
    let code = ErrorCode::FormationViolation;
    vec![Violation { code, pointer: String::new(), reason: "not_json", detail }]
}

fn read(protocol: &'static Protocol, value: &mut Value<'_>, findings: &mut Findings) -> Option<Question> {
    let (installed_at, installed): (Vec<_>, Vec<_>) = accepted(protocol, value, findings).into_iter().unzip();
    let form = Form::new(value, &Path::ROOT, &MEMBERS, findings)?;
    for name in ["installed", "connectorId", "scheduleStart", "duration"] {
        form.require(name, findings);
    }
    let (transactions_at, transactions): (Vec<_>, Vec<_>) = transactions(&form, findings).into_iter().unzip();
    let connector_id = form.integer("connectorId", 0..=MOST_CONNECTORS, findings);
    let start_s = form.moment("scheduleStart", findings);
    let duration_s = form.integer("duration", 0..=LONGEST_S, findings);
    let supply = supply(&form, findings);
    let unit = form.word("chargingRateUnit", &["A", "W"], findings).and_then(Unit::named);
    let hardware = hardware(&form, findings);
    let options = options(&form, findings);
    let assume_transaction = form.boolean("assumeTransaction", findings);
    let named = installed.iter().map(|installed| installed.connector_id);
    let named = named.chain(transactions.iter().map(|transaction| transaction.connector_id));
    let number_of_connectors = match form.get("numberOfConnectors") {
        Some(_) => form.integer("numberOfConnectors", 1..=MOST_CONNECTORS, findings)?,
        // Connector 0 is the sum over all connectors. For another one their number does not matter.
        None if connector_id? == 0 => i64::from(named.max().unwrap_or(0)).clamp(1, MOST_CONNECTORS),
        None => i64::from(named.max().unwrap_or(0)).max(connector_id?),
    };
    let question = Question {
        transactions,
        connector_id: u32::try_from(connector_id?).ok()?,
        start_s: start_s?,
        duration_s: duration_s?,
        unit: unit.unwrap_or(if supply? == Supply::Direct { Unit::Watt } else { Unit::Ampere }),
        assume_transaction,
        hardware: hardware?,
        supply: supply?,
        number_of_connectors: u32::try_from(number_of_connectors).ok()?,
        options: options?,
        installed,
    };
    check_connectors(&question, &installed_at, &transactions_at, findings);
    check_direct_current(&question, &installed_at, findings);
    check_work(&question, findings);
    Some(Question { installed: kept(question.installed, &question.transactions), ..question })
}

/// The profiles in the order of acceptance, each with its place in the list, without broken ones. They are taken out
/// of the value, because they are judged in place.
fn accepted(
    protocol: &'static Protocol,
    value: &mut Value<'_>,
    findings: &mut Findings,
) -> Vec<(usize, Installed)> {
    let Value::Object(members) = value else { return Vec::new() };
    let Some((_, list)) = members.iter_mut().find(|(key, _)| key.as_str() == "installed") else {
        return Vec::new();
    };
    let path = Path::ROOT.name("installed");
    match list {
        Value::Array(items) if items.len() > MOST_PROFILES => {
            too_many(&path, MOST_PROFILES, findings);
            Vec::new()
        }
        Value::Array(items) => {
            let mut found = Vec::with_capacity(items.len());
            for (place, item) in items.iter_mut().enumerate() {
                let installed = read_profile::installed(protocol, item, &path.index(place), findings);
                found.extend(installed.map(|installed| (place, installed)));
            }
            found
        }
        Value::Null => Vec::new(),
        _ => {
            findings.wrong_type(&path, "an array");
            Vec::new()
        }
    }
}

pub(crate) fn too_many(path: &Path<'_>, most: usize, findings: &mut Findings) {
    let detail = format!("expected at most {most} items");
    findings.add(ErrorCode::OccurenceConstraintViolation, path, "too_many_items", &detail);
}

/// The transactions, each with its place in the list, without broken ones.
fn transactions(form: &Form<'_, '_, '_>, findings: &mut Findings) -> Vec<(usize, Transaction)> {
    let path = form.path.name("transactions");
    let items = match form.get("transactions") {
        None => return Vec::new(),
        Some(Value::Array(items)) => items,
        Some(_) => {
            findings.wrong_type(&path, "an array");
            return Vec::new();
        }
    };
    let mut found: Vec<(usize, Transaction)> = Vec::new();
    let mut connectors = HashSet::new();
    for (place, item) in items.iter().enumerate() {
        let path = path.index(place);
        let Some(transaction) = transaction(item, &path, findings) else { continue };
        if connectors.insert(transaction.connector_id) {
            found.push((place, transaction));
        } else {
            let detail = "a connector has one transaction at a time";
            findings.property(&path.name("connectorId"), "connector_stands_twice", detail);
        }
    }
    found
}

fn transaction(item: &Value<'_>, path: &Path<'_>, findings: &mut Findings) -> Option<Transaction> {
    let form = Form::new(item, path, &["connectorId", "transactionId", "startTimestamp"], findings)?;
    form.require("connectorId", findings);
    form.require("startTimestamp", findings);
    let connector_id = form.integer("connectorId", 1..=MOST_CONNECTORS, findings);
    let transaction_id = form.integer("transactionId", i64::MIN..=i64::MAX, findings);
    let start_s = form.moment("startTimestamp", findings)?;
    Some(Transaction { connector_id: u32::try_from(connector_id?).ok()?, transaction_id, start_s })
}

fn supply(form: &Form<'_, '_, '_>, findings: &mut Findings) -> Option<Supply> {
    let direct = match form.get("currentType") {
        Some(_) => form.word("currentType", &["AC", "DC"], findings)? == "DC",
        None => false,
    };
    let nominal_voltage_v = match form.get("nominalVoltage") {
        Some(_) => form.integer("nominalVoltage", 1..=1000, findings)?,
        None => 230,
    };
    let nominal_voltage_v = u16::try_from(nominal_voltage_v).ok()?;
    Some(if direct { Supply::Direct } else { Supply::Alternating { nominal_voltage_v } })
}

fn hardware(form: &Form<'_, '_, '_>, findings: &mut Findings) -> Option<Hardware> {
    let Some(value) = form.get("hardwareMax") else { return Some(Hardware::default()) };
    let path = form.path.name("hardwareMax");
    let form = Form::new(value, &path, &["A", "W"], findings)?;
    let found = Hardware { ampere: form.tenths("A", findings), watt: form.tenths("W", findings) };
    if form.get("A").is_none() && form.get("W").is_none() {
        findings.add(ErrorCode::ProtocolError, &path, "missing", "expected A or W");
    }
    Some(found)
}

fn options(form: &Form<'_, '_, '_>, findings: &mut Findings) -> Option<Options> {
    let Some(value) = form.get("options") else { return Some(Options::default()) };
    let path = form.path.name("options");
    let form = Form::new(value, &path, &["strictTxOverride", "recurringBeforeAnchor"], findings)?;
    Some(Options {
        strict_tx_override: form.boolean("strictTxOverride", findings),
        recurring_before_anchor: form.boolean("recurringBeforeAnchor", findings),
    })
}

/// A charge point answers with an error if it does not have the connector (errata 3.24, 3.39).
fn check_connectors(
    question: &Question,
    installed_at: &[usize],
    transactions_at: &[usize],
    findings: &mut Findings,
) {
    let most = question.number_of_connectors;
    let detail = format!("the charge point has {most} connectors");
    let mut check = |connector_id: u32, path: &Path<'_>| {
        if connector_id > most {
            findings.property(&path.name("connectorId"), "unknown_connector", &detail);
        }
    };
    check(question.connector_id, &Path::ROOT);
    let installed = Path::ROOT.name("installed");
    for (place, profile) in installed_at.iter().zip(&question.installed) {
        check(profile.connector_id, &installed.index(*place));
    }
    let transactions = Path::ROOT.name("transactions");
    for (place, transaction) in transactions_at.iter().zip(&question.transactions) {
        check(transaction.connector_id, &transactions.index(*place));
    }
}

/// Direct current has no phases, and the vehicle sets its voltage.
fn check_direct_current(question: &Question, installed_at: &[usize], findings: &mut Findings) {
    if question.supply != Supply::Direct {
        return;
    }
    let installed = Path::ROOT.name("installed");
    for (place, found) in installed_at.iter().zip(&question.installed) {
        let item = installed.index(*place);
        let profile = item.name("csChargingProfiles");
        let path = profile.name("chargingSchedule");
        let schedule = &found.profile.schedule;
        if schedule.unit != question.unit {
            let detail = "with direct current, limits in A and W cannot be compared";
            findings.property(&path.name("chargingRateUnit"), "no_conversion", detail);
        }
        let path = path.name("chargingSchedulePeriod");
        for (place, period) in schedule.periods.iter().enumerate() {
            if period.number_phases.is_some() {
                let path = path.index(place);
                let detail = "direct current has no phases";
                findings.property(&path.name("numberPhases"), "phases_with_direct_current", detail);
            }
        }
    }
}

fn check_work(question: &Question, findings: &mut Findings) {
    let each =
        question.installed.iter().map(|installed| most_segments(&installed.profile, question.duration_s));
    let lines = if question.connector_id == 0 { u64::from(question.number_of_connectors) } else { 1 };
    if each.fold(0, u64::saturating_add).saturating_mul(lines) > MOST_SEGMENTS {
        let detail = format!(
            "the profiles would have more than {MOST_SEGMENTS} periods in this time; ask for a shorter one"
        );
        findings.property(&Path::ROOT.name("duration"), "too_much_work", &detail);
    }
}
