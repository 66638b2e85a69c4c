"""Counting: in memory at once, in the database in batches, and nothing lost at an orderly stop."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import text

from app.charge_points.store import ChargePointStore
from app.clock import Clock
from app.connection import Connection
from app.database.database import Database
from app.database.unit_of_work import PlatformWork, TenantReads
from app.deviations import recorder as recording
from app.deviations.recorder import DeviationRecorder
from app.deviations.records import SeenDeviation, Software
from app.deviations.store import SOFTWARE_OF_CHARGE_POINT
from app.errors import StoreUnavailable
from app.tenants.records import TenantRecord
from tests.deviations.counting import Speaker, connection_of, counted, software


class Outage:
    """A database that may be away, and that may be slow."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.is_away = False
        self.asked = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()

    @asynccontextmanager
    async def platform(self) -> AsyncIterator[PlatformWork]:
        """Begin a unit of work when the gate is open."""
        if self.is_away:
            raise StoreUnavailable
        self.asked.set()
        await self.gate.wait()
        async with self._database.platform() as work:
            yield work


class Bench:
    """The recorder of one worker, and charge points that are connected to it."""

    def __init__(self, database: Database, clock: Clock, tenant: TenantRecord) -> None:
        self.database = database
        self.tenant = tenant
        self.connections: list[Connection] = []
        self.outage = Outage(database)
        self.recorder = DeviationRecorder(cast(Database, self.outage), clock, lambda: self.connections)

    async def register(self, identity: str = "CP1") -> int:
        async with self.database.tenant(self.tenant.id) as work:
            return (await ChargePointStore(work).create(identity)).id

    def connect(self, charge_point_id: int) -> Speaker:
        connection = connection_of(self.tenant.id, charge_point_id)
        self.connections.append(connection)
        return Speaker(self.recorder, connection)

    async def boot(self, charge_point_id: int, firmware_version: str) -> None:
        async with self.database.tenant(self.tenant.id) as work:
            await work.connection.execute(
                text(
                    "update charge_points set vendor = 'V', model = 'M', firmware_version = :f where id = :id"
                ),
                {"f": firmware_version, "id": charge_point_id},
            )

    async def counts(self, charge_point_id: int) -> dict[str, int]:
        return await counted(self.database, self.tenant.id, charge_point_id)


@pytest.fixture
def bench(database: Database, clock: Clock, tenant: TenantRecord) -> Bench:
    return Bench(database, clock, tenant)


def shed(reason: str) -> float:
    return REGISTRY.get_sample_value("stationmaster_deviations_shed_total", {"reason": reason}) or 0.0


async def test_counts_are_added_to_those_in_the_database(bench: Bench) -> None:
    point = await bench.register()
    speaker = bench.connect(point)
    speaker.call(status="available", errorCode="noerror")
    speaker.call(status="available", uptime=1)
    assert await bench.counts(point) == {}
    await bench.recorder.flush()
    assert await bench.counts(point) == {"enumeration_spelling": 2, "unknown_field": 1}
    speaker.call(status="available")
    await bench.recorder.flush()
    assert await bench.counts(point) == {"enumeration_spelling": 3, "unknown_field": 1}
    (found,) = await software(bench.database, bench.tenant.id)
    assert (found.calls, found.charge_points) == (3, 1)


async def test_calls_are_counted_once(bench: Bench) -> None:
    speaker = bench.connect(await bench.register())
    for _ in range(3):
        speaker.call()
        bench.recorder.count_calls(speaker.connection)
    bench.connections.clear()
    await bench.recorder.flush()
    await bench.recorder.flush()
    assert [found.calls for found in await software(bench.database, bench.tenant.id)] == [3]


async def test_charge_points_without_deviations_are_written_less_often(bench: Bench) -> None:
    bench.connect(await bench.register("GOOD")).call()
    bench.connect(await bench.register("BAD")).call(status="available")
    await bench.recorder.flush(deviating_only=True)
    assert [found.charge_points for found in await software(bench.database, bench.tenant.id)] == [1]
    await bench.recorder.flush()
    assert [found.charge_points for found in await software(bench.database, bench.tenant.id)] == [2]


async def test_two_workers_add_up(bench: Bench, clock: Clock) -> None:
    other = Bench(bench.database, clock, bench.tenant)
    points = [await bench.register(f"CP{number}") for number in range(30)]
    for worker, order in ((bench, points), (other, points[::-1])):
        for point in order:
            speaker = worker.connect(point)
            for _ in range(10):
                speaker.call(status="available", uptime=1)
    for _ in range(3):
        await asyncio.gather(bench.recorder.flush(), other.recorder.flush())
    for point in points:
        assert await bench.counts(point) == {"enumeration_spelling": 20, "unknown_field": 20}
    (found,) = await software(bench.database, bench.tenant.id)
    assert (found.charge_points, found.calls) == (30, 600)


async def test_a_stop_writes_what_waits(bench: Bench) -> None:
    point = await bench.register()
    speaker = bench.connect(point)
    bench.recorder.start()
    speaker.call(status="available")
    await bench.recorder.close()
    assert await bench.counts(point) == {"enumeration_spelling": 1}


