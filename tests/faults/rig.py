"""A run: charge points charge, faults come one after the other, and the judge reads what is stored."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.faults.faults import FAULTS, left_out
from tests.faults.judge import Kind, Verdict, judge
from tests.faults.schedule import Planned, schedule
from tests.faults.site import Site, Size, built
from tests.faults.stored import stored_records

_FAULT_S = 120.0
"""The longest time of a fault, with the start of servers and the recovery of PostgreSQL."""
_HEALED_S = 60.0
"""After so many seconds each charge point has an answer again, and without anybody's help."""


@dataclass
class Report:
    """The result of a run. recovered_s: of each kind, the longest time until all were served."""

    seed: int
    left_out: dict[str, str] = field(default_factory=dict)
    faults: Counter[str] = field(default_factory=Counter)
    recovered_s: dict[str, float] = field(default_factory=dict)
    failed: str | None = None
    verdict: Verdict | None = None

    @property
    def is_good(self) -> bool:
        """Say whether nothing is wrong with any record, and each fault healed."""
        return self.failed is None and self.verdict is not None and not self.verdict.findings

    def text(self) -> str:
        """Return the ledger of the run, for people."""
        lines = [f"seed {self.seed}", *(f"left out: {kind}: {why}" for kind, why in self.left_out.items())]
        lines += [
            f"{kind:24} {count:4} times, healed in {self.recovered_s.get(kind, 0):.1f} s at most"
            for kind, count in sorted(self.faults.items())
        ]
        if self.failed is not None:
            lines.append(f"failed: {self.failed}")
        if self.verdict is not None:
            verdict = self.verdict
            lines += [
                f"{finding.kind}: {finding.identity}: {finding.text}" for finding in verdict.findings[:20]
            ]
            lines.append(
                f"faults {self.faults.total()}, sent {verdict.sent}, tries {verdict.tries}, "
                f"answered {verdict.answered}, stored {verdict.stored}, "
                + ", ".join(f"{kind} {verdict.count(kind)}" for kind in Kind)
            )
        return "\n".join(lines)


async def run(
    directory: Path,
    size: Size,
    *,
    seed: int,
    kinds: Sequence[str],
    goes_on: Callable[[int, float], bool],
    say: Callable[[str], None] = lambda _: None,
) -> Report:
    """Run faults of some kinds, and return the report.

    goes_on: asked with the number of faults and the seconds so far, whether another one comes; say: gets a
    line for each.
    """
    report = Report(seed)
    async with built(directory, size) as site:
        report.left_out = {kind: why for kind, why in left_out(site).items() if kind in kinds}
        possible = [kind for kind in kinds if kind not in report.left_out]
        charging = asyncio.create_task(site.fleet.charge())
        began = time.monotonic()
        try:
            for planned in schedule(seed, possible):
                if not goes_on(report.faults.total(), time.monotonic() - began):
                    break
                await _suffer(site, planned, report, say)
        except TimeoutError as failure:
            report.failed = str(failure)
        if report.failed is None:
            site.fleet.end()
            await charging
        charging.cancel()
        await asyncio.wait([charging])
        report.verdict = await _verdict(site)
    return report


async def _suffer(site: Site, planned: Planned, report: Report, say: Callable[[str], None]) -> None:
    """Let one fault happen, and wait until all charge points are served again."""
    if planned.calm:
        await _within(_HEALED_S, site.fleet.everyone_answered(planned.calm), f"no answers before {planned}")
    report.faults[planned.kind] += 1
    began = time.monotonic()
    await _within(_FAULT_S, FAULTS[planned.kind](site, Random(planned.seed)), f"{planned} does not end")
    healed = time.monotonic()
    await _within(_HEALED_S, site.fleet.everyone_answered(), f"{planned} does not heal")
    after_s = time.monotonic() - healed
    report.recovered_s[planned.kind] = max(after_s, report.recovered_s.get(planned.kind, 0.0))
    say(f"{planned.kind} for {healed - began:.1f} s, healed in {after_s:.1f} s")


async def _within(seconds: float, work: Awaitable[None], what: str) -> None:
    try:
        async with asyncio.timeout(seconds):
            await work
    except TimeoutError:
        raise TimeoutError(f"{what} within {seconds:g} s") from None


async def _verdict(site: Site) -> Verdict:
    stored = await stored_records(site.database.url, site.tenant)
    return Verdict.of_all(judge(point.ledger, stored[point.ledger.identity]) for point in site.fleet.points)
