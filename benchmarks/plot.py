"""Draws the figures as one SVG with matplotlib: a panel for each part, each with its axis and its unit."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator

from benchmarks.report import GOALS
from benchmarks.wire import OURS

_WIDTH_IN: Final = 10.0
_BAR_IN: Final = 0.22
_FRAME_IN: Final = 1.4
"""Height of a panel without its bars: title, axis and its label."""
_LOG_FROM: Final = 8.0
"""A bar that is so many times as short as the longest one could not be seen on a linear scale."""
_ROOM_FOR_NOTES: Final = 1.6
_COLOURS: Final = {
    "Stationmaster": "#0b7285",
    "Stationmaster, Rust alone": "#3bc9db",
    "other program": "#adb5bd",
    "PostgreSQL": "#f08c00",
    "Redis": "#74b816",
    "p50": "#0b7285",
    "p99": "#3bc9db",
}
"""The colours of what is measured."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One figure. series: a key of `_COLOURS`; note: behind the value, empty if there is none."""

    series: str
    value: float
    note: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """The figures of one part.

    Attributes:
        title: What was measured.
        axis: The unit of the values.
        rows: The bars of each label, from top to bottom.
        goal: A value and its name, None if there is none.
    """

    title: str
    axis: str
    rows: Sequence[tuple[str, Sequence[Bar]]]
    goal: tuple[float, str] | None = None

    @property
    def bars(self) -> list[Bar]:
        """All bars from top to bottom."""
        return [bar for _, bars in self.rows for bar in bars]

    @property
    def is_logarithmic(self) -> bool:
        """Whether the shortest bar could not be seen otherwise."""
        values = [bar.value for bar in self.bars if bar.value > 0.0]
        return bool(values) and max(values) > _LOG_FROM * min(values)


def draw(results: Mapping[str, Any]) -> str:
    """Return the SVG of all parts in the results."""
    with mpl.rc_context({"font.size": 9.0, "svg.hashsalt": "stationmaster", "svg.fonttype": "none"}):
        text = io.StringIO()
        figure_of(results).savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()


def figure_of(results: Mapping[str, Any]) -> Figure:
    """Return the figure of all parts in the results. It is empty if none of them is drawn."""
    panels = [panel_of(results[name]) for name, panel_of in _PANELS if name in results]
    heights = [_FRAME_IN + _BAR_IN * (len(panel.bars) + len(panel.rows)) for panel in panels]
    host = results["host"]
    commit = (host["commit"] or "no commit")[:10]
    figure = Figure(figsize=(_WIDTH_IN, sum(heights) + 0.4), layout="constrained")
    figure.suptitle(f"{host['cpu']}, {host['cores']} cores, {host['at'][:10]}, {commit}", fontsize=8.0)
    if not panels:
        return figure
    axes = figure.subplots(len(panels), squeeze=False, height_ratios=heights)
    for panel, one in zip(panels, axes[:, 0], strict=True):
        _draw(panel, one)
    return figure


