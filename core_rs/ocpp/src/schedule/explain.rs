//! Explains an answer: which profiles were in force in a stretch and did not set its limit.

use crate::schedule::composite::{Composite, Outbid, Source};
use crate::schedule::limit::Tenths;
use crate::schedule::profile::Purpose;
use crate::schedule::question::Question;
use crate::schedule::stack::{Rules, Silenced, cap_stack, transaction_stack};
use crate::schedule::timeline::{NoConversion, Segment, Span, lay_out};

/// Why a profile in force did not set the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The profile led its stack, but another limit is lower (the hardware's too), or is equal and that of the
    /// transaction.
    HigherLimit,
    /// One of the same purpose and a higher stack level is in force. OCPP 1.6 3.13.2
    LowerStackLevel,
    /// The profile is a default, and the transaction's own profile is in force. OCPP 1.6 3.13.1
    TxProfileLeads,
    /// The profile is a default for all connectors, and this connector has its own at the same level. OCPP 1.6 3.13.1
    ShadowedOnConnector,
    /// The profile is a default, and with `Options::strict_tx_override` the transaction's own profile keeps it out.
    TxProfileInstalled,
}

impl Reason {
    /// The name of the reason, which never changes.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HigherLimit => "higher_limit",
            Self::LowerStackLevel => "lower_stack_level",
            Self::TxProfileLeads => "tx_profile_leads",
            Self::ShadowedOnConnector => "shadowed_on_connector",
            Self::TxProfileInstalled => "tx_profile_installed",
        }
    }
}

/// A profile in force that did not set the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beaten {
    /// Index of the profile in `Question::installed`.
    pub profile: usize,
    /// The limit of the profile when it was first beaten in the stretch, in the unit of the question. It is converted
    /// with the phases of the answer, or fewer if the profile names fewer.
    pub limit: Tenths,
    /// Why the profile did not set the limit.
    pub reason: Reason,
}

/// The profiles that did not set the limit of a stretch, the closest rivals first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rivals {
    /// The profiles; each is listed once.
    pub beaten: Vec<Beaten>,
    /// How many more profiles there are.
    pub unlisted: usize,
}

/// Find the rivals of each stretch of the answer. With connector 0 they are those of the cap and of the sum; those on a
/// connector are in the schedule of that connector. `most`: how many are listed for a stretch.
///
/// # Errors
/// As `composite`.
pub fn explain(question: &Question, answer: &Composite, most: usize) -> Result<Vec<Rivals>, NoConversion> {
    let mut outbid = answer.outbid.clone();
    outbid.sort_unstable();
    outbid.dedup_by_key(|found| (found.stretch, found.profile));
    let rivals = vec![Rivals::default(); answer.stretches.len()];
    let seen = vec![NONE; answer.stretches.len()];
    let mut listing = Listing { question, answer, most, rivals, seen };
    for Outbid { stretch, profile, limit } in &outbid {
        let beaten = Beaten { profile: *profile, limit: *limit, reason: Reason::HigherLimit };
        if answer.stretches[*stretch].source != Source::Profile(*profile) {
            listing.add(*stretch, || beaten);
        }
    }
    outbid.sort_unstable_by_key(|found| found.profile);
    for contender in contenders(question) {
        let profile = contender.profile as usize;
        let first = outbid.partition_point(|found| found.profile < profile);
        for found in outbid[first..].iter().take_while(|found| found.profile == profile) {
            listing.seen[found.stretch] = contender.profile;
        }
        listing.list(&contender)?;
    }
    Ok(listing.rivals)
}

/// Means that no profile was listed yet.
const NONE: u32 = u32::MAX;

/// A profile that may be in force, and the reason that beats it.
pub(crate) struct Contender {
    pub profile: u32,
    pub transaction_start_s: Option<i64>,
    reason: Reason,
}

