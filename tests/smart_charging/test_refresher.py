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
from tests.support.protocol import OCPP16
from tests.support.site import Site, received
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


class Estate:
    """A calendar that is installed on a charge point, and the sweeps of two workers."""

    def __init__(self, site: Site, charger: Charger, number: int) -> None:
        self.site = site
        self.charger = charger
        self.number = number
        self.installer = self.installer_of(site.a)

    def installer_of(self, worker: Worker) -> ProfileInstaller:
        return ProfileInstaller(self.site.database, worker.commands, self.site.clock, OCPP16)

    async def install(self, connector_id: int = 1) -> None:
        place = Placement(self.charger.connection.identity, connector_id)
        commands = await self.installer.install(self.site.tenant_id, self.number, place, OPTIONS)
        for command in commands:
            await self.site.end(self.site.a, command)
        await self.charger.reported()

    async def sweep(self, worker: Worker | None = None) -> int:
        worker = worker or self.site.a
        installer = self.installer_of(worker)
        refresher = ProfileRefresher(self.site.database, worker.presence, installer, self.site.clock)
        return await refresher.sweep()

    async def put(self, **form: Any) -> None:
        now = self.site.clock.now()
        async with self.site.database.tenant(self.site.tenant_id) as work:
            await ChargingProfileStore(work).replace(self.number, "Peak", **form)
            await InstallationStore(work).refresh_soon(self.number, now)

    async def installations(self) -> list[InstallationRecord]:
        async with self.site.database.tenant(self.site.tenant_id) as work:
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
        self.site.clock.advance((moment - self.site.clock.now()).total_seconds())


async def make_estate(site: Site, answer: Any = accept) -> Estate:
    charger = await site.charger(site.a, answer)
    async with site.database.tenant(site.tenant_id) as work:
        record = await ChargingProfileStore(work).create("Peak", calendar=CALENDAR)
    return Estate(site, charger, record.id)


def knows_nothing(action: str, payload: Json) -> Json:
    """The charge point agrees with everything, and finds nothing to clear."""
    return {"status": "Unknown"} if action == "ClearChargingProfile" else accept(action, payload)


@pytest.fixture(autouse=True)
async def _nothing_else_is_due(database: Database) -> None:
    async with database.platform() as work:
        await work.connection.execute(smart_charging_tables.charging_profile_installations.delete())


@pytest.fixture
async def estate(site: Site) -> Estate:
    made = await make_estate(site)
    made.go_to(datetime(2026, 10, 20, 12, 0, tzinfo=UTC))
    await made.install()
    return made


async def test_it_is_due_at_the_next_clock_change(estate: Estate) -> None:
    (installation,) = await estate.installations()
    assert installation.refresh_at == CHANGE
    assert await estate.sweep() == 0


async def test_at_the_change_it_is_sent_again_once(estate: Estate) -> None:
    estate.go_to(CHANGE)
    counts = await asyncio.gather(estate.sweep(), estate.sweep(estate.site.b))
    assert sum(counts) == 1
    await received(estate.charger, 2)
    await estate.charger.reported()
    assert estate.anchors() == ["2026-10-19T15:00:00.000Z", "2026-10-19T16:00:00.000Z"]
    estate.site.clock.advance(RETRY_AFTER.total_seconds())
    assert await estate.sweep() == 1
    assert len(estate.anchors()) == 2
    (installation,) = await estate.installations()
    assert installation.refresh_at == datetime(2027, 3, 28, 1, 0, tzinfo=UTC)


async def test_a_charge_point_that_was_away_gets_it_when_it_is_back(estate: Estate) -> None:
    await estate.charger.disconnect()
    estate.go_to(CHANGE)
    assert await estate.sweep() == 1
    assert len(estate.anchors()) == 1
    point = await estate.site.point(estate.charger)
    back = await estate.site.a.connect(estate.site.storage, point, accept)
    estate.site.clock.advance(RETRY_AFTER.total_seconds())
    assert await estate.sweep() == 1
    await received(back)
    assert back.received[0][1] == "SetChargingProfile"


