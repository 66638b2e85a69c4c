"""Workers that die or hang are replaced, and only those. Most tests share one server with three workers."""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import pytest

from app.server.embedded import Engines
from tests.support.processes import TIMEOUT_S, gone, on_engines, serving, until, workers_of

# Processes start slowly on a busy machine with two cores.
pytestmark = [pytest.mark.long, pytest.mark.timeout(180)]

# What a worker does after a signal of a test: its event loop is stuck, or as busy as can be. It sleeps
# instead of computing, because the machine has other tests to run.
_MOODS = """
import asyncio, signal, sys, time

def be_stuck(*_):
    while True:
        time.sleep(60)

def be_busy(*_):
    time.sleep(0.2)
    asyncio.get_running_loop().call_soon(be_busy)

if "app.server.fork_server" in sys.orig_argv:
    signal.signal(signal.SIGUSR1, be_stuck)
    signal.signal(signal.SIGUSR2, be_busy)
"""
_SILENCE_S = 5


@dataclass(frozen=True)
class Server:
    """A server with three workers that may hang. log: what it says."""

    process: subprocess.Popen[str]
    url: str
    log: Path

    def workers(self) -> set[int]:
        """Return its workers."""
        return workers_of(self.process.pid)

    def events_of(self, *workers: int) -> list[tuple[str, int]]:
        """Return what the server said of these workers."""
        events = [json.loads(line) for line in self.log.read_text().splitlines()]
        return [(event["event"], event["process"]) for event in events if event.get("process") in workers]

    def hung(self) -> list[int]:
        """Return the workers that were taken for hanging ones, in order."""
        events = [json.loads(line) for line in self.log.read_text().splitlines()]
        return [event["process"] for event in events if event["event"] == "worker_hung"]


def _moody(environment: dict[str, str], directory: Path) -> dict[str, str]:
    """Workers hang when they get SIGUSR1, and are busy when they get SIGUSR2."""
    (directory / "sitecustomize.py").write_text(_MOODS)
    return {**environment, "PYTHONPATH": str(directory), "STATIONMASTER_WORKER_SILENCE_S": str(_SILENCE_S)}


@pytest.fixture(scope="module")
def server(engines: Engines, database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    directory = tmp_path_factory.mktemp("server")
    log = directory / "log"
    environment = _moody(on_engines(directory, engines, database_url), directory)
    with serving(environment, "--workers", "3", log=log) as (process, url):
        server = Server(process, url, log)
        yield server
        workers = server.workers()
        process.terminate()
        assert process.wait(TIMEOUT_S) == 0
        assert all(gone(worker) for worker in workers)


@contextlib.contextmanager
def _hanging(victim: int, how: signal.Signals) -> Iterator[None]:
    """A worker hangs. If the test fails, the worker is killed."""
    os.kill(victim, how)
    try:
        yield
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)
        raise


def _hang(server: Server, victim: int, how: signal.Signals = signal.SIGSTOP) -> None:
    """Let a worker hang that accepts connections, and wait until another has its place."""
    others = server.workers() - {victim}
    with _hanging(victim, how):
        until(lambda: len(server.workers() - others - {victim}) == 1)


def test_a_worker_that_dies_is_replaced(server: Server) -> None:
    before = server.workers()
    assert len(before) == 3
    victim = min(before)
    os.kill(victim, signal.SIGKILL)
    until(lambda: len(server.workers() - {victim}) == 3)
    assert urlopen(f"{server.url}/v1/protocols").status == 200  # noqa: S310
    assert server.events_of(victim) == [("worker_ended", victim)]


@pytest.mark.parametrize("how", [signal.SIGSTOP, signal.SIGUSR1])
def test_a_worker_that_hangs_is_replaced(server: Server, how: signal.Signals) -> None:
    before, hung_before = server.workers(), server.hung()
    victim = min(before)
    _hang(server, victim, how)
    assert urlopen(f"{server.url}/v1/protocols").status == 200  # noqa: S310
    assert server.events_of(*before) == [("worker_hung", victim), ("worker_ended", victim)]
    assert server.hung() == [*hung_before, victim]


def test_a_busy_worker_is_not_taken_for_one_that_hangs(server: Server) -> None:
    hung_before = server.hung()
    busy, first, second = sorted(server.workers())
    os.kill(busy, signal.SIGUSR2)
    _hang(server, first)
    # When this one is noticed, silence of the busy one would have been noticed for seconds.
    _hang(server, second)
    assert busy in server.workers()
    assert server.hung() == [*hung_before, first, second]
    # It would take long to stop.
    os.kill(busy, signal.SIGKILL)
    until(lambda: len(server.workers() - {busy}) == 3)


def test_the_time_in_which_the_supervisor_was_stopped_does_not_count(server: Server) -> None:
    before, hung_before = server.workers(), server.hung()
    *living, victim = sorted(before)
    server.process.send_signal(signal.SIGSTOP)
    time.sleep(2 * _SILENCE_S)
    server.process.send_signal(signal.SIGCONT)
    # By then it has long noticed how late it is.
    _hang(server, victim)
    assert server.events_of(*before) == [("worker_hung", victim), ("worker_ended", victim)]
    assert server.hung() == [*hung_before, victim]
    assert set(living) < server.workers()


def test_what_comes_while_the_only_worker_hangs_is_answered_by_the_next(
    server_environment: dict[str, str], tmp_path: Path
) -> None:
    environment = _moody(server_environment, tmp_path)
    with serving(environment, "--workers", "1") as (process, url):
        (victim,) = workers_of(process.pid)
        with _hanging(victim, signal.SIGSTOP):
            until(lambda: "State:\tT" in Path(f"/proc/{victim}/status").read_text())
            assert urlopen(f"{url}/v1/protocols").status == 200  # noqa: S310
        assert victim not in workers_of(process.pid)
