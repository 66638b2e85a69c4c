//! The definition made ready for walking: names as symbols, types as indices, built once.

use std::collections::HashMap;
use std::sync::LazyLock;

use indexmap::IndexMap;

use crate::definition::{self, Definition, Field, FieldKind, Items, NamedType, Sender};
use crate::names::{Names, Scanned};
use crate::rules::Rule;
use crate::symbol::Symbol;

/// The field that holds most of a charge point's traffic: it alone may be salvaged in part, and kept as text.
pub(crate) const SAMPLED_VALUE: &str = "sampledValue";

/// Every message of the protocol, ready to judge payloads.
pub struct Schema {
    /// Sorted by action: forty names are found faster by halves than by a hash.
    messages: Vec<MessageSchema>,
    objects: Vec<ObjectSchema>,
    enumerations: Vec<EnumerationSchema>,
}

/// One action.
#[derive(Debug)]
pub struct MessageSchema {
    /// Action as it stands on the wire.
    pub action: &'static str,
    /// Who may send the request.
    pub sender: Sender,
    /// Rules across fields of the request; judged on what we send only.
    pub rules: Vec<Rule>,
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
    /// In the order of the standard; at most 64.
    pub fields: Vec<FieldSchema>,
    /// Bit i is set when field i must be there.
    pub required: u64,
    pub(crate) names: Names,
}

/// One field.
pub struct FieldSchema {
    /// Name on the wire.
    pub name: &'static str,
    /// The same as a symbol.
    pub symbol: Symbol,
    /// The name as it mostly stands in a text: in quotes, a colon behind it.
    pub(crate) key: String,
    pub(crate) is_sampled_value: bool,
    /// Whether it may be absent.
    pub optional: bool,
    /// Set when the field is an array.
    pub many: Option<Items>,
    /// What one value must be.
    pub kind: Kind,
}

/// What one value must be. Lengths are in characters.
pub enum Kind {
    /// A string of at most so many characters.
    String(Option<usize>),
    /// An integer within bounds.
    Integer(Option<i64>, Option<i64>),
    /// A number.
    Decimal {
        /// At most one digit after the point.
        tenths: bool,
        /// Least value.
        min: Option<f64>,
    },
    /// A boolean.
    Boolean,
    /// An RFC 3339 date and time.
    DateTime,
    /// One of a set: index for `Schema::enumeration`.
    Enumeration(usize),
    /// An object: index for `Schema::object`.
    Object(usize),
}

/// The values of one enumeration.
pub struct EnumerationSchema {
    /// Name of the type.
    pub name: &'static str,
    values: Vec<(&'static str, Symbol)>,
    names: Names,
}

impl EnumerationSchema {
    /// The value of exactly that spelling.
    #[must_use]
    pub fn find(&self, text: &str) -> Option<Symbol> {
        self.values.iter().find(|(value, _)| *value == text).map(|(_, symbol)| *symbol)
    }

    /// The value whose name stands from `start` to the end of what was scanned.
    #[inline(always)]
    pub(crate) fn scanned(&self, bytes: &[u8], start: usize, scanned: Scanned) -> Option<Symbol> {
        self.names.find(bytes, start, scanned).map(|place| self.values[place].1)
    }

    /// The value that is meant when case and blanks are not looked at.
    #[must_use]
    pub fn find_loosely(&self, text: &str) -> Option<Symbol> {
        let folded: String = text.chars().filter(|character| !character.is_whitespace()).collect();
        self.values.iter().find(|(value, _)| value.eq_ignore_ascii_case(&folded)).map(|(_, symbol)| *symbol)
    }
}

impl ObjectSchema {
    /// The place of a field. `expected` is where it stands when fields come in the standard's order.
    #[must_use]
    pub fn find(&self, name: &str, expected: usize) -> Option<usize> {
        if self.fields.get(expected).is_some_and(|field| field.name == name) {
            return Some(expected);
        }
        self.fields.iter().position(|field| field.name == name)
    }
}

impl Schema {
    /// The message of an action, by its exact name.
    #[must_use]
    pub fn message(&self, action: &str) -> Option<&MessageSchema> {
        let place = self.messages.binary_search_by(|message| message.action.cmp(action)).ok()?;
        Some(&self.messages[place])
    }

