"""Decisions about charge points, as pure functions."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from app.charge_points.records import ChargePointFilter, ChargePointRecord
from app.errors import FieldViolation, InvalidInput
from app.ocpp.v16 import RegistrationStatus

LABELS_LIMIT: Final = 64
"""The most labels of one charge point."""
STRONG_KEY_BYTES: Final = 16
"""The fewest bytes of a key that is imported without a word of the operator."""


def merged_labels(known: Mapping[str, str], changes: Mapping[str, str | None]) -> dict[str, str]:
    """Return labels after a merge patch: null removes one.

    Raises:
        InvalidInput: there would be too many; the pointer is `/labels`.
    """
    together: dict[str, str | None] = {**known, **changes}
    labels = {key: value for key, value in together.items() if value is not None}
    if len(labels) > LABELS_LIMIT:
        detail = f"the charge point would have more than {LABELS_LIMIT} labels"
        raise InvalidInput([FieldViolation("/labels", "too_many_labels", detail)])
    return labels


def require_room(known: int, limit: int) -> None:
    """Refuse a new charge point if the tenant has as many as it may have.

    Args:
        known: How many it has.
        limit: How many it may have.

    Raises:
        InvalidInput: it has no room; the pointer is `/identity`.
    """
    if known >= limit:
        detail = f"the tenant has {known} charge points, as many as it may have"
        raise InvalidInput([FieldViolation("/identity", "quota_exceeded", detail)])


class RowPlan(NamedTuple):
    """A charge point after a row. columns: all that an operator sets; changes: names that differ."""

    columns: dict[str, Any]
    changes: frozenset[str]


def planned_row(
    identity: str,
    given: Mapping[str, Any],
    known: ChargePointRecord | None,
    default_registration: RegistrationStatus,
) -> RowPlan:
    """Return the columns of a charge point after a row: the given fields, else the known ones, else defaults.

    Labels are merged; a registration status of null stays as it is. known: None if it is new.

    Raises:
        InvalidInput: there would be too many labels.
    """
    base: dict[str, Any] = {
        "name": None,
        "registration_status": default_registration,
        "heartbeat_interval_s": None,
        "no_credential": False,
        "allow_weak_credential": False,
    }
    if known is not None:
        base = {name: getattr(known, name) for name in base}
    columns = {name: given.get(name, value) for name, value in base.items()}
    columns["registration_status"] = columns["registration_status"] or base["registration_status"]
    labels = {} if known is None else dict(known.labels)
    merged = merged_labels(labels, given.get("labels") or {})
    changes = {name for name in base if columns[name] != base[name]}
    if merged != labels:
        changes.add("labels")
    return RowPlan({"identity": identity, **columns, "labels": merged}, frozenset(changes))


def needs_login(known: ChargePointRecord | None, no_credential: object) -> bool:
    """Tell whether a change ends sessions: they may have begun without the credential that is needed now."""
    return known is not None and known.no_credential and not no_credential


def require_strong(key: bytes, *, is_weak_allowed: bool) -> None:
    """Refuse a key that can be guessed.

    Raises:
        InvalidInput: it has less than 16 bytes, and the operator has not allowed that for its charge point.
    """
    if len(key) >= STRONG_KEY_BYTES or is_weak_allowed:
        return
    detail = f"has {len(key)} bytes, fewer than {STRONG_KEY_BYTES}: set allow_weak_credential to accept that"
    raise InvalidInput([FieldViolation("/authorization_key", "weak_credential", detail)])


def fits(filters: ChargePointFilter, charge_point: ChargePointRecord) -> bool:
    """Tell whether a filter selects a charge point. Its connection is not looked at."""
    prefix, search = filters.identity_prefix, filters.search
    wanted = (
        (filters.registration_status, charge_point.registration_status),
        (filters.vendor, charge_point.vendor),
        (filters.model, charge_point.model),
        (filters.firmware_version, charge_point.firmware_version),
    )
    begins = (charge_point.identity.lower(), (charge_point.name or "").lower())
    return (
        all(value is None or value == found for value, found in wanted)
        and all(
            term.key in charge_point.labels and term.value in (None, charge_point.labels[term.key])
            for term in filters.labels
        )
        and (filters.identities is None or charge_point.identity in filters.identities)
        and (prefix is None or charge_point.identity.startswith(prefix))
        and (search is None or any(text.startswith(search.lower()) for text in begins))
    )
