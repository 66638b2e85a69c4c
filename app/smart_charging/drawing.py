"""Draws a composite schedule as SVG: limits as steps, the profiles below, measured values over them.

The text has its own styles for light and dark, and no fonts, scripts or links. A colour shows the purpose of
the profile that set a limit. In the row of a profile it is strong where the profile led, pale where not.
Each profile that leads somewhere has a row, however many there are, and is at least a pixel wide.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html import escape
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple

from app.clock import parse_time
from app.smart_charging.axes import amount, amount_ticks, time_ticks
from app.smart_charging.drawing_style import NAMES, REPORTED_NAME, STRIPES, STYLE, WARNING_NAME, style_of
from app.smart_charging.overlays import Measured, ReportedLimit

Json = dict[str, Any]
_Leader = tuple[str, int | None, int | None]
"""Kind, chargingProfileId and connector of what led."""


WIDTH = 860
_LEFT, _RIGHT = 190, 836
_TOP, _HEIGHT = 84, 210
_ROW_HEIGHT, _ROW_GAP = 20, 8
_MOST_LANES = 24
# The greatest width of a character of the small text, in pixels.
_CHARACTER = 6.6
_LONGEST_LABEL = 27
# The least width of what leads, in pixels.
_LEAST_WIDTH = 1.0


@dataclass(frozen=True, slots=True)
class _Scale:
    """Converts seconds and amounts to pixels."""

    duration_s: int
    top: float

    def x(self, offset_s: float) -> float:
        return _LEFT + (_RIGHT - _LEFT) * min(max(offset_s / self.duration_s, 0.0), 1.0)

    def y(self, value: float) -> float:
        return _TOP + _HEIGHT * (1.0 - min(value / self.top, 1.0))


class _Segment(NamedTuple):
    """A part of the schedule with one limit and one source, in seconds after the start."""

    start_s: int
    end_s: int
    limit: float | None
    source: Json
    number_phases: int | None = None
    warned: bool = False


class _Piece(NamedTuple):
    """A part of a span, in seconds after the start. leads: whether its profile set the limit."""

    start_s: int
    end_s: int
    leads: bool


def draw(
    schedule: Json,
    layers: Sequence[Json],
    *,
    title: str,
    measured: Sequence[Measured] = (),
    reported: Sequence[ReportedLimit] = (),
) -> str:
    """Return the SVG text.

    Args:
        schedule: A composite schedule with its sources.
        layers: The spans of the profiles, the strongest profile first; each in its own unit.
        title: The heading.
        measured: By rising time; values outside of the schedule are left out.
        reported: The charge point's own limits by rising time, in the unit of the schedule.
    """
    start = parse_time(schedule["scheduleStart"])
    if start is None:
        raise ValueError("the schedule has no start")
    duration_s = max(schedule["duration"], 1)
    segments = list(_segments(schedule, duration_s))
    inside = _inside(measured, start, duration_s)
    limits = [*(found.limit for found in segments), *(found.limit for found in reported)]
    known = [limit for limit in limits if limit is not None]
    ticks = amount_ticks(max([*known, *(sample.amount for sample in inside)], default=0.0))
    scale = _Scale(duration_s, ticks[-1])
    leaders = _by_leader(segments)
    shown = _shown(layers, leaders)
    bottom = _TOP + _HEIGHT
    phases_top = bottom + 40
    has_phases = any(found.number_phases is not None for found in segments)
    rows_top = phases_top + (_ROW_HEIGHT + _ROW_GAP if has_phases else 0)
    height = rows_top + (_ROW_HEIGHT + _ROW_GAP) * len(shown) + (26 if len(layers) > len(shown) else 6)
    elements = [
        _text(16, 26, title, "title"),
        *_legend(segments, shown, has_measured=bool(inside), has_reported=bool(reported)),
        *_amount_axis(ticks, scale, schedule["chargingRateUnit"]),
        *_time_axis(start, scale, bottom, height - 6 if shown or has_phases else bottom),
        *_steps(segments, start, scale, schedule["chargingRateUnit"]),
        *_reported(reported, scale),
        *_lines(inside, start, scale),
        *(_phases(segments, scale, phases_top) if has_phases else ()),
        *_rows(shown, leaders, scale, rows_top, schedule["chargingRateUnit"]),
    ]
    if len(layers) > len(shown):
        elements.append(_text(_LEFT, height - 10, f"and {len(layers) - len(shown)} more", "note"))
    spoken = escape(f"{title}. {_spoken(segments, start, schedule['chargingRateUnit'])}")
    return _page(height, spoken, "".join(elements))


def _page(height: int, spoken: str, content: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
        f'height="{height}" role="img" aria-label="{spoken}"><style>{STYLE}</style>{STRIPES}'
        f'<rect class="page" width="{WIDTH}" height="{height}" rx="8"/>{content}</svg>\n'
    )


def _segments(schedule: Json, duration_s: int) -> Iterator[_Segment]:
    rows: list[tuple[int, Json, Json]] = []
    for period in schedule["chargingSchedulePeriod"]:
        rows.append((period["startPeriod"], period["source"], period))
        rows += [(later["startPeriod"], later["source"], period) for later in period.get("handovers", ())]
    ends = [start_s for start_s, _, _ in rows[1:]] + [duration_s]
    for (start_s, source, period), end_s in zip(rows, ends, strict=True):
        phases, warned = period.get("numberPhases"), period.get("warning") is not None
        yield _Segment(start_s, end_s, period["limit"], source, phases, warned)


def _by_leader(segments: Sequence[_Segment]) -> dict[_Leader, list[_Segment]]:
    """Return the segments of what led in them. In a sum, every connector did."""
    found: dict[_Leader, list[_Segment]] = defaultdict(list)
    for segment in segments:
        found[_leader(segment.source)].append(segment)
    return found


def _leader(source: Json) -> _Leader:
    kind = "connector" if source["kind"] == "connectors" else source["kind"]
    return (kind, source.get("chargingProfileId"), source.get("connectorId") if kind == "profile" else None)


def _shown(layers: Sequence[Json], leaders: Container[_Leader]) -> list[Json]:
    """Return the rows to draw: all that lead somewhere, and the strongest others as long as there is room."""
    room = _MOST_LANES - sum(_leader(layer["source"]) in leaders for layer in layers)
    shown = []
    for layer in layers:
        if _leader(layer["source"]) in leaders:
            shown.append(layer)
        elif room > 0:
            room -= 1
            shown.append(layer)
    return shown


def _inside(measured: Sequence[Measured], start: datetime, duration_s: int) -> list[Measured]:
    end = start + timedelta(seconds=duration_s)
    return [sample for sample in measured if start <= sample.at <= end]


def _legend(
    segments: Sequence[_Segment], layers: Sequence[Json], *, has_measured: bool, has_reported: bool
) -> Iterator[str]:
    present = {style_of(found.source) for found in segments} | {style_of(layer["source"]) for layer in layers}
    entries = [(style, name) for style, name in NAMES.items() if style in present]
    if any(found.warned for found in segments):
        entries.append(("warned", WARNING_NAME))
    if has_measured:
        entries.append(("measured", "measured"))
    if has_reported:
        entries.append(("reported", REPORTED_NAME))
    x, y = 16.0, 42
    for style, name in entries:
        width = 32 + _CHARACTER * len(name)
        if x + width > WIDTH:
            x, y = 16.0, y + 17
        if style in ("measured", "reported"):
            yield f'<path class="{style}" d="M{x:.1f} {y + 6}h13"/>'
        else:
            yield f'<rect class="{style}" x="{x:.1f}" y="{y}" width="12" height="12" rx="2"/>'
        yield _text(x + 17, y + 10, name, "note")
        x += width


def _amount_axis(ticks: Sequence[float], scale: _Scale, unit: str) -> Iterator[str]:
    for value in ticks:
        y = scale.y(value)
        yield f'<path class="grid" d="M{_LEFT} {y:.1f}H{_RIGHT}"/>'
        yield _text(_LEFT - 8, y + 4, amount(value), "tick end")
    yield _text(16, _TOP + 4, "A on each phase" if unit == "A" else "W in total", "note")


def _time_axis(start: datetime, scale: _Scale, bottom: float, lowest: float) -> Iterator[str]:
    for moment, label in time_ticks(start, scale.duration_s):
        x = scale.x((moment - start).total_seconds())
        yield f'<path class="grid" d="M{x:.1f} {_TOP}V{lowest:.1f}"/>'
        # The last label may be at the border of the picture.
        yield _text(min(x, WIDTH - 2 - _CHARACTER * len(label) / 2), bottom + 18, label, "tick mid")
    yield f'<path class="axis" d="M{_LEFT} {bottom}H{_RIGHT}"/>'
    begin = start.astimezone(UTC)
    yield _text(16, _TOP + 22, f"from {begin:%Y-%m-%d}", "note")
    yield _text(16, _TOP + 40, f"{begin:%H:%M:%S} UTC", "note")


def _steps(segments: Sequence[_Segment], start: datetime, scale: _Scale, unit: str) -> Iterator[str]:
    for found in segments:
        left, right = scale.x(found.start_s), scale.x(found.end_s)
        y = scale.y(scale.top if found.limit is None else found.limit)
        said = escape(_said(found, start, unit))
        yield (
            f'<rect class="{style_of(found.source)} area" x="{left:.1f}" y="{y:.1f}" '
            f'width="{max(right - left, _LEAST_WIDTH):.1f}" height="{_TOP + _HEIGHT - y:.1f}">'
            f"<title>{said}</title></rect>"
        )
        if found.warned:
            # As high as a line of text, because the limit may be close to 0.
            top = min(y, _TOP + _HEIGHT - 12)
            yield (
                f'<rect class="warned" x="{left:.1f}" y="{top:.1f}" '
                f'width="{max(right - left, _LEAST_WIDTH):.1f}" height="{_TOP + _HEIGHT - top:.1f}">'
                f"<title>{said}</title></rect>"
            )
    yield f'<path class="step" d="{_outline(segments, scale)}"/>'


def _reported(reported: Sequence[ReportedLimit], scale: _Scale) -> Iterator[str]:
    seen = [found for found in reported if found.end_s > 0 and found.start_s < scale.duration_s]
    if seen:
        yield f'<path class="reported" d="{_outline(seen, scale)}"/>'


def _outline(limits: Iterable[_Segment | ReportedLimit], scale: _Scale) -> str:
    """Return the path of limits as steps. It is broken where there is none."""
    outline: list[str] = []
    broken = True
    for found in limits:
        if found.limit is None:
            broken = True
            continue
        left, right, y = scale.x(found.start_s), scale.x(found.end_s), scale.y(found.limit)
        outline.append(f"M{left:.1f} {y:.1f}H{right:.1f}" if broken else f"V{y:.1f}H{right:.1f}")
        broken = False
    return "".join(outline)


def _lines(inside: Sequence[Measured], start: datetime, scale: _Scale) -> Iterator[str]:
    for _, samples in groupby(inside, key=attrgetter("transaction_id")):
        places = (
            (scale.x((sample.at - start).total_seconds()), scale.y(sample.amount)) for sample in samples
        )
        points = [f"{x:.1f},{y:.1f}" for x, y in places]
        # A single value is a dot.
        yield f'<polyline class="measured" points="{" ".join(points if points[1:] else points * 2)}"/>'


def _phases(segments: Sequence[_Segment], scale: _Scale, y: float) -> Iterator[str]:
    """Yield a row with the number of phases of each period that names it."""
    yield _text(_LEFT - 8, y + 14, "phases", "tick end")
    yield _box(_LEFT, _RIGHT, y, "row")
    for number, row in groupby(segments, key=attrgetter("number_phases")):
        together = list(row)
        if number is not None:
            left, right = scale.x(together[0].start_s), scale.x(together[-1].end_s)
            yield _box(left, right, y, "phases")
            yield from _box_label(str(number), left, right, y, "on mid")


def _rows(
    layers: Sequence[Json],
    leaders: Mapping[_Leader, Sequence[_Segment]],
    scale: _Scale,
    top: float,
    unit: str,
) -> Iterator[str]:
    for place, layer in enumerate(layers):
        y = top + (_ROW_HEIGHT + _ROW_GAP) * place
        style = style_of(layer["source"])
        label = _label(layer["source"])
        shown = _cut(label)
        yield _text(_LEFT - 8, y + 14, shown, "tick end", title=label if shown != label else "")
        yield _box(_LEFT, _RIGHT, y, "row")
        led = leaders.get(_leader(layer["source"]), ())
        own_unit = "" if layer["chargingRateUnit"] == unit else f" {layer['chargingRateUnit']}"
        strong: list[str] = []
        labels: list[str] = []
        for start_s, end_s, limit in layer["spans"]:
            pieces = list(_pieces(start_s, end_s, led))
            for begin_s, until_s, leads in pieces:
                box = _box(scale.x(begin_s), scale.x(until_s), y, style if leads else f"{style} pale")
                if leads:
                    strong.append(box)
                else:
                    yield box
            said = "?" if limit is None else f"{amount(limit)}{own_unit}"
            widest = max(pieces, key=lambda piece: piece.end_s - piece.start_s)
            labels += _box_label(
                said,
                scale.x(widest.start_s),
                scale.x(widest.end_s),
                y,
                "on mid" if widest.leads else "on dark mid",
            )
        # Last, so that no pale neighbour hides a short one.
        yield from (*strong, *labels)


def _pieces(start_s: int, end_s: int, led: Sequence[_Segment]) -> Iterator[_Piece]:
    """Yield the pieces of a span: it is cut where its profile begins or ends to lead."""
    now_s = start_s
    for found in led[bisect_left(led, start_s, key=attrgetter("end_s")) :]:
        if found.start_s >= end_s:
            break
        begin_s, until_s = max(found.start_s, now_s), min(found.end_s, end_s)
        if begin_s > now_s:
            yield _Piece(now_s, begin_s, False)
        if until_s > begin_s:
            yield _Piece(begin_s, until_s, True)
        now_s = max(now_s, until_s)
    if now_s < end_s:
        yield _Piece(now_s, end_s, False)


def _box_label(label: str, left: float, right: float, y: float, style: str) -> Iterator[str]:
    """Yield the label of a box, if there is room."""
    if right - left >= _CHARACTER * len(label) + 8:
        yield _text((left + right) / 2, y + 14, label, style)


def _box(left: float, right: float, y: float, style: str) -> str:
    # A gap of one pixel shows where one span ends and the next begins.
    width = max(right - left - 1.0, _LEAST_WIDTH)
    return (
        f'<rect class="{style}" x="{left:.1f}" y="{y:.1f}" width="{width:.1f}" '
        f'height="{_ROW_HEIGHT}" rx="3"/>'
    )


def _label(source: Json) -> str:
    if source["kind"] == "connector":
        return f"connector {source['connectorId']}"
    where = f"connector {source['connectorId']}" if source["connectorId"] else "all"
    if source["chargingProfilePurpose"] == "ChargePointMaxProfile":
        where = "cap"
    return f"id {source['chargingProfileId']}, {where}, level {source['stackLevel']}"


def _cut(label: str) -> str:
    return label if len(label) <= _LONGEST_LABEL else f"{label[: _LONGEST_LABEL - 1]}\N{HORIZONTAL ELLIPSIS}"


def _said(found: _Segment, start: datetime, unit: str) -> str:
    begin, end = (start + timedelta(seconds=offset_s) for offset_s in (found.start_s, found.end_s))
    limit = "not known" if found.limit is None else f"{amount(found.limit)} {unit}"
    phases = "" if found.number_phases is None else f" on {found.number_phases} phases"
    phases = phases.removesuffix("s") if found.number_phases == 1 else phases
    warning = f", {WARNING_NAME}" if found.warned else ""
    return f"{begin:%d %b %H:%M:%S} to {end:%d %b %H:%M:%S}: {limit}{phases}{warning} ({_by(found.source)})"


def _by(source: Json) -> str:
    if source["kind"] == "connectors":
        return ", ".join(
            f"connector {part['connectorId']} by {_by(part['source'])}" for part in source["connectors"]
        )
    if source["kind"] != "profile":
        return str(source["kind"])
    return f"{source['chargingProfilePurpose']} {source['chargingProfileId']}, level {source['stackLevel']}"


def _spoken(segments: Sequence[_Segment], start: datetime, unit: str) -> str:
    """Return the limits as text for screen readers; of a long schedule only the beginning."""
    said = [_said(found, start, unit) for found in segments[:12]]
    more = len(segments) - len(said)
    return "; ".join(said) + (f"; and {more} more" if more else "")


def _text(x: float, y: float, text: str, style: str, *, title: str = "") -> str:
    more = f"<title>{escape(title)}</title>" if title else ""
    return f'<text class="{style}" x="{x:.1f}" y="{y:.1f}">{escape(text)}{more}</text>'
