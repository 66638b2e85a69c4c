"""SQL of the configuration keys of charge points."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from app.configuration import tables
from app.configuration.records import ConfigurationRecord
from app.database.repository import Repository, columns_of
from app.database.text import clean_optional, clean_text

_TABLE = tables.configuration
_COLUMNS = columns_of(ConfigurationRecord, _TABLE)


class ConfigurationStore(Repository):
    """The configuration keys of one tenant's charge points. A key keeps the case that it was reported in."""

    async def put(
        self, charge_point_id: int, key: str, value: str | None, readonly: bool | None, at: datetime
    ) -> None:
        """Store the value of one key, unless a newer one is stored. readonly None: keep the stored one."""
        statement = insert(_TABLE).values(
            tenant_id=self.tenant_id,
            charge_point_id=charge_point_id,
            key=clean_text(key),
            value=clean_optional(value),
            readonly=readonly,
            reported_at=at,
        )
        new = statement.excluded
        changes = {"value": new.value, "reported_at": new.reported_at}
        if readonly is not None:
            changes["readonly"] = new.readonly
        await self.connection.execute(
            statement.on_conflict_do_update(
                index_elements=["tenant_id", "charge_point_id", "key"],
                set_=changes,
                where=_TABLE.c.reported_at <= new.reported_at,
            )
        )

    async def for_charge_point(self, charge_point_id: int) -> list[ConfigurationRecord]:
        """Return the known keys in the order of their names."""
        statement = select(*_COLUMNS).where(
            _TABLE.c.tenant_id == self.tenant_id, _TABLE.c.charge_point_id == charge_point_id
        )
        rows = await self.connection.execute(statement.order_by(_TABLE.c.key))
        return [ConfigurationRecord(*row) for row in rows]
