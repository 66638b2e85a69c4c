"""The use case of configuration keys: read those of a charge point."""

from dataclasses import dataclass, replace

from app.charge_points.service import existing_charge_point
from app.commands.rules import REDACTED
from app.configuration.records import ConfigurationRecord
from app.configuration.store import ConfigurationStore
from app.database.database import Database
from app.ocpp import is_secret_name
from app.types import TenantId


@dataclass(frozen=True, slots=True)
class ConfigurationService:
    """The use cases of configuration keys."""

    database: Database

    async def of_charge_point(self, tenant_id: TenantId, identity: str) -> list[ConfigurationRecord]:
        """Return the configuration keys that a charge point has reported, without secrets.

        Values that were stored before a name counted as secret are hidden here.

        Raises:
            NotFound: the tenant has no charge point of this identity.
        """
        async with self.database.tenant(tenant_id) as work:
            charge_point = await existing_charge_point(work, identity)
            keys = await ConfigurationStore(work).for_charge_point(charge_point.id)
        return [_without_secret(key) for key in keys]


def _without_secret(key: ConfigurationRecord) -> ConfigurationRecord:
    is_hidden = key.value is not None and is_secret_name(key.key)
    return replace(key, value=REDACTED) if is_hidden else key
