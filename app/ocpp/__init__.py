"""The typed interface to the Rust core. No other module imports `app._core`."""

from functools import lru_cache
from typing import Any, Literal

import orjson

from app._core import (
    COMPILER_VERSION,
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
    Encryption,
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
    TlsContext,
    Verdict,
    Violation,
    close_frame,
    composite_schedules,
    distribute_site,
    is_secret_name,
    meter_digest,
    pack_samples,
    ping_frame,
    redact,
    redact_fault_text,
    text_frame,
    unpack_frames,
    unpack_samples,
)

Side = Literal["central_system", "charge_point"]
Direction = Literal["request", "response"]

Effect = Send | Dispatch | CallSent | Resolve | Refused | Ignored
"""One thing that a `Link` asks of its caller. The caller does them in order."""

Found = Dispatch | CallSent | Resolve | Refused | Ignored | Notice | Control | str | bytes
"""One thing that a `Conversation` asks of its caller. The caller does them in order."""

__all__ = [
    "COMPILER_VERSION",
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
    "Encryption",
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
    "TlsContext",
    "Verdict",
    "Violation",
    "close_frame",
    "composite_schedules",
    "critical_security_events",
    "description_of",
    "distribute_site",
    "is_secret_name",
    "messages_of",
    "meter_digest",
    "pack_samples",
    "ping_frame",
    "redact",
    "redact_fault_text",
    "text_frame",
    "unpack_frames",
    "unpack_samples",
]


@lru_cache(maxsize=4)
def description_of(protocol: Protocol) -> dict[str, Any]:
    """Return what `Protocol.describe` says, read once. Do not change it: all callers get this one."""
    description: dict[str, Any] = orjson.loads(protocol.describe())
    return description


def messages_of(protocol: Protocol, sender: Side) -> list[dict[str, Any]]:
    """Return what the definition says of each message that a side may send, as `description_of` does."""
    messages: list[dict[str, Any]] = description_of(protocol)["messages"]
    return [message for message in messages if message["sender"] in (sender, "both")]


def critical_security_events(protocol: Protocol) -> frozenset[str]:
    """Return the types of security events that the definition calls critical (security whitepaper 8)."""
    events: list[dict[str, Any]] = description_of(protocol)["securityEvents"]
    return frozenset(event["type"] for event in events if event["critical"])
