//! Reads definition files: resolves names and refuses contradictions.

use std::fmt;

use indexmap::IndexMap;
use indexmap::map::Entry;
use serde::de::DeserializeOwned;

use super::citation::is_limited;
use super::source::{FieldTable, MessageTable, ProfileHeader, SenderName, TypeTable};
use super::{Definition, Field, FieldKind, Items, Message, NamedType, Profile, Sender, Sources};

/// The validator has a bit for each field of an object, and every object may have one more.
const MOST_FIELDS: usize = 63;

/// Why definition files cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DefinitionError {
    /// Not TOML, or a table with a missing or an unknown attribute.
    Malformed {
        /// The table, or the file when it could not be read at all.
        table: String,
        /// The error text of the TOML reader.
        reason: String,
    },
    /// A feature file without `[profile]`.
    MissingProfile,
    /// Two messages of one action.
    DuplicatedAction(String),
    /// A field of a type that is neither primitive nor in `types.toml`.
    UnknownType {
        /// `Action.request.field` or `Type.field`.
        field: String,
        /// The unknown name.
        type_name: String,
    },
    /// An attribute that does not apply to the type of the field.
    MisplacedAttribute {
        /// `Action.request.field` or `Type.field`.
        field: String,
        /// The attribute.
        attribute: &'static str,
    },
    /// A configuration key of a feature profile that does not exist.
    UnknownProfile {
        /// The configuration key.
        key: String,
        /// The unknown name.
        profile: String,
    },
    /// A message with a rule that `rules` does not implement.
    UnknownRule {
        /// The action.
        action: String,
        /// The unknown name.
        rule: String,
    },
    /// An object with more fields than the validator can keep track of.
    TooManyFields(String),
    /// An entry of the error table that is not an error code, in any spelling.
    UnknownErrorCode(String),
    /// A fact without a source, or with one that cannot be resolved.
    Unsourced {
        /// The action, type, field, key, code or event.
        fact: String,
        /// Its reference; empty when it has none.
        reference: String,
    },
    /// An error code that the error table does not have.
    MissingErrorCode(&'static str),
}

impl fmt::Display for DefinitionError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed { table, reason } => {
                write!(formatter, "[{table}] is malformed: {reason}")
            }
            Self::MissingProfile => write!(formatter, "a feature file has no [profile] table"),
            Self::DuplicatedAction(action) => {
                write!(formatter, "the action {action} is defined twice")
            }
            Self::UnknownType { field, type_name } => {
                write!(formatter, "{field} has the unknown type {type_name}")
            }
            Self::MisplacedAttribute { field, attribute } => {
                write!(formatter, "{field} has {attribute}, which does not apply to its type")
            }
            Self::UnknownProfile { key, profile } => {
                write!(formatter, "the configuration key {key} names the unknown profile {profile}")
            }
            Self::UnknownRule { action, rule } => {
                write!(formatter, "the action {action} has the unknown rule {rule}")
            }
            Self::Unsourced { fact, reference } => {
                write!(formatter, "{fact} has no source that can be resolved: {reference:?}")
            }
            Self::TooManyFields(owner) => write!(formatter, "{owner} has more than 63 fields"),
            Self::UnknownErrorCode(code) => write!(formatter, "the error code {code} is unknown"),
            Self::MissingErrorCode(code) => write!(formatter, "the error code {code} is missing"),
        }
    }
}

impl std::error::Error for DefinitionError {}

impl Definition {
    /// Reads definition files.
    ///
    /// # Errors
    /// When a file is malformed or names something that does not exist.
    pub fn load(sources: &Sources<'_>) -> Result<Self, DefinitionError> {
        let type_tables: IndexMap<String, TypeTable> = read("types.toml", sources.types)?;
        let mut definition = Self {
            version: sources.version.to_owned(),
            profiles: Vec::new(),
            messages: IndexMap::new(),
            types: resolve_types(&type_tables)?,
            errors: read("errors.toml", sources.errors)?,
            configuration_keys: read("config_keys.toml", sources.configuration_keys)?,
            documents: read("documents.toml", sources.documents)?,
            security_events: read("security_events.toml", sources.security_events)?,
        };
        for text in sources.profiles {
            definition.add_profile(text, &type_tables)?;
        }
        for (key, entry) in &definition.configuration_keys {
            if !definition.profiles.iter().any(|profile| profile.key == entry.profile) {
                return Err(DefinitionError::UnknownProfile {
                    key: key.clone(),
                    profile: entry.profile.clone(),
                });
            }
        }
        definition.check_citations()?;
        Ok(definition)
    }

