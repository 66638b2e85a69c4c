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
pub fn ledger(accepted: &[Installed], question: &Question) -> Vec<Installed> {
    let mut kept: Vec<Installed> = Vec::new();
    for new in accepted {
        let slot = |installed: &Installed| {
            let profile = &installed.profile;
            let running = question.transactions.iter().find(|t| t.connector_id == installed.connector_id);
            let meant = profile.transaction_id.or(running.and_then(|t| t.transaction_id));
            let transaction = (profile.purpose == Purpose::Tx).then_some(meant);
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

/// A profile in force: what it says in its own unit.
#[derive(Clone, Copy, Debug)]
pub struct Says {
    pub id: i64,
    pub purpose: Purpose,
    pub limit: i64,
    pub unit: Unit,
    pub number_phases: Option<u8>,
}

impl Says {
    /// What it says in the unit of the question, if so many phases are left.
    fn converted(&self, question: &Question, phases: Option<u8>) -> i64 {
        convert(question, self.limit, self.unit, phases)
    }
}

/// The fewest phases that one of them names.
fn fewest(says: &[Option<Says>]) -> Option<u8> {
    says.iter().flatten().filter_map(|says| says.number_phases).min()
}

/// The lowest of some limits and the hardware; of equal ones the first.
fn lowest(question: &Question, says: &[Option<Says>], phases: Option<u8>) -> (Option<i64>, Set) {
    let mut found = (None, Set::Nothing);
    let limits = says.iter().flatten().map(|says| (says.converted(question, phases), Set::Profile(says.id)));
    let hardware = hardware(question, phases).map(|limit| (limit, Set::Hardware));
    for (limit, set) in limits.chain(hardware) {
        if found.0.is_none_or(|best| limit < best) {
            found = (Some(limit), set);
        }
    }
    found
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
        limit: period.limit.get(),
        unit: winner.profile.schedule.unit,
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

fn hardware(question: &Question, phases: Option<u8>) -> Option<i64> {
    let rates = [(question.hardware.ampere, Unit::Ampere), (question.hardware.watt, Unit::Watt)];
    let mut found: Option<i64> = None;
    for (rate, unit) in rates {
        let Some(rate) = rate else { continue };
        if unit == question.unit || question.supply != Supply::Direct {
            let rate = convert(question, rate.get(), unit, phases);
            found = Some(found.map_or(rate, |found| found.min(rate)));
        }
    }
    found
}

/// The profiles that lead at `t` on a connector: that of the transaction, that of the charge point.
pub fn leaders(question: &Question, kept: &[Installed], connector: u32, t: i64) -> [Option<Says>; 2] {
    [transaction_limit(question, kept, connector, t), cap(question, kept, t)]
}

/// What holds at `t`, after the rules.
pub fn evaluate(question: &Question, kept: &[Installed], t: i64) -> Instant {
    if question.connector_id == 0 {
        return evaluate_charge_point(question, kept, t);
    }
    let merged = leaders(question, kept, question.connector_id, t);
    let number_phases = fewest(&merged);
    let (limit, source) = lowest(question, &merged, number_phases);
    Instant { limit: limit.map(Tenths::new), number_phases, source }
}

fn evaluate_charge_point(question: &Question, kept: &[Installed], t: i64) -> Instant {
    let with_transaction: Vec<u32> =
        (1..=question.number_of_connectors).filter(|c| running(question, *c).is_some()).collect();
    let cap = cap(question, kept, t);
    let mut sum = Some(0);
    let mut phases: Option<u8> = Some(0);
    for connector in &with_transaction {
        let says = transaction_limit(question, kept, *connector, t);
        let (part, _) = lowest(question, &[says], fewest(&[says, cap]));
        sum = sum.zip(part).map(|(sum, part)| sum + part);
        let own = says.and_then(|says| says.number_phases);
        phases = phases.zip(own).map(|(phases, own)| phases.max(own));
    }
    let phases = phases.filter(|_| !with_transaction.is_empty());
    let number_phases = phases.into_iter().chain(cap.and_then(|cap| cap.number_phases)).min();
    let most = cap.map(|cap| (cap.converted(question, number_phases), Set::Profile(cap.id)));
    let (limit, source) = match (sum, most) {
        (Some(sum), Some((most, set))) if most < sum => (Some(most), set),
        (None, Some((most, set))) => (Some(most), set),
        (None, None) => (None, Set::Nothing),
        (Some(sum), _) if with_transaction.is_empty() => (Some(sum), Set::Idle),
        (Some(sum), _) => (Some(sum), Set::Connectors),
    };
    Instant { limit: limit.map(Tenths::new), number_phases, source }
}

/// Ids and reasons of the profiles in force at `t` that do not set the limit of a connector.
pub fn beaten(question: &Question, kept: &[Installed], t: i64) -> Vec<(i64, Reason)> {
    let connector = question.connector_id;
    let winner = match evaluate(question, kept, t).source {
        Set::Profile(winner) => Some(winner),
        _ => None,
    };
    let transaction = transaction_limit(question, kept, connector, t);
    let mut found = all_in_force(question, kept, t, transaction, cap(question, kept, t));
    found.retain(|(id, _)| Some(*id) != winner);
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
