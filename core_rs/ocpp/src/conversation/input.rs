//! The options of a conversation, the state that it shares with others, and a CALL to send.

use super::Found;
use super::counters::Counters;
use super::frame_log::FrameLog;
use super::meter_queue::MeterQueue;
use crate::protocol::Protocol;
use crate::protocol::validate::Mode;

/// The options of a conversation.
#[derive(Clone, Debug)]
pub struct Options {
    /// The version that is spoken.
    pub protocol: &'static Protocol,
    /// The tenant of the charge point.
    pub tenant_id: i64,
    /// The charge point.
    pub charge_point_id: i64,
    /// The id of the connection, unique for each socket.
    pub connection_id: String,
    /// Whether deviations are refused.
    pub mode: Mode,
    /// Most bytes of a frame.
    pub frame_bytes: usize,
    /// Most bytes of a frame of a charge point that is not registered yet.
    pub unregistered_bytes: usize,
    /// Whether the charge point may compress its messages.
    pub inflates: bool,
    /// Most CALLs of ours that wait behind the outstanding one.
    pub queue_limit: usize,
    /// Frames a second in the long run.
    pub rate_per_s: f64,
    /// Frames at once after a pause.
    pub burst: u32,
    /// When the conversation begins, in monotonic seconds.
    pub now: f64,
}

/// The state that all conversations of a worker share, and the current time.
pub struct Around<'s, T> {
    /// The current time in monotonic seconds.
    pub now: f64,
    /// The current time in microseconds since 1970, UTC.
    pub at_us: i64,
    /// The buffer of the frame log.
    pub frames: &'s mut FrameLog,
    /// The queue of records that wait for their commit.
    pub meters: &'s mut MeterQueue<T>,
    /// The counters of the frame path.
    pub counters: &'s mut Counters,
    /// Makes the owner that the queue gives back with the record.
    pub owner: &'s dyn Fn() -> T,
    /// Called with each thing that is found, in order.
    pub found: &'s mut dyn FnMut(Found<'_>),
}

/// A CALL of ours. `payload`: JSON text.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// The id that the answer repeats.
    pub unique_id: &'a str,
    /// The action, as the standard spells it.
    pub action: &'a str,
    /// The payload as JSON text.
    pub payload: &'a str,
    /// How long the answer may take.
    pub timeout_s: f64,
}
