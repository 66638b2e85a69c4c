"""A statement without a condition sees and changes the rows of its tenant only (THREATS 7)."""

import asyncio
import datetime
import decimal
import itertools
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from sqlalchemy import Column, Table, delete, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.exc import ProgrammingError

from app.charge_points.store import ChargePointStore
from app.database import connecting
from app.database.database import Database
from app.database.prepared import Prepared
from app.database.schema import collect_tables
from app.database.statements import Statement
from app.errors import InvalidInput
from app.settings import Settings
from app.tenants.records import TenantRecord
from app.tenants.store import TenantStore
from app.types import TenantId
from tests.support.pgbouncer import pgbouncer

_TABLES = {table.name: table for table in collect_tables().sorted_tables}
OF_TENANTS = sorted(name for name, table in _TABLES.items() if "tenant_id" in table.c)
_NUMBERS = itertools.count(1)
_TENANTS_SEEN = Statement(
    text("select array_agg(distinct tenant_id) as seen, current_user from charge_points")
)
_DIVIDED = Statement(text("select 1 / cast(:divisor as integer) as quotient"))
_SLOW = Statement(text("select pg_sleep(60)"))
_ALL_COLUMNS = Statement(text("select * from widening"))
_WIDEN = """
    create table widening (tenant_id bigint);
    grant select on widening to stationmaster_app;
    insert into widening values (1)
"""

_POLICIES = """
    select relname, relrowsecurity, coalesce(string_agg(pg_get_expr(polqual, polrelid), ''), '') as condition
    from pg_class left join pg_policy on polrelid = pg_class.oid
    where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relispartition
    group by pg_class.oid
"""
_CHECKS = """
    select conrelid::regclass::text as of, conname from pg_constraint
    where contype = 'c' and connamespace = 'public'::regnamespace and conparentid = 0 and coninhcount = 0
"""


@pytest.fixture
async def owner(settings: Settings) -> AsyncIterator["asyncpg.Connection[Any]"]:
    connection = await asyncpg.connect(settings.database_url)
    yield connection
    await connection.close()


async def test_every_table_with_rows_of_tenants_has_a_policy(owner: "asyncpg.Connection[Any]") -> None:
    found = {row["relname"]: row for row in await owner.fetch(_POLICIES)}
    for name in (*OF_TENANTS, "tenants"):
        column = "id" if name == "tenants" else "tenant_id"
        assert found[name]["relrowsecurity"], f"{name} has no policy: see migration 0074"
        assert found[name]["condition"].startswith(f"({column} = "), name


def _value(column: Column[Any], number: int) -> Any:
    """Return a value of a column that no other number has, if its type has enough values."""
    if isinstance(column.type, ARRAY):
        return []
    kind = column.type.python_type
    values: dict[type, Any] = {
        int: number,
        str: f"text {number}",
        bytes: f"bytes {number}".encode(),
        bool: False,
        float: 1.0,
        decimal.Decimal: 1,
        dict: {},
        object: {},
        list: [],
        uuid.UUID: uuid.uuid4(),
        datetime.datetime: datetime.datetime.now(datetime.UTC),
        datetime.date: datetime.datetime.now(datetime.UTC).date(),
        datetime.timedelta: datetime.timedelta(1),
    }
    return values[kind]


def _row(table: Table, tenant_id: int) -> dict[str, Any]:
    number = next(_NUMBERS) + 1000
    needed = [one for one in table.c if not one.nullable and one.server_default is None and not one.identity]
    return {column.name: _value(column, number) for column in needed} | {"tenant_id": tenant_id}


@pytest.fixture
async def bare(owner: "asyncpg.Connection[Any]") -> None:
    """Take everything away that is not about tenants: made-up rows fit, and the role may do everything."""
    for check in await owner.fetch(_CHECKS):
        await owner.execute(f'alter table {check["of"]} drop constraint "{check["conname"]}"')
    await owner.execute("grant all on all tables in schema public to stationmaster_app")
    await owner.execute("grant all on all sequences in schema public to stationmaster_app")


@pytest.mark.usefixtures("bare")
async def test_a_statement_without_a_condition_finds_the_rows_of_its_tenant_only(
    database: Database, tenant: TenantRecord
) -> None:
    async with database.platform() as work:
        other = await TenantStore(work).create("policies", "Policies")
    for name in OF_TENANTS:
        table = _TABLES[name]
        async with database.platform() as platform:
            # Rows that refer to nothing, and tell nothing.
            await platform.connection.execute(text("set local session_replication_role = replica"))
            for one in (tenant, other):
                await platform.connection.execute(delete(table).where(table.c.tenant_id == one.id))
                await platform.connection.execute(insert(table).values(_row(table, one.id)))
            everything = (await platform.connection.execute(select(func.count()).select_from(table))).scalar()
        assert everything is not None
        assert everything >= 2
        async with database.tenant(tenant.id) as work:
            seen = (await work.connection.execute(select(table.c.tenant_id))).scalars().all()
            assert seen == [tenant.id], name
            changed = await work.connection.execute(update(table).values(tenant_id=table.c.tenant_id))
            assert changed.rowcount == 1, name
            with pytest.raises(ProgrammingError, match="row-level security"):
                async with work.connection.begin_nested():
                    await work.connection.execute(insert(table).values(_row(table, other.id)))
            with pytest.raises(ProgrammingError, match="row-level security"):
                async with work.connection.begin_nested():
                    await work.connection.execute(update(table).values(tenant_id=other.id))
            deletion = await work.connection.begin_nested()
            assert (await work.connection.execute(delete(table))).rowcount == 1, name
            await deletion.rollback()
        async with database.platform() as platform:
            left = (await platform.connection.execute(select(func.count()).select_from(table))).scalar()
            assert left == everything, name
    async with database.tenant(tenant.id) as work:
        assert (await work.connection.execute(select(_TABLES["tenants"].c.id))).scalars().all() == [tenant.id]


