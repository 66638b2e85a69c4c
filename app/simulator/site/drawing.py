"""Draws a day as SVG: what flowed through main fuse and feeders, and what each charge point gave.

The text has its own styles for light and dark, and no fonts, scripts or links.
"""

from collections.abc import Sequence
from html import escape

from app.simulator.site.day import STEP_S, Day, Step
from app.simulator.site.installation import CHARGE_POINTS, FEEDERS, PHASES, PLACES, Place
from app.simulator.site.report import clock, figures

_WIDTH = 960
_LEFT, _RIGHT = 92, 940
_PANEL, _GAP = 92, 16
_STRIP = 44
_ROW = 9
_COLUMN_S = 300
"""An area shows the highest value of five minutes, so that every value over a limit is visible."""
_STYLE = """
text{font:12px system-ui,sans-serif;fill:#1f2933}.title{font-size:16px;font-weight:600}
.note{fill:#52606d}.end{text-anchor:end}.mid{text-anchor:middle}.small{font-size:10px}
.page{fill:#fff}.grid{stroke:#e1e6eb}.frame{fill:none;stroke:#adb5bd}
.others{fill:#adb5bd}.cars{fill:#1c7ed6}.limit{stroke:#c92a2a;stroke-width:1.5;stroke-dasharray:5 4}
.limit-text{fill:#c92a2a}.low{fill:#a5d8ff}.half{fill:#4dabf7}.high{fill:#1864ab}.waits{fill:#f08c00}
.full{fill:#dde3e8}
@media (prefers-color-scheme:dark){text{fill:#e4e7eb}.note{fill:#9aa5b1}.page{fill:#14181d}
.grid{stroke:#2b343d}.frame{stroke:#52606d}.others{fill:#697582}.cars{fill:#339af0}
.limit{stroke:#ff8787}.limit-text{fill:#ff8787}.low{fill:#1b4a72}.half{fill:#2f86d1}.high{fill:#a5d8ff}
.waits{fill:#ffa94d}.full{fill:#2b343d}}
"""
_KEYS = (
    ("others", "building and lights"),
    ("cars", "cars"),
    ("low", "below 10 A"),
    ("half", "10 to 20 A"),
    ("high", "above 20 A"),
    ("waits", "waits"),
    ("full", "charged, still plugged in"),
)


class _Sheet:
    """SVG elements from the top down. x is by seconds of the run."""

    def __init__(self, length_s: int) -> None:
        self._length_s = length_s
        self._elements: list[str] = []
        self.y = 28.0

    def x(self, at_s: int) -> float:
        return _LEFT + (_RIGHT - _LEFT) * at_s / self._length_s

    def text(self, x: float, y: float, text: str, style: str = "") -> None:
        self._elements.append(f'<text class="{style}" x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>')

    def box(self, left: float, top: float, width: float, height: float, style: str) -> None:
        self._elements.append(
            f'<rect class="{style}" x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}"/>'
        )

    def across(self, y: float, style: str) -> None:
        self._elements.append(f'<line class="{style}" x1="{_LEFT}" x2="{_RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')

    def hours(self, top: float, bottom: float) -> None:
        for at_s in range(0, self._length_s + 1, 3 * 3600):
            x = self.x(at_s)
            self._elements.append(
                f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{top:.1f}" y2="{bottom:.1f}"/>'
            )

    def clock(self) -> None:
        for at_s in range(0, self._length_s + 1, 3 * 3600):
            self.text(self.x(at_s), self.y, clock(at_s), "note mid")

    def area(self, tops: Sequence[float], floor: float, style: str) -> None:
        """Add steps from left to right, one for each column."""
        path = [f"M{_LEFT} {floor:.1f}"]
        for column, top in enumerate(tops):
            path.append(f"V{top:.1f}H{self.x(min((column + 1) * _COLUMN_S, self._length_s)):.1f}")
        self._elements.append(f'<path class="{style}" d="{"".join(path)}V{floor:.1f}Z"/>')

    def svg(self, title: str) -> str:
        height = self.y + 14
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height:.0f}" role="img" '
            f'aria-label="{escape(title)}">\n<style>{_STYLE}</style>\n'
            f'<rect class="page" width="{_WIDTH}" height="{height:.0f}"/>\n'
            + "\n".join(self._elements)
            + "\n</svg>\n"
        )


