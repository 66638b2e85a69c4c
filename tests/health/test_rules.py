"""Facts make a server ready, or not ready, or a warning."""

from datetime import UTC, datetime, timedelta

import pytest

from app.health.records import (
    Check,
    CheckState,
    CommitFacts,
    DatabaseFacts,
    DiskFacts,
    HealthReport,
    RedisFacts,
)
from app.health.rules import (
    judge_clock,
    judge_database,
    judge_disk,
    judge_eviction,
    judge_ledger,
    judge_partitions,
    judge_pepper,
    judge_redis,
    judge_schema,
    judge_transaction_ids,
)

OK, WARNING, FAILING = CheckState
_MIB = 2**20


def facts_of(
    *, is_standby: bool = False, is_read_only: bool = False, own_s: float = 0.0, **others_s: float
) -> DatabaseFacts:
    return DatabaseFacts(is_standby, is_read_only, "0002", "mark", 0.0, own_s, others_s)


@pytest.mark.parametrize(
    ("facts", "state", "words"),
    [
        (facts_of(), OK, ""),
        (facts_of(is_standby=True, is_read_only=True), FAILING, "standby"),
        (facts_of(is_read_only=True), FAILING, "read-only"),
        ("The database does not answer.", FAILING, "does not answer"),
    ],
)
def test_a_database_that_cannot_be_written_is_not_ready(
    facts: DatabaseFacts | str, state: CheckState, words: str
) -> None:
    found = judge_database(facts)
    assert (found.name, found.state) == ("database", state)
    assert words in found.reason


@pytest.mark.parametrize(
    ("revision", "state"),
    [("0002", OK), ("0001", FAILING), ("0003", WARNING)],
    ids=["same", "older", "of a newer program"],
)
def test_an_older_schema_is_not_ready_and_a_newer_one_is_told(revision: str, state: CheckState) -> None:
    assert judge_schema(revision, "0002", frozenset({"0001", "0002"})).state is state


@pytest.mark.parametrize(("mark", "state"), [("mark", OK), (None, OK), ("other", FAILING)])
def test_another_pepper_is_not_ready(mark: str | None, state: CheckState) -> None:
    assert judge_pepper(mark, "mark").state is state


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        (CommitFacts(), OK),
        (CommitFacts(failed_ago_s=5.0), FAILING),
        (CommitFacts(failed_ago_s=5.0, committed_ago_s=6.0), FAILING),
        (CommitFacts(failed_ago_s=5.0, committed_ago_s=4.0), OK),
        (CommitFacts(failed_ago_s=61.0), OK),
        (CommitFacts(failed_ago_s=5.0, committed_ago_s=4.0, refused_ago_s=5.0), WARNING),
        (CommitFacts(committed_ago_s=4.0, refused_ago_s=61.0), OK),
    ],
)
def test_the_last_commit_decides_about_the_ledger(facts: CommitFacts, state: CheckState) -> None:
    assert judge_ledger(facts).state is state


@pytest.mark.parametrize(("used", "state"), [(0.0, OK), (0.89, OK), (0.9, WARNING), (1.0, WARNING)])
def test_a_tenant_that_runs_out_of_transaction_ids_is_told(used: float, state: CheckState) -> None:
    assert judge_transaction_ids(used).state is state


@pytest.mark.parametrize(
    ("facts", "state", "words"),
    [
        (facts_of(), OK, ""),
        (facts_of(own_s=5.0, b=2.0), OK, ""),
        (facts_of(own_s=-5.1), WARNING, "differs from that of the database by -5.1 s"),
        (facts_of(own_s=60.0), WARNING, "database"),
        (facts_of(own_s=60.1), FAILING, "database by +60.1 s"),
        (facts_of(own_s=3.0, b=-3.0), WARNING, "that of b by +6.0 s"),
        (facts_of(own_s=1.0, b=70.0), WARNING, "that of b by -69.0 s"),
        (facts_of(own_s=-35.0, b=34.0), FAILING, "that of b by -69.0 s"),
        (facts_of(own_s=-34.0, b=35.0), WARNING, "that of the database"),
    ],
)
def test_the_clock_that_is_farther_from_the_database_is_not_ready(
    facts: DatabaseFacts, state: CheckState, words: str
) -> None:
    found = judge_clock("a", facts)
    assert found.state is state
    assert words in found.reason


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        (DiskFacts(2048 * _MIB, holds_database=True), OK),
        (DiskFacts(1023 * _MIB, holds_database=True), WARNING),
        (DiskFacts(127 * _MIB, holds_database=True), FAILING),
        (DiskFacts(0, holds_database=False), WARNING),
    ],
)
def test_a_full_disk_is_not_ready_if_the_database_is_on_it(facts: DiskFacts, state: CheckState) -> None:
    assert judge_disk(facts).state is state


@pytest.mark.parametrize(
    ("facts", "failure", "state", "words"),
    [
        (RedisFacts(False, "noeviction"), None, OK, ""),
        (RedisFacts(True, "noeviction"), None, WARNING, "replica"),
        (RedisFacts(False, "noeviction"), "OOM command not allowed", WARNING, "OOM command not allowed"),
        (None, None, WARNING, "does not answer"),
    ],
)
def test_a_server_without_redis_is_ready_and_tells_it(
    facts: RedisFacts | None, failure: str | None, state: CheckState, words: str
) -> None:
    found = judge_redis(facts, failure)
    assert found.state is state
    assert words in found.reason


@pytest.mark.parametrize(("policy", "state"), [("noeviction", OK), ("allkeys-lru", WARNING), (None, WARNING)])
def test_a_redis_that_evicts_keys_is_told(policy: str | None, state: CheckState) -> None:
    assert judge_eviction(RedisFacts(False, policy)).state is state


def test_a_warning_leaves_a_server_ready() -> None:
    assert HealthReport((Check("database"), Check("clock", WARNING, "5 s"))).is_ready
    assert not HealthReport((Check("database", FAILING, "standby"), Check("clock"))).is_ready


@pytest.mark.parametrize(
    ("ahead", "state", "words"),
    [
        (timedelta(days=1), OK, ""),
        (timedelta(hours=23), WARNING, "frame_runs ends at 2026-12-31T23:00:00+00:00"),
        (timedelta(days=-3), WARNING, "wait in frame_runs_other"),
    ],
)
def test_a_table_without_a_partition_for_its_next_rows_is_told(
    ahead: timedelta, state: CheckState, words: str
) -> None:
    now = datetime(2026, 12, 31, tzinfo=UTC)
    found = judge_partitions({"events": now + timedelta(days=3), "frame_runs": now + ahead}, now)
    assert (found.name, found.state) == ("partitions", state)
    assert words in found.reason
