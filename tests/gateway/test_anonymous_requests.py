"""Requests without a key: an address that sends too many is read more slowly, and nothing is refused."""

import asyncio
from typing import Any

import pytest

from app.client_connections import note_known_client
from app.gateway import anonymous_connections as module
from app.gateway.anonymous_connections import AnonymousConnections, AnonymousLimits
from app.gateway.limiter import parse_networks
from tests.gateway.test_anonymous_connections import GET, Streams, answer_all, connect, hits, serving
from tests.support.gateway import until

WITH_KEY = b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer x\r\n\r\n"
FALSE_KEY = WITH_KEY.replace(b"Bearer x", b"Bearer false")
LOOPBACK = parse_networks(["127.0.0.0/8"])
AT_ONCE = 10


async def check_keys(scope: Any, receive: Any, send: Any) -> None:
    """Answer each request, and tell that the key `x` is valid."""
    if (b"authorization", b"Bearer x") in scope.get("headers", ()):
        note_known_client(scope)
    await answer_all(scope, receive, send)


def slowed(anonymous: AnonymousConnections) -> int:
    return sum(one.is_slowed for one in anonymous._connections)


async def ask(streams: Streams, request: bytes, times: int) -> None:
    """Send a request again and again, each time after the answer."""
    reader, writer = streams
    for _ in range(times):
        writer.write(request)
        assert b"204" in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)


async def test_who_sends_too_many_is_read_again_after_a_moment() -> None:
    anonymous, before = (
        AnonymousConnections(AnonymousLimits(requests_per_minute=60)),
        hits("anonymous_requests"),
    )
    async with serving(anonymous=anonymous) as port:
        streams = await connect(port)
        await ask(streams, GET, AT_ONCE - 1)
        assert slowed(anonymous) == 0
        await ask(streams, GET, 2)
        await until(lambda: slowed(anonymous) == 1)
        # It is answered at last.
        await ask(streams, GET, 1)
        assert hits("anonymous_requests") >= before + 2


async def test_requests_that_are_sent_together_are_all_answered() -> None:
    anonymous = AnonymousConnections(AnonymousLimits(requests_per_minute=60))
    async with serving(anonymous=anonymous) as port:
        reader, writer = await connect(port)
        writer.write(GET * 14)
        for _ in range(14):
            assert b"204" in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
        await until(lambda: slowed(anonymous) == 1)


@pytest.mark.parametrize(
    ("request_", "limits"),
    [
        (WITH_KEY, AnonymousLimits(requests_per_minute=60)),
        (GET, AnonymousLimits(requests_per_minute=60, proxies=LOOPBACK)),
    ],
    ids=["a key has limits of its own", "a proxy sends those of many"],
)
async def test_others_are_not_counted(request_: bytes, limits: AnonymousLimits) -> None:
    anonymous = AnonymousConnections(limits)
    async with serving(check_keys, anonymous=anonymous) as port:
        await ask(await connect(port), request_, 3 * AT_ONCE)
        assert slowed(anonymous) == 0


async def test_a_false_key_makes_no_known_client() -> None:
    anonymous = AnonymousConnections(AnonymousLimits(requests_per_minute=60))
    async with serving(check_keys, anonymous=anonymous) as port:
        await ask(await connect(port), FALSE_KEY, AT_ONCE + 1)
        await until(lambda: slowed(anonymous) == 1)


async def test_one_that_is_slowed_down_gives_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_GRACE_S", 0.0)
    monkeypatch.setattr(module, "_LONGEST_PAUSE_S", 3600.0)
    anonymous = AnonymousConnections(AnonymousLimits(requests_per_minute=60, connections=1))
    async with serving(check_keys, anonymous=anonymous) as port:
        streams = await connect(port)
        await ask(streams, GET, AT_ONCE + 1)
        await until(lambda: slowed(anonymous) == 1)
        newcomer = await connect(port)
        await ask(newcomer, WITH_KEY, 1)
        assert slowed(anonymous) == 0
