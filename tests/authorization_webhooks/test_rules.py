"""The rules of webhooks: what is asked, what an answer means, and what holds without one."""

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from app.authorization_webhooks import rules
from app.authorization_webhooks.records import (
    AnswerFault,
    AnswerRefused,
    AskedAbout,
    Decision,
    Fallback,
    TagQuestion,
    WebhookRecord,
)
from app.types import ChargePointId, TenantId

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
JSON = {"content-type": "application/json"}
WEBHOOK = WebhookRecord(1, "https://a", 2000, "local", "always", 60, b"new", None, None, NOW, NOW, 1)
QUESTION = TagQuestion(
    TenantId(1), "demo", ChargePointId(7), "CP1", 2, "B4A63CDF", "b4a63cdf", "StartTransaction", NOW
)


def info(answer: Any, headers: dict[str, str] = JSON) -> Any:
    return rules.info_of(headers, orjson.dumps(answer), NOW)


def test_a_question_names_tag_and_place() -> None:
    assert orjson.loads(rules.question_body(QUESTION)) == {
        "tenant": "demo",
        "charge_point": "CP1",
        "connector_id": 2,
        "id_tag": "B4A63CDF",
        "action": "StartTransaction",
        "time": "2026-03-01T12:00:00.000Z",
        "test": False,
    }


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"status": "Accepted"}, {"status": "Accepted"}),
        ({"status": "Blocked"}, {"status": "Blocked"}),
        ({"status": "Expired"}, {"status": "Expired"}),
        ({"status": "Invalid"}, {"status": "Invalid"}),
        ({"status": "ConcurrentTx"}, {"status": "ConcurrentTx"}),
        ({"status": "Accepted", "expiry_date": None, "parent_id_tag": None}, {"status": "Accepted"}),
        (
            {"status": "Accepted", "expiry_date": "2026-03-01T14:00:00+01:00", "parent_id_tag": "FLEET "},
            {"status": "Accepted", "expiryDate": "2026-03-01T13:00:00.000Z", "parentIdTag": "FLEET"},
        ),
        (
            {"status": "Accepted", "expiry_date": "2026-03-01T12:00:00Z"},
            {"status": "Expired", "expiryDate": "2026-03-01T12:00:00.000Z"},
        ),
        (
            {"status": "Blocked", "expiry_date": "2026-03-01T11:00:00Z"},
            {"status": "Blocked", "expiryDate": "2026-03-01T11:00:00.000Z"},
        ),
    ],
)
def test_an_answer_becomes_an_id_tag_info(answer: Any, expected: dict[str, str]) -> None:
    assert info(answer) == expected


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        "Accepted",
        {},
        {"status": "accepted"},
        {"status": None},
        {"status": ["Accepted"]},
        {"status": {"Accepted": 1}},
        {"status": 1},
        {"Status": "Accepted"},
        {"status": "Accepted", "idTagInfo": {}},
        {"status": "Accepted", "expiryDate": "2027-01-01T00:00:00Z"},
        {"status": "Accepted", "expiry_date": "2027-01-01"},
        {"status": "Accepted", "expiry_date": "2027-01-01T00:00:00"},
        {"status": "Accepted", "expiry_date": "2027-13-01T00:00:00Z"},
        {"status": "Accepted", "expiry_date": 1},
        {"status": "Accepted", "parent_id_tag": ""},
        {"status": "Accepted", "parent_id_tag": "X" * 21},
        {"status": "Accepted", "parent_id_tag": "\u00e4"},
        {"status": "Accepted", "parent_id_tag": "A\x00"},
        {"status": "Accepted", "parent_id_tag": "A\n"},
        {"status": "Accepted", "parent_id_tag": 5},
    ],
)
def test_another_answer_decides_nothing(answer: Any) -> None:
    with pytest.raises(AnswerRefused) as refused:
        info(answer)
    assert refused.value.fault is AnswerFault.INVALID_ANSWER


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"status":NaN}', b'{"status":"Accepted"} x'])
def test_what_is_not_json_decides_nothing(body: bytes) -> None:
    with pytest.raises(AnswerRefused) as refused:
        rules.info_of(JSON, body, NOW)
    assert refused.value.fault is AnswerFault.NOT_JSON


@pytest.mark.parametrize(
    ("kind", "is_json"),
    [
        ("application/json", True),
        ("Application/JSON; charset=utf-8", True),
        ("application/vnd.example+json", True),
        ("text/json", False),
        ("text/html", False),
        ("application/jsonp", False),
        ("", False),
    ],
)
def test_an_answer_says_that_it_is_json(kind: str, is_json: bool) -> None:
    if is_json:
        assert info({"status": "Accepted"}, {"content-type": kind}) == {"status": "Accepted"}
        return
    for headers in ({"content-type": kind}, {}):
        with pytest.raises(AnswerRefused) as refused:
            info({"status": "Accepted"}, headers)
        assert refused.value.fault is AnswerFault.CONTENT_TYPE


@pytest.mark.parametrize(
    ("asked_about", "key", "is_stored", "asked"),
    [
        ("always", "a", False, True),
        ("always", "a", True, True),
        ("always", "", False, False),
        ("unknown_tags", "a", False, True),
        ("unknown_tags", "a", True, False),
        ("unknown_tags", "", False, False),
    ],
)
def test_a_webhook_is_asked_about_its_tags(
    asked_about: AskedAbout, key: str, is_stored: bool, asked: bool
) -> None:
    assert rules.is_asked(asked_about, key, is_stored=is_stored) is asked


@pytest.mark.parametrize(
    ("fallback", "decision"),
    [
        ("local", Decision(None, "local")),
        ("accept", Decision({"status": "Accepted"}, "accept")),
        ("refuse", Decision({"status": "Invalid"}, "refuse")),
    ],
)
def test_a_fallback_decides_without_an_answer(fallback: Fallback, decision: Decision) -> None:
    assert rules.fallback_of(fallback) == decision


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [
        ({"status": "Accepted"}, 60.0),
        ({"status": "Invalid"}, 60.0),
        ({"status": "ConcurrentTx"}, 0.0),
        ({"status": "Accepted", "expiryDate": "2026-03-01T12:00:10.000Z"}, 10.0),
        ({"status": "Accepted", "expiryDate": "2026-03-01T13:00:00.000Z"}, 60.0),
        ({"status": "Expired", "expiryDate": "2026-03-01T11:00:00.000Z"}, 60.0),
    ],
)
def test_an_answer_holds_for_a_while(answer: dict[str, str], seconds: float) -> None:
    assert rules.cached_for_s(WEBHOOK, answer, NOW) == seconds


@pytest.mark.parametrize(("left", "secrets"), [(1, [b"new", b"old"]), (0, [b"new"]), (None, [b"new"])])
def test_the_secret_before_signs_for_a_while(left: int | None, secrets: list[bytes]) -> None:
    until = None if left is None else NOW + timedelta(seconds=left)
    webhook = WebhookRecord(
        **{
            **{name: getattr(WEBHOOK, name) for name in WebhookRecord.__dataclass_fields__},
            "previous_secret": b"old",
            "previous_secret_until": until,
        }
    )
    assert rules.signing_secrets(webhook, NOW) == secrets
