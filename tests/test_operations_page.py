"""docs/operations.md: its commands, statements, URLs and files work as they are written."""

import configparser
import os
import re
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest
import yaml

from app.database.address import read_address
from app.live.address import read_redis_address
from app.settings import Settings
from tests.support.processes import environment, serving
from tests.support.settings_table import PAGE, page_with_settings, rows_without_text
from tests.support.tools import require_tool
from tests.test_helm import CHART, helm

TEXT = PAGE.read_text("utf-8")
SECONDS_BESIDE_THE_DRAIN = 15


def section(heading: str) -> str:
    """Return the part of the page below a heading."""
    return TEXT.split(f"\n## {heading}\n")[1].split("\n## ")[0]


def block(heading: str, kind: str) -> str:
    """Return the one block of code of a kind below a heading."""
    [found] = re.findall(rf"```{kind}\n(.+?)```", section(heading), re.DOTALL)
    return str(found)


def commands_below(heading: str) -> list[str]:
    """Return the commands below a heading, in their order."""
    return re.findall(r"^\$ (.+)$", block(heading, "console"), re.MULTILINE)


def test_the_settings_are_those_of_the_program() -> None:
    assert page_with_settings() == TEXT, "run `make generate`"


def test_each_setting_is_explained() -> None:
    assert rows_without_text() == []
    names = re.findall(r"`((?:STATIONMASTER_|DATABASE_URL|REDIS_URL)[A-Z0-9_]*)`", section("Settings"))
    assert len(set(names)) >= len(Settings.model_fields)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_backup_restore_and_upgrade_work_literally(data_directory: Path) -> None:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    env = environment(
        data_directory / "data", PATH=path, STATIONMASTER_PORT="0", STATIONMASTER_LOG_LEVEL="error"
    )
    # As with systemd: the data directory is `data` below the working directory.
    with serving(env) as (process, url):
        commands = ["stationmaster tenant create north", *commands_below("Backup and restore")]
        commands += commands_below("Rolling upgrade")
        text = "\n".join(commands).replace("127.0.0.1:8080", url.removeprefix("http://"))
        done = subprocess.run(
            ["bash", "-euc", text],
            env=env,
            cwd=data_directory,
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
        process.terminate()
        assert process.wait(timeout=60) == 0
    assert done.returncode == 0, done.stderr
    assert "database.dump" in done.stdout
    assert "north\tnorth" in done.stdout
    assert '"database":"ok"' in done.stdout


async def test_the_statement_that_measures_tables_works(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        found = {row["name"]: row["bytes"] for row in await connection.fetch(block("Sizing", "sql"))}
    finally:
        await connection.close()
    # A table with partitions is one row.
    assert found.keys() >= {"meter_values", "frame_runs"}
    assert not [name for name in found if re.search(r"\d{6}", name)]


def test_the_urls_are_understood() -> None:
    pairs = [line.split("=", 1) for line in block("TLS to the engines", "").splitlines()]
    assert {name for name, _ in pairs} == {"DATABASE_URL", "REDIS_URL"}
    for name, url in pairs:
        if name == "REDIS_URL":
            assert read_redis_address(url).is_encrypted
        else:
            assert read_address(url).parameters["sslmode"] == "verify-full"


def test_whoever_stops_a_server_waits_for_its_drain() -> None:
    least_s = Settings.model_fields["drain_s"].default + SECONDS_BESIDE_THE_DRAIN
    unit = configparser.ConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read_string(block("Drain", "ini"))
    assert unit.getint("Service", "TimeoutStopSec") >= least_s
    values = yaml.safe_load(block("Drain", "yaml"))
    drain_s = float(values["settings"]["STATIONMASTER_DRAIN_S"])
    assert values["terminationGracePeriodSeconds"] >= drain_s + SECONDS_BESIDE_THE_DRAIN


def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    path = tmp_path / "stationmaster.service"
    program = str(Path(sys.executable).with_name("stationmaster"))
    path.write_text(block("Drain", "ini").replace("/opt/stationmaster/bin/stationmaster", program))
    done = subprocess.run(
        [require_tool("systemd"), "verify", "--recursive-errors=no", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_chart_takes_the_values(tmp_path: Path) -> None:
    path = tmp_path / "values.yaml"
    path.write_text(block("Drain", "yaml"))
    done = helm("template", "stationmaster", str(CHART), "--kube-version=1.31.0", "--values", str(path))
    assert done.returncode == 0, done.stderr
    assert "terminationGracePeriodSeconds: 110" in done.stdout


def test_the_connections_of_a_worker_are_those_of_the_settings() -> None:
    of = {name: Settings.model_fields[name].default for name in Settings.model_fields}
    connections = of["database_work_connections"] + 4 * of["database_statement_connections"] + 5
    assert f"| {connections} for a worker" in section("Sizing")
