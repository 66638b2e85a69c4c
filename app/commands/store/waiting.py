"""SQL of the commands that wait in the database until they can be sent."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import orjson
from sqlalchemy import text

from app.commands.records import (
    CommandRecord,
    CommandState,
    Line,
    LineEntry,
    LinePlace,
    NewWaitingCommand,
    WaitingTarget,
)
from app.commands.store.commands import RETURNED, record_of
from app.database.prepared import Run
from app.database.repository import Repository
from app.database.statements import Statement
from app.database.text import json_text
from app.database.unit_of_work import PlatformWork
from app.types import ChargePointKey, Json, TenantId

_LINE_LIMIT: Final = 200
"""Commands of one charge point that one look reads."""
_MOST: Final = 1000
"""Commands that one sweep ends. The next one takes the rest."""

_IS_OPEN: Final = "when_offline is not null and state in ('waiting', 'queued', 'sent')"

# These texts contain only constants of our own.
_ADD: Final = Statement(
    text(
        f"""
        with target as (
            select point.id as charge_point_id, point.identity, wanted.id, (
                select count(*) from (
                    select from commands
                    where tenant_id = point.tenant_id and charge_point_id = point.id and {_IS_OPEN}
                    limit cast(:line_limit as bigint)
                ) as waiting
            ) as length
            from unnest(cast(:ids as uuid[]), cast(:identities as text[])) as wanted (id, identity)
            join charge_points as point
                on point.tenant_id = cast(:tenant_id as bigint) and point.identity = wanted.identity
        ), recorded as (
            insert into commands (id, tenant_id, charge_point_id, action, payload, state, created_at,
                deadline_at, timeout_s, issued_by, idempotency_key, request_digest, has_effects,
                when_offline, not_before, check_at, sealed_payload, bulk_id)
            select target.id, cast(:tenant_id as bigint), charge_point_id, cast(:action as text),
                cast(:payload as jsonb), 'waiting', cast(:created_at as timestamptz),
                cast(:deadline_at as timestamptz), cast(:timeout_s as double precision),
                cast(:issued_by as text), cast(:idempotency_key as text), cast(:request_digest as bytea),
                cast(:has_effects as boolean), cast(:when_offline as text),
                cast(:not_before as timestamptz), cast(:check_at as timestamptz),
                cast(:sealed_payload as bytea), cast(:bulk_id as uuid)
            from target where length < cast(:line_limit as bigint)
            on conflict do nothing
            returning {RETURNED}
        )
        select target.identity, length >= cast(:line_limit as bigint) as is_line_full,
            {", ".join(f"recorded.{name}" for name in CommandRecord.__slots__ if name != "identity")}
        from target left join recorded on recorded.id = target.id
        """  # noqa: S608
    ),
    writes_events=True,
)

_LOCK: Final = text("select pg_advisory_xact_lock(hashtextextended(:name, 0))")

_READ_LINE: Final = text(
    f"""
    select point.registration_status, commands.id, action, state, when_offline,
        coalesce(not_before, commands.created_at) as ready_at, deadline_at, bulk_id
    from charge_points as point left join commands
        on commands.tenant_id = point.tenant_id and commands.charge_point_id = point.id and {_IS_OPEN}
    where point.tenant_id = :tenant_id and point.id = :charge_point_id
    order by commands.state = 'waiting', ready_at, commands.created_at, commands.id
    limit :most
    """  # noqa: S608
)

_TAKE: Final = text(
    f"""
    with found as (
        select tenant_id, id, sealed_payload as sealed from commands
        where tenant_id = :tenant_id and id = :id and state = 'waiting'
        for update
    )
    update commands set state = 'queued', worker = :worker, epoch = :epoch, check_at = null,
        sealed_payload = null
    from found where commands.tenant_id = found.tenant_id and commands.id = found.id
    returning {", ".join(f"commands.{name}" for name in CommandRecord.__slots__ if name != "identity")},
        (select identity from charge_points where charge_points.tenant_id = commands.tenant_id
            and charge_points.id = commands.charge_point_id) as identity, found.sealed
    """  # noqa: S608
)

_END: Final = text(
    """
    update commands set state = :state, finished_at = :at, error = cast(:error as jsonb), check_at = null,
        sealed_payload = null
    where tenant_id = :tenant_id and id = any(:ids) and state = 'waiting'
    returning id
    """
)

_LATER: Final = text(
    """
    update commands set check_at = :check_at
    where tenant_id = :tenant_id and id = any(:ids) and state = 'waiting'
    """
)

_END_BULK: Final = text(
    """
    update commands set state = 'cancelled', finished_at = :at, check_at = null, sealed_payload = null
    where tenant_id = :tenant_id and bulk_id = :bulk_id and state = 'waiting'
    returning id
    """
)

_COUNT_BULKS: Final = text(
    """
    select bulk_id, state, count(*) from commands
    where tenant_id = :tenant_id and bulk_id = any(:bulk_ids) group by bulk_id, state
    """
)

# Of its own, because each take asks for it: the index has no command that waits or has ended.
_ACTIVE_OF_BULK: Final = text(
    """
    select count(*) from commands
    where tenant_id = :tenant_id and bulk_id = :bulk_id and state in ('queued', 'sent')
    """
)

_DUE_OF_BULK: Final = text(
    """
    select charge_points.id, charge_points.identity
    from commands join charge_points on charge_points.tenant_id = commands.tenant_id
        and charge_points.id = commands.charge_point_id
    where commands.tenant_id = :tenant_id and bulk_id = :bulk_id and state = 'waiting' and check_at <= :now
    order by check_at limit :most
    """
)

_QUEUED_OF_BULK: Final = text(
    """
    select id from commands where tenant_id = :tenant_id and bulk_id = :bulk_id and state = 'queued'
    limit 1000
    """
)

_DUE: Final = text(
    """
    with due as (
        select tenant_id, id, charge_point_id from commands
        where state = 'waiting' and bulk_id is null and check_at <= :now
        order by check_at limit :most
        for update skip locked
    ), moved as (
        update commands set check_at = :again_at
        from due where commands.tenant_id = due.tenant_id and commands.id = due.id
    )
    select distinct due.tenant_id, due.charge_point_id, charge_points.identity
    from due join charge_points on charge_points.tenant_id = due.tenant_id
        and charge_points.id = due.charge_point_id
    """
)

_EXPIRE: Final = text(
    """
    with overdue as (
        select tenant_id, id from commands where state = 'waiting' and deadline_at <= :now
        order by deadline_at limit :most
        for update skip locked
    )
    update commands set state = 'expired', finished_at = :now, check_at = null, sealed_payload = null
    from overdue where commands.tenant_id = overdue.tenant_id and commands.id = overdue.id
    returning commands.tenant_id, commands.id
    """
)

_WITH_LINE: Final = Statement(
    text(
        """
        select tenant_id, charge_point_id
        from unnest(cast(:tenant_ids as bigint[]), cast(:charge_point_ids as bigint[]))
            as asked (tenant_id, charge_point_id)
        where exists (
            select from commands
            where commands.tenant_id = asked.tenant_id and commands.charge_point_id = asked.charge_point_id
                and when_offline is not null and state in ('waiting', 'queued', 'sent') and state = 'waiting'
        )
        """
    )
)

# Guarded by the epoch: a worker may have taken the command for another session since. The bulk is locked, so
# that its cancel comes before this statement, which then sees it, or after it, and then finds what waits.
_LEAVE_SESSION: Final = Statement(
    text(
        """
        update commands set worker = null, epoch = null, sent_at = null,
            state = case when may_wait then 'waiting' when is_cancelled then 'cancelled' else 'offline' end,
            check_at = case when may_wait then cast(:at as timestamptz) end,
            finished_at = case when not may_wait then cast(:at as timestamptz) end
        from (
            select tenant_id, id, is_cancelled, not is_cancelled
                and when_offline = 'queue' and deadline_at > cast(:at as timestamptz) as may_wait
            from (
                select commands.*, coalesce((
                    select cancelled_at is not null from bulk_commands
                    where bulk_commands.tenant_id = commands.tenant_id and bulk_commands.id = bulk_id
                    for share
                ), false) as is_cancelled
                from commands
                where tenant_id = cast(:tenant_id as bigint) and id = cast(:id as uuid)
                    and state in ('queued', 'sent') and epoch = cast(:epoch as bigint)
                for update
            ) as left_one
        ) as found
        where commands.tenant_id = found.tenant_id and commands.id = found.id
        returning commands.state
        """
    ),
    writes_events=True,
)


async def add_waiting(
    run: Run, tenant_id: TenantId, new: NewWaitingCommand, targets: Sequence[WaitingTarget], line_limit: int
) -> list[LinePlace]:
    """Record commands that wait, one for each target whose charge point exists.

    A target gets none if `line_limit` commands of its charge point wait already, or if its command was
    recorded before.
    """
    values: dict[str, Any] = {
        **{name: getattr(new, name) for name in new.__slots__},
        "payload": json_text(new.payload),
        "tenant_id": tenant_id,
        "ids": [target.id for target in targets],
        "identities": [target.identity for target in targets],
        "line_limit": line_limit,
    }
    return [
        LinePlace(row["identity"], row["is_line_full"], None if row["id"] is None else record_of(row))
        for row in await run(_ADD, values)
    ]


async def leave_session(
    run: Run, tenant_id: TenantId, command_id: UUID, epoch: int, at: datetime
) -> CommandState | None:
    """Let a command wait again that its session has certainly not sent, or end as `offline` if it must not.

    If its bulk was cancelled meanwhile, it ends as `cancelled`.

    Returns:
        Its state; None: it has left this session before.
    """
    rows = await run(_LEAVE_SESSION, {"tenant_id": tenant_id, "id": command_id, "epoch": epoch, "at": at})
    return rows[0]["state"] if rows else None


async def with_line(run: Run, charge_points: Sequence[ChargePointKey]) -> set[ChargePointKey]:
    """Return the charge points that have commands that wait."""
    tenant_ids, ids = zip(*charge_points, strict=True)
    rows = await run(_WITH_LINE, {"tenant_ids": list(tenant_ids), "charge_point_ids": list(ids)})
    return {ChargePointKey(row["tenant_id"], row["charge_point_id"]) for row in rows}


class WaitingStore(Repository):
    """The commands of one tenant that wait."""

    async def line(self, charge_point_id: int) -> Line | None:
        """Return the line of a charge point, locked until the end of the transaction; None: it was deleted.

        Commands that were taken come first, then those that wait, in the order in which they are sent.
        """
        # In a statement of its own, so that the next one sees what the holder before has committed.
        await self._lock(f"line {self.tenant_id} {charge_point_id}")
        values = {"tenant_id": self.tenant_id, "charge_point_id": charge_point_id, "most": _LINE_LIMIT}
        rows = (await self.connection.execute(_READ_LINE, values)).all()
        if not rows:
            return None
        entries = [LineEntry(*row[1:]) for row in rows if row.id is not None]
        return Line(rows[0].registration_status, entries)

    async def active_of_bulk(self, bulk_id: UUID) -> int:
        """Return how many commands of a bulk are under way; until the end no other transaction takes one."""
        await self._lock(f"bulk {bulk_id}")
        values = {"tenant_id": self.tenant_id, "bulk_id": bulk_id}
        return int((await self.connection.execute(_ACTIVE_OF_BULK, values)).scalar_one())

    async def take(
        self, command_id: UUID, worker: str, epoch: int
    ) -> tuple[CommandRecord, bytes | None] | None:
        """Take a command for a session, as `queued`. None: it does not wait any more.

        Returns:
            The command, and its sealed payload if it has secrets.
        """
        values = {"tenant_id": self.tenant_id, "id": command_id, "worker": worker, "epoch": epoch}
        row = (await self.connection.execute(_TAKE, values)).mappings().one_or_none()
        if row is None:
            return None
        self.outbox.has_events = True
        record = CommandRecord(**{name: row[name] for name in CommandRecord.__slots__})
        return record, row["sealed"]

    async def end(
        self, ids: Sequence[UUID], state: CommandState, at: datetime, error: Json | None = None
    ) -> list[UUID]:
        """End commands that wait, and return those that did."""
        encoded = None if error is None else orjson.dumps(error).decode()
        values = {"tenant_id": self.tenant_id, "ids": list(ids), "state": state, "at": at, "error": encoded}
        self.outbox.has_events = True
        return [row.id for row in await self.connection.execute(_END, values)]

    async def check_later(self, ids: Sequence[UUID], check_at: datetime) -> None:
        """Set when commands that wait are looked at next."""
        values = {"tenant_id": self.tenant_id, "ids": list(ids), "check_at": check_at}
        await self.connection.execute(_LATER, values)

    async def cancel_bulk(self, bulk_id: UUID, at: datetime) -> list[UUID]:
        """Cancel the commands of a bulk that wait, and return them."""
        values = {"tenant_id": self.tenant_id, "bulk_id": bulk_id, "at": at}
        self.outbox.has_events = True
        return [row.id for row in await self.connection.execute(_END_BULK, values)]

    async def queued_of_bulk(self, bulk_id: UUID) -> list[UUID]:
        """Return the commands of a bulk that were taken, but not sent yet."""
        values = {"tenant_id": self.tenant_id, "bulk_id": bulk_id}
        return [row.id for row in await self.connection.execute(_QUEUED_OF_BULK, values)]

    async def counts_of_bulk(self, bulk_id: UUID) -> dict[CommandState, int]:
        """Return how many commands of a bulk are in each state."""
        return (await self.counts_of_bulks([bulk_id]))[bulk_id]

    async def counts_of_bulks(self, bulk_ids: Sequence[UUID]) -> dict[UUID, dict[CommandState, int]]:
        """Return how many commands of each bulk are in each state."""
        counts: dict[UUID, dict[CommandState, int]] = {bulk_id: {} for bulk_id in bulk_ids}
        values = {"tenant_id": self.tenant_id, "bulk_ids": list(bulk_ids)}
        for bulk_id, state, number in await self.connection.execute(_COUNT_BULKS, values):
            counts[bulk_id][state] = number
        return counts

    async def due_of_bulk(self, bulk_id: UUID, now: datetime, most: int) -> list[tuple[int, str]]:
        """Return charge points of a bulk whose command can be sent now: (id, identity)."""
        values = {"tenant_id": self.tenant_id, "bulk_id": bulk_id, "now": now, "most": most}
        return [(row[0], row[1]) for row in await self.connection.execute(_DUE_OF_BULK, values)]

    async def _lock(self, name: str) -> None:
        await self.connection.execute(_LOCK, {"name": name})


class WaitingSweepStore:
    """The commands of all tenants that wait, for the sweep."""

    def __init__(self, work: PlatformWork) -> None:
        self.connection = work.connection
        self.outbox = work.outbox

    async def due(self, now: datetime, again_at: datetime, most: int) -> list[tuple[int, int, str]]:
        """Return charge points with a command to look at: (tenant, charge point, identity).

        Each command is looked at by one worker only, until `again_at`.
        """
        values = {"now": now, "again_at": again_at, "most": most}
        return [(row[0], row[1], row[2]) for row in await self.connection.execute(_DUE, values)]

    async def expire(self, now: datetime) -> list[tuple[int, UUID]]:
        """End the commands that have waited for too long, and return them."""
        values = {"now": now, "most": _MOST}
        expired = [(row[0], row[1]) for row in await self.connection.execute(_EXPIRE, values)]
        self.outbox.has_events |= bool(expired)
        return expired
