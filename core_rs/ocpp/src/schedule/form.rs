//! Reads the members of a JSON object one by one, and notes what is wrong with each.

use std::ops::RangeInclusive;

use crate::protocol::error_table::ErrorCode;
use crate::protocol::moment;
use crate::protocol::scalar;
use crate::protocol::value::Value;
use crate::protocol::violation::{Path, Violation};
use crate::schedule::limit::Tenths;

/// Most broken rules that are listed.
const MOST_FINDINGS: usize = 100;

/// Broken rules in the order in which they were found.
#[derive(Debug, Default)]
pub(crate) struct Findings(Vec<Violation>);

impl Findings {
    pub fn add(&mut self, code: ErrorCode, path: &Path<'_>, reason: &'static str, detail: &str) {
        self.push(Violation { code, pointer: path.pointer(), reason, detail: detail.to_owned() });
    }

    pub fn push(&mut self, violation: Violation) {
        if self.0.len() < MOST_FINDINGS {
            self.0.push(violation);
        }
    }

    pub fn property(&mut self, path: &Path<'_>, reason: &'static str, detail: &str) {
        self.add(ErrorCode::PropertyConstraintViolation, path, reason, detail);
    }

    pub fn wrong_type(&mut self, path: &Path<'_>, expected: &str) {
        self.add(ErrorCode::TypeConstraintViolation, path, "wrong_type", &format!("expected {expected}"));
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn into_violations(self) -> Vec<Violation> {
        self.0
    }
}

/// An object and the path to it.
pub(crate) struct Form<'v, 'a, 'p> {
    value: &'v Value<'a>,
    pub path: &'p Path<'p>,
}

impl<'v, 'a, 'p> Form<'v, 'a, 'p> {
    /// Read `value`, which may have only the members `known`, each once.
    pub fn new(
        value: &'v Value<'a>,
        path: &'p Path<'p>,
        known: &[&str],
        findings: &mut Findings,
    ) -> Option<Self> {
        let Value::Object(members) = value else {
            findings.wrong_type(path, "an object");
            return None;
        };
        for (place, (key, _)) in members.iter().enumerate() {
            let name = key.as_str();
            if !known.contains(&name) {
                let detail = "unknown field";
                findings.add(ErrorCode::FormationViolation, &path.name(name), "unknown_field", detail);
            } else if members[..place].iter().any(|(earlier, _)| earlier.as_str() == name) {
                let detail = "duplicate field";
                findings.add(ErrorCode::FormationViolation, &path.name(name), "duplicate_field", detail);
            }
        }
        Some(Self { value, path })
    }

    /// The member of that name; `null` counts as absent.
    pub fn get(&self, name: &str) -> Option<&'v Value<'a>> {
        let Value::Object(members) = self.value else { return None };
        let found = members.iter().find(|(key, _)| key.as_str() == name).map(|(_, value)| value);
        found.filter(|value| !matches!(value, Value::Null))
    }

    /// Note that a member is missing.
    pub fn require(&self, name: &str, findings: &mut Findings) {
        if self.get(name).is_none() {
            let path = self.path.name(name);
            findings.add(ErrorCode::ProtocolError, &path, "missing", "a required field is missing");
        }
    }

    pub fn integer(&self, name: &str, range: RangeInclusive<i64>, findings: &mut Findings) -> Option<i64> {
        let path = self.path.name(name);
        let Value::Number(text) = self.get(name)? else {
            findings.wrong_type(&path, "an integer");
            return None;
        };
        let is_integral = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
        match text.parse::<i64>() {
            Ok(number) if range.contains(&number) => return Some(number),
            Err(_) if !is_integral => findings.wrong_type(&path, "an integer"),
            _ => {
                let detail = format!("must be from {} to {}", range.start(), range.end());
                findings.property(&path, "out_of_range", &detail);
            }
        }
        None
    }

    pub fn boolean(&self, name: &str, findings: &mut Findings) -> bool {
        match self.get(name) {
            None => false,
            Some(Value::Boolean(flag)) => *flag,
            Some(_) => {
                findings.wrong_type(&self.path.name(name), "a boolean");
                false
            }
        }
    }

    pub fn word(&self, name: &str, words: &[&'static str], findings: &mut Findings) -> Option<&'static str> {
        let path = self.path.name(name);
        let Value::String(text) = self.get(name)? else {
            findings.wrong_type(&path, "a string");
            return None;
        };
        let found = words.iter().find(|word| *word == text).copied();
        if found.is_none() {
            let detail = format!("must be one of {}", words.join(", "));
            findings.property(&path, "not_in_enumeration", &detail);
        }
        found
    }

    /// A moment of the years 1 to 9999, in UTC.
    pub fn moment(&self, name: &str, findings: &mut Findings) -> Option<i64> {
        let path = self.path.name(name);
        let Value::String(text) = self.get(name)? else {
            findings.wrong_type(&path, "a string with a date and time");
            return None;
        };
        if !scalar::is_date_time(text.as_bytes()) {
            findings.property(&path, "bad_date_time", "not a date and time by RFC 3339");
            return None;
        }
        let moment_s = moment::parse(text);
        let found = moment_s.filter(|moment_s| (moment::EARLIEST_S..moment::END_S).contains(moment_s));
        if found.is_none() {
            findings.property(&path, "out_of_range", "must be in the years 1 to 9999 UTC");
        }
        found
    }

    /// An amount that is not negative.
    pub fn tenths(&self, name: &str, findings: &mut Findings) -> Option<Tenths> {
        let path = self.path.name(name);
        let Value::Number(text) = self.get(name)? else {
            findings.wrong_type(&path, "a number");
            return None;
        };
        tenths(text, &path, findings)
    }
}

/// The text of a number as an amount that is not negative.
pub(crate) fn tenths(text: &str, path: &Path<'_>, findings: &mut Findings) -> Option<Tenths> {
    let in_range = |float: f64| (0.0..=1e9).contains(&float);
    if !text.parse().is_ok_and(in_range) {
        findings.property(path, "out_of_range", "must be from 0 to 1000000000");
        return None;
    }
    let found = Tenths::from_decimal(text);
    if found.is_none() {
        findings.property(path, "too_precise", "at most one digit may follow the decimal point");
    }
    found
}
