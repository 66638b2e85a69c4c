//! Every field name and enumeration value of the protocol, once, under a small number.

use std::sync::LazyLock;

use indexmap::IndexSet;

use crate::protocol::definition::{self, Definition, NamedType};

/// A field name or an enumeration value of the definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Symbol(u16);

impl Symbol {
    /// The symbol of that text, if the definition knows it.
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        TABLE.get_index_of(text).and_then(|index| u16::try_from(index).ok()).map(Self)
    }

    /// The text on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        TABLE[usize::from(self.0)]
    }

    /// Place in `all`.
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// Every symbol's text; a symbol's `index` is its place here.
pub fn all() -> impl Iterator<Item = &'static str> {
    TABLE.iter().copied()
}

static TABLE: LazyLock<IndexSet<&'static str>> = LazyLock::new(|| collect(definition::v16()));

fn collect(definition: &'static Definition) -> IndexSet<&'static str> {
    let payload_fields =
        definition.messages.values().flat_map(|message| message.request.iter().chain(&message.response));
    let mut table: IndexSet<&str> = payload_fields.map(|field| field.name.as_str()).collect();
    for named in definition.types.values() {
        match named {
            NamedType::Enum { values, .. } => table.extend(values.keys().map(String::as_str)),
            NamedType::Object { fields, .. } => table.extend(fields.iter().map(|field| field.name.as_str())),
            NamedType::String { .. } => {}
        }
    }
    table
}
