"""What a handshake needs, across tenants: one query, and the number of the new session."""

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.store import tables
from app.store.records import Login
from app.store.repository import columns_of

_TENANTS = tables.tenants
_CHARGE_POINTS = tables.charge_points
_COLUMNS = columns_of(
    Login,
    _CHARGE_POINTS,
    tenant_slug=_TENANTS.c.slug,
    strict_protocol=_TENANTS.c.strict_protocol,
    charge_point_id=_CHARGE_POINTS.c.id,
)


class Logins:
    """The logins of all tenants."""

    def __init__(self, connection: AsyncConnection) -> None:
        self.connection = connection

    async def find(self, tenant_slug: str, identity: str) -> Login | None:
        """Return what is known of a charge point that wants in; None: no such tenant or charge point."""
        joined = _CHARGE_POINTS.join(_TENANTS, _TENANTS.c.id == _CHARGE_POINTS.c.tenant_id)
        statement = (
            select(*_COLUMNS)
            .select_from(joined)
            .where(_TENANTS.c.slug == tenant_slug, _CHARGE_POINTS.c.identity == identity)
        )
        row = (await self.connection.execute(statement)).one_or_none()
        return Login(*row) if row is not None else None

    async def next_epoch(self, charge_point_id: int, at: datetime) -> int | None:
        """Number a new session: higher than each before, whatever Redis remembers. None: it was deleted."""
        statement = (
            update(_CHARGE_POINTS)
            .where(_CHARGE_POINTS.c.id == charge_point_id)
            .values(epoch=_CHARGE_POINTS.c.epoch + 1, connected_at=at, last_seen_at=at)
            .returning(_CHARGE_POINTS.c.epoch)
        )
        epoch: int | None = (await self.connection.execute(statement)).scalar_one_or_none()
        return epoch
