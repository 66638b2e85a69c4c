"""The commands of one tenant: to read them, and to change their state, one statement for each step.

Each change is guarded by the states that it may leave (`rules.TRANSITIONS`), so the first end stays. A step
runs by itself on a prepared connection or, if other rows must change with it, inside a unit of work.
"""

from collections.abc import Collection
from dataclasses import fields
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

import orjson
from sqlalchemy import ColumnElement, Select, bindparam, func, select, text, tuple_, update

from app.commands import tables
from app.commands.records import CommandFilter, CommandRecord, CommandState, NewCommand, SentFacts
from app.commands.rules import UNREADABLE_ANSWER, Actor, may_have_effect, sources
from app.database.prepared import Prepared, Row, Run
from app.database.repository import Repository, columns_of
from app.database.schema import CHARGE_POINTS, charge_point_named, is_charge_point_of
from app.database.statements import Statement
from app.database.text import json_text
from app.ocpp.v16 import RegistrationStatus
from app.types import Json, TenantId

_TABLE = tables.commands
_COLUMNS = columns_of(CommandRecord, _TABLE, identity=CHARGE_POINTS.c.identity)
_NAMES = tuple(field.name for field in fields(CommandRecord))
_JSON_NAMES: Final = ("payload", "result", "error", "late_result", "effect")

_REFUSED: tuple[CommandState, ...] = ("rejected", "call_error")
_STORED: Final = tuple(field.name for field in fields(CommandRecord) if field.name != "identity")
# A unit of work would decode what is of type `jsonb`, a connection by itself would not.
RETURNED: Final = ", ".join(
    f"cast({name} as text) as {name}" if name in _JSON_NAMES else name for name in _STORED
)
"""The columns of a command, as a statement returns them that `record_of` reads."""
_RECORDED: Final = ", ".join(f"recorded.{name}" for name in _STORED)
_IDENTITY: Final = (
    "(select identity from charge_points where charge_points.tenant_id = commands.tenant_id"
    " and charge_points.id = commands.charge_point_id) as identity"
)


def _select(*conditions: Any) -> Select[Any]:
    joined = _TABLE.join(CHARGE_POINTS, is_charge_point_of(_TABLE))
    statement = select(*_COLUMNS).select_from(joined)
    return statement.where(_TABLE.c.tenant_id == bindparam("tenant_id"), *conditions)


_ONE: Final = Statement(_select(_TABLE.c.id == bindparam("command_id")))


# These texts contain only constants of our own.
_RECORD: Final = Statement(
    text(
        f"""
        with point as (
            select id, identity, registration_status,
                coalesce(id = cast(:owned_id as bigint), false) as is_owned
            from charge_points
            where tenant_id = cast(:tenant_id as bigint) and identity = cast(:identity as text)
        ), queue as (
            select count(*) as length from (
                select from (
                    select state from commands
                    where tenant_id = cast(:tenant_id as bigint)
                        and charge_point_id = (select id from point)
                        and created_at > cast(:none_waits_since as timestamptz)
                    -- Keeps the planner from the index of all open commands: there may be a great many.
                    offset 0
                ) as recent
                where state = any(cast(:counted as text[])) limit cast(:queue_limit as bigint)
            ) as queued
        ), recorded as (
            insert into commands (id, tenant_id, charge_point_id, action, payload, state, created_at,
                deadline_at, finished_at, worker, epoch, timeout_s, issued_by, idempotency_key,
                request_digest, credential_hash, has_effects)
            select cast(:id as uuid), cast(:tenant_id as bigint), point.id, cast(:action as text),
                cast(:payload as jsonb), case when is_owned then 'queued' else 'offline' end,
                cast(:created_at as timestamptz), cast(:deadline_at as timestamptz),
                case when not is_owned then cast(:created_at as timestamptz) end,
                case when is_owned then cast(:worker as text) end,
                case when is_owned then cast(:epoch as bigint) end,
                cast(:timeout_s as double precision), cast(:issued_by as text),
                cast(:idempotency_key as text), cast(:request_digest as bytea),
                case when is_owned then cast(:credential_hash as bytea) end,
                cast(:has_effects as boolean)
            from point, queue
            where registration_status <> all (cast(:refusing as text[]))
                and (not is_owned or length < cast(:queue_limit as bigint))
            on conflict do nothing
            returning {RETURNED}
        )
        select point.registration_status, length >= cast(:queue_limit as bigint) as is_queue_full,
            point.identity, {_RECORDED}
        from point cross join queue left join recorded on true
        """  # noqa: S608
    ),
    writes_events=True,
)
_KNOWN: Final = Statement(
    text(
        f"""
        select {RETURNED}, {_IDENTITY} from commands
        where tenant_id = cast(:tenant_id as bigint)
            and (id = cast(:id as uuid) or idempotency_key = cast(:idempotency_key as text))
        """  # noqa: S608
    )
)
_SENT: Final = Statement(
    text(
        """
        update commands set state = 'sent', worker = cast(:worker as text), epoch = cast(:epoch as bigint),
            sent_at = cast(:at as timestamptz)
        where id = cast(:id as uuid) and tenant_id = cast(:tenant_id as bigint)
            and state = any(cast(:sources as text[]))
        returning id
        """
    ),
    writes_events=True,
)
_FINISH: Final = Statement(
    text(
        f"""
        update commands set state = cast(:state as text), finished_at = cast(:at as timestamptz),
            result = cast(:result as jsonb), error = cast(:error as jsonb),
            worker = coalesce(cast(:worker as text), worker),
            epoch = coalesce(cast(:epoch as bigint), epoch),
            sent_at = coalesce(sent_at, cast(:sent_at as timestamptz)),
            effect_due_at = case when effect is null then cast(:at as timestamptz) + make_interval(
                secs => cast(cast(:windows as jsonb) ->> action as double precision)) end
        where id = cast(:id as uuid) and tenant_id = cast(:tenant_id as bigint)
            and state = any(cast(:sources as text[]))
            and not (cast(:only_without_effects as boolean) and has_effects)
        returning {RETURNED}, {_IDENTITY}
        """  # noqa: S608
    ),
    writes_events=True,
)


