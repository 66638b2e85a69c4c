//! The command line.

use std::ffi::OsString;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use lexopt::{Arg, Parser, ValueExt as _};

use crate::answer::Expect;
use crate::fleet::FleetOptions;
use crate::handshake::Target;
use crate::load::LoadPlan;
use crate::names::{Names, Passwords};
use crate::scenario::Scenario;

/// What `--help` prints.
pub const HELP: &str = "\
stationmaster-load: many OCPP 1.6J charge points from one thread

Usage: stationmaster-load [options] ws://host:port/path (or wss://, whose certificate is not checked)

The identity is appended to the path. Writes JSON to standard output; ends with 1 when any answer was missing or
wrong, with 2 when the arguments are.

  --scenario NAME     heartbeat, status_notification, meter_values (default), transactions, mixed_day, storm
  --sockets N         charge points (default 64)
  --rate N            CALLs per second of all together (open loop); without it each charge point sends its next
                      CALL when the last one is answered (closed loop)
  --warm-up SECONDS   before the measurement (default 1)
  --seconds SECONDS   of the measurement (default 10)
  --rounds N          measurements (default 3)
  --at-once N         connections that are opened at the same time (default 32)
  --identity TEXT     {} in it is the number, five digits at least (default CP-{})
  --id-tag TEXT       the same (default BENCHMARK)
  --first N           number of the first charge point (default 0)
  --password TEXT     of all charge points; or in STATIONMASTER_LOAD_PASSWORD
  --passwords FILE    JSON: {\"passwords\": {identity: password}}
  --sources N         open connections from 127.0.0.2 and so on, N addresses: one has 28 000 ports
  --start-ms N        time of the first record, milliseconds since 1970 (default: now)
  --expect WHAT       result (default), or echo: the CALL itself comes back
  --session           take measurements as JSON lines from standard input, see benchmarks/load.py
";

/// What to do.
pub enum Action {
    /// Print the help.
    Help,
    /// Measure, and print one JSON document.
    Measure(FleetOptions, Measurement),
    /// Take orders from standard input.
    Session(FleetOptions),
}

/// One command's worth of measurements.
pub struct Measurement {
    /// None: connecting itself is measured.
    pub scenario: Option<Scenario>,
    /// Charge points.
    pub sockets: usize,
    /// Connections under way at once.
    pub at_once: usize,
    /// How often.
    pub rounds: usize,
    /// CALLs per second; None: closed loop.
    pub rate_per_s: Option<f64>,
    /// Seconds.
    pub warm_up_s: f64,
    /// Seconds.
    pub seconds: f64,
}

impl Measurement {
    /// The plan of one round.
    #[must_use]
    pub const fn plan(&self, scenario: Scenario) -> LoadPlan {
        LoadPlan {
            scenario,
            first: 0,
            count: self.sockets,
            rate_per_s: self.rate_per_s,
            warm_up_s: self.warm_up_s,
            seconds: self.seconds,
        }
    }
}

struct Given {
    url: Option<String>,
    names: Names,
    expect: Expect,
    sources: u8,
    start_ms: Option<u64>,
    session: bool,
    measurement: Measurement,
}

/// Read the command line. password: of the environment.
///
/// # Errors
/// One line for people.
pub fn parse(
    arguments: impl IntoIterator<Item = OsString>,
    password: Option<String>,
) -> Result<Action, String> {
    let mut given = Given {
        url: None,
        names: Names {
            identity: "CP-{}".to_owned(),
            id_tag: "BENCHMARK".to_owned(),
            first: 0,
            passwords: password.map_or(Passwords::None, Passwords::Same),
        },
        expect: Expect::Result,
        sources: 0,
        start_ms: None,
        session: false,
        measurement: Measurement {
            scenario: Some(Scenario::MeterValues),
            sockets: 64,
            at_once: 32,
            rounds: 3,
            rate_per_s: None,
            warm_up_s: 1.0,
            seconds: 10.0,
        },
    };
    let mut parser = Parser::from_iter(arguments);
    while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
        match argument {
            Arg::Long("help") | Arg::Short('h') => return Ok(Action::Help),
            Arg::Value(value) if given.url.is_none() => {
                given.url = Some(value.string().map_err(|error| error.to_string())?);
            }
            Arg::Long(name) => {
                let name = name.to_owned();
                take(&name, &mut parser, &mut given).map_err(|error| format!("--{name}: {error}"))?;
            }
            other => return Err(other.unexpected().to_string()),
        }
    }
    action(given)
}

