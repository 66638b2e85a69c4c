"""Errors of the database as errors of the application."""

import asyncpg
import pytest

from app.database.failures import Failure, failure_of, raise_translated, translated_errors
from app.errors import InvalidInput, StoreUnavailable


def data_error(column: str | None = None) -> asyncpg.PostgresError:
    error = asyncpg.NumericValueOutOfRangeError("out of range")
    error.column_name = column
    return error


@pytest.mark.parametrize(
    ("error", "names", "field", "detail"),
    [
        (data_error("note"), (), "note", "note: holds characters or a number that cannot be stored"),
        (
            asyncpg.DataError("invalid input for query argument $2: 'x' (value out of int32 range)"),
            ("tenant_id", "limit"),
            "limit",
            "limit: holds characters or a number that cannot be stored",
        ),
        (
            asyncpg.DataError("invalid input for query argument $3: 'x'"),
            ("tenant_id",),
            "body",
            "a value holds characters or a number that cannot be stored",
        ),
        (data_error(), (), "body", "a value holds characters or a number that cannot be stored"),
    ],
)
def test_a_value_that_cannot_be_stored_is_named_where_that_is_known(
    error: Exception, names: tuple[str, ...], field: str, detail: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        raise_translated(error, names)
    assert (refused.value.field, refused.value.detail) == (field, detail)


def test_a_database_that_is_away_is_not_the_fault_of_a_value() -> None:
    with pytest.raises(StoreUnavailable):
        raise_translated(asyncpg.InterfaceError("the connection is closed"))


def test_another_failure_stays_as_it_is() -> None:
    with pytest.raises(asyncpg.UniqueViolationError):
        raise_translated(asyncpg.UniqueViolationError("duplicate key"))


async def test_a_driver_that_stumbles_over_an_ended_connection_is_an_unavailable_database() -> None:
    with pytest.raises(StoreUnavailable):
        async with translated_errors():
            asyncpg.Connection.is_closed(None)  # type: ignore[arg-type]


async def test_an_attribute_error_of_our_own_is_a_defect() -> None:
    with pytest.raises(AttributeError) as raised:
        async with translated_errors():
            _ = None.missing  # type: ignore[attr-defined]
    assert failure_of(raised.value) is Failure.DATA
