"""Decides what to send so that a stored profile is on a charge point, and when to check that again.

What is known to fail is refused before anything is sent, with the name of the rule and a pointer into the
OCPP request that would break it.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

import orjson

from app.errors import FieldViolation, InvalidInput
from app.ocpp import Protocol
from app.smart_charging.calendar import says_the_same
from app.smart_charging.profile_ledger import (
    Installed,
    LedgerView,
    PossibleState,
    ProfileEvent,
    ProfileLedger,
    apply_event,
)
from app.smart_charging.records import ChargingProfileRecord, InstallationRecord
from app.smart_charging.rules.abilities import (
    Abilities,
    Conversion,
    beyond_abilities,
    fit_stack_levels,
    fit_unit,
)
from app.smart_charging.rules.stored_profiles import next_change, ocpp_ids, ocpp_profiles
from app.types import Json

RETRY_AFTER = timedelta(minutes=5)
"""When to try again after a charge point was offline or did not answer."""
REFUSED_RETRY_AFTER = timedelta(hours=6)
"""When to try again after a charge point refused a profile, or could no longer take it."""
_NOT_SENT = UUID(int=0)


@dataclass(frozen=True, slots=True)
class KnownState:
    """All that is known of a charge point: its protocol, the profiles that it may have, and its abilities."""

    protocol: Protocol
    view: LedgerView
    abilities: Abilities


@dataclass(frozen=True, slots=True)
class Target:
    """Where a profile goes. conversion: None leaves its unit as it is."""

    charge_point_id: int
    connector_id: int
    conversion: Conversion | None = None


@dataclass(frozen=True, slots=True)
class ProfileRequest:
    """One request to the charge point."""

    action: str
    payload: Json


@dataclass(frozen=True, slots=True)
class Plan:
    """The requests in their order. transaction_id: the transaction that a TxProfile is bound to."""

    requests: tuple[ProfileRequest, ...]
    transaction_id: int | None


@dataclass(frozen=True, slots=True)
class Refresh:
    """The decision about an installation whose check is pending.

    action: `forget` removes it, `check` sets its next check to `check_at` (None: once something changes),
    `wait` leaves the next check where it is. requests: what to send now. refusal: why its profile cannot be
    installed.
    """

    action: Literal["forget", "check", "wait"]
    check_at: datetime | None = None
    requests: tuple[ProfileRequest, ...] = ()
    refusal: str | None = None


def conversion_json(conversion: Conversion | None) -> Json | None:
    """Return a conversion as it is stored."""
    return None if conversion is None else asdict(conversion)


def plan_installation(
    known: KnownState, record: ChargingProfileRecord, target: Target, now: datetime
) -> Plan:
    """Return what to send so that a stored profile is installed as it is now.

    Raises:
        InvalidInput: the profile breaks a rule on this charge point. Pointers are those of the request.
    """
    profiles = _fitted(known, record, target, now)
    transaction_id = None
    if profiles[0]["chargingProfilePurpose"] == "TxProfile" and target.connector_id > 0:
        transaction_id = _running(known.view, target.connector_id)
        profiles = [{**profile, "transactionId": transaction_id} for profile in profiles]
    cleared = _surplus(known.view.ledger, record, profiles)
    requests = [ProfileRequest("ClearChargingProfile", {"id": number}) for number in cleared]
    requests += [_set(target.connector_id, profile) for profile in profiles]
    violations = [found for request in requests for found in _broken_rules(known.protocol, request)]
    violations += _beyond(profiles, known.abilities, target.conversion, "/csChargingProfiles")
    added = [Installed(_NOT_SENT, target.connector_id, profile) for profile in profiles]
    violations += _too_many(known, added, cleared, "/csChargingProfiles")
    _refuse(violations)
    return Plan(tuple(requests), transaction_id)


def require_remote_start(protocol: Protocol, payload_text: str) -> Json:
    """Return the payload of a remote start that will carry a stored profile.

    Raises:
        InvalidInput: it breaks the definition, or has a profile of its own.
    """
    verdict = protocol.check_call("central_system", "RemoteStartTransaction", payload_text.strip() or "{}")
    payload = verdict.payload
    _refuse([FieldViolation(v.pointer, v.reason, v.detail) for v in verdict.violations])
    if payload is None or "chargingProfile" in payload:
        detail = "must not be given together with charging_profile_id"
        raise InvalidInput([FieldViolation("/chargingProfile", "two_profiles", detail)])
    return payload


def plan_remote_start(
    known: KnownState, record: ChargingProfileRecord, id_tag: str, target: Target, now: datetime
) -> ProfileRequest:
    """Return the remote start that carries a stored profile (OCPP 1.6 5.11). connector_id 0: any connector.

    A TxDefaultProfile is sent as a TxProfile, because a remote start takes no other purpose (errata 3.41).

    Raises:
        InvalidInput: the profile breaks a rule on this charge point. Pointers are those of the request.
    """
    profiles = _fitted(known, record, target, now)
    if profiles[0]["chargingProfilePurpose"] == "TxDefaultProfile":
        profiles = [{**profile, "chargingProfilePurpose": "TxProfile"} for profile in profiles]
    connector = {"connectorId": target.connector_id} if target.connector_id else {}
    payload = {"idTag": id_tag, **connector, "chargingProfile": profiles[0]}
    request = ProfileRequest("RemoteStartTransaction", payload)
    violations = _broken_rules(known.protocol, request)
    if len(profiles) > 1:
        text = f"the calendar needs {len(profiles)} profiles, a remote start carries one"
        violations.append(FieldViolation("/chargingProfile", "one_profile_only", text))
    violations += _beyond(profiles, known.abilities, target.conversion, "/chargingProfile")
    added = [Installed(_NOT_SENT, target.connector_id or None, profiles[0], waiting=True)]
    violations += _too_many(known, added, [], "/chargingProfile")
    _refuse(violations)
    return request


def decide_refresh(
    known: KnownState, record: ChargingProfileRecord, installation: InstallationRecord, now: datetime
) -> Refresh:
    """Return what an installation needs so that the charge point has its stored profile as it is now."""
    conversion = None if installation.conversion is None else Conversion(**installation.conversion)
    target = Target(installation.charge_point_id, installation.connector_id, conversion)
    try:
        plan = plan_installation(known, record, target, now)
    except InvalidInput as refusal:
        # Its transaction is over, or the charge point now reports that it cannot take the profile.
        if installation.transaction_id is not None:
            return Refresh("forget", refusal=refusal.detail)
        return Refresh("check", now + REFUSED_RETRY_AFTER, refusal=refusal.detail)
    if plan.transaction_id != installation.transaction_id:
        return Refresh("forget")
    ledger = known.view.ledger
    if _is_gone(ledger, record):
        # Unless its first command is still on the way.
        return Refresh("forget" if now - installation.requested_at > RETRY_AFTER else "wait")
    missing = tuple(
        request for request in plan.requests if not _is_done(ledger, record, target.connector_id, request)
    )
    if not missing:
        return Refresh("check", next_change(record, now))
    if any(_was_refused(ledger, record, request) for request in missing):
        return Refresh("check", now + REFUSED_RETRY_AFTER, missing)
    return Refresh("wait", requests=missing)


def installed_ids(ledger: ProfileLedger, record: ChargingProfileRecord) -> list[int]:
    """Return the chargingProfileIds of a stored profile that the charge point may have."""
    found = {item.charging_profile_id for item in ledger.anywhere}
    return [number for number in ocpp_ids(record) if number in found]


def _fitted(known: KnownState, record: ChargingProfileRecord, target: Target, now: datetime) -> list[Json]:
    fitted = [fit_unit(profile, known.abilities, target.conversion) for profile in ocpp_profiles(record, now)]
    return fit_stack_levels(fitted, known.abilities)


def _set(connector_id: int, profile: Json) -> ProfileRequest:
    return ProfileRequest("SetChargingProfile", {"connectorId": connector_id, "csChargingProfiles": profile})


def _running(view: LedgerView, connector_id: int) -> int:
    transaction = view.transaction_on(connector_id)
    if transaction is None:
        text = "a TxProfile needs a transaction that runs on the connector"
        pointer = "/csChargingProfiles/transactionId"
        raise InvalidInput([FieldViolation(pointer, "tx_profile_needs_transaction", text)])
    return transaction.id


def _surplus(ledger: ProfileLedger, record: ChargingProfileRecord, profiles: Sequence[Json]) -> list[int]:
    """Return the ids of a calendar that may be installed although it no longer needs them.

    Ids that the charge point says it does not have are left out: it would say the same again.
    """
    wanted = {profile["chargingProfileId"] for profile in profiles} | ledger.denied
    return [number for number in installed_ids(ledger, record) if number not in wanted]


def _broken_rules(protocol: Protocol, request: ProfileRequest) -> list[FieldViolation]:
    text = orjson.dumps(request.payload).decode()
    verdict = protocol.check_call("central_system", request.action, text)
    return [FieldViolation(found.pointer, found.reason, found.detail) for found in verdict.violations]


def _beyond(
    profiles: Sequence[Json], abilities: Abilities, conversion: Conversion | None, member: str
) -> list[FieldViolation]:
    return [
        FieldViolation(f"{member}{found.pointer}", found.code, found.detail)
        for profile in profiles
        for found in beyond_abilities(profile, abilities, conversion)
    ]


def _too_many(
    known: KnownState, added: Sequence[Installed], cleared: Sequence[int], member: str
) -> list[FieldViolation]:
    """Return a violation if there would be too many profiles in the fullest of the possible states."""
    most, ledger = known.abilities.max_installed, known.view.ledger
    if most is None:
        return []
    states = [ledger.anywhere] if ledger.overflow else ledger.states
    count = max(len(_after(state, added, cleared)) for state in states)
    if count <= most:
        return []
    text = f"would be number {count}; the charge point's MaxChargingProfilesInstalled is {most}: clear first"
    return [FieldViolation(member, "too_many_profiles", text)]


def _after(state: PossibleState, added: Sequence[Installed], cleared: Sequence[int]) -> PossibleState:
    state = tuple(item for item in state if item.charging_profile_id not in cleared)
    for item in added:
        event = ProfileEvent(item.command_id, datetime.min, "accepted", item)
        state = apply_event(event, state)
    return state


def _refuse(violations: Sequence[FieldViolation]) -> None:
    if violations:
        raise InvalidInput(list(dict.fromkeys(violations)))


def _is_gone(ledger: ProfileLedger, record: ChargingProfileRecord) -> bool:
    """Say whether a stored profile was cleared, and the charge point says that it has nothing of it."""
    found = set(installed_ids(ledger, record)) - ledger.denied
    return not ledger.overflow and not found


def _is_done(
    ledger: ProfileLedger, record: ChargingProfileRecord, connector_id: int, request: ProfileRequest
) -> bool:
    if request.action != "SetChargingProfile":
        return False
    wanted: Json = request.payload["csChargingProfiles"]
    return any(
        item.connector_id == connector_id and _is_same(record, item.profile, wanted)
        for item in ledger.everywhere()
    )


def _was_refused(ledger: ProfileLedger, record: ChargingProfileRecord, request: ProfileRequest) -> bool:
    if request.action != "SetChargingProfile":
        return False
    wanted: Json = request.payload["csChargingProfiles"]
    refused = [event.installs for event in ledger.refused if event.installs is not None]
    return any(_is_same(record, item.profile, wanted) for item in refused)


def _is_same(record: ChargingProfileRecord, profile: Json, wanted: Json) -> bool:
    """Compare two forms of a stored profile.

    The startSchedule of a calendar moves on by itself; that of a charging profile says when it begins.
    """
    return profile == wanted if record.calendar is None else says_the_same(profile, wanted)
