"""Files over the HTTP protocol of the gateway: they may last, and do not fill memory."""

import asyncio
from typing import Any

from app.long_transfers import begin_long_transfer
from tests.gateway.test_anonymous_connections import answer_all, connect, is_open, rest, serving

PUT = b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"
IDLE = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"


async def take_files(scope: Any, receive: Any, send: Any) -> None:
    """Let PUT transfer a file. Answer when the whole body has come."""
    if scope["type"] == "http":
        if scope["method"] == "PUT":
            begin_long_transfer(scope)
        while (message := await receive()).get("more_body"):
            pass
        if message["type"] == "http.disconnect":
            return
    await answer_all(scope, receive, send)


async def test_an_upload_may_last_longer_than_other_requests() -> None:
    async with serving(take_files, request_s=0.2) as port:
        upload, writer = await connect(port, PUT + b"x")
        other, _ = await connect(port, IDLE + b"x")
        assert await rest(other) == b""
        assert await is_open(upload)
        writer.write(b"x" * 999_999)
        assert (await upload.readline()).startswith(b"HTTP/1.1 204 ")


async def test_an_upload_that_stalls_is_cut_off() -> None:
    async with serving(take_files, transfer_stall_s=0.2) as port:
        upload, _ = await connect(port, PUT + b"x")
        assert await rest(upload) == b""


async def test_uploads_are_not_counted_among_the_connections_of_an_address() -> None:
    async with serving(take_files, per_address=1) as port:
        uploads = [await connect(port, PUT + b"x") for _ in range(5)]
        surplus, _ = await connect(port, IDLE)
        newest, _ = await connect(port, IDLE)
        assert await rest(surplus) == b""
        assert [await is_open(reader) for reader, _ in (*uploads, (newest, None))] == [True] * 6


async def test_a_body_that_is_not_read_stays_with_the_client() -> None:
    size, first = 50_000_000, asyncio.Event()
    lengths: list[int] = []

    async def take_slowly(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            begin_long_transfer(scope)
            await first.wait()
            while (message := await receive()).get("more_body"):
                lengths.append(len(message["body"]))
            lengths.append(len(message["body"]))
        await answer_all(scope, receive, send)

    async with serving(take_slowly) as port:
        head = b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size
        reader, writer = await connect(port, head)
        writer.write(b"x" * size)
        # What neither socket takes stays here.
        assert await is_open(reader)
        assert writer.transport.get_write_buffer_size() > size // 2
        first.set()
        assert (await asyncio.wait_for(reader.readline(), 30)).startswith(b"HTTP/1.1 204 ")
    assert sum(lengths) == size
    assert max(lengths) <= 65_536 + 262_144


async def test_the_rest_of_a_refused_body_is_not_read_for_ever() -> None:
    async def refuse(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            begin_long_transfer(scope)
        await answer_all(scope, receive, send)

    async with serving(refuse, request_s=0.2) as port:
        reader, _ = await connect(port, PUT + b"x")
        assert (await rest(reader)).startswith(b"HTTP/1.1 204 ")
