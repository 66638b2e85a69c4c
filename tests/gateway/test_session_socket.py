"""A session on its byte path, both with their whole: what a read holds, and when it counts."""

import asyncio
from dataclasses import replace

from app.gateway.session import Session
from app.gateway.session_services import SessionLimits
from app.gateway.websocket_connection import WebSocketConnection
from tests.gateway.test_session import HEARTBEAT, METER_VALUES
from tests.gateway.test_websocket_connection import Socket
from tests.support.session_harness import LIMITS, SessionHarness


def masked(text: str) -> bytes:
    """A frame of a charge point; the mask is zero, so the text is in it unchanged."""
    data = text.encode()
    size = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + len(data).to_bytes(2, "big")
    return b"\x81" + size + bytes(4) + data


class Wired(SessionHarness):
    """A harness whose session reads from a socket."""

    def __init__(self, limits: SessionLimits) -> None:
        super().__init__(limits=limits)
        self.websocket = WebSocketConnection(asyncio.get_running_loop())
        self.socket = Socket()
        self.socket.set_protocol(self.websocket)
        self.session = Session(self.connection, self.websocket, self.services, is_framed=True)
        self.websocket.start(
            self.socket, self.session, lambda code: self.session.closed(), lambda websocket: None
        )


async def test_a_record_of_a_paused_socket_wakes_the_ledger_for_all() -> None:
    wired = Wired(replace(LIMITS, rate_per_s=10.0, rate_burst=1))
    wired.websocket.data_received(masked(HEARTBEAT))
    wired.websocket.data_received(masked(METER_VALUES))
    assert not wired.socket.reading
    wired.websocket.connection_lost(None)
    await asyncio.sleep(0)
    assert len(wired.storage.ledger.readings) == 1


async def test_frames_of_one_read_take_the_time_of_the_rate_and_no_more() -> None:
    wired = Wired(replace(LIMITS, rate_per_s=20.0, rate_burst=200))
    begun = wired.clock.seconds
    wired.websocket.data_received(b"".join(masked(f'[2,"{n}","Heartbeat",{{}}]') for n in range(1000)))
    while wired.later:
        pause_s, resume = wired.later.pop()
        wired.clock.seconds += pause_s
        resume()
        await asyncio.sleep(0)
    assert wired.socket.written.count(b"currentTime") == 1000
    assert wired.clock.seconds - begun < 41
