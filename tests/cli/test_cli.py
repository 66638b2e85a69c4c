"""The command line from outside: real processes, what they print, and how they end."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from app.server.embedded import Engines

# Processes start slowly on a busy machine with two cores.
pytestmark = pytest.mark.timeout(180)

PEPPER = "0" * 64
READY = re.compile(r"listens on (http://\S+)")
TIMEOUT_S = 50.0


def environment(directory: Path, **values: str) -> dict[str, str]:
    """The environment of a new process, without the settings of this one."""
    plain = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("STATIONMASTER_") and name not in ("DATABASE_URL", "REDIS_URL")
    }
    return {**plain, "STATIONMASTER_DATA_DIRECTORY": str(directory), "COLUMNS": "100", **values}


def command(*arguments: str, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "app.cli", *arguments],
        env=env,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


@pytest.fixture
def server_environment(tmp_path: Path, engines: Engines, database_url: str) -> dict[str, str]:
    """Settings of a server on the engines of this test run."""
    return environment(
        tmp_path,
        DATABASE_URL=database_url,
        REDIS_URL=engines.redis_url,
        STATIONMASTER_CREDENTIAL_PEPPER=PEPPER,
        STATIONMASTER_PORT="0",
        STATIONMASTER_LOG_LEVEL="warning",
    )


@pytest.fixture
def data_directory() -> Iterator[Path]:
    """A directory that the engines' own user may reach; pytest's closes itself to others at each start."""
    with tempfile.TemporaryDirectory(prefix="stationmaster-test-") as path:
        yield Path(path)


@contextlib.contextmanager
def serving(
    env: Mapping[str, str], *arguments: str, log: Path | None = None
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server process and its URL; killed at the end if it did not stop."""
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
    """The processes whose parent this is."""
    return {int(child) for child in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()}


def fork_server_of(supervisor: int) -> int:
    """The process that forks the workers of a server."""
    (found,) = (
        child
        for child in children_of(supervisor)
        if b"app.server.fork_server" in Path(f"/proc/{child}/cmdline").read_bytes()
    )
    return found


def workers_of(supervisor: int) -> set[int]:
    """The worker processes of a server."""
    return children_of(fork_server_of(supervisor))


def until(condition: Callable[[], bool]) -> None:
    """Look until it is so; the test's own timeout is the limit."""
    while not condition():
        time.sleep(0.05)


def gone(process: int) -> bool:
    return not Path(f"/proc/{process}").exists()


@pytest.mark.parametrize(
    ("arguments", "variables", "named"),
    [
        pytest.param(["serve"], {"STATIONMASTER_PORT": "many"}, "STATIONMASTER_PORT", id="port no number"),
        pytest.param(["serve", "--workers", "0"], {}, "STATIONMASTER_WORKERS", id="no workers"),
        pytest.param(["serve"], {"DATABASE_URL": "mysql://x"}, "DATABASE_URL", id="another database"),
        pytest.param(
            ["serve"],
            {"DATABASE_URL": "postgresql://x"},
            "STATIONMASTER_CREDENTIAL_PEPPER",
            id="no pepper for a database of one's own",
        ),
        pytest.param(
            ["serve"], {"STATIONMASTER_TRUSTED_PROXIES": "x"}, "STATIONMASTER_TRUSTED_PROXIES", id="no CIDR"
        ),
        pytest.param(["simulate", "--tenant", "demo"], {}, "--count", id="simulate without count"),
        pytest.param(["simulate", "--count", "1", "--tenant", "De mo"], {}, "--tenant", id="bad slug"),
        pytest.param(
            ["simulate", "--count", "1", "--tenant", "demo", "--url", "http://x"], {}, "--url", id="no ws URL"
        ),
        pytest.param(
            ["simulate", "--count", "1", "--tenant", "demo", "--duration", "soon"],
            {},
            "--duration",
            id="no duration",
        ),
        pytest.param(
            ["simulate", "--count", "1", "--tenant", "demo", "--speed", "0"], {}, "--speed", id="no speed"
        ),
        pytest.param(
            ["simulate", "--count", "1", "--tenant", "demo"], {}, "STATIONMASTER_API_KEY", id="no API key"
        ),
        pytest.param(["key", "create"], {}, "--tenant", id="key without a tenant"),
        pytest.param(
            ["key", "create", "--tenant", "demo", "--scopes", "fly"], {}, "--scopes", id="unknown scope"
        ),
        pytest.param(["tenant", "create"], {}, "slug", id="tenant without name"),
        pytest.param(["simulate-site", "--svg", "no/such/day.svg"], {}, "no/such/day.svg", id="no folder"),
        pytest.param(["dance"], {}, "dance", id="unknown command"),
    ],
)
def test_what_the_caller_got_wrong_is_named_in_one_line(
    tmp_path: Path, arguments: list[str], variables: dict[str, str], named: str
) -> None:
    result = command(*arguments, env=environment(tmp_path, **variables))
    assert result.returncode == 2
    assert named in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert result.stdout == ""


