"""Reads facts, connectors, deviations and the timeline of one charge point for its screen."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from app.charge_points.service import ChargePointService, LiveChargePoint
from app.commands.records import CommandFilter
from app.commands.service import CommandService
from app.console.fleet import ShownConnector, shown_connector
from app.console.timeline import Notes, TimelineEntry, timeline
from app.database.prepared import Row
from app.deviations.dictionary import dictionary
from app.deviations.records import DeviationFilter
from app.deviations.service import DeviationService
from app.frame_log.records import FrameFilter, FrameRecord
from app.frame_log.service import FrameLogService
from app.smart_charging.measured import drawn_power_w
from app.transactions.service import TransactionService
from app.transactions.stored_records import TransactionFilter
from app.types import TenantId

_DEVIATIONS: Final = 50
_OTHERS: Final = 100
"""Commands, and transactions, that one page of the timeline reads."""

Place = tuple[datetime, int]
"""The time of the run and the number of a frame: where a page of the timeline ends."""


@dataclass(frozen=True, slots=True)
class ShownDeviation:
    """One deviation of a charge point. severity, seen, advice: of the dictionary, "" if it is not known."""

    code: str
    count: int
    last_at: datetime
    severity: str
    seen: str
    advice: str


@dataclass(frozen=True, slots=True)
class TimelinePage:
    """One page of the timeline. next_after: where the next one begins, None: it is the last."""

    entries: Sequence[TimelineEntry]
    next_after: Place | None


@dataclass(frozen=True, slots=True)
class ChargePointScreen:
    """Reads what the screen of one charge point shows, through the services that REST uses."""

    charge_points: ChargePointService
    frames: FrameLogService
    commands: CommandService
    transactions: TransactionService
    deviations_seen: DeviationService
    notes: Notes

    async def facts(self, tenant_id: TenantId, identity: str) -> LiveChargePoint:
        """Return the charge point.

        Raises:
            NotFound: the tenant has none of this identity.
        """
        return await self.charge_points.get(tenant_id, identity)

    async def connectors(self, tenant_id: TenantId, point: Row) -> list[ShownConnector]:
        """Return the connectors of a charge point, 0 included, with the power of those that charge."""
        rows = await self.transactions.newest_power(tenant_id, [point["id"]])
        power = {row.connector_id: drawn_power_w(row) for row in rows}
        connectors = await self.charge_points.connectors(tenant_id, point["identity"])
        return [shown_connector(row, power.get(row["connector_id"])) for row in connectors]

    async def deviations(self, tenant_id: TenantId, identity: str) -> list[ShownDeviation]:
        """Return the deviations of a charge point, those that were seen most often first."""
        rows = await self.deviations_seen.page(tenant_id, identity, _DEVIATIONS, None, DeviationFilter())
        return sorted((_shown_deviation(row) for row in rows), key=lambda shown: -shown.count)

    async def timeline(
        self, tenant_id: TenantId, identity: str, limit: int, after: Place | None, filters: FrameFilter
    ) -> TimelinePage:
        """Return a page of the timeline, the newest first.

        A filter that narrows the frames leaves out what is not a frame.

        limit: the most frames; after: where the page before ended.

        Raises:
            NotFound: the tenant has no charge point of this identity.
        """
        frames = await self.frames.page(tenant_id, identity, limit + 1, after, filters)
        page = frames[:limit]
        is_last = len(frames) <= limit
        next_after = None if is_last else (page[-1].run_at, page[-1].id)
        if replace(filters, from_at=None, to_at=None) != FrameFilter():
            return TimelinePage(timeline(page, (), (), self.notes), next_after)
        from_at = filters.from_at if is_last else page[-1].at
        to_at = filters.to_at if after is None else _earliest(after[0], filters.to_at)
        # In the order of their lists, the command and the transaction after which the page begins.
        before_command = None if to_at is None else (to_at, UUID(int=0))
        before_start = None if to_at is None else (to_at, 0)
        commands = await self.commands.page(tenant_id, _OTHERS, before_command, CommandFilter(identity))
        found = await self.transactions.page(tenant_id, _OTHERS, before_start, TransactionFilter(identity))
        entries = timeline(page, commands, found, self.notes)
        return TimelinePage([entry for entry in entries if _fits(entry, from_at, to_at)], next_after)

    async def frames_of(
        self, tenant_id: TenantId, identity: str, limit: int, filters: FrameFilter
    ) -> list[FrameRecord]:
        """Return the newest frames as they are, for an export.

        Raises:
            NotFound: the tenant has no charge point of this identity.
        """
        return await self.frames.page(tenant_id, identity, limit, None, filters)


def _fits(entry: TimelineEntry, from_at: datetime | None, to_at: datetime | None) -> bool:
    """Tell whether an entry belongs to a page. Those that frames make do: the page was made of them."""
    if entry.kind not in ("command", "transaction"):
        return True
    return (from_at is None or entry.at >= from_at) and (to_at is None or entry.at < to_at)


def _earliest(first: datetime, second: datetime | None) -> datetime:
    return first if second is None else min(first, second)


def _shown_deviation(row: Row) -> ShownDeviation:
    entry = dictionary().get(row["code"])
    return ShownDeviation(
        code=row["code"],
        count=row["count"],
        last_at=row["last_at"],
        severity="" if entry is None else entry.severity.value,
        seen="" if entry is None else entry.seen,
        advice="" if entry is None else entry.advice,
    )
