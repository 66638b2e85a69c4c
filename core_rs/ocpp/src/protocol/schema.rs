//! The definition prepared for judging: names as symbols, types as indices, built once.

use std::collections::HashMap;
use std::sync::Arc;

use indexmap::IndexMap;

use crate::protocol::definition::{
    Definition, DefinitionError, Field, FieldKind, Items, Message, NamedType, Sender,
};
use crate::protocol::names::{Names, Scanned, Token};
use crate::protocol::rules::Rule;
use crate::protocol::symbols::{Symbol, Symbols};

/// The field that carries most of a charge point's traffic. It alone may be kept in part, and returned as text.
pub(crate) const SAMPLED_VALUE: &str = "sampledValue";

/// Every message of the protocol, ready to judge payloads.
pub struct Schema {
    messages: Vec<MessageSchema>,
    actions: Names<usize>,
    objects: Vec<ObjectSchema>,
}

/// One action.
#[derive(Debug)]
pub struct MessageSchema {
    /// The action as it is sent.
    pub action: &'static str,
    /// Who may send the request.
    pub sender: Sender,
    /// Rules across fields of the request; judged on what we send only.
    pub rules: Vec<Rule>,
    /// Whether money depends on it, so that it must never be lost.
    pub is_billing: bool,
    /// Whether a repeat under the same id gets the same answer and takes no effect again.
    pub keeps_answer: bool,
    request: usize,
    response: usize,
}

/// Which of the two payloads of an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The payload of the CALL.
    Request,
    /// The payload of the CALLRESULT.
    Response,
}

/// The fields of one object.
pub struct ObjectSchema {
    /// The fields in the order of the standard; at most 64.
    pub fields: Vec<FieldSchema>,
    /// Whether it may have members that no field names.
    pub open: bool,
    /// Bit i is set if field i is required.
    pub required: u64,
    pub(crate) names: Names<usize>,
}

/// One field.
pub struct FieldSchema {
    /// The name in frames.
    pub name: &'static str,
    /// The name as a symbol.
    pub symbol: Symbol,
    pub(crate) token: Token,
    /// The index of the field in `ObjectSchema::fields`.
    pub(crate) place: usize,
    /// The bit of the field in `ObjectSchema::required`.
    pub(crate) bit: u64,
    pub(crate) is_sampled_value: bool,
    /// Whether the field may be absent.
    pub optional: bool,
    /// Set when the field is an array.
    pub many: Option<Items>,
    /// The type of one value.
    pub kind: Kind,
}

/// The type of one value. Lengths are in characters.
pub enum Kind {
    /// A string; with a number: of at most that many characters.
    String(Option<usize>),
    /// An integer within bounds.
    Integer(Option<i64>, Option<i64>),
    /// A number.
    Decimal {
        /// At most one digit after the point.
        tenths: bool,
        /// Least value.
        min: Option<f64>,
        /// Greatest value.
        max: Option<f64>,
    },
    /// Any JSON value.
    Any,
    /// A boolean.
    Boolean,
    /// An RFC 3339 date and time.
    DateTime,
    /// One value of an enumeration.
    Enumeration(Arc<EnumerationSchema>),
    /// An object: index for `Schema::object`.
    Object(usize),
}

impl Kind {
    /// Whether the value is a string in JSON.
    #[inline(always)]
    pub(crate) fn is_string(&self) -> bool {
        matches!(self, Self::String(_) | Self::DateTime | Self::Enumeration(_))
    }
}

impl FieldSchema {
    /// Whether its value is a string in JSON.
    pub(crate) fn is_string(&self) -> bool {
        self.many.is_none() && self.kind.is_string()
    }
}

/// The values of one enumeration.
pub struct EnumerationSchema {
    /// Name of the type.
    pub name: &'static str,
    values: Vec<(&'static str, Symbol)>,
    names: Names<Symbol>,
}

/// The most values of a set that a message about a wrong value lists.
const LISTED_VALUES: usize = 12;

impl EnumerationSchema {
    /// The value of exactly that spelling.
    #[must_use]
    pub fn find(&self, text: &str) -> Option<Symbol> {
        self.names.find(Scanned::of(text))
    }

