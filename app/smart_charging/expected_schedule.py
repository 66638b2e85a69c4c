"""The composite schedule that a charge point should follow, from its ledger: for each state it may be in.

Where an answer is missing several states are possible. Then the highest of their limits counts at each
instant, for that is what the grid must bear.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from operator import attrgetter, itemgetter
from typing import Literal

from app.clock import utc_text
from app.errors import FieldViolation, InvalidInput
from app.smart_charging.composite import composite_schedule, draw_schedule, read_question
from app.smart_charging.drawing import Measured
from app.smart_charging.ledger_reading import LedgerView
from app.smart_charging.profile_ledger import Installed, PossibleState
from app.types import Json

MOST_CONNECTORS = 100
"""Connectors of a charge point that the core looks at."""
_MOST_STRETCHES = 20_000
"""Of all states that a charge point may be in: a moment of work."""
_LARGEST_LIMIT = 1_000_000_000
"""The largest that the core lays out, in either unit; what is beyond limits nothing all the same."""
_PARAMETERS = {
    "/connectorId": "connector_id",
    "/hardwareMax/A": "hardwareMaxA",
    "/hardwareMax/W": "hardwareMaxW",
    "/installed": "identity",
}
_OF_PROFILES = "/installed/"


@dataclass(frozen=True, slots=True)
class ScheduleRequest:
    """What to ask of the ledger. start: to the second; duration_s: 0 asks for the one instant of the start.

    assume_transaction: where no transaction runs, what a car would get that began at `start`. hardware_max:
    of each connector, by unit; number_of_connectors: None where it is not known.
    """

    connector_id: int
    start: datetime
    duration_s: int
    unit: Literal["A", "W"]
    assume_transaction: bool
    hardware_max: tuple[tuple[Literal["A", "W"], float], ...] = ()
    nominal_voltage: int = 230
    current_type: Literal["AC", "DC"] = "AC"
    number_of_connectors: int | None = None
    strict_tx_override: bool = False
    recurring_before_anchor: bool = False


@dataclass(frozen=True, slots=True)
class _Stretch:
    """A part of a composite schedule with one limit and one source. limit None: not limited."""

    start_s: int
    limit: float | None
    number_phases: int | None
    reasons: Json

    @property
    def height(self) -> tuple[float, int]:
        """What makes one limit weaker than another."""
        limit = float("inf") if self.limit is None else self.limit
        return limit, 3 if self.number_phases is None else self.number_phases


def expected_schedule(view: LedgerView, request: ScheduleRequest) -> Json:
    """Return the composite schedule of a connector, with its reasons, as the dry run shows one.

    Raises:
        InvalidInput: the core cannot lay out what was asked for, such as amperes for direct current.
    """
    lines: list[list[_Stretch]] = []
    for state in view.ledger.states:
        with _named_by_parameter(asked := question(view, state, request)):
            schedule: Json = json.loads(composite_schedule(read_question(json.dumps(asked))))
        if len(view.ledger.states) == 1:
            return schedule
        lines.append(_stretches(schedule))
        if sum(map(len, lines)) > _MOST_STRETCHES:
            text = "the charge point may be in several states that change too often; ask for a shorter time"
            raise InvalidInput([FieldViolation("duration", "too_much_work", text)])
    return {**schedule, "chargingSchedulePeriod": _periods(_highest(lines))}


def draw_expected(
    view: LedgerView, request: ScheduleRequest, title: str, measured: Sequence[Measured]
) -> str:
    """Return the composite schedule as SVG text, with every profile that may be on the charge point beneath.

    Raises:
        InvalidInput: as `expected_schedule`, or there is more to draw than one can see.
    """
    schedule = expected_schedule(view, request)
    with _named_by_parameter(asked := question(view, view.ledger.anywhere, request)):
        return draw_schedule(schedule, read_question(json.dumps(asked)), title, measured)


def question(view: LedgerView, state: PossibleState, request: ScheduleRequest) -> Json:
    """Return what the core is asked about one possible state of a charge point."""
    asked: Json = {
        "installed": [
            {"connectorId": item.connector_id, "csChargingProfiles": _readable(item.profile)}
            for item in state
            if not item.waiting and _is_laid_out(item)
        ],
        "transactions": [
            {
                "connectorId": row.connector_id,
                "transactionId": row.id,
                "startTimestamp": utc_text(row.started_at),
            }
            for row in view.running
            if 1 <= row.connector_id <= MOST_CONNECTORS
        ],
        "connectorId": request.connector_id,
        "scheduleStart": utc_text(request.start),
        "duration": request.duration_s,
        "chargingRateUnit": request.unit,
        "assumeTransaction": request.assume_transaction,
        "nominalVoltage": request.nominal_voltage,
        "currentType": request.current_type,
        "options": {
            "strictTxOverride": request.strict_tx_override,
            "recurringBeforeAnchor": request.recurring_before_anchor,
        },
    }
    if request.hardware_max:
        asked["hardwareMax"] = dict(request.hardware_max)
    connectors = _connectors(asked, request.number_of_connectors)
    return asked if connectors is None else {**asked, "numberOfConnectors": connectors}


def _connectors(asked: Json, reported: int | None) -> int | None:
    """The number of connectors: what was reported, unless there is more than that."""
    if reported is None or not 1 <= reported <= MOST_CONNECTORS:
        return None
    named: list[int] = [row["connectorId"] for row in (*asked["installed"], *asked["transactions"], asked)]
    return max(reported, *named)


def _is_laid_out(item: Installed) -> bool:
    """Say whether a profile can limit a connector that is looked at.

    The profile of a remote start follows its transaction; some charge points start that on connector 0, where
    no profile of a transaction can be.
    """
    lowest = 1 if item.profile["chargingProfilePurpose"] == "TxProfile" else 0
    return item.connector_id is not None and lowest <= item.connector_id <= MOST_CONNECTORS


def _readable(profile: Json) -> Json:
    """What was sent and accepted, as the core takes it.

    A relative profile loses its startSchedule, which counts for nothing; limits are cut to the largest.
    """
    schedule = profile["chargingSchedule"]
    periods = [
        {**period, "limit": min(period["limit"], _LARGEST_LIMIT)}
        for period in schedule["chargingSchedulePeriod"]
    ]
    kept = {**schedule, "chargingSchedulePeriod": periods}
    if profile["chargingProfileKind"] == "Relative":
        kept.pop("startSchedule", None)
    return {**profile, "chargingSchedule": kept}


@contextmanager
def _named_by_parameter(asked: Json) -> Iterator[None]:
    """The core's refusals by the parameters of our own request."""
    try:
        yield
    except InvalidInput as refusal:
        found = [_by_parameter(violation, asked) for violation in refusal.violations]
        raise InvalidInput(list(dict.fromkeys(found))) from None


