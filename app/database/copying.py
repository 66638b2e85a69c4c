"""Binary COPY of data that the core has encoded."""

from collections.abc import Sequence
from typing import Any, cast

import asyncpg


async def copy_encoded(
    connection: "asyncpg.Connection[Any]",
    table: str,
    columns: Sequence[str],
    data: bytes,
    timeout_s: float | None = None,
) -> None:
    """Write rows to a table, in the caller's transaction or in one of their own.

    Raises:
        UniqueViolationError: a row is there already; nothing of the data was written.
    """
    # Not as `bytes`, which would count as a path, and not as a file, which a thread would read. The types do
    # not know of this third way.
    source = cast(Any, memoryview(data))
    await connection.copy_to_table(
        table, source=source, columns=list(columns), format="binary", timeout=timeout_s
    )
