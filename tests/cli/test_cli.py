"""The command line from outside: real processes, what they print, and how they end."""

import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from tests.support.processes import PEPPER, TIMEOUT_S, command, environment, gone, serving, until

# Processes start slowly on a busy machine with two cores.
pytestmark = pytest.mark.timeout(180)


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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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
