"""Charging profiles on a charge point: install, look at, clear; and starts under one.

Requests become ordinary commands: what the charge point says to them is a state of the command. What it has
accepted is read from its ledger.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import Depends, Query
from pydantic import Field
from pydantic.json_schema import SkipJsonSchema
from starlette.responses import Response

from app.charge_points.service import existing_charge_point
from app.commands.records import CommandRecord
from app.commands.routes import IdempotencyKey, IssueQuery
from app.commands.rules import OPEN_COMMAND_STATES
from app.commands.schemas import Command
from app.ocpp.v16 import ChargingProfilePurposeType
from app.smart_charging.abilities import Conversion
from app.smart_charging.installer import Asked, Place
from app.smart_charging.ledger import Installed, Ledger, ProfileEvent
from app.smart_charging.ledger_reading import load_ledger
from app.smart_charging.schemas.requests import ConversionInput, ProfileInstallationCreate, RemoteStartCreate
from app.smart_charging.schemas.resources import InstalledProfile, InstalledProfiles, ProfileCommands
from app.types import Json
from app.web.access import CommandAccess, ReadAccess, Services, ServicesDependency, TenantAccess
from app.web.conditional import resource_response
from app.web.inputs import DIGITS, INTEGER_MAXIMUM, ConnectorIdPath, IdentityPath
from app.web.json_body import body_of, json_body
from app.web.problems import problems
from app.web.routers import api_router

router = api_router(prefix="/v1/charge-points/{identity}", tags=["charging-profiles"])

_ENDED = {
    "model": ProfileCommands,
    "description": "With `wait`: every command has ended, one way or the other.",
}
_Installation = Annotated[ProfileInstallationCreate, Depends(json_body(ProfileInstallationCreate))]
_RemoteStart = Annotated[RemoteStartCreate, Depends(json_body(RemoteStartCreate))]
_Number = Annotated[int, Field(ge=0, le=INTEGER_MAXIMUM), DIGITS] | SkipJsonSchema[None]


class ClearQuery(IssueQuery):
    """What to clear: by `charging_profile_id` alone, or what fits all other filters; nothing: everything."""

    charging_profile_id: Annotated[_Number, Field(description="Beside it the others do not count.")] = None
    connector_id: _Number = None
    purpose: ChargingProfilePurposeType | SkipJsonSchema[None] = None
    stack_level: _Number = None

    def filters(self) -> Json:
        """The members of ClearChargingProfile (OCPP 1.6 6.13)."""
        named = {
            "id": self.charging_profile_id,
            "connectorId": self.connector_id,
            "chargingProfilePurpose": self.purpose,
            "stackLevel": self.stack_level,
        }
        return {name: value for name, value in named.items() if value is not None}


def _responses(*, body: bool) -> dict[int | str, dict[str, Any]]:
    return {200: _ENDED, **problems(404, 409, body=body)}


def _asked(access: TenantAccess, query: IssueQuery, idempotency_key: str | None) -> Asked:
    return Asked(access.issued_by, query.timeout_s, idempotency_key)


def _conversion(given: ConversionInput | None) -> Conversion | None:
    return None if given is None else Conversion(given.nominal_voltage, given.supply)


async def _answer(
    services: Services, access: TenantAccess, issued: Sequence[CommandRecord], wait_s: int
) -> Response:
    """The commands, after waiting for their ends if that was asked for."""
    deadline = services.clock.monotonic() + wait_s
    records = []
    for record in issued:
        remaining = deadline - services.clock.monotonic()
        if wait_s and remaining > 0 and record.state in OPEN_COMMAND_STATES:
            record = await services.commands.wait(access.tenant_id, record.id, remaining)
        records.append(record)
    final = all(record.state not in OPEN_COMMAND_STATES for record in records)
    shown = ProfileCommands(commands=[Command.model_validate(record) for record in records])
    return resource_response(shown, status_code=200 if wait_s and final else 202)


@router.post(
    "/connectors/{connector_id}/charging-profiles",
    response_model=ProfileCommands,
    status_code=202,
    responses=_responses(body=True),
    openapi_extra=body_of(ProfileInstallationCreate, {"charging_profile_id": 1}),
)
async def install_charging_profile(
    access: CommandAccess,
    services: ServicesDependency,
    identity: IdentityPath,
    connector_id: ConnectorIdPath,
    body: _Installation,
    query: Annotated[IssueQuery, Query()],
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Install a stored profile on a connector, 0 for the charge point (SetChargingProfile, OCPP 1.6 5.16).

    What the charge point says it cannot take is refused with 422, naming the rule; pointers are those of
    SetChargingProfile. A TxProfile is bound to the transaction that runs on the connector.
    """
    place = Place(identity, connector_id, _conversion(body.conversion))
    asked = _asked(access, query, idempotency_key)
    issued = await services.profile_installer.install(
        access.tenant_id, body.charging_profile_id, place, asked
    )
    return await _answer(services, access, issued, query.wait)


