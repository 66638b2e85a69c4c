"""Finds whose meter values lie in a span of time, for readers of all of them.

The keys are sought one after the other, because to read all rows of a large span for them takes minutes.
"""

from datetime import datetime
from typing import Final

from sqlalchemy import BigInteger, bindparam, text

from app.database.prepared import Prepared
from app.database.schema import TIME
from app.database.statements import Statement
from app.types import TenantId

_SPAN: Final = (bindparam("since", type_=TIME), bindparam("until", type_=TIME))
_TENANT: Final = bindparam("tenant_id", type_=BigInteger)

_TENANTS: Final = Statement(
    text(
        """
        with recursive found (tenant_id) as (
            (
                select tenant_id from meter_values where sampled_at >= :since and sampled_at < :until
                order by tenant_id limit 1
            )
            union all
            select (
                select tenant_id from meter_values
                where tenant_id > found.tenant_id and sampled_at >= :since and sampled_at < :until
                order by tenant_id limit 1
            )
            from found where tenant_id is not null
        )
        select tenant_id from found where tenant_id is not null
        """
    ).bindparams(*_SPAN)
)

_CHARGE_POINTS: Final = Statement(
    text(
        """
        with recursive found (id) as (
            (
                select charge_point_id from meter_values
                where tenant_id = :tenant_id and sampled_at >= :since and sampled_at < :until
                order by charge_point_id limit 1
            )
            union all
            select (
                select charge_point_id from meter_values
                where tenant_id = :tenant_id and charge_point_id > found.id
                    and sampled_at >= :since and sampled_at < :until
                order by charge_point_id limit 1
            )
            from found where id is not null
        )
        select id from found where id is not null
        """
    ).bindparams(*_SPAN, _TENANT)
)

_COUNT: Final = Statement(
    text(
        """
        select count(*) as number from meter_values
        where tenant_id = :tenant_id and charge_point_id = :charge_point_id
            and sampled_at >= :since and sampled_at < :until
        """
    ).bindparams(*_SPAN, _TENANT, bindparam("charge_point_id", type_=BigInteger))
)


class MeterValueSpan:
    """The meter values of all tenants whose time is from `since` on and before `until`."""

    __slots__ = ("_reads", "_span")

    def __init__(self, reads: Prepared, since: datetime, until: datetime) -> None:
        self._reads = reads
        self._span = {"since": since, "until": until}

    async def tenants(self) -> list[TenantId]:
        """Return the tenants that have some."""
        return [TenantId(row["tenant_id"]) for row in await self._reads.rows(_TENANTS, self._span)]

    async def charge_points(self, tenant_id: TenantId) -> list[int]:
        """Return the charge points of a tenant that have some."""
        rows = await self._reads.rows(_CHARGE_POINTS, {**self._span, "tenant_id": tenant_id})
        return [row["id"] for row in rows]

    async def count(self, tenant_id: TenantId, charge_point_id: int) -> int:
        """Return how many a charge point has."""
        values = {**self._span, "tenant_id": tenant_id, "charge_point_id": charge_point_id}
        [row] = await self._reads.rows(_COUNT, values)
        number: int = row["number"]
        return number
