//! What the core keeps for the database, as rows of `PostgreSQL`'s binary COPY.
//!
//! The protocol crate collects frames and meter values and knows nothing of tables; the columns and their
//! encoding are here. Rows are encoded in Rust because a row that is made in Python costs far more.
#![forbid(unsafe_code)]

mod copy;
pub mod frames;
pub mod meter_events;
pub mod meter_values;
pub mod packed_text;
