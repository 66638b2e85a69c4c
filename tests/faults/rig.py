"""A run: charge points charge, faults come one after the other, and the judge reads what is stored."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import asyncpg

from app.commands.rules import OPEN_COMMAND_STATES
from tests.faults.commands import judge_commands, states_of
from tests.faults.faults import FAULTS, left_out
from tests.faults.judge import Finding, Kind, Verdict, judge
from tests.faults.schedule import Planned, schedule
from tests.faults.site import Site, Size, built
from tests.faults.stored import stored_records
from tests.faults.waiting import until_asked

_FAULT_S = 120.0
"""The longest time of a fault, with the start of servers and the recovery of PostgreSQL."""
_HEALED_S = 60.0
"""After so many seconds each charge point has an answer again, and without anybody's help."""
_SHOWN = 20
"""Findings that the report shows. It counts all."""


@dataclass
class Report:
    """The result of a run.

    recovered_s: of each kind, the longest time until all were served; failed: what did not happen in time;
    of_commands: findings about commands.
    """

    seed: int
    left_out: dict[str, str] = field(default_factory=dict)
    faults: Counter[str] = field(default_factory=Counter)
    recovered_s: dict[str, float] = field(default_factory=dict)
    failed: str | None = None
    verdict: Verdict | None = None
    commands: int = 0
    of_commands: list[Finding] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Say whether nothing is wrong with any record, and each fault healed."""
        return self.failed is None and self.verdict is not None and not self._findings()

    def text(self) -> str:
        """Return the ledger of the run, for people."""
        lines = [f"seed {self.seed}", *(f"left out: {kind}: {why}" for kind, why in self.left_out.items())]
        lines += [
            f"{kind:26} {count:4} times, healed in {self.recovered_s.get(kind, 0):.1f} s at most"
            for kind, count in sorted(self.faults.items())
        ]
        if self.failed is not None:
            lines.append(f"failed: {self.failed}")
        findings = self._findings()
        lines += [f"{finding.kind}: {finding.identity}: {finding.text}" for finding in findings[:_SHOWN]]
        if (verdict := self.verdict) is not None:
            lines.append(
                f"faults {self.faults.total()}; commands {self.commands}; messages sent {verdict.sent}, "
                f"tries {verdict.tries}, answered {verdict.answered}, stored {verdict.stored}"
            )
        found = Counter(finding.kind for finding in findings)
        lines.append(", ".join(f"{kind} {found[kind]}" for kind in Kind))
        return "\n".join(lines)

    def _findings(self) -> list[Finding]:
        return [*(self.verdict.findings if self.verdict is not None else ()), *self.of_commands]


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
            await _settle(site, charging)
        except TimeoutError as failure:
            report.failed = str(failure)
        charging.cancel()
        await asyncio.wait([charging])
        try:
            await _judge(site, report)
        except (OSError, asyncpg.PostgresError) as failure:
            report.failed = f"{report.failed}; the database cannot be read: {failure}"
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


async def _settle(site: Site, charging: "asyncio.Task[None]") -> None:
    """Wait until all commands have ended, and the live view shows the sockets as they are; then stop."""

    async def have_ended() -> bool:
        states = await states_of(site.database.url, site.tenant)
        return not any(state in OPEN_COMMAND_STATES for state in states.values())

    site.fleet.command_no_more()
    await _within(_HEALED_S, until_asked(have_ended), "the commands do not end")
    await _within(_HEALED_S, until_asked(lambda: _all_are(site, True)), "a socket is not in the live view")
    site.fleet.end()
    await _within(_HEALED_S, charging, "the charge points do not end")
    await _within(_HEALED_S, until_asked(lambda: _all_are(site, False)), "the live view has a closed socket")


async def _all_are(site: Site, connected: bool) -> bool:
    page = await site.operator.get("/charge-points", limit=len(site.fleet.points))
    return all(point["connected"] is connected for point in page["items"])


async def _judge(site: Site, report: Report) -> None:
    ledgers = [point.ledger for point in site.fleet.points]
    stored = await stored_records(site.database.url, site.tenant)
    report.verdict = Verdict.of_all(judge(ledger, stored[ledger.identity]) for ledger in ledgers)
    issued = site.fleet.caller.issued
    report.commands = len(issued)
    received = sum((ledger.calls for ledger in ledgers), Counter[str]())
    states = await states_of(site.database.url, site.tenant)
    report.of_commands = judge_commands(issued, received, states)
