"""Decides what the outcome of a CertificateSigned means for the request and the certificate."""

from datetime import datetime, timedelta
from typing import Final, NamedTuple

from app.certificates.records import CertificateFault, CertificateState, RequestState
from app.outgoing.records import OutgoingFailure

SEND_LATER: Final = timedelta(minutes=5)
"""The pause until a charge point that is not connected is looked for again. Its login ends it earlier."""
DELIVERY_LIFE: Final = timedelta(days=30)
"""A certificate that could not be sent for so long is given up."""
FORWARD_PAUSES: Final = (timedelta(minutes=1), timedelta(minutes=10), timedelta(hours=1))
"""The pauses after failed requests to an external authority. After the last one the request has failed."""
RENEWAL_PAUSE: Final = timedelta(days=1)
RENEWAL_ATTEMPTS: Final = 5
"""How often a charge point is asked for a request before its certificate ends, with a day in between."""
RENEWAL_LATER: Final = timedelta(hours=1)
"""The pause until a charge point that is not connected is asked."""
_REASON_SHOWN: Final = 500
_NOT_SENT: Final = frozenset({"offline", "expired"})
_NOT_ASKED: Final = frozenset({OutgoingFailure.BUSY, OutgoingFailure.CIRCUIT_OPEN, OutgoingFailure.STOPPING})
_NOT_ASKED_FOR: Final = timedelta(days=1)
"""So long, requests that were not sent to an authority count as no attempt."""


class Delivery(NamedTuple):
    """The states after an outcome. again: send it at the next login; is_doubt: it may have arrived."""

    request: RequestState
    certificate: CertificateState | None
    reason: str | None = None
    again: bool = False
    is_doubt: bool = False


def delivery_of(state: str, status: str | None, *, is_in_doubt: bool, doubts: int) -> Delivery:
    """Return what an outcome of CertificateSigned means.

    Args:
        state: of the command.
        status: of the answer, None: there is none.
        is_in_doubt: whether the charge point may have got the certificate.
        doubts: how often that has happened before. The second time the request has failed: charge points
            must not be sent certificates without end.
    """
    if status == "Accepted":
        return Delivery("accepted", "accepted")
    if status == "Rejected":
        return Delivery("rejected", "rejected", "rejected_by_charge_point")
    if state in _NOT_SENT:
        return Delivery("signed", None, again=True)
    if is_in_doubt and doubts == 0:
        return Delivery("signed", None, again=True, is_doubt=True)
    return Delivery("failed", None, "no_answer" if is_in_doubt else state)


class NextAttempt(NamedTuple):
    """The pause until an external authority is asked again, and how many attempts count by then."""

    pause: timedelta
    attempts: int


def next_attempt(reason: OutgoingFailure, attempts: int, age: timedelta) -> NextAttempt | None:
    """Return when an external authority is asked again after a failure. None: the request has failed.

    Args:
        reason: of the failure.
        attempts: how many counted before.
        age: time since the request was received.
    """
    counts = reason not in _NOT_ASKED or age > _NOT_ASKED_FOR
    if counts and attempts >= len(FORWARD_PAUSES):
        return None
    return NextAttempt(FORWARD_PAUSES[attempts if counts else 0], attempts + counts)


def chain_limit(configured: str | None, limit: int) -> int:
    """Return the longest chain of a charge point. configured: its CertificateSignedMaxChainSize."""
    if configured is None or not configured.isdecimal() or len(configured) > 9:
        return limit
    return min(int(configured), limit) or limit


def external_answer(body: object) -> str | None:
    """Return the chain in the answer of an external authority, None: it comes later.

    Raises:
        CertificateFault: refused_by_authority; or invalid_answer: it is neither a chain nor pending.
    """
    if isinstance(body, dict):
        chain, status = body.get("chain"), body.get("status")
        if isinstance(chain, str):
            return chain
        if chain is None and status == "pending":
            return None
        if chain is None and status == "refused":
            raise CertificateFault("refused_by_authority", str(body.get("reason", ""))[:_REASON_SHOWN])
    raise CertificateFault("invalid_answer", "The answer has neither `chain` nor the status `pending`.")


def renewal_time(not_before: datetime, not_after: datetime, days: int) -> datetime:
    """Return when a charge point is asked for a new certificate: so many days before the end of its own.

    A certificate with a short life is used for two thirds of it first.
    """
    return max(not_after - timedelta(days=days), not_before + (not_after - not_before) * 2 / 3)
