"""The figures as text, beside the goals of the project."""

from typing import Any

GOALS = {
    "rust_us": 2.0,
    "python_us": 4.0,
    "times_faster": 50.0,
    "durable_us": 60.0,
    "idle_bytes": 40_000.0,
    "catalog_share": 0.9,
}
"""What is to be reached: at most, but for `times_faster` and `catalog_share` at least."""


def summary_text(results: dict[str, Any]) -> str:
    """Return a few lines for people."""
    host = results["host"]
    lines = [f"{host['cpu']}, {host['cores']} cores, {host['python']}, {host['rustc']}"]
    for part, describe in (("micro", _micro), ("wire", _wire), ("idle", _idle), ("catalog", _catalog)):
        if part in results:
            lines += ["", *describe(results[part])]
    return "\n".join(lines)


def _micro(micro: dict[str, Any]) -> list[str]:
    lines = ["Parse + validate, CPU us per frame (median)"]
    rust = micro.get("rust", {})
    lines.append(
        f"  {'':20} {'bytes':>6} {'Rust':>8} {'Python':>8} {'ocpp':>9} {'times':>7}  | with answer: {'Python':>8} {'ocpp':>9}"
    )
    for name, row in micro["python"]["frames"].items():
        alone = rust["judge_tolerant"][name]["median"] / 1000 if rust else float("nan")
        lines.append(
            f"  {name:20} {row['bytes']:6} {alone:8.2f} {row['payload']['median']:8.2f} "
            f"{row['ocpp_payload']['median']:9.1f} {row['payload_times_faster']:7.1f}  "
            f"| {'':12} {row['answer']['median']:8.2f} {row['ocpp_answer']['median']:9.1f}"
        )
    lines.append(
        f"  goals for meter_values: Rust {GOALS['rust_us']} us, Python {GOALS['python_us']} us, {GOALS['times_faster']:.0f} times"
    )
    return lines


def _wire(wire: dict[str, Any]) -> list[str]:
    lines = ["Sockets in a closed loop, server on one core; CPU us per frame (median)"]
    lines.append(
        f"  {'':14} {'sockets':>7} {'frames/s':>9} {'p50 ms':>7} {'p99 ms':>7} {'server':>7} {'busy':>5} "
        f"{'postgres':>8} {'redis':>6} {'load':>6}"
    )
    for scenario, rows in wire.items():
        for row in rows:
            value = {name: figure["median"] for name, figure in row.items() if name != "sockets"}
            lines.append(
                f"  {scenario:14} {row['sockets']:7} {value['frames_per_s']:9.0f} {value['p50_ms']:7.2f} "
                f"{value['p99_ms']:7.2f} {value['server_cpu_us']:7.1f} {value['server_busy']:5.0%} "
                f"{value['postgres_cpu_us']:8.1f} {value['redis_cpu_us']:6.2f} {value['load_generator_cpu_us']:6.1f}"
            )
    lines.append(f"  goal for meter_values: server {GOALS['durable_us']:.0f} us")
    return lines


def _idle(idle: dict[str, Any]) -> list[str]:
    kilobytes = idle["resident_bytes_per_connection"] / 1000, idle["mean_resident_bytes_per_connection"] / 1000
    return [
        f"Memory per idle connection: {kilobytes[0]:.1f} KB (slope), {kilobytes[1]:.1f} KB (mean, with what is "
        f"loaded once); goal {GOALS['idle_bytes'] / 1000:.0f} KB"
    ]


def _catalog(catalog: dict[str, Any]) -> list[str]:
    lines = [f"Catalog beside a bare Starlette route (goal {GOALS['catalog_share']:.0%})"]
    for path, document in catalog["documents"].items():
        for way in ("asgi", "http"):
            found = document[way]
            lines.append(
                f"  {path} {way}: {found['throughput_of_bare']:.0%} "
                f"({found['catalog']['requests_per_s']['median']:.0f} and "
                f"{found['bare']['requests_per_s']['median']:.0f} requests/s; CPU {found['catalog']['cpu_us']['median']:.1f} "
                f"and {found['bare']['cpu_us']['median']:.1f} us)"
            )
    return lines