def _by_parameter(violation: FieldViolation, asked: Json) -> FieldViolation:
    pointer = violation.pointer
    if not pointer.startswith(_OF_PROFILES):
        name = _PARAMETERS.get(pointer, pointer.removeprefix("/"))
        return FieldViolation(name, violation.code, violation.detail)
    # What was accepted is sound by itself, and fits everything but direct current.
    place = int(pointer.removeprefix(_OF_PROFILES).split("/")[0])
    number = asked["installed"][place]["csChargingProfiles"]["chargingProfileId"]
    return FieldViolation("currentType", violation.code, f"profile {number}: {violation.detail}")


def _highest(lines: Sequence[Sequence[_Stretch]]) -> Iterator[_Stretch]:
    """The highest limit of several lines at each instant, with the reasons of the one that has it."""
    changes = [(stretch.start_s, number, stretch) for number, line in enumerate(lines) for stretch in line]
    changes.sort(key=itemgetter(0))
    here = [line[0] for line in lines]
    for start_s, several in groupby(changes, key=itemgetter(0)):
        for _, number, stretch in several:
            here[number] = stretch
        most = max(here, key=attrgetter("height"))
        # A phase that one of them uses must be reckoned with.
        phases = [row.number_phases for row in here if row.number_phases is not None]
        widest = max(phases) if len(phases) == len(here) else None
        yield replace(most, start_s=start_s, number_phases=widest)


def _stretches(schedule: Json) -> list[_Stretch]:
    """What holds over time; the first stretch is at 0."""
    rows = []
    for period in schedule["chargingSchedulePeriod"]:
        for part in (period, *period.get("handovers", ())):
            reasons = {name: part[name] for name in ("source", "beaten", "beatenUnlisted") if name in part}
            rows.append(_Stretch(part["startPeriod"], period["limit"], period.get("numberPhases"), reasons))
    return rows


def _periods(stretches: Iterable[_Stretch]) -> list[Json]:
    periods: list[Json] = []
    previous: _Stretch | None = None
    for stretch in stretches:
        same = previous is not None and previous.height == stretch.height
        if not same:
            phases = {} if stretch.number_phases is None else {"numberPhases": stretch.number_phases}
            row = {"startPeriod": stretch.start_s, "limit": stretch.limit, **phases, **stretch.reasons}
            periods.append(row)
        elif previous is not None and previous.reasons != stretch.reasons:
            handover = {"startPeriod": stretch.start_s, **stretch.reasons}
            periods[-1].setdefault("handovers", []).append(handover)
        previous = stretch
    return periods
