"""Decides what is asked, what an answer means, and what holds without one."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import orjson

from app.authorization_webhooks.records import (
    AnswerFault,
    AnswerRefused,
    AskedAbout,
    Decision,
    Fallback,
    TagQuestion,
    WebhookRecord,
)
from app.clock import parse_time, utc_text
from app.types import Json
from app.web.wording import PARENT_ID_TAG_PATTERN

ANSWER_LIMIT_BYTES: Final = 4096
SECRET_OVERLAP: Final = timedelta(hours=24)
"""How long a secret still signs after another one was made."""
STATUSES: Final = ("Accepted", "Blocked", "Expired", "Invalid", "ConcurrentTx")

_MEMBERS: Final = frozenset({"status", "expiry_date", "parent_id_tag"})
_JSON_TYPE: Final = re.compile(r"application/(?:[a-z0-9.+-]+\+)?json\s*(?:;.*)?", re.IGNORECASE)
_TIME: Final = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})", re.ASCII)
_PARENT: Final = re.compile(PARENT_ID_TAG_PATTERN)


def is_asked(asked_about: AskedAbout, id_tag_key: str, *, is_stored: bool) -> bool:
    """Tell whether a webhook is asked about a tag. An empty tag is nothing to ask about."""
    return id_tag_key != "" and (asked_about == "always" or not is_stored)


def question_body(question: TagQuestion) -> bytes:
    """Return the body of a question."""
    return orjson.dumps(
        {
            "tenant": question.tenant,
            "charge_point": question.charge_point,
            "connector_id": question.connector_id,
            "id_tag": question.id_tag,
            "action": question.action,
            "time": utc_text(question.at),
            "test": question.is_test,
        }
    )


def info_of(headers: Mapping[str, str], body: bytes, now: datetime) -> Json:
    """Return the `idTagInfo` of an answer. An answer that accepts a tag until a past time means Expired.

    Raises:
        AnswerRefused: it is not exactly an answer.
    """
    if not _JSON_TYPE.fullmatch(headers.get("content-type", "")):
        raise AnswerRefused(
            AnswerFault.CONTENT_TYPE, "The Content-Type of the answer is not application/json."
        )
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise AnswerRefused(AnswerFault.NOT_JSON, "The answer is not JSON.") from None
    if not isinstance(answer, dict):
        raise _invalid("The answer is not an object.")
    if unknown := sorted(answer.keys() - _MEMBERS):
        raise _invalid(f"The answer has the unknown member {unknown[0][:40]!r}.")
    if answer.get("status") not in STATUSES:
        raise _invalid(f"status is none of {', '.join(STATUSES)}.")
    info: Json = {"status": answer["status"]}
    if (expiry := answer.get("expiry_date")) is not None:
        expires_at = _time_of(expiry)
        info["expiryDate"] = utc_text(expires_at)
        if info["status"] == "Accepted" and expires_at <= now:
            info["status"] = "Expired"
    if (parent := answer.get("parent_id_tag")) is not None:
        info["parentIdTag"] = _parent_of(parent)
    return info


def fallback_of(fallback: Fallback) -> Decision:
    """Return what holds without a valid answer."""
    match fallback:
        case "local":
            return Decision(None, "local")
        case "accept":
            return Decision({"status": "Accepted"}, "accept")
        case "refuse":
            return Decision({"status": "Invalid"}, "refuse")


def cached_for_s(webhook: WebhookRecord, info: Json, now: datetime) -> float:
    """Return for how many seconds an answer holds, 0: for this question only.

    ConcurrentTx is over when another transaction ends, so it never holds longer.
    """
    if info["status"] == "ConcurrentTx":
        return 0.0
    expires_at = parse_time(info["expiryDate"]) if "expiryDate" in info else None
    if info["status"] == "Accepted" and expires_at is not None:
        return min(float(webhook.cache_s), (expires_at - now).total_seconds())
    return float(webhook.cache_s)


def signing_secrets(webhook: WebhookRecord, now: datetime) -> list[bytes]:
    """Return the stored secrets that sign now, the newest first."""
    until = webhook.previous_secret_until
    if webhook.previous_secret is None or until is None or until <= now:
        return [webhook.secret]
    return [webhook.secret, webhook.previous_secret]


def _time_of(value: Any) -> datetime:
    moment = parse_time(value) if isinstance(value, str) and _TIME.fullmatch(value) else None
    if moment is None:
        raise _invalid("expiry_date is not an RFC 3339 date-time with a zone.")
    return moment


def _parent_of(value: Any) -> str:
    if not isinstance(value, str) or not _PARENT.fullmatch(value):
        raise _invalid("parent_id_tag is not a text of 1 to 20 printable ASCII characters without '/'.")
    return value.rstrip()


def _invalid(detail: str) -> AnswerRefused:
    return AnswerRefused(AnswerFault.INVALID_ANSWER, detail)
