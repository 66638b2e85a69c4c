//! The protocol as data, read once from `definitions/v16/*.toml`.
//!
//! Everything else derives from it: validator, JSON Schemas, Python types, catalog.
//! What a payload looks like is said here; how one is judged is in `validate`.
