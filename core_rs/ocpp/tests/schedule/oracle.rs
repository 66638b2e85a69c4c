//! The rules, read literally and evaluated for one second at a time: slow, and with nothing of the sweep in it.

use ocpp_core::schedule::limit::{Supply, Tenths, Unit};
use ocpp_core::schedule::profile::{Installed, Kind, Period, Profile, Purpose, Recurrency};
use ocpp_core::schedule::{Question, Reason};

/// What holds at one instant.
#[derive(Debug, PartialEq, Eq)]
pub struct Instant {
    pub limit: Option<Tenths>,
    pub number_phases: Option<u8>,
    pub source: Set,
}

/// What set the limit; profiles by their id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Set {
    Profile(i64),
    Hardware,
    Connectors,
    Idle,
    Nothing,
}

/// What a charge point keeps of the profiles that it accepted one after the other.
pub fn ledger(accepted: &[Installed]) -> Vec<Installed> {
    let mut kept: Vec<Installed> = Vec::new();
    for new in accepted {
        let slot = |installed: &Installed| {
            let profile = &installed.profile;
            let transaction = (profile.purpose == Purpose::Tx).then_some(profile.transaction_id);
            (installed.connector_id, profile.purpose, profile.stack_level, transaction)
        };
        kept.retain(|old| old.profile.id != new.profile.id && slot(old) != slot(new));
        kept.push(new.clone());
    }
    kept
}

/// The period of a profile that is in force at `t`.
fn active(question: &Question, profile: &Profile, t: i64, tx_start: Option<i64>) -> Option<Period> {
    if profile.valid_from_s.is_some_and(|from| t < from) || profile.valid_to_s.is_some_and(|to| t >= to) {
        return None;
    }
    let tx_start = if profile.purpose == Purpose::ChargePointMax { None } else { tx_start };
    let mut duration = profile.schedule.duration_s.unwrap_or(i64::MAX);
    let anchor = match profile.kind {
        Kind::Absolute => profile.schedule.start_s.or(tx_start)?,
        Kind::Relative => tx_start?,
        Kind::Recurring(recurrency) => {
            let a0 = profile.schedule.start_s?;
            if t < a0 && !question.options.recurring_before_anchor {
                return None;
            }
            let r = if recurrency == Recurrency::Daily { 24 * 3600 } else { 7 * 24 * 3600 };
            duration = duration.min(r);
            a0 + (t - a0).div_euclid(r) * r
        }
    };
    let off = t - anchor;
    if off < 0 || off >= duration {
        return None;
    }
    profile.schedule.periods.iter().rfind(|period| period.start_s <= off).copied()
}

/// A profile in force: what it says in the unit of the question.
#[derive(Clone, Copy, Debug)]
struct Says {
    id: i64,
    purpose: Purpose,
    limit: i64,
    number_phases: Option<u8>,
}

fn convert(question: &Question, limit: i64, from: Unit, phases: Option<u8>) -> i64 {
    let Supply::Alternating { nominal_voltage_v } = question.supply else { return limit };
    let factor = i64::from(nominal_voltage_v) * i64::from(phases.unwrap_or(3));
    match (from, question.unit) {
        (Unit::Watt, Unit::Ampere) => limit / factor,
        (Unit::Ampere, Unit::Watt) => limit * factor,
        _ => limit,
    }
}

/// The highest level of `candidates` that is in force; of two equal levels, the one accepted last.
fn stack(question: &Question, candidates: &[&Installed], t: i64, tx_start: Option<i64>) -> Option<Says> {
    let mut best: Option<(&Installed, Period)> = None;
    for candidate in candidates {
        let Some(period) = active(question, &candidate.profile, t, tx_start) else { continue };
        if best.is_none_or(|(top, _)| candidate.profile.stack_level >= top.profile.stack_level) {
            best = Some((candidate, period));
        }
    }
    best.map(|(winner, period)| Says {
        id: winner.profile.id,
        purpose: winner.profile.purpose,
        limit: convert(question, period.limit.get(), winner.profile.schedule.unit, period.number_phases),
        number_phases: period.number_phases,
    })
}

