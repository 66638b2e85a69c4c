"""Sentinel and Redis Cluster: presence, the bus between workers and signals, before and after a failover."""

import asyncio
import gc
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import pytest

from app.clock import SystemClock
from app.errors import Unavailable
from app.events.signals import EventSignals
from app.live.command_bus import CommandBus
from app.live.connect import FAILURES, open_redis
from app.live.envelopes import CancelEnvelope, Envelope
from app.live.presence import Presence
from app.types import CommandId, TenantId, WorkerId
from tests.support.live import TENANT, owner
from tests.support.redis_topologies import Node, cluster, wait_until, watched_by_sentinel

# The client leaves sockets to a killed server to the garbage collector, which warns.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")]

_SECRET = "secret of the workers"
_IDENTITIES = [f"CP-{number}" for number in range(50)]
"""Enough that each node of a cluster has some of their keys."""


@dataclass
class Topology:
    """A running Redis of several processes. primaries: those that hold keys at first."""

    url: str
    primaries: list[Node]
    fail_over: Callable[[], None]


@pytest.fixture(scope="module", params=["sentinel", "cluster"])
def topology(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Topology]:
    directory: Path = tmp_path_factory.mktemp("redis")
    if request.param == "cluster":
        with cluster(directory) as (url, primaries, replicas):
            yield Topology(url, primaries, lambda: _lose(primaries[0], replicas[0]))
    else:
        with watched_by_sentinel(directory) as (url, (primary, replica)):
            yield Topology(url, [primary], lambda: _lose(primary, replica))


def _lose(primary: Node, replica: Node) -> None:
    primary.kill()
    wait_until(replica.is_primary, "a new primary")


class _Worker:
    """The parts of a worker that use the live state."""

    def __init__(self, name: str, url: str) -> None:
        self.name = WorkerId(name)
        self.redis = open_redis(url)
        self.presence = Presence(self.redis, self.name, SystemClock(), lease_s=600.0)
        self.bus = CommandBus(self.redis, self.name, _SECRET)
        self.signals = EventSignals(self.redis)
        self.received: asyncio.Queue[Any] = asyncio.Queue()

    async def start(self) -> None:
        await self.presence.renew()
        await self.bus.start(dict.fromkeys(get_args(Envelope), self.received.put_nowait))
        self.signals.start()

    async def stop(self) -> None:
        await self.signals.close()
        await self.bus.close()
        await self.redis.aclose()


async def _until_it_works(work: Callable[[], Any]) -> Any:
    """Call until the failover has arrived here. A call that fails during it is allowed to."""
    async with asyncio.timeout(60):
        while True:
            try:
                return await work()
            except (*FAILURES, Unavailable):
                await asyncio.sleep(0.05)


def _envelope(worker: _Worker) -> CancelEnvelope:
    return CancelEnvelope(
        tenant_id=TENANT,
        identity="CP-1",
        epoch=1,
        life_s=60,
        issuer=worker.name,
        command_id=CommandId("command-7"),
    )


async def _check(one: _Worker, other: _Worker, epoch: int) -> None:
    """Check that each part works between two workers."""
    for identity in _IDENTITIES:
        await one.presence.take_over(owner(one.name, epoch, identity))
    found = await other.presence.find_many(TENANT, _IDENTITIES)
    assert {identity: each.epoch for identity, each in found.items()} == dict.fromkeys(_IDENTITIES, epoch)
    # A session that is older does not win.
    beaten = await other.presence.take_over(owner(other.name, epoch - 1, "CP-1"))
    assert beaten is not None
    assert beaten.worker == one.name
    await _until_it_works(lambda: one.bus.deliver(other.name, _envelope(one)))
    received = await asyncio.wait_for(other.received.get(), 30)
    assert received.issuer == one.name


async def _check_signals(one: _Worker, other: _Worker) -> None:
    """Check that a signal arrives. One may be lost: readers look by themselves."""
    with other.signals.subscribe(TenantId(1)) as subscription:
        async with asyncio.timeout(60):
            while subscription.newest < 9:
                one.signals.numbered({TenantId(1): 9})
                await subscription.wait()


async def test_the_documented_rights_are_enough(topology: Topology) -> None:
    rights = _documented_rights()
    for node in topology.primaries:
        node.ask("ACL", "SETUSER", "limited", "reset", "on", ">secret", *rights)
        node.ask("ACL", "LOG", "RESET")
    workers = one, other = [
        _Worker(name, topology.url.replace("://", "://limited:secret@")) for name in ("first", "second")
    ]
    for worker in workers:
        await worker.start()
    try:
        await _check(one, other, epoch=2)
        for identity in _IDENTITIES:
            await one.presence.release(owner(one.name, 2, identity))
        assert await other.presence.find(TENANT, "CP-1") is None
        await _check_signals(one, other)
    finally:
        for worker in workers:
            await worker.presence.close()
            await worker.stop()
        gc.collect()
    assert [node.ask("ACL", "LOG") for node in topology.primaries] == [[]] * len(topology.primaries)


def _documented_rights() -> list[str]:
    page = (Path(__file__).parents[2] / "docs" / "operations.md").read_text("utf-8")
    line: str
    (line,) = re.findall(r"^ACL SETUSER stationmaster on >PASSWORD (.*)$", page, re.MULTILINE)
    return line.split()


async def test_live_state_works_and_survives_a_failover(topology: Topology) -> None:
    workers = one, other = _Worker("one", topology.url), _Worker("other", topology.url)
    for worker in workers:
        await worker.start()
    try:
        await _check(one, other, epoch=2)
        assert all(node.ask("DBSIZE") > 0 for node in topology.primaries), "each node has some of the keys"
        await asyncio.to_thread(topology.fail_over)

        async def renewed() -> None:
            for worker in workers:
                await worker.presence.renew()
                if not worker.presence.reachable:
                    raise Unavailable("not yet", "bus_unavailable")

        await _until_it_works(renewed)
        await _check(one, other, epoch=4)
        await _check_signals(one, other)
    finally:
        for worker in workers:
            await worker.stop()
        gc.collect()