@pytest.fixture
async def tenants(database: Database) -> list[TenantId]:
    """Make five tenants with a charge point each."""
    found = []
    for _ in range(5):
        async with database.platform() as platform:
            made = await TenantStore(platform).create(f"within-{next(_NUMBERS)}", "Within")
        async with database.tenant(made.id) as work:
            await ChargePointStore(work).create("CP-1")
        found.append(TenantId(made.id))
    return found


@pytest.fixture
async def steps(database: Database) -> AsyncIterator[Prepared]:
    steps = database.steps("within tenants")
    yield steps
    await steps.close()


async def _see(prepared: Prepared, tenant_id: TenantId | None) -> None:
    run = prepared.rows if tenant_id is None else prepared.of(tenant_id)
    (row,) = await run(_TENANTS_SEEN, {})
    if tenant_id is None:
        assert len(row["seen"]) >= 5, row
        assert row["current_user"] == "postgres"
    else:
        assert (row["seen"], row["current_user"]) == ([tenant_id], "stationmaster_app")


async def test_prepared_statements_of_many_tenants_share_connections(
    database: Database, steps: Prepared, tenants: list[TenantId]
) -> None:
    for prepared in (database.reads, steps):
        await asyncio.gather(*(_see(prepared, one) for _ in range(40) for one in (*tenants, None)))


async def test_what_fails_on_a_connection_leaves_the_next_statement_alone(
    steps: Prepared, tenants: list[TenantId]
) -> None:
    one, another = tenants[:2]
    for divisor in (0, "not a number", 2**70):
        with pytest.raises(InvalidInput):
            await steps.of(one)(_DIVIDED, {"divisor": divisor})
        await _see(steps, None)
        with pytest.raises(InvalidInput):
            await steps.of(one)(_DIVIDED, {"divisor": divisor})
        await _see(steps, another)
    given_up = asyncio.ensure_future(steps.of(one)(_SLOW, {}))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(given_up, 0.2)
    await asyncio.gather(*(_see(steps, tenant_id) for _ in range(10) for tenant_id in (another, None)))


async def test_a_statement_is_prepared_again_after_a_migration(
    steps: Prepared, tenants: list[TenantId], owner: "asyncpg.Connection[Any]"
) -> None:
    await owner.execute(_WIDEN)
    run = steps.of(tenants[0])
    assert [len([*row.values()]) for row in await run(_ALL_COLUMNS, {})] == [1]
    await owner.execute("alter table widening add column more text")
    assert [len([*row.values()]) for row in await run(_ALL_COLUMNS, {})] == [2]


async def test_the_tenant_costs_no_round_trip(
    database: Database, steps: Prepared, tenants: list[TenantId], monkeypatch: pytest.MonkeyPatch
) -> None:
    await _see(steps, tenants[0])
    found: list[str] = []
    execute = connecting.StationConnection.execute

    async def noted(connection: Any, query: str, *arguments: Any, **options: Any) -> str:
        found.append(query.partition(";")[0])
        return await execute(connection, query, *arguments, **options)

    monkeypatch.setattr(connecting.StationConnection, "execute", noted)
    await _see(steps, tenants[1])
    assert found == []
    async with database.tenant(tenants[0]) as work:
        await work.connection.execute(select(1))
    assert found == ["BEGIN", "COMMIT"]


@pytest.mark.parametrize("mode", ["session", "transaction"])
async def test_poolers_keep_tenants_apart(
    settings: Settings, engine_directory: Path, tenants: list[TenantId], mode: str
) -> None:
    with pgbouncer(engine_directory, str(settings.database_url), mode) as pooled:
        database = await Database.open(f"{pooled}&pooler={mode}")
        try:
            await asyncio.gather(*(_see(database.reads, one) for _ in range(10) for one in (*tenants, None)))
            for one in tenants:
                async with database.tenant(one) as work:
                    assert (await work.rows(_TENANTS_SEEN, {}))[0]["seen"] == [one]
        finally:
            await database.close()


@pytest.mark.parametrize("pooler", ["none", "transaction"])
async def test_a_connection_whose_transaction_did_not_begin_is_ended(settings: Settings, pooler: str) -> None:
    """Otherwise the next statements would run inside of that transaction, for its tenant."""
    connection = await connecting.connect(f"{settings.database_url}&pooler={pooler}", "test")
    connection.scope = "select 1 / 0;"
    with pytest.raises(asyncpg.DivisionByZeroError):
        async with connection.transaction():
            raise AssertionError
    assert connection.is_closed()
