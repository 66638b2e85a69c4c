"""Conversations of tests, and what they have logged."""

import json
from typing import Any

from app.metrics import CALL_SECONDS
from app.ocpp import Conversation, FrameBuffer, MeterQueue, Tally

FRAME_BYTES = 262_144


def new_conversation(**given: Any) -> Conversation:
    """Return a registered conversation of a charge point; what is given takes the place of what is usual."""
    usual: dict[str, Any] = {
        "tenant_id": 1,
        "charge_point_id": 7,
        "connection_id": "c1",
        "is_framed": False,
        "strict": False,
        "frame_bytes": FRAME_BYTES,
        "unregistered_bytes": FRAME_BYTES,
        "queue_limit": 50,
        "rate_per_s": 1e6,
        "burst": 1_000_000,
        "now": 0.0,
        "meters": MeterQueue(512, 1000),
        "tally": Tally(CALL_SECONDS.bounds_s),
        "frames": FrameBuffer(1000, 1_000_000),
    }
    conversation = Conversation(**(usual | given))
    conversation.register()
    return conversation


def logged(frames: FrameBuffer) -> list[tuple[str, str, Any]]:
    """Return direction, text and deviations of all frames in a buffer, which is empty then."""
    taken = frames.take()
    return [] if taken is None else [_row(columns) for columns in _rows(taken[0])]


def _rows(data: bytes) -> list[list[bytes | None]]:
    """Read PostgreSQL's binary COPY: a head of 19 bytes, rows, and -1 for their end."""
    place = 19
    rows: list[list[bytes | None]] = []
    while (count := _number(data, place, 2)) >= 0:
        place += 2
        row: list[bytes | None] = []
        for _ in range(count):
            size = _number(data, place, 4)
            place += 4
            row.append(None if size < 0 else data[place : place + size])
            place += max(size, 0)
        rows.append(row)
    return rows


def _number(data: bytes, place: int, size: int) -> int:
    return int.from_bytes(data[place : place + size], "big", signed=True)


def _row(columns: list[bytes | None]) -> tuple[str, str, Any]:
    names = dict(zip(FrameBuffer.COLUMNS, columns, strict=True))
    direction, text, deviations = names["direction"] or b"", names["text"] or b"", names["deviations"]
    # The first byte is the version of `jsonb`.
    return direction.decode(), text.decode(), None if deviations is None else json.loads(deviations[1:])
