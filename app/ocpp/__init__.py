"""The typed interface to the Rust core. No other module imports `app._core`."""

from functools import cache
from typing import Literal

from app._core import (
    CallSent,
    CompositeQuestion,
    CompositeSchedule,
    Control,
    Conversation,
    Counters,
    Deframer,
    Deviation,
    Dispatch,
    FrameBuffer,
    FrameVerdict,
    Ignored,
    Link,
    MeterBatch,
    MeterQueue,
    Notice,
    Protocol,
    Refused,
    Resolve,
    Send,
    SiteDistribution,
    SiteFault,
    SiteNode,
    SiteReserve,
    SiteSession,
    SiteShare,
    Socket,
    Sockets,
    Verdict,
    Violation,
    close_frame,
    composite_schedules,
    distribute_site,
    meter_digest,
    ping_frame,
    redact,
    text_frame,
)

Side = Literal["central_system", "charge_point"]
Direction = Literal["request", "response"]

Effect = Send | Dispatch | CallSent | Resolve | Refused | Ignored
"""One thing that a `Link` asks of its caller. The caller does them in order."""

Found = Dispatch | CallSent | Resolve | Refused | Ignored | Notice | Control | str | bytes
"""One thing that a `Conversation` asks of its caller. The caller does them in order."""

__all__ = [
    "CallSent",
    "CompositeQuestion",
    "CompositeSchedule",
    "Control",
    "Conversation",
    "Counters",
    "Deframer",
    "Deviation",
    "Direction",
    "Dispatch",
    "Effect",
    "Found",
    "FrameBuffer",
    "FrameVerdict",
    "Ignored",
    "Link",
    "MeterBatch",
    "MeterQueue",
    "Notice",
    "Protocol",
    "Refused",
    "Resolve",
    "Send",
    "Side",
    "SiteDistribution",
    "SiteFault",
    "SiteNode",
    "SiteReserve",
    "SiteSession",
    "SiteShare",
    "Socket",
    "Sockets",
    "Verdict",
    "Violation",
    "check_call",
    "check_frame",
    "check_payload",
    "close_frame",
    "composite_schedules",
    "describe",
    "distribute_site",
    "json_schema",
    "meter_digest",
    "ocpp16",
    "ping_frame",
    "redact",
    "text_frame",
]


@cache
def ocpp16() -> Protocol:
    """Return OCPP 1.6, read at the first call."""
    return Protocol.v16()


def describe() -> str:
    """Return the definition of OCPP 1.6 as JSON text. See `Protocol.describe`."""
    return ocpp16().describe()


def json_schema(action: str, direction: Direction) -> str:
    """Return the JSON Schema of a payload of OCPP 1.6. See `Protocol.json_schema`."""
    return ocpp16().json_schema(action, direction)


def check_payload(action: str, direction: Direction, payload: str, strict: bool = True) -> Verdict:
    """Judge one payload by OCPP 1.6. See `Protocol.check_payload`."""
    return ocpp16().check_payload(action, direction, payload, strict)


def check_call(sender: Side, action: str, payload: str) -> Verdict:
    """Judge the payload of a CALL by OCPP 1.6. See `Protocol.check_call`."""
    return ocpp16().check_call(sender, action, payload)


def check_frame(text: str, sender: Side, strict: bool = False) -> FrameVerdict:
    """Judge one whole frame by OCPP 1.6. See `Protocol.check_frame`."""
    return ocpp16().check_frame(text, sender, strict)
