//! Runs this program under callgrind, frame by frame, and compares with what a frame may take.

use std::io::Write as _;
use std::process::{Command, ExitCode};

use crate::growth;

/// Frame, what is done with it, and the most instructions that may take: a tenth above what it took when the
/// bound was set, on x86-64 with the C library of Debian 12.
const BOUNDS: [(&str, &str, u64); 14] = [
    ("authorize", "link", 4_250),
    ("boot_notification", "link", 6_150),
    ("heartbeat", "answered", 11_300),
    ("heartbeat", "deframe", 450),
    ("heartbeat", "link", 3_300),
    ("meter_values", "deframe", 930),
    ("meter_values", "judge", 10_750),
    ("meter_values", "link", 12_350),
    ("meter_values", "link_raw", 10_000),
    ("meter_values", "whole", 27_100),
    ("start_transaction", "link", 5_600),
    ("status_notification", "link", 5_350),
    ("stop_transaction", "link", 960_000),
    ("stop_transaction", "link_raw", 590_000),
];
/// The first few fill what is kept for the next ones.
const FEW: u64 = 20;
const MANY: u64 = 40;

/// Compare all of them, and say what was found.
pub fn run() -> ExitCode {
    let mut out = std::io::stdout();
    if Command::new("valgrind").arg("--version").output().is_err() {
        let _ = writeln!(out, "Instructions were not counted: valgrind is not installed.");
        // The continuous integration sets it: there a missing tool is an error.
        let is_required = std::env::var_os("REQUIRE_ALL").is_some_and(|value| value == "1");
        return if is_required { ExitCode::FAILURE } else { ExitCode::SUCCESS };
    }
    let mut outcome = ExitCode::SUCCESS;
    for (frame, work, bound) in BOUNDS {
        let run = |count: u64| collected(&[frame, &count.to_string(), work]);
        let count = (run(MANY) - run(FEW)) / (MANY - FEW);
        let verdict = if count <= bound { "" } else { "  TOO MANY" };
        let _ = writeln!(out, "{frame:20} {work:9} {count:8} instructions, at most {bound}{verdict}");
        if count > bound {
            outcome = ExitCode::FAILURE;
        }
    }
    if !growth::is_linear(&mut out, collected) {
        outcome = ExitCode::FAILURE;
    }
    outcome
}

/// Instructions of one whole run.
fn collected(arguments: &[&str]) -> u64 {
    let program = std::env::current_exe().expect("a program has a name");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args(arguments)
        .output()
        .expect("valgrind runs");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    let report = String::from_utf8_lossy(&output.stderr);
    let (_, behind) = report.split_once("Collected : ").expect("callgrind counts");
    behind.split_whitespace().next().and_then(|count| count.parse().ok()).expect("callgrind counts")
}