    /// The message whose action is meant when case is not looked at.
    #[must_use]
    pub fn message_loosely(&self, action: &str) -> Option<&MessageSchema> {
        self.messages.iter().find(|message| message.action.eq_ignore_ascii_case(action))
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

    /// The enumeration behind `Kind::Enumeration`.
    #[must_use]
    pub fn enumeration(&self, index: usize) -> &EnumerationSchema {
        &self.enumerations[index]
    }
}

/// The schema of OCPP 1.6, built at the first use.
#[must_use]
pub fn v16() -> &'static Schema {
    static SCHEMA: LazyLock<Schema> = LazyLock::new(|| Builder::new(definition::v16()).build());
    &SCHEMA
}

struct Builder {
    definition: &'static Definition,
    object_places: HashMap<&'static str, usize>,
    enumeration_places: HashMap<&'static str, usize>,
}

impl Builder {
    fn new(definition: &'static Definition) -> Self {
        let places = |wanted: fn(&NamedType) -> bool| {
            let names = definition.types.iter().filter(|(_, named)| wanted(named));
            names.enumerate().map(|(place, (name, _))| (name.as_str(), place)).collect()
        };
        Self {
            definition,
            object_places: places(|named| matches!(named, NamedType::Object { .. })),
            enumeration_places: places(|named| matches!(named, NamedType::Enum { .. })),
        }
    }

    fn build(&self) -> Schema {
        let mut objects = Vec::new();
        let mut enumerations = Vec::new();
        for (name, named) in &self.definition.types {
            match named {
                NamedType::Object { fields, .. } => objects.push(self.object(fields)),
                NamedType::Enum { values, .. } => enumerations.push(enumeration(name, values)),
                NamedType::String { .. } => {}
            }
        }
        let mut messages = Vec::new();
        for (action, message) in &self.definition.messages {
            let request = objects.len();
            objects.push(self.object(&message.request));
            objects.push(self.object(&message.response));
            let rules = message.rules.iter().map(|name| Rule::named(name)).collect();
            let compiled =
                MessageSchema { action, sender: message.sender, rules, request, response: request + 1 };
            messages.push(compiled);
        }
        messages.sort_by_key(|message| message.action);
        Schema { messages, objects, enumerations }
    }

    fn object(&self, fields: &'static [Field]) -> ObjectSchema {
        assert!(fields.len() <= 64, "an object of the definition has at most 64 fields");
        let required = fields
            .iter()
            .enumerate()
            .filter(|(_, field)| !field.optional)
            .fold(0, |mask, (place, _)| mask | 1 << place);
        let names = Names::new(&fields.iter().map(|field| field.name.as_str()).collect::<Vec<_>>());
        ObjectSchema { fields: fields.iter().map(|field| self.field(field)).collect(), required, names }
    }

    fn field(&self, field: &'static Field) -> FieldSchema {
        let kind = match &field.kind {
            FieldKind::String { max_length, .. } | FieldKind::AnyUri { max_length } => {
                Kind::String(*max_length)
            }
            FieldKind::Integer { min, max } => Kind::Integer(*min, *max),
            FieldKind::Decimal { multiple_of_tenth, min } => {
                Kind::Decimal { tenths: *multiple_of_tenth, min: *min }
            }
            FieldKind::Boolean => Kind::Boolean,
            FieldKind::DateTime => Kind::DateTime,
            FieldKind::Enum(name) => Kind::Enumeration(self.enumeration_places[name.as_str()]),
            FieldKind::Object(name) => Kind::Object(self.object_places[name.as_str()]),
        };
        FieldSchema {
            name: &field.name,
            symbol: symbol(&field.name),
            key: format!("\"{}\":", field.name),
            is_sampled_value: field.name == SAMPLED_VALUE,
            optional: field.optional,
            many: field.many,
            kind,
        }
    }
}

fn enumeration(name: &'static str, values: &'static IndexMap<String, String>) -> EnumerationSchema {
    let names = Names::new(&values.keys().map(String::as_str).collect::<Vec<_>>());
    let values = values.keys().map(|value| (value.as_str(), symbol(value))).collect();
    EnumerationSchema { name, values, names }
}

fn symbol(text: &str) -> Symbol {
    Symbol::of(text).expect("the symbol table is collected from the same definition")
}
