"""What a failure of the database means: come back later, try again, or the data is at fault."""

from collections.abc import AsyncIterator
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
)
"""What SQLAlchemy and asyncpg raise for a failure of the database."""

# SQLSTATE classes: connection, login refused, no such database (both while an operator works on it),
# insufficient resources (disk full too), operator intervention, system error.
_TRANSIENT_CLASSES = ("08", "28", "3D", "53", "57", "58")
# A read-only server (we are connected to a standby after a failover), a transaction that idled too long.
_TRANSIENT_STATES = ("25006", "25P03")
_RETRY_STATES = ("40001", "40P01", "55P03")


class Failure(StrEnum):
    """The kinds of failure, by what to do about them."""

    CONFLICT = "conflict"
    """Serialization failure or deadlock: the same work may pass at once."""
    UNAVAILABLE = "unavailable"
    """The database is away, full or stopping: reconnect, and try until the caller's time is up."""
    DATA = "data"
    """This very data cannot be stored."""


def failure_of(error: BaseException) -> Failure:
    """Classify an error of asyncpg or of SQLAlchemy; what is unknown counts as a fault of the data."""
    if isinstance(error, DBAPIError):
        state = getattr(error.orig, "sqlstate", None)
        if error.connection_invalidated:
            return Failure.UNAVAILABLE
        if state is None and error.orig is not None and error.orig.__cause__ is not None:
            return failure_of(error.orig.__cause__)
        return _of_state(state)
    if isinstance(error, asyncpg.InvalidCachedStatementError):
        # Prepared before a migration; the next try prepares it anew.
        return Failure.CONFLICT
    if isinstance(error, asyncpg.PostgresError):
        return _of_state(error.sqlstate)
    if isinstance(error, (asyncpg.InternalClientError, OSError, TimeoutError, PoolTimeout, EOFError)):
        return Failure.UNAVAILABLE
    # asyncpg's client-side DataError is an InterfaceError as well; all other InterfaceErrors are the
    # connection's.
    if isinstance(error, asyncpg.InterfaceError) and not isinstance(error, (asyncpg.DataError, ValueError)):
        return Failure.UNAVAILABLE
    return Failure.DATA


def _of_state(state: str | None) -> Failure:
    if state is None:
        return Failure.DATA
    if state in _RETRY_STATES:
        return Failure.CONFLICT
    transient = state[:2] in _TRANSIENT_CLASSES or state in _TRANSIENT_STATES
    return Failure.UNAVAILABLE if transient else Failure.DATA


@asynccontextmanager
async def translated_errors() -> AsyncIterator[None]:
    """Translate the errors of the database inside the block; see `raise_translated`."""
    try:
        yield
    except DATABASE_ERRORS as error:
        raise_translated(error)


def raise_translated(error: Exception) -> NoReturn:
    """Raise an error of the database as what it means to a caller, or as it is.

    Raises:
        StoreUnavailable: it is away or too slow, or others were in the way; the caller may try again.
        InvalidInput: a value cannot be stored.
    """
    match failure_of(error):
        case Failure.UNAVAILABLE | Failure.CONFLICT:
            raise StoreUnavailable() from error
        case _:
            _refuse_unstorable(error)
            raise error


def _refuse_unstorable(error: BaseException) -> None:
    """Turn what no column can hold (NUL characters, numbers beyond 64 bits) into a refusal of the input."""
    state = getattr(getattr(error, "orig", error), "sqlstate", None)
    cause = getattr(getattr(error, "orig", None), "__cause__", None)
    if (state or "").startswith("22") or isinstance(cause, asyncpg.DataError | UnicodeError):
        raise InvalidInput(
            [FieldViolation("", "unstorable", "A value holds characters or a number that cannot be stored.")]
        ) from error
