"""Commands of one tenant: a resource with a state machine. Every change is guarded by the state it leaves.

queued -> sent -> accepted | rejected | call_error | timed_out | connection_lost; queued -> offline | expired
| cancelled. The first terminal state stays.
"""

from dataclasses import fields
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert

from app.store import tables
from app.store.filters import CommandFilter
from app.store.records import OPEN_COMMAND_STATES, CommandRecord, CommandState, Json
from app.store.repository import Repository, columns_of

_TABLE = tables.commands
_CHARGE_POINTS = tables.charge_points
_COLUMNS = columns_of(CommandRecord, _TABLE, identity=_CHARGE_POINTS.c.identity)
_STORED = tuple(field.name for field in fields(CommandRecord) if field.name not in {"identity", "tenant_id"})
_REFUSED: tuple[CommandState, ...] = ("rejected", "call_error")


class Commands(Repository):
    """The commands of one tenant."""

    async def insert(self, command: CommandRecord) -> CommandRecord:
        """Record a command; its tenant_id is replaced by the tenant's own.

        Returns the command itself, or the one that was recorded before under the same idempotency key: its
        `id` tells them apart, and the caller compares `request_digest`.
        """
        values = {name: getattr(command, name) for name in _STORED}
        statement = insert(_TABLE).values(tenant_id=self.tenant_id, **values)
        statement = statement.on_conflict_do_nothing(index_elements=["tenant_id", "idempotency_key"])
        inserted = (await self.connection.execute(statement.returning(_TABLE.c.id))).one_or_none()
        if inserted is not None:
            return command
        known = self._select(_TABLE.c.idempotency_key == command.idempotency_key)
        return CommandRecord(*(await self.connection.execute(known)).one())

    async def get(self, command_id: UUID) -> CommandRecord | None:
        """Return one command."""
        row = (await self.connection.execute(self._select(_TABLE.c.id == command_id))).one_or_none()
        return CommandRecord(*row) if row is not None else None

    async def page(
        self,
        limit: int,
        after: tuple[datetime, UUID] | None = None,
        filters: CommandFilter | None = None,
    ) -> list[CommandRecord]:
        """Return commands, the newest first. after: (created_at, id) of the last one seen."""
        statement = self._select(*_conditions(filters or CommandFilter()))
        if after is not None:
            statement = statement.where(tuple_(_TABLE.c.created_at, _TABLE.c.id) < tuple_(*after))
        statement = statement.order_by(_TABLE.c.created_at.desc(), _TABLE.c.id.desc()).limit(limit)
        return [CommandRecord(*row) for row in await self.connection.execute(statement)]

    async def mark_sent(self, command_id: UUID, worker: str, epoch: int, at: datetime) -> bool:
        """Note that the CALL went out on a session of a worker. False: it is not queued any more."""
        return await self._change(
            command_id, ("queued",), state="sent", worker=worker, epoch=epoch, sent_at=at
        )

    async def finish(
        self,
        command_id: UUID,
        state: CommandState,
        at: datetime,
        result: Json | None = None,
        error: Json | None = None,
    ) -> bool:
        """End a command. False: it has ended before, and that end stays."""
        return await self._change(
            command_id, OPEN_COMMAND_STATES, state=state, finished_at=at, result=result, error=error
        )

    async def another_may_have_set(self, command: CommandRecord) -> bool:
        """Tell whether the charge point may have taken the key of a command from another one.

        What expired may have gone out unrecorded: only a refusal is proof, or that it was never routed.
        """
        late_refusal = _TABLE.c.late_result["state"].astext.in_(_REFUSED)
        statement = select(_TABLE.c.id).where(
            _TABLE.c.tenant_id == self.tenant_id,
            _TABLE.c.charge_point_id == command.charge_point_id,
            _TABLE.c.credential_hash == command.credential_hash,
            _TABLE.c.id != command.id,
            _TABLE.c.state.not_in((*_REFUSED, "offline", "cancelled")),
            func.coalesce(late_refusal, False).is_(False),
        )
        return (await self.connection.execute(statement.limit(1))).first() is not None

    async def late(self, command_id: UUID, result: Json) -> bool:
        """Keep a result that came after the end; the first late one stays."""
        statement = self._update(command_id).where(_TABLE.c.late_result.is_(None))
        return await self._done(statement.values(late_result=result))

    async def _change(self, command_id: UUID, states: tuple[str, ...], **values: Any) -> bool:
        return await self._done(self._update(command_id).where(_TABLE.c.state.in_(states)).values(**values))

    def _update(self, command_id: UUID) -> Any:
        return update(_TABLE).where(_TABLE.c.id == command_id, _TABLE.c.tenant_id == self.tenant_id)

    async def _done(self, statement: Any) -> bool:
        result = await self.connection.execute(statement.returning(_TABLE.c.id))
        return result.one_or_none() is not None

    def _select(self, *conditions: Any) -> Select[Any]:
        joined = _TABLE.join(_CHARGE_POINTS, _CHARGE_POINTS.c.id == _TABLE.c.charge_point_id)
        statement = select(*_COLUMNS).select_from(joined)
        return statement.where(_TABLE.c.tenant_id == self.tenant_id, *conditions)


def _conditions(filters: CommandFilter) -> list[Any]:
    conditions: list[Any] = []
    if filters.identity is not None:
        conditions.append(_CHARGE_POINTS.c.identity == filters.identity)
    if filters.action is not None:
        conditions.append(_TABLE.c.action == filters.action)
    if filters.state is not None:
        conditions.append(_TABLE.c.state == filters.state)
    return conditions
