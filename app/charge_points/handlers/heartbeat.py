"""Heartbeat (OCPP 1.6 4.6): the time. The session has already stored when the charge point was last seen."""

from app.clock import Clock, utc_text_of
from app.connection import Connection
from app.ocpp import v16


def handle(clock: Clock, connection: Connection, request: v16.HeartbeatRequest) -> v16.HeartbeatResponse:
    """Answer with the time, in UTC."""
    return {"currentTime": utc_text_of(clock.now_us())}
