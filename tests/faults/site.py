"""The whole of what the rig breaks: engines, two servers, and proxies between all of them."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from app.database.database import Database as OpenDatabase
from app.database.migrations import migrate
from app.settings import Settings
from app.tenants.records import TenantRecord
from app.tenants.store import TenantStore
from tests.faults.charge_point import ChargePoint, Habits
from tests.faults.commands import Caller
from tests.faults.disk import Disk, small_disk
from tests.faults.engines import Database, RedisEngine
from tests.faults.fleet import Fleet
from tests.faults.host import Host, HostClock, clock_library
from tests.support.account import Account, open_account
from tests.support.server import Operator, Place
from tests.support.tcp_proxy import Streams, TcpProxy

_HOSTS = 2


@dataclass(frozen=True)
class Size:
    """How big a run is. workers: of each of the two servers."""

    charge_points: int
    workers: int
    habits: Habits


@dataclass(frozen=True)
class Site:
    """The parts. door: the balancer before the servers; disk: None, if it cannot be filled."""

    database: Database
    redis: RedisEngine
    hosts: list[Host]
    door: TcpProxy
    disk: Disk | None
    fleet: Fleet
    tenant: TenantRecord
    operator: Operator


@asynccontextmanager
async def built(directory: Path, size: Size) -> AsyncIterator[Site]:
    """Start everything. directory: empty, and the users of the engines may enter it."""
    async with AsyncExitStack() as stack:
        homes = directory / "database"
        homes.mkdir(mode=0o711)
        disk = stack.enter_context(small_disk(homes))
        database, redis = Database(homes), RedisEngine(directory)
        for engine in (database, redis):
            await engine.start()
            stack.push_async_callback(engine.stop)
        await migrate(database.url)
        hosts = [await _host(stack, directory, number, size, database, redis) for number in range(_HOSTS)]
        await asyncio.gather(*(host.start() for host in hosts))
        for host in hosts:
            stack.push_async_callback(host.stop)
        door = await stack.enter_async_context(TcpProxy(_balancer(hosts)).listening())
        tenant, account = await _account(database.url, hosts[0].settings)
        place = Place(f"http://127.0.0.1:{door.port}")
        points = await _registered(place, account, size)
        caller = Caller(place.url, account.token, [point.ledger.identity for point in points])
        async with Operator(place.url, account.token) as operator:
            yield Site(database, redis, hosts, door, disk, Fleet(points, caller), tenant, operator)


async def _host(
    stack: AsyncExitStack, directory: Path, number: int, size: Size, database: Database, redis: RedisEngine
) -> Host:
    to_database = await stack.enter_async_context(TcpProxy(database.dial).listening())
    to_redis = await stack.enter_async_context(TcpProxy(redis.dial).listening())
    name = urlsplit(database.url).path
    settings = Settings(
        database_url=f"postgresql://postgres@127.0.0.1:{to_database.port}{name}?sslmode=disable",
        redis_url=f"redis://127.0.0.1:{to_redis.port}/0",
        data_directory=directory / f"host-{number}",
        credential_pepper="pepper of the tests",
        workers=size.workers,
        # The charge points answer no questions.
        state_requests=False,
        requests_of_address_per_minute=100_000_000,
        # So that the faults take seconds. The order of these limits is that of the defaults.
        durable_wait_s=size.habits.answer_s * 0.75,
        call_timeout_s=size.habits.answer_s,
        command_expiry_s=size.habits.answer_s * 2,
        worker_lease_s=size.habits.answer_s * 2,
        worker_renewal_s=size.habits.answer_s * 2 / 3,
        worker_silence_s=5.0,
        drain_s=2.0,
        ping_interval_s=5.0,
        ping_timeout_s=5.0,
    )
    library = clock_library() if number == 0 else None
    clock = HostClock(library, directory / "clock") if library is not None else None
    return Host(settings, directory / f"host-{number}.log", to_database, to_redis, clock)


def _balancer(hosts: list[Host]) -> Callable[[], Awaitable[Streams]]:
    turns = itertools.cycle(hosts)

    async def dial() -> Streams:
        for host in itertools.islice(turns, len(hosts)):
            if (url := host.url()) is not None:
                parts = urlsplit(url)
                try:
                    return await asyncio.open_connection(parts.hostname, parts.port)
                except OSError:
                    continue
        raise ConnectionRefusedError

    return dial


async def _account(url: str, settings: Settings) -> tuple[TenantRecord, Account]:
    opened = await OpenDatabase.open(url)
    try:
        async with opened.platform() as work:
            tenant = await TenantStore(work).create("faults", "Faults")
        return tenant, await open_account(opened, settings, tenant)
    finally:
        await opened.close()


async def _registered(place: Place, account: Account, size: Size) -> list[ChargePoint]:
    async with Operator(place.url, account.token) as operator:
        await operator.post("/id-tags", {"id_tag": "TAG"})
        return [
            ChargePoint(name, await operator.register(name), account.slug, lambda: place, size.habits)
            for name in (f"RIG-{number}" for number in range(size.charge_points))
        ]
