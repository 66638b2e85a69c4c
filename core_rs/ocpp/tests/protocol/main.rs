//! The definition and what derives from it.

mod definition;
