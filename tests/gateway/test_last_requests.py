"""A client with too many requests has to connect again. It gets its answer first."""

from typing import Any

from app.gateway.limiter import parse_networks
from app.last_requests import end_after_answer
from tests.gateway.test_anonymous_connections import GET, answer_all, connect, is_open, rest, serving

LARGE = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"


async def refuse(scope: Any, receive: Any, send: Any) -> None:
    """Answer each request, and make it the last one of its connection."""
    if scope["type"] == "http":
        end_after_answer(scope)
    await answer_all(scope, receive, send)


async def test_the_connection_ends_after_the_answer() -> None:
    async with serving(refuse) as port:
        reader, _ = await connect(port, GET + GET)
        assert (await rest(reader)).count(b"HTTP/1.1 204 ") == 1


async def test_a_body_that_comes_later_does_not_cost_the_answer() -> None:
    async with serving(refuse) as port:
        reader, writer = await connect(port, LARGE)
        assert (await reader.readline()).startswith(b"HTTP/1.1 204 ")
        writer.write(b"x" * 1_000_000)
        assert (await rest(reader)).endswith(b"\r\n\r\n")


async def test_a_connection_that_a_proxy_shares_goes_on() -> None:
    async with serving(refuse, proxies=parse_networks(["127.0.0.0/8"])) as port:
        reader, writer = await connect(port, GET)
        assert b"204" in await reader.readuntil(b"\r\n\r\n")
        assert await is_open(reader)
        writer.write(GET)
        assert b"204" in await reader.readuntil(b"\r\n\r\n")
