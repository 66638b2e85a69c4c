"""Presence knows which charge point is connected where: with a real Redis, and workers in this process."""

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from app.errors import Unavailable
from app.live.connect import open_redis
from app.live.keys import WorkerKeys
from app.live.presence import Presence
from app.types import WorkerId
from tests.support.live import TENANT, RecordingListener, RedisServer, SetClock, owner


class Worker:
    """A worker's presence, renewed by hand."""

    def __init__(self, redis: Redis, name: str, clock: SetClock) -> None:
        self.listener = RecordingListener()
        self.presence = Presence(redis, WorkerId(name), clock)
        self.presence._listener = self.listener


async def workers(redis: Redis, clock: SetClock, *names: str) -> list[Presence]:
    made = [Worker(redis, name, clock).presence for name in names]
    for presence in made:
        await presence.renew()
    return made


def alive(presence: Presence) -> set[str] | None:
    known = presence.alive_workers()
    return None if known is None else {str(worker) for worker in known}


async def kill(redis: Redis, name: str) -> None:
    """Leave what is left of a worker one lease after a SIGKILL."""
    await redis.delete(WorkerKeys(WorkerId(name)).lease)


async def test_a_login_is_seen_by_every_worker(redis: Redis) -> None:
    a, b = await workers(redis, SetClock(), "a", "b")
    login = owner("a", 1)
    assert await a.take_over(login) is None
    assert await b.find(TENANT, "RDAM-1") == login
    assert await a.find(TENANT, "RDAM-1") == login


async def test_a_take_over_returns_the_previous_owner(redis: Redis) -> None:
    a, b = await workers(redis, SetClock(), "a", "b")
    await a.take_over(owner("a", 1))
    assert await b.take_over(owner("b", 2)) == owner("a", 1)
    assert await a.find(TENANT, "RDAM-1") == owner("b", 2)


async def test_an_older_epoch_does_not_take_over(redis: Redis) -> None:
    a, b = await workers(redis, SetClock(), "a", "b")
    await b.take_over(owner("b", 2))
    assert await a.take_over(owner("a", 1)) == owner("b", 2)
    assert await a.find(TENANT, "RDAM-1") == owner("b", 2)


async def test_an_older_epoch_does_not_take_over_on_the_same_worker(redis: Redis) -> None:
    (a,) = await workers(redis, SetClock(), "a")
    await a.take_over(owner("a", 2))
    assert await a.take_over(owner("a", 1)) == owner("a", 2)
    assert await a.find(TENANT, "RDAM-1") == owner("a", 2)


async def test_the_close_of_an_old_connection_leaves_the_new_one(redis: Redis) -> None:
    a, b = await workers(redis, SetClock(), "a", "b")
    await a.take_over(owner("a", 1))
    await b.take_over(owner("b", 2))
    await a.release(owner("a", 1))
    assert await a.find(TENANT, "RDAM-1") == owner("b", 2)
    await b.release(owner("b", 2))
    assert await a.find(TENANT, "RDAM-1") is None
    assert await redis.keys("sm:{t*") == []


async def test_a_charge_point_made_anew_outranks_the_deleted_one(redis: Redis) -> None:
    a, b = await workers(redis, SetClock(), "a", "b")
    await a.take_over(owner("a", 37, charge_point_id=7))
    await b.take_over(owner("b", 1, charge_point_id=8))
    assert await a.find(TENANT, "RDAM-1") == owner("b", 1, charge_point_id=8)


async def test_the_owner_of_a_dead_worker_is_not_found(redis: Redis) -> None:
    a, b = await workers(redis, SetClock(), "a", "b")
    await a.take_over(owner("a", 1))
    await kill(redis, "a")
    assert await b.find(TENANT, "RDAM-1") is None
    assert await b.find_many(TENANT, ["RDAM-1"]) == {}


async def test_a_stale_entry_of_a_dead_worker_blocks_no_login(redis: Redis) -> None:
    """Its epoch may even be higher, when the database was restored from a backup."""
    clock = SetClock()
    a, b = await workers(redis, clock, "a", "b")
    await a.take_over(owner("a", 9))
    await kill(redis, "a")
    clock.advance(20)
    assert await b.take_over(owner("b", 2)) is None
    assert await b.find(TENANT, "RDAM-1") == owner("b", 2)


async def test_many_are_found_at_once(redis: Redis) -> None:
    a, b = await workers(redis, SetClock(), "a", "b")
    await a.take_over(owner("a", 1, "RDAM-1"))
    await b.take_over(owner("b", 1, "RDAM-2"))
    found = await a.find_many(TENANT, ["RDAM-1", "RDAM-2", "RDAM-3"])
    assert {identity: found[identity].worker for identity in found} == {"RDAM-1": "a", "RDAM-2": "b"}
    assert await a.find_many(TENANT, []) == {}


