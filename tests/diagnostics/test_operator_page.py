"""Each command of docs/diagnostics.md, as an operator would run it."""

import json
import shutil
from pathlib import Path
from typing import Any, get_args

import pytest

from app.diagnostics.records import JobState
from app.settings import Settings
from tests.diagnostics.conftest import DiagnosticsServer
from tests.support.asked import charger
from tests.support.operator_page import OperatorPage

LOG = b"all is well\n" * 50_000


def answer(action: str, payload: dict[str, Any]) -> dict[str, Any]:
    """Agree to upload diagnostics, but no log."""
    return {"fileName": "rdam-1.zip"} if action == "GetDiagnostics" else {"status": "Rejected"}


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
async def test_the_commands_fetch_diagnostics(serving: DiagnosticsServer, tmp_path: Path) -> None:
    page = OperatorPage("diagnostics.md")
    await page.log_in(serving.gateway, ("read", "write", "command"), FOLDER=str(tmp_path))
    await serving.gateway.register("RDAM-1")
    ask, ask_log, follow, jobs, facts, fetch, again, statuses, elsewhere = page.commands
    async with charger(serving.gateway, "RDAM-1", answer) as charge_point:
        job, log_job = await page.run(ask), await page.run(ask_log)
        await serving.answered(job)
        await serving.answered(log_job)
        await charge_point.call("DiagnosticsStatusNotification", {"status": "Uploading"})
        location = charge_point.asked[0][1]["location"]
        assert (await serving.upload(location, LOG, "rdam-1.zip")).status_code == 201
        page.know(JOB=job["id"], OTHER_JOB=log_job["id"])
        followed = await page.run(follow)
        assert (followed["state"], followed["file_name"]) == ("uploaded", "rdam-1.zip")
        assert len((await page.run(jobs))["items"]) == 2
        page.know(FILE=followed["file_id"])
        assert (await page.run(facts))["size_bytes"] == len(LOG)
        with pytest.raises(json.JSONDecodeError):
            await page.run(fetch)
        assert (tmp_path / "diagnostics.zip").read_bytes() == LOG
        assert (await page.run(again))["retry_of"] == log_job["id"]
        assert [item["status"] for item in (await page.run(statuses))["items"]] == ["Uploading"]
        sent = await page.run(elsewhere)
        assert sent["location"] == "ftp://logs:***@files.example.com/incoming"
        await serving.answered(sent)
    assert charge_point.asked[-1][1]["location"] == "ftp://logs:hunter2@files.example.com/incoming"


def test_the_page_names_each_state_and_setting() -> None:
    text = OperatorPage("diagnostics.md").text
    assert [state for state in get_args(JobState) if f"| `{state}` |" not in text] == []
    own = ("file_", "files_", "upload_", "transfer", "diagnostics_", "public_url")
    settings = [name for name in Settings.model_fields if name.startswith(own)]
    assert [name for name in settings if f"STATIONMASTER_{name.upper()}" not in text] == []
