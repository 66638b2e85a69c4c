"""The composite schedule that a charge point should follow according to its ledger.

A missing answer leaves several possible states. Then the highest of their limits counts at each instant,
because the grid must be able to carry it.
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
from app.ocpp import Protocol
from app.smart_charging.composite import composite_schedule, draw_schedule, layers_of, read_question
from app.smart_charging.overlays import Measured, ReportedLimit
from app.smart_charging.profile_ledger import Installed, LedgerView, PossibleState
from app.types import Json

MOST_CONNECTORS = 100
"""The core computes schedules of this many connectors of a charge point."""
_MOST_INTERVALS = 20_000
"""Over all possible states of a charge point. More would take too long to compute."""
_LARGEST_LIMIT = 1_000_000_000
"""The largest limit that the core takes, in either unit. A larger one would not limit anything."""
_PARAMETERS = {
    "/connectorId": "connector_id",
    "/hardwareMax/A": "hardwareMaxA",
    "/hardwareMax/W": "hardwareMaxW",
    "/installed": "identity",
}
_OF_PROFILES = "/installed/"


@dataclass(frozen=True, slots=True)
class ScheduleOptions:
    """How to compute a composite schedule. duration_s: 0 asks for the one instant of the start.

    assume_transaction: on a connector without a transaction, assume one that begins at the start.
    hardware_max: greatest rate of each connector, by unit.
    """

    duration_s: int
    unit: Literal["A", "W"]
    assume_transaction: bool
    hardware_max: tuple[tuple[Literal["A", "W"], float], ...] = ()
    nominal_voltage: int = 230
    current_type: Literal["AC", "DC"] = "AC"
    strict_tx_override: bool = False
    recurring_before_anchor: bool = False


@dataclass(frozen=True, slots=True)
class ScheduleRequest:
    """A question about one connector.

    protocol: the version of OCPP that the charge point speaks. start: in whole seconds. number_of_connectors:
    None: not known.
    """

    protocol: Protocol
    connector_id: int
    start: datetime
    options: ScheduleOptions
    number_of_connectors: int | None = None


@dataclass(frozen=True, slots=True)
class _Interval:
    """A part of a composite schedule with one limit and one source. limit: None means not limited."""

    start_s: int
    limit: float | None
    number_phases: int | None
    reasons: Json
    warning: str | None = None

    @property
    def height(self) -> tuple[float, int]:
        """Return a sort key by which a weaker limit is greater."""
        limit = float("inf") if self.limit is None else self.limit
        return limit, 3 if self.number_phases is None else self.number_phases


def expected_schedule(view: LedgerView, request: ScheduleRequest) -> Json:
    """Return the composite schedule of a connector with its reasons, in the form of the dry run.

    Raises:
        InvalidInput: the core cannot compute it, such as amperes for direct current.
    """
    lines: list[list[_Interval]] = []
    for state in view.ledger.states:
        with _named_by_parameter(asked := question(view, state, request)):
            read = read_question(request.protocol, json.dumps(asked))
            schedule: Json = json.loads(composite_schedule(read))
        if len(view.ledger.states) == 1:
            return schedule
        lines.append(_intervals(schedule))
        if sum(map(len, lines)) > _MOST_INTERVALS:
            text = "the charge point may be in several states that change too often; ask for a shorter time"
            raise InvalidInput([FieldViolation("duration", "too_much_work", text)])
    return {**schedule, "chargingSchedulePeriod": _periods(_highest(lines))}


def draw_expected(
    view: LedgerView,
    request: ScheduleRequest,
    title: str,
    measured: Sequence[Measured],
    reported: Sequence[ReportedLimit] = (),
) -> str:
    """Return the composite schedule as SVG text, above every profile that may be on the charge point.

    reported: the charge point's own limits.

    Raises:
        InvalidInput: as `expected_schedule`, or there is too much to draw.
    """
    schedule = expected_schedule(view, request)
    layers: list[Json] = []
    # Not all together: of two profiles in one place the core keeps the later one, but the other may be there.
    for state in [view.ledger.anywhere] if view.ledger.overflow else view.ledger.states:
        with _named_by_parameter(asked := question(view, state, request)):
            layers += layers_of(read_question(request.protocol, json.dumps(asked)))
    with _named_by_parameter(asked):
        return draw_schedule(schedule, _different(layers, request), title, measured, reported)


def _different(layers: Sequence[Json], request: ScheduleRequest) -> list[Json]:
    """Return layers of several states without repetitions. A connector has one layer: the highest limits."""
    found: list[Json] = []
    connectors: dict[int, list[Json]] = {}
    for layer in layers:
        if layer["source"]["kind"] == "connector":
            connectors.setdefault(layer["source"]["connectorId"], []).append(layer)
        elif layer not in found:
            found.append(layer)
    return [*(_joined(several, request.options.duration_s) for several in connectors.values()), *found]


def _joined(layers: Sequence[Json], duration_s: int) -> Json:
    lines = [[_Interval(start_s, limit, None, {}) for start_s, _, limit in each["spans"]] for each in layers]
    intervals = list(_highest(lines))
    ends = [interval.start_s for interval in intervals[1:]] + [max(duration_s, 1)]
    spans = [[each.start_s, end_s, each.limit] for each, end_s in zip(intervals, ends, strict=True)]
    return {**layers[0], "spans": spans}


def question(view: LedgerView, state: PossibleState, request: ScheduleRequest) -> Json:
    """Return the question to the core about one possible state of a charge point."""
    asked: Json = {
        "installed": [
            {"connectorId": item.connector_id, "csChargingProfiles": _readable(item.profile)}
            for item in state
            if not item.waiting and _is_on_connector(item)
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
        **_members(request.options),
    }
    connectors = _connectors(asked, request.number_of_connectors)
    return asked if connectors is None else {**asked, "numberOfConnectors": connectors}


def _members(options: ScheduleOptions) -> Json:
    rates = {"hardwareMax": dict(options.hardware_max)} if options.hardware_max else {}
    return {
        "duration": options.duration_s,
        "chargingRateUnit": options.unit,
        "assumeTransaction": options.assume_transaction,
        "nominalVoltage": options.nominal_voltage,
        "currentType": options.current_type,
        "options": {
            "strictTxOverride": options.strict_tx_override,
            "recurringBeforeAnchor": options.recurring_before_anchor,
        },
        **rates,
    }


def _connectors(asked: Json, reported: int | None) -> int | None:
    """Return the number of connectors: the reported one, unless a higher connector is named."""
    if reported is None or not 1 <= reported <= MOST_CONNECTORS:
        return None
    named: list[int] = [row["connectorId"] for row in (*asked["installed"], *asked["transactions"], asked)]
    return max(reported, *named)


def _is_on_connector(item: Installed) -> bool:
    """Say whether a profile can limit one of the connectors that the core computes.

    The profile of a remote start follows its transaction. Some charge points start that on connector 0, where
    no TxProfile can be.
    """
    lowest = 1 if item.profile["chargingProfilePurpose"] == "TxProfile" else 0
    return item.connector_id is not None and lowest <= item.connector_id <= MOST_CONNECTORS


def _readable(profile: Json) -> Json:
    """Return an accepted profile in the form that the core takes.

    A relative profile loses its startSchedule, and a profile that is not a TxProfile its transactionId: they
    have no effect (OCPP 1.6 7.8, 7.13). Limits are cut to the largest one.
    """
    schedule = profile["chargingSchedule"]
    periods = [
        {**period, "limit": min(period["limit"], _LARGEST_LIMIT)}
        for period in schedule["chargingSchedulePeriod"]
    ]
    kept = {**schedule, "chargingSchedulePeriod": periods}
    if profile["chargingProfileKind"] == "Relative":
        kept.pop("startSchedule", None)
    names = dict(profile)
    if profile["chargingProfilePurpose"] != "TxProfile":
        names.pop("transactionId", None)
    return {**names, "chargingSchedule": kept}


@contextmanager
def _named_by_parameter(asked: Json) -> Iterator[None]:
    """Name the parameters of our own request in the refusals of the core."""
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
    # An accepted profile keeps the rules by itself; only direct current can forbid it.
    place = int(pointer.removeprefix(_OF_PROFILES).split("/")[0])
    number = asked["installed"][place]["csChargingProfiles"]["chargingProfileId"]
    return FieldViolation("currentType", violation.code, f"profile {number}: {violation.detail}")


def _highest(lines: Sequence[Sequence[_Interval]]) -> Iterator[_Interval]:
    """Yield the highest limit of several lines at each instant, with its reasons."""
    changes = [(interval.start_s, number, interval) for number, line in enumerate(lines) for interval in line]
    changes.sort(key=itemgetter(0))
    here = [line[0] for line in lines]
    for start_s, several in groupby(changes, key=itemgetter(0)):
        for _, number, interval in several:
            here[number] = interval
        most = max(here, key=attrgetter("height"))
        # A phase that one of them uses may be loaded.
        phases = [row.number_phases for row in here if row.number_phases is not None]
        widest = max(phases) if len(phases) == len(here) else None
        yield replace(most, start_s=start_s, number_phases=widest)


def _intervals(schedule: Json) -> list[_Interval]:
    """Return the intervals of a composite schedule; the first one starts at 0."""
    rows = []
    for period in schedule["chargingSchedulePeriod"]:
        for part in (period, *period.get("handovers", ())):
            reasons = {name: part[name] for name in ("source", "beaten", "beatenUnlisted") if name in part}
            rows.append(
                _Interval(
                    part["startPeriod"],
                    period["limit"],
                    period.get("numberPhases"),
                    reasons,
                    period.get("warning"),
                )
            )
    return rows


def _periods(intervals: Iterable[_Interval]) -> list[Json]:
    periods: list[Json] = []
    previous: _Interval | None = None
    for interval in intervals:
        same = previous is not None and previous.height == interval.height
        if not same:
            phases = {} if interval.number_phases is None else {"numberPhases": interval.number_phases}
            warning = {} if interval.warning is None else {"warning": interval.warning}
            row = {"startPeriod": interval.start_s, "limit": interval.limit, **phases, **warning}
            periods.append({**row, **interval.reasons})
        elif previous is not None and previous.reasons != interval.reasons:
            change = {"startPeriod": interval.start_s, **interval.reasons}
            periods[-1].setdefault("handovers", []).append(change)
        previous = interval
    return periods
