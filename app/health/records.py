"""Values of the health checks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal

CheckName = Literal[
    "database",
    "schema",
    "pepper",
    "ledger",
    "transaction_ids",
    "partitions",
    "clock",
    "disk",
    "redis",
    "redis_eviction",
]
"""The checks, in the order in which they are shown."""


class CheckState(StrEnum):
    """How one check ended. Only `FAILING` makes a server not ready."""

    OK = "ok"
    WARNING = "warning"
    FAILING = "failing"


@dataclass(frozen=True, slots=True)
class Check:
    """One check. reason: a sentence for the log of the operator, empty if all is well."""

    name: CheckName
    state: CheckState = CheckState.OK
    reason: str = ""


@dataclass(frozen=True, slots=True)
class DatabaseFacts:
    """The answer of the database about itself.

    Attributes:
        is_standby: It replays the log of another server.
        is_read_only: Transactions cannot write, whatever the reason.
        revision: The newest migration that it has.
        pepper_mark: Of the pepper that its credentials were made with; None: no server has left one.
        ids_used: The largest share of its transaction ids that a tenant has used, 0 to 1.
        clock_difference_s: The clock of this host minus that of the database.
        other_differences_s: The same of the other hosts that were seen lately, by their names.
        partition_ends: When the newest partition of each table ends, by the names of the tables.
    """

    is_standby: bool
    is_read_only: bool
    revision: str
    pepper_mark: str | None
    ids_used: float
    clock_difference_s: float
    other_differences_s: Mapping[str, float] = field(default_factory=dict)
    partition_ends: Mapping[str, datetime] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RedisFacts:
    """The answer of Redis about itself. eviction_policy: None: it may not be read."""

    is_replica: bool
    eviction_policy: str | None


@dataclass(frozen=True, slots=True)
class DiskFacts:
    """The disk of the data directory. holds_database: the embedded PostgreSQL is there."""

    free_bytes: int
    holds_database: bool


@dataclass(frozen=True, slots=True)
class CommitFacts:
    """The group commits of this worker: seconds since they happened, None: not since the start.

    Attributes:
        failed_ago_s: The database was away, or refused the commit.
        committed_ago_s: A commit succeeded.
        refused_ago_s: A record was given up, because it was not committed in time.
    """

    failed_ago_s: float | None = None
    committed_ago_s: float | None = None
    refused_ago_s: float | None = None


@dataclass(frozen=True, slots=True)
class HealthReport:
    """All checks of one moment."""

    checks: tuple[Check, ...]

    @property
    def is_ready(self) -> bool:
        """Whether a balancer should send requests here."""
        return all(check.state is not CheckState.FAILING for check in self.checks)
