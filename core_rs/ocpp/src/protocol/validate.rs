//! One walk over a payload: judges it, and in tolerant mode repairs it in place. `scalar` judges single values.
//!
//! Strict mode: each deviation from the definition is a violation with its error code (OCPP-J 4.2.3) and JSON
//! pointer. Tolerant mode: what can be understood is repaired, the rest is kept as it came, and both are reported as
//! deviations. Only what leaves no usable message is a violation. The walk also replaces known names and values by
//! symbols.

use crate::protocol::definition::Items;
use crate::protocol::deviation::DeviationCode;
use crate::protocol::error_table::ErrorCode;
use crate::protocol::scalar;
use crate::protocol::schema::{Direction, FieldSchema, Kind, ObjectSchema, Schema};
use crate::protocol::value::{Key, Member, Value};
use crate::protocol::violation::{Deviation, Path, RAW_LIMIT, Violation};

/// Whether deviations from the standard are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Every deviation is a violation. Used for everything that we send.
    Strict,
    /// Deviations are repaired or kept. Used for what charge points send.
    Tolerant,
    /// As `Tolerant`, and what cannot be repaired is left out: nothing is a violation. Used for billing messages, of
    /// which every part that can be read counts.
    Lenient,
}

/// The result of judging a payload.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Broken rules in the order of the payload; the first one decides the error code.
    pub violations: Vec<Violation>,
    /// Repaired or kept deviations.
    pub deviations: Vec<Deviation>,
}

/// Most violations that are listed. More would only cost time.
const VIOLATION_LIMIT: usize = 32;
/// Most deviations that are listed.
const DEVIATION_LIMIT: usize = 64;

/// Judge `payload` and repair it in place. `null` is read as an empty payload (OCPP-J 4.2.1).
///
/// | what is wrong | code |
/// |---|---|
/// | payload not an object, unknown member, duplicate member | `FormationViolation` |
/// | required member missing | `ProtocolError` |
/// | another JSON type | `TypeConstraintViolation` |
/// | too long, not of the set, out of range, bad time | `PropertyConstraintViolation` |
/// | array too short or too long | `OccurenceConstraintViolation` |
///
/// In tolerant mode a bad item of an array of a response is dropped: it must not cost the others.
pub fn validate(
    schema: &Schema,
    object: &ObjectSchema,
    direction: Direction,
    payload: &mut Value<'_>,
    mode: Mode,
) -> Report {
    let mut walk = Walk { schema, direction, mode, report: Report::default() };
    walk.payload(object, payload);
    walk.report
}

pub(crate) struct Walk<'s> {
    schema: &'s Schema,
    direction: Direction,
    pub(crate) mode: Mode,
    report: Report,
}

impl<'s> Walk<'s> {
    fn payload(&mut self, object: &'s ObjectSchema, payload: &mut Value<'_>) {
        match payload {
            Value::Object(_) => {}
            Value::Null => *payload = Value::Object(Vec::new()),
            Value::Array(items) if items.is_empty() && self.mode != Mode::Strict => {
                self.deviation(DeviationCode::PayloadIsArray, &Path::ROOT, "[]".to_owned());
                *payload = Value::Object(Vec::new());
            }
            _ if self.mode == Mode::Lenient => {
                self.deviation(DeviationCode::NotAnObject, &Path::ROOT, payload.to_json(RAW_LIMIT));
                *payload = match payload {
                    Value::Array(items) => items.swap_remove(0),
                    _ => Value::Null,
                };
                if !matches!(payload, Value::Object(_)) {
                    *payload = Value::Object(Vec::new());
                }
            }
            _ => {
                let detail = "the payload must be an object".to_owned();
                return self.violation(ErrorCode::FormationViolation, &Path::ROOT, "not_an_object", detail);
            }
        }
        if let Value::Object(members) = payload {
            self.object(object, members, &Path::ROOT);
        }
    }

    fn object(&mut self, object: &'s ObjectSchema, members: &mut Vec<Member<'_>>, path: &Path<'_>) {
        if self.mode != Mode::Strict && !object.open {
            self.spell_names(object, members, path);
        }
        if self.mode == Mode::Lenient {
            self.keep_last_of_duplicates(object, members, path);
        }
        let mut seen = 0_u64;
        let mut expected = 0;
        members.retain_mut(|(key, value)| {
            let Some(place) = object.find(key.as_str(), expected) else {
                return object.open || self.unknown_member(key.as_str(), value, path);
            };
            expected = place + 1;
            let field = &object.fields[place];
            if matches!(value, Value::Null) && self.mode != Mode::Strict {
                self.deviation(DeviationCode::NullField, &path.name(field.name), "null".to_owned());
                return false;
            }
            if seen & (1 << place) != 0 {
                self.duplicate(&path.name(field.name));
            }
            seen |= 1 << place;
            *key = Key::Symbol(field.symbol);
            self.usable_field(field, value, &path.name(field.name))
        });
        if object.required & !seen != 0 {
            self.missing(object, seen, path);
        }
    }

