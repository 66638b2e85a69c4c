"""Live and ready, on real engines that hang, refuse, or have another time."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from structlog.testing import capture_logs

from app.clock import SystemClock
from app.database.probe import DatabaseProbe
from app.health.pepper import OtherPepperError, claim_pepper, pepper_mark
from app.health.records import CheckState
from app.health.service import HealthService, HealthSources
from app.live.connect import LiveRedis, open_redis
from app.server.migration import MigrationError, bring_up_to_date
from app.settings import Settings
from app.storage import Storage
from app.transactions.batch_writer import CommitOutcomes
from app.transactions.store.transaction_ids import largest_share_used
from tests.support.api import Api, open_api
from tests.support.engines import execute, with_database
from tests.support.live import RedisServer
from tests.support.tcp_proxy import TcpProxy, proxied

_PEPPER = "pepper of the tests"
_HANGS_S = 12.0
"""Shorter than any other deadline of the database, and longer than a busy machine needs."""


class MovedClock(SystemClock):
    """The clock of a host that is wrong."""

    def __init__(self, seconds: float) -> None:
        self._seconds = timedelta(seconds=seconds)

    def now(self) -> Any:
        return super().now() + self._seconds


@pytest.fixture
async def sources(
    database_url: str, redis_url: str, tmp_path: Path
) -> AsyncIterator[Callable[..., HealthSources]]:
    """Make what the checks look at. Arguments replace some of it."""
    probes: list[DatabaseProbe] = []
    clients: list[LiveRedis] = []

    def make(url: str = database_url, redis: str = redis_url, **changes: Any) -> HealthSources:
        probes.append(DatabaseProbe(url))
        clients.append(open_redis(redis))
        made = HealthSources(
            host="a",
            probe=probes[-1],
            ids_used=largest_share_used,
            redis=clients[-1],
            redis_failure=lambda: None,
            outcomes=CommitOutcomes(),
            pepper_mark=pepper_mark(_PEPPER),
            data_directory=tmp_path,
            holds_database=False,
            clock=SystemClock(),
        )
        return replace(made, **changes)

    yield make
    for probe in probes:
        await probe.close()
    for client in clients:
        await client.aclose()


async def states(sources: HealthSources) -> dict[str, CheckState]:
    """Run the checks once."""
    return {check.name: check.state for check in (await HealthService(sources).report()).checks}


async def test_a_whole_server_is_ready_and_shows_names_only(
    api: Api, sources: Callable[..., HealthSources]
) -> None:
    api.app.state.services.add(HealthService(sources()))
    answer = await api.call("GET", "/health/ready")
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
    checks = (
        "database",
        "ledger",
        "schema",
        "pepper",
        "transaction_ids",
        "partitions",
        "clock",
        "disk",
        "redis",
    )
    assert answer.json() == {"status": "ok", "checks": dict.fromkeys((*checks, "redis_eviction"), "ok")}
    alive = await api.call("GET", "/health/live")
    assert (alive.status_code, alive.json()) == (200, {"status": "ok"})


async def test_a_database_that_is_read_only_is_not_ready(
    api: Api, database_url: str, sources: Callable[..., HealthSources]
) -> None:
    name = database_url.split("?")[0].rsplit("/", 1)[1]
    server = with_database(database_url, "postgres")
    await execute(server, f"alter database {name} set default_transaction_read_only = on")
    try:
        api.app.state.services.add(HealthService(sources()))
        with capture_logs() as logs:
            answer = await api.call("GET", "/health/ready")
        with pytest.raises(MigrationError, match="read only"):
            await bring_up_to_date(database_url, _PEPPER)
    finally:
        await execute(server, f"alter database {name} reset all")
    assert answer.status_code == 503
    assert answer.json()["status"] == "not ready"
    assert answer.json()["checks"]["database"] == "failing"
    [told] = [record for record in logs if record["event"] == "check_not_ok"]
    assert (told["check"], told["reason"]) == ("database", "The database is read-only.")


@pytest.fixture
async def proxy(database_url: str, redis_url: str, settings: Settings) -> AsyncIterator[tuple[TcpProxy, Api]]:
    """Open the API on a database that can hang."""
    async with proxied(database_url) as (opened, url):
        storage = await Storage.open(url, settings, SystemClock())
        try:
            async with open_api(storage, redis_url, settings) as api:
                yield opened, api
                opened.resume()
        finally:
            await storage.close()


@pytest.mark.slow
async def test_a_database_that_hangs_is_told_and_answers_503_everywhere(
    proxy: tuple[TcpProxy, Api], sources: Callable[..., HealthSources]
) -> None:
    hanging, api = proxy
    health = HealthService(replace(sources(), probe=api.services.storage.database.probe))
    api.app.state.services.add(health)
    token = await api.key(await api.tenant())
    assert (await api.call("GET", "/v1/charge-points", token)).status_code == 200
    assert (await api.call("GET", "/health/ready")).status_code == 200
    hanging.hang()
    async with asyncio.timeout(_HANGS_S):
        # Connections that are open hang, and so do new ones.
        reads = [api.call("GET", "/v1/charge-points", token) for _ in range(3)]
        write = api.call("POST", "/v1/charge-points", token, json={"identity": "HANG-1"})
        answers = await asyncio.gather(*reads, write)
        assert [answer.status_code for answer in answers] == [503] * 4
        assert {answer.json()["code"] for answer in answers} == {"store_unavailable"}
        health._report = None
        answer = await api.call("GET", "/health/ready")
        assert (answer.status_code, answer.json()["checks"]["database"]) == (503, "failing")
        assert (await api.call("GET", "/health/live")).status_code == 200
    hanging.resume()
    health._report = None
    assert (await api.call("GET", "/health/ready")).status_code == 200


@pytest.mark.parametrize(
    ("moved_s", "state"), [(0.0, CheckState.OK), (30.0, CheckState.WARNING), (90.0, CheckState.FAILING)]
)
async def test_the_clock_is_compared_with_that_of_the_database(
    sources: Callable[..., HealthSources], moved_s: float, state: CheckState
) -> None:
    assert (await states(sources(host="moved", clock=MovedClock(moved_s))))["clock"] is state
    await states(sources(host="moved"))


async def test_hosts_compare_their_clocks(sources: Callable[..., HealthSources]) -> None:
    await states(sources(host="b", clock=MovedClock(20.0)))
    assert (await states(sources(host="a")))["clock"] is CheckState.WARNING
    await states(sources(host="b"))
    assert (await states(sources(host="a")))["clock"] is CheckState.OK


async def test_a_server_with_another_pepper_does_not_start(
    database_url: str, sources: Callable[..., HealthSources]
) -> None:
    await claim_pepper(database_url, _PEPPER)
    await claim_pepper(database_url, _PEPPER)
    with pytest.raises(OtherPepperError):
        await claim_pepper(database_url, "another pepper of the tests")
    with pytest.raises(MigrationError, match=r"STATIONMASTER_CREDENTIAL_PEPPER: .* another pepper") as caught:
        await bring_up_to_date(database_url, "another pepper of the tests")
    assert "\n" not in str(caught.value)
    other = sources(pepper_mark=pepper_mark("another pepper of the tests"))
    assert (await states(other))["pepper"] is CheckState.FAILING


async def test_an_older_schema_is_not_ready(database_url: str, sources: Callable[..., HealthSources]) -> None:
    connection = await asyncpg.connect(database_url)
    newest = await connection.fetchval("select version_num from alembic_version")
    try:
        for revision, state in (("0001", CheckState.FAILING), ("9999", CheckState.WARNING)):
            await connection.execute("update alembic_version set version_num = $1", revision)
            assert (await states(sources()))["schema"] is state
    finally:
        await connection.execute("update alembic_version set version_num = $1", newest)
        await connection.close()


async def test_what_the_database_refuses_is_told_in_its_own_words(
    sources: Callable[..., HealthSources], database_url: str
) -> None:
    with capture_logs() as logs:
        await states(sources(url=database_url.replace("/test_", "/no_test_")))
    assert any('database "no_test_' in record.get("reason", "") for record in logs)


async def test_a_redis_that_evicts_or_refuses_is_told_and_leaves_the_server_ready(
    sources: Callable[..., HealthSources], server: RedisServer
) -> None:
    async with open_redis(server.url) as client:
        await client.config_set("maxmemory-policy", "allkeys-lru")
    found = await states(sources(redis=server.url))
    assert (found["redis"], found["redis_eviction"]) == (CheckState.OK, CheckState.WARNING)
    server.hang()
    report = await HealthService(sources(redis=server.url)).report()
    server.resume()
    assert report.is_ready
    assert {check.name: check.state for check in report.checks}["redis"] is CheckState.WARNING


async def test_a_full_disk_is_not_ready(
    sources: Callable[..., HealthSources], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full:
        free = 0

    monkeypatch.setattr("app.health.service.shutil.disk_usage", lambda _: Full)
    assert (await states(sources(holds_database=True)))["disk"] is CheckState.FAILING


async def test_a_worker_without_a_data_directory_has_no_check_of_its_disk(
    sources: Callable[..., HealthSources], tmp_path: Path
) -> None:
    assert "disk" not in await states(sources(data_directory=tmp_path / "missing"))
