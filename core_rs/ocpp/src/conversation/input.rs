//! What a conversation is made with, what it shares with others, and a CALL to send.

use super::Found;
use super::counters::Counters;
use super::frame_log::FrameLog;
use super::meter_queue::MeterQueue;
use crate::protocol::Protocol;
use crate::protocol::validate::Mode;

/// What a conversation is made with.
#[derive(Clone, Debug)]
pub struct Options {
    /// The version that is spoken.
    pub protocol: &'static Protocol,
    /// The tenant of the charge point.
    pub tenant_id: i64,
    /// The charge point.
    pub charge_point_id: i64,
    /// Unique for each socket.
    pub connection_id: String,
    /// How departures are taken.
    pub mode: Mode,
    /// Most bytes of a frame.
    pub frame_bytes: usize,
    /// The same for a charge point that is not registered yet.
    pub unregistered_bytes: usize,
    /// Whether the charge point may compress its messages.
    pub inflates: bool,
    /// Most CALLs of ours that wait behind the outstanding one.
    pub queue_limit: usize,
    /// Frames a second in the long run.
    pub rate_per_s: f64,
    /// Frames at once after a pause.
    pub burst: u32,
    /// The moment it begins, in monotonic seconds.
    pub now: f64,
}

/// What all conversations of a worker share, and the moment.
pub struct Around<'s, T> {
    /// Monotonic seconds.
    pub now: f64,
    /// Microseconds since 1970, UTC.
    pub at_us: i64,
    /// Where frames are logged.
    pub frames: &'s mut FrameLog,
    /// Where records wait for their commit.
    pub meters: &'s mut MeterQueue<T>,
    /// What is counted.
    pub counters: &'s mut Counters,
    /// Makes the owner that the queue gives back with the record.
    pub owner: &'s dyn Fn() -> T,
    /// Takes what is found, in order.
    pub found: &'s mut dyn FnMut(Found<'_>),
}

/// A CALL of ours. `payload`: JSON text.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// For its answer.
    pub unique_id: &'a str,
    /// As the standard spells it.
    pub action: &'a str,
    /// JSON text.
    pub payload: &'a str,
    /// How long its answer may take.
    pub timeout_s: f64,
}
