//! The protocol: what the standard defines as data, and payloads judged by it.
//!
//! A version is a value. `Protocol` holds all that depends on it and is given to links, conversations and judging
//! functions. Frames, connections and schedules are in other rooms.

pub mod definition;
pub mod describe;
pub mod deviation;
pub mod error_table;
pub mod json_schema;
mod limits;
pub mod moment;
pub(crate) mod names;
pub(crate) mod plain_run;
pub mod rules;
pub(crate) mod scalar;
pub mod schema;
pub mod symbols;
pub mod validate;
pub mod value;
pub mod violation;

use std::fmt;

pub use self::limits::Limits;
use definition::{Definition, DefinitionError, Sources};
use error_table::{ErrorCode, ErrorTable};
use schema::{MessageSchema, ObjectSchema, Schema};
use symbols::Symbols;

/// One version of OCPP: its definition, and everything that is derived from it.
pub struct Protocol {
    definition: &'static Definition,
    schema: Schema,
    symbols: Symbols,
    errors: ErrorTable,
    limits: Limits,
}

impl Protocol {
    /// Make OCPP 1.6 edition 2 with its errata, and the security whitepaper edition 3.
    ///
    /// Call it once, and pass the result on. Each call reads the definition files again.
    ///
    /// # Panics
    /// When the embedded definition files contradict each other, which the tests of this crate rule out.
    #[must_use]
    pub fn v16() -> &'static Self {
        Self::load(&Sources::V16, Limits::default())
            .unwrap_or_else(|error| panic!("the embedded definition files are consistent: {error}"))
    }

    /// Make OCPP 2.0.1: its messages and types. Call it once, and pass the result on.
    ///
    /// # Panics
    /// When the embedded definition files contradict each other, which the tests of this crate rule out.
    #[must_use]
    pub fn v201() -> &'static Self {
        Self::load(&Sources::V201, Limits::default())
            .unwrap_or_else(|error| panic!("the embedded definition files are consistent: {error}"))
    }

    /// Make OCPP 2.1: its messages and types. Call it once, and pass the result on.
    ///
    /// # Panics
    /// When the embedded definition files contradict each other, which the tests of this crate rule out.
    #[must_use]
    pub fn v21() -> &'static Self {
        Self::load(&Sources::V21, Limits::default())
            .unwrap_or_else(|error| panic!("the embedded definition files are consistent: {error}"))
    }

    /// Make a protocol from definition files. It lives until the process ends: a process has a few of them, and
    /// every value that is read refers to one.
    ///
    /// # Errors
    /// When the files are malformed or contradict each other.
    ///
    /// # Panics
    /// When a hash of 64 bits does not tell the names of one object or enumeration apart.
    pub fn load(sources: &Sources<'_>, limits: Limits) -> Result<&'static Self, DefinitionError> {
        let definition = Definition::load(sources)?;
        let definition: &'static Definition = Box::leak(Box::new(definition));
        let symbols = Symbols::of(definition);
        let protocol = Self {
            schema: Schema::new(definition, &symbols)?,
            errors: ErrorTable::new(&definition.errors)?,
            definition,
            symbols,
            limits,
        };
        Ok(Box::leak(Box::new(protocol)))
    }

    /// The version, e.g. `1.6`.
    #[must_use]
    pub fn version(&self) -> &'static str {
        &self.definition.version
    }

    /// The definition, as the definition files state it.
    #[must_use]
    pub fn definition(&self) -> &'static Definition {
        self.definition
    }

    /// The messages and objects, ready to judge payloads.
    #[must_use]
    pub fn schema(&'static self) -> &'static Schema {
        &self.schema
    }

    /// The message of an action, by its exact name.
    #[must_use]
    pub fn message(&'static self, action: &str) -> Option<&'static MessageSchema> {
        self.schema.message(action)
    }

    /// The fields of a payload.
    #[must_use]
    pub fn payload(
        &'static self,
        message: &MessageSchema,
        direction: schema::Direction,
    ) -> &'static ObjectSchema {
        self.schema.payload(message, direction)
    }

    /// The field names and enumeration values.
    #[must_use]
    pub fn symbols(&self) -> &Symbols {
        &self.symbols
    }

    /// The spelling of an error code in this version. OCPP-J 4.2.3
    #[must_use]
    pub fn spelling(&self, code: ErrorCode) -> &'static str {
        self.errors.spelling(code)
    }

    /// The error code of a received spelling, also of a known wrong one; `None` when it is unknown.
    #[must_use]
    pub fn error_code(&self, received: &str) -> Option<ErrorCode> {
        self.errors.code(received)
    }

    /// The limits of a frame, unless an operator sets others.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.limits
    }
}

impl fmt::Debug for Protocol {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Protocol({})", self.version())
    }
}
