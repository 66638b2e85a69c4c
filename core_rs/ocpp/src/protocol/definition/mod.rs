//! A protocol version as data, read from `definitions/<version>/*.toml`.
//!
//! Validator, JSON Schemas, Python types and catalog derive from it. It says what a payload looks like; `validate`
//! judges one.

mod citation;
mod load;
mod source;
mod sources;

use indexmap::IndexMap;

pub use citation::{Citation, Document};
pub use load::DefinitionError;
pub use sources::Sources;

/// A whole protocol version.
#[derive(Debug, Clone, PartialEq)]
pub struct Definition {
    /// The version, e.g. `1.6`.
    pub version: String,
    /// Feature profiles, in the order of the standard.
    pub profiles: Vec<Profile>,
    /// Messages by action, grouped by profile.
    pub messages: IndexMap<String, Message>,
    /// Named types by name.
    pub types: IndexMap<String, NamedType>,
    /// Error codes of a CALLERROR, by the spelling that is sent. OCPP-J 4.2.3
    pub errors: IndexMap<String, ErrorEntry>,
    /// Standard configuration keys by name. OCPP 1.6 9
    pub configuration_keys: IndexMap<String, ConfigurationKey>,
    /// The documents that the sections belong to, by their short names. The first one has none in references.
    pub documents: IndexMap<String, Document>,
    /// The known security events by type. Security whitepaper 8
    pub security_events: IndexMap<String, SecurityEvent>,
}

/// A feature profile: the unit in which a charge point supports messages. OCPP 1.6 3.2
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Name as in the configuration key `SupportedFeatureProfiles`, e.g. `SmartCharging`.
    pub name: String,
    /// Name of the definition file, e.g. `smart_charging`.
    pub key: String,
    /// Where the standard describes it.
    pub section: String,
    /// One line in our own words.
    pub summary: String,
}

/// Who may send the request of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// The charge point asks, the central system answers.
    ChargePoint,
    /// The central system asks, the charge point answers.
    CentralSystem,
    /// Either side asks (`DataTransfer`).
    Both,
}

/// One action: a request and its response.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// The action name in frames, case-sensitive.
    pub action: String,
    /// Key of the feature profile.
    pub profile: String,
    /// Who sends the request.
    pub sender: Sender,
    /// Whether the receiver answers. A message that is not confirmed has no response (`SEND` of OCPP 2.1).
    pub confirmed: bool,
    /// Which of its facts (`sender`, `profile`) are common knowledge of the standard, not read in a document.
    pub known: Vec<String>,
    /// Sections or files of the cited documents; never empty.
    pub sections: Vec<String>,
    /// One line in our own words.
    pub summary: String,
    /// Whether money depends on it, so that it is acknowledged only after it is durable.
    pub billing: bool,
    /// Whether a repeat under the same id gets the same answer and takes no effect again. Billing messages always do.
    pub answer_kept: bool,
    /// How this central system treats the message.
    pub central_system: Option<Treatment>,
    /// How the receiver answers bad input, and how the sender reacts; empty when nothing is said of it.
    pub error_behaviour: String,
    /// Names of the rules across fields that a request must keep; `rules` implements them.
    pub rules: Vec<String>,
    /// Fields of the request payload, in the order of the standard.
    pub request: Vec<Field>,
    /// Fields of the response payload, in the order of the standard.
    pub response: Vec<Field>,
    /// A valid, realistic request payload as JSON text.
    pub example_request: String,
    /// A valid, realistic response payload as JSON text.
    pub example_response: String,
}

/// How this central system treats a message.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Treatment {
    /// `recorded`: stored by the ledger before the answer; `stored`: it changes rows; `answered`: it changes none;
    /// `sent`: the central system sends it.
    pub treatment: String,
    /// What follows from the message, in one line.
    pub effect: String,
}

/// One field of a payload or of a named object.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// Name in frames, e.g. `connectorId`.
    pub name: String,
    /// The type of the value; of each element when `many` is set.
    pub kind: FieldKind,
    /// Whether the field may be absent.
    pub optional: bool,
    /// Set when the field is an array of `kind`.
    pub many: Option<Items>,
    /// Whether it sets a limit of its own, besides those of its type.
    pub is_limited: bool,
    /// Where the standard sets the limit.
    pub source: Option<String>,
    /// One line in our own words, with units; empty when nothing is said of it.
    pub summary: String,
}