    fn add_profile(
        &mut self,
        text: &str,
        types: &IndexMap<String, TypeTable>,
    ) -> Result<(), DefinitionError> {
        let mut tables: IndexMap<String, toml::Value> = read("feature file", text)?;
        let header = tables.shift_remove("profile").ok_or(DefinitionError::MissingProfile)?;
        let header: ProfileHeader = convert("profile", header)?;
        for (action, table) in tables {
            let message = resolve_message(&action, &header.key, convert(&action, table)?, types)?;
            match self.messages.entry(action) {
                Entry::Vacant(entry) => entry.insert(message),
                Entry::Occupied(entry) => {
                    return Err(DefinitionError::DuplicatedAction(entry.key().clone()));
                }
            };
        }
        self.profiles.push(Profile {
            name: header.name,
            key: header.key,
            section: header.section,
            summary: header.summary,
        });
        Ok(())
    }
}

fn read<T: DeserializeOwned>(file: &str, text: &str) -> Result<T, DefinitionError> {
    toml::from_str(text).map_err(|error| malformed(file, &error))
}

fn convert<T: DeserializeOwned>(table: &str, value: toml::Value) -> Result<T, DefinitionError> {
    value.try_into().map_err(|error| malformed(table, &error))
}

fn malformed(table: &str, error: &toml::de::Error) -> DefinitionError {
    DefinitionError::Malformed { table: table.to_owned(), reason: error.message().to_owned() }
}

fn resolve_message(
    action: &str,
    profile: &str,
    table: MessageTable,
    types: &IndexMap<String, TypeTable>,
) -> Result<Message, DefinitionError> {
    Ok(Message {
        action: action.to_owned(),
        profile: profile.to_owned(),
        sender: match table.sender {
            SenderName::ChargePoint => Sender::ChargePoint,
            SenderName::CentralSystem => Sender::CentralSystem,
            SenderName::Both => Sender::Both,
        },
        sections: table.sections,
        confirmed: !table.unconfirmed,
        known: table.known,
        summary: table.summary,
        billing: table.billing,
        answer_kept: table.billing || table.answer_kept,
        central_system: table.central_system,
        error_behaviour: table.error_behaviour,
        rules: table.rules,
        request: resolve_payload(&format!("{action}.request"), &table.request, types)?,
        response: if table.unconfirmed {
            Vec::new()
        } else {
            resolve_payload(&format!("{action}.response"), &table.response, types)?
        },
        example_request: table.example.request,
        example_response: table.example.response,
    })
}

fn resolve_types(
    tables: &IndexMap<String, TypeTable>,
) -> Result<IndexMap<String, NamedType>, DefinitionError> {
    let mut types = IndexMap::new();
    for (name, table) in tables {
        let resolved = match table {
            TypeTable::String { section, summary, max_length, case_insensitive } => NamedType::String {
                section: section.clone(),
                summary: summary.clone(),
                max_length: *max_length,
                case_insensitive: *case_insensitive,
            },
            TypeTable::Enum { section, summary, values } => NamedType::Enum {
                section: section.clone(),
                summary: summary.clone(),
                values: values.with_summaries(),
            },
            TypeTable::Object { section, summary, open, in_every_object, fields } => {
                let mut fields = resolve_fields(name, fields, tables)?;
                if in_every_object.is_none() {
                    fields.extend(common_field(tables));
                }
                NamedType::Object { section: section.clone(), summary: summary.clone(), open: *open, fields }
            }
        };
        types.insert(name.clone(), resolved);
    }
    Ok(types)
}

