//! One measurement: prepare transactions, warm up, measure, wait for the last answers.
//!
//! Closed loop: each charge point sends its next CALL when the last one is answered. Open loop: CALLs are scheduled at a
//! fixed rate, one charge point after the other, whatever the server does. If a charge point still waits, its CALL is sent
//! later, and the latency counts from the scheduled time. So a server that stalls cannot hide it (coordinated omission).

use std::io;

use serde::Serialize;

use crate::answer::Expect;
use crate::charge_point::{Outstanding, Purpose, Stage};
use crate::failure::Failure;
use crate::figures::{Latency, LatencyFigures, own_cpu_s};
use crate::fleet::Fleet;
use crate::scenario::{Kind, Scenario};

/// Longest wait for an answer after the measurement, and for a transaction before it.
const PATIENCE_NS: u64 = 30_000_000_000;
const NANOSECONDS: f64 = 1e9;

/// What is measured.
#[derive(Clone, Debug)]
pub struct LoadPlan {
    /// What the charge points send.
    pub scenario: Scenario,
    /// Index of the first charge point.
    pub first: usize,
    /// How many of them.
    pub count: usize,
    /// CALLs per second of all together; None: closed loop.
    pub rate_per_s: Option<f64>,
    /// Seconds before the measurement.
    pub warm_up_s: f64,
    /// Seconds of the measurement.
    pub seconds: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Preparing,
    WarmingUp,
    Measuring,
    Draining,
}

/// A measurement under way.
pub struct Load {
    plan: LoadPlan,
    phase: Phase,
    /// CALLs without an answer.
    waiting: usize,
    /// Answers since the beginning of the warm-up, and those of them to `MeterValues`.
    answers: u64,
    meter_values: u64,
    latency: Latency,
    begun_ns: u64,
    /// CALLs that should have been sent since then.
    scheduled: u64,
}

/// What was measured.
#[derive(Debug, Serialize)]
pub struct LoadFigures {
    /// Charge points.
    pub sockets: usize,
    /// CALLs per second; None: closed loop.
    pub rate_per_s: Option<f64>,
    /// Time of the measurement.
    pub seconds: f64,
    /// Answers in that time.
    pub answers: u64,
    /// Both of them as a rate.
    pub frames_per_s: f64,
    /// From sending, or in an open loop from the scheduled time, to the answer.
    pub latency: LatencyFigures,
    /// Scheduled CALLs that have not been sent at the end; 0 in a closed loop.
    pub overdue: usize,
    /// CPU time of this process.
    pub cpu_us_per_frame: f64,
    /// The share of one core that it used; near 1 it is the load that was the limit.
    pub cpu_share: f64,
}

/// What was sent and answered in all, the warm-up and the last answers included.
#[derive(Debug, Default, Serialize)]
pub struct LoadTotals {
    /// Answers.
    pub answers: u64,
    /// Answers to `MeterValues`.
    pub meter_values: u64,
}

/// Moments of a measurement that the caller may want to know at once.
pub enum Mark {
    /// The warm-up is over.
    Measuring,
    /// The measurement is over; the last answers have not come yet.
    Measured(LoadFigures),
}

impl Load {
    fn new(plan: LoadPlan, phase: Phase, begun_ns: u64) -> Self {
        let latency = Latency::default();
        Self { plan, phase, waiting: 0, answers: 0, meter_values: 0, latency, begun_ns, scheduled: 0 }
    }

    /// Open loop: when to send the next CALL.
    fn next_ns_ns(&self) -> Option<u64> {
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        self.plan.rate_per_s.map(|rate| self.begun_ns + nanoseconds(self.scheduled as f64 / rate))
    }
}

impl Fleet {
    /// Measure. mark: is told when.
    ///
    /// # Errors
    /// The system's; what single charge points meet is counted as failures.
    pub fn run(&mut self, plan: &LoadPlan, mark: &mut dyn FnMut(Mark)) -> io::Result<LoadTotals> {
        self.prepare(plan)?;
        let begun = self.now_ns();
        self.load = Some(Load::new(plan.clone(), Phase::WarmingUp, begun));
        if plan.rate_per_s.is_none() {
            for index in plan.first..plan.first + plan.count {
                self.send_next(index, begun);
            }
        }
        self.serve_until(begun + nanoseconds(plan.warm_up_s))?;
        self.enter(Phase::Measuring);
        mark(Mark::Measuring);
        let (measured_from, cpu_s) = (self.now_ns(), own_cpu_s());
        self.serve_until(measured_from + nanoseconds(plan.seconds))?;
        mark(Mark::Measured(self.figures(plan, measured_from, cpu_s)));
        self.drain()
    }

    /// Bring charge points to where the scenario begins for them.
    fn prepare(&mut self, plan: &LoadPlan) -> io::Result<()> {
        self.load = Some(Load::new(plan.clone(), Phase::Preparing, self.now_ns()));
        for index in plan.first..plan.first + plan.count {
            let step = plan.scenario.first_step(index);
            let charge_point = &mut self.charge_points[index];
            charge_point.step = step;
            let charging = charge_point.transaction_id != 0;
            let kind = match plan.scenario.wants_transaction(step) {
                Some(true) if !charging => Kind::StartTransaction,
                Some(false) if charging => Kind::StopTransaction,
                _ => continue,
            };
            if self.options.expect == Expect::Result {
                let now = self.now_ns();
                self.send_load(index, kind, Purpose::Prepare, now);
            }
        }
        self.drain()?;
        Ok(())
    }

