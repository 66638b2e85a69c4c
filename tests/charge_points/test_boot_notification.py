"""BootNotification: what ran before is over, also if the database is away for a while."""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Literal, cast

import pytest

from app.charge_points.handlers.boot_notification import BootServices, handle, retry_interval_s
from app.charge_points.login_batcher import LoginBatcher
from app.charge_points.records import BootFacts, Registration
from app.clock import SystemClock
from app.connection import Connection
from app.errors import StoreUnavailable
from app.quirks.records import NO_HABITS, Device, Habits
from app.quirks.service import QuirkReader
from tests.support.session_harness import SessionHarness

BOOT: Any = {"chargePointVendor": "Acme", "chargePointModel": "Duo"}


@dataclass
class Boots:
    """The services of the handler. away: those whose database is away; over: the signs that were stored."""

    away: set[str] = field(default_factory=set)
    over: list[str] = field(default_factory=list)

    def services(self) -> BootServices:
        return BootServices(
            login_batcher=cast(LoginBatcher, SimpleNamespace(record_boot=self._record)),
            clock=SystemClock(),
            heartbeat_interval_s=300,
            sessions_over=self._over,
            quirks=cast(QuirkReader, SimpleNamespace(habits=self._habits)),
        )

    def _require(self, name: str) -> None:
        if name in self.away:
            raise StoreUnavailable

    async def _record(self, tenant_id: int, charge_point_id: int, facts: BootFacts) -> Registration:
        self._require("boot")
        return Registration("Accepted", None)

    async def _over(
        self, connection: Connection, connector_id: int | None, reason: Literal["boot", "available"]
    ) -> None:
        self._require("ledger")
        self.over.append(reason)

    async def _habits(self, tenant_id: int, device: Device) -> Habits:
        self._require("quirks")
        return NO_HABITS


@pytest.mark.parametrize(("away", "told"), [("boot", ["boot"]), ("ledger", ["boot"]), ("quirks", ["boot"])])
async def test_a_boot_that_could_not_be_recorded_is_one_when_it_comes_again(
    away: str, told: list[str]
) -> None:
    boots, connection = Boots({away}), SessionHarness().connection
    with pytest.raises(StoreUnavailable):
        await handle(boots.services(), connection, BOOT)
    boots.away.clear()
    assert (await handle(boots.services(), connection, BOOT))["status"] == "Accepted"
    assert boots.over == told
    # Another one on the same connection was triggered.
    await handle(boots.services(), connection, BOOT)
    assert boots.over == told


def test_a_fleet_that_is_not_accepted_does_not_come_back_together() -> None:
    intervals = [retry_interval_s(f"RDAM-{number:05}") for number in range(3_100)]
    assert (min(intervals), max(intervals)) == (60, 90)
    # A hundred of 3100 in each second would be an even spread.
    assert max(intervals.count(seconds) for seconds in range(60, 91)) < 150
    assert retry_interval_s("RDAM-00001") == intervals[1]
