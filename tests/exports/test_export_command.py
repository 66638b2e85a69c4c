"""The command `export`, as an operator types it, and what it says if it cannot do its work."""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

from app.cli.export_commands import export
from app.clock import SystemClock
from app.exports.destinations import BucketDestination
from app.exports.errors import ExportError
from app.exports.parquet import read_rows
from app.exports.service import MeterValueExport
from app.settings import Settings, SettingsError, load_settings
from tests.support.engines import execute
from tests.support.operator_page import DOCS
from tests.support.processes import command
from tests.support.s3 import S3Server, s3_server
from tests.support.store import ChargePointRecords, reading

SECTION = (DOCS / "operations.md").read_text("utf-8").split("\n## Data that grows\n")[1].split("\n## ")[0]
COMMANDS: list[str] = re.findall(r"^\$ (.+)$", SECTION, re.MULTILINE)
QUERIES: list[str] = re.findall(r"```sql\n(.+?)```", SECTION, re.DOTALL)

SAMPLED = datetime(2024, 1, 15, 12, tzinfo=UTC)


@pytest.fixture
async def filled(records: ChargePointRecords, database_url: str) -> ChargePointRecords:
    """Fill a partition that ended in January 2024."""
    for statement in (
        "drop table if exists meter_values_before",
        "truncate exported_files, exported_partitions, exported_changes",
        "create table meter_values_before partition of meter_values"
        " for values from (minvalue) to ('2024-02-01T00:00:00Z')",
    ):
        await execute(database_url, statement)
    samples = [reading(SAMPLED + timedelta(minutes=number), [{"value": "1.0"}]) for number in range(3)]
    await records.storage.ledger.meter_values(records.readings(readings=samples, transaction_id=7))
    return records


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_the_commands_of_the_page_export_and_drop(
    filled: ChargePointRecords, server_environment: dict[str, str], database_url: str, tmp_path: Path
) -> None:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    result = await asyncio.to_thread(
        subprocess.run,
        ["bash", "-euo", "pipefail", "-c", "\n".join(COMMANDS)],
        env={**server_environment, "PATH": path},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    [file] = (tmp_path / "exports").rglob("*.parquet")
    size = file.stat().st_size
    lines = result.stdout.splitlines()
    assert lines[0] == f"meter_values_before is exported: 3 meter values, {size} bytes, files: 1"
    assert lines[1] == "meter_values_before is dropped: its files have its meter values"
    assert "sampled_values: Utf8" in result.stdout
    exported = [row for page in read_rows(file) for row in page]
    assert [row.sampled_at - SAMPLED for row in exported] == [timedelta(minutes=one) for one in range(3)]
    connection = await asyncpg.connect(database_url)
    try:
        partitions, files = [await connection.fetch(query) for query in QUERIES]
    finally:
        await connection.close()
    assert {row["table"] for row in partitions} == {"meter_values", "frame_runs", "events"}
    assert "meter_values_before" not in {row["partition"] for row in partitions}
    [found] = files
    assert (found["slug"], found["rows"]) == (filled.tenant.slug, 3)
    assert found["partition"] == "meter_values_before"
    assert (tmp_path / "exports" / found["path"]) == file
    assert found["dropped_at"] is not None


def test_without_a_place_for_the_files_both_ways_are_named(server_environment: dict[str, str]) -> None:
    result = command("export", env=server_environment)
    assert (result.returncode, result.stderr) == (
        1,
        "stationmaster: name a folder by --to, or a bucket by STATIONMASTER_FILE_S3_BUCKET\n",
    )


def test_a_folder_that_cannot_be_made_is_named(
    filled: ChargePointRecords, server_environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("not a folder")
    result = command("export", "--to", str(tmp_path / "file" / "exports"), env=server_environment)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith(f"stationmaster: --to: {tmp_path}/file")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("days", [30, 0, 36_501])
def test_a_wrong_retention_names_its_variable(days: int) -> None:
    with pytest.raises(SettingsError, match="STATIONMASTER_METER_VALUES_RETENTION_DAYS"):
        load_settings(credential_pepper="x" * 16, meter_values_retention_days=days)


def test_without_the_packages_one_line_says_how_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.cli.export_commands.find_spec", lambda _: None)
    with pytest.raises(ExportError, match=r"pip install 'stationmaster\[export\]'"):
        export()


@pytest.fixture
async def s3(tmp_path: Path) -> AsyncIterator[S3Server]:
    """A server with an empty bucket."""
    async with s3_server(tmp_path / "s3") as server:
        yield server


async def test_a_bucket_keeps_files_and_gives_them_back(
    s3: S3Server, settings: Settings, tmp_path: Path
) -> None:
    bucket, source, copy = BucketDestination(s3.settings(settings)), tmp_path / "source", tmp_path / "copy"
    assert bucket.name == "s3://stationmaster/files/exports/"
    assert not await bucket.fetch("a/tenant_id=7/b.parquet", copy)
    for content in (os.urandom(12_000_000), b"newer"):
        source.write_bytes(content)
        await bucket.put("a/tenant_id=7/b.parquet", source)
        assert await bucket.fetch("a/tenant_id=7/b.parquet", copy)
        assert copy.read_bytes() == content
    [kept] = s3.objects()
    assert kept.relative_to(s3.folder).as_posix() == "files/exports/a/tenant_id=7/b.parquet"


async def test_months_go_into_a_bucket_and_are_dropped(
    filled: ChargePointRecords, s3: S3Server, settings: Settings
) -> None:
    bucket, told = BucketDestination(s3.settings(settings)), list[str]()
    await MeterValueExport(filled.database, bucket, 31, SystemClock(), told.append).run()
    assert told[-1] == "meter_values_before is dropped: its files have its meter values"
    [kept] = s3.objects()
    assert [row.sampled_at for page in read_rows(kept) for row in page] == [
        SAMPLED + timedelta(minutes=number) for number in range(3)
    ]


async def test_a_bucket_that_refuses_is_told_without_its_secret(
    s3: S3Server, settings: Settings, tmp_path: Path
) -> None:
    wrong = s3.settings(settings, file_s3_secret_access_key="another-secret")
    (tmp_path / "source").write_bytes(b"content")
    with pytest.raises(ExportError, match="STATIONMASTER_FILE_S3_BUCKET: the bucket refuses: ") as raised:
        await BucketDestination(wrong).put("a", tmp_path / "source")
    assert "another-secret" not in str(raised.value)
