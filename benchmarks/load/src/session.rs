//! Orders as JSON lines on standard input, answers as JSON lines on standard output.
//!
//! The kit drives this, see `benchmarks/load.py`: charge points stay connected from one measurement to the next,
//! and it learns at once when a measurement begins and ends, to read what the server's processes have used.

use std::io::{self, Write as _};

use serde::{Deserialize, Serialize};

use crate::failure::Failures;
use crate::fleet::Fleet;
use crate::load::{LoadPlan, LoadTotals, Mark};
use crate::opening::OpeningFigures;
use crate::scenario::Scenario;

#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
enum Order {
    Connect {
        first: usize,
        count: usize,
        at_once: usize,
    },
    Run {
        scenario: String,
        first: usize,
        count: usize,
        rate_per_s: Option<f64>,
        warm_up_s: f64,
        seconds: f64,
    },
    HangUp,
}

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Event<'a> {
    Connected { figures: OpeningFigures, failures: &'a Failures },
    Measuring,
    Measured { figures: crate::load::LoadFigures },
    Done { totals: LoadTotals, commands: u64, failures: &'a Failures },
    HungUp,
    Refused { reason: String },
}

/// Serve orders until standard input ends.
///
/// # Errors
/// The system's.
pub fn serve(fleet: &mut Fleet) -> io::Result<()> {
    fleet.watch_stdin()?;
    let mut pending: Vec<u8> = Vec::new();
    loop {
        while let Some(end) = pending.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = pending.drain(..=end).collect();
            obey(fleet, &line)?;
        }
        // Between orders charge points still answer pings and CALLs.
        if fleet.turn(None)? && !read_stdin(&mut pending)? {
            return Ok(());
        }
    }
}

fn read_stdin(pending: &mut Vec<u8>) -> io::Result<bool> {
    let mut buffer = [0; 4096];
    let count = rustix::io::read(rustix::stdio::stdin(), &mut buffer)?;
    pending.extend_from_slice(&buffer[..count]);
    Ok(count > 0)
}

fn obey(fleet: &mut Fleet, line: &[u8]) -> io::Result<()> {
    match serde_json::from_slice(line) {
        Ok(Order::Connect { first, count, at_once }) => {
            let figures = fleet.connect(first, count, at_once)?;
            say(&Event::Connected { figures, failures: &fleet.failures })
        }
        Ok(Order::Run { scenario, first, count, rate_per_s, warm_up_s, seconds }) => {
            let Some(scenario) = Scenario::of_name(&scenario) else {
                return refuse(format!("unknown scenario {scenario}"));
            };
            if count == 0 || first + count > fleet.charge_points.len() {
                return refuse("not so many charge points are connected".to_owned());
            }
            let plan = LoadPlan { scenario, first, count, rate_per_s, warm_up_s, seconds };
            let mut said = Ok(());
            let totals = fleet.run(&plan, &mut |mark| {
                let event = match mark {
                    Mark::Measuring => Event::Measuring,
                    Mark::Measured(figures) => Event::Measured { figures },
                };
                if said.is_ok() {
                    said = say(&event);
                }
            })?;
            said?;
            say(&Event::Done { totals, commands: fleet.commands, failures: &fleet.failures })
        }
        Ok(Order::HangUp) => {
            fleet.hang_up();
            say(&Event::HungUp)
        }
        Err(error) => refuse(error.to_string()),
    }
}

fn refuse(reason: String) -> io::Result<()> {
    say(&Event::Refused { reason })
}

fn say(event: &Event<'_>) -> io::Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, event)?;
    out.write_all(b"\n")?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_read_and_unknown_fields_are_not() {
        let run = r#"{"do":"run","scenario":"heartbeat","first":0,"count":2,"rate_per_s":null,"warm_up_s":0,"seconds":1}"#;
        assert!(matches!(serde_json::from_str(run), Ok(Order::Run { count: 2, rate_per_s: None, .. })));
        assert!(matches!(serde_json::from_str(r#"{"do":"hang_up"}"#), Ok(Order::HangUp)));
        assert!(
            serde_json::from_str::<Order>(r#"{"do":"connect","first":0,"count":1,"at_once":1,"x":1}"#)
                .is_err()
        );
    }
}