def _draw(panel: Panel, axes: Axes) -> None:
    places: list[float] = []
    labels: list[str] = []
    place = 0.0
    for label, bars in panel.rows:
        places.append(place + (len(bars) - 1) / 2.0)
        labels.append(label)
        for bar in bars:
            axes.barh(place, bar.value, height=0.85, color=_COLOURS[bar.series], label=bar.series)
            text = f"{_short(bar.value)}{bar.note}"
            # On white, because the line of a goal may pass behind it.
            axes.annotate(
                text,
                (bar.value, place),
                (4, 0),
                textcoords="offset points",
                va="center",
                fontsize=8.0,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
            )
            place += 1.0
        place += 1.0
    axes.set_yticks(places, labels)
    axes.invert_yaxis()
    axes.set_title(panel.title, loc="left", fontweight="bold", pad=20.0)
    values = [bar.value for bar in panel.bars if bar.value > 0.0] + ([panel.goal[0]] if panel.goal else [])
    # Nothing has grown in a quick run, for example.
    values = values or [1.0]
    if panel.is_logarithmic:
        low, high = min(values) / 2.0, max(values)
        axes.set_xscale("log")
        axes.set_xlim(low, high * (high / low) ** (0.5 * (_ROOM_FOR_NOTES - 1.0)))
        axes.xaxis.set_major_locator(LogLocator(base=10.0, numticks=12))
    else:
        axes.set_xlim(0.0, max(values) * _ROOM_FOR_NOTES)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _short(value)))
    axes.set_xlabel(panel.axis + (", logarithmic" if panel.is_logarithmic else ""))
    axes.set_axisbelow(True)
    axes.grid(axis="x", color="#d9dfe5", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    if panel.goal is not None:
        axes.axvline(panel.goal[0], color="#c92a2a", linestyle="--", linewidth=1.2, label=panel.goal[1])
    handles, names = axes.get_legend_handles_labels()
    known = dict(zip(names, handles, strict=True))
    # Between title and bars: inside it would hide notes.
    axes.legend(
        list(known.values()),
        list(known),
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        borderpad=0.1,
        ncols=4,
        fontsize=8.0,
        frameon=False,
    )


def _short(value: float) -> str:
    return f"{value:,.0f}".replace(",", " ") if value >= 100.0 else f"{value:.3g}"


def _micro(micro: Mapping[str, Any]) -> Panel:
    rust = micro.get("rust", {}).get("judge_tolerant")
    rows = []
    for name, row in micro["python"]["frames"].items():
        bars = [] if rust is None else [Bar("Stationmaster, Rust alone", rust[name]["median"] / 1000.0)]
        bars.append(Bar("Stationmaster", row["payload"]["median"]))
        times = f", {row['payload_times_faster']:.0f} times"
        bars.append(Bar("other program", row["ocpp_payload"]["median"], times))
        rows.append((f"{name}, {_short(row['bytes'])} B", bars))
    return Panel("Parse and validate one frame, next to the package ocpp", "microseconds of CPU", rows)


def _wire(wire: Mapping[str, Any]) -> Panel:
    rows = []
    for scenario in ("meter_values", "heartbeat"):
        for name in wire["servers"]:
            figures = wire[scenario][-1][name]
            rate = f" us, {_short(figures['frames_per_s']['median'])} frames/s"
            series = "Stationmaster" if name == OURS else "other program"
            rows.append((f"{scenario}, {name}", [Bar(series, figures["server_cpu_us"]["median"], rate)]))
    goal = (GOALS["wire_us"], "goal for meter_values")
    return Panel("Without storage, next to other servers", "microseconds of CPU for each frame", rows, goal)


def _durable(durable: Mapping[str, Any]) -> Panel:
    rows = []
    for scenario, found in durable.items():
        for row in found if isinstance(found, list) else ():
            rate, tail = row["frames_per_s"]["median"], row["p99_ms"]["median"]
            note = f" us, {_short(rate)} frames/s, p99 {tail:.1f} ms"
            bars = [Bar("Stationmaster", row["server_cpu_us"]["median"], note), *_engines(row)]
            rows.append((f"{scenario}, {row['sockets']} sockets", bars))
    goal = (GOALS["durable_us"], "goal for the server, meter_values")
    return Panel("Everything stored, closed loop", "microseconds of CPU for each frame", rows, goal)


def _engines(row: Mapping[str, Any]) -> list[Bar]:
    engines = (("PostgreSQL", "postgres"), ("Redis", "redis"))
    return [Bar(series, row[f"{name}_cpu_us"]["median"]) for series, name in engines]


def _storm(storm: Mapping[str, Any]) -> Panel:
    rows = []
    for name, series in ((OURS, "Stationmaster"), ("fastapi_echo", "other program")):
        note = f"/s, {_short(storm[name]['server_cpu_us']['median'])} us of CPU each"
        rows.append((name, [Bar(series, storm[name]["connections_per_s"]["median"], note)]))
    goal = (GOALS["storm_connections_per_s"], "goal: at least")
    return Panel("Connection storm, with authentication and boot", "connections per second", rows, goal)


def _commands(commands: Mapping[str, Any]) -> Panel:
    rows = [
        (
            name.replace("_", " "),
            [Bar(series, commands[name][f"{series}_ms"]["median"], " ms") for series in ("p50", "p99")],
        )
        for name in ("same_worker", "across_workers")
    ]
    goal = (GOALS["command_across_p99_ms"], "goal for p99 across workers")
    return Panel("Commands, REST to socket to REST", "milliseconds", rows, goal)


def _scale_out(scale_out: Mapping[str, Any]) -> Panel:
    rows = []
    for name, figures in scale_out["load"].items():
        note = f" us, {_short(figures['frames_per_cpu_s']['median'])} frames/s of CPU"
        bars = [Bar("Stationmaster", figures["server_cpu_us"]["median"], note), *_engines(figures)]
        rows.append((name.replace("_", " "), bars))
    title = "Several workers and two hosts on one core, everything stored"
    return Panel(title, "microseconds of CPU for each frame", rows)


def _ways(scale_out: Mapping[str, Any]) -> Panel:
    rows = []
    for name, figures in scale_out["commands"].items():
        if name == "commands":
            continue
        bars = []
        for series in ("p50", "p99"):
            added = figures.get(f"added_{series}_ms")
            note = "" if added is None else f", {added['median']:+.2f}"
            bars.append(Bar(series, figures[f"{series}_ms"]["median"], f" ms{note}"))
        rows.append((name.replace("_", " "), bars))
    return Panel("Commands to a socket of another worker or host", "milliseconds", rows)


def _bytes(found: Mapping[str, Any]) -> Panel:
    names = {"meter_values": "sample row and index", "frame_runs": "frame and answer, and index"}
    rows = [(name, [Bar("PostgreSQL", found["disk"][table]["all"])]) for table, name in names.items()]
    for setting, figures in found["log"].items():
        for when, figure in figures.items():
            label = f"log {when.replace('_', ' ')}, {setting.removeprefix('wal_')}"
            rows.append((label.replace("_", " "), [Bar("PostgreSQL", figure["median"])]))
    return Panel("One MeterValues on disk and in the write-ahead log", "bytes", rows)


def _growth(growth: Mapping[str, Any]) -> Panel:
    rows = []
    for size, label in (("sockets", "charge points"), ("rows", "rows stored")):
        for row in growth[size]:
            bars = [
                Bar("Stationmaster", row["server_cpu_us"]["median"]),
                Bar("PostgreSQL", row["postgres_cpu_us"]["median"]),
            ]
            rows.append((f"{_short(row[size])} {label}", bars))
    title = f"As work grows: durable MeterValues at {_short(growth['rate_per_s'])}/s"
    return Panel(title, "microseconds of CPU for each frame", rows)


def _idle(idle: Mapping[str, Any]) -> Panel:
    each = idle["resident_bytes_per_connection"] / 1000.0
    empty = idle["points"][0]["resident_bytes"]
    rows = []
    for point in idle["points"][1:]:
        grown = max(0.0, (point["resident_bytes"] - empty) / 1e6)
        rows.append((f"{_short(point['connections'])} connections", [Bar("Stationmaster", grown, " MB")]))
    title = f"Idle connections, {each:.1f} KB each"
    if (kernel := idle.get("kernel_bytes_per_socket")) is not None:
        title += f", and {kernel / 1000.0:.1f} KB in the kernel"
    return Panel(title, "MB of resident memory more than without connections", rows)


def _rest(rest: Mapping[str, Any]) -> Panel:
    rows = []
    for name, figures in rest["paths"].items():
        note = f" us, {_short(figures['requests_per_s']['median'])} requests/s"
        bars = [Bar("Stationmaster", figures["server_cpu_us"]["median"], note), *_engines(figures)]
        rows.append((name, bars))
    goal = (GOALS["rest_list_us"], "goal for the list of charge points")
    return Panel("Reads of the REST API", "microseconds of CPU for each request", rows, goal)


def _catalog(catalog: Mapping[str, Any]) -> Panel:
    rows = []
    for path, document in catalog["documents"].items():
        for way in ("asgi", "http"):
            rate = document[way]["catalog"]["requests_per_s"]["median"]
            note = f" %, {_short(rate)} requests/s"
            share = document[way]["throughput_of_bare"] * 100.0
            rows.append((f"{path.rpartition('/')[2]}, {way}", [Bar("Stationmaster", share, note)]))
    goal = (GOALS["catalog_share"] * 100.0, "goal: at least")
    return Panel("Cached catalog document", "percent of the requests of a bare Starlette route", rows, goal)


_PANELS: Final = (
    ("micro", _micro),
    ("wire", _wire),
    ("durable", _durable),
    ("bytes", _bytes),
    ("storm", _storm),
    ("commands", _commands),
    ("scale_out", _scale_out),
    ("scale_out", _ways),
    ("growth", _growth),
    ("idle", _idle),
    ("rest", _rest),
    ("catalog", _catalog),
)
"""The panels of each part, in their order."""
