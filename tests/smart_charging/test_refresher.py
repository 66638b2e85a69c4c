"""Installed profiles follow their stored form: at clock changes, when it changes, after an absence."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select

from app.commands.records import CommandRecord
from app.database.database import Database
from app.smart_charging import tables as smart_charging_tables
from app.smart_charging.installer import IssueOptions, Placement, ProfileInstaller
from app.smart_charging.records import CALENDAR_PROFILES, InstallationRecord
from app.smart_charging.refresher import ProfileRefresher
from app.smart_charging.rules.installation import REFUSED_RETRY_AFTER, RETRY_AFTER
from app.smart_charging.store import (
    ChargingProfileStore,
    InstallationReviewStore,
    InstallationStore,
)
from app.transactions.records import TransactionStart, TransactionStop
from app.types import Json
from tests.support.cluster import Cluster, received
from tests.support.protocol import OCPP16
from tests.support.workers import Charger, Worker, accept

CHANGE = datetime(2026, 10, 25, 1, 0, tzinfo=UTC)
CALENDAR: Json = {
    "charging_profile_purpose": "TxDefaultProfile",
    "stack_level": 0,
    "time_zone": "Europe/Brussels",
    "unit": "A",
    "rules": [{"days": ["Mon"], "from": "17:00", "to": "20:00", "limit": 8.0, "number_phases": None}],
    "otherwise": None,
    "number_phases": None,
}
OPTIONS = IssueOptions("test")


class InstalledCalendar:
    """A calendar that is installed on a charge point, and the sweeps of two workers."""

    def __init__(self, cluster: Cluster, charger: Charger, number: int) -> None:
        self.cluster = cluster
        self.charger = charger
        self.number = number
        self.installer = self.installer_of(cluster.a)

    def installer_of(self, worker: Worker) -> ProfileInstaller:
        return ProfileInstaller(self.cluster.database, worker.commands, self.cluster.clock, OCPP16)

    async def install(self, connector_id: int = 1) -> None:
        place = Placement(self.charger.connection.identity, connector_id)
        commands = await self.installer.install(self.cluster.tenant_id, self.number, place, OPTIONS)
        for command in commands:
            await self.cluster.end(self.cluster.a, command)
        await self.charger.reported()

    async def sweep(self, worker: Worker | None = None) -> int:
        worker = worker or self.cluster.a
        installer = self.installer_of(worker)
        refresher = ProfileRefresher(self.cluster.database, worker.presence, installer, self.cluster.clock)
        return await refresher.sweep()

    async def put(self, **form: Any) -> None:
        now = self.cluster.clock.now()
        async with self.cluster.database.tenant(self.cluster.tenant_id) as work:
            await ChargingProfileStore(work).replace(self.number, "Peak", **form)
            await InstallationStore(work).refresh_soon(self.number, now)

    async def installations(self) -> list[InstallationRecord]:
        async with self.cluster.database.tenant(self.cluster.tenant_id) as work:
            return await InstallationStore(work).page(self.number, 10, numbers=CALENDAR_PROFILES)

    def clears(self) -> list[int]:
        return [
            payload["id"] for _, action, payload in self.charger.received if action == "ClearChargingProfile"
        ]

    def anchors(self) -> list[str]:
        return [
            payload["csChargingProfiles"]["chargingSchedule"]["startSchedule"]
            for _, action, payload in self.charger.received
            if action == "SetChargingProfile"
        ]

    def go_to(self, moment: datetime) -> None:
        self.cluster.clock.advance((moment - self.cluster.clock.now()).total_seconds())


async def install_calendar(cluster: Cluster, answer: Any = accept) -> InstalledCalendar:
    charger = await cluster.charger(cluster.a, answer)
    async with cluster.database.tenant(cluster.tenant_id) as work:
        record = await ChargingProfileStore(work).create("Peak", calendar=CALENDAR)
    return InstalledCalendar(cluster, charger, record.id)


def knows_nothing(action: str, payload: Json) -> Json:
    """The charge point agrees with everything, and finds nothing to clear."""
    return {"status": "Unknown"} if action == "ClearChargingProfile" else accept(action, payload)


@pytest.fixture(autouse=True)
async def _nothing_else_is_due(database: Database) -> None:
    async with database.platform() as work:
        await work.connection.execute(smart_charging_tables.charging_profile_installations.delete())


@pytest.fixture
async def installed(cluster: Cluster) -> InstalledCalendar:
    made = await install_calendar(cluster)
    made.go_to(datetime(2026, 10, 20, 12, 0, tzinfo=UTC))
    await made.install()
    return made


async def test_it_is_due_at_the_next_clock_change(installed: InstalledCalendar) -> None:
    (installation,) = await installed.installations()
    assert installation.refresh_at == CHANGE
    assert await installed.sweep() == 0


async def test_at_the_change_it_is_sent_again_once(installed: InstalledCalendar) -> None:
    installed.go_to(CHANGE)
    counts = await asyncio.gather(installed.sweep(), installed.sweep(installed.cluster.b))
    assert sum(counts) == 1
    await received(installed.charger, 2)
    await installed.charger.reported()
    assert installed.anchors() == ["2026-10-19T15:00:00.000Z", "2026-10-19T16:00:00.000Z"]
    installed.cluster.clock.advance(RETRY_AFTER.total_seconds())
    assert await installed.sweep() == 1
    assert len(installed.anchors()) == 2
    (installation,) = await installed.installations()
    assert installation.refresh_at == datetime(2027, 3, 28, 1, 0, tzinfo=UTC)


async def test_a_charge_point_that_was_away_gets_it_when_it_is_back(installed: InstalledCalendar) -> None:
    await installed.charger.disconnect()
    installed.go_to(CHANGE)
    assert await installed.sweep() == 1
    assert len(installed.anchors()) == 1
    point = await installed.cluster.point(installed.charger)
    back = await installed.cluster.a.connect(installed.cluster.storage, point, accept)
    installed.cluster.clock.advance(RETRY_AFTER.total_seconds())
    assert await installed.sweep() == 1
    await received(back)
    assert back.received[0][1] == "SetChargingProfile"


async def test_what_somebody_cleared_is_not_sent_again(installed: InstalledCalendar) -> None:
    filters = {"id": installed.number}
    identity = installed.charger.connection.identity
    installed.cluster.clock.advance(1)
    for command in await installed.installer.clear(installed.cluster.tenant_id, identity, filters, OPTIONS):
        await installed.cluster.end(installed.cluster.a, command)
    await installed.charger.reported()
    installed.go_to(CHANGE)
    assert await installed.sweep() == 1
    assert len(installed.anchors()) == 1
    installed.cluster.clock.advance(RETRY_AFTER.total_seconds())
    assert await installed.sweep() == 0


async def test_what_somebody_cleared_in_vain_is_left_alone_too(cluster: Cluster) -> None:
    installed = await install_calendar(cluster, knows_nothing)
    installed.go_to(datetime(2026, 10, 20, 12, 0, tzinfo=UTC))
    await installed.install()
    cluster.clock.advance(1)
    identity, filters = installed.charger.connection.identity, {"id": installed.number}
    for command in await installed.installer.clear(cluster.tenant_id, identity, filters, OPTIONS):
        await cluster.end(cluster.a, command)
    await installed.charger.reported()
    installed.go_to(CHANGE)
    assert await installed.sweep() == 1
    assert len(installed.anchors()) == 1


async def test_what_the_charge_point_does_not_know_is_cleared_once(cluster: Cluster) -> None:
    installed = await install_calendar(cluster, knows_nothing)
    installed.go_to(datetime(2026, 10, 20, 12, 0, tzinfo=UTC))
    two_gaps = [{**CALENDAR["rules"][0], "days": ["Mon", "Wed"]}]
    await installed.put(calendar={**CALENDAR, "rules": two_gaps})
    await installed.install()
    await installed.put(calendar=CALENDAR)
    for _ in range(3):
        cluster.clock.advance(RETRY_AFTER.total_seconds())
        await installed.sweep()
        await received(installed.charger, 3)
        await installed.charger.reported()
    assert installed.clears() == [installed.number + 1]
    (installation,) = await installed.installations()
    assert installation.refresh_at == CHANGE


async def test_of_two_installations_at_once_the_later_one_holds_in_the_end(
    installed: InstalledCalendar,
) -> None:
    installed.cluster.clock.advance(1)
    await installed.install(2)
    installed.cluster.clock.advance(1)
    # What was sent for the earlier one arrives behind that of the later one.
    _, _, earlier = installed.charger.received[0]
    text = json.dumps({**earlier, "connectorId": 1})
    command = await installed.cluster.issue(
        installed.cluster.a, installed.charger, "SetChargingProfile", text
    )
    await installed.cluster.end(installed.cluster.a, command)
    await installed.charger.reported()
    installed.cluster.clock.advance(RETRY_AFTER.total_seconds())
    assert await installed.sweep() == 1
    await received(installed.charger, 4)
    await installed.charger.reported()
    assert installed.charger.received[-1][2]["connectorId"] == 2
    installed.cluster.clock.advance(RETRY_AFTER.total_seconds())
    assert await installed.sweep() == 1
    (installation,) = await installed.installations()
    assert (installation.connector_id, installation.refresh_at) == (2, CHANGE)


async def test_a_profile_cannot_be_deleted_while_it_is_sent_again(
    installed: InstalledCalendar, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = installed.cluster.a.commands
    issue, deletable = commands.issue, list[Any]()

    async def looking(*arguments: Any, **options: Any) -> CommandRecord:
        async with installed.cluster.database.tenant(installed.cluster.tenant_id) as work:
            table = smart_charging_tables.charging_profiles
            ours = (table.c.tenant_id == installed.cluster.tenant_id, table.c.id == installed.number)
            free = select(table.c.id).where(*ours).with_for_update(skip_locked=True)
            deletable.extend((await work.connection.execute(free)).all())
        return await issue(*arguments, **options)

    monkeypatch.setattr(commands, "issue", looking)
    installed.go_to(CHANGE)
    await installed.sweep()
    await received(installed.charger, 2)
    assert deletable == []


async def test_a_changed_profile_is_sent_where_it_is_installed(installed: InstalledCalendar) -> None:
    changed = {**CALENDAR, "rules": [{**CALENDAR["rules"][0], "limit": 10.0}]}
    now = installed.cluster.clock.now()
    async with installed.cluster.database.tenant(installed.cluster.tenant_id) as work:
        await ChargingProfileStore(work).replace(installed.number, "Peak", calendar=changed)
        await InstallationStore(work).refresh_soon(installed.number, now)
    installed.cluster.clock.advance(1)
    assert await installed.sweep() == 1
    await received(installed.charger, 2)
    profile = installed.charger.received[1][2]["csChargingProfiles"]
    assert profile["chargingSchedule"]["chargingSchedulePeriod"] == [{"startPeriod": 0, "limit": 10.0}]


async def test_a_change_while_it_is_looked_at_is_not_lost(installed: InstalledCalendar) -> None:
    installed.go_to(CHANGE)
    await installed.sweep()
    await received(installed.charger, 2)
    await installed.charger.reported()
    installed.cluster.clock.advance(RETRY_AFTER.total_seconds())
    now = installed.cluster.clock.now()
    async with installed.cluster.database.platform() as work:
        (taken,) = await InstallationReviewStore(work).take(now, now + RETRY_AFTER, 10)
    # Between the look at the profile and the note of when to look again.
    await installed.put(calendar={**CALENDAR, "rules": [{**CALENDAR["rules"][0], "limit": 10.0}]})
    async with installed.cluster.database.tenant(installed.cluster.tenant_id) as work:
        await InstallationStore(work).refresh_later(taken, now + REFUSED_RETRY_AFTER)
    assert await installed.sweep() == 1
    await received(installed.charger, 3)


async def test_another_beginning_of_a_recurring_profile_is_sent(cluster: Cluster) -> None:
    def beginning(day: str) -> Json:
        return {
            "stackLevel": 0,
            "chargingProfilePurpose": "TxDefaultProfile",
            "chargingProfileKind": "Recurring",
            "recurrencyKind": "Daily",
            "chargingSchedule": {
                "startSchedule": f"{day}T00:00:00Z",
                "chargingRateUnit": "A",
                "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 10}],
            },
        }

    charger = await cluster.charger(cluster.a)
    async with cluster.database.tenant(cluster.tenant_id) as work:
        record = await ChargingProfileStore(work).create(
            "Roadworks", charging_profile=beginning("2030-07-01")
        )
    installed = InstalledCalendar(cluster, charger, record.id)
    await installed.install()
    await installed.put(charging_profile=beginning("2030-06-01"))
    cluster.clock.advance(1)
    assert await installed.sweep() == 1
    await received(charger, 2)
    assert installed.anchors() == ["2030-07-01T00:00:00Z", "2030-06-01T00:00:00Z"]


async def test_a_charge_point_that_refuses_is_asked_rarely(cluster: Cluster) -> None:
    answers = iter(["Accepted", "Rejected", "Rejected", "Rejected"])
    installed = await install_calendar(cluster, lambda *_: {"status": next(answers)})
    installed.go_to(datetime(2026, 10, 20, 12, 0, tzinfo=UTC))
    await installed.install()
    installed.go_to(CHANGE)
    await installed.sweep()
    await received(installed.charger, 2)
    await installed.charger.reported()
    installed.cluster.clock.advance(RETRY_AFTER.total_seconds())
    await installed.sweep()
    await received(installed.charger, 3)
    await installed.charger.reported()
    (installation,) = await installed.installations()
    assert installation.refresh_at == installed.cluster.clock.now() + REFUSED_RETRY_AFTER


async def test_with_its_transaction_the_installation_of_a_tx_profile_is_over(cluster: Cluster) -> None:
    charger = await cluster.charger(cluster.a)
    profile = {
        "stackLevel": 0,
        "chargingProfilePurpose": "TxProfile",
        "chargingProfileKind": "Relative",
        "chargingSchedule": {
            "chargingRateUnit": "A",
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 10}],
        },
    }
    now, point = cluster.clock.now(), charger.connection.charge_point_id
    started = await cluster.storage.ledger.start_transaction(
        TransactionStart(cluster.tenant_id, point, 1, "TAG", now, now, 0)
    )
    async with cluster.database.tenant(cluster.tenant_id) as work:
        record = await ChargingProfileStore(work).create("Once", charging_profile=profile)
    installed = InstalledCalendar(cluster, charger, record.id)
    await installed.install()
    assert charger.received[0][2]["csChargingProfiles"]["transactionId"] == started.transaction_id
    stop = TransactionStop(cluster.tenant_id, point, started.transaction_id, now, now, 10, raw={})
    await cluster.storage.ledger.stop_transaction(stop)
    async with cluster.database.tenant(cluster.tenant_id) as work:
        await InstallationStore(work).refresh_soon(record.id, now)
    cluster.clock.advance(1)
    assert await installed.sweep() == 1
    assert len(charger.received) == 1
    cluster.clock.advance(RETRY_AFTER.total_seconds())
    assert await installed.sweep() == 0