/// Start and id of the transaction on a connector.
fn running(question: &Question, connector: u32) -> Option<(i64, Option<i64>)> {
    for transaction in &question.transactions {
        if transaction.connector_id == connector {
            return Some((transaction.start_s, transaction.transaction_id));
        }
    }
    if question.assume_transaction { Some((question.start_s, None)) } else { None }
}

/// `TxProfile`s for the transaction on a connector, `TxDefaultProfile`s with a say, those without.
fn candidates<'q>(
    question: &'q Question,
    kept: &'q [Installed],
    connector: u32,
) -> (Vec<&'q Installed>, Vec<&'q Installed>, Vec<&'q Installed>) {
    let Some((_, transaction_id)) = running(question, connector) else { return Default::default() };
    let of = |purpose, connector| {
        kept.iter().filter(move |installed| {
            installed.profile.purpose == purpose && installed.connector_id == connector
        })
    };
    let own: Vec<&Installed> = of(Purpose::Tx, connector)
        .filter(|installed| match installed.profile.transaction_id {
            None => true,
            Some(id) => transaction_id == Some(id),
        })
        .collect();
    let mut defaults: Vec<&Installed> = of(Purpose::TxDefault, connector).collect();
    let levels: Vec<i64> = defaults.iter().map(|installed| installed.profile.stack_level).collect();
    let mut silent = Vec::new();
    for installed in of(Purpose::TxDefault, 0) {
        if levels.contains(&installed.profile.stack_level) {
            silent.push(installed);
        } else {
            defaults.push(installed);
        }
    }
    if question.options.strict_tx_override && !own.is_empty() {
        silent.append(&mut defaults);
    }
    (own, defaults, silent)
}

fn transaction_limit(question: &Question, kept: &[Installed], connector: u32, t: i64) -> Option<Says> {
    let (start, _) = running(question, connector)?;
    let (own, defaults, _) = candidates(question, kept, connector);
    stack(question, &own, t, Some(start)).or_else(|| stack(question, &defaults, t, Some(start)))
}

fn cap(question: &Question, kept: &[Installed], t: i64) -> Option<Says> {
    let caps: Vec<&Installed> =
        kept.iter().filter(|installed| installed.profile.purpose == Purpose::ChargePointMax).collect();
    stack(question, &caps, t, None)
}

fn hardware(question: &Question) -> Option<i64> {
    let (same, other, other_unit) = match question.unit {
        Unit::Ampere => (question.hardware.ampere, question.hardware.watt, Unit::Watt),
        Unit::Watt => (question.hardware.watt, question.hardware.ampere, Unit::Ampere),
    };
    match (same, other, question.supply) {
        (Some(same), _, _) => Some(same.get()),
        (None, Some(other), Supply::Alternating { .. }) => {
            Some(convert(question, other.get(), other_unit, None))
        }
        _ => None,
    }
}

/// What holds at `t`, after the rules.
pub fn evaluate(question: &Question, kept: &[Installed], t: i64) -> Instant {
    if question.connector_id == 0 {
        return evaluate_charge_point(question, kept, t);
    }
    let transaction = transaction_limit(question, kept, question.connector_id, t);
    let cap = cap(question, kept, t);
    let number_phases = [transaction, cap].iter().flatten().filter_map(|says| says.number_phases).min();
    let lowest = match (transaction, cap) {
        (Some(transaction), Some(cap)) => Some(if cap.limit < transaction.limit { cap } else { transaction }),
        (one, other) => one.or(other),
    };
    let (limit, source) = match (lowest, hardware(question)) {
        (Some(says), _) => (Some(says.limit), Set::Profile(says.id)),
        (None, Some(hardware)) => (Some(hardware), Set::Hardware),
        (None, None) => (None, Set::Nothing),
    };
    Instant { limit: limit.map(Tenths::new), number_phases, source }
}

