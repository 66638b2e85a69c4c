//! `stationmaster-load`: many OCPP 1.6J charge points from one thread, to measure a central system with.
//!
//! It must cost far less than what it measures: one epoll, texts prepared beforehand, answers judged by their first
//! bytes where those say it all. `fleet` says how it works.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test says so by failing"))]

mod answer;
mod charge_point;
mod exchange;
mod failure;
mod figures;
mod fleet;
mod frame;
mod handshake;
mod load;
mod names;
mod opening;
mod options;
mod scenario;
mod session;
mod template;
mod wire;

use std::io::{self, Write as _};
use std::process::ExitCode;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};

use crate::fleet::Fleet;
use crate::load::Mark;
use crate::options::{Action, HELP, Measurement};

/// Descriptors besides the charge points'.
const OTHER_DESCRIPTORS: u64 = 16;

fn main() -> ExitCode {
    let password = std::env::var("STATIONMASTER_LOAD_PASSWORD").ok();
    match options::parse(std::env::args_os(), password).and_then(act) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(problem) => {
            // Nothing is left to be told when this fails.
            let _ = writeln!(io::stderr(), "stationmaster-load: {problem}");
            ExitCode::from(2)
        }
    }
}

/// true: no charge point met a failure.
fn act(action: Action) -> Result<bool, String> {
    let limit = raise_descriptor_limit();
    let result = match action {
        Action::Help => io::stdout().write_all(HELP.as_bytes()).map(|()| true),
        Action::Session(options) => Fleet::new(options)
            .and_then(|mut fleet| session::serve(&mut fleet).map(|()| fleet.failures.is_empty())),
        Action::Measure(options, measurement) => {
            if measurement.sockets as u64 + OTHER_DESCRIPTORS > limit {
                return Err(format!(
                    "--sockets: this process may have {limit} descriptors (RLIMIT_NOFILE); raise the hard limit \
                     (ulimit -Hn), or run several with --first"
                ));
            }
            Fleet::new(options).and_then(|mut fleet| measure(&mut fleet, &measurement))
        }
    };
    result.map_err(|error| error.to_string())
}

/// Take as many descriptors as there may be; returns how many that are.
fn raise_descriptor_limit() -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) => maximum.unwrap_or(u64::MAX),
        Err(_) => current.unwrap_or(u64::MAX),
    }
}

fn measure(fleet: &mut Fleet, measurement: &Measurement) -> io::Result<bool> {
    let mut rounds = Vec::new();
    let mut connected = Vec::new();
    for round in 0..measurement.rounds {
        if round == 0 || measurement.scenario.is_none() {
            fleet.hang_up();
            connected.push(serde_json::to_value(fleet.connect(
                0,
                measurement.sockets,
                measurement.at_once,
            )?)?);
        }
        if let Some(scenario) = measurement.scenario {
            let mut figures = Value::Null;
            fleet.run(&measurement.plan(scenario), &mut |mark| {
                if let Mark::Measured(found) = mark {
                    figures = serde_json::to_value(found).unwrap_or_default();
                }
            })?;
            rounds.push(figures);
        }
    }
    let document = json!({"connections": connected, "rounds": rounds, "failures": fleet.failures});
    let mut out = io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, &document)?;
    out.write_all(b"\n")?;
    Ok(fleet.failures.is_empty())
}
