//! Gives every field name and enumeration value of a protocol a small number.

use std::hash::{Hash, Hasher};

use indexmap::IndexSet;

use crate::protocol::definition::{Definition, NamedType};

/// A field name or an enumeration value of one protocol.
#[derive(Clone, Copy, Debug)]
pub struct Symbol(&'static Word);

#[derive(Debug)]
struct Word {
    text: &'static str,
    index: usize,
}

impl Symbol {
    /// The text in frames.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.0.text
    }

    /// The index of the symbol among the symbols of its protocol.
    #[must_use]
    pub fn index(self) -> usize {
        self.0.index
    }
}

impl PartialEq for Symbol {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.0, other.0)
    }
}

impl Eq for Symbol {}

impl Hash for Symbol {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::ptr::hash(self.0, state);
    }
}

/// All symbols of a protocol.
pub struct Symbols {
    texts: IndexSet<&'static str>,
    words: &'static [Word],
}

impl Symbols {
    /// Collect the symbols of a definition.
    pub(crate) fn of(definition: &'static Definition) -> Self {
        let texts = collect(definition);
        let words = texts.iter().enumerate().map(|(index, text)| Word { text, index });
        Self { words: words.collect::<Vec<_>>().leak(), texts }
    }

    /// The symbol of a text; `None` when the definition does not have it.
    #[must_use]
    pub fn find(&self, text: &str) -> Option<Symbol> {
        self.texts.get_index_of(text).map(|index| Symbol(&self.words[index]))
    }

    /// The text of every symbol, in the order of their indices.
    pub fn texts(&self) -> impl Iterator<Item = &'static str> {
        self.texts.iter().copied()
    }
}

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
