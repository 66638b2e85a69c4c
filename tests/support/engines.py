"""One PostgreSQL and one Redis for the whole run, and a new database for each module.

The engines are the embedded ones, started as `make run` starts them; the environment's URLs do not matter.
"""

import asyncio
import itertools
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest
from redis import Redis

from app.clock import Clock, SystemClock
from app.database.database import Database
from app.database.migrations import migrate
from app.server.embedded import Engines, start_embedded
from app.settings import Settings
from app.storage import Storage
from app.tenants.records import TenantRecord
from app.tenants.store import TenantStore

_TEMPLATE = "stationmaster_template"
_NUMBERS = itertools.count(1)
_MEMORY = Path("/dev/shm")  # noqa: S108 - directories of random names are made in it
_MEMORY_BYTES = 4 << 30
"""The least room in it. The engines of a process of the tests take 0.3 GB of it."""


def _is_roomy(directory: Path) -> bool:
    return directory.is_dir() and shutil.disk_usage(directory).free >= _MEMORY_BYTES


_IN_MEMORY = _is_roomy(_MEMORY)
"""Whether the data of engines is in memory. A database has 830 files, ten times slower to make on a disk."""


@contextmanager
def private_directory() -> Iterator[Path]:
    """Make a directory for the data of engines, and remove it at the end."""
    directory = Path(tempfile.mkdtemp(prefix="stationmaster-test-", dir=_MEMORY if _IN_MEMORY else None))
    # If we are root, the engines run as another user, who must be able to enter. The tmp_path of pytest would
    # be closed again by the next pytest.
    directory.chmod(0o711)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def engine_directory() -> Iterator[Path]:
    """Make a data directory for a test that starts its own embedded engines. Use it instead of `tmp_path`."""
    with private_directory() as directory:
        yield directory


@pytest.fixture(scope="session")
def engines() -> Iterator[Engines]:
    """Start a private PostgreSQL and Redis, both empty, for the whole run."""
    with private_directory() as directory, asyncio.Runner() as runner:
        settings = Settings(database_url=None, redis_url=None, data_directory=directory)
        context = start_embedded(settings)
        started = runner.run(context.__aenter__())
        try:
            yield started
        finally:
            # Nothing is kept, so PostgreSQL need not write the databases of all modules: that takes seconds.
            for running in directory.glob("**/postmaster.pid"):
                os.kill(int(running.read_text().split("\n", 1)[0]), signal.SIGQUIT)
            runner.run(context.__aexit__(None, None, None))


@pytest.fixture(scope="session")
def template(engines: Engines) -> str:
    """Create an empty database with the newest schema, and return its name."""

    async def make() -> None:
        await execute(engines.database_url, f"create database {_TEMPLATE}")
        await migrate(with_database(engines.database_url, _TEMPLATE))

    asyncio.run(make())
    return _TEMPLATE


@pytest.fixture(scope="module")
def database_url(engines: Engines, template: str) -> Iterator[str]:
    """Create a database for the module, migrated and empty, and yield its URL."""
    name = f"test_{next(_NUMBERS)}"
    # To copy the files, and to drop a database, is a checkpoint. On a disk that takes seconds, so there the
    # databases stay until the engine is removed.
    strategy = "file_copy" if _IN_MEMORY else "wal_log"
    statement = f"create database {name} template {template} strategy {strategy}"
    asyncio.run(execute(engines.database_url, statement))
    yield with_database(engines.database_url, name)
    if _IN_MEMORY:
        asyncio.run(execute(engines.database_url, f"drop database {name} with (force)"))


@pytest.fixture(scope="module")
def redis_url(engines: Engines) -> str:
    """Empty the Redis of the run, and return its URL."""
    with Redis.from_url(engines.redis_url) as client:
        client.flushall()
    return engines.redis_url


@pytest.fixture
def clock() -> Clock:
    """Return the clock of the machine. A test that needs another time makes its own."""
    return SystemClock()


@pytest.fixture(scope="module")
def settings(database_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Return settings with the engines of the module."""
    return Settings(
        database_url=database_url,
        redis_url=redis_url,
        data_directory=tmp_path_factory.mktemp("data"),
        credential_pepper="pepper of the tests",
        # Most tests script their charge points, which do not expect questions.
        state_requests=False,
        # All tests have one address, and share one Redis.
        requests_of_key_per_minute=100_000_000,
        requests_of_address_per_minute=100_000_000,
        commands_of_tenant_per_minute=100_000_000,
    )


@pytest.fixture(scope="module")
async def storage(database_url: str, settings: Settings) -> AsyncIterator[Storage]:
    """Open the storage of a worker, with a running ledger. The tests of a module share it."""
    opened = await Storage.open(database_url, settings, SystemClock())
    yield opened
    await opened.close()


@pytest.fixture(scope="module")
async def database(storage: Storage) -> Database:
    """Return the database of that storage."""
    return storage.database


@pytest.fixture
async def tenant(database: Database) -> TenantRecord:
    """Create a tenant for the test."""
    slug = f"tenant-{next(_NUMBERS)}"
    async with database.platform() as work:
        return await TenantStore(work).create(slug, f"Tenant {slug}")


def with_database(url: str, name: str) -> str:
    """Return the URL with another database name."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"/{name}"))


async def execute(url: str, statement: str) -> None:
    """Run one statement outside any transaction."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
