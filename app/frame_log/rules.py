"""Decisions about stored frames: which of them a filter lets through, and in which order they are listed."""

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Final

import orjson

from app.frame_log.records import Direction, FrameFilter, FrameRecord

# All repetitions are possessive (`*+`): a charge point may send megabytes of blanks, and no search of these
# expressions may go over them twice.
_CALL: Final = re.compile(r"\s*+\[\s*+2\s*+,")


def unseen(frames: Iterable[FrameRecord], after: tuple[datetime, int] | None) -> Iterable[FrameRecord]:
    """Return the frames behind the last one seen. after: the time of its run, and its number; None: all."""
    return (frame for frame in frames if after is None or (frame.run_at, frame.id) < after)


def newest_first(frames: Iterable[FrameRecord]) -> list[FrameRecord]:
    """Return the frames of some runs in the order of a list."""
    return sorted(frames, key=lambda frame: (frame.run_at, frame.id), reverse=True)


class FrameCondition:
    """A filter, made ready for many frames."""

    __slots__ = ("_action", "_filters", "_message_id")

    def __init__(self, filters: FrameFilter) -> None:
        self._filters = filters
        self._action = None if filters.action is None else f'"{filters.action}"'
        self._message_id = None
        if filters.message_id is not None:
            # The second member of a frame. Some charge points write it as a number.
            written = re.escape(orjson.dumps(filters.message_id).decode()[1:-1])
            self._message_id = re.compile(rf'\s*+\[\s*+[2-4]\s*+,\s*+(?:"{written}"|{written})\s*+,')

    def passes(self, direction: Direction, at: datetime, text: str) -> bool:
        """Check whether a frame is one of those that are asked for."""
        filters = self._filters
        return (
            (filters.direction is None or direction == filters.direction)
            and (filters.from_at is None or at >= filters.from_at)
            and (filters.to_at is None or at < filters.to_at)
            # A CALL begins with message type 2, and its action is a JSON string.
            and (self._action is None or (self._action in text and _CALL.match(text) is not None))
            and (self._message_id is None or self._message_id.match(text) is not None)
        )