async def test_identities_that_look_like_keys_stay_apart(redis: Redis) -> None:
    (a,) = await workers(redis, SetClock(), "a")
    for identity in ("x}:owner", "x", "X", "x%7D%3Aowner", "x y", "\u00fc"):
        assert await a.take_over(owner("a", 1, identity)) is None
    assert len(await redis.keys("sm:{t1:*}:owner")) == 6


async def test_after_flushall_one_renewal_restores_everything(redis: Redis) -> None:
    clock = SetClock()
    a, b = await workers(redis, clock, "a", "b")
    for number in range(1200):
        await a.take_over(owner("a", 1, f"cp-{number}"))
    await redis.flushall()
    assert await b.find(TENANT, "cp-0") is None
    await a.renew()
    assert len(await b.find_many(TENANT, [f"cp-{n}" for n in range(1200)])) == 1200


async def test_a_single_lost_entry_is_restored_by_the_sweep(redis: Redis) -> None:
    (a,) = await workers(redis, SetClock(), "a")
    await a.take_over(owner("a", 1))
    for key in await redis.keys("sm:{t*"):
        await redis.delete(key)
    await a.renew()
    assert await redis.keys("sm:{t*") != []


async def test_a_corrupt_entry_is_nobody(redis: Redis) -> None:
    (a,) = await workers(redis, SetClock(), "a")
    await a.take_over(owner("a", 1))
    (key,) = await redis.keys("sm:{t*")
    await redis.hset(key, "v", b"\xc1 not msgpack")
    (b,) = await workers(redis, SetClock(), "b")
    assert await b.find(TENANT, "RDAM-1") is None
    await b.take_over(owner("b", 2))
    assert await a.find(TENANT, "RDAM-1") == owner("b", 2)


async def test_without_redis_logins_and_local_lookups_go_on(server: RedisServer, fragile: Redis) -> None:
    (a,) = await workers(fragile, SetClock(), "a")
    server.kill()
    assert await a.take_over(owner("a", 1)) is None
    assert await a.find(TENANT, "RDAM-1") == owner("a", 1)
    assert await a.locate(TENANT, "RDAM-1") == owner("a", 1)
    assert not a.reachable
    with pytest.raises(Unavailable) as refused:
        await a.locate(TENANT, "RDAM-2")
    assert refused.value.code == "bus_unavailable"
    await a.release(owner("a", 1))
    assert await a.find(TENANT, "RDAM-1") is None
    await a.renew()


async def test_after_a_restart_of_redis_one_renewal_restores_everything(
    server: RedisServer, fragile: Redis
) -> None:
    a, b = await workers(fragile, SetClock(), "a", "b")
    await a.take_over(owner("a", 1, "before"))
    await a.take_over(owner("a", 1, "leaves"))
    server.kill()
    await a.take_over(owner("a", 2, "meanwhile"))
    await a.release(owner("a", 1, "leaves"))
    server.start()
    await a.renew()
    await b.renew()
    found = await b.find_many(TENANT, ["before", "meanwhile", "leaves"])
    assert found.keys() == {"before", "meanwhile"}


async def test_a_release_while_redis_was_away_is_caught_up(server: RedisServer, fragile: Redis) -> None:
    a, b = await workers(fragile, SetClock(), "a", "b")
    await a.take_over(owner("a", 1))
    server.hang()
    await a.release(owner("a", 1))
    server.resume()
    await a.renew()
    await b.renew()
    assert await b.find(TENANT, "RDAM-1") is None


async def test_a_hanging_redis_is_asked_once_and_then_left_alone(server: RedisServer, fragile: Redis) -> None:
    (a,) = await workers(fragile, SetClock(), "a")
    server.hang()
    assert await a.take_over(owner("a", 1)) is None
    unreachable = not a.reachable
    assert unreachable
    # Were these to wait for Redis, each would take two seconds, and the test would run into its limit.
    for number in range(100):
        await a.take_over(owner("a", 1, f"cp-{number}"))
    server.resume()
    await a.renew()
    assert a.reachable
    assert len(await fragile.keys("sm:{t*")) == 101


async def test_after_a_partition_the_older_owner_is_told(server: RedisServer, fragile: Redis) -> None:
    clock = SetClock()
    a, b = Worker(fragile, "a", clock), Worker(fragile, "b", clock)
    await a.presence.renew()
    await b.presence.renew()
    await a.presence.take_over(owner("a", 1))
    server.kill()
    assert await b.presence.take_over(owner("b", 2)) is None
    server.start()
    await b.presence.renew()
    await a.presence.renew()
    assert a.listener.stale_owners == [owner("a", 1)]
    assert b.listener.stale_owners == []
    assert await a.presence.find(TENANT, "RDAM-1") == owner("b", 2)


async def test_after_a_partition_the_newer_owner_tells(server: RedisServer, fragile: Redis) -> None:
    clock = SetClock()
    a, b = Worker(fragile, "a", clock), Worker(fragile, "b", clock)
    await a.presence.renew()
    await b.presence.renew()
    server.kill()
    await a.presence.take_over(owner("a", 1))
    await b.presence.take_over(owner("b", 2))
    server.start()
    await a.presence.renew()
    await b.presence.renew()
    assert b.listener.displaced_owners == [(owner("a", 1), owner("b", 2))]
    assert await a.presence.find(TENANT, "RDAM-1") == owner("b", 2)


