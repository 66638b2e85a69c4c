"""The worked schedules of tests/vectors/composite_schedules.json through the core's Python face."""

import json
from pathlib import Path
from typing import Any

import pytest

from app.ocpp import CompositeQuestion, composite_schedules
from tests.support.protocol import OCPP16

VECTORS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "vectors" / "composite_schedules.json").read_text()
)
by_id = pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["id"])


def question(vector: dict[str, Any]) -> dict[str, Any]:
    """A vector as the dry run takes it."""
    request = vector["request"]
    return {
        "installed": vector["install"],
        "transactions": [
            {"startTimestamp" if name == "start" else name: value for name, value in transaction.items()}
            for transaction in vector["transactions"]
        ],
        "connectorId": request["connectorId"],
        "scheduleStart": request["start"],
        "duration": request["duration"],
        "chargingRateUnit": request["chargingRateUnit"],
        **{name: vector[name] for name in ("assumeTransaction", "hardwareMax", "nominalVoltage")},
        "numberOfConnectors": vector["numberOfConnectors"],
    }


def read(asked: dict[str, Any]) -> CompositeQuestion:
    found = CompositeQuestion.read(OCPP16, json.dumps(asked))
    assert isinstance(found, CompositeQuestion), found
    return found


@by_id
def test_the_answer_is_as_worked_by_hand(vector: dict[str, Any]) -> None:
    text = read(question(vector)).answer()
    assert isinstance(text, str)
    answer = json.loads(text)
    found = [
        {name: period[name] for name in ("startPeriod", "limit", "numberPhases") if name in period}
        for period in answer["chargingSchedulePeriod"]
    ]
    assert found == vector["expected"]
    assert (answer["scheduleStart"], answer["duration"]) == (
        vector["request"]["start"],
        vector["request"]["duration"],
    )


@by_id
def test_the_bare_limits_are_the_same(vector: dict[str, Any]) -> None:
    (schedule,) = composite_schedules([read(question(vector))])
    found = [
        {
            "startPeriod": start,
            "limit": None if tenths is None else tenths / 10,
            **({} if phases is None else {"numberPhases": phases}),
        }
        for start, tenths, phases in schedule.periods
    ]
    assert found == vector["expected"]