fn take(name: &str, parser: &mut Parser, given: &mut Given) -> Result<(), String> {
    if name == "session" {
        given.session = true;
        return Ok(());
    }
    let mut text = || parser.value().and_then(lexopt::ValueExt::string).map_err(|error| error.to_string());
    let measurement = &mut given.measurement;
    match name {
        "scenario" => measurement.scenario = scenario(&text()?)?,
        "sockets" => measurement.sockets = count(&text()?)?,
        "rate" => measurement.rate_per_s = Some(positive(&text()?)?),
        "warm-up" => measurement.warm_up_s = positive(&text()?)?,
        "seconds" => measurement.seconds = positive(&text()?)?,
        "rounds" => measurement.rounds = count(&text()?)?,
        "at-once" => measurement.at_once = count(&text()?)?,
        "identity" => given.names.identity = text()?,
        "id-tag" => given.names.id_tag = text()?,
        "first" => given.names.first = number(&text()?)?,
        "password" => given.names.passwords = Passwords::Same(text()?),
        "passwords" => given.names.passwords = passwords(&text()?.into())?,
        "sources" => given.sources = number(&text()?)?,
        "start-ms" => given.start_ms = Some(number(&text()?)?),
        "expect" => given.expect = expect(&text()?)?,
        _ => return Err("unknown option; see --help".to_owned()),
    }
    Ok(())
}

fn action(given: Given) -> Result<Action, String> {
    let url = given.url.ok_or("the URL is missing: ws://host:port/path")?;
    let target = Target::parse(&url)?;
    if given.sources > 0 && !target.address.ip().is_loopback() {
        return Err("--sources: only for a server on this machine".to_owned());
    }
    if given.expect == Expect::Echo && !echoes(given.measurement.scenario) {
        return Err("--expect: an echo gives no transactions".to_owned());
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let options = FleetOptions {
        target,
        names: given.names,
        expect: given.expect,
        sources: (0..given.sources).map(|number| Ipv4Addr::new(127, 0, 0, 2 + number)).collect(),
        start_ms: given.start_ms.unwrap_or_else(|| u64::try_from(now.as_millis()).unwrap_or_default()),
        // Only has to differ from the run before, on the same charge points.
        run: now.subsec_nanos() ^ u32::try_from(now.as_secs() & 0x7FFF_FFFF).unwrap_or_default(),
    };
    Ok(if given.session { Action::Session(options) } else { Action::Measure(options, given.measurement) })
}

const fn echoes(scenario: Option<Scenario>) -> bool {
    !matches!(scenario, Some(Scenario::Transactions | Scenario::MixedDay))
}

fn scenario(text: &str) -> Result<Option<Scenario>, String> {
    match Scenario::of_name(text) {
        Some(found) => Ok(Some(found)),
        None if text == "storm" => Ok(None),
        None => Err(format!("unknown scenario {text}; see --help")),
    }
}

fn expect(text: &str) -> Result<Expect, String> {
    match text {
        "result" => Ok(Expect::Result),
        "echo" => Ok(Expect::Echo),
        _ => Err("is result or echo".to_owned()),
    }
}

fn passwords(path: &PathBuf) -> Result<Passwords, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    Passwords::parse(&text).map_err(|error| format!("{}: {error}", path.display()))
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{text} is not a number that fits"))
}

fn count(text: &str) -> Result<usize, String> {
    match number(text)? {
        0 => Err("must be 1 at least".to_owned()),
        count => Ok(count),
    }
}

fn positive(text: &str) -> Result<f64, String> {
    match number(text)? {
        value if value > 0.0 && value < 1e9 => Ok(value),
        _ => Err(format!("{text} is not above 0 and below 1e9")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &str) -> Result<Action, String> {
        parse(std::iter::once("load").chain(arguments.split_whitespace()).map(OsString::from), None)
    }

    #[test]
    fn arguments_are_read() {
        let text = "ws://127.0.0.1:1/ocpp --sockets 9 --rate 500 --scenario storm --sources 2 --password x";
        let Ok(Action::Measure(options, measurement)) = parsed(text) else { panic!("not read") };
        assert_eq!((measurement.sockets, measurement.rate_per_s), (9, Some(500.0)));
        assert_eq!(measurement.scenario, None);
        assert_eq!(options.sources, [Ipv4Addr::new(127, 0, 0, 2), Ipv4Addr::new(127, 0, 0, 3)]);
        assert!(matches!(options.names.passwords, Passwords::Same(password) if password == "x"));
        assert!(matches!(parsed("--help"), Ok(Action::Help)));
        assert!(matches!(parsed("ws://127.0.0.1:1 --session"), Ok(Action::Session(_))));
    }

    #[test]
    fn a_bad_argument_is_named() {
        for (arguments, expected) in [
            ("", "the URL is missing: ws://host:port/path"),
            ("ws://127.0.0.1 --sockets 0", "--sockets: must be 1 at least"),
            ("ws://127.0.0.1 --sockets", "--sockets: missing argument for option '--sockets'"),
            ("ws://127.0.0.1 --rate -1", "--rate: -1 is not above 0 and below 1e9"),
            ("ws://127.0.0.1 --rate nan", "--rate: nan is not above 0 and below 1e9"),
            ("ws://127.0.0.1 --scenario x", "--scenario: unknown scenario x; see --help"),
            ("ws://127.0.0.1 --nothing", "--nothing: unknown option; see --help"),
            ("ws://127.0.0.1 --expect echo --scenario mixed_day", "--expect: an echo gives no transactions"),
            ("ws://192.0.2.1 --sources 2", "--sources: only for a server on this machine"),
            ("ws://127.0.0.1 another", "unexpected argument \"another\""),
        ] {
            assert_eq!(parsed(arguments).err().as_deref(), Some(expected), "{arguments}");
        }
    }
}
