"""Draws the figures as one SVG, for light and dark pages."""

import math
from collections.abc import Sequence
from html import escape
from typing import Any

from benchmarks.report import GOALS
from benchmarks.wire import OURS

_WIDTH = 760
_LEFT, _RIGHT = 190, 730
_ROW = 22
_STYLE = """
text{font:13px system-ui,sans-serif;fill:#1f2933}
.title{font-size:16px;font-weight:600}.note{font-size:12px;fill:#52606d}.end{text-anchor:end}.mid{text-anchor:middle}
.page{fill:#fff}.grid{stroke:#d9dfe5}.ours{fill:#0b7285}
.theirs{fill:#adb5bd}.second{fill:#74b816}.third{fill:#f08c00}
.goal{stroke:#c92a2a;stroke-width:1.5;stroke-dasharray:5 4}.goaltext{fill:#c92a2a;font-size:12px}
@media (prefers-color-scheme:dark){text{fill:#e4e7eb}.note{fill:#9aa5b1}.page{fill:#14181d}
.grid{stroke:#323f4b}
.ours{fill:#3bc9db}.theirs{fill:#697582}.second{fill:#94d82d}.third{fill:#ffa94d}
.goal{stroke:#ff8787}.goaltext{fill:#ff8787}}
"""

Part = tuple[str, float]
"""The style class and value of one piece of a bar."""


class _Sheet:
    """Collects SVG elements from top to bottom. y: where the next one goes."""

    def __init__(self) -> None:
        self._elements: list[str] = []
        self.y = 24

    def text(self, x: float, y: float, text: str, style: str = "") -> None:
        self._elements.append(f'<text class="{style}" x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>')

    def box(self, x: float, y: float, width: float, style: str) -> None:
        shape = f'<rect class="{style}" x="{x:.1f}" y="{y:.1f}" width="{max(width, 0.5):.1f}" height="13"/>'
        self._elements.append(shape)

    def line(self, x: float, top: float, bottom: float, style: str) -> None:
        shape = f'<line class="{style}" x1="{x:.1f}" x2="{x:.1f}" y1="{top:.1f}" y2="{bottom:.1f}"/>'
        self._elements.append(shape)

    def heading(self, title: str, keys: Sequence[tuple[str, str]]) -> None:
        self.text(16, self.y, title, "title")
        self.y += 20
        x = 16.0
        for style, name in keys:
            self.box(x, self.y - 11, 13, style)
            self.text(x + 18, self.y, name, "note")
            x += 40 + 6.6 * len(name)
        self.y += 12

    def svg(self) -> str:
        height = self.y + 4
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" '
            f'height="{height}" role="img"><style>{_STYLE}</style>'
            f'<rect class="page" width="{_WIDTH}" height="{height}"/>{"".join(self._elements)}</svg>\n'
        )


def draw(results: dict[str, Any]) -> str:
    """Return the SVG of all parts in the results."""
    sheet = _Sheet()
    if "micro" in results:
        _draw_micro(sheet, results["micro"])
    if "wire" in results:
        _draw_wire(sheet, results["wire"])
    if "durable" in results:
        _draw_durable(sheet, results["durable"])
    if "storm" in results:
        _draw_storm(sheet, results["storm"])
    if "commands" in results:
        _draw_commands(sheet, results["commands"])
    if "growth" in results:
        _draw_growth(sheet, results["growth"])
    if "idle" in results:
        _draw_idle(sheet, results["idle"])
    if "catalog" in results:
        _draw_catalog(sheet, results["catalog"])
    host = results["host"]
    commit = (host["commit"] or "no commit")[:10]
    sheet.text(16, sheet.y, f"{host['cpu']}, {host['cores']} cores, {host['at'][:10]}, {commit}", "note")
    sheet.y += 12
    return sheet.svg()


def _draw_micro(sheet: _Sheet, micro: dict[str, Any]) -> None:
    keys = [("ours", "Stationmaster, from Python"), ("theirs", "PyPI package ocpp")]
    rust = micro.get("rust", {}).get("judge_tolerant")
    if rust:
        keys.insert(0, ("second", "Stationmaster, Rust alone"))
    sheet.heading("Parse and validate one frame: CPU microseconds, logarithmic", keys)
    frames = micro["python"]["frames"]
    low, high = 0.1, max(row["ocpp_payload"]["highest"] for row in frames.values()) * 40
    top = sheet.y
    for name, row in frames.items():
        bars: list[tuple[str, float, str]] = []
        if rust:
            bars.append(("second", rust[name]["median"] / 1000.0, ""))
        bars.append(("ours", row["payload"]["median"], ""))
        times = f" ({row['payload_times_faster']:.0f} times)"
        bars.append(("theirs", row["ocpp_payload"]["median"], times))
        sheet.text(_LEFT - 10, sheet.y + 8 * len(bars) + 3, f"{name}, {row['bytes']} B", "end")
        for style, value, note in bars:
            width = (_RIGHT - _LEFT) * math.log(max(value, low) / low) / math.log(high / low)
            sheet.box(_LEFT, sheet.y, width, style)
            sheet.text(_LEFT + width + 6, sheet.y + 11, f"{_short(value)}{note}", "note")
            sheet.y += 15
        sheet.y += 8
    sheet.line(_LEFT, top, sheet.y - 8, "grid")
    sheet.y += 26


def _short(value: float) -> str:
    return f"{value:,.0f}".replace(",", " ") if value >= 100.0 else f"{value:.3g}"