    /// Judge a field. Returns whether it stays: one that cannot be used is left out of a billing message.
    #[inline(always)]
    fn usable_field(&mut self, field: &'s FieldSchema, value: &mut Value<'_>, path: &Path<'_>) -> bool {
        let before = self.report.violations.len();
        self.field(field, value, path);
        if self.mode != Mode::Lenient || self.report.violations.len() == before {
            return true;
        }
        self.report.violations.truncate(before);
        self.deviation(DeviationCode::FieldDropped, path, value.to_json(RAW_LIMIT));
        false
    }

    /// Give members that mean a field of the standard its name, unless the field has a value under its own name.
    fn spell_names(&mut self, object: &'s ObjectSchema, members: &mut [Member<'_>], path: &Path<'_>) {
        let mut expected = 0;
        let mut named = 0_u64;
        let mut is_exact = true;
        for (key, value) in members.iter() {
            match object.find(key.as_str(), expected) {
                Some(place) => {
                    expected = place + 1;
                    named |= u64::from(!matches!(value, Value::Null)) << place;
                }
                None => is_exact = false,
            }
        }
        if is_exact {
            return;
        }
        for (key, value) in members.iter_mut() {
            if object.find(key.as_str(), 0).is_some() {
                continue;
            }
            let Some(place) = object.find_loosely(key.as_str()).filter(|place| named & (1 << place) == 0)
            else {
                continue;
            };
            let field = &object.fields[place];
            let path = path.name(field.name);
            if field.optional && !self.fits(field, value, &path) {
                continue;
            }
            if field.optional && self.mode == Mode::Tolerant {
                // Another one would be a duplicate, and that a violation.
                named |= u64::from(!matches!(value, Value::Null)) << place;
            }
            let raw = key.as_str().chars().take(RAW_LIMIT).collect();
            self.deviation(DeviationCode::FieldSpelling, &path, raw);
            *key = Key::Symbol(field.symbol);
        }
    }

    /// Whether the value of a member that resembles an optional field may be that of the field. A vendor's own
    /// member, such as an object `Info`, must not make a valid message invalid.
    fn fits(&self, field: &'s FieldSchema, value: &Value<'_>, path: &Path<'_>) -> bool {
        if field.is_string() {
            return !matches!(value, Value::Array(_) | Value::Object(_));
        }
        // In a billing message a field that cannot be used is left out.
        if self.mode == Mode::Lenient {
            return true;
        }
        let report = Report::default();
        let mut trial = Walk { schema: self.schema, direction: self.direction, mode: self.mode, report };
        trial.field(field, &mut value.clone(), path);
        trial.report.violations.is_empty()
    }

    /// Of members with the same name the last one counts, as most readers of JSON have it; `null` says nothing.
    fn keep_last_of_duplicates(
        &mut self,
        object: &ObjectSchema,
        members: &mut Vec<Member<'_>>,
        path: &Path<'_>,
    ) {
        let mut left = [0_u8; 64];
        let place_of = |key: &Key<'_>| object.find(key.as_str(), 0);
        for (key, value) in members.iter() {
            if let Some(place) = place_of(key).filter(|_| !matches!(value, Value::Null)) {
                left[place] = left[place].saturating_add(1);
            }
        }
        members.retain(|(key, value)| {
            let Some(place) = place_of(key) else { return true };
            let is_null = matches!(value, Value::Null);
            if left[place] < if is_null { 1 } else { 2 } {
                return true;
            }
            left[place] -= u8::from(!is_null);
            self.deviation(DeviationCode::DuplicateField, &path.name(key.as_str()), value.to_json(RAW_LIMIT));
            false
        });
    }

    fn unknown_member(&mut self, name: &str, value: &Value<'_>, path: &Path<'_>) -> bool {
        let path = path.name(name);
        match self.mode {
            Mode::Strict => {
                let detail = "unknown field".to_owned();
                self.violation(ErrorCode::FormationViolation, &path, "unknown_field", detail);
                true
            }
            Mode::Tolerant | Mode::Lenient => {
                self.deviation(DeviationCode::UnknownField, &path, value.to_json(RAW_LIMIT));
                false
            }
        }
    }

    /// Tolerant mode refuses it too, because it is unknown which of the two is meant.
    #[cold]
    fn duplicate(&mut self, path: &Path<'_>) {
        let detail = "duplicate field".to_owned();
        self.violation(ErrorCode::FormationViolation, path, "duplicate_field", detail);
    }

    fn missing(&mut self, object: &ObjectSchema, seen: u64, path: &Path<'_>) {
        for (place, field) in object.fields.iter().enumerate() {
            if object.required & !seen & (1 << place) == 0 {
                continue;
            }
            let path = path.name(field.name);
            // `readonly` of a configuration key: the key and its value are worth more.
            let is_worth_less = self.mode == Mode::Tolerant && matches!(field.kind, Kind::Boolean);
            if self.mode == Mode::Lenient || is_worth_less {
                self.deviation(DeviationCode::MissingField, &path, String::new());
            } else {
                let detail = "a required field is missing".to_owned();
                self.violation(ErrorCode::ProtocolError, &path, "missing", detail);
            }
        }
    }

    #[inline(always)]
    fn field(&mut self, field: &'s FieldSchema, value: &mut Value<'_>, path: &Path<'_>) {
        let Some(bounds) = field.many else {
            return self.single(&field.kind, value, path);
        };
        if !matches!(value, Value::Array(_)) && self.mode != Mode::Strict {
            // Huawei sends a lone meterValue without its array (lbbrhzn/ocpp issue 1144).
            self.deviation(DeviationCode::NotAnArray, path, value.to_json(RAW_LIMIT));
            *value = Value::Array(vec![std::mem::replace(value, Value::Null)]);
        }
        let Value::Array(items) = value else {
            return self.wrong_type(path, "an array");
        };
        let is_salvaged = field.is_sampled_value || self.direction == Direction::Response;
        if self.mode == Mode::Lenient || (is_salvaged && self.mode == Mode::Tolerant) {
            self.salvage(&field.kind, field.is_sampled_value, items, path);
        } else {
            for (index, item) in items.iter_mut().enumerate() {
                self.single(&field.kind, item, &path.index(index));
            }
        }
        self.count(items.len(), bounds, path);
    }

    /// Keep the usable items and drop the others with a deviation: one bad sample must not cost the others, and
    /// the raw frame keeps it. (`lbbrhzn/ocpp` issues 1627, 1969.)
    fn salvage(&mut self, kind: &'s Kind, whole: bool, items: &mut Vec<Value<'_>>, path: &Path<'_>) {
        // A sample without its value says nothing: it is usable as a whole or not at all.
        let mode = if whole { Mode::Tolerant } else { self.mode };
        let mode = std::mem::replace(&mut self.mode, mode);
        let mut index = 0;
        items.retain_mut(|item| {
            let path = path.index(index);
            index += 1;
            // Its own list, because a full one would hide that this item is bad.
            let before = std::mem::take(&mut self.report.violations);
            self.single(kind, item, &path);
            let usable = std::mem::replace(&mut self.report.violations, before).is_empty();
            if !usable {
                self.deviation(DeviationCode::ItemDropped, &path, item.to_json(RAW_LIMIT));
            }
            usable
        });
        self.mode = mode;
    }

    fn single(&mut self, kind: &'s Kind, value: &mut Value<'_>, path: &Path<'_>) {
        match kind {
            Kind::Object(index) => match value {
                Value::Object(members) => self.object(self.schema.object(*index), members, path),
                _ => self.wrong_type(path, "an object"),
            },
            Kind::Enumeration(enumeration) => scalar::enumeration(self, enumeration, value, path),
            Kind::String(limit) => scalar::string(self, *limit, value, path),
            Kind::DateTime => scalar::date_time(self, value, path),
            Kind::Integer(min, max) => scalar::integer(self, (*min, *max), value, path),
            Kind::Decimal { tenths, min, max } => {
                scalar::decimal(self, *tenths, (*min, *max), value, path);
            }
            Kind::Any => {}
            Kind::Boolean => scalar::boolean(self, value, path),
        }
    }

    fn count(&mut self, count: usize, bounds: Items, path: &Path<'_>) {
        let (code, detail) = if count < bounds.min {
            (DeviationCode::TooFewItems, format!("expected at least {} items", bounds.min))
        } else if bounds.max.is_some_and(|max| count > max) {
            (
                DeviationCode::TooManyItems,
                format!("expected at most {} items", bounds.max.unwrap_or_default()),
            )
        } else {
            return;
        };
        match self.mode {
            Mode::Strict => {
                self.violation(ErrorCode::OccurenceConstraintViolation, path, code.as_str(), detail);
            }
            Mode::Tolerant | Mode::Lenient => self.deviation(code, path, count.to_string()),
        }
    }

    pub(crate) fn wrong_type(&mut self, path: &Path<'_>, expected: &str) {
        self.violation(
            ErrorCode::TypeConstraintViolation,
            path,
            "wrong_type",
            format!("expected {expected}"),
        );
    }

    pub(crate) fn violation(
        &mut self,
        code: ErrorCode,
        path: &Path<'_>,
        reason: &'static str,
        detail: String,
    ) {
        if self.report.violations.len() < VIOLATION_LIMIT {
            self.report.violations.push(Violation { code, pointer: path.pointer(), reason, detail });
        }
    }

    pub(crate) fn deviation(&mut self, kind: DeviationCode, path: &Path<'_>, raw: String) {
        if self.report.deviations.len() < DEVIATION_LIMIT {
            self.report.deviations.push(Deviation { kind, pointer: path.pointer(), raw });
        }
    }
}
