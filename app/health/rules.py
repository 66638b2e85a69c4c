"""Decides what facts mean for a server: all is well, a warning, or not ready."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from app.health.records import (
    Check,
    CheckState,
    CommitFacts,
    DatabaseFacts,
    DiskFacts,
    RedisFacts,
)

CLOCK_WARNING_S: Final = 5.0
CLOCK_FAILING_S: Final = 60.0
"""Commands expire, and credentials and tags are judged, by the clock of a host."""
IDS_WARNING: Final = 0.9
DISK_WARNING_BYTES: Final = 2**30
DISK_FAILING_BYTES: Final = 2**27
"""PostgreSQL needs room for a checkpoint and some segments of its log, of 16 MiB each."""
LATELY_S: Final = 60.0
"""A failed commit counts for so long. Then the next record shows whether commits work again."""
PARTITIONS_AHEAD: Final = timedelta(days=1)
"""There should always be partitions for so long. They are made days before, and tried again each hour."""
NO_EVICTION: Final = "noeviction"


def judge_database(facts: DatabaseFacts | str) -> Check:
    """Decide whether records can be written. facts: or why there are none."""
    if isinstance(facts, str):
        return Check("database", CheckState.FAILING, facts)
    if facts.is_standby:
        return Check("database", CheckState.FAILING, "The database is a standby, which cannot be written.")
    if facts.is_read_only:
        return Check("database", CheckState.FAILING, "The database is read-only.")
    return Check("database")


def judge_schema(revision: str, expected: str, known: frozenset[str]) -> Check:
    """Decide whether this program works with the schema. known: the migrations of this program.

    A newer schema is only a warning: while servers are replaced one by one, the older ones go on.
    """
    if revision == expected:
        return Check("schema")
    if revision in known:
        reason = f"The schema has the migration {revision}, and this program needs {expected}."
        return Check("schema", CheckState.FAILING, reason)
    reason = f"The schema has the migration {revision} of a newer program. This one has {expected}."
    return Check("schema", CheckState.WARNING, reason)


def judge_pepper(found: str | None, expected: str) -> Check:
    """Decide whether the credentials in the database were made with the pepper of this server."""
    if found is None or found == expected:
        return Check("pepper")
    reason = "STATIONMASTER_CREDENTIAL_PEPPER is not the one that other servers use with this database."
    return Check("pepper", CheckState.FAILING, reason)


def judge_ledger(facts: CommitFacts) -> Check:
    """Decide whether records are committed. Without new records an old failure is forgotten."""
    if _is_recent(facts.failed_ago_s) and not _is_later(facts.committed_ago_s, facts.failed_ago_s):
        return Check("ledger", CheckState.FAILING, "The last group commit failed.")
    if _is_recent(facts.refused_ago_s):
        return Check("ledger", CheckState.WARNING, "A record was not committed in time, so it was refused.")
    return Check("ledger")


def judge_transaction_ids(used: float) -> Check:
    """Decide whether transaction ids are left. One tenant without them must not stop the others."""
    if used < IDS_WARNING:
        return Check("transaction_ids")
    reason = f"A tenant has used {used:.1%} of its transaction ids. After the last one no start is stored."
    return Check("transaction_ids", CheckState.WARNING, reason)


def judge_partitions(ends: Mapping[str, datetime], now: datetime) -> Check:
    """Decide whether the next rows have a partition of their own. Without one they are stored all the same.

    ends: when the newest partition of each table ends.
    """
    for table, end in ends.items():
        if end < now + PARTITIONS_AHEAD:
            reason = (
                f"The newest partition of {table} ends at {end.isoformat()}. Later rows wait in {table}_other"
                " for the next one; partitions_not_made in the log says why."
            )
            return Check("partitions", CheckState.WARNING, reason)
    return Check("partitions")


def judge_clock(host: str, facts: DatabaseFacts) -> Check:
    """Compare the clock of this host with the database and with other hosts.

    If two hosts are too far apart, the one that is farther from the database is not ready.
    """
    own = facts.clock_difference_s
    state = _state_of_difference(own)
    reason = f"The clock of {host} differs from that of the database by {own:+.1f} s."
    for name, other in facts.other_differences_s.items():
        apart = _state_of_difference(own - other)
        if apart is CheckState.FAILING and abs(own) < abs(other):
            apart = CheckState.WARNING
        if _SEVERITY[apart] > _SEVERITY[state]:
            state = apart
            reason = f"The clock of {host} differs from that of {name} by {own - other:+.1f} s."
    return Check("clock", state, "" if state is CheckState.OK else reason)


def judge_disk(facts: DiskFacts) -> Check:
    """Decide whether there is room. Without the embedded database only files are lost, so it is a warning."""
    if facts.free_bytes >= DISK_WARNING_BYTES:
        return Check("disk")
    is_failing = facts.holds_database and facts.free_bytes < DISK_FAILING_BYTES
    reason = f"{facts.free_bytes >> 20} MiB are left on the disk of STATIONMASTER_DATA_DIRECTORY."
    return Check("disk", CheckState.FAILING if is_failing else CheckState.WARNING, reason)


def judge_redis(facts: RedisFacts | None, failure: str | None) -> Check:
    """Decide whether the live state can be reached. Charge points and billing go on without it.

    Args:
        facts: None: Redis did not answer in time.
        failure: what it said when it refused the worker's last request; None: it did not refuse.
    """
    if failure is not None:
        return Check("redis", CheckState.WARNING, f"Redis refuses: {failure}")
    if facts is None:
        return Check("redis", CheckState.WARNING, "Redis does not answer.")
    if facts.is_replica:
        return Check("redis", CheckState.WARNING, "Redis is a replica, which cannot be written.")
    return Check("redis")


def judge_eviction(facts: RedisFacts | None) -> Check:
    """Decide whether Redis may delete keys by itself: then presence and commands are lost without a word."""
    if facts is None or facts.eviction_policy == NO_EVICTION:
        return Check("redis_eviction")
    if facts.eviction_policy is None:
        reason = "The eviction policy of Redis cannot be read, so it may not be noeviction."
    else:
        reason = f"The eviction policy of Redis is {facts.eviction_policy}. It must be noeviction."
    return Check("redis_eviction", CheckState.WARNING, reason)


_SEVERITY: Final = {state: severity for severity, state in enumerate(CheckState)}


def _state_of_difference(seconds: float) -> CheckState:
    if abs(seconds) > CLOCK_FAILING_S:
        return CheckState.FAILING
    return CheckState.WARNING if abs(seconds) > CLOCK_WARNING_S else CheckState.OK


def _is_recent(ago_s: float | None) -> bool:
    return ago_s is not None and ago_s < LATELY_S


def _is_later(ago_s: float | None, than_ago_s: float | None) -> bool:
    return ago_s is not None and (than_ago_s is None or ago_s < than_ago_s)
