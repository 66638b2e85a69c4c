"""Which stored frames a list shows, and in which order."""

from datetime import timedelta
from typing import Any

import pytest

from app.frame_log.records import FrameFilter, FrameRecord
from app.frame_log.rules import FrameCondition, newest_first, unseen
from tests.support.store import NOW

CALL = '[2,"a.c","Heartbeat",{}]'
SPACED = ' [ 2 , "7", "MeterValues", {"idTag": "Heartbeat"}]'
ANSWER = '[3,"a.c",{"status":"Heartbeat"}]'
NUMBERED = '[4,7,"InternalError","",{}]'
TEXTS = (CALL, SPACED, ANSWER, NUMBERED)


def frame(number: int, text: str = CALL, run_at: int = 0, **fields: Any) -> FrameRecord:
    moment = NOW + timedelta(seconds=run_at)
    columns = {"at": moment, "direction": "in", "deviations": None, "connection_id": "c", **fields}
    return FrameRecord(id=number, run_at=moment, charge_point_id=1, text=text, **columns)


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"action": "Heartbeat"}, [SPACED, CALL]),
        ({"action": "MeterValues"}, [SPACED]),
        ({"action": "Heart"}, []),
        ({"action": ".*"}, []),
        ({"message_id": "a.c"}, [ANSWER, CALL]),
        ({"message_id": "abc"}, []),
        ({"message_id": "7"}, [NUMBERED, SPACED]),
        ({"message_id": ".*"}, []),
        ({"direction": "out"}, []),
        ({"from_at": NOW, "to_at": NOW}, []),
        ({"from_at": NOW}, [NUMBERED, ANSWER, SPACED, CALL]),
        ({"to_at": NOW + timedelta(microseconds=1), "action": "MeterValues"}, [SPACED]),
    ],
    ids=str,
)
def test_a_filter_lets_through_what_it_names(filters: dict[str, Any], expected: list[str]) -> None:
    passes = FrameCondition(FrameFilter(**filters)).passes
    assert [text for text in reversed(TEXTS) if passes("in", NOW, text)] == expected


def test_frames_come_by_the_time_of_their_run_and_then_by_their_number() -> None:
    frames = [frame(1), frame(4, run_at=1), frame(3), frame(2)]
    assert [found.id for found in newest_first(frames)] == [4, 3, 2, 1]
    assert [found.id for found in newest_first(unseen(frames, None))] == [4, 3, 2, 1]
    assert [found.id for found in newest_first(unseen(frames, (NOW, 3)))] == [2, 1]


@pytest.mark.timeout(20)
@pytest.mark.parametrize("wanted", [" ", "   x", " " * 200])
def test_megabytes_of_blanks_are_looked_through_once(wanted: str) -> None:
    """Twice for each blank would take minutes, in which the worker does nothing else."""
    passes = FrameCondition(FrameFilter(message_id=wanted)).passes
    for text in (
        f'[2,{" " * 1_000_000}"1","Heartbeat",{{}}]',
        f"{' ' * 1_000_000}[2",
        f"[{' ' * 1_000_000}2",
    ):
        assert not passes("in", NOW, text)
        assert not FrameCondition(FrameFilter(action="Heartbeat")).passes("in", NOW, text[1:])
