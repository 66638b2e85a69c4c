//! The shape of the definition files, as serde reads them. Only `load` uses it.

use indexmap::IndexMap;
use serde::Deserialize;

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
    pub summary: String,
    #[serde(default)]
    pub billing: bool,
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
        summary: String,
        values: IndexMap<String, String>,
    },
    Object {
        section: String,
        summary: String,
        fields: IndexMap<String, FieldTable>,
    },
}
