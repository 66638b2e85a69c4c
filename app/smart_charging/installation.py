"""What must be sent so that a stored profile is on a charge point, or goes with a remote start.

Everything that can be known to fail is refused here, before anything is sent: with the name of the rule and a
pointer into the OCPP request that would break it.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from uuid import UUID

import orjson

from app.configuration.store import ConfigurationStore
from app.database.unit_of_work import TenantWork
from app.errors import FieldViolation, InvalidInput
from app.ocpp import check_call
from app.smart_charging.abilities import Abilities, Conversion, abilities_of, asked_too_much, fit_unit
from app.smart_charging.ledger import Installed, ProfileEvent, World, apply_event
from app.smart_charging.ledger_reading import LedgerView, load_ledger
from app.smart_charging.records import ChargingProfileRecord
from app.smart_charging.stored_profiles import wire_ids, wire_profiles
from app.types import Json

_NOT_SENT = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Target:
    """Where a profile goes. conversion: None leaves its unit as it is."""

    charge_point_id: int
    connector_id: int
    conversion: Conversion | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One request to the charge point."""

    action: str
    payload: Json


@dataclass(frozen=True, slots=True)
class Plan:
    """The requests in their order. transaction_id: the transaction that a TxProfile was bound to."""

    steps: tuple[Step, ...]
    transaction_id: int | None
    view: LedgerView


def conversion_json(conversion: Conversion | None) -> Json | None:
    """Return a conversion as it is stored."""
    return None if conversion is None else asdict(conversion)


async def plan_installation(
    work: TenantWork, record: ChargingProfileRecord, target: Target, now: datetime
) -> Plan:
    """Return what to send so that a stored profile is installed as it is now.

    Raises:
        InvalidInput: the profile breaks a rule on this charge point; pointers are those of the request.
    """
    view = await load_ledger(work, target.charge_point_id)
    abilities = abilities_of(await ConfigurationStore(work).for_charge_point(target.charge_point_id))
    profiles = [fit_unit(profile, abilities, target.conversion) for profile in wire_profiles(record, now)]
    transaction_id = None
    if profiles[0]["chargingProfilePurpose"] == "TxProfile" and target.connector_id > 0:
        transaction_id = _running(view, target.connector_id)
        profiles = [{**profile, "transactionId": transaction_id} for profile in profiles]
    cleared = _surplus(view, record, profiles)
    steps = [Step("ClearChargingProfile", {"id": number}) for number in cleared]
    steps += [_set(target.connector_id, profile) for profile in profiles]
    violations = [found for step in steps for found in _broken(step)]
    violations += _beyond(profiles, abilities, target.conversion, "/csChargingProfiles")
    fresh = [Installed(_NOT_SENT, target.connector_id, profile) for profile in profiles]
    violations += _crowded(view, abilities, fresh, cleared, "/csChargingProfiles")
    _refuse(violations)
    return Plan(tuple(steps), transaction_id, view)


async def plan_remote_start(
    work: TenantWork, record: ChargingProfileRecord, id_tag: str, target: Target, now: datetime
) -> Step:
    """Return the remote start that carries a stored profile (OCPP 1.6 5.11). connector_id 0: any connector.

    What is a TxDefaultProfile elsewhere goes as a TxProfile, which a remote start's must be (errata 3.41).

    Raises:
        InvalidInput: the profile breaks a rule here; pointers are those of the request.
    """
    view = await load_ledger(work, target.charge_point_id)
    abilities = abilities_of(await ConfigurationStore(work).for_charge_point(target.charge_point_id))
    profiles = [fit_unit(profile, abilities, target.conversion) for profile in wire_profiles(record, now)]
    if profiles[0]["chargingProfilePurpose"] == "TxDefaultProfile":
        profiles = [{**profile, "chargingProfilePurpose": "TxProfile"} for profile in profiles]
    connector = {"connectorId": target.connector_id} if target.connector_id else {}
    step = Step("RemoteStartTransaction", {"idTag": id_tag, **connector, "chargingProfile": profiles[0]})
    violations = _broken(step)
    if len(profiles) > 1:
        text = f"the calendar needs {len(profiles)} profiles, a remote start carries one"
        violations.append(FieldViolation("/chargingProfile", "one_profile_only", text))
    violations += _beyond(profiles, abilities, target.conversion, "/chargingProfile")
    fresh = [Installed(_NOT_SENT, target.connector_id or None, profiles[0], waiting=True)]
    violations += _crowded(view, abilities, fresh, [], "/chargingProfile")
    _refuse(violations)
    return step


def _set(connector_id: int, profile: Json) -> Step:
    return Step("SetChargingProfile", {"connectorId": connector_id, "csChargingProfiles": profile})


def _running(view: LedgerView, connector_id: int) -> int:
    transaction = view.transaction_on(connector_id)
    if transaction is None:
        text = "a TxProfile needs a transaction that runs on the connector"
        pointer = "/csChargingProfiles/transactionId"
        raise InvalidInput([FieldViolation(pointer, "tx_profile_needs_transaction", text)])
    return transaction.id


def _surplus(view: LedgerView, record: ChargingProfileRecord, profiles: Sequence[Json]) -> list[int]:
    """The numbers of a calendar that may be installed though it does not need them any more.

    Not what the charge point says it does not have: it would say so again.
    """
    wanted = {profile["chargingProfileId"] for profile in profiles} | view.ledger.denied
    found = {item.charging_profile_id for item in view.ledger.anywhere}
    return sorted(number for number in found if number in wire_ids(record) and number not in wanted)


def _broken(step: Step) -> list[FieldViolation]:
    verdict = check_call("central_system", step.action, orjson.dumps(step.payload).decode())
    return [FieldViolation(found.pointer, found.reason, found.detail) for found in verdict.violations]


def _beyond(
    profiles: Sequence[Json], abilities: Abilities, conversion: Conversion | None, member: str
) -> list[FieldViolation]:
    return [
        FieldViolation(f"{member}{found.pointer}", found.code, found.detail)
        for profile in profiles
        for found in asked_too_much(profile, abilities, conversion)
    ]


def _crowded(
    view: LedgerView, abilities: Abilities, fresh: Sequence[Installed], cleared: Sequence[int], member: str
) -> list[FieldViolation]:
    """Refuse what would be one profile too many, in the worst of the states the charge point may be in."""
    most = abilities.max_installed
    if most is None:
        return []
    worlds = [view.ledger.anywhere] if view.ledger.overflow else view.ledger.worlds
    count = max(len(_after(world, fresh, cleared)) for world in worlds)
    if count <= most:
        return []
    text = f"would be number {count}; the charge point's MaxChargingProfilesInstalled is {most}: clear first"
    return [FieldViolation(member, "too_many_profiles", text)]


def _after(world: World, fresh: Sequence[Installed], cleared: Sequence[int]) -> World:
    world = tuple(item for item in world if item.charging_profile_id not in cleared)
    for item in fresh:
        event = ProfileEvent(item.command_id, datetime.min, "accepted", item)
        world = apply_event(event, world)
    return world


def _refuse(violations: Sequence[FieldViolation]) -> None:
    if violations:
        raise InvalidInput(list(dict.fromkeys(violations)))
