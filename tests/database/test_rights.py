"""The SQL of docs/operations.md makes the roles; the server works with exactly the rights listed there."""

import contextlib
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest
from structlog.testing import capture_logs

from app.charge_points.store import ChargePointStore
from app.clock import SystemClock
from app.database.connecting import StationConnection, connect
from app.database.database import Database
from app.database.rights import ALL, Rights, held_rights, rights_of_app
from app.database.roles import APP, LEDGER, NO_ROLES, Roles
from app.errors import StoreUnavailable
from app.server.embedded import Engines
from app.server.migration import MigrationError, bring_up_to_date
from app.settings import Settings
from app.storage import Storage
from app.tenants.store import TenantStore
from tests.support.engines import execute, with_database
from tests.support.processes import PEPPER
from tests.support.store import ChargePointRecords

_PAGE = Path("docs/operations.md").read_text("utf-8").partition("## Rights\n")[2].partition("\n## ")[0]
_SQL = re.findall(r"```sql\n(.*?)```", _PAGE, re.DOTALL)
_ROW = re.compile(r"^\| `(\w+)` \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)


def _listed(cell: str) -> set[str]:
    return {"all": set(ALL), "none": set()}.get(cell, set(cell.split(", ")))


def _of_the_page(of_tenants: Iterator[str] | set[str], place: int) -> Rights:
    """Return the rights of a role: place 0: that of tenants, 1: that of the ledger."""
    rows = {name: cells for name, *cells in _ROW.findall(_PAGE) if name not in (APP, LEDGER)}
    others = {name: ["all", "none"] for name in of_tenants}
    rights = {name: _listed(cells[place]) for name, cells in {**others, **rows}.items()}
    return {name: held for name, held in rights.items() if held}


@pytest.fixture
async def url(engines: Engines) -> AsyncIterator[str]:
    """Run the SQL of the page as an administrator, and return the URL of its login."""
    administrator = engines.database_url
    [statements] = _SQL
    for statement in statements.strip().split("\n"):
        # The server of the run has the roles already; others are made.
        with contextlib.suppress(asyncpg.DuplicateObjectError):
            await execute(administrator, statement)
    parts = urlsplit(with_database(administrator, "charging"))
    yield urlunsplit(parts._replace(netloc="charging@"))
    await execute(administrator, "drop database charging with (force)")
    await execute(administrator, "drop role charging")


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[StationConnection]:
    connection = await connect(url, "test")
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def _changed(engines: Engines, change: str, back: str) -> AsyncIterator[None]:
    await execute(engines.database_url, change)
    try:
        yield
    finally:
        await execute(engines.database_url, back)


async def _charge(url: str, settings: Settings) -> Storage:
    """Serve a charge point once, and return what served it, which is closed."""
    storage = await Storage.open(url, settings, SystemClock())
    try:
        async with storage.database.platform() as platform:
            tenant = await TenantStore(platform).create("rights", "Rights")
        async with storage.database.tenant(tenant.id) as work:
            record = await ChargePointStore(work).create("CP-1")
        records = ChargePointRecords(storage, tenant, record)
        started = await storage.ledger.start_transaction(records.start())
        readings = records.readings("1", transaction_id=started.transaction_id)
        await storage.ledger.meter_values(readings)
        await storage.ledger.stop_transaction(records.stop(started.transaction_id))
        assert len(await records.values_of(started.transaction_id)) == 1
        assert await storage.sequencer.number()
    finally:
        await storage.close()
    return storage


async def test_the_server_runs_with_exactly_the_rights_of_the_page(url: str, settings: Settings) -> None:
    await bring_up_to_date(url, PEPPER)
    storage = await _charge(url, settings)
    assert storage.database.roles == Roles(app=True, ledger=True)
    async with _connected(url) as owner:
        of_tenants = {*await rights_of_app(owner)} - {"tenants"}
        assert await held_rights(owner, APP) == _of_the_page(of_tenants, 0)
        assert await held_rights(owner, LEDGER) == _of_the_page(set(), 1)
        # The next start undoes what was added and taken away.
        await owner.execute(f"grant all on api_keys to {APP}; revoke all on transactions from {LEDGER}")
        await bring_up_to_date(url, PEPPER)
        assert await held_rights(owner, APP) == _of_the_page(of_tenants, 0)
        assert await held_rights(owner, LEDGER) == _of_the_page(set(), 1)


async def test_without_the_roles_one_login_serves_all(url: str, engines: Engines, settings: Settings) -> None:
    rename = f"alter role {APP} rename to other_app; alter role {LEDGER} rename to other_ledger"
    back = f"alter role other_app rename to {APP}; alter role other_ledger rename to {LEDGER}"
    async with _changed(engines, rename, back):
        with capture_logs() as logs:
            await bring_up_to_date(url, PEPPER)
        [told] = [line for line in logs if line["event"] == "tenants_without_second_net"]
        assert told["missing_role"] == APP
        assert (await _charge(url, settings)).database.roles == NO_ROLES


@pytest.mark.parametrize(
    ("change", "back", "said"),
    [
        (f"alter role {APP} bypassrls", f"alter role {APP} nobypassrls", f"{APP} is exempt from policies"),
        (f"alter role {LEDGER} nobypassrls", f"alter role {LEDGER} bypassrls", f"{LEDGER} is not exempt"),
        (f"revoke {APP} from charging", f"grant {APP} to charging", f"charging may not take the role {APP}"),
    ],
)
async def test_a_role_that_cannot_be_used_is_named_at_the_start(
    url: str, engines: Engines, change: str, back: str, said: str
) -> None:
    async with _changed(engines, change, back):
        with pytest.raises(MigrationError, match=f"^DATABASE_URL: .*{said}") as refused:
            await bring_up_to_date(url, PEPPER)
    assert "\n" not in str(refused.value)


async def test_a_login_from_which_the_policies_hide_all_rows_is_refused(url: str, engines: Engines) -> None:
    await bring_up_to_date(url, PEPPER)
    await execute(engines.database_url, f"create role reader login; grant {APP}, {LEDGER} to reader")
    try:
        async with _connected(url) as owner:
            await owner.execute("grant all on all tables in schema public to reader")
            await owner.execute("grant connect on database charging to reader")
        reader = urlunsplit(urlsplit(url)._replace(netloc="reader@"))
        with pytest.raises(MigrationError, match="reader does not own the tables"):
            await bring_up_to_date(reader, PEPPER)
    finally:
        charging = with_database(engines.database_url, "charging")
        await execute(charging, "drop owned by reader; drop role reader")


async def test_a_right_that_is_taken_away_costs_no_record(url: str, settings: Settings) -> None:
    await bring_up_to_date(url, PEPPER)
    async with _connected(url) as owner:
        await _charge(url, settings)
        hasty = settings.model_copy(update={"durable_wait_s": 0.5})
        storage = await Storage.open(url, hasty, SystemClock())
        try:
            async with storage.database.platform() as platform:
                tenant = await TenantStore(platform).by_slug("rights")
                assert tenant is not None
            async with storage.database.tenant(tenant.id) as work:
                record = await ChargePointStore(work).create("CP-2")
            records = ChargePointRecords(storage, tenant, record)
            await owner.execute(f"revoke insert on transactions from {LEDGER}")
            with pytest.raises(StoreUnavailable):
                await storage.ledger.start_transaction(records.start())
            assert storage.ledger.outcomes.failed_at is not None
            await owner.execute(f"grant insert on transactions to {LEDGER}")
            assert (await storage.ledger.start_transaction(records.start())).transaction_id
        finally:
            await storage.close()


async def test_roles_that_have_no_rights_yet_are_not_taken(url: str) -> None:
    await bring_up_to_date(url, PEPPER)
    async with _connected(url) as owner:
        await owner.execute(f"revoke all on all tables in schema public from {APP}, {LEDGER}")
    with capture_logs() as logs:
        database = await Database.open(url)
    await database.close()
    assert database.roles == NO_ROLES
    assert [line["event"] for line in logs] == ["roles_not_used"]


async def test_a_role_that_a_worker_may_not_take_ends_no_worker(url: str, engines: Engines) -> None:
    await bring_up_to_date(url, PEPPER)
    async with _changed(engines, f"revoke {APP} from charging", f"grant {APP} to charging"):
        database = await Database.open(url)
    await database.close()
    assert database.roles == NO_ROLES


async def test_tables_that_the_roles_would_not_find_are_named(url: str, engines: Engines) -> None:
    charging = with_database(engines.database_url, "charging")
    await execute(charging, "create schema charging authorization charging")
    with pytest.raises(MigrationError, match=r"does not find the tables.*search_path%3Dcharging"):
        await bring_up_to_date(url, PEPPER)
