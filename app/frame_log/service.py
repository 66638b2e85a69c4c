"""The use cases of the frame log: read frames, delete those of a tenant."""

from dataclasses import dataclass
from datetime import datetime

from app.charge_points.service import existing_charge_point
from app.database.database import Database
from app.database.unit_of_work import PlatformWork
from app.frame_log.records import FrameFilter, FrameRecord
from app.frame_log.store import FrameStore, delete_frames_of_tenant
from app.types import TenantId


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
        """
        async with self.database.tenant(tenant_id) as work:
            charge_point = await existing_charge_point(work, identity)
            return await FrameStore(work).page(charge_point.id, limit, after, filters)

    async def delete_of_tenant(self, work: PlatformWork, tenant_id: TenantId) -> None:
        """Delete the frames of a tenant, in the unit of work that deletes the tenant."""
        await delete_frames_of_tenant(work, tenant_id)
