//! Makes Python objects of a core value. Names and enumeration values become one shared `str` each.

use ocpp_core::protocol::value::{Key, Value};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString};

/// `None`, `bool`, `int`, `float`, `str`, `list` or `dict`. `symbols`: those of the protocol of the value.
pub fn value<'py>(
    py: Python<'py>,
    symbols: &[Py<PyString>],
    value: &Value<'_>,
) -> PyResult<Bound<'py, PyAny>> {
    Ok(match value {
        Value::Null => py.None().into_bound(py),
        Value::Boolean(flag) => flag.into_pyobject(py)?.to_owned().into_any(),
        Value::Number(text) => number(py, text)?,
        Value::Integer(integer) => integer.into_pyobject(py)?.into_any(),
        Value::String(text) | Value::Raw(text) => PyString::new(py, text).into_any(),
        Value::Symbol(symbol) => symbols[symbol.index()].bind(py).clone().into_any(),
        Value::Array(items) => {
            let list = PyList::empty(py);
            for item in items {
                list.append(self::value(py, symbols, item)?)?;
            }
            list.into_any()
        }
        Value::Object(members) => {
            let dict = PyDict::new(py);
            for (key, member) in members {
                let member = self::value(py, symbols, member)?;
                match key {
                    Key::Symbol(symbol) => dict.set_item(symbols[symbol.index()].bind(py), member)?,
                    Key::Text(name) => dict.set_item(PyString::new(py, name), member)?,
                }
            }
            dict.into_any()
        }
    })
}

/// An `int` where the text is one that fits 64 bits, a `float` otherwise.
fn number<'py>(py: Python<'py>, text: &str) -> PyResult<Bound<'py, PyAny>> {
    if let Ok(integer) = text.parse::<i64>() {
        return Ok(integer.into_pyobject(py)?.into_any());
    }
    let float = text.parse::<f64>().unwrap_or(f64::NAN);
    Ok(float.into_pyobject(py)?.into_any())
}
