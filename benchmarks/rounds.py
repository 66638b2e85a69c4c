"""Measures one round of load on one server: answers, latencies, and the CPU time of each process."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.accounting import CpuReading, cpu_use
from benchmarks.load import Fleet, LoadError, Run
from benchmarks.summary import summarize
from benchmarks.testbed import Server, Testbed

Figures = dict[str, float]
"""The figures of one round, by name."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A server and the fleet that is connected to it. testbed: None for a server without engines."""

    server: Server
    fleet: Fleet
    testbed: Testbed | None


async def measure_round(subject: Measured, run: Run) -> tuple[Figures, dict[str, int]]:
    """Run one measurement. Return its figures, and the counts of all answers, those of the warm-up included.

    Raises:
        LoadError: an answer is missing, wrong or an error, or none came.
    """
    marks: list[_Usage] = []

    def mark() -> None:
        marks.append(_Usage.now(subject))

    load, totals = await subject.fleet.run(run, mark, mark)
    before, after = marks
    if not load["frames_per_s"]:
        raise LoadError(f"no answer came within {run.seconds} s")
    # CPU time is read a moment after the answers are counted, so both are used as rates.
    per_frame_us = 1e6 / load["frames_per_s"] / (after.at - before.at)
    server = after.server.since(before.server)
    figures: Figures = {
        "frames_per_s": load["frames_per_s"],
        **{name: load["latency"][name] for name in ("p50_ms", "p90_ms", "p99_ms", "p999_ms", "max_ms")},
        "server_cpu_us": server.exact_s * per_frame_us,
        "server_user_us": server.user_s * per_frame_us,
        "server_system_us": server.system_s * per_frame_us,
        "server_busy": server.exact_s / (after.at - before.at),
        "load_cpu_us": load["cpu_us_per_frame"],
        "load_busy": load["cpu_share"],
    }
    if subject.testbed is not None:
        figures["postgres_cpu_us"] = after.postgres.since(before.postgres).exact_s * per_frame_us
        figures["redis_cpu_us"] = after.redis.since(before.redis).exact_s * per_frame_us
    if run.rate_per_s is not None:
        figures["overdue"] = load["overdue"]
    return figures, totals


def summarize_rounds(rounds: Sequence[Figures]) -> dict[str, Any]:
    """Return the median and range of each figure."""
    return {name: summarize([figures[name] for figures in rounds]) for name in rounds[0]}


def processes_of(testbed: Testbed | None) -> tuple[Iterable[int], Iterable[int]]:
    """Return the current processes of PostgreSQL and Redis."""
    return ((), ()) if testbed is None else (testbed.postgres_processes(), (testbed.redis,))


@dataclass(frozen=True, slots=True)
class _Usage:
    at: float
    server: CpuReading
    postgres: CpuReading
    redis: CpuReading

    @classmethod
    def now(cls, subject: Measured) -> "_Usage":
        postgres, redis = processes_of(subject.testbed)
        return cls(time.perf_counter(), cpu_use(subject.server.processes), cpu_use(postgres), cpu_use(redis))
