//! The answer as JSON, with the names of the standard: limits, their sources, and the profiles that they override.

use std::fmt::Write;

use crate::protocol::moment;
use crate::schedule::charge_point::Part;
use crate::schedule::composite::{Composite, Source, composite};
use crate::schedule::explain::{Beaten, Rivals, contenders, explain};
use crate::schedule::limit::Tenths;
use crate::schedule::merge::Line;
use crate::schedule::question::Question;
use crate::schedule::timeline::{NoConversion, Segment};

/// Most rivals that are listed for a stretch. Of the others, the number is given.
pub const MOST_LISTED: usize = 20;
/// An answer with more stretches is refused before it is explained, because that takes longest.
const MOST_STRETCHES: usize = 20_000;

/// Why an answer was not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoText {
    /// A limit in the other unit with direct current, which cannot be converted.
    NoConversion(NoConversion),
    /// The answer would be longer than the caller wants.
    TooLong,
}

impl From<NoConversion> for NoText {
    fn from(fault: NoConversion) -> Self {
        Self::NoConversion(fault)
    }
}

/// The composite schedule with its explanation, as JSON of at most about `longest` bytes.
///
/// # Errors
/// See `NoText`.
pub fn answer(question: &Question, longest: usize) -> Result<String, NoText> {
    let answer = composite(question)?;
    if answer.stretches.len() > MOST_STRETCHES {
        return Err(NoText::TooLong);
    }
    let rivals = explain(question, &answer, MOST_LISTED)?;
    let mut sheet = Sheet { question, answer: &answer, rivals: &rivals, text: String::new(), longest };
    let _ = write!(
        sheet.text,
        r#"{{"scheduleStart":"{}","duration":{},"chargingRateUnit":"{}","chargingSchedulePeriod":["#,
        moment::text(question.start_s),
        question.duration_s,
        question.unit.as_str(),
    );
    let mut stretch = 0;
    for period in 0..answer.periods.len() {
        stretch = sheet.period(period, stretch)?;
    }
    sheet.text.push_str("]}");
    Ok(sheet.text)
}

