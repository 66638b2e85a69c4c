"""Writes the figures and the goals of the project as Markdown, for the terminal and for a file."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

GOALS = {
    "rust_us": 1.5,
    "python_us": 4.0,
    "times_faster": 50.0,
    "wire_frames_per_s": 90_000.0,
    "wire_us": 11.0,
    "wire_times_ocpp": 40.0,
    "durable_us": 20.0,
    "durable_postgres_us": 15.0,
    "durable_frames_per_s": 25_000.0,
    "transaction_pairs_per_s": 4_000.0,
    "half_load_p50_ms": 5.0,
    "half_load_p99_ms": 25.0,
    "disk_bytes": 250.0,
    "log_bytes": 1_000.0,
    "log_after_checkpoint_bytes": 4_000.0,
    "idle_bytes": 6_000.0,
    "three_workers_bytes": 450e6,
    "storm_connections_per_s": 1_500.0,
    "tls_times": 1.5,
    "tls_connections_per_s": 500.0,
    "tls_idle_bytes": 25_000.0,
    "command_p99_ms": 4.0,
    "command_across_p99_ms": 8.0,
    "added_p99_ms": 5.0,
    "rest_list_us": 600.0,
    "catalog_share": 0.9,
    "growth_times": 1.5,
}
"""The goals: upper limits, except rates, `times_*`, `wire_times_ocpp` and `catalog_share`: lower limits."""

QUICK_WARNING = "A quick run only shows that the benchmarks work. Its figures mean nothing."

_BUSY = 0.9
"""A server that used less of its core waited for the load generator. Then its frames/s say nothing."""

_LOAD_COLUMNS = {
    "frames/s": ("frames_per_s", 0),
    "p50 ms": ("p50_ms", 2),
    "p99 ms": ("p99_ms", 2),
    "server us": ("server_cpu_us", 1),
    "of which system": ("server_system_us", 1),
    "busy": ("server_busy", 2),
    "PostgreSQL us": ("postgres_cpu_us", 1),
    "Redis us": ("redis_cpu_us", 2),
    "load us": ("load_cpu_us", 1),
}
"""By heading: the name of the figure, and its number of decimals."""

_STORM_COLUMNS = {
    "connections/s": ("connections_per_s", 0),
    "p50 ms": ("p50_ms", 1),
    "p99 ms": ("p99_ms", 1),
    "server us": ("server_cpu_us", 0),
    "busy": ("server_busy", 2),
    "PostgreSQL us": ("postgres_cpu_us", 0),
    "Redis us": ("redis_cpu_us", 0),
    "load us": ("load_cpu_us", 0),
}


def markdown(results: dict[str, Any]) -> str:
    """Return the report of all parts in the results."""
    host = results["host"]
    changes = " with uncommitted changes" if host["uncommitted_changes"] else ""
    lines = [
        "# Benchmark",
        "",
        *((f"**{QUICK_WARNING}**", "") if results.get("quick") else ()),
        f"{host['cpu']}, {host['cores']} cores, {host['kernel']}, {host['filesystem']}, "
        f"fsync {host['fsync_ms']} ms; {host['python']}, {host['rustc']}; "
        f"commit {host['commit']}{changes}; {host['at']}.",
        "",
        f"Load average {host['load_average'][0]:.1f} before and {host['load_average_after'][0]:.1f} after. "
        "Medians of rounds; CPU time in microseconds per frame, connection, command or request. "
        "benchmarks/README.md says how each was measured.",
    ]
    for part, describe in _PARTS.items():
        if part in results:
            lines += ["", *describe(results[part])]
    return "\n".join(lines) + "\n"


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return a Markdown table with aligned columns: the first one to the left, the others to the right."""
    cells = [list(headings), *(list(row) for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(headings))]
    lines = [
        "| "
        + " | ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        + " |"
        for row in cells
    ]
    rule = ["-" * width if column == 0 else "-" * (width - 1) + ":" for column, width in enumerate(widths)]
    return [lines[0], "| " + " | ".join(rule) + " |", *lines[1:]]


def _cells(figures: dict[str, Any], columns: dict[str, tuple[str, int]]) -> list[str]:
    return [
        f"{figures[name]['median']:.{digits}f}" if name in figures else "-"
        for name, digits in columns.values()
    ]