fn evaluate_charge_point(question: &Question, kept: &[Installed], t: i64) -> Instant {
    let hardware = hardware(question);
    let with_transaction: Vec<u32> =
        (1..=question.number_of_connectors).filter(|c| running(question, *c).is_some()).collect();
    let mut sum = Some(0);
    let mut phases: Option<u8> = Some(0);
    for connector in &with_transaction {
        let says = transaction_limit(question, kept, *connector, t);
        let part = match (says.map(|says| says.limit), hardware) {
            (Some(limit), Some(most)) => Some(limit.min(most)),
            (one, other) => one.or(other),
        };
        sum = sum.zip(part).map(|(sum, part)| sum + part);
        let own = says.and_then(|says| says.number_phases);
        phases = phases.zip(own).map(|(phases, own)| phases.max(own));
    }
    let phases = phases.filter(|_| !with_transaction.is_empty());
    let cap = cap(question, kept, t);
    let (limit, source) = match (sum, cap) {
        (Some(sum), Some(cap)) if cap.limit < sum => (Some(cap.limit), Set::Profile(cap.id)),
        (None, Some(cap)) => (Some(cap.limit), Set::Profile(cap.id)),
        (None, None) => (None, Set::Nothing),
        (Some(sum), _) if with_transaction.is_empty() => (Some(sum), Set::Idle),
        (Some(sum), _) => (Some(sum), Set::Connectors),
    };
    let number_phases = phases.into_iter().chain(cap.and_then(|cap| cap.number_phases)).min();
    Instant { limit: limit.map(Tenths::new), number_phases, source }
}

/// Ids and reasons of the profiles in force at `t` that do not set the limit of a connector.
pub fn beaten(question: &Question, kept: &[Installed], t: i64) -> Vec<(i64, Reason)> {
    let connector = question.connector_id;
    let Set::Profile(winner) = evaluate(question, kept, t).source else {
        return all_in_force(question, kept, t, None, None);
    };
    let transaction = transaction_limit(question, kept, connector, t);
    let mut found = all_in_force(question, kept, t, transaction, cap(question, kept, t));
    found.retain(|(id, _)| *id != winner);
    found
}

fn all_in_force(
    question: &Question,
    kept: &[Installed],
    t: i64,
    transaction: Option<Says>,
    cap: Option<Says>,
) -> Vec<(i64, Reason)> {
    let tx_start = running(question, question.connector_id).map(|(start, _)| start);
    let (own, defaults, silent) = candidates(question, kept, question.connector_id);
    let caps = kept.iter().filter(|installed| installed.profile.purpose == Purpose::ChargePointMax);
    let everybody = own.into_iter().chain(defaults).chain(silent.iter().copied()).chain(caps);
    let mut found = Vec::new();
    for installed in everybody {
        let profile = &installed.profile;
        if active(question, profile, t, tx_start).is_none() {
            continue;
        }
        let leads = [transaction, cap].iter().flatten().any(|says| says.id == profile.id);
        let is_silent = silent.iter().any(|silent| silent.profile.id == profile.id);
        let own_leads = transaction.is_some_and(|says| says.purpose == Purpose::Tx);
        let reason = if leads {
            Reason::HigherLimit
        } else if is_silent && question.options.strict_tx_override && has_own(question, kept) {
            Reason::TxProfileInstalled
        } else if is_silent {
            Reason::ShadowedOnConnector
        } else if profile.purpose == Purpose::TxDefault && own_leads {
            Reason::TxProfileLeads
        } else {
            Reason::LowerStackLevel
        };
        found.push((profile.id, reason));
    }
    found
}

fn has_own(question: &Question, kept: &[Installed]) -> bool {
    !candidates(question, kept, question.connector_id).0.is_empty()
}