def _draw_wire(sheet: _Sheet, wire: dict[str, Any]) -> None:
    sheet.heading("Without storage: CPU microseconds of the server per frame", [("ours", "server")])
    rows: list[tuple[str, list[Part], str]] = []
    for scenario in ("meter_values", "heartbeat"):
        row = wire[scenario][-1]
        for name in wire["servers"]:
            figures = row[name]
            note = f"{figures['server_cpu_us']['median']:.1f}, {figures['frames_per_s']['median']:.0f}/s"
            style = "ours" if name == OURS else "theirs"
            rows.append((f"{scenario}, {name}", [(style, figures["server_cpu_us"]["median"])], note))
    _bars(sheet, rows, GOALS["wire_us"], "goal")


def _draw_durable(sheet: _Sheet, durable: dict[str, Any]) -> None:
    keys = [("ours", "server"), ("third", "PostgreSQL"), ("second", "Redis")]
    sheet.heading("Everything stored, closed loop: CPU microseconds per frame", keys)
    rows: list[tuple[str, list[Part], str]] = []
    for scenario, found in durable.items():
        for row in found if isinstance(found, list) else ():
            names = (("ours", "server"), ("third", "postgres"), ("second", "redis"))
            parts = [(style, row[f"{name}_cpu_us"]["median"]) for style, name in names]
            rate, tail = row["frames_per_s"]["median"], row["p99_ms"]["median"]
            note = f"server {parts[0][1]:.0f}, {rate:.0f}/s, p99 {tail:.1f} ms"
            rows.append((f"{scenario}, {row['sockets']}", parts, note))
    _bars(sheet, rows, GOALS["durable_us"], "goal for the server, meter_values")


def _draw_storm(sheet: _Sheet, storm: dict[str, Any]) -> None:
    sheet.heading("Connection storm: connections per second", [("ours", "with authentication and boot")])
    rows: list[tuple[str, list[Part], str]] = []
    for name, style in ((OURS, "ours"), ("fastapi_echo", "theirs")):
        rate = storm[name]["connections_per_s"]["median"]
        rows.append((name, [(style, rate)], f"{rate:.0f}, {storm[name]['server_cpu_us']['median']:.0f} us"))
    _bars(sheet, rows, GOALS["storm_connections_per_s"], "goal")


def _draw_commands(sheet: _Sheet, commands: dict[str, Any]) -> None:
    sheet.heading("Commands, REST to socket to REST: milliseconds", [("ours", "p50"), ("second", "to p99")])
    rows: list[tuple[str, list[Part], str]] = []
    for name in ("same_worker", "across_workers"):
        middle, tail = (commands[name][figure]["median"] for figure in ("p50_ms", "p99_ms"))
        parts = [("ours", middle), ("second", tail - middle)]
        rows.append((name.replace("_", " "), parts, f"{middle:.1f}, p99 {tail:.1f}"))
    _bars(sheet, rows, GOALS["command_across_p99_ms"], "goal for p99 across workers")


def _draw_growth(sheet: _Sheet, growth: dict[str, Any]) -> None:
    title = f"As work grows: CPU microseconds per durable MeterValues at {growth['rate_per_s']:.0f}/s"
    sheet.heading(title, [("ours", "server"), ("third", "PostgreSQL")])
    rows: list[tuple[str, list[Part], str]] = []
    for size, label in (("sockets", "charge points"), ("rows", "rows stored")):
        for row in growth[size]:
            figures = [row[f"{name}_cpu_us"]["median"] for name in ("server", "postgres")]
            parts = list(zip(("ours", "third"), figures, strict=True))
            rows.append((f"{row[size]} {label}", parts, f"{figures[0]:.0f}, {figures[1]:.0f}"))
    _bars(sheet, rows, None, "")


def _draw_idle(sheet: _Sheet, idle: dict[str, Any]) -> None:
    each = idle["resident_bytes_per_connection"] / 1000.0
    sheet.heading(f"Idle connections: resident memory of the server, {each:.1f} KB each", [("ours", "MB")])
    rows = [
        (f"{point['connections']} connections", [("ours", point["resident_bytes"] / 1e6)], "")
        for point in idle["points"]
    ]
    _bars(sheet, [(name, parts, f"{parts[0][1]:.1f}") for name, parts, _ in rows], None, "")


def _draw_catalog(sheet: _Sheet, catalog: dict[str, Any]) -> None:
    sheet.heading(
        "Cached catalog document: throughput relative to a bare Starlette route", [("ours", "percent")]
    )
    rows: list[tuple[str, list[Part], str]] = []
    for path, document in catalog["documents"].items():
        for way in ("asgi", "http"):
            share = document[way]["throughput_of_bare"] * 100.0
            note = f"{share:.0f} %: {document[way]['catalog']['requests_per_s']['median']:.0f}/s"
            rows.append((f"{path.rpartition('/')[2]}, {way}", [("ours", share)], note))
    _bars(sheet, rows, GOALS["catalog_share"] * 100.0, "goal")


def _bars(
    sheet: _Sheet, rows: Sequence[tuple[str, Sequence[Part], str]], goal: float | None, goal_name: str
) -> None:
    """Draw bars of one linear scale, with room for a note after the longest."""
    longest = max(*(sum(value for _, value in parts) for _, parts, _ in rows), goal or 0.0)
    scale = (_RIGHT - _LEFT) * 0.66 / longest
    top = sheet.y
    for name, parts, note in rows:
        sheet.text(_LEFT - 10, sheet.y + 11, name, "end")
        x = float(_LEFT)
        for style, value in parts:
            sheet.box(x, sheet.y, value * scale, style)
            x += value * scale
        sheet.text(x + 8, sheet.y + 11, note, "note")
        sheet.y += _ROW
    sheet.line(_LEFT, top, sheet.y - 6, "grid")
    if goal is not None:
        x = _LEFT + goal * scale
        sheet.line(x, top - 3, sheet.y - 4, "goal")
        sheet.text(x, sheet.y + 8, goal_name, "goaltext mid")
        sheet.y += 14
    sheet.y += 26
