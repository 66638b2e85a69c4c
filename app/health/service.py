"""Runs all checks of one worker within seconds, whatever hangs, and tells the operator what has changed."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, Protocol

import asyncpg

from app.clock import Clock
from app.database.prepared import Connection
from app.database.probe import DatabaseProbe
from app.database.revisions import program_revisions
from app.errors import StoreUnavailable
from app.health import rules
from app.health.records import (
    Check,
    CheckName,
    CheckState,
    CommitFacts,
    DatabaseFacts,
    DiskFacts,
    HealthReport,
    RedisFacts,
)
from app.health.store import read_facts
from app.live.connect import FAILURES, LiveRedis, read_info, words_of
from app.logs import get_logger
from app.metrics import CHECK_STATE, CLOCK_DIFFERENCE_SECONDS
from app.tasks import PeriodicTask

_LOG = get_logger(__name__)

_DEADLINE_S: Final = 2.0
"""A balancer and a container wait for three seconds or so."""
_FRESH_S: Final = 1.0
"""Everybody may ask. So checks run once a second at most."""
_PERIOD_S: Final = 10.0
_SILENT: Final = "The database does not answer."
_GAUGE: Final = {CheckState.OK: 0, CheckState.WARNING: 1, CheckState.FAILING: 2}


class Outcomes(Protocol):
    """How the last group commits ended; see `CommitOutcomes` of the ledger."""

    committed_at: float | None
    failed_at: float | None
    refused_at: float | None


@dataclass(frozen=True, slots=True)
class HealthSources:
    """The sources of the facts.

    Attributes:
        host: The name of this host, which other hosts see.
        probe: Asks the database.
        ids_used: Returns the largest share of its transaction ids that a tenant has used.
        redis: The client of the live state.
        redis_failure: Returns what Redis said when it refused the worker, None while it answers.
        outcomes: Of the ledger.
        pepper_mark: Of the pepper of this server.
        data_directory: Whose disk is looked at.
        holds_database: The embedded PostgreSQL is there.
        clock: Of this host.
    """

    host: str
    probe: DatabaseProbe
    ids_used: Callable[[Connection], Awaitable[float]]
    redis: LiveRedis
    redis_failure: Callable[[], str | None]
    outcomes: Outcomes
    pepper_mark: str
    data_directory: Path
    holds_database: bool
    clock: Clock


class HealthService:
    """The checks of one worker. It also runs them by itself, for the log and the metrics."""

    def __init__(self, sources: HealthSources) -> None:
        self._sources = sources
        self._running: asyncio.Task[HealthReport] | None = None
        self._report: HealthReport | None = None
        self._reported_at = float("-inf")
        self._told: dict[CheckName, CheckState] = {}
        self._loop: PeriodicTask | None = None

    def start(self) -> None:
        """Run the checks every ten seconds in the background."""
        self._loop = PeriodicTask(self._watch, "health")

    async def close(self) -> None:
        """Stop running them."""
        if self._loop is not None:
            await self._loop.stop()
            self._loop = None
        if self._running is not None:
            await asyncio.wait({self._running})

    async def report(self) -> HealthReport:
        """Return all checks, at most a second old. It takes at most two seconds."""
        loop = asyncio.get_running_loop()
        if self._report is not None and loop.time() - self._reported_at < _FRESH_S:
            return self._report
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run())
        # A caller that leaves must not end the checks of the others.
        return await asyncio.shield(self._running)

    async def _watch(self) -> float:
        await self.report()
        return _PERIOD_S

    async def _run(self) -> HealthReport:
        database = asyncio.create_task(self._database())
        redis = asyncio.create_task(self._redis())
        disk = asyncio.create_task(asyncio.to_thread(self._disk))
        # None is waited for longer: to cancel a client of a server that hangs may take as long as its answer.
        done, late = await asyncio.wait({database, redis, disk}, timeout=_DEADLINE_S)
        for task in late:
            task.cancel()
        found = database.result() if database in done else _SILENT
        live, failure = redis.result() if redis in done else (None, None)
        checks = [rules.judge_database(found), rules.judge_ledger(self._commits()), *self._judge(found)]
        if disk in done and (space := disk.result()) is not None:
            checks.append(rules.judge_disk(space))
        checks.append(rules.judge_redis(live, failure or self._sources.redis_failure()))
        checks.append(rules.judge_eviction(live))
        self._report = HealthReport(tuple(checks))
        self._reported_at = asyncio.get_running_loop().time()
        self._tell(checks)
        return self._report

    def _judge(self, facts: DatabaseFacts | str) -> list[Check]:
        """Decide about what the database has said; nothing if it has said nothing."""
        if isinstance(facts, str):
            return []
        program = program_revisions()
        CLOCK_DIFFERENCE_SECONDS.set(abs(facts.clock_difference_s))
        return [
            rules.judge_schema(facts.revision, program.newest, program.known),
            rules.judge_pepper(facts.pepper_mark, self._sources.pepper_mark),
            rules.judge_transaction_ids(facts.ids_used),
            rules.judge_partitions(facts.partition_ends, self._sources.clock.now()),
            rules.judge_clock(self._sources.host, facts),
        ]

    async def _database(self) -> DatabaseFacts | str:
        """Return what the database says about itself, or why it does not."""
        try:
            return await self._sources.probe.ask(self._read_facts)
        except StoreUnavailable as unavailable:
            refusal = unavailable.__cause__
            return f"The database says: {refusal}" if isinstance(refusal, asyncpg.PostgresError) else _SILENT
        except asyncpg.PostgresError as refusal:
            return f"The database says: {refusal}"

    async def _read_facts(self, connection: Connection) -> DatabaseFacts:
        ids_used = await self._sources.ids_used(connection)
        return await read_facts(connection, self._sources.host, self._sources.clock, ids_used)

    async def _redis(self) -> tuple[RedisFacts | None, str | None]:
        """Return what Redis says about itself, or what it said when it refused that."""
        try:
            memory = await read_info(self._sources.redis, "memory")
            replication = await read_info(self._sources.redis, "replication")
        except FAILURES as error:
            return None, words_of(error)
        policies = [found.get("maxmemory_policy") for found in memory]
        # Of a cluster the first one that is not as it should be.
        policy = next((found for found in policies if found != rules.NO_EVICTION), rules.NO_EVICTION)
        return RedisFacts(any(found.get("role") == "slave" for found in replication), policy), None

    def _disk(self) -> DiskFacts | None:
        """Look at the disk. None: nothing was ever stored in the data directory."""
        try:
            free = shutil.disk_usage(self._sources.data_directory).free
        except FileNotFoundError:
            return None
        return DiskFacts(free, self._sources.holds_database)

    def _commits(self) -> CommitFacts:
        outcomes, now = self._sources.outcomes, self._sources.clock.monotonic()
        ago = partial(_ago_s, now)
        return CommitFacts(ago(outcomes.failed_at), ago(outcomes.committed_at), ago(outcomes.refused_at))

    def _tell(self, checks: list[Check]) -> None:
        """Show the checks in the metrics, and log those that have changed."""
        for check in checks:
            CHECK_STATE.labels(check.name).set(_GAUGE[check.state])
            before = self._told.get(check.name, CheckState.OK)
            self._told[check.name] = check.state
            if check.state is before:
                continue
            if check.state is CheckState.OK:
                _LOG.info("check_ok", check=check.name)
            else:
                _LOG.warning("check_not_ok", check=check.name, state=check.state.value, reason=check.reason)


def _ago_s(now: float, at: float | None) -> float | None:
    return None if at is None else now - at
