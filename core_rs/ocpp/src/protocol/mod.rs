//! The protocol as data: what the standard defines, and judging payloads by it.

pub mod definition;
pub mod describe;
pub mod json_schema;
pub mod moment;
pub(crate) mod names;
pub mod rules;
pub(crate) mod scalar;
pub mod schema;
pub mod symbol;
pub mod validate;
pub mod value;
pub mod violation;
