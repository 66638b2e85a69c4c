"""SQL of certificate requests, and of the triggers that ask charge points for one."""

from collections.abc import Collection
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import BigInteger, bindparam, delete, func, select, text, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import ARRAY

from app.certificates import tables
from app.certificates.records import OPEN_REQUEST_STATES, RequestRecord, RequestState
from app.database.repository import Repository, columns_of
from app.database.schema import CHARGE_POINTS, is_charge_point_of
from app.database.unit_of_work import PlatformWork
from app.types import ChargePointKey

REQUESTS_OF_CHARGE_POINT: Final = 50
"""The most requests that are kept for a charge point. The oldest are dropped first."""

_REQUESTS = tables.certificate_requests
_COLUMNS = columns_of(RequestRecord, _REQUESTS, identity=CHARGE_POINTS.c.identity)
_TRIGGERS = tables.certificate_triggers
_JOINED = _REQUESTS.join(CHARGE_POINTS, is_charge_point_of(_REQUESTS))

_WAKE: Final = text(
    """
    update certificate_requests as woken set next_at = :now
    from unnest(:tenant_ids, :charge_point_ids) as given (tenant_id, charge_point_id)
    where woken.tenant_id = given.tenant_id and woken.charge_point_id = given.charge_point_id
        and woken.state = 'signed'
    """
).bindparams(
    bindparam("tenant_ids", type_=ARRAY(BigInteger)), bindparam("charge_point_ids", type_=ARRAY(BigInteger))
)

_TAKE: Final = text(
    """
    with pending as (
        select tenant_id, id, charge_point_id from certificate_requests
        where next_at <= :now
        order by next_at
        limit :limit
        for update skip locked
    )
    update certificate_requests as taken set next_at = :again_at
    from pending join charge_points
        on charge_points.tenant_id = pending.tenant_id and charge_points.id = pending.charge_point_id
    where taken.tenant_id = pending.tenant_id and taken.id = pending.id
    returning taken.tenant_id, taken.id, taken.charge_point_id, charge_points.identity, taken.csr,
        taken.state, taken.reason, taken.detail, taken.certificate_id, taken.command_id,
        taken.trigger_command_id, taken.attempts, taken.sends, taken.doubts, taken.next_at,
        taken.received_at, taken.updated_at
    """
)


class Trigger(NamedTuple):
    """An ExtendedTriggerMessage that a charge point has accepted."""

    command_id: UUID
    accepted_at: datetime


class RequestFilter(NamedTuple):
    """The filters of a listing of requests."""

    identity: str | None = None
    state: RequestState | None = None


