"""Heartbeat (OCPP 1.6 4.6): the time. That the charge point lives, the session has noted already."""

from app.clock import utc_text_of
from app.connection import Connection
from app.handler_context import HandlerContext
from app.ocpp import v16


def handle(
    context: HandlerContext, connection: Connection, request: v16.HeartbeatRequest
) -> v16.HeartbeatResponse:
    """Tell the time, in UTC."""
    return {"currentTime": utc_text_of(context.clock.now_us())}