async def test_what_somebody_cleared_is_not_sent_again(estate: Estate) -> None:
    filters = {"id": estate.number}
    identity = estate.charger.connection.identity
    estate.site.clock.advance(1)
    for command in await estate.installer.clear(estate.site.tenant_id, identity, filters, OPTIONS):
        await estate.site.end(estate.site.a, command)
    await estate.charger.reported()
    estate.go_to(CHANGE)
    assert await estate.sweep() == 1
    assert len(estate.anchors()) == 1
    estate.site.clock.advance(RETRY_AFTER.total_seconds())
    assert await estate.sweep() == 0


async def test_what_somebody_cleared_in_vain_is_left_alone_too(site: Site) -> None:
    estate = await make_estate(site, knows_nothing)
    estate.go_to(datetime(2026, 10, 20, 12, 0, tzinfo=UTC))
    await estate.install()
    site.clock.advance(1)
    identity, filters = estate.charger.connection.identity, {"id": estate.number}
    for command in await estate.installer.clear(site.tenant_id, identity, filters, OPTIONS):
        await site.end(site.a, command)
    await estate.charger.reported()
    estate.go_to(CHANGE)
    assert await estate.sweep() == 1
    assert len(estate.anchors()) == 1


async def test_what_the_charge_point_does_not_know_is_cleared_once(site: Site) -> None:
    estate = await make_estate(site, knows_nothing)
    estate.go_to(datetime(2026, 10, 20, 12, 0, tzinfo=UTC))
    two_gaps = [{**CALENDAR["rules"][0], "days": ["Mon", "Wed"]}]
    await estate.put(calendar={**CALENDAR, "rules": two_gaps})
    await estate.install()
    await estate.put(calendar=CALENDAR)
    for _ in range(3):
        site.clock.advance(RETRY_AFTER.total_seconds())
        await estate.sweep()
        await received(estate.charger, 3)
        await estate.charger.reported()
    assert estate.clears() == [estate.number + 1]
    (installation,) = await estate.installations()
    assert installation.refresh_at == CHANGE


async def test_of_two_installations_at_once_the_later_one_holds_in_the_end(estate: Estate) -> None:
    estate.site.clock.advance(1)
    await estate.install(2)
    estate.site.clock.advance(1)
    # What was sent for the earlier one arrives behind that of the later one.
    _, _, earlier = estate.charger.received[0]
    text = json.dumps({**earlier, "connectorId": 1})
    command = await estate.site.issue(estate.site.a, estate.charger, "SetChargingProfile", text)
    await estate.site.end(estate.site.a, command)
    await estate.charger.reported()
    estate.site.clock.advance(RETRY_AFTER.total_seconds())
    assert await estate.sweep() == 1
    await received(estate.charger, 4)
    await estate.charger.reported()
    assert estate.charger.received[-1][2]["connectorId"] == 2
    estate.site.clock.advance(RETRY_AFTER.total_seconds())
    assert await estate.sweep() == 1
    (installation,) = await estate.installations()
    assert (installation.connector_id, installation.refresh_at) == (2, CHANGE)


