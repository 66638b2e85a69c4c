"""Reads figures of all charge points, and a page of them with their connectors, for the fleet screen."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal

from app.charge_points.fleet_view import FleetView
from app.charge_points.records import ChargePointFilter
from app.charge_points.service import ChargePointService, LiveChargePoint
from app.clock import Clock, optional_moment
from app.database.prepared import Row
from app.login_attempts.service import LoginAttemptService
from app.smart_charging.measured import drawn_power_w
from app.transactions.service import TransactionService
from app.types import TenantId

SUMMARY_LIFETIME_S: Final = 4.0
"""Seconds for which all viewers of a tenant share one summary, so that one more costs nothing."""
_TENANTS: Final = 1000
_REFUSED_WITHIN: Final = timedelta(hours=24)

Kind = Literal["good", "busy", "warn", "bad", "absent"]
"""The colour of a state. The word of the state is always next to it."""

KINDS: Final[dict[str, Kind]] = {
    "Available": "good",
    "Charging": "busy",
    "Preparing": "busy",
    "Finishing": "busy",
    "Reserved": "warn",
    "SuspendedEV": "warn",
    "SuspendedEVSE": "warn",
    "Unavailable": "absent",
    "Faulted": "bad",
}
"""The colours of the statuses of connectors (OCPP 1.6 7.7)."""


@dataclass(frozen=True, slots=True)
class FleetSummary:
    """Figures of all charge points of a tenant. refused_logins: of the last 24 hours."""

    charge_points: int
    connected: int
    charging: int
    faulted: int
    power_w: float
    refused_logins: int


@dataclass(frozen=True, slots=True)
class ShownConnector:
    """A connector on a page. error: None if it reports none; power_w: None if it is not known."""

    connector_id: int
    status: str
    kind: Kind
    error: str | None
    power_w: float | None
    received_at: datetime


@dataclass(frozen=True, slots=True)
class ShownPoint:
    """A charge point on a page, with its connectors but 0. number: its primary key."""

    number: int
    identity: str
    about: str
    online: bool
    flapping: bool
    seen_at: datetime | None
    connectors: Sequence[ShownConnector]


@dataclass(frozen=True, slots=True)
class FleetScreen:
    """Reads what the fleet screen shows, through the services that REST uses."""

    charge_points: ChargePointService
    fleet: FleetView
    transactions: TransactionService
    logins: LoginAttemptService
    clock: Clock
    _summaries: dict[TenantId, tuple[float, asyncio.Task[FleetSummary]]] = field(default_factory=dict)

    async def summary(self, tenant_id: TenantId) -> FleetSummary:
        """Return the figures of a tenant, at most `SUMMARY_LIFETIME_S` old."""
        now = self.clock.monotonic()
        known = self._summaries.get(tenant_id)
        if known is None or now - known[0] > SUMMARY_LIFETIME_S:
            self._summaries.pop(tenant_id, None)
            known = now, asyncio.create_task(self._count(tenant_id))
            self._summaries[tenant_id] = known
            if len(self._summaries) > _TENANTS:
                del self._summaries[next(iter(self._summaries))]
        try:
            # A viewer who leaves does not end what the others wait for.
            return await asyncio.shield(known[1])
        except Exception:
            if self._summaries.get(tenant_id) is known:
                del self._summaries[tenant_id]
            raise

    async def points(
        self, tenant_id: TenantId, limit: int, after: str | None, filters: ChargePointFilter
    ) -> tuple[list[ShownPoint], str | None]:
        """Return a page of charge points, and the identity after which the next page begins.

        Raises:
            Unavailable: see `ChargePointService.narrowed_page`.
        """
        found = await self.charge_points.narrowed_page(tenant_id, limit, after, filters)
        ids = [item.row["id"] for item in found.items]
        connectors: dict[int, list[ShownConnector]] = {}
        if ids:
            power = await self._power(tenant_id, ids)
            for row in await self.fleet.connectors_of(tenant_id, ids):
                if row["connector_id"] != 0:
                    place = row["charge_point_id"]
                    shown = shown_connector(row, power.get((place, row["connector_id"])))
                    connectors.setdefault(place, []).append(shown)
        points = [_shown_point(item, connectors.get(item.row["id"], [])) for item in found.items]
        return points, found.next_after

    async def _count(self, tenant_id: TenantId) -> FleetSummary:
        connections = await self.charge_points.connection_counts(tenant_id)
        every = self.fleet.connector_filter(None, None, (), None)
        statuses = {
            row["status"]: row["connectors"] for row in await self.fleet.connector_counts(tenant_id, every)
        }
        refused = await self.logins.count_since(tenant_id, self.clock.now() - _REFUSED_WITHIN)
        power = await self._power(tenant_id, None)
        return FleetSummary(
            charge_points=connections.charge_points,
            connected=connections.connected,
            charging=statuses.get("Charging", 0),
            faulted=statuses.get("Faulted", 0),
            power_w=sum(power.values()),
            refused_logins=refused,
        )

    async def _power(
        self, tenant_id: TenantId, charge_point_ids: Sequence[int] | None
    ) -> dict[tuple[int, int], float]:
        """Return the watts that each charging connector draws, by charge point and number."""
        rows = await self.transactions.newest_power(tenant_id, charge_point_ids)
        drawn = ((row, drawn_power_w(row)) for row in rows)
        return {(row.charge_point_id, row.connector_id): watts for row, watts in drawn if watts is not None}


def shown_connector(row: Row, power_w: float | None) -> ShownConnector:
    """Return a connector as pages show it. power_w: what it draws, None: not known."""
    return ShownConnector(
        connector_id=row["connector_id"],
        status=row["status"],
        kind=KINDS.get(row["status"], "absent"),
        error=None if row["error_code"] == "NoError" else row["error_code"],
        power_w=power_w,
        received_at=row["received_at"],
    )


def _shown_point(item: LiveChargePoint, connectors: Sequence[ShownConnector]) -> ShownPoint:
    row = item.row
    words = [row["name"], " ".join(filter(None, (row["vendor"], row["model"])))]
    return ShownPoint(
        number=row["id"],
        identity=row["identity"],
        about=" · ".join(filter(None, words)) or "has not booted yet",
        online=item.live.connected_since is not None,
        flapping=item.live.flapping,
        seen_at=optional_moment(row["last_seen_at_us"]),
        connectors=connectors,
    )
