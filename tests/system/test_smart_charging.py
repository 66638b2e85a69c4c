"""A stored profile through the whole server to a virtual charge point, and back as its own schedule."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from app.clock import SystemClock
from app.database.database import Database
from app.settings import Settings
from app.simulator.fleet import Fleet, FleetOptions
from app.tenants.records import TenantRecord
from tests.support.account import Account, open_account
from tests.support.server import Operator, Served, serving

IDENTITY = "SIM-00001"
CALENDAR = {
    "time_zone": "Europe/Brussels",
    "unit": "A",
    "rules": [{"days": ["Mon", "Wed", "Fri"], "from": "06:00", "to": "18:30", "limit": 6}],
    "otherwise": 5.5,
}


class _Silent:
    """Shows nothing of the fleet."""

    async def show(self, fleet: Fleet) -> None:
        await asyncio.Event().wait()


@asynccontextmanager
async def charging(served: Served, account: Account, directory: Path) -> AsyncIterator[None]:
    """One virtual charge point, until the end of the block."""
    options = FleetOptions(
        url=f"ws{served.url.removeprefix('http')}/ocpp",
        tenant=account.slug,
        count=1,
        credentials=directory / "credentials.json",
        steady=True,
        api_key=account.token,
    )
    stop = asyncio.Event()
    fleet = asyncio.create_task(Fleet(options, SystemClock()).run(stop, _Silent()))
    try:
        yield
    finally:
        stop.set()
        async with asyncio.timeout(60):
            await fleet


async def connected(operator: Operator) -> None:
    """Wait until the charge point is there."""
    async with asyncio.timeout(60):
        while True:
            items = (await operator.get("/charge-points"))["items"]
            if any(item["connected"] and item["booted_at"] for item in items):
                return
            await asyncio.sleep(0.1)


@pytest.mark.timeout(240)
async def test_what_is_installed_is_what_the_charge_point_says_it_follows(
    database: Database, settings: Settings, tenant: TenantRecord, tmp_path: Path
) -> None:
    account = await open_account(database, settings, tenant)
    async with (
        serving(settings) as served,
        Operator(served.url, account.token) as operator,
        charging(served, account, tmp_path),
    ):
        await connected(operator)
        point = f"/charge-points/{IDENTITY}"
        await operator.command(IDENTITY, "GetConfiguration", {})
        stored = await operator.post("/charging-profiles", {"description": "Peak", "calendar": CALENDAR})

        body = {"charging_profile_id": stored["id"]}
        installed = await operator.post(f"{point}/connectors/1/charging-profiles?wait=20", body)
        assert [command["state"] for command in installed["commands"]] == ["accepted"]
        assert _states(await operator.get(f"{point}/charging-profiles")) == [(stored["id"], "accepted")]

        week_s = 7 * 86_400
        path = f"{point}/connectors/1/composite-schedule"
        compared = await operator.get(path, duration=week_s, ask="true", wait=20)
        assert compared["certain"] is True
        assert compared["reported"]["status"] == "Accepted"
        assert compared["drift"] == {"agrees": True, "charging_rate_unit": "A", "departures": []}
        limits = [row["limit"] for row in compared["ours"]["chargingSchedulePeriod"]]
        assert set(limits) == {6, 5.5}
        assert len(limits) >= 6

        whole = await operator.get(
            f"{point}/connectors/0/composite-schedule", duration=60, chargingRateUnit="W", ask="true"
        )
        assert whole["reported"]["status"] == "Accepted"

        cleared = await operator.delete(
            f"{point}/charging-profiles?charging_profile_id={stored['id']}&wait=20"
        )
        assert [command["state"] for command in cleared["commands"]] == ["accepted"]
        assert _states(await operator.get(f"{point}/charging-profiles")) == []
        after = await operator.get(path, duration=week_s)
        assert [row["limit"] for row in after["ours"]["chargingSchedulePeriod"]] == [None]


def _states(ledger: dict[str, Any]) -> list[tuple[int, str]]:
    assert ledger["certain"] is True
    return [(item["charging_profile_id"], item["state"]) for item in ledger["items"]]
