"""Runs prepared statements on the rows of one tenant, each in one round trip.

Role and tenant must be set in the transaction of the statement, and the driver cannot send two statements at
once. But PostgreSQL takes any number of messages before the one that ends a transaction: those of `_scope` go
to the socket, and the driver writes its own behind them. Their answers have no rows. The driver passes over
such answers while it waits for those of its statement.
"""

import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, Self

import asyncpg

from app.database.connecting import StationConnection
from app.database.roles import APP
from app.types import TenantId

if TYPE_CHECKING:
    from asyncpg.prepared_stmt import PreparedStatement

    _Prepared = PreparedStatement[asyncpg.Record]

_KEPT: Final = 100
"""The most statements that a connection keeps prepared."""
_NAME: Final = "stationmaster_scope"
# It has no row.
_PREPARE: Final = f"""
    prepare {_NAME} (text) as select 1
    where set_config('role', '{APP}', true) = set_config('stationmaster.tenant', $1, true)
"""
_OUTDATED: Final = (asyncpg.InvalidCachedStatementError, asyncpg.OutdatedSchemaCacheError)


class TenantStatements:
    """The prepared statements of one connection."""

    def __init__(self, connection: StationConnection, nothing: "_Prepared") -> None:
        """Use `of`. nothing: a statement without an effect."""
        self._connection = connection
        self._nothing = nothing
        self._prepared: dict[str, _Prepared] = {}
        self._is_settled = True

    @classmethod
    async def of(cls, connection: StationConnection) -> Self:
        """Prepare a new connection, which is ended if that fails."""
        try:
            await connection.execute(_PREPARE)
            return cls(connection, await connection.prepare("select"))
        except BaseException:
            connection.terminate()
            raise

    async def fetch(self, tenant_id: TenantId, text: str, arguments: Sequence[Any]) -> list[asyncpg.Record]:
        """Run a statement that sees and changes rows of a tenant only. Call `settle` before.

        Raises:
            OutdatedSchemaCacheError: the schema has changed. The connection is ended.
        """
        statement = self._prepared.get(text) or await self._prepare(text)
        # The driver writes the statement before it waits for anything.
        self._connection.transport.write(_scope(tenant_id))
        try:
            return await statement.fetch(*arguments)
        except _OUTDATED as error:
            self._connection.terminate()
            raise asyncpg.OutdatedSchemaCacheError(str(error)) from error
        except BaseException:
            self.unsettle()
            raise

    def unsettle(self) -> None:
        """Note that a statement of this connection has failed."""
        self._is_settled = False

    async def settle(self) -> None:
        """Let nothing be left of a statement that has failed. Call it before each statement of any kind.

        If a statement was not even sent, because of its arguments, this ends the transaction that has begun.
        After a cancelled one the driver waits here, and not after the scope of the next one.
        """
        if not self._is_settled:
            await self._nothing.fetch()
            self._is_settled = True

    async def _prepare(self, text: str) -> "_Prepared":
        if len(self._prepared) >= _KEPT:
            self._prepared.pop(next(iter(self._prepared)))
        statement = self._prepared[text] = await self._connection.prepare(text)
        return statement


def _scope(tenant_id: TenantId) -> bytes:
    """Return the messages that bind and execute what `TenantStatements.of` has prepared."""
    value = str(int(tenant_id)).encode()
    bind = b"\0%s\0" % _NAME.encode() + struct.pack("!HHi", 0, 1, len(value)) + value + struct.pack("!H", 0)
    return _message(b"B", bind) + _message(b"E", b"\0" + struct.pack("!i", 0))


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body
