"""Bytes that are not HTTP, such as TLS at the port of the server: counted, and logged with an address."""

import asyncio

import pytest
from structlog.testing import capture_logs

from tests.gateway.test_anonymous_connections import connect, hits, rest, serving


@pytest.mark.parametrize(
    ("sent", "limit"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "tls"),
        (b"\x80\x2e\x01\x03\x01", "not_http"),
        (b"SSH-2.0-x\r\n\r\n", "not_http"),
    ],
)
async def test_what_is_not_http_is_counted_and_logged_with_its_address(sent: bytes, limit: str) -> None:
    before = hits(limit)
    with capture_logs() as lines:
        async with serving() as port:
            for _ in range(3):
                reader, _ = await connect(port, sent)
                await rest(reader)
            await asyncio.sleep(1.2)
    assert hits(limit) == before + 3
    found = [line for line in lines if line.get("limit") == limit]
    assert sum(line["count"] for line in found) == 3
    assert {line["last_remote"] for line in found} == {"127.0.0.1"}
