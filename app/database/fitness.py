"""Checks at the start whether a database server keeps what is written, and what is in between.

A pooler may ignore the settings of sessions, or share a connection of the server between sessions. Then a
commit might not be flushed although the server was asked for that, and nothing would show it.
"""

from typing import Final

import asyncpg

from app.database.address import read_address
from app.database.connecting import StationConnection, connect

_ASKED: Final = {"synchronous_commit": "on", "jit": "off", "enable_hashjoin": "off"}
"""Of the settings that connections need: durability, and two that no server has by default."""
_SHOW: Final = "select current_setting($1)"


class UnfitServerError(RuntimeError):
    """The database server, or a pooler before it, cannot be used. The text is one line."""


async def check_server(url: str) -> None:
    """Check that the server writes and flushes, and that DATABASE_URL tells which pooler is in between.

    Raises:
        UnfitServerError: it does not fit; the text says why.
        OSError, asyncpg.PostgresError, PoolerError: see `connect`.
    """
    # Without settings of our own: not all connections have them.
    plain = await connect(url, "check")
    try:
        await check_durability(plain)
        await _check_writable(plain)
        if read_address(url).pooler != "transaction":
            await _check_pooler(url, plain)
    finally:
        plain.terminate()


async def check_durability(connection: StationConnection) -> None:
    """Check that a commit is flushed to the disk.

    Raises:
        UnfitServerError: a setting of the server, role or database says otherwise.
    """
    for name in ("fsync", "synchronous_commit"):
        if await connection.fetchval(_SHOW, name) == "off":
            raise UnfitServerError(f"PostgreSQL runs with {name}=off: an acknowledged record could be lost")


async def _check_writable(connection: StationConnection) -> None:
    if await connection.fetchval("select pg_is_in_recovery()"):
        raise UnfitServerError("the server is a standby, which cannot write")
    if await connection.fetchval(_SHOW, "transaction_read_only") == "on":
        raise UnfitServerError(
            "transactions are read only: default_transaction_read_only of role or database"
        )


async def _check_pooler(url: str, first: StationConnection) -> None:
    second = await connect(url, "check", _ASKED)
    try:
        processes = [await one.fetchval("select pg_backend_pid()") for one in (first, second)]
        if processes[0] == processes[1]:
            raise UnfitServerError(
                "a pooler shares a connection of the server between sessions: "
                "add pooler=transaction to the URL"
            )
        for name, value in _ASKED.items():
            if await second.fetchval(_SHOW, name) != value:
                raise UnfitServerError(
                    f"a pooler ignores the settings of sessions, {name} among them, so commits might not "
                    "be flushed: add pooler=session or pooler=transaction to the URL"
                )
    except (asyncpg.InvalidSQLStatementNameError, asyncpg.DuplicatePreparedStatementError):
        raise UnfitServerError(
            "a pooler loses prepared statements: add pooler=transaction to the URL"
        ) from None
    finally:
        second.terminate()