    /// The value of exactly that spelling, from a text that has been scanned.
    #[inline(always)]
    pub(crate) fn find_scanned(&self, scanned: Scanned<'_>) -> Option<Symbol> {
        self.names.find(scanned)
    }

    /// The value of that spelling, ignoring case and what separates words: `Suspended_EV`, `l1n`.
    #[must_use]
    pub fn find_loosely(&self, text: &str) -> Option<Symbol> {
        self.values.iter().find(|(value, _)| is_spelled_like(text, value)).map(|(_, symbol)| *symbol)
    }

    /// What a value must be, for people: one of the values, or only the type's name if a message would be too long.
    pub(crate) fn requirement(&self) -> String {
        if self.values.len() > LISTED_VALUES {
            return format!("a value of {}", self.name);
        }
        let values: Vec<&str> = self.values.iter().map(|(value, _)| *value).collect();
        format!("one of {}", values.join(", "))
    }
}

impl ObjectSchema {
    /// The place of a field. `expected` is tried first: the place of the next field in the standard's order.
    #[must_use]
    pub fn find(&self, name: &str, expected: usize) -> Option<usize> {
        if self.fields.get(expected).is_some_and(|field| field.name == name) {
            return Some(expected);
        }
        self.fields.iter().position(|field| field.name == name)
    }

    /// The place of a field whose name differs only in case, or in what separates words: serializers of other
    /// languages write `ConnectorId` or `connector_id`.
    #[must_use]
    pub fn find_loosely(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|field| is_spelled_like(name, field.name))
    }
}

impl Schema {
    /// Build the schema of a definition.
    pub(crate) fn new(definition: &'static Definition, symbols: &Symbols) -> Result<Self, DefinitionError> {
        Builder::new(definition, symbols).build()
    }

    /// The message of an action, by its exact name.
    #[must_use]
    pub fn message(&self, action: &str) -> Option<&MessageSchema> {
        self.messages.get(self.actions.find(Scanned::of(action))?)
    }

    /// The message of an action, ignoring case. `StartTransaction.req` and `StartTransactionRequest`, as OCPP 1.6 and
    /// 2.0.1 name the payload of the request, mean the action too.
    #[must_use]
    pub fn message_loosely(&self, action: &str) -> Option<&MessageSchema> {
        let action = action.trim_matches(|c: char| c.is_whitespace() || c == '\0');
        let is_meant = |name: &str| {
            let rest = action.get(name.len()..).filter(|_| action[..name.len()].eq_ignore_ascii_case(name));
            rest.is_some_and(|rest| ["", ".req", "Request"].iter().any(|end| end.eq_ignore_ascii_case(rest)))
        };
        self.messages.iter().find(|message| is_meant(message.action))
    }

    /// The messages that are worth money.
    pub fn billing_messages(&self) -> impl Iterator<Item = &MessageSchema> {
        self.messages.iter().filter(|message| message.is_billing)
    }

    /// The payload of a message.
    #[must_use]
    pub fn payload(&self, message: &MessageSchema, direction: Direction) -> &ObjectSchema {
        match direction {
            Direction::Request => &self.objects[message.request],
            Direction::Response => &self.objects[message.response],
        }
    }

    /// The object behind `Kind::Object`.
    #[must_use]
    pub fn object(&self, index: usize) -> &ObjectSchema {
        &self.objects[index]
    }
}

/// Whether two names differ only in case, and in what separates words or surrounds them.
#[must_use]
pub fn is_spelled_like(one: &str, other: &str) -> bool {
    fn letters(name: &str) -> impl Iterator<Item = char> + '_ {
        let is_kept = |letter: &char| !letter.is_whitespace() && !matches!(letter, '_' | '-' | '.' | '\0');
        name.chars().filter(is_kept).map(|letter| letter.to_ascii_lowercase())
    }
    letters(one).eq(letters(other))
}

struct Builder<'s> {
    symbols: &'s Symbols,
    definition: &'static Definition,
    object_places: HashMap<&'static str, usize>,
    enumerations: HashMap<&'static str, Arc<EnumerationSchema>>,
}