class Recorded(NamedTuple):
    """The result of recording a command. command None: it was not recorded."""

    registration_status: RegistrationStatus
    is_queue_full: bool
    command: CommandRecord | None


class End(NamedTuple):
    """How a command ends, and who ends it.

    sent: when it was sent, if that worker knows it; windows: JSON text of the seconds after which an effect
    is overdue, by action.
    """

    state: CommandState
    result: Json | None = None
    error: Json | None = None
    sent: SentFacts | None = None
    by: Actor = "owner"
    windows: str = "{}"


class CommandSteps:
    """Changes the state of one tenant's commands.

    Each method raises StoreUnavailable if the database is away or too slow; the step may be done or not.
    """

    __slots__ = ("_run", "_tenant_id")

    def __init__(self, run: Run, tenant_id: TenantId) -> None:
        self._run = run
        self._tenant_id = tenant_id

    async def record(
        self,
        command: NewCommand,
        *,
        refusing: Collection[RegistrationStatus],
        queue_limit: int,
        gives_way: bool = False,
    ) -> Recorded | None:
        """Record a command as `queued`, or as `offline` if no session of this charge point owns it.

        It is not recorded if a registration in `refusing` forbids it, if `queue_limit` commands wait already
        (gives_way: if any waits, or has been sent), or if it was recorded before (see `known`). None: the
        charge point does not exist.
        """
        owner = command.owner
        values = {
            "id": command.id,
            "tenant_id": self._tenant_id,
            "identity": command.identity,
            "action": command.action,
            "payload": json_text(command.payload),
            "created_at": command.created_at,
            "deadline_at": command.deadline_at,
            "timeout_s": command.timeout_s,
            "issued_by": command.issued_by,
            "idempotency_key": command.idempotency_key,
            "request_digest": command.request_digest,
            "credential_hash": command.credential_hash,
            "has_effects": command.has_effects,
            "owned_id": None if owner is None else owner.charge_point_id,
            "worker": None if owner is None else owner.worker,
            "epoch": None if owner is None else owner.epoch,
            "refusing": list(refusing),
            "queue_limit": 1 if gives_way else queue_limit,
            "counted": ["queued", "sent"] if gives_way else ["queued"],
            # A command that was recorded longer ago than any may wait is overdue, or has ended.
            "none_waits_since": command.created_at - (command.deadline_at - command.created_at),
        }
        rows = await self._run(_RECORD, values)
        if not rows:
            return None
        (row,) = rows
        recorded = None if row["id"] is None else record_of(row)
        return Recorded(row["registration_status"], row["is_queue_full"], recorded)

    async def known(self, command: NewCommand) -> CommandRecord | None:
        """Return the command that was recorded before: this one, or another under its idempotency key."""
        return await self.known_under(command.id, command.idempotency_key)

    async def known_under(self, command_id: UUID, idempotency_key: str | None) -> CommandRecord | None:
        """Return the command with an id, or under an idempotency key."""
        values = {"id": command_id, "tenant_id": self._tenant_id, "idempotency_key": idempotency_key}
        rows = await self._run(_KNOWN, values)
        return record_of(rows[0]) if rows else None

    async def sent(self, command_id: UUID, facts: SentFacts) -> bool:
        """Note that the CALL was sent on a session of a worker. False: the command is not queued any more."""
        leaving = list(sources("sent", "owner"))
        values = {"id": command_id, "tenant_id": self._tenant_id, "sources": leaving, **facts._asdict()}
        return bool(await self._run(_SENT, values))

    async def finish(
        self, command_id: UUID, end: End, at: datetime, *, only_without_effects: bool = False
    ) -> CommandRecord | None:
        """End a command and return it. None: it has ended before, and that end stays; or there is none.

        only_without_effects: return None also if its end may change other rows: both then belong into one
        unit of work.
        """
        worker, epoch, sent_at = (None, None, None) if end.sent is None else end.sent
        values = {
            "id": command_id,
            "tenant_id": self._tenant_id,
            "state": end.state,
            "sources": list(sources(end.state, end.by)),
            "at": at,
            "result": _optional_json(end.result),
            "error": _optional_json(end.error),
            "windows": end.windows if may_have_effect(end.state, end.error) else "{}",
            "worker": worker,
            "epoch": epoch,
            "sent_at": sent_at,
            "only_without_effects": only_without_effects,
        }
        rows = await self._run(_FINISH, values)
        return record_of(rows[0]) if rows else None


