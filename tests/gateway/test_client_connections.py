"""A client with too many requests has to connect again. It gets its answer first."""

from typing import Any

from app.gateway.limiter import parse_networks
from app.web.exchange import answer_exchange
from tests.gateway.test_anonymous_connections import GET, answer_all, connect, is_open, rest, serving

LARGE = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"


async def answer_429(scope: Any, receive: Any, send: Any) -> None:
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 429, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body"})


async def refuse(scope: Any, receive: Any, send: Any) -> None:
    """Answer each request with 429, as the application does."""
    if scope["type"] == "http":
        await answer_exchange(answer_429, scope, receive, send)
    else:
        await answer_all(scope, receive, send)


async def test_the_connection_ends_after_the_answer() -> None:
    async with serving(refuse) as port:
        reader, _ = await connect(port, GET + GET)
        answer = await rest(reader)
        assert answer.count(b"HTTP/1.1 429 ") == 1
        assert b"\r\nconnection: close\r\n" in answer


async def test_a_body_that_comes_later_does_not_cost_the_answer() -> None:
    async with serving(refuse) as port:
        reader, writer = await connect(port, LARGE)
        for _ in range(10):
            writer.write(b"x" * 100_000)
            await writer.drain()
        assert (await rest(reader)).startswith(b"HTTP/1.1 429 ")


async def test_a_connection_that_a_proxy_shares_goes_on() -> None:
    async with serving(refuse, proxies=parse_networks(["127.0.0.0/8"])) as port:
        reader, writer = await connect(port, GET)
        for _ in range(2):
            assert b"connection: close" not in await reader.readuntil(b"\r\n\r\n")
            assert await is_open(reader)
            writer.write(GET)
