"""Commands of one tenant, to read; and the answer that comes after the end. Their life is `command_steps`."""

from dataclasses import fields
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import orjson
from sqlalchemy import Select, bindparam, func, select, tuple_, update

from app.charge_points import tables as charge_point_tables
from app.commands import tables
from app.commands.records import CommandFilter, CommandRecord, CommandState
from app.database.prepared import Prepared, Row
from app.database.repository import Repository, columns_of
from app.database.statements import Statement
from app.types import Json, TenantId

_TABLE = tables.commands
_CHARGE_POINTS = charge_point_tables.charge_points
_COLUMNS = columns_of(CommandRecord, _TABLE, identity=_CHARGE_POINTS.c.identity)
_NAMES = tuple(field.name for field in fields(CommandRecord))
JSON_NAMES: Final = ("payload", "result", "error", "late_result", "effect")
"""The fields of a command that are JSON."""

_REFUSED: tuple[CommandState, ...] = ("rejected", "call_error")


def _select(*conditions: Any) -> Select[Any]:
    joined = _TABLE.join(_CHARGE_POINTS, _CHARGE_POINTS.c.id == _TABLE.c.charge_point_id)
    statement = select(*_COLUMNS).select_from(joined)
    return statement.where(_TABLE.c.tenant_id == bindparam("tenant_id"), *conditions)


ONE: Final = Statement(_select(_TABLE.c.id == bindparam("command_id")))
"""A command by its id."""


def record_of(row: Row) -> CommandRecord:
    """Return the command in a row as it comes."""
    values = {name: row[name] for name in _NAMES}
    for name in JSON_NAMES:
        if values[name] is not None:
            values[name] = orjson.loads(values[name])
    return CommandRecord(**values)


class CommandStore(Repository):
    """The commands of one tenant."""

    async def get(self, command_id: UUID) -> CommandRecord | None:
        """Return one command."""
        values = {"tenant_id": self.tenant_id, "command_id": command_id}
        row = (await self.connection.execute(ONE.clause, values)).one_or_none()
        return CommandRecord(*row) if row is not None else None

    async def page(
        self,
        limit: int,
        after: tuple[datetime, UUID] | None = None,
        filters: CommandFilter | None = None,
    ) -> list[CommandRecord]:
        """Return commands, the newest first. after: (created_at, id) of the last one seen."""
        statement = _select(*_conditions(filters or CommandFilter()))
        if after is not None:
            statement = statement.where(tuple_(_TABLE.c.created_at, _TABLE.c.id) < tuple_(*after))
        statement = statement.order_by(_TABLE.c.created_at.desc(), _TABLE.c.id.desc()).limit(limit)
        rows = await self.connection.execute(statement, {"tenant_id": self.tenant_id})
        return [CommandRecord(*row) for row in rows]

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
        statement = update(_TABLE).where(
            _TABLE.c.id == command_id, _TABLE.c.tenant_id == self.tenant_id, _TABLE.c.late_result.is_(None)
        )
        statement = statement.values(late_result=result)
        return (await self.connection.execute(statement.returning(_TABLE.c.id))).one_or_none() is not None


def _conditions(filters: CommandFilter) -> list[Any]:
    conditions: list[Any] = []
    if filters.identity is not None:
        conditions.append(_CHARGE_POINTS.c.identity == filters.identity)
    if filters.action is not None:
        conditions.append(_TABLE.c.action == filters.action)
    if filters.state is not None:
        conditions.append(_TABLE.c.state == filters.state)
    return conditions


async def read_command(reads: Prepared, tenant_id: TenantId, command_id: UUID) -> CommandRecord | None:
    """Return one command by a prepared statement, without a unit of work."""
    rows = await reads.rows(ONE, {"tenant_id": tenant_id, "command_id": command_id})
    return record_of(rows[0]) if rows else None