async def test_who_lives_is_not_said_before_one_lease_of_watching(redis: Redis) -> None:
    clock = SetClock()
    a, b = await workers(redis, clock, "a", "b")
    assert a.alive_workers() is None
    for _ in range(3):
        clock.advance(5)
        await b.renew()
        await a.renew()
    assert alive(a) == {"a", "b"}


async def test_a_dead_worker_is_missed_one_lease_after_it_was_last_seen(redis: Redis) -> None:
    clock = SetClock()
    a, b = await workers(redis, clock, "a", "b")
    for _ in range(3):
        clock.advance(5)
        await b.renew()
        await a.renew()
    await kill(redis, "b")
    seen = []
    for _ in range(4):
        clock.advance(5)
        await a.renew()
        seen.append(alive(a))
    assert seen == [{"a", "b"}, {"a", "b"}, {"a", "b"}, {"a"}]


async def test_a_flush_kills_no_worker(redis: Redis) -> None:
    clock = SetClock()
    a, b = await workers(redis, clock, "a", "b")
    for _ in range(3):
        clock.advance(5)
        await b.renew()
        await a.renew()
    await redis.flushall()
    clock.advance(5)
    await a.renew()
    assert alive(a) == {"a", "b"}


async def test_sessions_that_come_and_go_in_an_outage_leave_nothing_to_do(
    server: RedisServer, fragile: Redis
) -> None:
    (a,) = await workers(fragile, SetClock(), "a")
    await a.take_over(owner("a", 1))
    server.kill()
    await a.release(owner("a", 1))
    for epoch in range(2, 50):
        await a.take_over(owner("a", epoch))
        await a.release(owner("a", epoch))
    assert [waiting.epoch for waiting in a._unremoved.values()] == [1]


async def test_an_outage_of_redis_says_nothing_about_the_others(server: RedisServer, fragile: Redis) -> None:
    clock = SetClock()
    a, b = await workers(fragile, clock, "a", "b")
    for _ in range(3):
        clock.advance(5)
        await b.renew()
        await a.renew()
    server.kill()
    clock.advance(60)
    await a.renew()
    server.start()
    await a.renew()
    assert a.alive_workers() is None


async def test_a_worker_that_slept_does_not_judge_the_others(redis: Redis) -> None:
    clock = SetClock()
    a, b = await workers(redis, clock, "a", "b")
    for _ in range(3):
        clock.advance(5)
        await b.renew()
        await a.renew()
    clock.advance(30)
    assert a.alive_workers() is None
    await a.renew()
    assert a.alive_workers() is None


async def test_a_clean_end_gives_the_lease_back(redis: Redis) -> None:
    clock = SetClock()
    a, b = await workers(redis, clock, "a", "b")
    await a.take_over(owner("a", 1))
    await a.start(RecordingListener())
    await a.close()
    assert await b.find(TENANT, "RDAM-1") is None
    assert await redis.smembers("sm:workers") == {b"b"}


@pytest.mark.parametrize(
    ("commands", "words"),
    [
        (("CONFIG", "SET", "requirepass", "secret"), "NOAUTH "),
        (("CONFIG", "SET", "maxmemory", "1"), "OOM command not allowed when used memory > 'maxmemory'"),
        (("REPLICAOF", "127.0.0.1", "1"), "READONLY You can't write against a read only replica."),
        (("ACL", "SETUSER", "default", "-set"), "NOPERM "),
    ],
    ids=["NOAUTH", "OOM", "READONLY", "NOPERM"],
)
async def test_what_redis_refuses_is_told_in_its_own_words(
    server: RedisServer, commands: tuple[str, ...], words: str
) -> None:
    async with open_redis(server.url) as client:
        await client.execute_command(*commands)
    async with open_redis(server.url) as client:
        presence = Presence(client, WorkerId("a"), SetClock())
        with capture_logs() as logs:
            await presence.renew()
            await presence.renew()
    assert presence.failure is not None
    assert presence.failure.startswith(words)
    assert [record["error"] for record in logs if record["event"] == "redis_unreachable"] == [
        presence.failure
    ]


async def test_another_failure_of_redis_is_told_again(server: RedisServer) -> None:
    async with open_redis(server.url) as client:
        presence = Presence(client, WorkerId("a"), SetClock())
        with capture_logs() as logs:
            await client.config_set("maxmemory", 1)
            await presence.renew()
            server.kill()
            await presence.renew()
            await presence.renew()
        server.start()
        await presence.renew()
    assert presence.failure is None
    told = [record["error"] for record in logs if record["event"] == "redis_unreachable"]
    assert [text.split()[0] for text in told] == ["OOM", "Error"]
