"""The command line from outside: real processes, what they print, and how they end."""

import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from app.cli.help_groups import HEADINGS
from app.server.embedded.locks import ownership
from tests.support.processes import PEPPER, TIMEOUT_S, command, environment, gone, serving, until

# Processes start slowly on a busy machine with two cores.
pytestmark = pytest.mark.timeout(180)


FLEET = ["simulate", "--count", "1", "--tenant", "demo"]
BENCH = ["bench", "ws://127.0.0.1:9/ocpp/demo"]


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
        pytest.param(
            ["serve"],
            {"STATIONMASTER_TRUSTED_PROXIES": "10.1.2.3/8"},
            "STATIONMASTER_TRUSTED_PROXIES: 10.1.2.3/8 is not a network, because it has host bits: did you "
            "mean 10.0.0.0/8?",
            id="CIDR with host bits",
        ),
        pytest.param(
            ["serve"],
            {"STATIONMASTER_CREDENTIAL_PEPPER": "short"},
            "STATIONMASTER_CREDENTIAL_PEPPER must have at least 16 characters",
            id="short pepper",
        ),
        pytest.param(
            [*FLEET, "--url", "ws://127.0.0.1:1", "--api-key", "x"],
            {},
            "--url: no server answers at http://127.0.0.1:1",
            id="server down",
        ),
        pytest.param(
            [*FLEET, "--api-url", "http://127.0.0.1:1", "--api-key", "x"],
            {},
            "--api-url: no server answers at http://127.0.0.1:1",
            id="API down",
        ),
        pytest.param(
            [*FLEET, "--api-url", "127.0.0.1:8080", "--api-key", "x"], {}, "--api-url", id="no API URL"
        ),
        pytest.param([*FLEET, "--url", "ws://127.0.0.1:99999", "--api-key", "x"], {}, "--url", id="no port"),
        pytest.param(
            [*FLEET, "--speed", "nan"], {}, "'--speed': is not a finite number", id="speed not a number"
        ),
        pytest.param(
            [*BENCH, "--seconds", "nan"], {}, "'--seconds': is not a finite number", id="seconds not a number"
        ),
        pytest.param(
            [*BENCH, "--seconds", "0"], {}, "'--seconds': must be from 0.1 to 86400", id="no seconds"
        ),
        pytest.param([*BENCH, "--rate", "inf"], {}, "'--rate': is not a finite number", id="endless rate"),
        pytest.param([*BENCH, "--rate", "-1"], {}, "--rate", id="negative rate"),
        pytest.param(
            ["bench", "ws://127.0.0.1:9/ocpp"],
            {},
            "URL: 'ws://127.0.0.1:9/ocpp' must be ws://host:port/ocpp/{tenant}",
            id="bench without tenant",
        ),
        pytest.param(["tenant", "create", "De Mo"], {}, "SLUG", id="no slug"),
        pytest.param(
            ["tenant", "create", "demo", "--name", "a\x1b[2J"], {}, "--name", id="a name that clears screens"
        ),
        pytest.param(
            ["key", "create", "--tenant", "demo", "--name", "a\tb"], {}, "--name", id="a name with a tab"
        ),
        pytest.param(
            ["serve"],
            {"REDIS_URL": "redis://cache?ssl_cert_reqs=none"},
            "REDIS_URL: parameters for TLS are for rediss://",
            id="TLS for a Redis without TLS",
        ),
        pytest.param(
            ["serve"],
            {"STATIONMASTER_PROT": "1"},
            "STATIONMASTER_PROT is not a setting; did you mean STATIONMASTER_PORT?",
            id="misspelt variable",
        ),
        pytest.param(
            ["key", "create", "--tenant", "demo", "--scopes", "metrics"],
            {},
            "--admin",
            id="no scope of a tenant",
        ),
        pytest.param(["key", "list"], {}, "--tenant", id="keys without an owner"),
        pytest.param(
            ["serve"],
            {"STATIONMASTER_TRACING_RATIO": "2"},
            "STATIONMASTER_TRACING_RATIO",
            id="more traces than there are",
        ),
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
    assert "Errno" not in result.stderr
    assert list(tmp_path.iterdir()) in ([], [tmp_path / "pepper"])