def draw_day(day: Day) -> str:
    """Draw the day."""
    sheet = _Sheet(len(day.steps) * STEP_S)
    found = figures(day)
    title = f"{len(CHARGE_POINTS)} charge points, one day, steered in steps of {STEP_S} s"
    sheet.text(16, sheet.y, title, "title")
    sheet.y += 20
    sheet.text(
        16,
        sheet.y,
        f"Worst loading of the main fuse {found.worst[0].share:.1%}, of a feeder {found.worst[1].share:.1%}. "
        f"When demand exceeds capacity, {found.lowest_used:.1%} or more of the tightest place is used.",
        "note",
    )
    sheet.y += 18
    _keys(sheet)
    for phase in range(3):
        _panel(sheet, day, PLACES[0], phase, _PANEL)
    for feeder in FEEDERS:
        _panel(sheet, day, feeder, _fullest_phase(day, feeder), _STRIP)
    _charge_points(sheet, day)
    sheet.y += 16
    sheet.clock()
    return sheet.svg(title)


def _keys(sheet: _Sheet) -> None:
    x = 16.0
    for style, name in _KEYS:
        sheet.box(x, sheet.y - 10, 12, 12, style)
        sheet.text(x + 17, sheet.y, name, "note")
        x += 38 + 6.3 * len(name)
    sheet.y += 12


def _fullest_phase(day: Day, place: Place) -> int:
    index = PLACES.index(place)
    sums = [sum(step.flows[index][phase].cars for step in day.steps) for phase in range(3)]
    return sums.index(max(sums))


def _panel(sheet: _Sheet, day: Day, place: Place, phase: int, height: float) -> None:
    """Draw one phase of one node: other loads, cars on top of them, and the limit."""
    index = PLACES.index(place)
    top, bottom = sheet.y, sheet.y + height
    scale = (height - 8) / place.limit
    others, all_loads = [], []
    for steps in _columns(day.steps):
        flows = [step.flows[index][phase] for step in steps]
        fullest = max(flows, key=lambda flow: flow.cars + flow.others)
        others.append(bottom - fullest.others * scale)
        all_loads.append(bottom - (fullest.others + fullest.cars) * scale)
    sheet.hours(top, bottom)
    sheet.area(all_loads, bottom, "cars")
    sheet.area(others, bottom, "others")
    sheet.across(bottom - place.limit * scale, "limit")
    sheet.across(bottom, "grid")
    sheet.text(_LEFT - 8, bottom - height / 4, f"{place.id} {PHASES[phase]}", "end")
    sheet.text(_LEFT - 8, top + 12, f"{place.limit / 10:.0f} A", "end small limit-text")
    sheet.y = bottom + _GAP


def _columns(steps: Sequence[Step]) -> list[Sequence[Step]]:
    each = _COLUMN_S // STEP_S
    return [steps[first : first + each] for first in range(0, len(steps), each)]


def _charge_points(sheet: _Sheet, day: Day) -> None:
    """Draw one row for each charge point; steps of the same kind in a row are one box."""
    top = sheet.y
    rows = len(CHARGE_POINTS) * _ROW + len(FEEDERS) * 5
    sheet.hours(top, top + rows)
    drawn = [{draw.car: draw.drawn for draw in step.draws} for step in day.steps]
    feeder = ""
    for charge_point in CHARGE_POINTS:
        if charge_point.feeder != feeder:
            feeder = charge_point.feeder
            sheet.y += 5
            sheet.text(_LEFT - 8, sheet.y + 5 * _ROW, feeder, "end")
        cars = [car for car in day.cars if car.charge_point is charge_point]
        for car in cars:
            kinds = [
                _kind(amounts.get(car.id)) if car.is_there(step.at_s) else ""
                for step, amounts in zip(day.steps, drawn, strict=True)
            ]
            _runs(sheet, kinds)
        sheet.y += _ROW


def _kind(drawn: int | None) -> str:
    if drawn is None:
        return "full"
    if drawn == 0:
        return "waits"
    return "low" if drawn < 100 else "half" if drawn <= 200 else "high"


def _runs(sheet: _Sheet, kinds: Sequence[str]) -> None:
    begin = 0
    for index in range(1, len(kinds) + 1):
        if index == len(kinds) or kinds[index] != kinds[begin]:
            if kinds[begin]:
                left, right = sheet.x(begin * STEP_S), sheet.x(index * STEP_S)
                sheet.box(left, sheet.y, right - left, _ROW - 2, kinds[begin])
            begin = index
