"""The security log of this server: bounded, in the background, without doubles."""

from datetime import UTC, datetime
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from app.database.prepared import Prepared
from app.errors import StoreUnavailable
from app.login_attempts.records import RefusalReason, RefusedLogin
from app.metrics import LIMITS_HIT
from app.security.log import SecurityLog
from app.security.records import NewSecurityEvent, OwnEvent
from tests.support.session_harness import ManualClock

AT = datetime(2026, 1, 1, tzinfo=UTC)


class Steps:
    """Lists what is written, or is away."""

    def __init__(self) -> None:
        self.written: list[dict[str, list[Any]]] = []
        self.away = False

    async def rows(self, statement: object, values: dict[str, list[Any]]) -> list[Any]:
        if self.away:
            raise StoreUnavailable
        self.written.append(values)
        return []


@pytest.fixture
def steps() -> Steps:
    return Steps()


@pytest.fixture
def log(steps: Steps) -> SecurityLog:
    return SecurityLog(cast(Prepared, steps), ManualClock())


def shed() -> float:
    return float(LIMITS_HIT.labels("security_log")._value.get())


def refused(reason: RefusalReason, detail: str | None = None) -> RefusedLogin:
    return RefusedLogin(AT, reason, "192.0.2.1", "demo", "CP1", detail)


async def test_equal_events_are_one_row_with_a_count(log: SecurityLog, steps: Steps) -> None:
    for _ in range(1000):
        log.record("demo", "CP1", OwnEvent.TLS_FAILURE, "no shared cipher")
    await log.flush()
    (values,) = steps.written
    assert (values["copies"], values["slugs"], values["identity"]) == ([1000], ["demo"], ["CP1"])
    await log.flush()
    assert len(steps.written) == 1


async def test_a_flood_at_one_tenant_leaves_room_for_the_others(log: SecurityLog, steps: Steps) -> None:
    before = shed()
    for number in range(1000):
        log.record("flooded", f"CP{number}", OwnEvent.FAILED_LOGIN, "reason=credential_wrong")
    log.record("other", "CP1", OwnEvent.FAILED_LOGIN, "reason=credential_wrong")
    assert shed() - before == 900
    await log.flush()
    assert len(steps.written[0]["slugs"]) == 101
    assert "other" in steps.written[0]["slugs"]


async def test_all_tenants_together_are_bounded(log: SecurityLog, steps: Steps) -> None:
    for number in range(2000):
        log.record(f"tenant-{number}", None, OwnEvent.TLS_FAILURE, "x")
    await log.flush()
    assert len(steps.written[0]["slugs"]) == 500


async def test_an_event_of_an_unknown_tenant_is_in_the_servers_log_only(
    log: SecurityLog, steps: Steps
) -> None:
    log.record(None, None, OwnEvent.TLS_FAILURE, "no shared cipher")
    await log.flush()
    assert steps.written == []


async def test_a_flood_of_failures_of_tls_does_not_flood_the_log(log: SecurityLog, steps: Steps) -> None:
    lines = LIMITS_HIT.labels("security_log_lines")._value
    before = lines.get()
    with capture_logs() as logs:
        for number in range(500):
            log.tls_failed("suite", f"192.0.2.{number}")
        log.tls_failed("ended", "192.0.2.1")
    assert len(logs) == 60
    assert (logs[0]["info"], logs[0]["tenant"]) == ("no common cipher suite; address=192.0.2.0", None)
    assert lines.get() - before == 440
    await log.flush()
    assert steps.written == []


async def test_a_database_that_is_away_costs_the_events_and_nothing_else(
    log: SecurityLog, steps: Steps
) -> None:
    before, steps.away = shed(), True
    log.record("demo", "CP1", OwnEvent.TLS_FAILURE, "x")
    await log.flush()
    assert shed() - before == 1
    steps.away = False
    log.record("demo", "CP1", OwnEvent.TLS_FAILURE, "x")
    await log.flush()
    assert steps.written[0]["copies"] == [1]


@pytest.mark.parametrize(
    ("reason", "event_type"),
    [
        (RefusalReason.CREDENTIAL_WRONG, OwnEvent.FAILED_LOGIN),
        (RefusalReason.USER_NAME, OwnEvent.FAILED_LOGIN),
        (RefusalReason.CERTIFICATE, OwnEvent.TLS_FAILURE),
        (RefusalReason.SECURITY_PROFILE, OwnEvent.LOWER_SECURITY_PROFILE),
        (RefusalReason.CREDENTIAL_ABSENT, None),
        (RefusalReason.UNKNOWN_IDENTITY, None),
        (RefusalReason.STORE_UNAVAILABLE, None),
    ],
)
async def test_a_refused_login_is_an_event_if_it_may_be_an_attack(
    log: SecurityLog, steps: Steps, reason: RefusalReason, event_type: OwnEvent | None
) -> None:
    log.refused(refused(reason))
    await log.flush()
    assert [values["type"] for values in steps.written] == ([] if event_type is None else [[event_type]])


async def test_an_event_of_a_refused_login_points_to_the_list(log: SecurityLog, steps: Steps) -> None:
    log.refused(refused(RefusalReason.CREDENTIAL_WRONG))
    await log.flush()
    assert steps.written[0]["tech_info"] == ["reason=credential_wrong; see /v1/login-attempts"]


def test_an_event_has_no_place_for_an_address() -> None:
    # Refused logins have it. Here it would make each address a row.
    assert "remote" not in NewSecurityEvent.__slots__