async def test_a_profile_cannot_be_deleted_while_it_is_sent_again(
    estate: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = estate.site.a.commands
    issue, deletable = commands.issue, list[Any]()

    async def looking(*arguments: Any, **options: Any) -> CommandRecord:
        async with estate.site.database.tenant(estate.site.tenant_id) as work:
            table = smart_charging_tables.charging_profiles
            ours = (table.c.tenant_id == estate.site.tenant_id, table.c.id == estate.number)
            free = select(table.c.id).where(*ours).with_for_update(skip_locked=True)
            deletable.extend((await work.connection.execute(free)).all())
        return await issue(*arguments, **options)

    monkeypatch.setattr(commands, "issue", looking)
    estate.go_to(CHANGE)
    await estate.sweep()
    await received(estate.charger, 2)
    assert deletable == []


async def test_a_changed_profile_is_sent_where_it_is_installed(estate: Estate) -> None:
    changed = {**CALENDAR, "rules": [{**CALENDAR["rules"][0], "limit": 10.0}]}
    now = estate.site.clock.now()
    async with estate.site.database.tenant(estate.site.tenant_id) as work:
        await ChargingProfileStore(work).replace(estate.number, "Peak", calendar=changed)
        await InstallationStore(work).refresh_soon(estate.number, now)
    estate.site.clock.advance(1)
    assert await estate.sweep() == 1
    await received(estate.charger, 2)
    profile = estate.charger.received[1][2]["csChargingProfiles"]
    assert profile["chargingSchedule"]["chargingSchedulePeriod"] == [{"startPeriod": 0, "limit": 10.0}]


async def test_a_change_while_it_is_looked_at_is_not_lost(estate: Estate) -> None:
    estate.go_to(CHANGE)
    await estate.sweep()
    await received(estate.charger, 2)
    await estate.charger.reported()
    estate.site.clock.advance(RETRY_AFTER.total_seconds())
    now = estate.site.clock.now()
    async with estate.site.database.platform() as work:
        (taken,) = await InstallationReviewStore(work).take(now, now + RETRY_AFTER, 10)
    # Between the look at the profile and the note of when to look again.
    await estate.put(calendar={**CALENDAR, "rules": [{**CALENDAR["rules"][0], "limit": 10.0}]})
    async with estate.site.database.tenant(estate.site.tenant_id) as work:
        await InstallationStore(work).refresh_later(taken, now + REFUSED_RETRY_AFTER)
    assert await estate.sweep() == 1
    await received(estate.charger, 3)


async def test_another_beginning_of_a_recurring_profile_is_sent(site: Site) -> None:
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

    charger = await site.charger(site.a)
    async with site.database.tenant(site.tenant_id) as work:
        record = await ChargingProfileStore(work).create(
            "Roadworks", charging_profile=beginning("2030-07-01")
        )
    estate = Estate(site, charger, record.id)
    await estate.install()
    await estate.put(charging_profile=beginning("2030-06-01"))
    site.clock.advance(1)
    assert await estate.sweep() == 1
    await received(charger, 2)
    assert estate.anchors() == ["2030-07-01T00:00:00Z", "2030-06-01T00:00:00Z"]


async def test_a_charge_point_that_refuses_is_asked_rarely(site: Site) -> None:
    answers = iter(["Accepted", "Rejected", "Rejected", "Rejected"])
    estate = await make_estate(site, lambda *_: {"status": next(answers)})
    estate.go_to(datetime(2026, 10, 20, 12, 0, tzinfo=UTC))
    await estate.install()
    estate.go_to(CHANGE)
    await estate.sweep()
    await received(estate.charger, 2)
    await estate.charger.reported()
    estate.site.clock.advance(RETRY_AFTER.total_seconds())
    await estate.sweep()
    await received(estate.charger, 3)
    await estate.charger.reported()
    (installation,) = await estate.installations()
    assert installation.refresh_at == estate.site.clock.now() + REFUSED_RETRY_AFTER


async def test_with_its_transaction_the_installation_of_a_tx_profile_is_over(site: Site) -> None:
    charger = await site.charger(site.a)
    profile = {
        "stackLevel": 0,
        "chargingProfilePurpose": "TxProfile",
        "chargingProfileKind": "Relative",
        "chargingSchedule": {
            "chargingRateUnit": "A",
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 10}],
        },
    }
    now, point = site.clock.now(), charger.connection.charge_point_id
    started = await site.storage.ledger.start_transaction(
        TransactionStart(site.tenant_id, point, 1, "TAG", now, now, 0)
    )
    async with site.database.tenant(site.tenant_id) as work:
        record = await ChargingProfileStore(work).create("Once", charging_profile=profile)
    estate = Estate(site, charger, record.id)
    await estate.install()
    assert charger.received[0][2]["csChargingProfiles"]["transactionId"] == started.transaction_id
    stop = TransactionStop(site.tenant_id, point, started.transaction_id, now, now, 10, raw={})
    await site.storage.ledger.stop_transaction(stop)
    async with site.database.tenant(site.tenant_id) as work:
        await InstallationStore(work).refresh_soon(record.id, now)
    site.clock.advance(1)
    assert await estate.sweep() == 1
    assert len(charger.received) == 1
    site.clock.advance(RETRY_AFTER.total_seconds())
    assert await estate.sweep() == 0
