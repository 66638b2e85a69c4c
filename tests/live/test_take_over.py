"""Registry, presence and bus together: whatever the order of opens and closes, one session is the owner."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import get_args

import pytest
from redis.asyncio import Redis

from app.connection import Connection
from app.gateway.registry import Registry
from app.live.command_bus import CommandBus
from app.live.connect import LiveRedis, open_redis
from app.live.envelopes import DoneEnvelope, Envelope, EvictEnvelope
from app.live.presence import Presence
from app.types import CommandId, WorkerId
from tests.support.live import TENANT, RecordingSession, RedisServer, SetClock, connection

SECRET = "pepper of the tests"
ORDERS = 2000


class Worker:
    """A worker with everything but sockets and commands."""

    def __init__(self, redis: LiveRedis, name: str) -> None:
        clock = SetClock()
        worker_id = WorkerId(name)
        self.presence = Presence(redis, worker_id, clock, lease_s=600.0)
        self.bus = CommandBus(redis, worker_id, SECRET)
        self.registry = Registry(self.presence, self.bus, clock)
        self.marked = asyncio.Event()
        self._leaving: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self.presence._listener = self.registry
        await self.presence.renew()
        await self.bus.start(dict.fromkeys(get_args(Envelope), self._receive))

    async def stop(self) -> None:
        await self.registry.close()
        await self.bus.close()

    def session(self, of: Connection) -> RecordingSession:
        return RecordingSession(of, on_evict=self._closed_by_us)

    async def caught_up(self, redis: LiveRedis) -> None:
        """Wait until every envelope that was sent here before is acted on."""
        self.marked.clear()
        other = CommandBus(redis, WorkerId("marker"), SECRET)
        mark = DoneEnvelope(
            tenant_id=TENANT,
            identity="",
            epoch=0,
            life_s=60.0,
            issuer=WorkerId("marker"),
            command_id=CommandId("mark"),
        )
        await other.deliver(self.bus.worker_id, mark)
        await asyncio.wait_for(self.marked.wait(), 20)
        while self._leaving:
            await asyncio.wait(self._leaving)

    def _receive(self, envelope: Envelope) -> None:
        if isinstance(envelope, EvictEnvelope):
            self.registry.evict_older(envelope)
        else:
            self.marked.set()

    def _closed_by_us(self, session: RecordingSession) -> None:
        task = asyncio.create_task(self.registry.leave(session))
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)


@pytest.fixture
async def pair(redis: Redis) -> AsyncIterator[list[Worker]]:
    async with AsyncExitStack() as stack:
        workers = [Worker(redis, "a"), Worker(redis, "b")]
        for worker in workers:
            await worker.start()
            stack.push_async_callback(worker.stop)
        yield workers


async def play(workers: list[Worker], identity: str, order: random.Random) -> list[RecordingSession]:
    """Open three connections of one charge point and close some, in a random order; return those left open.

    A close may come before the older one's, at the same moment as an open, and while that open still runs.
    """
    plan = [(epoch, order.choice(workers), order.random() < 0.4) for epoch in (1, 2, 3)]
    steps = [(epoch, "open") for epoch, _, _ in plan] + [
        (epoch, "close") for epoch, _, closes in plan if closes
    ]
    order.shuffle(steps)
    sessions = {epoch: worker.session(connection(epoch, identity)) for epoch, worker, _ in plan}
    places = {epoch: worker for epoch, worker, _ in plan}
    opened: set[int] = set()
    running: list[asyncio.Task[object]] = []
    closed: set[int] = set()
    for epoch, step in steps:
        if step == "close" and epoch not in opened:
            continue
        registry, session = places[epoch].registry, sessions[epoch]
        if step == "open":
            opened.add(epoch)
            running.append(asyncio.create_task(registry.admit(session)))
        else:
            closed.add(epoch)
            running.append(asyncio.create_task(registry.leave(session)))
        if order.random() < 0.5:
            await running[-1]
    await asyncio.gather(*running)
    return [session for epoch, session in sessions.items() if epoch not in closed]


@pytest.mark.timeout(240)
async def test_every_order_of_opens_and_closes_leaves_one_owner(redis: Redis, pair: list[Worker]) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # noqa: T201
    order = random.Random(seed)
    played: dict[str, list[RecordingSession]] = {}
    for start in range(0, ORDERS, 25):
        names = [f"cp-{number}" for number in range(start, start + 25)]
        results = await asyncio.gather(*(play(pair, name, random.Random(order.random())) for name in names))
        played.update(zip(names, results, strict=True))
    for worker in pair:
        await worker.caught_up(redis)
    left = {name: [s for s in sessions if not s.evicted] for name, sessions in played.items()}
    assert [name for name, sessions in left.items() if len(sessions) > 1] == []
    newest_lost = [name for name, all_ in played.items() if _newest(all_) and _newest(all_) not in left[name]]
    assert newest_lost == []
    for worker in pair:
        found = await worker.presence.find_many(TENANT, played)
        owners = {name: owner.connection_id for name, owner in found.items()}
        assert owners == {n: s[0].connection.connection_id for n, s in left.items() if s}
    assert sum(len(worker.registry) for worker in pair) == sum(map(len, left.values()))
    assert sum(map(bool, left.values())) > ORDERS // 2


def _newest(left_open: list[RecordingSession]) -> RecordingSession | None:
    """The newest connection is still open, unless it was closed on purpose."""
    return next((session for session in left_open if session.connection.epoch == 3), None)


async def test_open_of_b_before_the_close_of_a_on_one_worker(pair: list[Worker]) -> None:
    worker = pair[0]
    old, new = worker.session(connection(1)), worker.session(connection(2))
    assert await worker.registry.admit(old)
    assert await worker.registry.admit(new)
    assert old.evicted
    await worker.registry.leave(old)
    assert worker.registry.get(TENANT, "RDAM-1") is new
    assert await worker.presence.find(TENANT, "RDAM-1") is not None


async def test_a_login_that_comes_too_late_is_evicted(pair: list[Worker]) -> None:
    a, b = pair
    old, new = a.session(connection(1)), b.session(connection(2))
    assert await b.registry.admit(new)
    assert not await a.registry.admit(old)
    assert old.evicted
    assert a.registry.get(TENANT, "RDAM-1") is None


async def test_the_old_session_on_another_worker_is_told(redis: Redis, pair: list[Worker]) -> None:
    a, b = pair
    old, new = a.session(connection(1)), b.session(connection(2))
    await a.registry.admit(old)
    await b.registry.admit(new)
    await a.caught_up(redis)
    assert (old.evicted, new.evicted) == (True, False)
    assert len(a.registry) == 0


async def test_an_eviction_that_comes_again_does_not_hit_the_next_session(
    redis: Redis, pair: list[Worker]
) -> None:
    a, b = pair
    await a.registry.admit(a.session(connection(1)))
    await b.registry.admit(b.session(connection(2)))
    third = a.session(connection(3))
    await a.registry.admit(third)
    await a.caught_up(redis)
    assert not third.evicted


async def test_two_workers_that_were_cut_off_agree_after_the_heal(server: RedisServer) -> None:
    async with open_redis(server.url) as redis:
        a, b = Worker(redis, "a"), Worker(redis, "b")
        await a.start()
        await b.start()
        old, new = a.session(connection(1)), b.session(connection(2))
        await a.registry.admit(old)
        server.kill()
        assert await b.registry.admit(new)
        assert not old.evicted
        server.start()
        for worker in (a, b, a):
            await worker.presence.renew()
        await a.caught_up(redis)
        assert (old.evicted, new.evicted) == (True, False)
        await a.stop()
        await b.stop()


async def test_without_redis_the_newest_on_one_worker_wins(server: RedisServer) -> None:
    async with open_redis(server.url) as redis:
        worker = Worker(redis, "a")
        await worker.start()
        server.kill()
        old, new = worker.session(connection(1)), worker.session(connection(2))
        assert await worker.registry.admit(old)
        assert await worker.registry.admit(new)
        assert (old.evicted, new.evicted) == (True, False)
        await worker.stop()


async def test_both_workers_know_that_connections_replace_each_other(
    redis: Redis, pair: list[Worker]
) -> None:
    for epoch in range(1, 10):
        worker = pair[epoch % 2]
        await worker.registry.admit(worker.session(connection(epoch)))
        for each in pair:
            await each.caught_up(redis)
    # The last ones are on one worker, which does not tell the other.
    for epoch in range(10, 14):
        await pair[0].registry.admit(pair[0].session(connection(epoch)))
    assert [await worker.registry.pause_s(TENANT, "RDAM-1") for worker in pair] == [30.0, 30.0]
    for worker in pair:
        owner = await worker.presence.find(TENANT, "RDAM-1")
        assert owner is not None
        assert len(owner.take_overs) >= 6
