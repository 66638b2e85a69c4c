//! Smart charging: which limits hold, once all charging profiles are laid over each other. OCPP 1.6 3.13
//!
//! Theory of operation. A `Question` holds all that the answer depends on; there is no clock. Each profile is laid
//! out on the line of time (`timeline`): stretches in which one of its periods is in force. Profiles that compete
//! form a stack (`stack`), and a sweep over the starts and ends finds the leader at each instant (`merge`). The
//! leaders of the stacks are put against each other (`composite`, `charge_point`), and what does not change is not
//! repeated (`outline`). Why it came out so is told on demand (`explain`), for it costs more than the answer.
//!
//! Instants are whole seconds, spans are half open, limits are integer tenths. Read from JSON by `read`, written
//! as JSON by `write`.

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