/// When each profile that is meant for the connector is in force, whether it leads or not, as JSON: for pictures.
/// With connector 0, what each connector may draw, and the caps. What a profile allows is in the unit of the profile.
///
/// # Errors
/// See `NoText`.
pub fn layers(question: &Question, longest: usize) -> Result<String, NoText> {
    let answer = composite(question)?;
    let mut sheet = Sheet { question, answer: &answer, rivals: &[], text: String::from("["), longest };
    for (connector_id, line) in answer.connectors.iter().zip(&answer.lines) {
        sheet.check_length()?;
        sheet.comma();
        let _ =
            write!(sheet.text, r#"{{"source":{{"kind":"connector","connectorId":{connector_id}}},"spans":["#);
        for (start_s, end_s, limit) in parts(question, line, answer.lines.last()) {
            sheet.span(start_s, end_s, limit);
        }
        let _ = write!(sheet.text, r#"],"chargingRateUnit":"{}"}}"#, question.unit.as_str());
    }
    for contender in contenders(question) {
        sheet.check_length()?;
        sheet.comma();
        sheet.text.push_str(r#"{"source":"#);
        sheet.profile(contender.profile as usize, "");
        sheet.text.push_str(r#","spans":["#);
        for Segment { start_s, end_s, limit, .. } in contender.segments(question)? {
            sheet.span(start_s, end_s, Some(limit));
        }
        let unit = question.installed[contender.profile as usize].profile.schedule.unit;
        let _ = write!(sheet.text, r#"],"chargingRateUnit":"{}"}}"#, unit.as_str());
    }
    sheet.text.push(']');
    Ok(sheet.text)
}

/// What a connector may draw over the span: start, end and limit of each part of it.
fn parts(question: &Question, line: &Line, caps: Option<&Line>) -> Vec<(i64, i64, Option<Tenths>)> {
    let mut starts: Vec<i64> = [line].into_iter().chain(caps).flat_map(Line::starts).collect();
    starts.sort_unstable();
    starts.dedup();
    let mut found: Vec<(i64, i64, Option<Tenths>)> = Vec::with_capacity(starts.len());
    let ends = starts.iter().skip(1).copied().chain([question.end_s()]);
    for (start_s, end_s) in starts.iter().copied().zip(ends) {
        let cap = caps.and_then(|caps| caps.leader_at(start_s));
        let limit = Part::new(question, line.leader_at(start_s), cap).limit;
        match found.last_mut() {
            Some(last) if last.2 == limit => last.1 = end_s,
            _ => found.push((start_s, end_s, limit)),
        }
    }
    found
}

struct Sheet<'q> {
    question: &'q Question,
    answer: &'q Composite,
    rivals: &'q [Rivals],
    text: String,
    longest: usize,
}

impl Sheet<'_> {
    fn check_length(&self) -> Result<(), NoText> {
        if self.text.len() > self.longest { Err(NoText::TooLong) } else { Ok(()) }
    }

    /// One period, whose first stretch is `first`. Returns the first stretch of the next one.
    fn period(&mut self, period: usize, first: usize) -> Result<usize, NoText> {
        let found = &self.answer.periods[period];
        self.comma();
        let _ = write!(self.text, r#"{{"startPeriod":{},"limit":"#, found.start_s);
        self.limit(found.limit);
        if let Some(number_phases) = found.number_phases {
            let _ = write!(self.text, r#","numberPhases":{number_phases}"#);
        }
        let Question { supply, unit, .. } = *self.question;
        if found.limit.is_some_and(|limit| !supply.can_signal(limit, unit, found.number_phases)) {
            self.text.push_str(r#","warning":"below_signalled_minimum""#);
        }
        self.text.push(',');
        self.stretch(first)?;
        let stretches = &self.answer.stretches;
        let end = (first..stretches.len()).find(|place| stretches[*place].period != period);
        let end = end.unwrap_or(stretches.len());
        if end > first + 1 {
            self.text.push_str(r#","handovers":["#);
            for place in first + 1..end {
                self.comma();
                let _ = write!(self.text, r#"{{"startPeriod":{},"#, self.answer.stretches[place].start_s);
                self.stretch(place)?;
                self.text.push('}');
            }
            self.text.push(']');
        }
        self.text.push('}');
        Ok(end)
    }

    fn stretch(&mut self, place: usize) -> Result<(), NoText> {
        self.check_length()?;
        let stretch = self.answer.stretches[place];
        self.text.push_str(r#""source":"#);
        self.source(stretch.source, self.question.start_s + stretch.start_s);
        self.text.push_str(r#","beaten":["#);
        let Rivals { beaten, unlisted } = &self.rivals[place];
        for Beaten { profile, limit, reason } in beaten {
            self.comma();
            let reason = reason.as_str();
            self.profile(*profile, &format!(r#","limit":{limit},"reason":"{reason}""#));
        }
        self.text.push(']');
        if *unlisted > 0 {
            let _ = write!(self.text, r#","beatenUnlisted":{unlisted}"#);
        }
        Ok(())
    }

    fn source(&mut self, source: Source, moment_s: i64) {
        match source {
            Source::Profile(place) => self.profile(place, ""),
            Source::Hardware => self.text.push_str(r#"{"kind":"hardware"}"#),
            Source::Idle => self.text.push_str(r#"{"kind":"idle"}"#),
            Source::Nothing => self.text.push_str(r#"{"kind":"nothing"}"#),
            Source::Connectors(_) => self.parts(moment_s),
        }
    }

    fn parts(&mut self, moment_s: i64) {
        self.text.push_str(r#"{"kind":"connectors","connectors":["#);
        let cap = self.answer.lines.last().and_then(|caps| caps.leader_at(moment_s));
        for (connector_id, line) in self.answer.connectors.iter().zip(&self.answer.lines) {
            let part = Part::new(self.question, line.leader_at(moment_s), cap);
            self.comma();
            let _ = write!(self.text, r#"{{"connectorId":{connector_id},"limit":"#);
            self.limit(part.limit);
            self.text.push_str(r#","source":"#);
            self.source(part.source, moment_s);
            self.text.push('}');
        }
        self.text.push_str("]}");
    }

    /// A profile by its names; `more`: further members.
    fn profile(&mut self, place: usize, more: &str) {
        let installed = &self.question.installed[place];
        let profile = &installed.profile;
        let _ = write!(
            self.text,
            r#"{{"kind":"profile","chargingProfileId":{},"chargingProfilePurpose":"{}","stackLevel":{},"connectorId":{}{more}}}"#,
            profile.id,
            profile.purpose.as_str(),
            profile.stack_level,
            installed.connector_id,
        );
    }

    fn span(&mut self, start_s: i64, end_s: i64, limit: Option<Tenths>) {
        self.comma();
        let offset_s = self.question.start_s;
        let _ = write!(self.text, "[{},{},", start_s - offset_s, end_s - offset_s);
        self.limit(limit);
        self.text.push(']');
    }

    fn limit(&mut self, limit: Option<Tenths>) {
        let _ = match limit {
            Some(limit) => write!(self.text, "{limit}"),
            None => write!(self.text, "null"),
        };
    }

    /// Write a comma, unless this is the first item.
    fn comma(&mut self) {
        if !self.text.ends_with(['[', '{']) {
            self.text.push(',');
        }
    }
}
