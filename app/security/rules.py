"""Decides what a security event means: whether it is critical, when it happened, and what is a copy of it."""

import hashlib
from collections.abc import Collection
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from app.clock import PLAUSIBLE_FROM, parse_time
from app.login_attempts.records import RefusalReason
from app.security.records import NewSecurityEvent, OwnEvent, Source
from app.shown_texts import shown_fault_text

TYPE_LIMIT: Final = 255
"""Characters of a type that are kept. The standard allows 50."""
TECH_INFO_LIMIT: Final = 10_000
"""Characters of techInfo that are kept. The standard allows 255, and strict tenants refuse more."""
TIMESTAMP_LIMIT: Final = 64
_AHEAD: Final = timedelta(hours=1)
_BUCKET: Final = timedelta(hours=1)

SUSPICIOUS: Final = frozenset(
    {RefusalReason.CREDENTIAL_WRONG, RefusalReason.USER_NAME, RefusalReason.CERTIFICATE}
)
"""Refused logins that may be an attack: they had a credential, and it was wrong."""

TLS_FAILURES: Final = {
    "client_certificate": "a client certificate that is not trusted",
    "version": "no version of TLS above 1.1",
    "suite": "no common cipher suite",
}
"""The failures of TLS that are security events, by their reason in the metric, and what they are."""


def reported_event(
    tenant_id: int,
    charge_point_id: int,
    identity: str,
    epoch: int,
    event_type: str,
    timestamp: str,
    tech_info: str | None,
    *,
    critical: Collection[str],
    zone: tzinfo = UTC,
    received_at: datetime,
) -> NewSecurityEvent:
    """Return the event of a SecurityEventNotification (security whitepaper A04).

    A time before 2015, one more than an hour ahead of us and one that cannot be read are kept as they are
    written, and the event counts as of its arrival. A charge point without a clock repeats such times, so
    copies of those events are recognized on one connection only. Secrets in techInfo are hidden.
    """
    moment = parse_time(timestamp, zone)
    plausible = moment is not None and PLAUSIBLE_FROM <= moment <= received_at + _AHEAD
    place = "" if plausible else str(epoch)
    return NewSecurityEvent(
        tenant=tenant_id,
        source="charge_point",
        charge_point_id=charge_point_id,
        identity=identity,
        type=event_type[:TYPE_LIMIT],
        critical=event_type in critical,
        reported_timestamp=timestamp[:TIMESTAMP_LIMIT],
        occurred_at=moment if plausible and moment is not None else received_at,
        is_time_plausible=plausible,
        tech_info=None if tech_info is None else shown_fault_text(tech_info)[:TECH_INFO_LIMIT],
        received_at=received_at,
        digest=_digest("charge_point", str(charge_point_id), event_type, timestamp, tech_info, place),
    )


def own_event(
    tenant: int | str, identity: str | None, event_type: OwnEvent, info: str, at: datetime
) -> NewSecurityEvent:
    """Return an event of our own log. Equal ones within an hour are one event with a count of copies."""
    bucket = int(at.timestamp() // _BUCKET.total_seconds())
    named = identity or ""
    return NewSecurityEvent(
        tenant=tenant,
        source="central_system",
        charge_point_id=None,
        identity=named[:48],
        type=event_type.value,
        critical=False,
        reported_timestamp=None,
        occurred_at=at,
        is_time_plausible=True,
        tech_info=info[:255],
        received_at=at,
        digest=_digest("central_system", named, event_type.value, None, info[:255], str(bucket)),
    )


def _digest(source: Source, *parts: str | None) -> bytes:
    """Return 32 bytes that are equal for equal texts. None differs from an empty text."""
    text = hashlib.sha256(source.encode())
    for part in parts:
        encoded = b"" if part is None else part.encode("utf-8", "replace")
        text.update(b"\x00" if part is None else b"\x01" + len(encoded).to_bytes(8) + encoded)
    return text.digest()