def test_a_data_directory_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = command("tenant", "list", env=environment(tmp_path / "file" / "below"))
    assert result.returncode == 2
    assert "STATIONMASTER_DATA_DIRECTORY" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_port_in_use_is_named_in_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = command("serve", "--port", port, env=environment(tmp_path))
    assert result.returncode == 1
    assert re.fullmatch(rf"stationmaster: port {port} on 127\.0\.0\.1 is in use; .*\n", result.stderr)


def test_a_foreign_address_is_named_in_one_line(tmp_path: Path) -> None:
    result = command("serve", "--host", "192.0.2.1", env=environment(tmp_path, STATIONMASTER_PORT="0"))
    assert result.returncode == 1
    assert "STATIONMASTER_HOST" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_database_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    env = environment(
        tmp_path,
        DATABASE_URL="postgresql://unknown@127.0.0.1:1/none",
        REDIS_URL="redis://127.0.0.1:1",
        STATIONMASTER_CREDENTIAL_PEPPER=PEPPER,
        STATIONMASTER_PORT="0",
    )
    result = command("serve", env=env)
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert line.endswith("DATABASE_URL: 127.0.0.1:1 does not answer")


def test_what_the_database_server_says_is_passed_on(server_environment: dict[str, str]) -> None:
    url = server_environment["DATABASE_URL"].replace("/test", "/nosuch", 1)
    result = command("serve", env={**server_environment, "DATABASE_URL": url})
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert "DATABASE_URL" in line
    assert "does not exist" in line


def test_help_and_no_arguments_explain_the_commands(tmp_path: Path) -> None:
    result = command("--help", env=environment(tmp_path))
    assert result.returncode == 0
    for name in ("serve", "demo", "simulate", "tenant", "key", "migrate-db"):
        assert name in result.stdout


def test_a_tenant_and_its_key_are_made_and_open_the_api(server_environment: dict[str, str]) -> None:
    env = server_environment
    assert command("tenant", "create", "north", "--name", "North", env=env).returncode == 0
    assert command("tenant", "list", env=env).stdout == "north\tNorth\n"
    again = command("tenant", "create", "north", env=env)
    assert (again.returncode, len(again.stderr.splitlines())) == (1, 1)
    made = command("key", "create", "--tenant", "north", env=env)
    assert re.fullmatch(r"sm_[0-9a-f]+_[0-9a-f]+\n", made.stdout)
    unknown = command("key", "create", "--tenant", "south", env=env)
    assert (unknown.returncode, unknown.stdout) == (1, "")
    with serving(env) as (_, url):
        arguments = ("--count", "3", "--tenant", "north", "--url", url.replace("http", "ws", 1))
        env = {**env, "STATIONMASTER_API_KEY": made.stdout.strip()}
        fast = ("--duration", "4s", "--speed", "300", "--pace", "brisk", "--steady")
        first = command("simulate", *arguments, *fast, env=env)
        assert first.returncode == 0, first.stdout + first.stderr
        assert _row(first.stdout, "charge points") == 3
        assert _row(first.stdout, "transactions started") == _row(first.stdout, "transactions stopped") > 0
        assert _row(first.stdout, "messages sent") == _row(first.stdout, "messages answered")
        assert _row(first.stdout, "errors") == 0
        passwords = Path(env["STATIONMASTER_DATA_DIRECTORY"]) / "simulator" / "north.json"
        kept = passwords.read_bytes()
        del env["STATIONMASTER_API_KEY"]
        second = command("simulate", *arguments, "--duration", "1s", env=env)
        assert second.returncode == 0, second.stdout + second.stderr
        assert passwords.read_bytes() == kept


def _row(table: str, name: str) -> int:
    found = re.search(rf"│ {re.escape(name)} +│ +(\d+) │", table)
    assert found is not None, table
    return int(found[1])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_the_server_and_its_workers(
    server_environment: dict[str, str], number: signal.Signals
) -> None:
    with serving(server_environment, "--workers", "2") as (process, url):
        workers = workers_of(process.pid)
        assert len(workers) == 2
        assert urlopen(f"{url}/v1/protocols").status == 200  # noqa: S310
        process.send_signal(number)
        assert process.wait(TIMEOUT_S) == 0
        assert all(gone(worker) for worker in workers)


