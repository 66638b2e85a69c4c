//! The only place that makes a Python exception.

use std::panic::{AssertUnwindSafe, catch_unwind};

use ocpp_core::link::Rejected;
use ocpp_core::protocol::definition::DefinitionError;
use ocpp_core::protocol::violation::Violation;
use ocpp_core::schedule::NoConversion;
use pyo3::exceptions::{PyKeyError, PyRuntimeError, PyValueError};
use pyo3::{PyErr, PyResult};
use stationmaster_postgres_rows::packed_text::Damaged;

pub fn unknown_action(version: &str, action: &str) -> PyErr {
    PyKeyError::new_err(format!("no such action in OCPP {version}: {action}"))
}

pub fn bad_definition(error: &DefinitionError) -> PyErr {
    PyValueError::new_err(error.to_string())
}

pub fn unknown_word(what: &str, word: &str) -> PyErr {
    PyValueError::new_err(format!("{what}: {word:?} is not an allowed value"))
}

pub fn out_of_range(what: &str) -> PyErr {
    PyValueError::new_err(format!("{what} is out of range"))
}

pub fn damaged(_: Damaged) -> PyErr {
    PyValueError::new_err("packed text is damaged, or a newer version has written it")
}

/// A fault of ours: such questions are refused when they are read.
pub fn no_conversion(found: NoConversion) -> PyErr {
    PyValueError::new_err(format!("profile {} has another unit than the answer", found.profile))
}

pub fn rejected(rejected: Rejected) -> PyErr {
    let text = match rejected {
        Rejected::UnknownAction => "the action is unknown, or this side does not send it".to_owned(),
        Rejected::Invalid(violations) => violations.iter().map(describe).collect::<Vec<_>>().join("; "),
        Rejected::QueueFull => "the queue of calls is full".to_owned(),
        Rejected::NotInFlight => "no CALL with this id waits for an answer".to_owned(),
    };
    PyValueError::new_err(text)
}

/// Call the core, and turn a panic into an exception that Python code catches, as it does not catch `PanicException`. So
/// a fault of the core costs one message.
pub fn guarded<T>(work: impl FnOnce() -> T) -> PyResult<T> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|_| PyRuntimeError::new_err("the core panicked"))
}

fn describe(violation: &Violation) -> String {
    format!("{}: {} ({})", violation.pointer, violation.detail, violation.reason)
}
