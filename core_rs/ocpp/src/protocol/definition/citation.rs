//! Where each fact of a definition comes from: the document, its edition, and the section or the erratum.
//!
//! A reference is the short name of a document and a number, such as `S 6.1`; without a short name it is a section of
//! the first document. A set of files is cited by the name of a file. Several references have commas between them.

use super::source::FieldTable;
use super::{Definition, DefinitionError, Field, NamedType};

/// A document that the definition cites.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// Its title.
    pub title: String,
    /// Which edition, or which release.
    pub edition: String,
    /// The day of its release, as ISO 8601 writes it.
    pub released: String,
    /// Short name of the document that it corrects: then it is cited by the number of an erratum.
    #[serde(default)]
    pub corrects: Option<String>,
    /// Whether it is a set of files, such as JSON schemas: then it is cited by the name of a file.
    #[serde(default)]
    pub file_set: bool,
}

/// A place in a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Citation<'a> {
    /// Short name of the document.
    pub name: &'a str,
    /// The document.
    pub document: &'a Document,
    /// Number of the section or of the erratum, or the name of the file.
    pub number: &'a str,
}

impl Definition {
    /// The places that a text of references names; `None`: one of them cannot be resolved, or there is none.
    #[must_use]
    pub fn citations<'a>(&'a self, references: &'a str) -> Option<Vec<Citation<'a>>> {
        references.split(", ").map(|reference| self.citation(reference)).collect()
    }

    fn citation<'a>(&'a self, reference: &'a str) -> Option<Citation<'a>> {
        let (name, document, number) = match reference.split_once(' ') {
            Some((name, number)) => {
                let (name, document) = self.documents.get_key_value(name)?;
                (name, document, number)
            }
            None => self.documents.first().map(|(name, document)| (name, document, reference))?,
        };
        let is_place = if document.file_set { is_file_name(number) } else { is_number(number) };
        is_place.then_some(Citation { name, document, number })
    }

    /// Refuse a fact whose source is missing or cannot be resolved. A definition without documents cites none.
    pub(super) fn check_citations(&self) -> Result<(), DefinitionError> {
        if self.documents.is_empty() {
            return Ok(());
        }
        for document in self.documents.values() {
            let corrected = document.corrects.as_ref();
            if let Some(name) = corrected.filter(|name| !self.documents.contains_key(*name)) {
                return Err(unsourced("documents", name));
            }
        }
        for profile in &self.profiles {
            self.check(&profile.key, &profile.section)?;
        }
        for (action, message) in &self.messages {
            if message.sections.is_empty() {
                return Err(unsourced(action, ""));
            }
            for section in &message.sections {
                self.check(action, section)?;
            }
            self.check_fields(action, &message.request)?;
            self.check_fields(action, &message.response)?;
        }
        for (name, named_type) in &self.types {
            match named_type {
                NamedType::String { section, .. } | NamedType::Enum { section, .. } => {
                    self.check(name, section)?;
                }
                NamedType::Object { section, fields, .. } => {
                    self.check(name, section)?;
                    self.check_fields(name, fields)?;
                }
            }
        }
        for (code, entry) in &self.errors {
            self.check(code, &entry.section)?;
        }
        for (name, key) in &self.configuration_keys {
            self.check(name, &key.section)?;
        }
        for (name, event) in &self.security_events {
            self.check(name, &event.section)?;
        }
        Ok(())
    }

    fn check_fields(&self, owner: &str, fields: &[Field]) -> Result<(), DefinitionError> {
        for field in fields {
            match &field.source {
                Some(source) => self.check(&format!("{owner}.{}", field.name), source)?,
                None if field.is_limited && !self.is_from_files() => {
                    return Err(unsourced(&format!("{owner}.{}", field.name), ""));
                }
                None => {}
            }
        }
        Ok(())
    }

    /// Whether the first document is a set of files. The file that an owner names then sets its limits, too.
    fn is_from_files(&self) -> bool {
        self.documents.first().is_some_and(|(_, document)| document.file_set)
    }

    fn check(&self, fact: &str, references: &str) -> Result<(), DefinitionError> {
        self.citations(references).map(|_| ()).ok_or_else(|| unsourced(fact, references))
    }
}

/// Whether a field sets a limit of its own, besides those of its type.
pub(super) fn is_limited(table: &FieldTable) -> bool {
    table.max_length.is_some()
        || table.min.is_some()
        || table.max.is_some()
        || table.multiple_of.is_some()
        || table.min_items.is_some()
        || table.max_items.is_some()
}

/// `AuthorizeRequest.json`
fn is_file_name(text: &str) -> bool {
    let has_name = text.starts_with(|first: char| first.is_ascii_alphabetic()) && text.contains('.');
    has_name && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.')
}

/// `4.2`, `A04` or `6.12.1`.
fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix(|first: char| first.is_ascii_uppercase()).unwrap_or(text);
    let is_part = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    digits.split('.').all(is_part)
}

fn unsourced(fact: &str, reference: &str) -> DefinitionError {
    DefinitionError::Unsourced { fact: fact.to_owned(), reference: reference.to_owned() }
}
