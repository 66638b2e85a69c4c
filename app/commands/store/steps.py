"""The life of a command, one statement for each step. Each change is guarded by the state it leaves.

queued -> sent -> accepted | rejected | call_error | timed_out | connection_lost; queued -> offline | expired
| cancelled. The first terminal state stays. A step runs by itself (`Database.command_steps`) or, where other
rows must change with it, inside a unit of work (`TenantWork.command_steps`).
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import text

from app.commands.records import CommandRecord, CommandState, NewCommand, SentFacts
from app.commands.store.commands import JSON_NAMES, record_of
from app.commands.tables import CARRIES_CHARGING_PROFILE
from app.database.database import Database
from app.database.prepared import Prepared, Row
from app.database.statements import Statement
from app.database.text import json_text
from app.ocpp.v16 import RegistrationStatus
from app.types import Json, TenantId

Run = Callable[[Statement, Mapping[str, Any]], Awaitable[Sequence[Row]]]
"""Runs a statement; JSON goes in and comes out as text."""

_STORED: Final = tuple(field.name for field in fields(CommandRecord) if field.name != "identity")
# A unit of work would decode what is of type `jsonb`, a connection by itself would not.
_COLUMNS: Final = ", ".join(
    f"cast({name} as text) as {name}" if name in JSON_NAMES else name for name in _STORED
)
_RECORDED: Final = ", ".join(f"recorded.{name}" for name in _STORED)
_IDENTITY: Final = (
    "(select identity from charge_points where charge_points.id = commands.charge_point_id) as identity"
)

HAS_EFFECTS: Final = f"(action in ('ChangeConfiguration', 'GetConfiguration') or {CARRIES_CHARGING_PROFILE})"
"""What picks the commands whose end may change other rows, see `csms.command_effects`."""

# Only our own constants stand in these texts.
_RECORD: Final = Statement(
    text(
        f"""
        with point as (
            select id, identity, registration_status,
                coalesce(id = cast(:held_id as bigint), false) as is_held
            from charge_points
            where tenant_id = cast(:tenant_id as bigint) and identity = cast(:identity as text)
        ), queue as (
            select count(*) as length from (
                select from (
                    select state from commands
                    where charge_point_id = (select id from point)
                        and created_at > cast(:none_waits_since as timestamptz)
                    -- Keeps the planner from the index of all open commands: there may be a great many.
                    offset 0
                ) as recent
                where state = 'queued' limit cast(:queue_limit as bigint)
            ) as queued
        ), recorded as (
            insert into commands (id, tenant_id, charge_point_id, action, payload, state, created_at,
                deadline_at, finished_at, worker, epoch, timeout_s, issued_by, idempotency_key,
                request_digest, credential_hash)
            select cast(:id as uuid), cast(:tenant_id as bigint), point.id, cast(:action as text),
                cast(:payload as jsonb), case when is_held then 'queued' else 'offline' end,
                cast(:created_at as timestamptz), cast(:deadline_at as timestamptz),
                case when not is_held then cast(:created_at as timestamptz) end,
                case when is_held then cast(:worker as text) end,
                case when is_held then cast(:epoch as bigint) end,
                cast(:timeout_s as double precision), cast(:issued_by as text),
                cast(:idempotency_key as text), cast(:request_digest as bytea),
                case when is_held then cast(:credential_hash as bytea) end
            from point, queue
            where registration_status <> all (cast(:refusing as text[]))
                and (not is_held or length < cast(:queue_limit as bigint))
            on conflict do nothing
            returning {_COLUMNS}
        )
        select point.registration_status, length >= cast(:queue_limit as bigint) as is_queue_full,
            point.identity, {_RECORDED}
        from point cross join queue left join recorded on true
        """  # noqa: S608
    )
)
_KNOWN: Final = Statement(
    text(
        f"""
        select {_COLUMNS}, {_IDENTITY} from commands
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
        where id = cast(:id as uuid) and tenant_id = cast(:tenant_id as bigint) and state = 'queued'
        returning id
        """
    )
)
_FINISH: Final = Statement(
    text(
        f"""
        update commands set state = cast(:state as text), finished_at = cast(:at as timestamptz),
            result = cast(:result as jsonb), error = cast(:error as jsonb),
            worker = coalesce(cast(:worker as text), worker),
            epoch = coalesce(cast(:epoch as bigint), epoch),
            sent_at = coalesce(sent_at, cast(:sent_at as timestamptz))
        where id = cast(:id as uuid) and tenant_id = cast(:tenant_id as bigint)
            and state in ('queued', 'sent')
            and not (cast(:only_without_effects as boolean) and {HAS_EFFECTS})
        returning {_COLUMNS}, {_IDENTITY}
        """  # noqa: S608
    )
)


class Recorded(NamedTuple):
    """What became of a new command. command None: it was not recorded."""

    registration_status: RegistrationStatus
    is_queue_full: bool
    command: CommandRecord | None


class End(NamedTuple):
    """How a command ends. sent: when it went out, as far as the worker knows that ends it."""

    state: CommandState
    result: Json | None = None
    error: Json | None = None
    sent: SentFacts | None = None


class CommandSteps:
    """The steps of one tenant's commands.

    Raises, each of them:
        StoreUnavailable: the database is away or too slow; the step may be done or not.
    """

    __slots__ = ("_run", "_tenant_id")

    def __init__(self, run: Run, tenant_id: TenantId) -> None:
        self._run = run
        self._tenant_id = tenant_id

    async def record(
        self, command: NewCommand, *, refusing: Collection[RegistrationStatus], queue_limit: int
    ) -> Recorded | None:
        """Record a command: `queued`, or `offline` unless its holder has the charge point of this identity.

        None: there is no such charge point. Not recorded is what a registration in `refusing` forbids, what
        would be one more than `queue_limit` in the queue, and what was recorded before, see `known`.
        """
        holder = command.holder
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
            "held_id": None if holder is None else holder.charge_point_id,
            "worker": None if holder is None else holder.worker,
            "epoch": None if holder is None else holder.epoch,
            "refusing": list(refusing),
            "queue_limit": queue_limit,
            # What was recorded longer ago than any command may wait is overdue, whether it has ended or not.
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
        values = {
            "id": command.id,
            "tenant_id": self._tenant_id,
            "idempotency_key": command.idempotency_key,
        }
        rows = await self._run(_KNOWN, values)
        return record_of(rows[0]) if rows else None

    async def sent(self, command_id: UUID, facts: SentFacts) -> bool:
        """Note that the CALL went out on a session of a worker. False: it is not queued any more."""
        values = {"id": command_id, "tenant_id": self._tenant_id, **facts._asdict()}
        return bool(await self._run(_SENT, values))

    async def finish(
        self, command_id: UUID, end: End, at: datetime, *, only_without_effects: bool = False
    ) -> CommandRecord | None:
        """End a command and return it. None: it has ended before, and that end stays; or there is none.

        only_without_effects: None as well when its end may change other rows, which must be in one unit of
        work with it.
        """
        worker, epoch, sent_at = (None, None, None) if end.sent is None else end.sent
        values = {
            "id": command_id,
            "tenant_id": self._tenant_id,
            "state": end.state,
            "at": at,
            "result": _optional_json(end.result),
            "error": _optional_json(end.error),
            "worker": worker,
            "epoch": epoch,
            "sent_at": sent_at,
            "only_without_effects": only_without_effects,
        }
        rows = await self._run(_FINISH, values)
        return record_of(rows[0]) if rows else None


def open_command_steps(database: Database) -> Prepared:
    """Return connections on which steps run by themselves."""
    return database.prepared(
        "commands",
        # Whatever the database or the role says: who is told of an end is told of a flushed commit.
        synchronous_commit="on",
        # Each statement has the keys of its rows: to plan it anew would take longer than to run it, and a
        # small table the planner would rather read whole.
        plan_cache_mode="force_generic_plan",
        enable_seqscan="off",
    )


def _optional_json(value: Json | None) -> str | None:
    return None if value is None else json_text(value)
