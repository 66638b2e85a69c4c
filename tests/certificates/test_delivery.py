"""The meaning of outcomes of CertificateSigned, and the time of renewals."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.certificates.records import CertificateFault
from app.certificates.rules.delivery import (
    Delivery,
    chain_limit,
    delivery_of,
    external_answer,
    renewal_time,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("state", "status", "in_doubt", "doubts", "delivery"),
    [
        ("accepted", "Accepted", False, 0, Delivery("accepted", "accepted")),
        ("rejected", "Rejected", False, 0, Delivery("rejected", "rejected", "rejected_by_charge_point")),
        ("offline", None, False, 0, Delivery("signed", None, again=True)),
        ("expired", None, False, 1, Delivery("signed", None, again=True)),
        ("cancelled", None, False, 0, Delivery("failed", None, "cancelled")),
        ("call_error", None, False, 0, Delivery("failed", None, "call_error")),
        ("connection_lost", None, True, 0, Delivery("signed", None, again=True, is_doubt=True)),
        ("connection_lost", None, True, 1, Delivery("failed", None, "no_answer")),
        ("timed_out", None, True, 0, Delivery("signed", None, again=True, is_doubt=True)),
    ],
)
def test_an_outcome_decides_what_becomes_of_a_certificate(
    state: str, status: str | None, in_doubt: bool, doubts: int, delivery: Delivery
) -> None:
    assert delivery_of(state, status, is_in_doubt=in_doubt, doubts=doubts) == delivery


@pytest.mark.parametrize(
    ("configured", "limit"),
    [(None, 10_000), ("5000", 5000), ("20000", 10_000), ("0", 10_000), ("-1", 10_000), ("x", 10_000)],
)
def test_the_charge_point_may_set_a_lower_limit(configured: str | None, limit: int) -> None:
    assert chain_limit(configured, 10_000) == limit


def test_an_external_authority_answers_at_once_or_later() -> None:
    assert external_answer({"chain": "PEM"}) == "PEM"
    assert external_answer({"status": "pending"}) is None


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"status": "refused", "reason": "no"}, "refused_by_authority"),
        ({}, "invalid_answer"),
        ([], "invalid_answer"),
        (None, "invalid_answer"),
        ({"chain": 5}, "invalid_answer"),
        ({"chain": ["PEM"], "status": "pending"}, "invalid_answer"),
    ],
)
def test_other_answers_are_faults(body: Any, code: str) -> None:
    with pytest.raises(CertificateFault) as fault:
        external_answer(body)
    assert fault.value.code == code


def test_a_certificate_is_renewed_before_its_end_but_not_at_once() -> None:
    year, week = NOW + timedelta(days=365), NOW + timedelta(days=6)
    assert renewal_time(NOW, year, 30) == year - timedelta(days=30)
    assert renewal_time(NOW, week, 30) == NOW + timedelta(days=4)
