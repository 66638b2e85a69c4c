"""Running servers and a migration: a short wait at most, and a schema that still fits them.

The code of the version before is not here. Its statements fit, if the newest migration only adds, or
makes a column optional.
"""

from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import asyncpg
import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from app.database import migrations
from app.database.database import driver_arguments
from app.database.migrations import TableLockedError, migrate, upgrading
from app.database.migrations.upgrading import configuration
from app.server.migration import MigrationError, bring_up_to_date
from tests.support.engines import with_database
from tests.support.processes import PEPPER

_DATABASE = "of_the_version_before"


@pytest.fixture
async def before_url(database_url: str) -> AsyncIterator[str]:
    """A database with the schema of the newest revision but one."""
    server = await asyncpg.connect(database_url)
    await server.execute(f"create database {_DATABASE}")
    url = with_database(database_url, _DATABASE)
    engine = create_async_engine(
        "postgresql+asyncpg://", connect_args=driver_arguments(url, "test"), poolclass=NullPool
    )

    def work(connection: Connection) -> None:
        command.upgrade(configuration(connection), _revision_before())
        connection.commit()

    async with engine.connect() as connection:
        await connection.run_sync(work)
    await engine.dispose()
    yield url
    await server.execute(f"drop database {_DATABASE} with (force)")
    await server.close()


def _revision_before() -> str:
    scripts = ScriptDirectory(str(next(iter(migrations.__path__))))
    head = scripts.get_revision(scripts.get_current_head() or "")
    assert head is not None
    assert isinstance(head.down_revision, str)
    return head.down_revision


class _Column(NamedTuple):
    kind: str
    may_be_left_out: bool


async def _columns(connection: Any) -> dict[tuple[str, str], _Column]:
    rows = await connection.fetch(
        """
        select table_name, column_name, data_type, is_nullable = 'YES'
            or column_default is not null or is_identity = 'YES' or is_generated = 'ALWAYS'
        from information_schema.columns where table_schema = 'public'
        """
    )
    return {(table, column): _Column(kind, optional) for table, column, kind, optional in rows}


async def test_the_newest_migration_only_adds(before_url: str) -> None:
    connection = await asyncpg.connect(before_url)
    before = await _columns(connection)
    await migrate(before_url)
    after = await _columns(connection)
    await connection.close()
    changed = {place: after.get(place) for place, column in before.items() if after.get(place) != column}
    # A column that the servers of before fill may be left out by the new ones.
    loosened = {place: before[place]._replace(may_be_left_out=True) for place in changed}
    assert changed == loosened
    tables = {table for table, _ in before}
    added = {place: column for place, column in after.items() if place not in before}
    in_old_tables = {place: column for place, column in added.items() if place[0] in tables}
    assert all(column.may_be_left_out for column in in_old_tables.values()), in_old_tables


async def test_a_locked_table_is_tried_again_and_then_told_in_one_line(
    before_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upgrading, "LOCK_TIMEOUT_S", 0.2)
    reader = await asyncpg.connect(before_url)
    async with reader.transaction():
        # Each migration writes to this table.
        await reader.execute("lock table alembic_version in exclusive mode")
        with pytest.raises(TableLockedError):
            await migrate(before_url, patience_s=0)
        monkeypatch.setattr(migrations.migrate, "__kwdefaults__", {"patience_s": 0.0})
        with pytest.raises(MigrationError, match=r"^DATABASE_URL: a table stays locked: .* pg_dump") as told:
            await bring_up_to_date(before_url, PEPPER)
        assert "\n" not in str(told.value)
        assert await reader.fetchval("select version_num from alembic_version") == _revision_before()
    monkeypatch.undo()
    await migrate(before_url)
    assert await reader.fetchval("select version_num from alembic_version") != _revision_before()
    await reader.close()


async def test_a_migration_is_tried_until_the_lock_is_free(
    before_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upgrading, "LOCK_TIMEOUT_S", 0.2)
    reader = await asyncpg.connect(before_url)
    transaction = reader.transaction()
    await transaction.start()
    await reader.execute("lock table alembic_version in exclusive mode")
    pauses: list[float] = []

    async def release(seconds: float) -> None:
        pauses.append(seconds)
        await transaction.rollback()

    monkeypatch.setattr("app.database.migrations.upgrading.asyncio.sleep", release)
    await migrate(before_url)
    assert len(pauses) == 1
    assert await reader.fetchval("select version_num from alembic_version") != _revision_before()
    await reader.close()
