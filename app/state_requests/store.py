"""SQL of refused triggers."""

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from app.database.repository import Repository
from app.database.text import clean_optional
from app.state_requests import tables
from app.types import ChargePointId

_TABLE = tables.trigger_refusals


class TriggerRefusalStore(Repository):
    """Which charge points of a tenant have refused triggers."""

    async def is_refused(self, charge_point_id: ChargePointId, firmware_version: str | None) -> bool:
        """Tell whether a charge point has refused triggers with its present firmware."""
        statement = select(_TABLE.c.learned_at).where(
            _TABLE.c.tenant_id == self.tenant_id,
            _TABLE.c.charge_point_id == charge_point_id,
            func.coalesce(_TABLE.c.firmware_version, "") == (clean_optional(firmware_version) or ""),
        )
        return (await self.connection.execute(statement)).one_or_none() is not None

    async def put(self, charge_point_id: ChargePointId, firmware_version: str | None, at: datetime) -> None:
        """Remember that a charge point has refused triggers with a firmware."""
        values = {"firmware_version": clean_optional(firmware_version), "learned_at": at}
        statement = insert(_TABLE).values(tenant_id=self.tenant_id, charge_point_id=charge_point_id, **values)
        await self.connection.execute(
            statement.on_conflict_do_update(index_elements=["tenant_id", "charge_point_id"], set_=values)
        )
