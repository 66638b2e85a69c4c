//! The shape of the definition files, as serde reads them. Only `load` uses it.

use indexmap::IndexMap;
use serde::Deserialize;

use super::Treatment;

/// The `[profile]` header of a feature file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProfileHeader {
    pub name: String,
    pub key: String,
    pub section: String,
    pub summary: String,
}

/// A message table of a feature file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MessageTable {
    pub sender: SenderName,
    pub sections: Vec<String>,
    #[serde(default)]
    pub known: Vec<String>,
    #[serde(default)]
    pub unconfirmed: bool,
    pub summary: String,
    #[serde(default)]
    pub billing: bool,
    #[serde(default)]
    pub answer_kept: bool,
    pub central_system: Option<Treatment>,
    #[serde(default)]
    pub error_behaviour: String,
    #[serde(default)]
    pub rules: Vec<String>,
    #[serde(default)]
    pub request: IndexMap<String, FieldTable>,
    #[serde(default)]
    pub response: IndexMap<String, FieldTable>,
    pub example: ExampleTable,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum SenderName {
    ChargePoint,
    CentralSystem,
    Both,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExampleTable {
    pub request: String,
    pub response: String,
}

/// A field with all attributes. `load` refuses those that do not apply to its type.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FieldTable {
    #[serde(rename = "type")]
    pub type_name: String,
    #[serde(default)]
    pub summary: String,
    #[serde(default)]
    pub optional: bool,
    #[serde(default)]
    pub many: bool,
    pub min_items: Option<usize>,
    pub max_items: Option<usize>,
    pub min: Option<i64>,
    pub max: Option<i64>,
    pub max_length: Option<usize>,
    pub multiple_of: Option<String>,
    pub source: Option<String>,
}

/// A table of `types.toml`.
#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum TypeTable {
    String {
        section: String,
        summary: String,
        max_length: Option<usize>,
        #[serde(default)]
        case_insensitive: bool,
    },
    Enum {
        section: String,
        #[serde(default)]
        summary: String,
        values: ValueTable,
    },
    Object {
        section: String,
        #[serde(default)]
        summary: String,
        #[serde(default)]
        open: bool,
        /// The name of the optional field of this type that every payload and every other object has.
        in_every_object: Option<String>,
        #[serde(default)]
        fields: IndexMap<String, FieldTable>,
    },
}

/// The values of an enumeration: with a line about each, or alone.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum ValueTable {
    Explained(IndexMap<String, String>),
    Alone(Vec<String>),
}

impl ValueTable {
    /// Each value with its line, which may be empty.
    pub(super) fn with_summaries(&self) -> IndexMap<String, String> {
        match self {
            Self::Explained(values) => values.clone(),
            Self::Alone(values) => values.iter().map(|value| (value.clone(), String::new())).collect(),
        }
    }
}
