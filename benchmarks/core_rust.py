"""Measures the Rust core alone: CPU time by criterion, and instructions if valgrind is installed."""

import json
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.corpus import frames
from benchmarks.host import REPOSITORY, cargo_profile
from benchmarks.summary import Summary, summarize

_CARGO = ("cargo", "bench", "--package", "ocpp-measurements")
_CRITERION = ("--quiet", "--warm-up-time", "0.3", "--measurement-time", "0.6", "--sample-size", "40")
_FEW, _MANY = 20, 40


_FRAMES = "frames"


def measure() -> dict[str, Any]:
    """Return CPU nanoseconds and instructions for each frame of the corpus.

    Raises:
        RuntimeError: the benchmark does not build, or it fails; the text is the end of its output.
    """
    return {"unit": "CPU nanoseconds per frame", **_bench(_FRAMES), "instructions": _instructions()}


def measure_schedules() -> dict[str, Any]:
    """Return the figures of the core's other benchmarks: schedules and sites, by file and group.

    Raises:
        RuntimeError: a benchmark does not build, or it fails; the text is the end of its output.
    """
    files = sorted((REPOSITORY / "core_rs" / "measurements" / "benches").glob("*.rs"))
    names = [file.stem for file in files if file.stem != _FRAMES]
    return {"unit": "nanoseconds", **{name: _bench(name) for name in names}}


def _bench(name: str) -> dict[str, dict[str, Summary]]:
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "CRITERION_HOME": home}
        profile = () if cargo_profile() == "release" else (f"--profile={cargo_profile()}",)
        _run([*_CARGO, *profile, "--bench", name, "--", *_CRITERION], environment)
        return {group.name: _group(group) for group in sorted(Path(home).iterdir()) if group.is_dir()}


def _group(directory: Path) -> dict[str, Summary]:
    """Return summaries of the samples of criterion, by frame."""
    found = {}
    for path in sorted(directory.glob("*/new/sample.json")):
        sample = json.loads(path.read_text())
        each = [time / count for time, count in zip(sample["times"], sample["iters"], strict=True)]
        found[path.parent.parent.name] = summarize(each)
    return found


def _instructions() -> dict[str, int] | None:
    """Return instructions per frame: the difference of two runs, so that the start is not counted."""
    if shutil.which("valgrind") is None:
        return None
    executable = bench_executable(dict(os.environ))
    counts = {}
    for frame in frames():
        few, many = (_collected(executable, frame.name, count) for count in (_FEW, _MANY))
        counts[frame.name] = (many - few) // (_MANY - _FEW)
    return counts


def bench_executable(environment: dict[str, str], profile_directory: str | None = None) -> str:
    """Build the program that judges one frame many times, and return its path.

    profile_directory: a separate target directory, for flags that would invalidate the usual one.

    Raises:
        RuntimeError: it does not build.
    """
    command = ["cargo", "build", f"--profile={cargo_profile()}", "--package", "ocpp-measurements"]
    command.append("--message-format=json")
    if profile_directory is not None:
        command.append(f"--target-dir={REPOSITORY / 'target' / profile_directory}")
    messages = [json.loads(line) for line in _run(command, environment).splitlines()]
    return str(next(found["executable"] for found in messages if found.get("executable")))


def _collected(executable: str, name: str, count: int) -> int:
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", executable, name, str(count)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    found = re.search(r"Collected : (\d+)", result.stderr)
    if found is None:
        raise ValueError(f"valgrind printed no number of instructions: {result.stderr[-300:]}")
    return int(found.group(1))


def _run(command: list[str], environment: dict[str, str]) -> str:
    result = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True)
    if result.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {result.stderr[-2000:]}")
    return result.stdout
