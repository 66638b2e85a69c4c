"""Decisions about DataTransfer, without a database."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from app.data_transfer.records import SubscriptionRecord, TransferQuestion, TransferRefused
from app.data_transfer.rules import (
    DATA_KEPT,
    answer_of,
    chosen,
    fold_name,
    kept_data,
    question_of,
    signing_secrets,
)

NOW = datetime(2026, 5, 4, tzinfo=UTC)
RECORD = SubscriptionRecord(
    tenant_id=1,
    id=UUID(int=1),
    vendor_id="V",
    vendor_key="v",
    message_id=None,
    message_key="",
    status="Accepted",
    data=None,
    url=None,
    deadline_ms=5000,
    secret=b"new",
    previous_secret=b"old",
    previous_secret_until=NOW,
    created_at=NOW,
    updated_at=NOW,
)


@pytest.mark.parametrize(
    ("name", "folded"), [("COM.Acme", "com.acme"), (" com.acme ", "com.acme"), (None, ""), ("", "")]
)
def test_ids_are_compared_without_case_and_blanks_around_them(name: str | None, folded: str) -> None:
    assert fold_name(name) == folded


def test_the_subscription_of_the_message_wins() -> None:
    exact = replace(RECORD, message_key="m")
    both = {"": RECORD, "m": exact}
    assert chosen(both, "m") is exact
    assert chosen(both, "other") is RECORD
    assert chosen({"m": exact}, "other") is None
    assert chosen({"m": exact}, "") is None


@pytest.mark.parametrize(
    ("body", "data"),
    [
        ({"status": "Accepted"}, None),
        ({"status": "Accepted", "data": None}, None),
        ({"status": "Accepted", "data": "x"}, "x"),
        ({"status": "Accepted", "data": {"a": [1]}}, '{"a":[1]}'),
        ({"status": "Accepted", "data": 5}, "5"),
        ({"status": "Accepted", "data": ""}, ""),
    ],
)
def test_data_of_an_answer_becomes_text(body: Any, data: str | None) -> None:
    assert answer_of(json.dumps(body).encode()).data == data


@pytest.mark.parametrize(
    "body", [b"", b"[", b"[]", b"{}", b'{"status": "accepted"}', b'{"status": null}', b"\xff"]
)
def test_anything_else_is_no_answer(body: bytes) -> None:
    with pytest.raises(TransferRefused):
        answer_of(body)


def test_a_question_has_a_text_or_no_data() -> None:
    question = TransferQuestion("t", "CP", "V", None, {"a": 1}, NOW)
    assert json.loads(question_of(question))["data"] == '{"a":1}'
    assert json.loads(question_of(replace(question, data=None)))["data"] is None
    with pytest.raises(TransferRefused):
        question_of(replace(question, data="x" * 262_145))


def test_kept_data_has_no_secrets_and_is_cut() -> None:
    assert kept_data(None) is None
    assert kept_data('{"rpm": 1}') == '{"rpm": 1}'
    assert "hunter2" not in str(kept_data('{"a": {"password": "hunter2"}}'))
    assert len(kept_data("x" * 100_000) or "") == DATA_KEPT
    assert kept_data("x" * 262_145) is None
    assert kept_data("\ud800") == "\ud800"
    secret_at_the_end = json.dumps({"a": "x" * DATA_KEPT, "password": "hunter2"})
    assert "hunter" not in str(kept_data(secret_at_the_end))


def test_two_secrets_sign_until_the_end_of_the_overlap() -> None:
    assert signing_secrets(RECORD, NOW - timedelta(seconds=1)) == [b"new", b"old"]
    assert signing_secrets(RECORD, NOW) == [b"new"]
    assert signing_secrets(replace(RECORD, previous_secret=None), NOW) == [b"new"]