def _load_table(rows: Iterable[tuple[str, dict[str, Any]]]) -> list[str]:
    return _table(["", *_LOAD_COLUMNS], [[name, *_cells(figures, _LOAD_COLUMNS)] for name, figures in rows])


def _micro(micro: dict[str, Any]) -> list[str]:
    rust = micro.get("rust", {}).get("judge_tolerant")
    rows = [
        [
            name,
            str(row["bytes"]),
            f"{rust[name]['median'] / 1000.0:.2f}" if rust else "-",
            *(f"{row[figure]['median']:.2f}" for figure in ("payload", "ocpp_payload")),
            f"{row['payload_times_faster']:.0f}",
            *(f"{row[figure]['median']:.2f}" for figure in ("answer", "ocpp_answer")),
        ]
        for name, row in micro["python"]["frames"].items()
    ]
    headings = ["CPU us", "bytes", "Rust alone", "payload", "ocpp payload", "times", "answer", "ocpp answer"]
    return [
        "## Parse and validate",
        "",
        *_table(headings, rows),
        "",
        f"Goals for meter_values: Rust {GOALS['rust_us']} us, from Python {GOALS['python_us']} us, "
        f"{GOALS['times_faster']:.0f} times.",
    ]


def _schedules(schedules: dict[str, Any]) -> list[str]:
    rows = [
        [f"{file}: {group}, {name}", f"{figure['median'] / 1000.0:.2f}"]
        for file, groups in schedules.items()
        if isinstance(groups, dict)
        for group, figures in groups.items()
        for name, figure in figures.items()
    ]
    return ["## Schedules and sites", "", *_table(["", "us"], rows)]


def _wire(wire: dict[str, Any]) -> list[str]:
    rows = [
        (f"{scenario}, {row['sockets']} sockets, {name}", row[name])
        for scenario in ("meter_values", "heartbeat")
        for row in wire[scenario]
        for name in wire["servers"]
    ]
    last = wire["meter_values"][-1]
    ratios = ", ".join(
        f"{name} {_times_as_fast(last[name])}{last[name]['ours_cpu_share']} of the CPU"
        for name in wire["servers"]
        if "ours_cpu_share" in last[name]
    )
    return [
        "## The byte path without storage, each server alone on one core",
        "",
        *_load_table(rows),
        "",
        *(f"- {name}: {about['does']}. Not: {about['does_not']}." for name, about in wire["servers"].items()),
        *(f"- {name} is left out: {reason}." for name, reason in wire["left_out"].items()),
        "",
        f"Ours relative to the others, meter_values: {ratios}.",
        "",
        f"Goals for meter_values: {GOALS['wire_frames_per_s']:.0f} frames/s, {GOALS['wire_us']:.0f} us, "
        f"{GOALS['wire_times_ocpp']:.0f} times the package ocpp, at most the CPU of picows.",
    ]


def _times_as_fast(theirs: dict[str, Any]) -> str:
    """Return how many times as fast ours is, unless the load generator was the limit."""
    if theirs["server_busy"]["median"] < _BUSY:
        return ""
    return f"{theirs['ours_times_as_fast']} times as many frames/s and "


def _durable(durable: dict[str, Any]) -> list[str]:
    rows = [
        (f"{scenario}, {row['sockets']} sockets", row)
        for scenario, found in durable.items()
        if isinstance(found, list)
        for row in found
    ]
    half = durable["half_load"]
    pairs = durable["transactions"][-1]["frames_per_s"]["median"] / 2
    return [
        "## Everything stored, server on one core",
        "",
        *_load_table([*rows, (f"meter_values at half the rate, {half['sockets']} sockets", half)]),
        "",
        f"{pairs:.0f} pairs of StartTransaction and StopTransaction/s. "
        f"{durable['stored_meter_values']} MeterValues were answered, and as many are stored. "
        f"{durable['logged_frames_share']:.1%} of all frames are in the frame log; it drops some under load.",
        "",
        f"Goals: meter_values {GOALS['durable_frames_per_s']:.0f} frames/s with {GOALS['durable_us']:.0f} us "
        f"of the server and {GOALS['durable_postgres_us']:.0f} us of PostgreSQL; "
        f"{GOALS['transaction_pairs_per_s']:.0f} pairs/s; at half the rate p50 "
        f"{GOALS['half_load_p50_ms']:.0f} ms and p99 {GOALS['half_load_p99_ms']:.0f} ms.",
    ]