async def test_a_stop_waits_for_a_write_that_runs(bench: Bench) -> None:
    point = await bench.register()
    speaker = bench.connect(point)
    speaker.call(status="available")
    bench.outage.gate.clear()
    bench.recorder.start()
    await bench.outage.asked.wait()
    closing = asyncio.create_task(bench.recorder.close())
    await asyncio.sleep(0)
    speaker.call(status="available")
    assert not closing.done()
    bench.outage.gate.set()
    await closing
    assert await bench.counts(point) == {"enumeration_spelling": 2}


async def test_what_cannot_be_written_waits(bench: Bench) -> None:
    point = await bench.register()
    speaker = bench.connect(point)
    speaker.call(status="available")
    bench.outage.is_away = True
    await bench.recorder.flush()
    speaker.call(status="available", uptime=1)
    await bench.recorder.flush()
    bench.outage.is_away = False
    await bench.recorder.flush()
    assert await bench.counts(point) == {"enumeration_spelling": 2, "unknown_field": 1}
    assert [found.calls for found in await software(bench.database, bench.tenant.id)] == [2]


async def test_memory_is_bounded(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "CODES_LIMIT", 3)
    point, before = await bench.register(), shed("full")
    connection = bench.connect(point).connection
    for number in range(5):
        bench.recorder.note(
            connection, [SeenDeviation(f"code_{number}"), SeenDeviation("code_0")][: number + 1]
        )
    assert shed("full") == before + 2
    await bench.recorder.flush()
    assert len(await bench.counts(point)) == 3
    bench.recorder.note(connection, [SeenDeviation("code_4")])
    await bench.recorder.flush()
    assert len(await bench.counts(point)) == 4


async def test_a_deleted_charge_point_costs_no_other(bench: Bench) -> None:
    point, deleted = await bench.register(), await bench.register("GONE")
    for one in (point, deleted):
        bench.connect(one).call(status="available")
    async with bench.database.tenant(bench.tenant.id) as work:
        await ChargePointStore(work).delete("GONE")
    await bench.recorder.flush()
    assert await bench.counts(point) == {"enumeration_spelling": 1}
    assert await bench.counts(deleted) == {}


async def test_counts_end_with_their_charge_point(bench: Bench) -> None:
    point = await bench.register()
    bench.connect(point).call(status="available")
    await bench.recorder.flush()
    async with bench.database.tenant(bench.tenant.id) as work:
        await ChargePointStore(work).delete("CP1")
    assert await software(bench.database, bench.tenant.id) == []


async def test_counts_belong_to_the_software_of_their_time(bench: Bench) -> None:
    point = await bench.register()
    speaker = bench.connect(point)
    for version, times in (("1.0", 2), ("1.1", 1)):
        await bench.boot(point, version)
        for _ in range(times):
            speaker.call(status="available")
        await bench.recorder.flush()
    found = {one.software: one for one in await software(bench.database, bench.tenant.id)}
    assert {key: (one.calls, one.deviations) for key, one in found.items()} == {
        Software("V", "M", "1.0"): (2, {"enumeration_spelling": 2}),
        Software("V", "M", "1.1"): (1, {"enumeration_spelling": 1}),
    }
    assert await bench.counts(point) == {"enumeration_spelling": 3}


async def test_a_charge_point_that_makes_up_versions_keeps_the_newest(bench: Bench) -> None:
    point = await bench.register()
    speaker = bench.connect(point)
    for number in range(SOFTWARE_OF_CHARGE_POINT + 3):
        await bench.boot(point, f"{number:03}" + "x" * 5000)
        speaker.call(status="available")
        await bench.recorder.flush()
    found = await software(bench.database, bench.tenant.id)
    assert len(found) == SOFTWARE_OF_CHARGE_POINT
    assert {one.software.firmware_version[:3] for one in found} == {
        f"{number:03}" for number in range(3, SOFTWARE_OF_CHARGE_POINT + 3)
    }
    assert await bench.counts(point) == {"enumeration_spelling": SOFTWARE_OF_CHARGE_POINT}


async def test_no_more_rows_are_read_than_kinds_are_listed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Charge points may make up any number of versions, each with many codes."""
    monkeypatch.setattr("app.deviations.store.SOFTWARE_OF_TENANT", 2)
    point = await bench.register()
    speaker = bench.connect(point)
    for number in range(6):
        await bench.boot(point, f"1.{number}")
        for _ in range(number + 1):
            speaker.call(status="available")
        await bench.recorder.flush()
    read: list[int] = []
    rows = TenantReads.rows

    async def counting(reads: TenantReads, *arguments: Any) -> Any:
        found = await rows(reads, *arguments)
        read.append(len(found))
        return found

    monkeypatch.setattr(TenantReads, "rows", counting)
    found = await software(bench.database, bench.tenant.id)
    assert [(one.software.firmware_version, one.deviations) for one in found] == [
        ("1.5", {"enumeration_spelling": 6}),
        ("1.4", {"enumeration_spelling": 5}),
    ]
    assert read == [2, 2]


async def test_a_text_that_the_database_cannot_hold_is_kept_cleaned(bench: Bench) -> None:
    point = await bench.register()
    connection = bench.connect(point).connection
    bench.recorder.note(connection, [SeenDeviation("too_long", "a\x00b", "\x00", "/\x00", "\x00")])
    await bench.recorder.flush()
    assert await bench.counts(point) == {"too_long": 1}