def test_workers_share_what_they_were_forked_with(server_environment: dict[str, str]) -> None:
    with serving(server_environment, "--workers", "2") as (process, url):
        assert urlopen(f"{url}/v1/protocols").status == 200  # noqa: S310
        forking = fork_server_of(process.pid)
        # A thread that is not there after the fork would leave its locks behind.
        assert len(list(Path(f"/proc/{forking}/task").iterdir())) == 1
        for worker in workers_of(process.pid):
            assert _bytes_of(worker, "Private_Dirty") < _bytes_of(worker, "Anonymous") / 2
            assert os.getsid(worker) == worker


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
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"


def test_a_worker_that_dies_is_replaced(server_environment: dict[str, str]) -> None:
    with serving(server_environment, "--workers", "2") as (process, url):
        before = workers_of(process.pid)
        victim = min(before)
        os.kill(victim, signal.SIGKILL)
        until(lambda: len(workers_of(process.pid) - {victim}) == 2)
        assert urlopen(f"{url}/v1/protocols").status == 200  # noqa: S310
        process.terminate()
        assert process.wait(TIMEOUT_S) == 0


# What workers do when a test wants it: an event loop that is stuck, and one that is as busy as can be.
_MOODS = """
import asyncio, signal, sys, time

def be_stuck(*_):
    while True:
        pass

def be_busy(*_):
    end = time.monotonic() + 0.2
    while time.monotonic() < end:
        pass
    asyncio.get_running_loop().call_soon(be_busy)

if "app.server.fork_server" in sys.orig_argv:
    signal.signal(signal.SIGUSR1, be_stuck)
    signal.signal(signal.SIGUSR2, be_busy)
"""
_SILENCE_S = 5


@pytest.fixture
def moody_environment(server_environment: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """Workers hang when they get SIGUSR1, and are busy when they get SIGUSR2."""
    (tmp_path / "sitecustomize.py").write_text(_MOODS)
    return {
        **server_environment,
        "PYTHONPATH": str(tmp_path),
        "STATIONMASTER_WORKER_SILENCE_S": str(_SILENCE_S),
    }


@contextlib.contextmanager
def hanging(victim: int, how: signal.Signals) -> Iterator[None]:
    """A worker hangs. Should the test fail, it does not outlive it."""
    os.kill(victim, how)
    try:
        yield
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)
        raise


def hang(supervisor: int, victim: int, how: signal.Signals = signal.SIGSTOP) -> None:
    """Let a worker hang that accepts connections, and wait until another has its place."""
    others = workers_of(supervisor) - {victim}
    with hanging(victim, how):
        until(lambda: len(workers_of(supervisor) - others - {victim}) == 1)


def events_in(log: Path) -> list[tuple[str, int]]:
    """Return what the server said of its workers, with their numbers."""
    events = [json.loads(line) for line in log.read_text().splitlines()]
    return [(event["event"], event["process"]) for event in events]


@pytest.mark.parametrize("how", [signal.SIGSTOP, signal.SIGUSR1])
def test_a_worker_that_hangs_is_replaced(
    moody_environment: dict[str, str], tmp_path: Path, how: signal.Signals
) -> None:
    log = tmp_path / "log"
    with serving(moody_environment, "--workers", "2", log=log) as (process, url):
        victim = min(workers_of(process.pid))
        hang(process.pid, victim, how)
        assert urlopen(f"{url}/v1/protocols").status == 200  # noqa: S310
        assert events_in(log) == [("worker_hung", victim), ("worker_ended", victim)]
        process.terminate()
        assert process.wait(TIMEOUT_S) == 0


def test_what_comes_while_the_only_worker_hangs_is_answered_by_the_next(
    moody_environment: dict[str, str],
) -> None:
    with serving(moody_environment, "--workers", "1") as (process, url):
        (victim,) = workers_of(process.pid)
        with hanging(victim, signal.SIGSTOP):
            until(lambda: "State:\tT" in Path(f"/proc/{victim}/status").read_text())
            assert urlopen(f"{url}/v1/protocols").status == 200  # noqa: S310
        assert victim not in workers_of(process.pid)


def test_a_busy_worker_is_not_taken_for_one_that_hangs(
    moody_environment: dict[str, str], tmp_path: Path
) -> None:
    log = tmp_path / "log"
    with serving(moody_environment, "--workers", "3", log=log) as (process, _):
        busy, first, second = sorted(workers_of(process.pid))
        os.kill(busy, signal.SIGUSR2)
        hang(process.pid, first)
        # When this one is noticed, silence of the busy one would have been noticed for seconds.
        hang(process.pid, second)
        assert busy in workers_of(process.pid)
        assert [of for event, of in events_in(log) if event == "worker_hung"] == [first, second]
        process.terminate()
        assert process.wait(TIMEOUT_S) == 0