/// The fields of a payload, with the one that every object has.
fn resolve_payload(
    owner: &str,
    fields: &IndexMap<String, FieldTable>,
    types: &IndexMap<String, TypeTable>,
) -> Result<Vec<Field>, DefinitionError> {
    let mut fields = resolve_fields(owner, fields, types)?;
    fields.extend(common_field(types));
    Ok(fields)
}

/// The optional field that every payload and object of the version has, if there is one.
fn common_field(types: &IndexMap<String, TypeTable>) -> Option<Field> {
    types.iter().find_map(|(type_name, table)| match table {
        TypeTable::Object { in_every_object: Some(name), summary, .. } => Some(Field {
            name: name.clone(),
            kind: FieldKind::Object(type_name.clone()),
            optional: true,
            many: None,
            is_limited: false,
            source: None,
            summary: summary.clone(),
        }),
        _ => None,
    })
}

fn resolve_fields(
    owner: &str,
    fields: &IndexMap<String, FieldTable>,
    types: &IndexMap<String, TypeTable>,
) -> Result<Vec<Field>, DefinitionError> {
    if fields.len() > MOST_FIELDS {
        return Err(DefinitionError::TooManyFields(owner.to_owned()));
    }
    fields
        .iter()
        .map(|(name, table)| {
            let path = format!("{owner}.{name}");
            refuse_misplaced(&path, table)?;
            Ok(Field {
                name: name.clone(),
                kind: resolve_kind(&path, table, types)?,
                optional: table.optional,
                many: table.many.then(|| Items { min: table.min_items.unwrap_or(0), max: table.max_items }),
                is_limited: is_limited(table),
                source: table.source.clone(),
                summary: table.summary.clone(),
            })
        })
        .collect()
}

#[expect(clippy::cast_precision_loss, reason = "bounds in the definition files are small integers")]
fn resolve_kind(
    path: &str,
    table: &FieldTable,
    types: &IndexMap<String, TypeTable>,
) -> Result<FieldKind, DefinitionError> {
    Ok(match table.type_name.as_str() {
        "string" => {
            FieldKind::String { max_length: table.max_length, case_insensitive: false, type_name: None }
        }
        "integer" => FieldKind::Integer { min: table.min, max: table.max },
        "decimal" => FieldKind::Decimal {
            multiple_of_tenth: table.multiple_of.is_some(),
            min: table.min.map(|min| min as f64),
            max: table.max.map(|max| max as f64),
        },
        "any" => FieldKind::Any,
        "boolean" => FieldKind::Boolean,
        "dateTime" => FieldKind::DateTime,
        "anyURI" => FieldKind::AnyUri { max_length: table.max_length },
        name => match types.get(name) {
            Some(TypeTable::String { max_length, case_insensitive, .. }) => FieldKind::String {
                max_length: *max_length,
                case_insensitive: *case_insensitive,
                type_name: Some(name.to_owned()),
            },
            Some(TypeTable::Enum { .. }) => FieldKind::Enum(name.to_owned()),
            Some(TypeTable::Object { .. }) => FieldKind::Object(name.to_owned()),
            None => {
                return Err(DefinitionError::UnknownType {
                    field: path.to_owned(),
                    type_name: name.to_owned(),
                });
            }
        },
    })
}

fn refuse_misplaced(path: &str, table: &FieldTable) -> Result<(), DefinitionError> {
    let type_name = table.type_name.as_str();
    let checks = [
        ("min_items", table.min_items.is_some() && !table.many),
        ("max_items", table.max_items.is_some() && !table.many),
        ("min", table.min.is_some() && !matches!(type_name, "integer" | "decimal")),
        ("max", table.max.is_some() && !matches!(type_name, "integer" | "decimal")),
        ("max_length", table.max_length.is_some() && !matches!(type_name, "string" | "anyURI")),
        (
            "multiple_of",
            table.multiple_of.as_deref().is_some_and(|step| step != "0.1" || type_name != "decimal"),
        ),
    ];
    match checks.into_iter().find(|(_, misplaced)| *misplaced) {
        Some((attribute, _)) => {
            Err(DefinitionError::MisplacedAttribute { field: path.to_owned(), attribute })
        }
        None => Ok(()),
    }
}
