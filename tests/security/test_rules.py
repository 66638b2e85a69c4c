"""Decisions about security events, without a database."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.login_attempts.records import RefusalReason
from app.ocpp import critical_security_events
from app.security.event_batcher import merge_copies
from app.security.records import NewSecurityEvent, OwnEvent
from app.security.rules import SUSPICIOUS, own_event, reported_event
from tests.support.protocol import OCPP16

NOW = datetime(2026, 5, 4, 8, 0, tzinfo=UTC)
CRITICAL = critical_security_events(OCPP16)


def reported(**changes: Any) -> NewSecurityEvent:
    facts: dict[str, Any] = {
        "event_type": "TamperDetectionActivated",
        "timestamp": "2026-05-04T07:59:00Z",
        "tech_info": "cover",
        "epoch": 1,
        "received_at": NOW,
        **changes,
    }
    return reported_event(1, 7, "CP1", critical=CRITICAL, **facts)


def test_the_whitepaper_says_what_is_critical() -> None:
    assert reported().critical
    assert not reported(event_type="InvalidMessages").critical
    assert not reported(event_type="tamperdetectionactivated").critical
    assert not reported(event_type="com.vendor.DoorOpen").critical


@pytest.mark.parametrize(
    ("timestamp", "plausible"),
    [
        ("2026-05-04T07:59:00Z", True),
        ("2026-05-04T08:59:59Z", True),
        ("2026-05-04T09:00:01Z", False),
        ("2014-12-31T23:59:59Z", False),
        ("1970-01-01T00:00:00Z", False),
        ("0001-01-01T00:00:00Z", False),
        ("9999-12-31T23:59:59Z", False),
        ("yesterday", False),
    ],
)
def test_a_senseless_time_is_kept_as_it_is_and_flagged(timestamp: str, plausible: bool) -> None:
    event = reported(timestamp=timestamp)
    assert event.is_time_plausible is plausible
    assert event.reported_timestamp == timestamp
    assert (event.occurred_at == NOW) is not plausible


def test_a_copy_has_the_same_digest_whatever_its_connection() -> None:
    assert reported().digest == reported(epoch=2, received_at=NOW + timedelta(hours=5)).digest
    others: list[dict[str, Any]] = [
        {"event_type": "X"},
        {"timestamp": "2026-05-04T07:59:01Z"},
        {"tech_info": None},
    ]
    others += [{"tech_info": ""}, {}]
    digests = [reported(**change).digest for change in others]
    assert len(set(digests)) == len(others)


def test_boots_of_a_charge_point_without_a_clock_are_not_copies() -> None:
    unset = "1970-01-01T00:00:00Z"
    assert reported(timestamp=unset).digest == reported(timestamp=unset).digest
    assert reported(timestamp=unset).digest != reported(timestamp=unset, epoch=2).digest


def test_texts_are_bounded() -> None:
    event = reported(event_type="T" * 9000, tech_info="i" * 90_000)
    assert (len(event.type), len(event.tech_info or "")) == (255, 10_000)
    assert len(reported(tech_info="i" * 300).tech_info or "") == 300


@pytest.mark.parametrize(
    "told",
    ["cannot reach ftp://u:hunter2@h/log", "login with password hunter2", '{"WifiKey": "hunter2"}'],
)
def test_a_secret_in_tech_info_is_hidden(told: str) -> None:
    event = reported(tech_info=told)
    assert "hunter2" not in str(event.tech_info)
    assert event.digest != reported(tech_info=event.tech_info).digest, "copies are told by what was written"


def test_tech_info_about_a_fault_stays() -> None:
    for told in ("PIN short circuit E23", "rpc bearer LTE-B20/B3 lost"):
        assert reported(tech_info=told).tech_info == told


def test_equal_events_of_ours_are_one_within_an_hour() -> None:
    def digest(minutes: int, info: str = "reason=credential_wrong") -> bytes:
        return own_event("demo", "CP1", OwnEvent.FAILED_LOGIN, info, NOW + timedelta(minutes=minutes)).digest

    assert digest(0) == digest(59)
    assert digest(0) != digest(60)
    assert digest(0) != digest(0, "reason=user_name")


def test_only_a_wrong_credential_is_suspicious() -> None:
    reasons = {RefusalReason.CREDENTIAL_WRONG, RefusalReason.USER_NAME, RefusalReason.CERTIFICATE}
    assert reasons == SUSPICIOUS


def test_copies_of_one_batch_are_one_row() -> None:
    merged = merge_copies([reported(), reported(), reported(event_type="X")])
    assert [event.copies for event in merged.values()] == [2, 1]
