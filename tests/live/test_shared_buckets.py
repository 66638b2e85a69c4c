"""Token buckets that workers share: against a real Redis."""

from typing import Any

import pytest
from redis.asyncio import Redis

from app.live.connect import open_redis
from app.live.shared_buckets import Bucket, SharedBuckets, Taken
from tests.support.live import RedisServer, SetClock

KEY = Bucket(("key", "3f9c2a7d41be"), 3)
ADDRESS = Bucket(("address", "192.0.2.1"), 5)


async def taken(buckets: SharedBuckets, *wanted: Bucket) -> list[Taken]:
    return await buckets.take(wanted)


async def test_workers_take_from_one_bucket(redis: Redis) -> None:
    workers = [SharedBuckets(redis, SetClock()) for _ in range(2)]
    found = [(await taken(workers[number % 2], KEY))[0] for number in range(4)]
    assert [one.is_allowed for one in found] == [True, True, True, False]
    assert [round(one.remaining) for one in found[:3]] == [2, 1, 0]
    assert found[3].remaining < 1.0


async def test_each_key_has_a_bucket_of_its_own(redis: Redis) -> None:
    buckets = SharedBuckets(redis, SetClock())
    for _ in range(4):
        key, address = await taken(buckets, KEY, ADDRESS)
    assert (key.is_allowed, address.is_allowed) == (False, True)
    assert round(address.remaining) == 1
    (other,) = await taken(buckets, Bucket(("key", "other"), 3))
    assert round(other.remaining) == 2


async def test_a_refusal_takes_nothing(redis: Redis) -> None:
    buckets = SharedBuckets(redis, SetClock())
    remaining = [(await taken(buckets, Bucket(("k",), 1)))[0].remaining for _ in range(50)]
    assert remaining[-1] >= remaining[0]


async def test_a_bucket_expires_when_it_is_full(redis: Redis) -> None:
    await taken(SharedBuckets(redis, SetClock()), KEY)
    (name,) = await redis.keys("sm:{bucket}:*")
    assert 0 < await redis.pttl(name) <= 20_000


async def test_one_request_is_one_round_trip(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[object] = []
    kind = redis.connection_pool.connection_class
    send = kind.send_packed_command

    async def counted(connection: Any, command: Any, *rest: Any, **options: Any) -> Any:
        sent.append(command)
        return await send(connection, command, *rest, **options)

    buckets = SharedBuckets(redis, SetClock())
    await taken(buckets, KEY)
    monkeypatch.setattr(kind, "send_packed_command", counted)
    await taken(buckets, KEY, ADDRESS)
    assert len(sent) == 1


async def test_a_redis_that_is_away_is_not_asked_for_a_while(server: RedisServer) -> None:
    clock = SetClock()
    server.hang()
    async with open_redis(server.url) as client:
        buckets = SharedBuckets(client, clock)
        own = [(await taken(buckets, KEY))[0].is_allowed for _ in range(4)]
        assert own == [True, True, True, False]
        server.resume()
        assert not (await taken(buckets, KEY))[0].is_allowed
        clock.advance(1.5)
        assert (await taken(buckets, KEY))[0].is_allowed
