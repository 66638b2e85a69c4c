"""The questions after a login, and the meaning of the answers."""

from dataclasses import replace
from typing import Any

import pytest

from app.quirks.records import StateAfterLogin
from app.state_requests.records import KnownPoint
from app.state_requests.rules import first_question, trigger_answer, unheard
from tests.support.store import ChargePointRecords, make_command


@pytest.mark.parametrize(
    ("habit", "refuses", "profiles", "question"),
    [
        ("ask", False, None, "ask"),
        ("ask", False, "Core,RemoteTrigger", "ask"),
        ("ask", False, "Core, Smart Charging, Remote Trigger", "ask"),
        ("ask", False, "Core,SmartCharging", "configuration"),
        ("ask", False, "", "configuration"),
        ("ask", True, "Core,RemoteTrigger", "configuration"),
        ("configuration", False, "Core,RemoteTrigger", "configuration"),
        ("nothing", False, None, "nothing"),
        ("nothing", True, "Core", "nothing"),
    ],
)
def test_the_first_question(
    habit: StateAfterLogin, refuses: bool, profiles: str | None, question: str
) -> None:
    assert first_question(habit, KnownPoint(refuses, profiles)) == question


@pytest.mark.parametrize(
    ("state", "result", "error", "meaning"),
    [
        ("accepted", {"status": "Accepted"}, None, "accepted"),
        ("rejected", {"status": "Rejected"}, None, "refused"),
        ("rejected", {"status": "NotImplemented"}, None, "unsupported"),
        ("call_error", None, {"code": "NotImplemented"}, "unsupported"),
        ("call_error", None, {"code": "NotSupported"}, "unsupported"),
        ("call_error", None, {"code": "InternalError"}, "refused"),
        ("call_error", {"status": "Maybe"}, {"code": "unreadable_answer"}, "refused"),
        ("timed_out", None, None, "lost"),
        ("offline", None, None, "lost"),
        ("connection_lost", None, None, "lost"),
        ("sent", None, None, "lost"),
    ],
)
async def test_the_meaning_of_an_answer(
    records: ChargePointRecords, state: Any, result: Any, error: Any, meaning: str
) -> None:
    command = replace(make_command(records), state=state, result=result, error=error)
    assert trigger_answer(command) == meaning


def test_connectors_that_have_not_reported() -> None:
    assert unheard([2, 0, 1], [1]) == [0, 2]
    assert unheard([], [1]) == []
    assert unheard([1], [1, 2]) == []
