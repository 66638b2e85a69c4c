"""The use case of configuration keys: read those of a charge point."""

from dataclasses import dataclass

from app.charge_points.service import existing_charge_point
from app.configuration.records import ConfigurationRecord
from app.configuration.store import ConfigurationStore
from app.database.database import Database
from app.types import TenantId


@dataclass(frozen=True, slots=True)
class ConfigurationService:
    """The use cases of configuration keys."""

    database: Database

    async def of_charge_point(self, tenant_id: TenantId, identity: str) -> list[ConfigurationRecord]:
        """Return the configuration keys that a charge point has reported.

        Raises:
            NotFound: the tenant has no charge point of this identity.
        """
        async with self.database.tenant(tenant_id) as work:
            charge_point = await existing_charge_point(work, identity)
            return await ConfigurationStore(work).for_charge_point(charge_point.id)
