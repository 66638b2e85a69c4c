"""Statistics of tables that grow fast: of a new database, a new partition, or a restored database.

PostgreSQL plans a statement by them, and makes them itself within a minute or more. Until then it may take
any index of a table, and read much of it for each record.
"""

from typing import Final

from sqlalchemy import text

from app.database.connecting import connect
from app.database.database import Database
from app.database.failures import DATABASE_ERRORS
from app.database.statements import Statement
from app.errors import StoreUnavailable
from app.logs import get_logger
from app.tasks import PeriodicTask

_LOG = get_logger(__name__)

_PERIOD_S: Final = 5.0
_LONGEST_PERIOD_S: Final = 600.0
"""Reached while the same tables get no statistics: the role may not own them, and PostgreSQL only warns."""
_CONNECT_TIMEOUT_S: Final = 10.0
_PAGES: Final = 8
"""Of a smaller table every plan is fast."""
_GROWTH: Final = 8
"""A table that is so many times as large is another one: what few rows show does not hold for many."""

_LIST: Final = Statement(
    text(
        """
        select oid::regclass::text as name from pg_class
        where relnamespace = 'public'::regnamespace and relkind = 'r'
            and pg_relation_size(oid) / current_setting('block_size')::bigint
                >= greatest(cast(:pages as bigint), cast(:growth as bigint) * relpages)
        order by oid
        """
    )
)


class StatisticsKeeper:
    """Makes statistics of tables that have grown, for as long as a worker runs."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._loop: PeriodicTask | None = None
        self._period_s = _PERIOD_S
        self._tried: list[str] = []

    def start(self) -> None:
        """Look for tables that have grown every few seconds in the background."""
        self._loop = PeriodicTask(self._make, "statistics")

    async def close(self) -> None:
        """Stop looking."""
        if self._loop is not None:
            await self._loop.stop()
            self._loop = None

    async def _make(self) -> float:
        try:
            names = await make_statistics(self._database)
        except (*DATABASE_ERRORS, StoreUnavailable) as error:
            # PostgreSQL makes them later.
            _LOG.warning("statistics_not_made", error=str(error))
            return self._period_s
        is_in_vain = bool(names) and names == self._tried
        self._period_s = min(2 * self._period_s, _LONGEST_PERIOD_S) if is_in_vain else _PERIOD_S
        self._tried = names
        return self._period_s


async def make_statistics(database: Database) -> list[str]:
    """Make the statistics of tables that have grown much since the last ones, and return their names."""
    names = [row["name"] for row in await database.reads.rows(_LIST, {"pages": _PAGES, "growth": _GROWTH})]
    if names:
        connection = await connect(database.url, "statistics", timeout_s=_CONNECT_TIMEOUT_S)
        try:
            # Another worker may be at it. The names come from the catalog of PostgreSQL, which quotes them.
            await connection.execute(f"analyze (skip_locked) {', '.join(names)}")
        finally:
            await connection.close(timeout=_CONNECT_TIMEOUT_S)
    return names
