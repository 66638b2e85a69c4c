"""The use cases of the frame log: read frames, delete those of a tenant."""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from app.charge_points.service import existing_charge_point
from app.database.database import Database
from app.database.unit_of_work import PlatformWork
from app.errors import StoreUnavailable
from app.frame_log.records import FrameFilter, FrameRecord
from app.frame_log.rules import FrameCondition, newest_first, unseen
from app.frame_log.store import FrameStore, SearchPlace, delete_frames_of_tenant, frames_of
from app.types import TenantId

_SEARCH_S: Final = 5.0
"""Seconds after which a search is given up. It would read all that is kept of a busy charge point."""


@dataclass(frozen=True, slots=True)
class FrameLogService:
    """The use cases of the frame log."""

    database: Database

    async def page(
        self,
        tenant_id: TenantId,
        identity: str,
        limit: int,
        after: tuple[datetime, int] | None,
        filters: FrameFilter,
    ) -> list[FrameRecord]:
        """Return frames of a charge point, the newest first. after: time and number of the last one seen.

        Raises:
            NotFound: the tenant has no charge point of this identity.
            StoreUnavailable: the search takes too long, or the database is away.
        """
        async with self.database.tenant(tenant_id) as work:
            charge_point = await existing_charge_point(work, identity)
        return await self.search(tenant_id, charge_point.id, limit, after, filters)

    async def search(
        self,
        tenant_id: TenantId,
        charge_point_id: int,
        limit: int,
        after: tuple[datetime, int] | None = None,
        filters: FrameFilter | None = None,
    ) -> list[FrameRecord]:
        """Return frames as `page` does. It holds a connection for a portion of runs at a time only."""
        narrow = filters or FrameFilter()
        condition = FrameCondition(narrow)
        place = None if after is None else SearchPlace(after[0], is_included=True)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _SEARCH_S
        found: list[FrameRecord] = []
        while len(found) < limit:
            if loop.time() > deadline:
                raise StoreUnavailable("The search takes too long: narrow it by `from` and `to`.")
            async with self.database.tenant(tenant_id) as work:
                runs = await FrameStore(work).runs(charge_point_id, narrow, place, limit - len(found))
            if not runs:
                break
            portion: list[FrameRecord] = []
            for run in runs:
                if len(found) + len(portion) >= limit and (place is None or place.at != run.at):
                    break
                portion += unseen(frames_of(run, condition), after)
                place = SearchPlace(run.at, is_included=False)
                # Other requests and charge points come between two runs.
                await asyncio.sleep(0)
            found += newest_first(portion)
        return found[:limit]

    async def delete_of_tenant(self, work: PlatformWork, tenant_id: TenantId) -> None:
        """Delete the frames of a tenant, in the unit of work that deletes the tenant."""
        await delete_frames_of_tenant(work, tenant_id)
