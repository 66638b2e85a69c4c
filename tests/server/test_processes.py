"""The processes of a server from outside: how they start, how they replace each other, how they end."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.support.processes import (
    READY,
    TIMEOUT_S,
    children_of,
    command,
    fork_server_of,
    gone,
    serving,
    until,
    workers_of,
)

# Processes start slowly on a busy machine with two cores.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


def test_workers_share_what_they_were_forked_with_and_stop_at_a_signal(
    server_environment: dict[str, str],
) -> None:
    with serving(server_environment, "--workers", "2") as (process, url):
        workers = workers_of(process.pid)
        assert len(workers) == 2
        assert urlopen(f"{url}/v1/protocols").status == 200  # noqa: S310
        forking = fork_server_of(process.pid)
        # A thread that is not there after the fork would leave its locks behind.
        assert len(list(Path(f"/proc/{forking}/task").iterdir())) == 1
        for worker in workers:
            assert _bytes_of(worker, "Private_Dirty") < _bytes_of(worker, "Anonymous") / 2
            assert os.getsid(worker) == worker
        process.send_signal(signal.SIGINT)
        assert process.wait(TIMEOUT_S) == 0
        assert all(gone(worker) for worker in workers)


def _bytes_of(process: int, kind: str) -> int:
    found = re.search(
        rf"^{kind}: +(\d+) kB$", Path(f"/proc/{process}/smaps_rollup").read_text(), re.MULTILINE
    )
    assert found is not None
    return int(found[1]) * 1024


def test_the_supervisor_loads_nothing_of_what_only_workers_need() -> None:
    heavy = ("alembic", "asyncpg", "fastapi", "redis", "sqlalchemy", "uvicorn")
    code = (
        "import sys, app.cli, app.server.running, app.server.signals; "
        f"print([n for n in {heavy} if n in sys.modules])"
    )
    # It asks the database for the link of a new server, and needs neither routes nor migrations for that.
    code += "; import app.cli.administration; print([n for n in ('alembic', 'fastapi') if n in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n[]\n"


def test_workers_outlive_the_process_they_were_forked_from(server_environment: dict[str, str]) -> None:
    with serving(server_environment, "--workers", "2") as (process, url):
        first = fork_server_of(process.pid)
        survivor, victim = sorted(workers_of(process.pid))
        os.kill(first, signal.SIGKILL)
        until(lambda: first not in children_of(process.pid))
        assert urlopen(f"{url}/v1/protocols").status == 200  # noqa: S310
        os.kill(victim, signal.SIGKILL)
        # The next worker comes from a new process, which knows nothing of the survivor.
        until(lambda: len(children_of(process.pid)) == 1 and len(workers_of(process.pid)) == 1)
        process.terminate()
        assert process.wait(TIMEOUT_S) == 0
        # It has no parent here that could have waited for its end.
        until(lambda: gone(survivor))


def test_a_worker_ends_without_a_word_when_sigterm_stops_the_server(
    server_environment: dict[str, str],
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "app.cli", "serve", "--workers", "2"],
        env=server_environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert READY.search(process.stdout.readline())
        os.kill(min(workers_of(process.pid)), signal.SIGKILL)
        ended = json.loads(process.stderr.readline())
        assert (ended["event"], ended["code"]) == ("worker_ended", -signal.SIGKILL)
        workers = workers_of(process.pid)
        process.terminate()
        # A hint about tenants may have come, but no error.
        assert process.communicate(timeout=TIMEOUT_S)[1] == ""
        assert process.returncode == 0
        assert all(gone(worker) for worker in workers)


def test_workers_stop_when_their_supervisor_was_killed(server_environment: dict[str, str]) -> None:
    with serving(server_environment, "--workers", "2") as (process, url):
        server = {fork_server_of(process.pid), *workers_of(process.pid)}
        process.kill()
        process.wait(TIMEOUT_S)
        until(lambda: all(gone(one) for one in server))
        port = int(url.rpartition(":")[2])
        with socket.create_server(("127.0.0.1", port)) as free:
            assert free.getsockname()[1] == port


def test_a_worker_that_cannot_start_ends_the_server_with_one_line_of_its_own(
    server_environment: dict[str, str], tmp_path: Path
) -> None:
    broken = tmp_path / "sitecustomize.py"
    broken.write_text("import os, sys\nif 'app.server.fork_server' in sys.orig_argv: os._exit(7)\n")
    result = command("serve", "--workers", "2", env={**server_environment, "PYTHONPATH": str(tmp_path)})
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert result.stderr.splitlines()[-1].startswith("stationmaster: a worker ended while it started")
