"""Computes the picture of a message flow: two lifelines and their arrows. `flow.svg` draws it."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.catalog.schemas import FlowStepServed

# Pixels of the view box. Narrow enough that the text keeps its size on a phone of 360 pixels.
WIDTH = 360
_LIFELINE_X = (54, 306)
_HEAD_HEIGHT = 34
_FIRST_ARROW_Y = 82
_ROW_HEIGHT = 52
_FOOT_HEIGHT = 26
_NUMBER_RADIUS = 12
_ARROW_LENGTH = 9


@dataclass(frozen=True, slots=True)
class Lifeline:
    """One side of the connection: a vertical line below its name."""

    name: str
    x: int
    top: int
    bottom: int


@dataclass(frozen=True, slots=True)
class Arrow:
    """One message: a horizontal line with a head, its name above, and its number at the sender."""

    number: str
    action: str
    direction: str
    y: int
    number_x: int
    start_x: int
    end_x: int
    head: str
    label_x: int


@dataclass(frozen=True, slots=True)
class Drawing:
    """The whole drawing, in pixels of its view box."""

    width: int
    height: int
    head_height: int
    number_radius: int
    lifelines: tuple[Lifeline, Lifeline]
    arrows: tuple[Arrow, ...]


def draw_flow(parties: Sequence[str], steps: Sequence[FlowStepServed]) -> Drawing:
    """Lay out the message flow.

    Args:
        parties: the two names, charge point first.
        steps: in their order. The arrow of a message that either side may send points right.
    """
    last_y = _FIRST_ARROW_Y + _ROW_HEIGHT * (len(steps) - 1)
    left, right = (
        Lifeline(name, x, _HEAD_HEIGHT, last_y + _FOOT_HEIGHT)
        for name, x in zip(parties, _LIFELINE_X, strict=True)
    )
    arrows = tuple(_arrow(step, _FIRST_ARROW_Y + _ROW_HEIGHT * place) for place, step in enumerate(steps))
    return Drawing(WIDTH, left.bottom + 2, _HEAD_HEIGHT, _NUMBER_RADIUS, (left, right), arrows)


def _arrow(step: FlowStepServed, y: int) -> Arrow:
    left, right = _LIFELINE_X
    rightwards = step.direction != "csms-to-cp"
    origin, target = (left, right) if rightwards else (right, left)
    sign = 1 if rightwards else -1
    tip = target - sign * 2
    back = tip - sign * _ARROW_LENGTH
    return Arrow(
        number=f"{step.step:02}",
        action=step.action,
        direction=step.direction,
        y=y,
        number_x=origin,
        start_x=origin + sign * _NUMBER_RADIUS,
        end_x=back,
        head=f"{tip},{y} {back},{y - 5} {back},{y + 5}",
        label_x=(left + right) // 2,
    )