impl<'s> Builder<'s> {
    fn new(definition: &'static Definition, symbols: &'s Symbols) -> Self {
        let types = || definition.types.iter().map(|(name, named)| (name.as_str(), named));
        let objects = types().filter(|(_, named)| matches!(named, NamedType::Object { .. }));
        let enumerations = types().filter_map(|(name, named)| match named {
            NamedType::Enum { values, .. } => Some((name, Arc::new(enumeration(symbols, name, values)))),
            _ => None,
        });
        Self {
            symbols,
            definition,
            object_places: objects.enumerate().map(|(place, (name, _))| (name, place)).collect(),
            enumerations: enumerations.collect(),
        }
    }

    fn build(&self) -> Result<Schema, DefinitionError> {
        let mut objects = Vec::new();
        for named in self.definition.types.values() {
            if let NamedType::Object { fields, open, .. } = named {
                objects.push(ObjectSchema { open: *open, ..self.object(fields) });
            }
        }
        let mut messages = Vec::new();
        for (action, message) in &self.definition.messages {
            let request = objects.len();
            objects.push(self.object(&message.request));
            objects.push(self.object(&message.response));
            let rules = rules(message)?;
            let (sender, is_billing, keeps_answer) = (message.sender, message.billing, message.answer_kept);
            let compiled = MessageSchema {
                action,
                sender,
                rules,
                is_billing,
                keeps_answer,
                request,
                response: request + 1,
            };
            messages.push(compiled);
        }
        let actions: Vec<_> =
            messages.iter().enumerate().map(|(place, message)| (message.action, place)).collect();
        Ok(Schema { actions: Names::new(&actions), messages, objects })
    }

    fn object(&self, fields: &'static [Field]) -> ObjectSchema {
        let required = fields
            .iter()
            .enumerate()
            .filter(|(_, field)| !field.optional)
            .fold(0, |mask, (place, _)| mask | 1 << place);
        let names: Vec<_> =
            fields.iter().enumerate().map(|(place, field)| (field.name.as_str(), place)).collect();
        let names = Names::new(&names);
        ObjectSchema {
            open: false,
            fields: fields.iter().enumerate().map(|(place, field)| self.field(place, field)).collect(),
            required,
            names,
        }
    }

    fn field(&self, place: usize, field: &'static Field) -> FieldSchema {
        let kind = match &field.kind {
            FieldKind::String { max_length, .. } | FieldKind::AnyUri { max_length } => {
                Kind::String(*max_length)
            }
            FieldKind::Integer { min, max } => Kind::Integer(*min, *max),
            FieldKind::Decimal { multiple_of_tenth, min, max } => {
                Kind::Decimal { tenths: *multiple_of_tenth, min: *min, max: *max }
            }
            FieldKind::Any => Kind::Any,
            FieldKind::Boolean => Kind::Boolean,
            FieldKind::DateTime => Kind::DateTime,
            FieldKind::Enum(name) => Kind::Enumeration(Arc::clone(&self.enumerations[name.as_str()])),
            FieldKind::Object(name) => Kind::Object(self.object_places[name.as_str()]),
        };
        FieldSchema {
            name: &field.name,
            symbol: symbol(self.symbols, &field.name),
            token: Token::of(&field.name, field.many.is_none() && kind.is_string()),
            place,
            bit: 1 << place,
            is_sampled_value: field.name == SAMPLED_VALUE,
            optional: field.optional,
            many: field.many,
            kind,
        }
    }
}

fn rules(message: &Message) -> Result<Vec<Rule>, DefinitionError> {
    let unknown =
        |rule: &String| DefinitionError::UnknownRule { action: message.action.clone(), rule: rule.clone() };
    message.rules.iter().map(|name| Rule::named(name).ok_or_else(|| unknown(name))).collect()
}

fn enumeration(
    symbols: &Symbols,
    name: &'static str,
    values: &'static IndexMap<String, String>,
) -> EnumerationSchema {
    let values: Vec<_> = values.keys().map(|value| (value.as_str(), symbol(symbols, value))).collect();
    EnumerationSchema { name, names: Names::new(&values), values }
}

fn symbol(symbols: &Symbols, text: &str) -> Symbol {
    symbols.find(text).expect("the symbol table is collected from the same definition")
}
