"""Measures the composite schedules of a city from Python: one call for all connectors."""

import json
import time
from typing import Any

from app.ocpp import CompositeQuestion, Protocol, composite_schedules
from benchmarks.plan import Plan
from benchmarks.summary import Summary, summarize

_START_S = 1_772_445_600
_DAY_S = 86_400
_PROFILES = 20
_KINDS = ("Daily", "Weekly")


def measure(plan: Plan) -> dict[str, dict[str, Summary]]:
    """Return the CPU nanoseconds of the calling thread for all connectors together, by step."""
    protocol, count = Protocol.v16(), plan.schedule_connectors
    texts = [_question(number) for number in range(count)]
    rounds: dict[str, list[float]] = {"read": [], "merge": [], "answer_with_reasons": []}
    for _ in range(plan.micro_rounds):
        started = time.thread_time_ns()
        questions = [_read(protocol, text) for text in texts]
        read = time.thread_time_ns()
        schedules = composite_schedules(questions, _START_S + 60)
        merged = time.thread_time_ns()
        for question in questions:
            question.answer()
        answered = time.thread_time_ns()
        assert all(schedule.periods for schedule in schedules)
        rounds["read"].append(read - started)
        rounds["merge"].append(merged - read)
        rounds["answer_with_reasons"].append(answered - merged)
    name = f"{count} connectors with {_PROFILES} profiles for 24 hours"
    return {name: {step: summarize(values) for step, values in rounds.items()}}


def _read(protocol: Protocol, text: str) -> CompositeQuestion:
    question = CompositeQuestion.read(protocol, text)
    assert isinstance(question, CompositeQuestion), question
    return question


def _question(connector: int) -> str:
    asked = {
        "installed": [_installed(connector, number) for number in range(_PROFILES)],
        "transactions": [{"connectorId": 1, "startTimestamp": "2026-03-02T09:50:00Z"}],
        "connectorId": 1,
        "scheduleStart": "2026-03-02T10:00:00Z",
        "duration": _DAY_S,
        "hardwareMax": {"A": 32},
    }
    return json.dumps(asked)


def _installed(connector: int, number: int) -> dict[str, Any]:
    """Return an installed profile. Its number decides on purpose, kind, recurrency and unit."""
    purpose = ("ChargePointMaxProfile", "TxProfile", "TxDefaultProfile", "TxDefaultProfile")[number % 4]
    unit, step = ("W", 690) if number % 3 == 0 else ("A", 1)
    hour = (connector + number * 7) % 24
    profile: dict[str, Any] = {
        "chargingProfileId": number,
        "stackLevel": number,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": "Absolute" if number % 5 == 0 else "Recurring",
        "chargingSchedule": {
            "startSchedule": f"2026-02-23T{hour:02}:{connector % 60:02}:00Z",
            "duration": 36_000,
            "chargingRateUnit": unit,
            "chargingSchedulePeriod": [
                {"startPeriod": 4_000 * place, "limit": (8 + (number * 7 + place * 5) % 24) * step}
                for place in range(4)
            ],
        },
    }
    if number % 5:
        profile["recurrencyKind"] = _KINDS[number % 2]
    return {"connectorId": 1 if purpose == "TxProfile" else 0, "csChargingProfiles": profile}
