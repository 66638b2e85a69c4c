"""Makes conversations for tests, and reads what they have logged."""

import json
from typing import Any

from app.metrics import CALL_SECONDS
from app.ocpp import Conversation, Counters, FrameBuffer, MeterQueue, unpack_frames
from tests.support.protocol import OCPP16

FRAME_BYTES = 262_144


def new_conversation(**given: Any) -> Conversation:
    """Return a registered conversation of a charge point. given: arguments that replace the usual ones."""
    usual: dict[str, Any] = {
        "protocol": OCPP16,
        "tenant_id": 1,
        "charge_point_id": 7,
        "connection_id": "c1",
        "is_framed": False,
        "inflates": False,
        "strict": False,
        "frame_bytes": FRAME_BYTES,
        "unregistered_bytes": FRAME_BYTES,
        "queue_limit": 50,
        "rate_per_s": 1e6,
        "burst": 1_000_000,
        "meters": MeterQueue(512, 1000, lambda: None),
        "counters": Counters(CALL_SECONDS.bounds_s),
        "frames": FrameBuffer(1000, 1_000_000, 1_000_000),
        "clock": None,
    }
    conversation = Conversation(**(usual | given))
    conversation.register()
    return conversation


def logged(frames: FrameBuffer) -> list[tuple[str, str, Any]]:
    """Empty a buffer, and return direction, text and deviations of its frames."""
    taken = frames.take()
    return [] if taken is None else [frame for columns in _rows(taken[0]) for frame in _run(columns)]


def _rows(data: bytes) -> list[list[bytes | None]]:
    """Read the binary COPY of PostgreSQL: a header of 19 bytes, the rows, and -1 as their end."""
    place = 19
    rows: list[list[bytes | None]] = []
    while (count := _number(data, place, 2)) >= 0:
        place += 2
        row: list[bytes | None] = []
        for _ in range(count):
            place, value = _value(data, place)
            row.append(value)
        rows.append(row)
    return rows


def _number(data: bytes, place: int, size: int) -> int:
    return int.from_bytes(data[place : place + size], "big", signed=True)


def _run(columns: list[bytes | None]) -> list[tuple[str, str, Any]]:
    packed = columns[FrameBuffer.COLUMNS.index("packed")]
    assert packed is not None
    _, frames = unpack_frames(packed, 0)
    return [
        (direction, text, None if deviations is None else json.loads(deviations))
        for _, direction, text, deviations in frames
    ]


def _value(data: bytes, place: int) -> tuple[int, bytes | None]:
    size = _number(data, place, 4)
    place += 4
    return place + max(size, 0), None if size < 0 else data[place : place + size]
