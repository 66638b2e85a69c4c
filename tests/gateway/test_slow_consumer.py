"""A charge point that does not read, and one that we read slowly. FAULTS: slow consumer"""

import asyncio

import pytest

from app.gateway import websocket_connection as module
from app.gateway.session import Session
from app.ocpp import text_frame
from app.types import TenantId
from tests.support.gateway import Station, until
from tests.support.raw_client import frame_bytes

READ_BYTES = 65_536
"""Bytes that the core reads at once. Each frame in them may give two results: itself, and "slow"."""


@pytest.mark.parametrize("limit", ["OUTBOUND_LIMIT_BYTES", "SEND_DEADLINE_S"])
async def test_who_does_not_read_is_cut_off_and_others_are_not(
    station: Station, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    if limit == "SEND_DEADLINE_S":
        monkeypatch.setattr(module, limit, 0.05)
        monkeypatch.setattr(module, "OUTBOUND_LIMIT_BYTES", 1 << 40)
    await station.register("DEAF")
    await station.register("CP1")
    deaf = await station.connect("DEAF")
    other = await station.connect("CP1")
    registry = station.endpoint._registry
    place = TenantId(station.tenant.id)
    session = registry.get(place, "DEAF")
    assert isinstance(session, Session)
    # More than all buffers of the two sockets hold.
    for _ in range(300 if limit == "OUTBOUND_LIMIT_BYTES" else 100):
        session._transport.write(text_frame("x" * 100_000))
        await asyncio.sleep(0)

    await until(lambda: registry.get(place, "DEAF") is None)
    assert (await other.call("Heartbeat", {}))[0] == 3
    await deaf.close()
    assert (await (await station.connect("DEAF")).call("Heartbeat", {}))[0] == 3


async def test_of_who_sends_too_fast_one_read_waits_at_most(station: Station) -> None:
    await station.register("FAST")
    fast = await station.connect("FAST")
    session = station.endpoint._registry.get(TenantId(station.tenant.id), "FAST")
    assert isinstance(session, Session)
    assert isinstance(session._transport, module.WebSocketConnection)
    frames = [frame_bytes(b'[2,"%05d","Heartbeat",{}]' % number) for number in range(20_000)]
    fast.writer.write(b"".join(frames))
    answers = station.settings.rate_burst + 10
    for _ in range(answers):
        await fast.text()
    assert len(session._transport._waiting or ()) <= READ_BYTES // len(frames[0]) * 2
