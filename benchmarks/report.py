"""The figures as text, beside the goals of the project."""

from typing import Any

GOALS = {
    "rust_us": 2.0,
    "python_us": 4.0,
    "times_faster": 50.0,
    "wire_frames_per_s": 90_000.0,
    "wire_us": 11.0,
    "durable_us": 20.0,
    "idle_bytes": 6_000.0,
    "catalog_share": 0.9,
}
"""What is to be reached: at most, but for `times_faster`, `catalog_share` and rates at least."""


def summary_text(results: dict[str, Any]) -> str:
    """Return a few lines for people."""
    host = results["host"]
    lines = [f"{host['cpu']}, {host['cores']} cores, {host['python']}, {host['rustc']}"]
    for part, describe in _PARTS.items():
        if part in results:
            lines += ["", *describe(results[part])]
    return "\n".join(lines)


def _micro(micro: dict[str, Any]) -> list[str]:
    rust = micro.get("rust", {}).get("judge_tolerant")
    columns = ("bytes", "Rust", "Python", "ocpp", "times", "answer", "ocpp")
    lines = [
        "Parse + validate, CPU us per frame (median); answer: the same with a validated answer",
        f"  {'':20}" + "".join(f"{name:>9}" for name in columns),
    ]
    for name, row in micro["python"]["frames"].items():
        alone = f"{rust[name]['median'] / 1000.0:9.2f}" if rust else f"{'-':>9}"
        lines.append(
            f"  {name:20}{row['bytes']:9}{alone}{row['payload']['median']:9.2f}"
            f"{row['ocpp_payload']['median']:9.1f}{row['payload_times_faster']:9.1f}"
            f"{row['answer']['median']:9.2f}{row['ocpp_answer']['median']:9.1f}"
        )
    rust_us, python_us, times = GOALS["rust_us"], GOALS["python_us"], GOALS["times_faster"]
    lines.append(f"  goals for meter_values: Rust {rust_us} us, Python {python_us} us, {times:.0f} times")
    return lines


_COLUMNS = {
    "frames/s": ("frames_per_s", 0),
    "p50 ms": ("p50_ms", 2),
    "p99 ms": ("p99_ms", 2),
    "server": ("server_cpu_us", 1),
    "busy": ("server_busy", 2),
    "postgres": ("postgres_cpu_us", 1),
    "redis": ("redis_cpu_us", 2),
    "load": ("load_cpu_us", 1),
}
"""Heading: name of the figure, digits behind the point."""


def _heading() -> str:
    return f"  {'':28}{'sockets':>9}" + "".join(f"{heading:>9}" for heading in _COLUMNS)


def _row(name: str, sockets: int, figures: dict[str, Any]) -> str:
    values = (
        f"{figures[figure]['median']:9.{digits}f}" if figure in figures else f"{'-':>9}"
        for figure, digits in _COLUMNS.values()
    )
    return f"  {name:28}{sockets:9}" + "".join(values)


def _wire(wire: dict[str, Any]) -> list[str]:
    lines = [
        "The byte path without storage, each server alone on one core; CPU us per frame (median)",
        _heading(),
    ]
    for scenario in ("meter_values", "heartbeat"):
        for row in wire[scenario]:
            for name in wire["servers"]:
                lines.append(_row(f"{scenario}, {name}", row["sockets"], row[name]))
    lines += [
        f"  {name}: {about['does']}; not: {about['does_not']}" for name, about in wire["servers"].items()
    ]
    goals = f"{GOALS['wire_frames_per_s']:.0f} frames/s, server {GOALS['wire_us']:.0f} us"
    lines.append(f"  goals for meter_values: {goals}")
    return lines


def _durable(durable: dict[str, Any]) -> list[str]:
    lines = ["Everything stored, server on one core; CPU us per frame (median)", _heading()]
    for scenario, rows in durable.items():
        if isinstance(rows, list):
            lines += [_row(scenario, row["sockets"], row) for row in rows]
    half = durable["half_load"]
    lines.append(_row("meter_values, half the rate", half["sockets"], half))
    lines.append(f"  goal for meter_values: server {GOALS['durable_us']:.0f} us")
    return lines


def _idle(idle: dict[str, Any]) -> list[str]:
    each = idle["resident_bytes_per_connection"] / 1000.0
    mean = idle["mean_resident_bytes_per_connection"] / 1000.0
    return [
        f"Memory per idle connection: {each:.1f} KB (slope), {mean:.1f} KB (mean, with what is loaded once); "
        f"goal {GOALS['idle_bytes'] / 1000:.0f} KB"
    ]


def _catalog(catalog: dict[str, Any]) -> list[str]:
    lines = [f"Catalog beside a bare Starlette route (goal {GOALS['catalog_share']:.0%})"]
    for path, document in catalog["documents"].items():
        for way in ("asgi", "http"):
            found = document[way]
            rates, cpu = (
                [found[name][figure]["median"] for name in ("catalog", "bare")]
                for figure in ("requests_per_s", "cpu_us")
            )
            lines.append(
                f"  {path} {way}: {found['throughput_of_bare']:.0%} ({rates[0]:.0f} and {rates[1]:.0f} "
                f"requests/s; CPU {cpu[0]:.1f} and {cpu[1]:.1f} us)"
            )
    return lines


_PARTS = {"micro": _micro, "wire": _wire, "durable": _durable, "idle": _idle, "catalog": _catalog}
