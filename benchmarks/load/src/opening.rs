//! Connecting many charge points, so many at once: the connection storm.

use std::io;

use serde::Serialize;

use crate::failure::Failure;
use crate::figures::{Latency, LatencyFigures, own_cpu_s};
use crate::fleet::Fleet;

/// Longest time without any progress.
const PATIENCE_NS: u64 = 60_000_000_000;

/// How far it has come.
#[derive(Default)]
pub struct Opening {
    next: usize,
    end: usize,
    under_way: usize,
    opened: usize,
    latency: Latency,
}

/// What connecting cost.
#[derive(Debug, Serialize)]
pub struct OpeningFigures {
    /// Connections whose `BootNotification` was answered.
    pub connections: usize,
    /// From the first to the last.
    pub seconds: f64,
    /// Both of them as a rate.
    pub connections_per_s: f64,
    /// From the TCP connection to the answer.
    pub latency: LatencyFigures,
    /// CPU time of this process.
    pub cpu_us_per_connection: f64,
}

impl Fleet {
    /// Connect charge points, and boot them. `at_once`: how many may be on their way.
    ///
    /// # Errors
    /// The system's; single connections that fail are counted.
    pub fn connect(&mut self, first: usize, count: usize, at_once: usize) -> io::Result<OpeningFigures> {
        self.grow(first + count);
        self.opening = Opening { next: first, end: first + count, ..Opening::default() };
        let (started, cpu_s) = (self.now_ns(), own_cpu_s());
        let mut patient_until = started + PATIENCE_NS;
        loop {
            while self.opening.next < self.opening.end && self.opening.under_way < at_once {
                let index = self.opening.next;
                self.opening.next += 1;
                self.opening.under_way += 1;
                self.open(index);
            }
            if self.opening.under_way == 0 {
                break;
            }
            let before = self.opening.under_way + self.opening.end - self.opening.next;
            self.turn(Some(patient_until))?;
            let after = self.opening.under_way + self.opening.end - self.opening.next;
            if after != before {
                patient_until = self.now_ns() + PATIENCE_NS;
            } else if self.now_ns() >= patient_until {
                self.failures.add(Failure::Unanswered, "connections that make no progress");
                break;
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let (seconds, opened) = ((self.now_ns() - started) as f64 / 1e9, self.opening.opened as f64);
        Ok(OpeningFigures {
            connections: self.opening.opened,
            seconds,
            connections_per_s: opened / seconds,
            latency: self.opening.latency.figures(),
            cpu_us_per_connection: (own_cpu_s() - cpu_s) * 1e6 / opened.max(1.0),
        })
    }

    pub(crate) fn opened(&mut self, index: usize) {
        let took_ns = self.now_ns() - self.charge_points[index].opened_ns;
        self.opening.latency.record(took_ns);
        self.opening.opened += 1;
        self.opening.under_way -= 1;
    }

    pub(crate) fn not_opened(&mut self) {
        self.opening.under_way -= 1;
    }
}
