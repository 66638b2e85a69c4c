"""Each command of docs/cli.md, as an operator would type it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.operator_page import DOCS
from tests.support.processes import environment

PAGE = (DOCS / "cli.md").read_text("utf-8")
COMMANDS: list[str] = re.findall(r"^\$ (.+)$", PAGE, re.MULTILINE)


@pytest.mark.long
@pytest.mark.timeout(300)
def test_the_commands_of_the_page_work_one_after_the_other(data_directory: Path) -> None:
    env = environment(data_directory / "data", PATH=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    # The page is for the folder in which the server runs.
    del env["STATIONMASTER_DATA_DIRECTORY"]
    result = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(COMMANDS)],
        env=env,
        cwd=data_directory,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[-1] == "acme\tAcme Charging"
    assert sum(line.startswith("sm_") for line in lines) == 2
    assert (data_directory / "restored" / "pepper").read_text() == (
        data_directory / "data" / "pepper"
    ).read_text()
    assert "complete" in (data_directory / "completion.bash").read_text()