class RequestStore(Repository):
    """The certificate requests of one tenant."""

    async def lock(self, charge_point_id: int) -> None:
        """Let requests and triggers of a charge point wait for each other."""
        await self.connection.execute(
            text("select pg_advisory_xact_lock(hashtext('certificate_requests'), :key)"),
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

    async def add(self, charge_point_id: int, csr: str, state: RequestState, **more: Any) -> int:
        """Store a request, and drop surplus old ones of the charge point. Return its id."""
        values = {
            "tenant_id": self.tenant_id,
            "charge_point_id": charge_point_id,
            "csr": csr,
            "state": state,
            "attempts": 0,
            "sends": 0,
            "doubts": 0,
            **more,
        }
        values.setdefault("updated_at", values["received_at"])
        stored = await self.connection.execute(_REQUESTS.insert().values(values).returning(_REQUESTS.c.id))
        number = int(stored.scalar_one())
        kept = (
            select(_REQUESTS.c.id)
            .where(_REQUESTS.c.tenant_id == self.tenant_id, _REQUESTS.c.charge_point_id == charge_point_id)
            .order_by(_REQUESTS.c.id.desc())
            .limit(REQUESTS_OF_CHARGE_POINT)
        )
        await self.connection.execute(
            delete(_REQUESTS).where(
                _REQUESTS.c.tenant_id == self.tenant_id,
                _REQUESTS.c.charge_point_id == charge_point_id,
                _REQUESTS.c.id.not_in(kept),
            )
        )
        return number

    async def is_open(self, charge_point_id: int, csr: str) -> bool:
        """Tell whether the same request of a charge point is not answered yet."""
        statement = select(_REQUESTS.c.id).where(
            _REQUESTS.c.tenant_id == self.tenant_id,
            _REQUESTS.c.charge_point_id == charge_point_id,
            _REQUESTS.c.state.in_(OPEN_REQUEST_STATES),
            _REQUESTS.c.csr == csr,
        )
        return (await self.connection.execute(statement.limit(1))).one_or_none() is not None

    async def mark_sent(self, request: RequestRecord, command_id: UUID, at: datetime) -> bool:
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

    async def supersede(self, charge_point_id: int, newest: int, at: datetime) -> None:
        """End the older requests of a charge point that nothing was sent for: its key is another one now."""
        await self.connection.execute(
            update(_REQUESTS)
            .where(
                _REQUESTS.c.tenant_id == self.tenant_id,
                _REQUESTS.c.charge_point_id == charge_point_id,
                _REQUESTS.c.id < newest,
                _REQUESTS.c.state.in_(("received", "forwarded", "signed")),
            )
            .values(state="failed", reason="superseded", next_at=None, updated_at=at)
        )

    async def get(self, request_id: int, *, to_change: bool = False) -> RequestRecord | None:
        """Return a request, None: there is none of this id. to_change: lock it."""
        statement = (
            select(*_COLUMNS)
            .select_from(_JOINED)
            .where(_REQUESTS.c.tenant_id == self.tenant_id, _REQUESTS.c.id == request_id)
        )
        if to_change:
            statement = statement.with_for_update(of=_REQUESTS)
        row = (await self.connection.execute(statement)).one_or_none()
        return None if row is None else RequestRecord(*row)

    async def of_certificate(self, certificate_id: int) -> RequestRecord | None:
        """Return the request that a certificate answers, locked."""
        statement = (
            select(*_COLUMNS)
            .select_from(_JOINED)
            .where(_REQUESTS.c.tenant_id == self.tenant_id, _REQUESTS.c.certificate_id == certificate_id)
            .with_for_update(of=_REQUESTS)
        )
        row = (await self.connection.execute(statement)).first()
        return None if row is None else RequestRecord(*row)

    async def page(self, limit: int, after: int | None, filters: RequestFilter) -> list[RequestRecord]:
        """Return requests, the newest first. after: id of the last one seen."""
        statement = select(*_COLUMNS).select_from(_JOINED).where(_REQUESTS.c.tenant_id == self.tenant_id)
        if after is not None:
            statement = statement.where(_REQUESTS.c.id < after)
        if filters.identity is not None:
            statement = statement.where(CHARGE_POINTS.c.identity == filters.identity)
        if filters.state is not None:
            statement = statement.where(_REQUESTS.c.state == filters.state)
        rows = await self.connection.execute(statement.order_by(_REQUESTS.c.id.desc()).limit(limit))
        return [RequestRecord(*row) for row in rows]

    async def change(
        self, request_id: int, states: Collection[RequestState], at: datetime, **changes: Any
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

    # Triggers

    async def put_trigger(
        self, charge_point_id: int, command_id: UUID, issued_at: datetime, accepted_at: datetime
    ) -> None:
        """Store the newest trigger that a charge point has accepted."""
        statement = postgresql.insert(_TRIGGERS).values(
            tenant_id=self.tenant_id,
            charge_point_id=charge_point_id,
            command_id=command_id,
            issued_at=issued_at,
            accepted_at=accepted_at,
        )
        new = statement.excluded
        await self.connection.execute(
            statement.on_conflict_do_update(
                index_elements=["tenant_id", "charge_point_id"],
                set_={
                    "command_id": new.command_id,
                    "issued_at": new.issued_at,
                    "accepted_at": new.accepted_at,
                },
            )
        )

    async def take_trigger(self, charge_point_id: int, accepted_since: datetime) -> UUID | None:
        """Remove the trigger of a charge point. Return its command if it was accepted since a time."""
        statement = delete(_TRIGGERS).where(
            _TRIGGERS.c.tenant_id == self.tenant_id, _TRIGGERS.c.charge_point_id == charge_point_id
        )
        row = (
            await self.connection.execute(
                statement.returning(_TRIGGERS.c.command_id, _TRIGGERS.c.accepted_at)
            )
        ).one_or_none()
        return row.command_id if row is not None and row.accepted_at >= accepted_since else None

    async def set_trigger(self, request_id: int, command_id: UUID) -> None:
        """Store which trigger has led to a request."""
        await self.connection.execute(
            update(_REQUESTS)
            .where(_REQUESTS.c.tenant_id == self.tenant_id, _REQUESTS.c.id == request_id)
            .values(trigger_command_id=command_id)
        )

    async def untriggered_since(self, charge_point_id: int, since: datetime) -> int | None:
        """Return the newest request since a time that no trigger has led to so far."""
        statement = (
            select(_REQUESTS.c.id)
            .where(
                _REQUESTS.c.tenant_id == self.tenant_id,
                _REQUESTS.c.charge_point_id == charge_point_id,
                _REQUESTS.c.received_at >= since,
                _REQUESTS.c.trigger_command_id.is_(None),
            )
            .order_by(_REQUESTS.c.id.desc())
            .limit(1)
        )
        return (await self.connection.execute(statement)).scalar_one_or_none()


class RequestSweepStore:
    """The requests of all tenants, for the sweep that signs and sends."""

    def __init__(self, work: PlatformWork) -> None:
        self.connection = work.connection

    async def wake(self, charge_points: Collection[ChargePointKey], now: datetime) -> None:
        """Let the signed certificates of charge points that have logged in be sent now."""
        tenant_ids, charge_point_ids = zip(*charge_points, strict=True)
        values = {"tenant_ids": tenant_ids, "charge_point_ids": charge_point_ids, "now": now}
        await self.connection.execute(_WAKE, values)

    async def take(self, now: datetime, again_at: datetime, limit: int) -> list[RequestRecord]:
        """Return requests whose time has come, and set their next one. Two workers never get the same row."""
        rows = await self.connection.execute(_TAKE, {"now": now, "again_at": again_at, "limit": limit})
        return [RequestRecord(**row) for row in rows.mappings()]
