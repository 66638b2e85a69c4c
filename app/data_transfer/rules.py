"""Decides which subscription answers a message, what a webhook is asked, and what is kept of a message."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, get_args

import orjson

from app.clock import utc_text
from app.data_transfer.records import (
    SubscriptionRecord,
    TransferAnswer,
    TransferFault,
    TransferQuestion,
    TransferRefused,
)
from app.ocpp.v16 import DataTransferStatus
from app.shown_texts import shown_text

ANSWER_LIMIT_BYTES: Final = 32_768
"""Bytes of an answer of a webhook."""
QUESTION_LIMIT: Final = 262_144
"""Characters of the data that a webhook is sent. The standard names no limit (OCPP 1.6 4.3)."""
DATA_KEPT: Final = 16_384
"""Characters of the data of a message that the list keeps."""
SUBSCRIPTIONS_OF_TENANT: Final = 200
SECRET_OVERLAP: Final = timedelta(hours=24)
"""How long a secret still signs after another one was made."""
_STATUSES: Final[tuple[DataTransferStatus, ...]] = get_args(DataTransferStatus)
_READ_LIMIT: Final = 262_144
"""Characters of data that are searched for secrets. Of longer data nothing is kept."""
_MEMBERS: Final = frozenset({"status", "data"})


def fold_name(name: str | None) -> str:
    """Return the form in which ids of vendors and messages are compared: both are CiString (6.15)."""
    return "" if name is None else name.strip().lower()


def chosen(subscriptions: Mapping[str, SubscriptionRecord], message_key: str) -> SubscriptionRecord | None:
    """Return the most specific subscription of a vendor. subscriptions: by the folded id of the message.

    The one of the message wins over the one of all messages, whose id is empty.
    """
    return subscriptions.get(message_key) or subscriptions.get("")


def unknown(*, is_vendor_known: bool) -> TransferAnswer:
    """Return the answer to a message that has no subscription (4.3)."""
    return TransferAnswer("UnknownMessageId" if is_vendor_known else "UnknownVendorId")


def stored_answer(subscription: SubscriptionRecord) -> TransferAnswer:
    """Return the answer of a subscription itself."""
    return TransferAnswer(subscription.status, subscription.data, "stored")


def fallback_answer(subscription: SubscriptionRecord, reason: str, detail: str) -> TransferAnswer:
    """Return what holds because a webhook has failed."""
    return TransferAnswer(subscription.status, subscription.data, "fallback", reason, detail or None)


def data_text(data: Any) -> str | None:
    """Return data as text. Some charge points send JSON where the standard has a text."""
    if data is None or isinstance(data, str):
        return data
    return orjson.dumps(data).decode()


def question_of(question: TransferQuestion) -> bytes:
    """Return the body of a question.

    Raises:
        TransferRefused: the data is too long.
    """
    text = data_text(question.data)
    if text is not None and len(text) > QUESTION_LIMIT:
        detail = f"The data has {len(text)} characters; a webhook is sent up to {QUESTION_LIMIT}."
        raise TransferRefused(TransferFault.DATA_TOO_LONG, detail)
    return orjson.dumps(
        {
            "type": "data_transfer",
            "tenant": question.tenant,
            "charge_point": question.charge_point,
            "vendor_id": question.vendor_id,
            "message_id": question.message_id,
            "data": text,
            "time": utc_text(question.at),
        }
    )


def answer_of(body: bytes) -> TransferAnswer:
    """Return what a webhook has answered. Its data may be a text, or JSON that becomes a text.

    Raises:
        TransferRefused: it is not exactly an answer.
    """
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise TransferRefused(TransferFault.NOT_JSON, "The answer is not JSON.") from None
    if not isinstance(answer, dict):
        raise _invalid("The answer is not an object.")
    if more := sorted(answer.keys() - _MEMBERS):
        raise _invalid(f"The answer has the unknown member {more[0][:40]!r}.")
    status = next((one for one in _STATUSES if one == answer.get("status")), None)
    if status is None:
        raise _invalid(f"status is none of {', '.join(_STATUSES)}.")
    return TransferAnswer(status, data_text(answer.get("data")), "webhook")


def kept_data(text: str | None) -> str | None:
    """Return what the list keeps of data: without secrets, and cut. None: nothing is kept of it."""
    if text is None or len(text) > _READ_LIMIT:
        return None
    return shown_text(text)[:DATA_KEPT]


def signing_secrets(subscription: SubscriptionRecord, now: datetime) -> Sequence[bytes]:
    """Return the stored secrets that sign now, the newest first."""
    until = subscription.previous_secret_until
    if subscription.previous_secret is None or until is None or until <= now:
        return [subscription.secret]
    return [subscription.secret, subscription.previous_secret]


def _invalid(detail: str) -> TransferRefused:
    return TransferRefused(TransferFault.INVALID_ANSWER, detail)
