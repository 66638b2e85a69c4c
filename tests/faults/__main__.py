"""A long run of faults: `make soak SECONDS=1800 SEED=7 FAULTS=worker_killed,redis_frozen`.

It ends with 1 if a record is wrong, or if a fault does not heal.
"""

import argparse
import asyncio
import logging
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import structlog

from tests.faults.charge_point import Habits
from tests.faults.faults import FAULTS
from tests.faults.rig import Report, run
from tests.faults.site import Size

_HABITS = Habits(answer_s=8.0, pause_s=0.3, samples=4, same_socket=0.3)


def main() -> int:
    """Run faults for some time, and print what happened."""
    options = _options()
    directory = Path(tempfile.mkdtemp(prefix="stationmaster-faults-"))
    # The users of the engines enter it.
    directory.chmod(0o711)
    print(f"seed {options.seed}, logs in {directory}", flush=True)  # noqa: T201
    # SIGTERM, too, leaves no process behind.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    # That engines die is the purpose.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    report = asyncio.run(_run(directory, options))
    print(report.text(), flush=True)  # noqa: T201
    if report.is_good:
        shutil.rmtree(directory)
    return 0 if report.is_good else 1


async def _run(directory: Path, options: argparse.Namespace) -> Report:
    began = time.monotonic()
    return await run(
        directory,
        Size(options.charge_points, 2, _HABITS),
        seed=options.seed,
        kinds=options.faults,
        goes_on=lambda _, seconds: seconds < options.seconds,
        say=lambda line: print(f"{time.monotonic() - began:7.1f} s  {line}", flush=True),  # noqa: T201
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--seconds", type=float, default=1800.0, help="for how long faults come")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(32))
    parser.add_argument("--charge-points", type=int, default=30)
    parser.add_argument(
        "--faults", type=_kinds, default=list(FAULTS), help="their names, separated by commas"
    )
    return parser.parse_args()


def _kinds(text: str) -> list[str]:
    kinds = text.split(",")
    if unknown := [kind for kind in kinds if kind not in FAULTS]:
        raise argparse.ArgumentTypeError(f"{unknown[0]} is not one of {', '.join(FAULTS)}")
    return kinds


if __name__ == "__main__":
    sys.exit(main())