    fn enter(&mut self, phase: Phase) {
        if let Some(load) = &mut self.load {
            load.phase = phase;
        }
    }

    fn serve_until(&mut self, end_ns: u64) -> io::Result<()> {
        loop {
            let next_ns = self.send_due();
            if self.now_ns() >= end_ns {
                return Ok(());
            }
            self.turn(Some(next_ns.map_or(end_ns, |next_ns| next_ns.min(end_ns))))?;
        }
    }

    /// Open loop: send the scheduled CALLs; returns when to send the next one.
    fn send_due(&mut self) -> Option<u64> {
        loop {
            let now = self.now_ns();
            let load = self.load.as_mut()?;
            let due_ns = load.next_ns_ns()?;
            if due_ns > now {
                return Some(due_ns);
            }
            let index =
                load.plan.first + usize::try_from(load.scheduled).unwrap_or(usize::MAX) % load.plan.count;
            load.scheduled += 1;
            if self.charge_points[index].outstanding.is_some() {
                self.charge_points[index].due_ns.push_back(due_ns);
            } else {
                self.send_next(index, due_ns);
            }
        }
    }

    /// Send the next CALL of the scenario. `since_ns`: what its latency counts from.
    fn send_next(&mut self, index: usize, since_ns: u64) {
        let Some(load) = &self.load else { return };
        let charge_point = &mut self.charge_points[index];
        let kind = load.plan.scenario.call(charge_point.step, charge_point.transaction_id != 0);
        charge_point.step += 1;
        self.send_load(index, kind, Purpose::Load, since_ns);
    }

    fn send_load(&mut self, index: usize, kind: Kind, purpose: Purpose, since_ns: u64) {
        // One that has lost its connection is counted as a failure already.
        if self.charge_points[index].stage != Stage::Up {
            return;
        }
        if let Some(load) = &mut self.load {
            load.waiting += 1;
        }
        self.send_call(index, kind, purpose, since_ns);
    }

    pub(crate) fn load_answered(&mut self, index: usize, answered: Outstanding) {
        let now = self.now_ns();
        let Some(load) = &mut self.load else { return };
        load.waiting -= 1;
        if answered.purpose == Purpose::Prepare {
            return;
        }
        load.answers += 1;
        load.meter_values += u64::from(answered.kind == Kind::MeterValues);
        if load.phase == Phase::Measuring {
            load.latency.record(now.saturating_sub(answered.since_ns));
        }
        if load.phase == Phase::Draining {
            return;
        }
        if load.plan.rate_per_s.is_none() {
            self.send_next(index, now);
        } else if let Some(due_ns) = self.charge_points[index].due_ns.pop_front() {
            self.send_next(index, due_ns);
        }
    }

    pub(crate) fn load_lost(&mut self) {
        if let Some(load) = &mut self.load {
            load.waiting -= 1;
        }
    }

    fn figures(&self, plan: &LoadPlan, measured_from: u64, cpu_s: f64) -> LoadFigures {
        let cpu_s = own_cpu_s() - cpu_s;
        let range = plan.first..plan.first + plan.count;
        let (answers, latency) = self
            .load
            .as_ref()
            .map_or_else(Default::default, |load| (load.latency.count(), load.latency.figures()));
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let (seconds, counted) = ((self.now_ns() - measured_from) as f64 / NANOSECONDS, answers as f64);
        LoadFigures {
            sockets: plan.count,
            rate_per_s: plan.rate_per_s,
            seconds,
            answers,
            frames_per_s: counted / seconds,
            latency,
            overdue: self.charge_points[range].iter().map(|charge_point| charge_point.due_ns.len()).sum(),
            cpu_us_per_frame: cpu_s * 1e6 / counted.max(1.0),
            cpu_share: cpu_s / seconds,
        }
    }

    /// Wait for the last answers.
    fn drain(&mut self) -> io::Result<LoadTotals> {
        self.enter(Phase::Draining);
        let patient_until = self.now_ns() + PATIENCE_NS;
        while self.load.as_ref().is_some_and(|load| load.waiting > 0) && self.now_ns() < patient_until {
            self.turn(Some(patient_until))?;
        }
        let Some(load) = self.load.take() else { return Ok(LoadTotals::default()) };
        for index in load.plan.first..load.plan.first + load.plan.count {
            let charge_point = &mut self.charge_points[index];
            charge_point.due_ns.clear();
            if charge_point.outstanding.is_some() {
                // Its late answer would be taken for that of another CALL.
                charge_point.hang_up();
                self.failures.add(Failure::Unanswered, &self.options.names.identity(index));
            }
        }
        Ok(LoadTotals { answers: load.answers, meter_values: load.meter_values })
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the command line gives no others"
)]
fn nanoseconds(seconds: f64) -> u64 {
    (seconds * NANOSECONDS) as u64
}
