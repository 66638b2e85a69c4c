"""The commands of docs/first-five-minutes.md: each one works as it is written, in its order."""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from benchmarks.__main__ import parse_arguments
from benchmarks.load import build
from tests.support.operator_page import DOCS
from tests.support.processes import environment, serving
from tests.system.openapi_tools.test_openapi_tools import TYPES_OPTIONS
from tests.test_readme import documents_in

TEXT = (DOCS / "first-five-minutes.md").read_text("utf-8")
MAKEFILE = (DOCS.parent / "Makefile").read_text("utf-8")
# They build for minutes, fetch packages, or serve until they are stopped.
NOT_RUN = ("make ", "npx ", "pipx ", "python -m http.server", "python benchmarks/", "python -m benchmarks ")


def commands_below(heading: str) -> list[str]:
    """Return the commands below a heading, in their order."""
    section = TEXT.split(f"\n## {heading}")[1].split("\n## ")[0]
    return re.findall(r"^\$ (.+)$", section, re.MULTILINE)


def typed(commands: list[str], env: Mapping[str, str], url: str, folder: Path) -> str:
    """Run commands one after the other in a shell, with the port of the server, and return their output."""
    text = "\n".join(command for command in commands if not command.startswith(NOT_RUN))
    text = text.replace("127.0.0.1:8080", url.removeprefix("http://"))
    text = text.replace(
        "stationmaster simulate", f"stationmaster simulate --url {url.replace('http', 'ws', 1)}"
    )
    script = f"set -eu; trap 'kill $(jobs -p) 2> /dev/null || true' EXIT\nexport SERVER={url}\n{text}"
    done = subprocess.run(
        ["bash", "-c", script], env=env, cwd=folder, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.long
@pytest.mark.timeout(600)
def test_the_ways_of_the_three_groups_work_literally(
    data_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, run = commands_below("Begin")[:2]
    assert (settings.split()[0], run) == ("export", "make run")
    allowed = dict(pair.split("=") for pair in settings.split()[1:])
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    env = environment(
        data_directory / "data",
        **allowed,
        PATH=path,
        STATIONMASTER_PORT="0",
        STATIONMASTER_LOG_LEVEL="error",
        STATIONMASTER_LOAD=str(build()),
    )
    [receiver] = re.findall(r"```python\n(.+?)```", TEXT, re.DOTALL)
    (data_directory / "receiver.py").write_text(receiver)
    with serving(env) as (process, url):
        hosted = typed(commands_below("A SaaS team"), env, url, data_directory)
        consumed = typed(
            ["stationmaster tenant create demo", *commands_below("An API consumer")], env, url, data_directory
        )
        measured = typed(commands_below("A performance engineer"), env, url, data_directory)
        process.terminate()
        process.wait(timeout=60)
    assert "/console/links/" in hosted
    assert "/ocpp/acme/RDAM-1" in hosted
    assert "/credentials" in hosted, "the advice for a wrong password"
    received = [json.loads(line) for line in (data_directory / "received.log").read_text().splitlines()]
    assert "transaction.started" in [event["type"] for event in received]
    documents = documents_in(hosted)
    assert [one["state"] for one in documents if "action" in one] == ["accepted", "accepted"]
    why_so_slow = r'"source":\s*\{[^}]*"chargingProfileId":\s*1\b'
    assert re.search(why_so_slow, hosted)
    followed = documents_in(consumed)
    assert [one["verdict"] for one in followed if "verdict" in one] == ["invalid"]
    assert [one["allowed_origins"] for one in followed if "allowed_origins" in one] == [
        ["http://localhost:5173"]
    ]
    assert json.loads((data_directory / "openapi.json").read_text())["openapi"].startswith("3.1")
    [figures] = documents_in(measured)
    assert figures["failures"]["refused"] == 0
    assert json.loads((data_directory / "bench.json").read_text())["rounds"][0]["rate_per_s"] == 100


@pytest.mark.parametrize("command", re.findall(r"^\$ (make .+|python -m benchmarks .+)$", TEXT, re.MULTILINE))
def test_what_takes_minutes_is_known_to_make_and_to_the_benchmarks(command: str) -> None:
    program, *arguments = shlex.split(command)
    if program == "make":
        target, *arguments = arguments
        assert f"\n{target}: " in MAKEFILE
        if target != "bench":
            return
        arguments = shlex.split(arguments[0].removeprefix("ARGS="))
    else:
        arguments = arguments[2:]
    assert parse_arguments(arguments).quick is ("--quick" in arguments)


def test_the_generators_of_clients_have_the_options_that_are_tested() -> None:
    assert f"openapi-typescript openapi.json {' '.join(TYPES_OPTIONS)}" in TEXT
