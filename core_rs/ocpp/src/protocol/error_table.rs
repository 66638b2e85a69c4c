//! Error codes of a CALLERROR, and how a version spells them.

use std::fmt;

use indexmap::IndexMap;

use crate::protocol::definition::{DefinitionError, ErrorEntry};

/// An error code of a CALLERROR, by its name in OCPP 1.6. OCPP-J 4.2.3
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// The action is not known.
    NotImplemented,
    /// The action is known, but not supported here or not from this side.
    NotSupported,
    /// The receiver failed.
    InternalError,
    /// The payload is incomplete.
    ProtocolError,
    /// A security rule forbids it.
    SecurityError,
    /// The structure is not that of a message.
    FormationViolation,
    /// A value is not allowed.
    PropertyConstraintViolation,
    /// Too many or too few of something.
    OccurenceConstraintViolation,
    /// A value of another type.
    TypeConstraintViolation,
    /// None of the others.
    GenericError,
}

impl ErrorCode {
    /// All codes.
    pub const ALL: [Self; 10] = [
        Self::NotImplemented,
        Self::NotSupported,
        Self::InternalError,
        Self::ProtocolError,
        Self::SecurityError,
        Self::FormationViolation,
        Self::PropertyConstraintViolation,
        Self::OccurenceConstraintViolation,
        Self::TypeConstraintViolation,
        Self::GenericError,
    ];

    /// The name of the code, in the spelling of OCPP 1.6 ("do not fix": OCPP-J errata 5.1, 5.2). Frames carry the
    /// spelling of their version: `Protocol::spelling`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotImplemented => "NotImplemented",
            Self::NotSupported => "NotSupported",
            Self::InternalError => "InternalError",
            Self::ProtocolError => "ProtocolError",
            Self::SecurityError => "SecurityError",
            Self::FormationViolation => "FormationViolation",
            Self::PropertyConstraintViolation => "PropertyConstraintViolation",
            Self::OccurenceConstraintViolation => "OccurenceConstraintViolation",
            Self::TypeConstraintViolation => "TypeConstraintViolation",
            Self::GenericError => "GenericError",
        }
    }

    /// The code of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.as_str() == name)
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// The spellings of one version.
pub(crate) struct ErrorTable {
    sent: [&'static str; ErrorCode::ALL.len()],
    received: Vec<(&'static str, ErrorCode)>,
}

impl ErrorTable {
    /// Find the code of each entry: its spelling, or another spelling of it, is the name of a code.
    pub(crate) fn new(entries: &'static IndexMap<String, ErrorEntry>) -> Result<Self, DefinitionError> {
        let mut sent = [None; ErrorCode::ALL.len()];
        let mut received = Vec::new();
        for (spelling, entry) in entries.iter().filter(|(_, entry)| !entry.never_sent) {
            let spellings = || std::iter::once(spelling).chain(&entry.also_received_as).map(String::as_str);
            let code = spellings().find_map(ErrorCode::named);
            let code = code.ok_or_else(|| DefinitionError::UnknownErrorCode(spelling.clone()))?;
            sent[code as usize] = Some(spelling.as_str());
            received.extend(spellings().map(|spelling| (spelling, code)));
        }
        match ErrorCode::ALL.into_iter().find(|code| sent[*code as usize].is_none()) {
            Some(missing) => Err(DefinitionError::MissingErrorCode(missing.as_str())),
            None => Ok(Self { sent: sent.map(Option::unwrap_or_default), received }),
        }
    }

    pub(crate) fn spelling(&self, code: ErrorCode) -> &'static str {
        self.sent[code as usize]
    }

    pub(crate) fn code(&self, text: &str) -> Option<ErrorCode> {
        self.received.iter().find(|(spelling, _)| *spelling == text).map(|(_, code)| *code)
    }
}
