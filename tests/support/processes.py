"""The command line from outside: real processes, their environment, their workers."""

import contextlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from app.server.embedded import Engines
from tests.support.engines import private_directory

PEPPER = "0" * 64
READY = re.compile(r"listens on (http://\S+)")
TIMEOUT_S = 80.0


def environment(directory: Path, **values: str) -> dict[str, str]:
    """Return the environment of a new process, without the settings of this one."""
    plain = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("STATIONMASTER_") and name not in ("DATABASE_URL", "REDIS_URL")
    }
    return {**plain, "STATIONMASTER_DATA_DIRECTORY": str(directory), "COLUMNS": "100", **values}


def on_engines(directory: Path, engines: Engines, database_url: str) -> dict[str, str]:
    """Return the environment of a server on the engines of this test run."""
    return environment(
        directory,
        DATABASE_URL=database_url,
        REDIS_URL=engines.redis_url,
        STATIONMASTER_CREDENTIAL_PEPPER=PEPPER,
        STATIONMASTER_PORT="0",
        STATIONMASTER_LOG_LEVEL="warning",
    )


@pytest.fixture
def server_environment(tmp_path: Path, engines: Engines, database_url: str) -> dict[str, str]:
    """Settings of a server on the engines of this test run."""
    return on_engines(tmp_path, engines, database_url)


@pytest.fixture
def data_directory() -> Iterator[Path]:
    """A directory that the engines' own user may reach; pytest's closes itself to others at each start."""
    with private_directory() as path:
        yield path


def command(*arguments: str, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a command of the command line to its end."""
    return subprocess.run(
        [sys.executable, "-m", "app.cli", *arguments],
        env=env,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


@contextlib.contextmanager
def serving(
    env: Mapping[str, str], *arguments: str, log: Path | None = None
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start a server, and yield its process and its URL. Kill it at the end if it did not stop."""
    with contextlib.nullcontext() if log is None else log.open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "app.cli", "serve", *arguments],
            env=env,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    try:
        assert process.stdout is not None
        found = READY.search(process.stdout.readline())
        assert found is not None
        yield process, found[1]
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def children_of(parent: int) -> set[int]:
    """Return the processes whose parent this is."""
    return {int(child) for child in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()}


def fork_server_of(supervisor: int) -> int:
    """Return the process that forks the workers of a server."""
    (found,) = (
        child
        for child in children_of(supervisor)
        if b"app.server.fork_server" in Path(f"/proc/{child}/cmdline").read_bytes()
    )
    return found


def workers_of(supervisor: int) -> set[int]:
    """Return the worker processes of a server."""
    return children_of(fork_server_of(supervisor))


def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition is true; the test's own timeout is the limit."""
    while not condition():
        time.sleep(0.05)


def gone(process: int) -> bool:
    """Say whether a process has ended."""
    return not Path(f"/proc/{process}").exists()
