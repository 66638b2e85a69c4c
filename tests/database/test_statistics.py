"""A table that has grown since its last statistics gets new ones."""

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import asyncpg
import pytest

from app.database import statistics
from app.database.database import Database

_ROWS = 20_000


@pytest.fixture
async def grown(database_url: str) -> AsyncIterator["asyncpg.Connection[Any]"]:
    """A connection to a database with two new tables, a large one with an odd name and a small one."""
    opened = await asyncpg.connect(database_url)
    await opened.execute(
        'create table "Grown table" with (autovacuum_enabled = off) as '
        f"select generate_series(1, {_ROWS}) as id"
    )
    await opened.execute("create table small with (autovacuum_enabled = off) as select 1 as id")
    yield opened
    await opened.execute('drop table "Grown table"; drop table small')
    await opened.close()


async def known_rows(connection: "asyncpg.Connection[Any]", name: str) -> float:
    found: float = await connection.fetchval("select reltuples from pg_class where relname = $1", name)
    return found


async def test_a_table_without_statistics_gets_them_once(
    database: Database, grown: "asyncpg.Connection[Any]"
) -> None:
    assert await known_rows(grown, "Grown table") == -1
    assert '"Grown table"' in await statistics.make_statistics(database)
    assert await known_rows(grown, "Grown table") == _ROWS
    assert await known_rows(grown, "small") == -1
    assert '"Grown table"' not in await statistics.make_statistics(database)


async def test_a_table_that_has_grown_much_gets_them_again(
    database: Database, grown: "asyncpg.Connection[Any]"
) -> None:
    await statistics.make_statistics(database)
    more = f'insert into "Grown table" select generate_series(1, {_ROWS})'
    for _ in range(6):
        await grown.execute(more)
    assert '"Grown table"' not in await statistics.make_statistics(database)
    for _ in range(2):
        await grown.execute(more)
    assert '"Grown table"' in await statistics.make_statistics(database)
    assert await known_rows(grown, "Grown table") == 9 * _ROWS


async def test_a_table_that_somebody_has_locked_is_left_for_the_next_time(
    database: Database, database_url: str, grown: "asyncpg.Connection[Any]"
) -> None:
    async with grown.transaction():
        await grown.execute('lock table "Grown table" in share update exclusive mode')
        await statistics.make_statistics(database)
        assert await known_rows(grown, "Grown table") == -1
    await statistics.make_statistics(database)
    assert await known_rows(grown, "Grown table") == _ROWS


async def test_tables_of_another_owner_are_tried_less_and_less_often(
    database: Database, database_url: str, grown: "asyncpg.Connection[Any]", monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL refuses them with a warning, which costs a connection and a line of its log each time."""
    await grown.execute("create role stranger")
    connect = asyncpg.connect

    async def connect_as_stranger(**options: Any) -> Any:
        return await connect(**options | {"server_settings": {"role": "stranger"}})

    monkeypatch.setattr(asyncpg, "connect", connect_as_stranger)
    pauses: list[float] = []
    slept = asyncio.Event()

    keeper = statistics.StatisticsKeeper(database)
    real_sleep = asyncio.sleep

    async def sleep(seconds: float) -> None:
        task = asyncio.current_task()
        if task is None or task.get_name() != "statistics":
            return await real_sleep(seconds)
        pauses.append(seconds)
        if len(pauses) >= 10:
            slept.set()
            await asyncio.Event().wait()

    monkeypatch.setattr("app.tasks.asyncio", SimpleNamespace(**{**vars(asyncio), "sleep": sleep}))
    keeper.start()
    await slept.wait()
    await keeper.close()
    assert pauses == [5, 10, 20, 40, 80, 160, 320, 600, 600, 600]
    assert await known_rows(grown, "Grown table") == -1
    await grown.execute("drop role stranger")