def test_the_time_in_which_the_supervisor_was_stopped_does_not_count(
    moody_environment: dict[str, str], tmp_path: Path
) -> None:
    log = tmp_path / "log"
    with serving(moody_environment, "--workers", "2", log=log) as (process, _):
        living, victim = sorted(workers_of(process.pid))
        process.send_signal(signal.SIGSTOP)
        time.sleep(2 * _SILENCE_S)
        process.send_signal(signal.SIGCONT)
        # By then it has long noticed how late it is.
        hang(process.pid, victim)
        assert events_in(log) == [("worker_hung", victim), ("worker_ended", victim)]
        assert living in workers_of(process.pid)
        process.terminate()
        assert process.wait(TIMEOUT_S) == 0


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
        # It has no parent here that could have waited for its last breath.
        until(lambda: gone(survivor))


def test_a_worker_ends_without_a_word_when_it_is_told_to(server_environment: dict[str, str]) -> None:
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
        process.terminate()
        assert process.communicate(timeout=TIMEOUT_S) == ("", "")


def test_workers_stop_when_their_supervisor_was_killed(server_environment: dict[str, str]) -> None:
    with serving(server_environment, "--workers", "2") as (process, url):
        server = {fork_server_of(process.pid), *workers_of(process.pid)}
        process.kill()
        process.wait(TIMEOUT_S)
        until(lambda: all(gone(one) for one in server))
        port = int(url.rpartition(":")[2])
        with socket.create_server(("127.0.0.1", port)) as free:
            assert free.getsockname()[1] == port


def test_embedded_engines_start_with_the_server_and_end_with_it(data_directory: Path) -> None:
    env = environment(data_directory, STATIONMASTER_PORT="0", STATIONMASTER_LOG_LEVEL="warning")
    with serving(env) as (process, url):
        assert urlopen(f"{url}/v1/protocols").status == 200  # noqa: S310
        again = command("tenant", "create", "north", env=env)
        assert again.returncode == 0, again.stderr
        postgres = int((data_directory / "postgres" / "postmaster.pid").read_text().split()[0])
        process.send_signal(signal.SIGINT)
        assert process.wait(TIMEOUT_S) == 0
        assert gone(postgres)
    assert command("tenant", "list", env=env).stdout == "north\tnorth\n"


def test_a_second_demo_prints_the_same_line_and_finds_its_data(data_directory: Path) -> None:
    env = environment(data_directory, STATIONMASTER_PORT="0")
    first, second = _demo(env), _demo(env)
    assert first[0] == second[0]
    assert first[1] == second[1] == ["DEMO-00001", "DEMO-00002"]
    key = data_directory / "demo-api-key"
    assert key.stat().st_mode & 0o777 == 0o600


def _demo(env: Mapping[str, str]) -> tuple[str, list[str]]:
    """Start a demo, follow its curl line until the fleet is there, stop it; gives the key and the fleet."""
    process = subprocess.Popen(
        [sys.executable, "-m", "app.cli", "demo", "--count", "2"], env=env, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        line = next(line for line in process.stdout if line.strip().startswith("curl "))
        found = re.fullmatch(r"curl -s -H 'Authorization: Bearer (\S+)' (http://\S+)", line.strip())
        assert found is not None
        seen: list[str] = []
        request = Request(found[2], headers={"Authorization": f"Bearer {found[1]}"})  # noqa: S310

        def connected() -> bool:
            with urlopen(request) as answer:  # noqa: S310
                items = json.load(answer)["items"]
            seen[:] = [item["identity"] for item in items if item["connected"]]
            return len(seen) == 2

        until(connected)
        process.send_signal(signal.SIGINT)
        assert process.wait(TIMEOUT_S) == 0
        assert "Stopped" in process.stdout.read()
        return found[1], seen
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def test_a_worker_that_cannot_start_ends_the_server_with_one_line_of_its_own(
    server_environment: dict[str, str], tmp_path: Path
) -> None:
    broken = tmp_path / "sitecustomize.py"
    broken.write_text("import os, sys\nif 'app.server.fork_server' in sys.orig_argv: os._exit(7)\n")
    result = command("serve", "--workers", "2", env={**server_environment, "PYTHONPATH": str(tmp_path)})
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert result.stderr.splitlines()[-1].startswith("stationmaster: a worker ended while it started")
