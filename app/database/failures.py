"""Classifies failures of the database: try again at once, try later, or the data is at fault."""

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from enum import StrEnum
from typing import Final, NoReturn

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.errors import FieldViolation, InvalidInput, StoreUnavailable

DATABASE_ERRORS: Final = (
    DBAPIError,
    PoolTimeout,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    # Of asyncpg only, see `_is_of_driver`. `raise_translated` raises one of our own as it is.
    AttributeError,
)
"""The errors that SQLAlchemy and asyncpg raise for a failure of the database."""

# SQLSTATE classes: connection, login refused, unknown database (both occur while an operator works on it),
# insufficient resources (also a full disk), operator intervention, system error.
_TRANSIENT_CLASSES = ("08", "28", "3D", "53", "57", "58")
# A read-only server (a standby, after a failover), a transaction that was idle too long, a right that is
# missing, and a table or schema that is not found: all of them until an operator has repaired it.
_TRANSIENT_STATES = ("25006", "25P03", "42501", "42P01", "3F000")
# asyncpg says which argument it cannot encode.
_ARGUMENT = re.compile(r"query argument \$(\d+)")
_RETRY_STATES = ("40001", "40P01", "55P03")


class Failure(StrEnum):
    """The kinds of failure. Each one says what to do."""

    CONFLICT = "conflict"
    """Serialization failure or deadlock: try the same work again at once."""
    UNAVAILABLE = "unavailable"
    """The database is away, full or stopping: reconnect, and try until the time of the caller is up."""
    DATA = "data"
    """This data cannot be stored: do not try again."""


def failure_of(error: BaseException) -> Failure:
    """Classify an error of asyncpg or SQLAlchemy. An unknown error counts as `DATA`."""
    if isinstance(error, DBAPIError):
        state = getattr(error.orig, "sqlstate", None)
        if error.connection_invalidated:
            return Failure.UNAVAILABLE
        if state is None and error.orig is not None and error.orig.__cause__ is not None:
            return failure_of(error.orig.__cause__)
        return _of_state(state)
    if isinstance(error, asyncpg.InvalidCachedStatementError):
        # The statement was prepared before a migration. The next try prepares it again.
        return Failure.CONFLICT
    if isinstance(error, asyncpg.PostgresError):
        return _of_state(error.sqlstate)
    if _is_of_driver(error):
        return Failure.UNAVAILABLE
    if isinstance(error, (asyncpg.InternalClientError, OSError, TimeoutError, PoolTimeout, EOFError)):
        return Failure.UNAVAILABLE
    # A DataError that asyncpg raises itself is an InterfaceError too. All other InterfaceErrors are about the
    # connection.
    if isinstance(error, asyncpg.InterfaceError) and not isinstance(error, (asyncpg.DataError, ValueError)):
        return Failure.UNAVAILABLE
    return Failure.DATA


def _is_of_driver(error: BaseException) -> bool:
    """Tell whether asyncpg has stumbled over a connection that was ended between two of its messages."""
    trace = error.__traceback__
    if not isinstance(error, AttributeError) or trace is None:
        return False
    while trace.tb_next is not None:
        trace = trace.tb_next
    return str(trace.tb_frame.f_globals.get("__name__", "")).partition(".")[0] == "asyncpg"


def _of_state(state: str | None) -> Failure:
    if state is None:
        return Failure.DATA
    if state in _RETRY_STATES:
        return Failure.CONFLICT
    transient = state[:2] in _TRANSIENT_CLASSES or state in _TRANSIENT_STATES
    return Failure.UNAVAILABLE if transient else Failure.DATA


@asynccontextmanager
async def translated_errors() -> AsyncIterator[None]:
    """Translate errors of the database that the block raises; see `raise_translated`."""
    try:
        yield
    except DATABASE_ERRORS as error:
        raise_translated(error)


def raise_translated(error: Exception, names: Sequence[str] = ()) -> NoReturn:
    """Raise an error of the application instead of an error of the database, or that error itself.

    names: of the statement's parameters, in their order, as far as they are known.

    Raises:
        StoreUnavailable: the database is away or too slow, or there was a conflict; the caller may try again.
        InvalidInput: a value cannot be stored.
    """
    match failure_of(error):
        case Failure.UNAVAILABLE:
            raise StoreUnavailable from error
        case Failure.CONFLICT:
            raise StoreUnavailable("Other changes of the same rows came in between. Try again.") from error
        case _:
            _refuse_unstorable(error, names)
            raise error


def _refuse_unstorable(error: BaseException, names: Sequence[str]) -> None:
    """Raise InvalidInput for a value that no column can hold: NUL characters, numbers beyond 64 bits."""
    state = getattr(getattr(error, "orig", error), "sqlstate", None)
    cause = getattr(getattr(error, "orig", None), "__cause__", None) or error
    if not (state or "").startswith("22") and not isinstance(cause, asyncpg.DataError | UnicodeError):
        return
    if name := _name_of_value(cause, names):
        violation = FieldViolation(name, "unstorable", "holds characters or a number that cannot be stored")
    else:
        violation = FieldViolation(
            "", "unstorable", "a value holds characters or a number that cannot be stored"
        )
    raise InvalidInput([violation]) from error


def _name_of_value(error: BaseException, names: Sequence[str]) -> str:
    """Return the name of the value at fault: its column, or its parameter; empty if it is not known."""
    column: str | None = getattr(error, "column_name", None)
    if column is not None:
        return column
    argument = _ARGUMENT.search(str(error))
    place = 0 if argument is None else int(argument[1])
    return names[place - 1] if 0 < place <= len(names) else ""