@router.post(
    "/remote-starts",
    response_model=ProfileCommands,
    status_code=202,
    responses=_responses(body=True),
    openapi_extra=body_of(
        RemoteStartCreate, {"id_tag": "B4A63CDF", "connector_id": 1, "charging_profile_id": 1}
    ),
)
async def start_with_charging_profile(
    access: CommandAccess,
    services: ServicesDependency,
    identity: IdentityPath,
    body: _RemoteStart,
    query: Annotated[IssueQuery, Query()],
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Start a transaction from afar under a stored profile, as its TxProfile (OCPP 1.6 5.11).

    Pointers of a 422 are those of RemoteStartTransaction.
    """
    place = Place(identity, body.connector_id or 0, _conversion(body.conversion))
    asked = _asked(access, query, idempotency_key)
    issued = await services.profile_installer.remote_start(
        access.tenant_id, body.charging_profile_id, body.id_tag, place, asked
    )
    return await _answer(services, access, [issued], query.wait)


@router.get("/charging-profiles", response_model=InstalledProfiles, responses=problems(404))
async def list_installed_profiles(
    access: ReadAccess, services: ServicesDependency, identity: IdentityPath
) -> Response:
    """Show what the charge point has accepted, may have accepted, and has refused.

    Every command that carried a profile counts, in the order of sending, whoever posted it.
    """
    async with services.database.tenant(access.tenant_id) as work:
        record = await existing_charge_point(work, identity)
        view = await load_ledger(work, record.id)
    return resource_response(_ledger(view.ledger))


@router.delete(
    "/charging-profiles",
    response_model=ProfileCommands,
    status_code=202,
    responses=_responses(body=False),
)
async def clear_charging_profiles(
    access: CommandAccess,
    services: ServicesDependency,
    identity: IdentityPath,
    query: Annotated[ClearQuery, Query()],
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Clear profiles on a charge point (ClearChargingProfile, OCPP 1.6 5.5). Without a filter: all of them.

    The id of a stored calendar stands for all the profiles that it was compiled to.
    """
    asked = _asked(access, query, idempotency_key)
    issued = await services.profile_installer.clear(access.tenant_id, identity, query.filters(), asked)
    return await _answer(services, access, issued, query.wait)


def _ledger(ledger: Ledger) -> InstalledProfiles:
    certain = ledger.everywhere()
    items = [_item(item, "accepted" if item in certain else "unconfirmed") for item in ledger.anywhere]
    items += [_refused(event, event.installs) for event in ledger.refused if event.installs is not None]
    return InstalledProfiles(certain=ledger.certain, items=items)


def _item(item: Installed, state: Any, reason: str | None = None) -> InstalledProfile:
    values = {name: value for name, value in asdict(item).items() if name != "ended"}
    return InstalledProfile(
        charging_profile_id=item.charging_profile_id, state=state, reason=reason, **values
    )


def _refused(event: ProfileEvent, item: Installed) -> InstalledProfile:
    return _item(item, event.verdict, event.reason)
