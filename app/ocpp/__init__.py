"""The typed face of the Rust core, and the only importer of `app._core`."""

from app._core import (
    CallSent,
    Deviation,
    Dispatch,
    FrameBuffer,
    FrameVerdict,
    Ignored,
    Link,
    Refused,
    Resolve,
    Send,
    Verdict,
    Violation,
    check_call,
    check_frame,
    check_payload,
    describe,
    json_schema,
    redact,
)

Effect = Send | Dispatch | CallSent | Resolve | Refused | Ignored
"""What a `Link` asks of its caller; carried out in order."""

__all__ = [
    "CallSent",
    "Deviation",
    "Dispatch",
    "Effect",
    "FrameBuffer",
    "FrameVerdict",
    "Ignored",
    "Link",
    "Refused",
    "Resolve",
    "Send",
    "Verdict",
    "Violation",
    "check_call",
    "check_frame",
    "check_payload",
    "describe",
    "json_schema",
    "redact",
]