def _bytes(found: dict[str, Any]) -> list[str]:
    parts = ("heap", "toast", "indexes", "all", "rows")
    disk = [
        [table, *(f"{figures[part]:.0f}" for part in parts[:-1]), str(figures["rows"])]
        for table, figures in found["disk"].items()
    ]
    log = [
        [setting, *(f"{figures[when]['median']:.0f}" for when in ("after_checkpoint", "otherwise"))]
        for setting, figures in found["log"].items()
    ]
    return [
        f"## Bytes of one MeterValues, {found['sockets']} sockets",
        "",
        *_table(["on disk", *parts], disk),
        "",
        *_table(["in the write-ahead log", "after a checkpoint", "otherwise"], log),
        "",
        f"Goals: {GOALS['disk_bytes']:.0f} on disk in each table; in the log "
        f"{GOALS['log_after_checkpoint_bytes']:.0f} after a checkpoint, {GOALS['log_bytes']:.0f} otherwise.",
    ]


def _commands(commands: dict[str, Any]) -> list[str]:
    columns = {
        "p50 ms": ("p50_ms", 2),
        "p99 ms": ("p99_ms", 2),
        "servers us": ("server_cpu_us", 0),
        "PostgreSQL us": ("postgres_cpu_us", 0),
        "Redis us": ("redis_cpu_us", 0),
    }
    names = ("same_worker", "across_workers", "fastapi_commits")
    return [
        "## Commands: REST, socket, REST; one at a time",
        "",
        *_table(["", *columns], [[name, *_cells(commands[name], columns)] for name in names]),
        "",
        f"Goals for p99: {GOALS['command_p99_ms']:.0f} ms, across workers "
        f"{GOALS['command_across_p99_ms']:.0f} ms. fastapi_commits is not a peer but a lower bound: a bare "
        "FastAPI route with one read of Redis and two commits; no authentication, validation or socket.",
    ]


def _scale_out(scale_out: dict[str, Any]) -> list[str]:
    load_columns = {
        "frames/s": ("frames_per_s", 0),
        "p50 ms": ("p50_ms", 2),
        "p99 ms": ("p99_ms", 2),
        "servers us": ("server_cpu_us", 1),
        "PostgreSQL us": ("postgres_cpu_us", 1),
        "Redis us": ("redis_cpu_us", 2),
        "frames per s of CPU": ("frames_per_cpu_s", 0),
        "busy": ("server_busy", 2),
    }
    command_columns = {
        "p50 ms": ("p50_ms", 2),
        "p99 ms": ("p99_ms", 2),
        "added p50": ("added_p50_ms", 2),
        "added p99": ("added_p99_ms", 2),
    }
    load, commands = scale_out["load"], scale_out["commands"]
    ways = [name for name in commands if name != "commands"]
    return [
        f"## Several workers, and two hosts: {scale_out['sockets']} sockets, all servers on one core",
        "",
        *_table(
            ["meter_values", *load_columns], [[name, *_cells(load[name], load_columns)] for name in load]
        ),
        "",
        "Several workers on one core are not faster than one. The table says what they cost: CPU time of all "
        "servers, and the frames that a second of CPU time answers, with that of PostgreSQL and Redis.",
        "",
        *_table(
            ["command", *command_columns],
            [[name, *_cells(commands[name], command_columns)] for name in ways],
        ),
        "",
        f"The ways take turns, command by command. Goal for the added p99: {GOALS['added_p99_ms']:.0f} ms.",
    ]


def _storm(storm: dict[str, Any]) -> list[str]:
    names = ("stationmaster", "fastapi_echo")
    return [
        f"## Connection storm: {storm['connections']} connections, {storm['at_once']} at once",
        "",
        *_table(["", *_STORM_COLUMNS], [[name, *_cells(storm[name], _STORM_COLUMNS)] for name in names]),
        "",
        f"Goal: {GOALS['storm_connections_per_s']:.0f} connections/s with authentication and boot.",
    ]