@pytest.mark.parametrize(
    ("below", "problem"),
    [("file", "is not a directory"), ("file/below", "cannot be created: Not a directory")],
)
@pytest.mark.parametrize("pepper", ["", PEPPER])
def test_a_data_directory_that_cannot_be_used_is_named(
    tmp_path: Path, below: str, problem: str, pepper: str
) -> None:
    (tmp_path / "file").write_text("")
    env = environment(tmp_path / below, STATIONMASTER_CREDENTIAL_PEPPER=pepper)
    result = command("init", env=env)
    assert result.returncode == 2
    assert result.stderr == f"stationmaster: STATIONMASTER_DATA_DIRECTORY: {tmp_path / below} {problem}\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has this device")
def test_an_output_that_is_full_is_named_in_one_line(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        result = subprocess.run(
            [sys.executable, "-m", "app.cli", "personas"],
            env=environment(tmp_path),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    assert (result.returncode, result.stderr) == (
        1,
        "stationmaster: cannot write the output: No space left on device\n",
    )


@pytest.mark.parametrize("arguments", [(), ("tenant",), ("key",)])
def test_without_arguments_the_help_is_shown_as_it_is(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    asked = command(*arguments, "--help", env=environment(tmp_path))
    result = command(*arguments, env=environment(tmp_path))
    assert (result.returncode, result.stdout, result.stderr) == (2, "", asked.stdout)


def test_the_version_is_printed(tmp_path: Path) -> None:
    result = command("--version", env=environment(tmp_path))
    assert (result.returncode, result.stdout) == (0, f"stationmaster {version('stationmaster')}\n")


def test_a_variable_that_is_no_setting_and_looks_like_none_is_one_warning(tmp_path: Path) -> None:
    """Kubernetes makes such variables for a service that is called stationmaster."""
    variables = {"STATIONMASTER_PORT_8080_TCP": "x", "STATIONMASTER_API_KEY": "x", "STATIONMASTER_LOAD": "x"}
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = command("serve", "--port", port, env=environment(tmp_path, **variables))
    warning, _ = result.stderr.splitlines()
    assert json.loads(warning)["variable"] == "STATIONMASTER_PORT_8080_TCP"


@pytest.mark.parametrize(
    "arguments",
    [("tenant", "create", "north"), ("tenant", "list"), ("key", "list", "--admin"), ("migrate-db",)],
)
def test_a_command_in_a_folder_without_data_says_so_and_makes_none(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    place = tmp_path / "data"
    result = command(*arguments, env=environment(place))
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == (
        f"stationmaster: there is no data in {place} (STATIONMASTER_DATA_DIRECTORY): go to the folder in "
        "which the server runs, or make a new database by `stationmaster init`\n"
    )
    assert not place.exists()


@pytest.mark.slow
def test_init_makes_a_database_for_the_commands_that_follow(data_directory: Path) -> None:
    env = environment(data_directory / "data")
    made = command("init", env=env)
    assert (made.returncode, made.stdout) == (0, f"There is a database in {data_directory / 'data'}.\n")
    assert command("tenant", "create", "north", env=env).returncode == 0
    assert command("tenant", "list", env=env).stdout == "north\tnorth\n"


@pytest.mark.slow
def test_the_keys_of_a_tenant_are_listed_and_revoked(server_environment: dict[str, str]) -> None:
    env = server_environment
    assert command("tenant", "create", "keyring", env=env).returncode == 0
    token = command("key", "create", "--tenant", "keyring", "--name", "billing", env=env).stdout.strip()
    prefix = token.split("_")[1]
    assert command("key", "list", "--tenant", "keyring", env=env).stdout == (
        f"{prefix}\tbilling\tread,command,write\tvalid\tnever used\n"
    )
    assert command("key", "list", "--admin", env=env).stdout == ""
    for _ in range(2):
        revoked = command("key", "revoke", prefix, env=env)
        assert (revoked.returncode, revoked.stdout) == (0, f"Key {prefix} (billing) is revoked.\n")
    assert "\trevoked\t" in command("key", "list", "--tenant", "keyring", env=env).stdout
    unknown = command("key", "revoke", "nosuch", env=env)
    assert (unknown.returncode, unknown.stderr) == (
        1,
        "stationmaster: There is no key with the prefix 'nosuch'.\n",
    )


def test_the_tab_key_completes_commands_and_options(tmp_path: Path) -> None:
    def completed(line: str) -> str:
        variables = {"_STATIONMASTER_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": "1"}
        env = environment(tmp_path, **variables)
        return subprocess.run(
            [str(Path(sys.executable).with_name("stationmaster"))],
            env=env,
            capture_output=True,
            text=True,
            check=False,
        ).stdout

    assert completed("stationmaster ba").split() == ["backup"]
    assert completed("stationmaster sim").split() == ["simulate", "simulate-site"]


def test_each_command_of_the_help_has_a_heading(tmp_path: Path) -> None:
    shown = command("--help", env=environment(tmp_path)).stdout
    places = [shown.index(f"\n{heading}:\n") for heading in HEADINGS]
    assert places == sorted(places)
    assert shown.index("\n  First steps:\n") > places[-1]


def test_a_second_demo_on_the_same_data_is_refused(tmp_path: Path) -> None:
    with ownership(tmp_path, "demo.lock") as is_alone:
        assert is_alone
        result = command("demo", "--port", "0", env=environment(tmp_path))
    assert (result.returncode, result.stdout) == (1, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"stationmaster: STATIONMASTER_DATA_DIRECTORY: a demo runs on {tmp_path} already;")


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
    assert line.endswith("DATABASE_URL: 127.0.0.1:1 does not answer: Connection refused")


@pytest.mark.slow
def test_a_redis_that_does_not_answer_is_a_warning_that_names_its_setting(
    tmp_path: Path, server_environment: dict[str, str]
) -> None:
    log = tmp_path / "log"
    with serving({**server_environment, "REDIS_URL": "redis://127.0.0.1:1"}, log=log) as (process, _):
        process.send_signal(signal.SIGINT)
        assert process.wait(TIMEOUT_S) == 0
    warnings = [json.loads(line) for line in log.read_text().splitlines()]
    assert {"redis_unreachable"} == {
        found["event"] for found in warnings if found.get("setting") == "REDIS_URL"
    }


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
    for name in ("serve", "demo", "init", "simulate", "tenant", "key", "migrate-db", "backup", "restore"):
        assert name in result.stdout


@pytest.mark.long
def test_a_tenant_and_its_key_are_made_and_open_the_api(server_environment: dict[str, str]) -> None:
    env = server_environment
    assert command("tenant", "create", "north", "--name", "North", env=env).returncode == 0
    assert "north\tNorth" in command("tenant", "list", env=env).stdout.splitlines()
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
        refused = command("simulate", *arguments, "--api-key", "sm_00_00", env=env)
        assert refused.returncode == 2
        assert refused.stderr == (
            f"stationmaster: STATIONMASTER_API_KEY (or --api-key): {url} does not accept this key\n"
        )
        reading = command("key", "create", "--tenant", "north", "--scopes", "read", env=env).stdout.strip()
        refused = command("simulate", *arguments, "--prefix", "NEW", "--api-key", reading, env=env)
        assert refused.stderr.startswith("stationmaster: STATIONMASTER_API_KEY (or --api-key): ")
        assert "'write'" in refused.stderr


def _row(table: str, name: str) -> int:
    found = re.search(rf"│ {re.escape(name)} +│ +(\d+) │", table)
    assert found is not None, table
    return int(found[1])


@pytest.mark.long
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


@pytest.mark.long
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
