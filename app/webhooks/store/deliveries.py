"""SQL of the deliveries of one webhook."""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import BigInteger, Integer, Text, bindparam, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP

from app.database.repository import LARGEST_INT32, Repository, columns_of
from app.database.text import clean_optional
from app.database.unit_of_work import TenantWork
from app.webhooks import tables
from app.webhooks.records import DeliveryRecord, DeliveryState, Finished, Waiting

_DELIVERIES = tables.webhook_deliveries
_COLUMNS = columns_of(DeliveryRecord, _DELIVERIES)
_WAITING_COLUMNS = columns_of(Waiting, _DELIVERIES)

_ADD: Final = text(
    """
    insert into webhook_deliveries (tenant_id, webhook_id, position, type, charge_points, state, attempts,
        next_attempt_at)
    select :tenant_id, :webhook_id, position, type, charge_points, 'pending', 0, now()
    from jsonb_to_recordset(:new) as new (position bigint, type text, charge_points jsonb)
    -- An event that is sent again, after a replay.
    on conflict (tenant_id, webhook_id, position)
    do update set state = 'pending', attempts = 0, next_attempt_at = now()
    """
).bindparams(bindparam("new", type_=JSONB))

_FINISH: Final = text(
    """
    update webhook_deliveries as one set state = ended.state, attempts = ended.attempts,
        next_attempt_at = ended.next_attempt_at, last_attempt_at = ended.at,
        status_code = ended.status_code, reason = ended.reason, detail = ended.detail,
        duration_ms = ended.duration_ms, answer = ended.answer
    from unnest(:position, :state, :attempts, :next_attempt_at, :at, :status_code, :reason, :detail,
            :duration_ms, :answer)
        as ended (position, state, attempts, next_attempt_at, at, status_code, reason, detail, duration_ms,
            answer)
    where one.tenant_id = :tenant_id and one.webhook_id = :webhook_id and one.position = ended.position
        and one.state = 'pending'
    """
).bindparams(
    bindparam("position", type_=ARRAY(BigInteger)),
    *(bindparam(name, type_=ARRAY(TIMESTAMP(timezone=True))) for name in ("next_attempt_at", "at")),
    *(bindparam(name, type_=ARRAY(Integer)) for name in ("attempts", "status_code", "duration_ms")),
    *(bindparam(name, type_=ARRAY(Text)) for name in ("state", "reason", "detail", "answer")),
)

_PRUNE: Final = text(
    """
    delete from webhook_deliveries as old using (
        select position from webhook_deliveries
        where tenant_id = :tenant_id and webhook_id = :webhook_id and state = :state
        order by position desc offset :kept limit 1
    ) as oldest
    where old.tenant_id = :tenant_id and old.webhook_id = :webhook_id and old.state = :state
        and old.position <= oldest.position
    """
)

_LABELLED: Final = text(
    """
    select identity from charge_points
    where tenant_id = :tenant_id and identity = any(:identities) and labels @> :labels
    """
).bindparams(bindparam("identities", type_=ARRAY(Text)), bindparam("labels", type_=JSONB))


class DeliveryStore(Repository):
    """The deliveries of one webhook."""

    __slots__ = ("_webhook_id",)

    def __init__(self, work: TenantWork, webhook_id: UUID) -> None:
        super().__init__(work)
        self._webhook_id = webhook_id

    async def pending(self) -> list[Waiting]:
        """Return all deliveries that are pending, the oldest event first."""
        statement = (
            select(*_WAITING_COLUMNS)
            .where(*self._mine(), _DELIVERIES.c.state == "pending")
            .order_by(_DELIVERIES.c.position)
        )
        found = [Waiting(*row) for row in await self.connection.execute(statement)]
        return [
            Waiting(one.position, one.type, frozenset(one.charge_points), one.attempts, one.next_attempt_at)
            for one in found
        ]

    async def add(self, new: Sequence[Waiting]) -> None:
        """Add deliveries. One that exists is made again."""
        values = [
            {"position": one.position, "type": one.type, "charge_points": sorted(one.charge_points)}
            for one in new
        ]
        await self.connection.execute(_ADD, {**self._keys(), "new": values})

    async def finish(self, finished: Sequence[Finished]) -> None:
        """Store what attempts have made of deliveries."""
        attempts = [one.attempted for one in finished]
        columns = {
            "position": [one.position for one in finished],
            "state": [one.outcome.state for one in finished],
            "attempts": [one.outcome.attempts for one in finished],
            "next_attempt_at": [one.outcome.next_attempt_at for one in finished],
            "at": [one.at for one in attempts],
            "status_code": [one.status_code for one in attempts],
            "reason": [one.reason for one in attempts],
            "detail": [clean_optional(one.detail) for one in attempts],
            "duration_ms": [min(one.duration_ms, LARGEST_INT32) for one in attempts],
            "answer": [clean_optional(one.answer) for one in attempts],
        }
        await self.connection.execute(_FINISH, {**self._keys(), **columns})

    async def attempt_now(self) -> None:
        """Let all that is pending be attempted now."""
        await self.connection.execute(
            update(_DELIVERIES)
            .where(*self._mine(), _DELIVERIES.c.state == "pending")
            .values(next_attempt_at=func.now())
        )

    async def take_back(self, position: int) -> None:
        """Remove what is pending behind a position: a replay makes it again, in the order of the events."""
        await self.connection.execute(
            delete(_DELIVERIES).where(
                *self._mine(), _DELIVERIES.c.state == "pending", _DELIVERIES.c.position > position
            )
        )

    async def prune(self, state: DeliveryState, kept: int) -> None:
        """Delete all but the newest deliveries in a state."""
        await self.connection.execute(_PRUNE, {**self._keys(), "state": state, "kept": kept})

    async def page(self, limit: int, before: int | None, state: DeliveryState | None) -> list[DeliveryRecord]:
        """Return deliveries, the newest event first. before: position of the last one seen."""
        statement = select(*_COLUMNS).where(*self._mine())
        if before is not None:
            statement = statement.where(_DELIVERIES.c.position < before)
        if state is not None:
            statement = statement.where(_DELIVERIES.c.state == state)
        rows = await self.connection.execute(statement.order_by(_DELIVERIES.c.position.desc()).limit(limit))
        return [DeliveryRecord(*row) for row in rows]

    def _mine(self) -> Sequence[Any]:
        return (_DELIVERIES.c.tenant_id == self.tenant_id, _DELIVERIES.c.webhook_id == self._webhook_id)

    def _keys(self) -> Mapping[str, Any]:
        return {"tenant_id": self.tenant_id, "webhook_id": self._webhook_id}


async def with_labels(
    work: TenantWork, identities: Sequence[str], labels: Mapping[str, str]
) -> frozenset[str]:
    """Return those of some charge points that have all of some labels."""
    rows = await work.connection.execute(
        _LABELLED, {"tenant_id": work.tenant_id, "identities": list(identities), "labels": dict(labels)}
    )
    return frozenset(row.identity for row in rows)
