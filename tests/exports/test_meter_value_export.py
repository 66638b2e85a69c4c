"""Months of meter values go into files, row by row the same, and are dropped only if the files have them."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from app.charge_points.store import ChargePointStore
from app.clock import SystemClock, microseconds_of
from app.database.partitions import METER_VALUES, partitions_of
from app.exports.destinations import ExportDestination, FolderDestination
from app.exports.errors import ExportError
from app.exports.parquet import read_rows
from app.exports.records import ExportRow
from app.exports.service import MeterValueExport
from app.exports.store import ExportReader
from app.transactions.records import MeterReading
from app.transactions.store.reading import TransactionStore
from app.transactions.stored_records import MeterValueFilter
from tests.support.store import ChargePointRecords, RecordsMaker, reading

JANUARY = datetime(2024, 1, 1, tzinfo=UTC)
FEBRUARY = datetime(2024, 2, 1, tzinfo=UTC)
MARCH = datetime(2024, 3, 1, tzinfo=UTC)
NOW = datetime(2024, 4, 15, tzinfo=UTC)
_FIRST = "meter_values_before"
_SECOND = "meter_values_2024_02_01"
_COUNT = "select count(*) from meter_values where sampled_at < $1"


class _Clock(SystemClock):
    def now(self) -> datetime:
        return NOW


@dataclass
class Exports:
    """Exports of a database whose partitions end in the past, into a folder."""

    records: ChargePointRecords
    folder: Path
    connection: "asyncpg.Connection[Any]"
    told: list[str] = field(default_factory=list)

    async def run(
        self, retention_days: int | None = None, destination: ExportDestination | None = None
    ) -> list[str]:
        """Run an export, and return what it has told."""
        self.told.clear()
        place = destination or FolderDestination(self.folder)
        await MeterValueExport(self.records.database, place, retention_days, _Clock(), self.told.append).run()
        return list(self.told)

    async def sample(
        self, at: datetime, value: str = "1", records: ChargePointRecords | None = None, **changes: Any
    ) -> None:
        """Store a sample by the ledger."""
        chosen = records or self.records
        readings = changes.pop("readings", [reading(at, [{"value": value}])])
        received_at_us = microseconds_of(at)
        await chosen.storage.ledger.meter_values(
            chosen.readings(readings=readings, received_at_us=received_at_us, **changes)
        )

    async def stored(self, before: datetime = MARCH) -> list[ExportRow]:
        """Return the rows of the database, as REST reads them."""
        found: list[ExportRow] = []
        async with self.records.database.tenant(self.records.tenant.id) as work:
            points = await ChargePointStore(work).page(100)
            for point in sorted(points, key=lambda one: one.id):
                rows = await TransactionStore(work).meter_values_of_charge_point(
                    point.id, 1000, None, MeterValueFilter(to_at=before)
                )
                found += [
                    ExportRow(
                        self.records.tenant.slug,
                        point.identity,
                        point.id,
                        row.connector_id,
                        row.transaction_id,
                        row.sampled_at,
                        row.received_at,
                        row.context,
                        row.sampled_values_json,
                        row.reported_time,
                        row.digest,
                    )
                    for row in rows
                ]
        assert len(found) == await self.connection.fetchval(_COUNT, before)
        return found

    def files(self) -> list[Path]:
        """Return the files, the earliest month first."""
        return sorted(self.folder.rglob("*.parquet"), key=lambda path: path.name != f"{_FIRST}.parquet")

    def exported(self) -> list[ExportRow]:
        """Return the rows of the files."""
        return [row for path in self.files() for page in read_rows(path) for row in page]

    async def partitions(self) -> list[str]:
        """Return the names of the partitions that end before March."""
        found = await partitions_of(self.connection, METER_VALUES)
        return sorted(one.name for one in found if one.until is not None and one.until <= MARCH)


@pytest.fixture
async def exports(records: ChargePointRecords, tmp_path: Path, database_url: str) -> AsyncIterator[Exports]:
    """Make a partition of all up to January 2024, and one of February."""
    connection = await asyncpg.connect(database_url)
    for statement in (
        "truncate meter_values, exported_files, exported_partitions, exported_changes",
        *(f"drop table {one.name}" for one in await partitions_of(connection, METER_VALUES) if one.until),
        "create table meter_values_before partition of meter_values"
        " for values from (minvalue) to ('2024-02-01T00:00:00Z')",
        f"create table {_SECOND} partition of meter_values"
        " for values from ('2024-02-01T00:00:00Z') to ('2024-03-01T00:00:00Z')",
    ):
        await connection.execute(statement)
    yield Exports(records, tmp_path / "exports", connection)
    await connection.close()


@pytest.fixture
async def filled(exports: Exports, make_records: RecordsMaker) -> Exports:
    """Store samples of two charge points in two months, and one of March."""
    other = await make_records("CP-2")
    for number in range(3):
        await exports.sample(JANUARY + timedelta(hours=number), str(number), transaction_id=7)
    await exports.sample(FEBRUARY - timedelta(microseconds=1), "last of January")
    await exports.sample(FEBRUARY, "first of February")
    await exports.sample(FEBRUARY, "é 电 🔌 \\u0000", other, connector_id=0)
    undated = MeterReading(microseconds_of(FEBRUARY), '[{"value":  "1.50"}]', "1970-01-01T00:00:00Z")
    await exports.sample(FEBRUARY, records=other, readings=[undated])
    await exports.sample(MARCH, "March")
    return exports


async def test_files_have_exactly_the_rows_of_the_database(filled: Exports) -> None:
    rows = await filled.stored()
    assert len(rows) == 7
    told = await filled.run()
    tenant_id = filled.records.tenant.id
    assert [path.relative_to(filled.folder).as_posix() for path in filled.files()] == [
        f"meter_values/tenant_id={tenant_id}/meter_values_before.parquet",
        f"meter_values/tenant_id={tenant_id}/{_SECOND}.parquet",
    ]
    assert filled.exported() == rows
    assert [row.reported_time for row in rows if row.reported_time] == ["1970-01-01T00:00:00Z"]
    assert '[{"value":  "1.50"}]' in [row.sampled_values for row in rows]
    sizes = [path.stat().st_size for path in filled.files()]
    assert told == [
        f"meter_values_before is exported: 4 meter values, {sizes[0]} bytes, files: 1",
        f"{_SECOND} is exported: 3 meter values, {sizes[1]} bytes, files: 1",
    ]
    assert await filled.run() == ["There is nothing to do: all months that have ended are exported."]
    assert await filled.stored() == rows


async def test_a_file_may_have_many_pages(exports: Exports, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.exports.tenant_files._PAGE_ROWS", 2)
    for number in range(5):
        await exports.sample(JANUARY + timedelta(hours=number // 2), str(number), transaction_id=7)
    await exports.run()
    assert exports.exported() == await exports.stored()
    assert len(exports.exported()) == 5


async def test_without_a_retention_nothing_is_dropped(filled: Exports) -> None:
    await filled.run()
    assert await filled.partitions() == [_SECOND, "meter_values_before"]


async def test_a_month_is_dropped_after_its_time_and_what_comes_later_is_kept(filled: Exports) -> None:
    rows = await filled.stored()
    # Of February 14 days are missing.
    told = await filled.run(60)
    assert told[-1] == "meter_values_before is dropped: its files have its meter values"
    assert await filled.partitions() == [_SECOND]
    assert filled.exported() == rows
    assert await filled.run(60) == ["There is nothing to do: all months that have ended are exported."]
    # A retry, and a sample that was offline for months.
    for _ in range(2):
        await filled.sample(JANUARY, "0", transaction_id=7)
        await filled.sample(JANUARY, "late", transaction_id=7)
    places = await filled.connection.fetch(
        "select tableoid::regclass::text from meter_values where sampled_at < $1", FEBRUARY
    )
    assert [row[0] for row in places] == ["meter_values_other"] * 2
    await filled.run(31)
    assert await filled.partitions() == []
    assert filled.exported() == rows


async def test_what_comes_after_the_export_is_exported_before_anything_is_dropped(filled: Exports) -> None:
    await filled.run()
    await filled.sample(JANUARY, "late", transaction_id=7)
    rows = await filled.stored()
    assert filled.exported() != rows
    told = await filled.run(60)
    assert told[0].startswith("meter_values_before is exported: 5 meter values")
    assert told[1].startswith("meter_values_before is dropped")
    assert filled.exported() == rows


async def test_a_changed_row_is_exported_again(filled: Exports) -> None:
    await filled.run()
    end = FEBRUARY - timedelta(microseconds=1)
    started = filled.records.start(started_at=FEBRUARY - timedelta(hours=1), received_at=end)
    number = (await filled.records.storage.ledger.start_transaction(started)).transaction_id
    told = await filled.run()
    assert [line.split(" is ")[0] for line in told] == ["meter_values_before"]
    assert number in [row.transaction_id for row in filled.exported()]
    assert filled.exported() == await filled.stored()


class _Meanwhile(FolderDestination):
    """A destination during whose work something happens."""

    def __init__(self, exports: Exports, events: Sequence[str]) -> None:
        super().__init__(exports.folder)
        self._exports = exports
        self._events = list(events)

    async def fetch(self, path: str, target: Path) -> bool:
        for event in self._events:
            await self._exports.sample(JANUARY + timedelta(minutes=5), event, transaction_id=7)
        self._events.clear()
        return await super().fetch(path, target)


async def test_a_sample_that_comes_during_the_export_is_not_lost(filled: Exports) -> None:
    told = await filled.run(60, _Meanwhile(filled, ["meanwhile"]))
    assert (
        told[-1]
        == "meter_values_before is kept: it has changed since its export; the next run exports it again"
    )
    assert len(await filled.stored()) == 8
    rows = await filled.stored()
    told = await filled.run(60)
    assert told[-1].startswith("meter_values_before is dropped")
    assert filled.exported() == rows


class _Crash(Exception):
    pass


class _Crashing(FolderDestination):
    """A destination at which the program ends, before or after a file is there."""

    def __init__(self, folder: Path, number: int, *, after: bool) -> None:
        super().__init__(folder)
        self._left = number
        self._after = after

    async def put(self, path: str, source: Path) -> None:
        self._left -= 1
        if self._left < 0 and not self._after:
            raise _Crash
        await super().put(path, source)
        if self._left < 0:
            raise _Crash


@pytest.mark.parametrize("after", [False, True], ids=["before a file", "after a file"])
@pytest.mark.parametrize("number", [0, 1])
async def test_a_crash_during_the_export_drops_nothing(filled: Exports, number: int, after: bool) -> None:
    rows = await filled.stored()
    with pytest.raises(_Crash):
        await filled.run(31, _Crashing(filled.folder, number, after=after))
    assert await filled.stored() == rows
    assert len(await ExportReader(filled.records.database.reads).exported()) == number
    told = await filled.run(31)
    assert [line.split(":")[0] for line in told[-2:]] == [f"{_FIRST} is dropped", f"{_SECOND} is dropped"]
    assert filled.exported() == rows
    assert await filled.stored() == []


async def test_a_crash_between_export_and_drop_loses_nothing(
    filled: Exports, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = await filled.stored()

    async def crash(*_: object) -> str:
        raise _Crash

    with monkeypatch.context() as patched:
        patched.setattr("app.exports.service.fault_of", crash)
        with pytest.raises(_Crash):
            await filled.run(31)
    assert await filled.stored() == rows
    told = await filled.run(31)
    assert [line.split(":")[0] for line in told] == [f"{_FIRST} is dropped", f"{_SECOND} is dropped"]
    assert filled.exported() == rows


async def test_a_file_that_is_missing_keeps_its_month_and_is_exported_again(filled: Exports) -> None:
    await filled.run()
    rows, file = filled.exported(), filled.files()[0]
    file.unlink()
    path = file.relative_to(filled.folder).as_posix()
    assert await filled.run(60) == [
        f"meter_values_before is kept: {path} is missing; the next run exports it again"
    ]
    assert await filled.stored() == rows
    told = await filled.run(60)
    assert told[-1].startswith("meter_values_before is dropped")
    assert filled.exported() == rows


async def test_a_file_that_is_not_as_written_keeps_its_month_and_is_not_replaced(filled: Exports) -> None:
    await filled.run()
    rows, file = filled.exported(), filled.files()[0]
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    path = file.relative_to(filled.folder).as_posix()
    [told] = await filled.run(60)
    assert told.startswith(f"meter_values_before is kept: {path} is not as it was written: move it away")
    with pytest.raises(ExportError, match="may be the only copy of something: move it away"):
        await filled.run(60)
    assert await filled.stored() == rows
    file.rename(file.with_suffix(".damaged"))
    assert (await filled.run(60))[-1].startswith("meter_values_before is dropped")
    assert filled.exported() == rows


async def test_a_file_of_another_installation_is_not_replaced(filled: Exports) -> None:
    path = filled.folder / f"meter_values/tenant_id={filled.records.tenant.id}/{_FIRST}.parquet"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"the only copy")
    with pytest.raises(ExportError, match=f"{_FIRST}.parquet in .* is not as this database has written it"):
        await filled.run(31)
    assert path.read_bytes() == b"the only copy"
    assert len(await filled.partitions()) == 2


async def test_a_month_that_comes_again_after_it_was_dropped_replaces_no_file(filled: Exports) -> None:
    rows = await filled.stored()
    await filled.run(31)
    assert await filled.partitions() == []
    first = filled.files()[0]
    await filled.connection.execute(
        "create table meter_values_before partition of meter_values"
        " for values from (minvalue) to ('2024-02-01T00:00:00Z')"
    )
    await filled.sample(JANUARY, "again", transaction_id=7)
    again = await filled.stored()
    with pytest.raises(ExportError, match="may be the only copy of something"):
        await filled.run(31)
    assert await filled.stored() == again
    assert filled.exported() == rows
    first.rename(first.with_name("first.parquet"))
    assert (await filled.run(31))[-1].startswith("meter_values_before is dropped")
    assert set(filled.exported()) == {*rows, *again}


async def test_what_several_crashes_have_left_is_replaced(filled: Exports) -> None:
    for number, after in enumerate((True, False, True, False)):
        await filled.sample(JANUARY, f"late {number}", transaction_id=7)
        with pytest.raises(_Crash):
            await filled.run(60, _Crashing(filled.folder, 0, after=after))
    rows = await filled.stored()
    told = await filled.run(60)
    assert told[-1].startswith("meter_values_before is dropped")
    assert filled.exported() == rows


class _Losing(FolderDestination):
    """A destination that says it has kept a file, and has not."""

    async def put(self, path: str, source: Path) -> None:
        os.truncate(source, os.stat(source).st_size - 5)
        await super().put(path, source)


async def test_a_file_that_is_not_read_back_as_written_ends_the_export(filled: Exports) -> None:
    rows = await filled.stored()
    with pytest.raises(ExportError, match=r"meter_values_before\.parquet in .* is not what was written"):
        await filled.run(31, _Losing(filled.folder))
    assert await filled.stored() == rows
    assert await ExportReader(filled.records.database.reads).files("meter_values_before") == []


async def test_no_sample_is_lost_while_months_are_exported_and_dropped(exports: Exports) -> None:
    """Store samples, each twice, while exports run: each is in a file or in the database at the end."""
    sent: set[datetime] = set()
    ended = asyncio.Event()

    async def send(first: datetime) -> None:
        for number in range(40):
            at = first + timedelta(minutes=number)
            for _ in range(2):
                await exports.sample(at, str(number), transaction_id=7)
            sent.add(at)

    async def send_all() -> None:
        try:
            days = [month + timedelta(days=number) for month in (JANUARY, FEBRUARY) for number in range(3)]
            await asyncio.gather(*map(send, days))
        finally:
            ended.set()

    sending = asyncio.create_task(send_all())
    while not ended.is_set():
        # The partition may be locked for as long as an export waits.
        with contextlib.suppress(ExportError):
            await exports.run(31)
    await sending
    await exports.run(31)
    kept = {row.sampled_at for row in [*exports.exported(), *await exports.stored()]}
    assert len(sent) == 240
    assert kept == sent


async def test_another_destination_keeps_the_month(filled: Exports, tmp_path: Path) -> None:
    await filled.run()
    told = await filled.run(60, FolderDestination(tmp_path / "other"))
    assert told[0].endswith(f"is in {filled.folder}, so export to there")
    assert await filled.partitions() == [_SECOND, "meter_values_before"]


async def test_two_exports_do_not_run_at_once(filled: Exports) -> None:
    async with filled.connection.transaction():
        await filled.connection.execute("select pg_advisory_xact_lock(7216042717)")
        with pytest.raises(ExportError, match="another export runs"):
            await filled.run()


async def test_a_locked_table_is_not_waited_for(filled: Exports) -> None:
    async with filled.connection.transaction():
        await filled.connection.execute("lock table meter_values_before in row exclusive mode")
        with pytest.raises(ExportError, match="meter_values_before is locked"):
            await filled.run()
    await filled.run()
    async with filled.connection.transaction():
        await filled.connection.execute("select count(*) from meter_values")
        told = await filled.run(60)
    assert told == [
        "meter_values_before is kept: other transactions hold the lock of the table; the next run tries again"
    ]
    assert (await filled.run(60))[0].startswith("meter_values_before is dropped")


async def test_the_samples_of_a_charge_point_that_was_deleted_are_exported(exports: Exports) -> None:
    await exports.sample(JANUARY, connector_id=0)
    await exports.connection.execute("delete from charge_points where id = $1", exports.records.record.id)
    assert await exports.run() != []
    assert [(row.charge_point, row.charge_point_id) for row in exports.exported()] == [
        ("", exports.records.record.id)
    ]