class CommandStore(Repository):
    """Reads the commands of one tenant, and keeps late answers."""

    async def get(self, command_id: UUID) -> CommandRecord | None:
        """Return one command."""
        values = {"tenant_id": self.tenant_id, "command_id": command_id}
        row = (await self.connection.execute(_ONE.clause, values)).one_or_none()
        return CommandRecord(*row) if row is not None else None

    async def page(
        self,
        limit: int,
        after: tuple[datetime, UUID] | None = None,
        filters: CommandFilter | None = None,
    ) -> list[CommandRecord]:
        """Return commands, the newest first. after: (created_at, id) of the last one that was seen."""
        statement = _select(*_conditions(filters or CommandFilter()))
        if after is not None:
            statement = statement.where(tuple_(_TABLE.c.created_at, _TABLE.c.id) < tuple_(*after))
        statement = statement.order_by(_TABLE.c.created_at.desc(), _TABLE.c.id.desc()).limit(limit)
        rows = await self.connection.execute(statement, {"tenant_id": self.tenant_id})
        return [CommandRecord(*row) for row in rows]

    async def another_may_have_set(self, command: CommandRecord) -> bool:
        """Tell whether the charge point may have taken the key of a command from another one.

        An expired command may have been sent without a record of it. Only a refusal proves that the key was
        not taken, or that the command was never sent to an owner.
        """
        late = _TABLE.c.late_result
        late_refusal = late["state"].astext.in_(_REFUSED) & _is_readable(late["error"])
        refusal = _TABLE.c.state.in_(_REFUSED) & _is_readable(_TABLE.c.error)
        statement = select(_TABLE.c.id).where(
            _TABLE.c.tenant_id == self.tenant_id,
            _TABLE.c.charge_point_id == command.charge_point_id,
            _TABLE.c.credential_hash == command.credential_hash,
            _TABLE.c.id != command.id,
            _TABLE.c.state.not_in(("offline", "cancelled")),
            refusal.is_(False),
            func.coalesce(late_refusal, False).is_(False),
        )
        return (await self.connection.execute(statement.limit(1))).first() is not None

    async def late(self, command_id: UUID, result: Json) -> bool:
        """Keep an answer that came after the end; the first late one stays."""
        statement = update(_TABLE).where(
            _TABLE.c.id == command_id, _TABLE.c.tenant_id == self.tenant_id, _TABLE.c.late_result.is_(None)
        )
        statement = statement.values(late_result=result)
        return (await self.connection.execute(statement.returning(_TABLE.c.id))).one_or_none() is not None


async def read_command(reads: Prepared, tenant_id: TenantId, command_id: UUID) -> CommandRecord | None:
    """Return one command by a prepared statement, without a unit of work."""
    rows = await reads.of(tenant_id)(_ONE, {"tenant_id": tenant_id, "command_id": command_id})
    return record_of(rows[0]) if rows else None


def _is_readable(error: ColumnElement[Any]) -> ColumnElement[bool]:
    """Return the condition that an error, if there is one, is an answer that could be read."""
    return func.coalesce(error["code"].astext, "") != UNREADABLE_ANSWER


def record_of(row: Row) -> CommandRecord:
    """Return the command in a row, whose JSON columns are texts."""
    values = {name: row[name] for name in _NAMES}
    for name in _JSON_NAMES:
        if values[name] is not None:
            values[name] = orjson.loads(values[name])
    return CommandRecord(**values)


def _conditions(filters: CommandFilter) -> list[Any]:
    conditions: list[Any] = []
    if filters.identity is not None:
        conditions.append(_TABLE.c.charge_point_id == charge_point_named(filters.identity))
    if filters.action is not None:
        conditions.append(_TABLE.c.action == filters.action)
    if filters.bulk_id is not None:
        conditions.append(_TABLE.c.bulk_id == filters.bulk_id)
    if filters.state is not None:
        conditions.append(_TABLE.c.state == filters.state)
    return conditions


def _optional_json(value: Json | None) -> str | None:
    return None if value is None else json_text(value)
