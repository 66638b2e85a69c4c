"""SQL of the requests of charge points for V2G certificates."""

from collections.abc import Collection
from dataclasses import fields
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import BigInteger, Integer, bindparam, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY

from app.database.repository import Repository, columns_of
from app.database.schema import CHARGE_POINTS, is_charge_point_of
from app.database.unit_of_work import PlatformWork
from app.plug_and_charge import tables
from app.plug_and_charge.records import OPEN_V2G_STATES, V2gRequestRecord, V2gRequestState
from app.types import ChargePointKey

V2G_REQUESTS_OF_CHARGE_POINT: Final = 50
"""The most requests that are kept for a charge point. The oldest are dropped first."""

_REQUESTS = tables.v2g_certificate_requests
_COLUMNS = columns_of(V2gRequestRecord, _REQUESTS, identity=CHARGE_POINTS.c.identity)
_JOINED = _REQUESTS.join(CHARGE_POINTS, is_charge_point_of(_REQUESTS))
_TAKEN: Final = ", ".join(
    "charge_points.identity" if field.name == "identity" else f"taken.{field.name}"
    for field in fields(V2gRequestRecord)
)

_WAKE: Final = text(
    """
    update v2g_certificate_requests as woken set next_at = :now
    from unnest(:tenant_ids, :charge_point_ids) as given (tenant_id, charge_point_id)
    where woken.tenant_id = given.tenant_id and woken.charge_point_id = given.charge_point_id
        and woken.state = 'signed'
    """
).bindparams(
    bindparam("tenant_ids", type_=ARRAY(BigInteger)), bindparam("charge_point_ids", type_=ARRAY(BigInteger))
)

_TAKE: Final = text(
    f"""
    with pending as (
        select tenant_id, id, charge_point_id from v2g_certificate_requests
        where next_at <= :now
        order by next_at
        limit :limit
        for update skip locked
    )
    update v2g_certificate_requests as taken set next_at = :again_at
    from pending join charge_points
        on charge_points.tenant_id = pending.tenant_id and charge_points.id = pending.charge_point_id
    where taken.tenant_id = pending.tenant_id and taken.id = pending.id
    returning {_TAKEN}
    """  # noqa: S608 - names of columns of ours
).bindparams(bindparam("limit", type_=Integer))


class V2gRequestFilter(NamedTuple):
    """The filters of a listing of requests."""

    identity: str | None = None
    state: V2gRequestState | None = None


