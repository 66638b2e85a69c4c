"""The typed interface to the Rust core. No other module imports `app._core`."""

from typing import Any, Literal

import orjson

from app._core import (
    DEVIATION_CODES,
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
    SiteMemory,
    SiteNode,
    SiteOverload,
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
    is_secret_name,
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
    "DEVIATION_CODES",
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
    "SiteMemory",
    "SiteNode",
    "SiteOverload",
    "SiteReserve",
    "SiteSession",
    "SiteShare",
    "Socket",
    "Sockets",
    "Verdict",
    "Violation",
    "close_frame",
    "composite_schedules",
    "distribute_site",
    "is_secret_name",
    "messages_of",
    "meter_digest",
    "ping_frame",
    "redact",
    "text_frame",
]


def messages_of(protocol: Protocol, sender: Side) -> list[dict[str, Any]]:
    """Return what the definition says of each message that a side may send. See `Protocol.describe`."""
    messages: list[dict[str, Any]] = orjson.loads(protocol.describe())["messages"]
    return [message for message in messages if message["sender"] in (sender, "both")]
