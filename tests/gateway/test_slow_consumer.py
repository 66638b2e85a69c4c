"""A charge point that does not read, and one that we read slowly. FAULTS: slow consumer"""

import asyncio

import pytest

from app.gateway import websocket_connection as module
from app.gateway.session import Session
from app.ocpp import text_frame
from app.types import TenantId
from tests.support.gateway import GatewayServer, until
from tests.support.raw_client import frame_bytes

READ_BYTES = 65_536
"""Bytes that the core reads at once. Each frame in them may give two results: itself, and "slow"."""


@pytest.mark.parametrize("limit", ["OUTBOUND_LIMIT_BYTES", "SEND_DEADLINE_S"])
async def test_who_does_not_read_is_cut_off_and_others_are_not(
    server: GatewayServer, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    if limit == "SEND_DEADLINE_S":
        monkeypatch.setattr(module, limit, 0.05)
        monkeypatch.setattr(module, "OUTBOUND_LIMIT_BYTES", 1 << 40)
    await server.register("DEAF")
    await server.register("CP1")
    deaf = await server.connect("DEAF")
    other = await server.connect("CP1")
    registry = server.endpoint._registry
    place = TenantId(server.tenant.id)
    session = registry.get(place, "DEAF")
    assert isinstance(session, Session)
    # More than all buffers of the two sockets hold.
    for _ in range(300 if limit == "OUTBOUND_LIMIT_BYTES" else 100):
        session._transport.write(text_frame("x" * 100_000))
        await asyncio.sleep(0)

    await until(lambda: registry.get(place, "DEAF") is None)
    assert (await other.call("Heartbeat", {}))[0] == 3
    await deaf.close()
    assert (await (await server.connect("DEAF")).call("Heartbeat", {}))[0] == 3


async def test_of_who_sends_too_fast_one_read_waits_at_most(server: GatewayServer) -> None:
    await server.register("FAST")
    fast = await server.connect("FAST")
    session = server.endpoint._registry.get(TenantId(server.tenant.id), "FAST")
    assert isinstance(session, Session)
    assert isinstance(session._transport, module.WebSocketConnection)
    frames = [frame_bytes(b'[2,"%05d","Heartbeat",{}]' % number) for number in range(20_000)]
    fast.writer.write(b"".join(frames))
    answers = server.settings.rate_burst + 10
    for _ in range(answers):
        await fast.text()
    assert len(session._transport._waiting or ()) <= READ_BYTES // len(frames[0]) * 2
