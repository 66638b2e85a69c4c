"""Charging profiles on a charge point: install, list and clear them.

Requests become ordinary commands, so the answer of the charge point is a state of the command.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import Depends, Query
from pydantic import Field
from pydantic.json_schema import SkipJsonSchema
from starlette.responses import Response

from app.commands.records import CommandRecord
from app.commands.routes import IdempotencyKey, IssueQuery
from app.commands.rules import OPEN_COMMAND_STATES
from app.commands.schemas import Command
from app.ocpp.v16 import ChargingProfilePurposeType
from app.smart_charging.installer import IssueOptions, Placement, ProfileInstaller, Settlement
from app.smart_charging.profile_ledger import Installed, ProfileEvent, ProfileLedger
from app.smart_charging.rules.abilities import Conversion
from app.smart_charging.schemas.charge_point_profiles import (
    ConversionInput,
    DoubtfulCommand,
    InstalledProfile,
    InstalledProfiles,
    ProfileCommands,
    ProfileInstallationCreate,
    SettlementCreate,
)
from app.types import Json
from app.web.access import CommandAccess, ReadAccess, TenantAccess, WriteAccess
from app.web.conditional import resource_response
from app.web.inputs import DIGITS, INTEGER_MAXIMUM, ConnectorIdPath, IdentityPath
from app.web.json_body import body_of, json_body
from app.web.problems import problems
from app.web.routers import api_router
from app.web.services import provided

router = api_router(prefix="/v1/charge-points/{identity}", tags=["charging-profiles"])

_ENDED = {
    "model": ProfileCommands,
    "description": "With `wait`: every command has ended, in whatever state.",
}
_Installation = Annotated[ProfileInstallationCreate, Depends(json_body(ProfileInstallationCreate))]
_Installer = Annotated[ProfileInstaller, Depends(provided(ProfileInstaller))]
_Number = Annotated[int, Field(ge=0, le=INTEGER_MAXIMUM), DIGITS] | SkipJsonSchema[None]


class ClearQuery(IssueQuery):
    """Clear the profile of `charging_profile_id`, or what fits all filters; without any, everything."""

    charging_profile_id: Annotated[_Number, Field(description="If given, the other filters are ignored.")] = (
        None
    )
    connector_id: _Number = None
    purpose: ChargingProfilePurposeType | SkipJsonSchema[None] = None
    stack_level: _Number = None

    def filters(self) -> Json:
        """Return the members of ClearChargingProfile (OCPP 1.6 6.13)."""
        named = {
            "id": self.charging_profile_id,
            "connectorId": self.connector_id,
            "chargingProfilePurpose": self.purpose,
            "stackLevel": self.stack_level,
        }
        return {name: value for name, value in named.items() if value is not None}


def _responses(*, body: bool) -> dict[int | str, dict[str, Any]]:
    return {200: _ENDED, **problems(404, 409, body=body)}


def _options(access: TenantAccess, query: IssueQuery, idempotency_key: str | None) -> IssueOptions:
    return IssueOptions(access.issued_by, query.timeout_s, idempotency_key, query.wait)


def _conversion(given: ConversionInput | None) -> Conversion | None:
    return None if given is None else Conversion(given.nominal_voltage, given.supply)


def _answer(commands: Sequence[CommandRecord], waited: int) -> Response:
    """Return the commands: 200 if the caller waited until all of them ended, else 202."""
    final = all(command.state not in OPEN_COMMAND_STATES for command in commands)
    shown = ProfileCommands(commands=[Command.model_validate(command) for command in commands])
    return resource_response(shown, status_code=200 if waited and final else 202)


@router.post(
    "/connectors/{connector_id}/charging-profiles",
    response_model=ProfileCommands,
    status_code=202,
    responses=_responses(body=True),
    openapi_extra=body_of(ProfileInstallationCreate),
)
async def install_charging_profile(
    access: CommandAccess,
    installer: _Installer,
    identity: IdentityPath,
    connector_id: ConnectorIdPath,
    body: _Installation,
    query: Annotated[IssueQuery, Query()],
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Install a stored profile on a connector, 0 for the charge point (SetChargingProfile, OCPP 1.6 5.16).

    A profile beyond the reported limits of the charge point is refused with 422, which names the rule. Its
    pointers are those of SetChargingProfile. A TxProfile is bound to the transaction on the connector.
    """
    place = Placement(identity, connector_id, _conversion(body.conversion))
    options = _options(access, query, idempotency_key)
    commands = await installer.install(access.tenant_id, body.charging_profile_id, place, options)
    return _answer(commands, query.wait)


@router.get("/charging-profiles", response_model=InstalledProfiles, responses=problems(404))
async def list_installed_profiles(
    access: ReadAccess, installer: _Installer, identity: IdentityPath
) -> Response:
    """Show what the charge point has accepted, may have accepted, and has refused.

    Every command that carried a profile counts, including raw OCPP commands, in the order of sending.
    """
    return resource_response(_ledger(await installer.installed(access.tenant_id, identity)))


@router.post(
    "/charging-profiles/settlements",
    response_model=InstalledProfiles,
    responses=problems(404, 409, body=True),
    openapi_extra=body_of(SettlementCreate),
)
async def settle_charging_profile(
    access: WriteAccess,
    installer: _Installer,
    identity: IdentityPath,
    body: Annotated[SettlementCreate, Depends(json_body(SettlementCreate))],
) -> Response:
    """Say whether a command in doubt was carried out. A late answer of the charge point counts more."""
    settlement = Settlement(body.command_id, body.carried_out, body.reason)
    ledger = await installer.settle(access.tenant_id, identity, settlement, access.issued_by)
    return resource_response(_ledger(ledger))


@router.delete(
    "/charging-profiles",
    response_model=ProfileCommands,
    status_code=202,
    responses=_responses(body=False),
)
async def clear_charging_profiles(
    access: CommandAccess,
    installer: _Installer,
    identity: IdentityPath,
    query: Annotated[ClearQuery, Query()],
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Clear profiles on a charge point (ClearChargingProfile, OCPP 1.6 5.5). Without a filter: all of them.

    The id of a stored calendar means all profiles that it was compiled to.
    """
    options = _options(access, query, idempotency_key)
    commands = await installer.clear(access.tenant_id, identity, query.filters(), options)
    return _answer(commands, query.wait)


def _ledger(ledger: ProfileLedger) -> InstalledProfiles:
    certain = ledger.everywhere()
    items = [_item(item, "accepted" if item in certain else "unconfirmed") for item in ledger.anywhere]
    items += [_refused(event, event.installs) for event in ledger.refused if event.installs is not None]
    in_doubt = [_doubtful(event) for event in ledger.in_doubt]
    return InstalledProfiles(certain=ledger.certain, items=items, in_doubt=in_doubt)


def _doubtful(event: ProfileEvent) -> DoubtfulCommand:
    return DoubtfulCommand(
        command_id=event.command_id,
        sent_at=event.at,
        doubt="unknown" if event.verdict == "unknown" else "unconfirmed",
        charging_profile_id=None if event.installs is None else event.installs.charging_profile_id,
        clears=event.clears,
    )


def _item(item: Installed, state: Any, reason: str | None = None) -> InstalledProfile:
    values = {name: value for name, value in asdict(item).items() if name != "ended"}
    return InstalledProfile(
        charging_profile_id=item.charging_profile_id, state=state, reason=reason, **values
    )


def _refused(event: ProfileEvent, item: Installed) -> InstalledProfile:
    return _item(item, event.verdict, event.reason)
