//! Reading frames.

mod agreement;
mod direct;
mod payloads;
