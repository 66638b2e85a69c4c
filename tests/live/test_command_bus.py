"""Envelopes between workers: against a real Redis."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import get_args

import msgspec
import pytest
from redis.asyncio import Redis

from app.errors import Unavailable
from app.live.command_bus import CommandBus
from app.live.encryption import EnvelopeCipher
from app.live.envelopes import VERSION, CallEnvelope, Envelope
from app.live.keys import WorkerKeys
from app.metrics import BUS_MESSAGES
from app.types import CommandId, TenantId, WorkerId
from tests.support.live import RedisServer

SECRET = "pepper of the tests"
KEY_IN_PAYLOAD = "c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00"


def call(number: int = 1, issuer: str = "a") -> CallEnvelope:
    return CallEnvelope(
        tenant_id=TenantId(1),
        identity="RDAM-1",
        epoch=1,
        life_s=300.0,
        full_life_s=300.0,
        issuer=WorkerId(issuer),
        command_id=CommandId(f"command-{number}"),
        action="ChangeConfiguration",
        payload=f'{{"key":"AuthorizationKey","value":"{KEY_IN_PAYLOAD}"}}',
        timeout_s=30.0,
    )


class Receiver:
    """Keeps what arrives, in order, and lets tests wait for it."""

    def __init__(self) -> None:
        self.arrived: asyncio.Queue[Envelope] = asyncio.Queue()

    async def next(self) -> Envelope:
        return await asyncio.wait_for(self.arrived.get(), 20)


@asynccontextmanager
async def running(
    redis: Redis, name: str, receive: Callable[[Envelope], None], secret: str = SECRET
) -> AsyncIterator[CommandBus]:
    bus = CommandBus(redis, WorkerId(name), secret)
    await bus.start(dict.fromkeys(get_args(Envelope), receive))
    try:
        yield bus
    finally:
        await bus.close()


@pytest.fixture
def b() -> Receiver:
    return Receiver()


def ignored(kind: str) -> float:
    return float(BUS_MESSAGES.labels("ignored", kind)._value.get())


async def test_an_envelope_arrives_whole_and_in_order(redis: Redis, b: Receiver) -> None:
    sender = CommandBus(redis, WorkerId("a"), SECRET)
    async with running(redis, "b", b.arrived.put_nowait):
        for number in range(250):
            await sender.deliver(WorkerId("b"), call(number))
        assert [await b.next() for _ in range(250)] == [call(number) for number in range(250)]


async def test_envelopes_wait_for_a_worker_that_is_starting(redis: Redis, b: Receiver) -> None:
    await CommandBus(redis, WorkerId("a"), SECRET).deliver(WorkerId("b"), call())
    async with running(redis, "b", b.arrived.put_nowait):
        assert await b.next() == call()


async def test_what_was_taken_is_deleted_and_an_inbox_expires(redis: Redis, b: Receiver) -> None:
    sender = CommandBus(redis, WorkerId("a"), SECRET)
    inbox = WorkerKeys(WorkerId("b")).inbox
    await sender.deliver(WorkerId("b"), call(1))
    assert 0 < await redis.ttl(inbox) <= 600
    async with running(redis, "b", b.arrived.put_nowait):
        await b.next()
        # The deletion of the first read comes before the second read, which brings this one.
        await sender.deliver(WorkerId("b"), call(2))
        await b.next()
    assert not await redis.exists(inbox)


async def test_our_own_worker_needs_no_redis(server: RedisServer, fragile: Redis, b: Receiver) -> None:
    server.kill()
    async with running(fragile, "b", b.arrived.put_nowait) as bus:
        await bus.deliver(WorkerId("b"), call())
        assert b.arrived.get_nowait() == call()


async def test_another_worker_is_unavailable_without_redis(server: RedisServer, fragile: Redis) -> None:
    server.kill()
    with pytest.raises(Unavailable) as refused:
        await CommandBus(fragile, WorkerId("a"), SECRET).deliver(WorkerId("b"), call())
    assert refused.value.code == "bus_unavailable"


async def test_the_inbox_works_again_after_a_restart(
    server: RedisServer, fragile: Redis, b: Receiver
) -> None:
    sender = CommandBus(fragile, WorkerId("a"), SECRET)
    async with running(fragile, "b", b.arrived.put_nowait):
        await sender.deliver(WorkerId("b"), call(1))
        await b.next()
        server.kill()
        server.start()
        await sender.deliver(WorkerId("b"), call(2))
        assert await b.next() == call(2)


async def test_the_inbox_works_again_after_flushall(redis: Redis, b: Receiver) -> None:
    sender = CommandBus(redis, WorkerId("a"), SECRET)
    async with running(redis, "b", b.arrived.put_nowait):
        await sender.deliver(WorkerId("b"), call(1))
        await b.next()
        await redis.flushall()
        await sender.deliver(WorkerId("b"), call(2))
        assert await b.next() == call(2)


async def test_a_receiver_that_fails_does_not_stop_the_inbox(redis: Redis, b: Receiver) -> None:
    def receive(envelope: Envelope) -> None:
        b.arrived.put_nowait(envelope)
        if envelope == call(1):
            raise RuntimeError("a fault of ours")

    sender = CommandBus(redis, WorkerId("a"), SECRET)
    async with running(redis, "b", receive):
        await sender.deliver(WorkerId("b"), call(1))
        await sender.deliver(WorkerId("b"), call(2))
        assert [await b.next(), await b.next()] == [call(1), call(2)]


def encrypted(body: bytes, secret: str = SECRET, worker: str = "b") -> dict[bytes, bytes]:
    return {b"e": EnvelopeCipher(secret).encrypt(body, WorkerKeys(WorkerId(worker)).inbox)}


_BODY = msgspec.msgpack.encode(call())
_NEWER = msgspec.msgpack.encode(msgspec.structs.replace(call(), version=VERSION + 1))
_UNKNOWN = msgspec.msgpack.encode({"kind": "drain", "version": 1})


@pytest.mark.parametrize(
    ("name", "fields", "counted"),
    [
        ("not signed", {b"e": _BODY}, "forged"),
        ("no field", {b"x": b"y"}, "forged"),
        ("empty", {b"e": b""}, "forged"),
        ("signed with another secret", encrypted(_BODY, secret="guessed"), "forged"),
        ("copied from another inbox", encrypted(_BODY, worker="c"), "forged"),
        ("changed", {b"e": encrypted(_BODY)[b"e"][:-1] + b"\x00\x00"}, "forged"),
        ("not an envelope", encrypted(b"\xc1"), "unknown"),
        ("a kind of another version", encrypted(_UNKNOWN), "unknown"),
        ("a newer version", encrypted(_NEWER), "version"),
    ],
)
async def test_what_is_not_ours_is_ignored_and_counted(
    redis: Redis, b: Receiver, name: str, fields: dict[bytes, bytes], counted: str
) -> None:
    before = ignored(counted)
    await redis.xadd(WorkerKeys(WorkerId("b")).inbox, fields)  # type: ignore[arg-type]  # invariant
    async with running(redis, "b", b.arrived.put_nowait):
        await CommandBus(redis, WorkerId("a"), SECRET).deliver(WorkerId("b"), call(2))
        assert await b.next() == call(2), name
    assert ignored(counted) == before + 1


async def test_an_added_field_does_not_disturb_an_older_worker(redis: Redis, b: Receiver) -> None:
    body = msgspec.msgpack.encode({**msgspec.msgpack.decode(_BODY), "added_later": [1, 2]})
    await redis.xadd(WorkerKeys(WorkerId("b")).inbox, encrypted(body))  # type: ignore[arg-type]  # as above
    async with running(redis, "b", b.arrived.put_nowait):
        assert await b.next() == call()


async def test_redis_never_sees_a_secret(redis: Redis) -> None:
    await CommandBus(redis, WorkerId("a"), SECRET).deliver(WorkerId("b"), call())
    stored = repr(await redis.xrange(WorkerKeys(WorkerId("b")).inbox))
    assert KEY_IN_PAYLOAD not in stored
    assert "RDAM-1" not in stored


async def test_an_inbox_nobody_reads_is_bounded(redis: Redis) -> None:
    inbox = WorkerKeys(WorkerId("b")).inbox
    async with redis.pipeline(transaction=False) as pipeline:
        for _ in range(12_000):
            pipeline.xadd(inbox, {"e": "x"})
        await pipeline.execute()
    await CommandBus(redis, WorkerId("a"), SECRET).deliver(WorkerId("b"), call())
    assert await redis.xlen(inbox) <= 10_200


@pytest.mark.parametrize("length", [0, 1, 31, 32, 33, 5000])
def test_a_sealed_text_opens_to_what_it_was(length: int) -> None:
    cipher = EnvelopeCipher(SECRET)
    body = bytes(index % 256 for index in range(length))
    text = cipher.encrypt(body, "inbox")
    assert cipher.decrypt(text, "inbox") == body
    assert cipher.encrypt(body, "inbox") != text
    assert length < 31 or body not in text