class V2gRequestStore(Repository):
    """The V2G certificate requests of one tenant."""

    async def lock(self, charge_point_id: int) -> None:
        """Let requests of a charge point wait for each other."""
        await self.connection.execute(
            text("select pg_advisory_xact_lock(hashtext('v2g_certificate_requests'), :key)"),
            {"key": charge_point_id % 2**31},
        )

    async def count_since(self, charge_point_id: int, since: datetime) -> int:
        """Return how many requests of a charge point have come since a time."""
        statement = select(func.count()).where(
            _REQUESTS.c.tenant_id == self.tenant_id,
            _REQUESTS.c.charge_point_id == charge_point_id,
            _REQUESTS.c.received_at > since,
        )
        return int((await self.connection.execute(statement)).scalar_one())

    async def is_open(self, charge_point_id: int, csr: str) -> bool:
        """Tell whether the same request of a charge point is not answered yet."""
        statement = select(_REQUESTS.c.id).where(
            _REQUESTS.c.tenant_id == self.tenant_id,
            _REQUESTS.c.charge_point_id == charge_point_id,
            _REQUESTS.c.state.in_(OPEN_V2G_STATES),
            _REQUESTS.c.csr == csr,
        )
        return (await self.connection.execute(statement.limit(1))).one_or_none() is not None

    async def add(self, values: dict[str, Any]) -> int:
        """Store a request, end older ones that nothing was sent for, and drop surplus ones. Return its id."""
        charge_point_id, now = values["charge_point_id"], values["received_at"]
        row = {"attempts": 0, "sends": 0, "doubts": 0, "updated_at": now, **values}
        insert = _REQUESTS.insert().values(tenant_id=self.tenant_id, **row).returning(_REQUESTS.c.id)
        number = int((await self.connection.execute(insert)).scalar_one())
        mine = (_REQUESTS.c.tenant_id == self.tenant_id, _REQUESTS.c.charge_point_id == charge_point_id)
        if values["state"] == "received":
            await self.connection.execute(
                update(_REQUESTS)
                .where(*mine, _REQUESTS.c.id < number, _REQUESTS.c.state.in_(OPEN_V2G_STATES[:3]))
                .values(state="failed", reason="superseded", next_at=None, updated_at=now)
            )
        kept = (
            select(_REQUESTS.c.id)
            .where(*mine)
            .order_by(_REQUESTS.c.id.desc())
            .limit(V2G_REQUESTS_OF_CHARGE_POINT)
        )
        await self.connection.execute(delete(_REQUESTS).where(*mine, _REQUESTS.c.id.not_in(kept)))
        return number

    async def get(self, request_id: int, *, to_change: bool = False) -> V2gRequestRecord | None:
        """Return a request, None: there is none of this id. to_change: lock it."""
        return await self._one(_REQUESTS.c.id == request_id, to_change=to_change)

    async def by_fingerprint(self, fingerprint: str, charge_point_id: int) -> V2gRequestRecord | None:
        """Return the newest request of a charge point that a certificate answers, locked."""
        found = (_REQUESTS.c.fingerprint == fingerprint) & (_REQUESTS.c.charge_point_id == charge_point_id)
        return await self._one(found, to_change=True)

    async def page(self, limit: int, after: int | None, filters: V2gRequestFilter) -> list[V2gRequestRecord]:
        """Return requests, the newest first. after: id of the last one seen."""
        statement = select(*_COLUMNS).select_from(_JOINED).where(_REQUESTS.c.tenant_id == self.tenant_id)
        if after is not None:
            statement = statement.where(_REQUESTS.c.id < after)
        if filters.identity is not None:
            statement = statement.where(CHARGE_POINTS.c.identity == filters.identity)
        if filters.state is not None:
            statement = statement.where(_REQUESTS.c.state == filters.state)
        rows = await self.connection.execute(statement.order_by(_REQUESTS.c.id.desc()).limit(limit))
        return [V2gRequestRecord(*row) for row in rows]

    async def change(
        self, request_id: int, states: Collection[V2gRequestState], at: datetime, **changes: Any
    ) -> bool:
        """Change a request if it is in one of the states. False: it is not."""
        statement = (
            update(_REQUESTS)
            .where(
                _REQUESTS.c.tenant_id == self.tenant_id,
                _REQUESTS.c.id == request_id,
                _REQUESTS.c.state.in_(states),
            )
            .values(updated_at=at, **changes)
        )
        return (await self.connection.execute(statement.returning(_REQUESTS.c.id))).one_or_none() is not None

    async def mark_sent(self, request: V2gRequestRecord, command_id: UUID, at: datetime) -> bool:
        """Store that CertificateSigned was issued. False: its outcome was stored already."""
        statement = (
            update(_REQUESTS)
            .where(
                _REQUESTS.c.tenant_id == self.tenant_id,
                _REQUESTS.c.id == request.id,
                _REQUESTS.c.state == "signed",
                _REQUESTS.c.sends == request.sends,
            )
            .values(state="sent", command_id=command_id, sends=request.sends + 1, next_at=None, updated_at=at)
        )
        return (await self.connection.execute(statement.returning(_REQUESTS.c.id))).one_or_none() is not None

    async def _one(self, condition: Any, *, to_change: bool) -> V2gRequestRecord | None:
        statement = (
            select(*_COLUMNS)
            .select_from(_JOINED)
            .where(_REQUESTS.c.tenant_id == self.tenant_id, condition)
            .order_by(_REQUESTS.c.id.desc())
            .limit(1)
        )
        if to_change:
            statement = statement.with_for_update(of=_REQUESTS)
        row = (await self.connection.execute(statement)).one_or_none()
        return None if row is None else V2gRequestRecord(*row)


class V2gSweepStore:
    """The requests of all tenants, for the sweep that forwards and sends."""

    def __init__(self, work: PlatformWork) -> None:
        self.connection = work.connection

    async def wake(self, charge_points: Collection[ChargePointKey], now: datetime) -> None:
        """Let the signed certificates of charge points that have logged in be sent now."""
        tenant_ids, charge_point_ids = zip(*charge_points, strict=True)
        values = {"tenant_ids": tenant_ids, "charge_point_ids": charge_point_ids, "now": now}
        await self.connection.execute(_WAKE, values)

    async def take(self, now: datetime, again_at: datetime, limit: int) -> list[V2gRequestRecord]:
        """Return requests whose time has come, and set their next one. Two workers never get the same row."""
        rows = await self.connection.execute(_TAKE, {"now": now, "again_at": again_at, "limit": limit})
        return [V2gRequestRecord(*row) for row in rows]
