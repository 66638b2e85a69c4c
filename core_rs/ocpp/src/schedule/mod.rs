//! Smart charging: the limits that follow from all charging profiles together. OCPP 1.6 3.13
//!
//! `timeline` turns each profile into segments, `stack` orders the profiles that compete, `merge` finds the leader at
//! each moment, `composite` and `charge_point` compare the leaders, `outline` joins equal periods, `explain` gives
//! reasons on demand, because that costs more than the answer. Moments are whole seconds, spans are
//! half open, limits are integer tenths. `read` and `write` use JSON.

mod charge_point;
mod composite;
mod explain;
mod form;
pub mod limit;
mod merge;
mod outline;
pub mod profile;
mod question;
pub mod read;
mod read_profile;
mod stack;
mod timeline;
pub mod write;

pub use composite::{Composite, CompositePeriod, Source, Stretch, composite};
pub use explain::{Beaten, Reason, Rivals, explain};
pub use question::{Hardware, Options, Question, Transaction};
pub use timeline::NoConversion;
