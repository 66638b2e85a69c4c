"""Composite schedules: asks the core, turns its refusals into ours, and draws its answers."""

from collections.abc import Sequence
from datetime import MAXYEAR

import orjson

from app.clock import parse_time
from app.errors import FieldViolation, InvalidInput
from app.ocpp import CompositeQuestion, Protocol, Violation
from app.smart_charging.drawing import draw
from app.smart_charging.overlays import Measured, ReportedLimit
from app.types import Json

NOT_JSON = "not_json"
"""Code of the one violation of a text that is not JSON."""
_MOST_SHAPES = 6_000
"""A picture with more shapes than pixels shows nothing and costs time."""


def read_question(protocol: Protocol, text: str) -> CompositeQuestion:
    """Read the JSON text of a question, as `POST /v1/smart-charging/composite-schedule` takes it.

    protocol: the version of OCPP whose rules its profiles keep.

    Raises:
        InvalidInput: each broken rule with its JSON pointer.
    """
    found = CompositeQuestion.read(protocol, text)
    if isinstance(found, list):
        raise _refusal(found)
    return found


def composite_schedule(question: CompositeQuestion) -> str:
    """Return the composite schedule as JSON text, each period with its source and the profiles it beat.

    Raises:
        InvalidInput: the answer would be too long.
    """
    return _text(question.answer())


def picture(question: CompositeQuestion, title: str, measured: Sequence[Measured] = ()) -> str:
    """Return the composite schedule as SVG text: the limits, the profiles, and the measured values.

    Raises:
        InvalidInput: there is too much to draw, or the start is out of range.
    """
    schedule: Json = orjson.loads(composite_schedule(question))
    return draw_schedule(schedule, layers_of(question), title, measured)


def layers_of(question: CompositeQuestion) -> list[Json]:
    """Return when each profile is in force, whether it leads or not, the strongest profile first.

    Raises:
        InvalidInput: the answer would be too long.
    """
    layers: list[Json] = orjson.loads(_text(question.layers()))
    return layers


def draw_schedule(
    schedule: Json,
    layers: Sequence[Json],
    title: str,
    measured: Sequence[Measured],
    reported: Sequence[ReportedLimit] = (),
) -> str:
    """Return a schedule as SVG text, above the layers that it was merged from.

    reported: the charge point's own limits.

    Raises:
        InvalidInput: there is too much to draw, or the start is out of range.
    """
    shapes = len(schedule["chargingSchedulePeriod"]) + sum(len(layer["spans"]) for layer in layers)
    if shapes > _MOST_SHAPES:
        detail = f"there would be {shapes} shapes to draw, {_MOST_SHAPES} at most; ask for a shorter time"
        raise InvalidInput([FieldViolation("/duration", "too_much_to_draw", detail)])
    start = parse_time(schedule["scheduleStart"])
    if start is None or start.year >= MAXYEAR - 1:
        detail = "must be in the years 2 to 9997 for a picture"
        raise InvalidInput([FieldViolation("/scheduleStart", "out_of_range", detail)])
    return draw(schedule, layers, title=title, measured=measured, reported=reported)


def _text(written: str | list[Violation]) -> str:
    if isinstance(written, list):
        raise _refusal(written)
    return written


def _refusal(found: Sequence[Violation]) -> InvalidInput:
    return InvalidInput([FieldViolation(rule.pointer, rule.reason, rule.detail) for rule in found])
