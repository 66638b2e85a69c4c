//! The order of the profiles of a connector, from the lowest rank to the highest.
//!
//! Stack levels are compared only inside one purpose (C3). A `TxProfile` ranks above every `TxDefaultProfile`.

use crate::schedule::profile::{Installed, Purpose};
use crate::schedule::question::Question;

/// Profiles by rising rank.
#[derive(Debug, Default)]
pub(crate) struct Stack {
    /// Indices of the profiles in `Question::installed`.
    pub members: Vec<u32>,
    /// The moment at which relative schedules start.
    pub transaction_start_s: Option<i64>,
}

/// Why a `TxDefaultProfile` of a connector does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Silenced {
    /// The profile is for all connectors, and this connector has its own at the same level. OCPP 1.6 3.13.1
    Shadowed,
    /// The transaction has a `TxProfile`, and `Options::strict_tx_override` is set (C2).
    Overridden,
}

/// The caps of the charge point. They do not belong to a transaction.
pub(crate) fn cap_stack(question: &Question) -> Stack {
    let caps = places(question, |installed| installed.profile.purpose == Purpose::ChargePointMax);
    Stack { members: sorted(question, caps), transaction_start_s: None }
}

/// The profiles that limit the transaction on a connector; none without a transaction.
pub(crate) fn transaction_stack(question: &Question, connector_id: u32) -> Stack {
    let Some(transaction) = question.transaction(connector_id) else { return Stack::default() };
    let rules = Rules::of(question, connector_id);
    let members = places(question, |installed| match installed.profile.purpose {
        Purpose::ChargePointMax => false,
        Purpose::Tx => is_for(question, connector_id, installed),
        Purpose::TxDefault => rules.applies(installed) && rules.silences(installed).is_none(),
    });
    Stack { members: sorted(question, members), transaction_start_s: Some(transaction.start_s) }
}

/// Whether a `TxProfile` is for the transaction on the connector.
fn is_for(question: &Question, connector_id: u32, installed: &Installed) -> bool {
    installed.profile.purpose == Purpose::Tx
        && installed.connector_id == connector_id
        && question.transaction(connector_id).is_some_and(|transaction| {
            installed.profile.transaction_id.is_none_or(|id| transaction.transaction_id == Some(id))
        })
}

/// Which `TxDefaultProfile`s count on one connector.
pub(crate) struct Rules {
    connector_id: u32,
    /// Levels that the connector has a default of its own for, sorted.
    own_levels: Vec<i64>,
    overridden: bool,
}

impl Rules {
    pub fn of(question: &Question, connector_id: u32) -> Self {
        let own = question.installed.iter().filter(|installed| {
            installed.profile.purpose == Purpose::TxDefault && installed.connector_id == connector_id
        });
        let mut own_levels: Vec<i64> = own.map(|installed| installed.profile.stack_level).collect();
        own_levels.sort_unstable();
        let overridden = question.options.strict_tx_override
            && question.installed.iter().any(|installed| is_for(question, connector_id, installed));
        Self { connector_id, own_levels, overridden }
    }

    /// Whether it is a default for this connector at all.
    pub fn applies(&self, installed: &Installed) -> bool {
        installed.profile.purpose == Purpose::TxDefault
            && (installed.connector_id == 0 || installed.connector_id == self.connector_id)
    }

    /// Why a default that applies does not count.
    pub fn silences(&self, installed: &Installed) -> Option<Silenced> {
        let has_own = || self.own_levels.binary_search(&installed.profile.stack_level).is_ok();
        if self.overridden {
            Some(Silenced::Overridden)
        } else if installed.connector_id != self.connector_id && has_own() {
            Some(Silenced::Shadowed)
        } else {
            None
        }
    }
}

fn places(question: &Question, wanted: impl Fn(&Installed) -> bool) -> Vec<u32> {
    let numbered = (0_u32..).zip(&question.installed);
    numbered.filter(|(_, installed)| wanted(installed)).map(|(place, _)| place).collect()
}

/// Sort by rank.
fn sorted(question: &Question, mut places: Vec<u32>) -> Vec<u32> {
    places.sort_by_key(|place| {
        let profile = &question.installed[*place as usize].profile;
        (profile.purpose == Purpose::Tx, profile.stack_level)
    });
    places
}
