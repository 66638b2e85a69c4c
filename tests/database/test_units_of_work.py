"""Units of work on pooled connections that the database has ended, as it does at a restart."""

import asyncio

import asyncpg
from sqlalchemy import text

from app.database.database import Database
from app.settings import Settings

_END_ALL = """
    select count(pg_terminate_backend(pid, 10000)) from pg_stat_activity
    where application_name = 'stationmaster work' and datname = current_database()
"""
_AT_ONCE = 4


async def test_they_outlive_their_connections(database: Database, settings: Settings) -> None:
    first = await _backends(database)
    assert len(first) == _AT_ONCE
    operator = await asyncpg.connect(settings.database_url)
    try:
        assert await operator.fetchval(_END_ALL) >= _AT_ONCE
    finally:
        await operator.close()
    # The loop reads the ends, which lie in the sockets already.
    for _ in range(3):
        await asyncio.sleep(0)
    assert not first & await _backends(database)


async def _backends(database: Database) -> set[int]:
    """Return the backends of some units of work at once."""
    everyone = asyncio.Barrier(_AT_ONCE)

    async def backend() -> int:
        async with database.platform() as work:
            found = (await work.connection.execute(text("select pg_backend_pid()"))).scalar_one()
            await everyone.wait()
        return int(found)

    return set(await asyncio.gather(*(backend() for _ in range(_AT_ONCE))))
