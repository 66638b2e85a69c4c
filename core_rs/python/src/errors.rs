//! The only place that makes a Python exception.

use ocpp_core::link::Rejected;
use ocpp_core::violation::Violation;
use pyo3::PyErr;
use pyo3::exceptions::{PyKeyError, PyRuntimeError, PyValueError};

pub fn unknown_action(action: &str) -> PyErr {
    PyKeyError::new_err(format!("no such action in OCPP 1.6: {action}"))
}

pub fn unknown_word(what: &str, word: &str) -> PyErr {
    PyValueError::new_err(format!("{what}: {word:?} is not one of the words it can be"))
}

pub fn rejected(rejected: Rejected) -> PyErr {
    let text = match rejected {
        Rejected::UnknownAction => "the action is unknown or not for this side to send".to_owned(),
        Rejected::Invalid(violations) => violations.iter().map(describe).collect::<Vec<_>>().join("; "),
        Rejected::QueueFull => "the queue of calls is full".to_owned(),
        Rejected::NotInFlight => "no call of that id waits for an answer".to_owned(),
    };
    PyValueError::new_err(text)
}

/// A panic of the core, caught at the border: a fault of ours that costs one message.
pub fn panicked() -> PyErr {
    PyRuntimeError::new_err("the core panicked")
}

fn describe(violation: &Violation) -> String {
    format!("{}: {} ({})", violation.pointer, violation.detail, violation.reason)
}
