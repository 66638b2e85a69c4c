"""The use cases of deviations: those of one charge point, and how well each kind of software fits."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.charge_points.service import existing_charge_point
from app.database.database import Database
from app.database.prepared import Row
from app.deviations.records import DeviationFilter, SoftwareCounts, SoftwareFilter
from app.deviations.rules import worst_first
from app.deviations.store import DeviationStore
from app.types import TenantId


@dataclass(frozen=True, slots=True)
class DeviationService:
    """The use cases of deviations."""

    database: Database

    async def page(
        self,
        tenant_id: TenantId,
        identity: str,
        limit: int,
        after: str | None,
        filters: DeviationFilter,
    ) -> Sequence[Row]:
        """Return the deviations of a charge point, in the order of their codes. after: the last one seen.

        Raises:
            NotFound: the tenant has no charge point of this identity.
        """
        async with self.database.tenant(tenant_id) as work:
            charge_point = await existing_charge_point(work, identity)
            return await DeviationStore(work).page(charge_point.id, limit, after, filters)

    async def scores(
        self, tenant_id: TenantId, filters: SoftwareFilter
    ) -> list[tuple[SoftwareCounts, float | None]]:
        """Return the counts of each kind of software with its score, the worst first."""
        async with self.database.tenant(tenant_id) as work:
            return worst_first(await DeviationStore(work).software(filters))