impl Contender {
    /// The segments in which the profile is in force.
    pub fn segments(&self, question: &Question) -> Result<Vec<Segment>, NoConversion> {
        let mut segments = Vec::new();
        let profile = &question.installed[self.profile as usize].profile;
        let span = Span::of(question);
        lay_out(profile, self.profile, 0, self.transaction_start_s, &span, &mut segments)?;
        Ok(segments)
    }
}

/// Every profile for the connectors of the question: by falling rank, then those that do not count, then the caps.
pub(crate) fn contenders(question: &Question) -> Vec<Contender> {
    let mut found = Vec::new();
    if let Some(transaction) =
        question.transaction(question.connector_id).filter(|_| question.connector_id > 0)
    {
        let start_s = Some(transaction.start_s);
        let contender = |profile, reason| Contender { profile, transaction_start_s: start_s, reason };
        let members = transaction_stack(question, question.connector_id).members;
        found.extend(members.into_iter().rev().map(|profile| contender(profile, Reason::LowerStackLevel)));
        let rules = Rules::of(question, question.connector_id);
        for (place, installed) in (0_u32..).zip(&question.installed) {
            match rules.silences(installed).filter(|_| rules.applies(installed)) {
                Some(Silenced::Shadowed) => found.push(contender(place, Reason::ShadowedOnConnector)),
                Some(Silenced::Overridden) => found.push(contender(place, Reason::TxProfileInstalled)),
                None => {}
            }
        }
    }
    let caps = cap_stack(question).members.into_iter().rev();
    found.extend(caps.map(|profile| Contender {
        profile,
        transaction_start_s: None,
        reason: Reason::LowerStackLevel,
    }));
    found
}

struct Listing<'q> {
    question: &'q Question,
    answer: &'q Composite,
    most: usize,
    rivals: Vec<Rivals>,
    /// For each stretch, the last profile that was listed: each is listed once.
    seen: Vec<u32>,
}

impl Listing<'_> {
    fn list(&mut self, contender: &Contender) -> Result<(), NoConversion> {
        let answer = self.answer;
        for segment in contender.segments(self.question)? {
            let start_s = segment.start_s - self.question.start_s;
            let end_s = segment.end_s - self.question.start_s;
            let first =
                answer.stretches.partition_point(|stretch| stretch.start_s <= start_s).saturating_sub(1);
            let overlapped = answer.stretches.iter().enumerate().skip(first);
            for (place, stretch) in overlapped.take_while(|(_, stretch)| stretch.start_s < end_s) {
                let profile = contender.profile as usize;
                if self.seen[place] == contender.profile || stretch.source == Source::Profile(profile) {
                    continue;
                }
                self.seen[place] = contender.profile;
                let question = self.question;
                let merged = answer.periods[stretch.period].number_phases;
                let number_phases = segment.number_phases.into_iter().chain(merged).min();
                self.add(place, || Beaten {
                    profile,
                    limit: question.amount(&segment, number_phases),
                    reason: reason(question, answer, contender, stretch.start_s.max(start_s)),
                });
            }
        }
        Ok(())
    }

    /// List a rival of a stretch. `beaten` is called only if the rival is listed.
    fn add(&mut self, stretch: usize, beaten: impl FnOnce() -> Beaten) {
        let rivals = &mut self.rivals[stretch];
        if rivals.beaten.len() < self.most {
            rivals.beaten.push(beaten());
        } else {
            rivals.unlisted += 1;
        }
    }
}

/// A default is beaten by the transaction's own profile where that leads, and else by a higher default.
fn reason(question: &Question, answer: &Composite, contender: &Contender, offset_s: i64) -> Reason {
    let purpose = |place: u32| question.installed[place as usize].profile.purpose;
    if contender.reason != Reason::LowerStackLevel || purpose(contender.profile) != Purpose::TxDefault {
        return contender.reason;
    }
    match answer.lines[0].leader_at(question.start_s + offset_s) {
        Some(leader) if purpose(leader.profile) == Purpose::Tx => Reason::TxProfileLeads,
        _ => Reason::LowerStackLevel,
    }
}
