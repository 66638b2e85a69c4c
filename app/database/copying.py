"""Binary COPY of rows that the core has encoded."""

from collections.abc import Sequence
from typing import Any, cast

import asyncpg


async def copy_encoded(
    connection: "asyncpg.Connection[Any]",
    table: str,
    columns: Sequence[str],
    data: bytes,
    timeout_s: float | None = None,
    then: str | None = None,
) -> None:
    """Write rows to a table, in the transaction of the caller or in one of its own.

    then: A statement without parameters that is run after it, in the same transaction and round trip.

    Raises:
        UniqueViolationError: a row exists already. Then no row was written.
    """
    # asyncpg takes `bytes` for a path, and reads a file in a thread. It also accepts a memoryview, which its
    # types do not say.
    source = cast(Any, memoryview(data))
    # A COPY is sent as a simple query: several statements in one are one transaction. Its text ends with the
    # condition of rows, and this one lets all of them in.
    where = None if then is None else f"true; {then}"
    await connection.copy_to_table(
        table, source=source, columns=list(columns), format="binary", timeout=timeout_s, where=where
    )
