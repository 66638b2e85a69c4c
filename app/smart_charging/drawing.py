"""Draws a composite schedule as SVG: limits as steps, the profiles below, measured values over them.

The text has its own styles for light and dark, and no fonts, scripts or links. A colour shows the purpose of
the profile that set a limit. In the row of a profile it is strong where the profile led, pale where not.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html import escape
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple

from app.clock import parse_time
from app.smart_charging.axes import amount, amount_ticks, time_ticks

Json = dict[str, Any]


class Measured(NamedTuple):
    """A value that a connector drew from the grid at one moment. amount: in the unit of the schedule.

    transaction_id: no line connects the values of two transactions, because nothing is known in between.
    """

    at: datetime
    amount: float
    transaction_id: int | None = None


WIDTH = 860
_LEFT, _RIGHT = 190, 836
_TOP, _HEIGHT = 74, 210
_ROW_HEIGHT, _ROW_GAP = 20, 8
_MOST_LANES = 24
# The greatest width of a character of the small text, in pixels.
_CHARACTER = 6.6
_LONGEST_LABEL = 27

_STYLES = {
    "ChargePointMaxProfile": "cap",
    "TxDefaultProfile": "default",
    "TxProfile": "own",
    "hardware": "hardware",
    "connectors": "sum",
    "connector": "sum",
    "idle": "hardware",
    "nothing": "unknown",
}
_NAMES = {
    "cap": "ChargePointMaxProfile",
    "default": "TxDefaultProfile",
    "own": "TxProfile",
    "hardware": "hardware",
    "sum": "sum of the connectors",
    "unknown": "not known",
}
_STYLE = """
text{font:12px system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;fill:#14212b}
.title{font-size:16px;font-weight:600}.note,.tick{fill:#51606b}.end{text-anchor:end}.mid{text-anchor:middle}
.page{fill:#fff}.grid{stroke:#dbe2e6}.axis{stroke:#8795a1}.row{fill:#f1f4f6}
.step{fill:none;stroke:#14212b;stroke-width:2}.measured{fill:none;stroke:#c2255c;stroke-width:2;stroke-linecap:round}
.cap{fill:#e8930c}.default{fill:#2f9e6e}.own{fill:#2b7fd4}.hardware{fill:#8795a1}.sum{fill:#7a5bd0}
.unknown{fill:#c9d2d8}
.area{opacity:.34}.pale{opacity:.26}.on{fill:#fff;font-weight:600}.cap+.on,.on.dark{fill:#14212b}
@media(prefers-color-scheme:dark){text{fill:#e4ecf0}.note,.tick{fill:#9fb0ba}.page{fill:#10181d}
.grid{stroke:#27343c}.axis{stroke:#62717c}.row{fill:#18232a}.step{stroke:#e4ecf0}.measured{stroke:#ff8fb1}
.cap{fill:#f2b14a}.default{fill:#4fc796}.own{fill:#62aef5}.hardware{fill:#8d9ca7}.sum{fill:#a890f0}
.unknown{fill:#3a4850}.area{opacity:.38}.pale{opacity:.3}.on,.cap+.on{fill:#0e1519}.on.dark{fill:#e4ecf0}}
"""


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


class _Piece(NamedTuple):
    """A part of a span, in seconds after the start. leads: whether its profile set the limit."""

    start_s: int
    end_s: int
    leads: bool


def draw(schedule: Json, layers: Sequence[Json], *, title: str, measured: Sequence[Measured] = ()) -> str:
    """Return the SVG text.

    Args:
        schedule: A composite schedule with its sources.
        layers: The spans of the profiles, the strongest profile first.
        title: The heading.
        measured: By rising time; values outside of the schedule are left out.
    """
    start = parse_time(schedule["scheduleStart"])
    if start is None:
        raise ValueError("the schedule has no start")
    duration_s = max(schedule["duration"], 1)
    segments = list(_segments(schedule, duration_s))
    inside = _inside(measured, start, duration_s)
    known = [found.limit for found in segments if found.limit is not None]
    ticks = amount_ticks(max([*known, *(sample.amount for sample in inside)], default=0.0))
    scale = _Scale(duration_s, ticks[-1])
    shown = layers[:_MOST_LANES]
    bottom = _TOP + _HEIGHT
    rows_top = bottom + 40
    height = rows_top + (_ROW_HEIGHT + _ROW_GAP) * len(shown) + (26 if len(layers) > len(shown) else 6)
    elements = [
        _text(16, 26, title, "title"),
        *_legend(segments, shown, bool(inside)),
        *_amount_axis(ticks, scale, schedule["chargingRateUnit"]),
        *_time_axis(start, scale, bottom, height - 6 if shown else bottom),
        *_steps(segments, start, scale, schedule["chargingRateUnit"]),
        *_lines(inside, start, scale),
        *_rows(shown, segments, scale, rows_top),
    ]
    if len(layers) > len(shown):
        elements.append(_text(_LEFT, height - 10, f"and {len(layers) - len(shown)} more", "note"))
    spoken = escape(f"{title}. {_spoken(segments, start, schedule['chargingRateUnit'])}")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
        f'height="{height}" role="img" aria-label="{spoken}"><style>{_STYLE}</style>'
        f'<rect class="page" width="{WIDTH}" height="{height}" rx="8"/>{"".join(elements)}</svg>\n'
    )


def _segments(schedule: Json, duration_s: int) -> Iterator[_Segment]:
    rows: list[tuple[int, float | None, Json]] = []
    for period in schedule["chargingSchedulePeriod"]:
        limit = period["limit"]
        rows.append((period["startPeriod"], limit, period["source"]))
        rows += [(later["startPeriod"], limit, later["source"]) for later in period.get("handovers", ())]
    ends = [start_s for start_s, _, _ in rows[1:]] + [duration_s]
    for (start_s, limit, source), end_s in zip(rows, ends, strict=True):
        yield _Segment(start_s, end_s, limit, source)


def _inside(measured: Sequence[Measured], start: datetime, duration_s: int) -> list[Measured]:
    end = start + timedelta(seconds=duration_s)
    return [sample for sample in measured if start <= sample.at <= end]


def _style(source: Json) -> str:
    return _STYLES[source.get("chargingProfilePurpose") or source["kind"]]


def _legend(segments: Sequence[_Segment], layers: Sequence[Json], has_measured: bool) -> Iterator[str]:
    present = {_style(found.source) for found in segments} | {_style(layer["source"]) for layer in layers}
    x = float(_LEFT)
    for style, name in _NAMES.items():
        if style in present:
            yield f'<rect class="{style}" x="{x:.1f}" y="42" width="12" height="12" rx="2"/>'
            yield _text(x + 17, 52, name, "note")
            x += 32 + _CHARACTER * len(name)
    if has_measured:
        yield f'<path class="measured" d="M{x:.1f} 48h16"/>'
        yield _text(x + 21, 52, "measured", "note")


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
    outline: list[str] = []
    broken = True
    for found in segments:
        left, right = scale.x(found.start_s), scale.x(found.end_s)
        y = scale.y(scale.top if found.limit is None else found.limit)
        said = escape(_said(found, start, unit))
        yield (
            f'<rect class="{_style(found.source)} area" x="{left:.1f}" y="{y:.1f}" '
            f'width="{right - left:.1f}" height="{_TOP + _HEIGHT - y:.1f}"><title>{said}</title></rect>'
        )
        if found.limit is None:
            broken = True
            continue
        outline.append(f"M{left:.1f} {y:.1f}H{right:.1f}" if broken else f"V{y:.1f}H{right:.1f}")
        broken = False
    yield f'<path class="step" d="{"".join(outline)}"/>'


def _lines(inside: Sequence[Measured], start: datetime, scale: _Scale) -> Iterator[str]:
    for _, samples in groupby(inside, key=attrgetter("transaction_id")):
        places = (
            (scale.x((sample.at - start).total_seconds()), scale.y(sample.amount)) for sample in samples
        )
        points = [f"{x:.1f},{y:.1f}" for x, y in places]
        # A single value is a dot.
        yield f'<polyline class="measured" points="{" ".join(points if points[1:] else points * 2)}"/>'


def _rows(layers: Sequence[Json], segments: Sequence[_Segment], scale: _Scale, top: float) -> Iterator[str]:
    for place, layer in enumerate(layers):
        y = top + (_ROW_HEIGHT + _ROW_GAP) * place
        style = _style(layer["source"])
        yield _text(_LEFT - 8, y + 14, _label(layer["source"]), "tick end")
        yield _box(_LEFT, _RIGHT, y, "row")
        led = [found for found in segments if _leads(layer["source"], found.source)]
        for start_s, end_s, limit in layer["spans"]:
            pieces = list(_pieces(start_s, end_s, led))
            for begin_s, until_s, leads in pieces:
                yield _box(scale.x(begin_s), scale.x(until_s), y, style if leads else f"{style} pale")
            yield from _span_label(
                limit, max(pieces, key=lambda piece: piece.end_s - piece.start_s), scale, y
            )


def _leads(layer: Json, source: Json) -> bool:
    """Say whether the profile of a row set the limit. In a sum, every connector did."""
    return layer == source or (layer["kind"], source["kind"]) == ("connector", "connectors")


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


def _span_label(limit: float | None, piece: _Piece, scale: _Scale, y: float) -> Iterator[str]:
    """Yield the limit of a span in its widest piece, if there is room."""
    label = "?" if limit is None else amount(limit)
    begin_s, until_s, leads = piece
    left, right = scale.x(begin_s), scale.x(until_s)
    if right - left >= _CHARACTER * len(label) + 8:
        yield _text((left + right) / 2, y + 14, label, "on mid" if leads else "on dark mid")


def _box(left: float, right: float, y: float, style: str) -> str:
    # A gap of one pixel shows where one span ends and the next begins.
    width = max(right - left - 1.0, 0.6)
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
    label = f"{where}, level {source['stackLevel']}, id {source['chargingProfileId']}"
    return label if len(label) <= _LONGEST_LABEL else f"{label[: _LONGEST_LABEL - 1]}\N{HORIZONTAL ELLIPSIS}"


def _said(found: _Segment, start: datetime, unit: str) -> str:
    begin, end = (start + timedelta(seconds=offset_s) for offset_s in (found.start_s, found.end_s))
    limit = "not known" if found.limit is None else f"{amount(found.limit)} {unit}"
    source = found.source
    by = source["kind"]
    if by == "profile":
        by = f"{source['chargingProfilePurpose']} {source['chargingProfileId']}, level {source['stackLevel']}"
    return f"{begin:%d %b %H:%M:%S} to {end:%d %b %H:%M:%S}: {limit} ({by})"


def _spoken(segments: Sequence[_Segment], start: datetime, unit: str) -> str:
    """Return the limits as text for screen readers; of a long schedule only the beginning."""
    said = [_said(found, start, unit) for found in segments[:12]]
    more = len(segments) - len(said)
    return "; ".join(said) + (f"; and {more} more" if more else "")


def _text(x: float, y: float, text: str, style: str) -> str:
    return f'<text class="{style}" x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>'