/// How many elements an array may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Items {
    /// Least number of elements.
    pub min: usize,
    /// Greatest number of elements; none when the standard sets no bound.
    pub max: Option<usize>,
}

/// The type of one value.
#[derive(Debug, Clone, PartialEq)]
pub enum FieldKind {
    /// A JSON string.
    String {
        /// Greatest length in characters.
        max_length: Option<usize>,
        /// Whether two values that differ only in case are the same one (`CiString`).
        case_insensitive: bool,
        /// The named string type that the standard uses, e.g. `IdToken`.
        type_name: Option<String>,
    },
    /// A JSON number without a fractional part.
    Integer {
        /// Least value.
        min: Option<i64>,
        /// Greatest value.
        max: Option<i64>,
    },
    /// A JSON number.
    Decimal {
        /// Whether at most one digit may follow the decimal point.
        multiple_of_tenth: bool,
        /// Least value.
        min: Option<f64>,
        /// Greatest value.
        max: Option<f64>,
    },
    /// A JSON boolean.
    Boolean,
    /// Any JSON value.
    Any,
    /// An RFC 3339 date and time in a string. OCPP 1.6 3.15
    DateTime,
    /// A URI in a string.
    AnyUri {
        /// Greatest length in characters.
        max_length: Option<usize>,
    },
    /// One value of the enum of that name in `types`.
    Enum(String),
    /// An object of that name in `types`.
    Object(String),
}

/// A type that several fields share.
#[derive(Debug, Clone, PartialEq)]
pub enum NamedType {
    /// A string with a bound.
    String {
        /// Where the standard describes it.
        section: String,
        /// One line in our own words.
        summary: String,
        /// Greatest length in characters.
        max_length: Option<usize>,
        /// Whether case is ignored in comparisons.
        case_insensitive: bool,
    },
    /// A closed set of strings.
    Enum {
        /// Where the standard describes it.
        section: String,
        /// One line in our own words.
        summary: String,
        /// Each value with one line about it, in the order of the standard.
        values: IndexMap<String, String>,
    },
    /// An object with fields.
    Object {
        /// Where the standard describes it.
        section: String,
        /// One line in our own words.
        summary: String,
        /// Whether it may have members that no field names.
        open: bool,
        /// Fields in the order of the standard.
        fields: Vec<Field>,
    },
}

/// An error code of a CALLERROR. OCPP-J 4.2.3
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErrorEntry {
    /// Where the standard describes it.
    pub section: String,
    /// One line in our own words.
    pub summary: String,
    /// Other spellings that charge points send for this code.
    #[serde(default)]
    pub also_received_as: Vec<String>,
    /// Whether the version has it and this core has no use for it.
    #[serde(default)]
    pub never_sent: bool,
}

/// The access to a configuration key over OCPP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
pub enum Access {
    /// `GetConfiguration` only.
    #[serde(rename = "R")]
    ReadOnly,
    /// `GetConfiguration` and `ChangeConfiguration`.
    #[serde(rename = "RW")]
    ReadWrite,
    /// `ChangeConfiguration` only: a secret.
    #[serde(rename = "W")]
    WriteOnly,
}

impl Access {
    /// The letters that the standard prints: `R`, `RW` or `W`.
    #[must_use]
    pub fn letters(self) -> &'static str {
        match self {
            Self::ReadOnly => "R",
            Self::ReadWrite => "RW",
            Self::WriteOnly => "W",
        }
    }
}

/// A known security event. Security whitepaper 8
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecurityEvent {
    /// Whether a charge point pushes it to the central system.
    pub critical: bool,
    /// Where the standard describes it.
    pub section: String,
    /// One line in our own words.
    pub summary: String,
}

/// A standard configuration key. OCPP 1.6 9
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfigurationKey {
    /// Key of the feature profile.
    pub profile: String,
    /// Whether a charge point that supports the profile must have it.
    pub required: bool,
    /// The access to the key.
    pub access: Access,
    /// Type of the value inside the string that is sent: `boolean`, `integer`, `string` or `CSL`.
    #[serde(rename = "type")]
    pub type_: String,
    /// Unit of an integer, e.g. `seconds`.
    #[serde(default)]
    pub unit: Option<String>,
    /// Where the standard describes it.
    pub section: String,
    /// One line in our own words.
    pub summary: String,
}
