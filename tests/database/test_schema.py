"""The migrations build exactly what the tables declare."""

from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine

from app.database.database import driver_arguments
from app.database.migrations import migrate
from app.database.partitions import PARTITIONED
from app.database.schema import collect_tables


def _differences(connection: Connection) -> list[Any]:
    options = {"include_name": _is_no_partition}
    return list(compare_metadata(MigrationContext.configure(connection, opts=options), collect_tables()))


def _is_no_partition(name: str | None, kind: str, parents: Any) -> bool:
    """Partitions are made as time goes on, like their table."""
    partitions = tuple(f"{table.name}_" for table in PARTITIONED)
    return kind != "table" or name is None or not name.startswith(partitions)


async def test_migrations_build_the_declared_tables(database_url: str) -> None:
    engine = create_async_engine("postgresql+asyncpg://", connect_args=driver_arguments(database_url, "test"))
    async with engine.connect() as connection:
        differences = await connection.run_sync(_differences)
    await engine.dispose()
    assert differences == []


async def test_migrating_again_changes_nothing(database_url: str) -> None:
    await migrate(database_url)
