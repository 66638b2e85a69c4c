"""The use cases of looking at the connectors of all charge points of a tenant."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from app.charge_points.records import ChargePointFilter, ConnectorFilter, LabelTerm
from app.charge_points.service import ChargePointService, LiveChargePoint
from app.charge_points.store import FleetConnectorReads
from app.database.prepared import Row
from app.database.unit_of_work import TenantReads
from app.types import TenantId


@dataclass(frozen=True, slots=True)
class FleetView:
    """Lists and counts connectors. stale_after_s: silence after which a report is stale, in seconds."""

    charge_points: ChargePointService
    stale_after_s: float

    def connector_filter(
        self, status: str | None, error_code: str | None, labels: tuple[LabelTerm, ...], stale: bool | None
    ) -> ConnectorFilter:
        """Return the filter of the list of all connectors, as of now."""
        heard_after = self.charge_points.clock.now() - timedelta(seconds=self.stale_after_s)
        return ConnectorFilter(heard_after, status, error_code, labels, stale)

    async def fleet_connectors(
        self, tenant_id: TenantId, limit: int, after: tuple[int, int] | None, filters: ConnectorFilter
    ) -> list[LiveChargePoint]:
        """Return connectors of all charge points.

        after: charge_point_id and connector_id of the last one seen.
        """
        if ChargePointFilter(labels=filters.labels).is_impossible:
            return []
        rows = await self._fleet(tenant_id).page(limit, after, filters)
        owners = await self.charge_points.presence.find_many(tenant_id, {row["identity"] for row in rows})
        return [LiveChargePoint(row, self.charge_points.live_of(owners.get(row["identity"]))) for row in rows]

    async def connectors_of(self, tenant_id: TenantId, charge_point_ids: Sequence[int]) -> Sequence[Row]:
        """Return the connectors of some charge points, by charge point and number."""
        return await self._fleet(tenant_id).of_charge_points(charge_point_ids)

    async def connector_counts(self, tenant_id: TenantId, filters: ConnectorFilter) -> Sequence[Row]:
        """Return by status the number of `connectors` of all charge points, and of `stale` ones."""
        if ChargePointFilter(labels=filters.labels).is_impossible:
            return []
        return await self._fleet(tenant_id).counts(filters)

    def _fleet(self, tenant_id: TenantId) -> FleetConnectorReads:
        return FleetConnectorReads(TenantReads(self.charge_points.database.reads, tenant_id))
