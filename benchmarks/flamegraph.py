"""`make flamegraph`: draws flame graphs into `results/local/`, which show where time is spent.

`flamegraph-python.svg`: the server under a closed loop of MeterValues, Python and native frames together
(py-spy). `flamegraph-rust.svg`: the core alone on the same frame (perf, inferno). If a tool is missing, one
line says so, and the other graph is still drawn.
"""

import argparse
import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from subprocess import PIPE, STDOUT

import uvloop

from benchmarks.core_rust import bench_executable
from benchmarks.host import Cores
from benchmarks.load import FleetPlan, Run, Scenario, running_fleet
from benchmarks.testbed import running_server, running_testbed, scratch_directory

_OUTPUT = Path(__file__).parent / "results" / "local"
_SOCKETS = 64
_FRAME: Scenario = "meter_values"
_FRAMES = "1000000"
_SAMPLES_PER_S = "499"


class ToolError(Exception):
    """A tool is missing or does not work. The text is one line and says what to do."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw both graphs, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.flamegraph", description=__doc__)
    parser.add_argument("--seconds", type=int, default=10, help="length of each profile (default 10)")
    parser.add_argument(
        "--stored", action="store_true", help="with the ledger, to see the cost of a durable frame"
    )
    options = parser.parse_args(arguments)
    _OUTPUT.mkdir(parents=True, exist_ok=True)
    failed = False
    for output, draw in (
        (_OUTPUT / "flamegraph-python.svg", partial(_draw_server, stored=options.stored)),
        (_OUTPUT / "flamegraph-rust.svg", _draw_core),
    ):
        try:
            draw(output, options.seconds)
        except ToolError as error:
            failed = True
            print(f"flamegraph: {output.name}: {error}", file=sys.stderr)
        else:
            print(f"written: {output}")
    return int(failed)


def _draw_server(output: Path, seconds: int, *, stored: bool) -> None:
    program = Path(sys.executable).with_name("py-spy")
    if not program.exists():
        raise ToolError("py-spy is missing: .venv/bin/python -m pip install --group bench")
    command = [str(program), "record", "--native", "--duration", str(seconds), "--rate", _SAMPLES_PER_S]
    uvloop.run(_profile_server([*command, "--output", str(output)], seconds, stored))


async def _profile_server(command: list[str], seconds: int, stored: bool) -> None:
    cores = Cores()
    with cores.kept_off_server_core(), scratch_directory() as directory:
        async with (
            running_testbed(directory, _SOCKETS) as testbed,
            running_server(testbed, cores, directory, stored=stored) as server,
            running_fleet(FleetPlan(server.url, testbed.key)) as fleet,
        ):
            await fleet.connect(_SOCKETS)
            # The worker is the last process of the server, after the supervisor.
            watched = [*command, "--pid", str(server.processes[-1])]
            profilers: list[subprocess.Popen[str]] = []

            def begin() -> None:
                profilers.append(subprocess.Popen(watched, stdout=PIPE, stderr=STDOUT, text=True))

            await fleet.run(Run(_FRAME, _SOCKETS, 1.0, seconds + 2.0), begin, lambda: None)
            said, _ = await asyncio.to_thread(profilers[0].communicate)
    if profilers[0].returncode != 0:
        raise ToolError(f"py-spy: {_last_line(said)} (it needs the right to trace: root or CAP_SYS_PTRACE)")


def _draw_core(output: Path, seconds: int) -> None:
    for program, advice in (
        ("perf", "install linux-perf (Debian) or linux-tools (Ubuntu)"),
        ("inferno-flamegraph", "cargo install inferno"),
    ):
        if shutil.which(program) is None:
            raise ToolError(f"{program} is missing: {advice}")
    executable = bench_executable({**os.environ, "RUSTFLAGS": "-C force-frame-pointers=yes"}, "flamegraph")
    data = output.with_suffix(".perf")
    limited = ["timeout", "--signal=INT", str(seconds), executable, _FRAME, _FRAMES]
    record = ["perf", "record", "--quiet", "-F", _SAMPLES_PER_S, "--call-graph", "fp", "-o", str(data), "--"]
    result = subprocess.run([*record, *limited], capture_output=True, text=True)
    if not data.exists():
        raise ToolError(f"perf: {_last_line(result.stderr)}")
    pipe = f"perf script -i '{data}' | inferno-collapse-perf | inferno-flamegraph > '{output}'"
    result = subprocess.run(["bash", "-o", "pipefail", "-c", pipe], capture_output=True, text=True)
    data.unlink()
    if result.returncode != 0:
        raise ToolError(f"inferno: {_last_line(result.stderr)}")


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["it failed without a message"])[-1]


if __name__ == "__main__":
    sys.exit(main())
