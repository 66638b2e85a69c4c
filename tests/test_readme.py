"""The commands of README.md: what a new user types works as it is written."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import environment, serving

README = Path(__file__).parents[1] / "README.md"


def commands_of(heading: str) -> list[str]:
    """Return the shell commands below a heading, in their order."""
    section = README.read_text("utf-8").split(f"\n## {heading}\n")[1].split("\n## ")[0]
    found: list[str] = []
    for block in re.findall(r"```console\n(.*?)```", section, re.DOTALL):
        found += re.findall(r"^\$ (.*(?:\n    .*)*)", block, re.MULTILINE)
    return found


@pytest.mark.long
@pytest.mark.timeout(180)
def test_the_walk_from_a_tenant_to_its_transactions_works_literally(data_directory: Path) -> None:
    _, serve, *walk = commands_of("Connect a charge point")
    assert serve.startswith("stationmaster serve")
    (data_directory / ".venv").symlink_to(sys.prefix)
    env = environment(data_directory / "data", STATIONMASTER_PORT="0", STATIONMASTER_LOG_LEVEL="error")
    with serving(env) as (process, url):
        # The only change: the server of the test has another port.
        text = "\n".join([*walk, *commands_of("The protocol as an API")]).replace(
            "127.0.0.1:8080", url.removeprefix("http://")
        )
        text = text.replace(
            "stationmaster simulate", f"stationmaster simulate --url {url.replace('http', 'ws', 1)}"
        )
        script = f"set -eu; trap 'kill $!' EXIT\n{text}"
        result = subprocess.run(
            ["bash", "-c", script],
            env=env,
            cwd=data_directory,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        # Killed, it would leave its embedded engines behind.
        process.terminate()
        process.wait(timeout=60)
    assert result.returncode == 0, result.stderr
    assert "connected 20/20, charging connectors " in result.stdout
    _, tag, command, transactions, running, verdict = documents_in(result.stdout)
    assert tag["id_tag"] == "B4A63CDF"
    assert command["state"] == "accepted"
    (item,) = transactions["items"]
    assert (item["charge_point"], item["id_tag"]) == ("SIM-00001", "B4A63CDF")
    assert running["items"]
    assert [violation["pointer"] for violation in verdict["violations"]] == ["/chargePointModel"]


def documents_in(output: str) -> list[dict[str, Any]]:
    """Return the JSON objects in an output, one after the other."""
    found, place = [], output.find("{")
    while place >= 0:
        value, place = json.JSONDecoder().raw_decode(output, place)
        found.append(value)
        place = output.find("{", place)
    return found