def _tls(tls: dict[str, Any]) -> list[str]:
    names = ("plain", "tls")
    idle = tls["idle_bytes_per_connection"]
    return [
        f"## TLS: {tls['sockets']} sockets, an ECDSA certificate",
        "",
        *_load_table((f"{name}: meter_values", tls["durable"][name]) for name in names),
        "",
        *_table(
            ["storm", *_STORM_COLUMNS],
            [[name, *_cells(tls["storm"][name], _STORM_COLUMNS)] for name in names],
        ),
        "",
        f"A stored MeterValues takes {tls['durable_cpu_ratio']:.2f} times the CPU time of plain; goal "
        f"{GOALS['tls_times']:.1f}. Goal of the storm: {GOALS['tls_connections_per_s']:.0f} connections/s. "
        f"An idle connection takes {idle['tls'] / 1000:.1f} KB, plain {idle['plain'] / 1000:.1f} KB; goal "
        f"{GOALS['tls_idle_bytes'] / 1000:.0f} KB.",
    ]


def _idle(idle: dict[str, Any]) -> list[str]:
    lines = [
        "## Memory of idle connections",
        "",
        f"{idle['resident_bytes_per_connection'] / 1000:.1f} KB for each (slope), "
        f"{idle['mean_resident_bytes_per_connection'] / 1000:.1f} KB (mean, with what is loaded once); "
        f"goal {GOALS['idle_bytes'] / 1000:.0f} KB. "
        f"The kernel takes {idle['kernel_bytes_per_socket'] / 1000:.1f} KB more for each socket. "
        f"A process may have {idle['descriptor_limit']} descriptors.",
    ]
    if idle["beyond_limit"]:
        lines.append(f"Not measured, because descriptors are limited: {idle['beyond_limit']} connections.")
    if "three_workers" in idle:
        last = idle["three_workers"]["points"][-1]
        lines.append(
            f"{last['connections']} over three workers: {last['proportional_bytes'] / 1e6:.0f} MB in all; "
            f"goal {GOALS['three_workers_bytes'] / 1e6:.0f} MB."
        )
    return lines


def _rest(rest: dict[str, Any]) -> list[str]:
    columns = {
        "requests/s": ("requests_per_s", 0),
        "server us": ("server_cpu_us", 0),
        "PostgreSQL us": ("postgres_cpu_us", 0),
        "Redis us": ("redis_cpu_us", 0),
    }
    rows = [[name, *_cells(figures, columns)] for name, figures in rest["paths"].items()]
    return [
        "## Hot reads of the REST API",
        "",
        *_table(["", *columns], rows),
        "",
        f"Goal for the list of 50 charge points: {GOALS['rest_list_us']:.0f} us of the server.",
    ]


def _catalog(catalog: dict[str, Any]) -> list[str]:
    rows = [
        [
            f"{path}, {way}",
            f"{found['throughput_of_bare']:.0%}",
            *(f"{found[name]['requests_per_s']['median']:.0f}" for name in ("catalog", "bare")),
            *(f"{found[name]['cpu_us']['median']:.1f}" for name in ("catalog", "bare")),
        ]
        for path, document in catalog["documents"].items()
        for way, found in document.items()
        if way != "bytes"
    ]
    return [
        f"## Catalog compared with a bare Starlette route (goal {GOALS['catalog_share']:.0%})",
        "",
        *_table(["", "share", "requests/s", "bare", "CPU us", "bare"], rows),
    ]


def _growth(growth: dict[str, Any]) -> list[str]:
    rows = [(f"{row[size]} {size}", row) for size in ("sockets", "rows") for row in growth[size]]
    times = growth["times"]
    return [
        f"## The cost as work grows: durable MeterValues at {growth['rate_per_s']:.0f}/s",
        "",
        *_load_table(rows),
        "",
        *(
            f"Largest relative to smallest number of {size}: server {times[size]['server_cpu_us']} times, "
            f"PostgreSQL {times[size]['postgres_cpu_us']} times; goal {GOALS['growth_times']}."
            for size in ("sockets", "rows")
        ),
    ]


_PARTS: dict[str, Callable[[dict[str, Any]], list[str]]] = {
    "micro": _micro,
    "schedules": _schedules,
    "wire": _wire,
    "durable": _durable,
    "bytes": _bytes,
    "commands": _commands,
    "scale_out": _scale_out,
    "storm": _storm,
    "tls": _tls,
    "idle": _idle,
    "rest": _rest,
    "catalog": _catalog,
    "growth": _growth,
}
