"""Starts jobs: a campaign, a firmware update, diagnostics or a log, one command to many charge points."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Final
from urllib.parse import quote
from uuid import uuid4

import orjson
from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import Response

from app.bulk_commands.schemas import BulkCommandCreate
from app.console.access import ConsoleRoute, Operator, form_of, go_to
from app.console.commands import CommandScreen
from app.console.forms import QueryText, Refusal, input_of
from app.console.input_fields import FormGroup, payload_of, refusal_in, typed_values
from app.console.job_forms import (
    BULK_AT_FIRST,
    CAMPAIGN,
    CAMPAIGN_AT_FIRST,
    CHARGE_POINT,
    DIAGNOSTICS,
    FIRMWARE_UPDATE,
    bulk_body,
    bulk_groups,
    campaign_body,
    with_files,
)
from app.console.jobs import JobScreen
from app.console.rendering import ROOT, page
from app.diagnostics.records import JobRequest
from app.diagnostics.schemas import DiagnosticsRequest
from app.errors import AppError
from app.firmware.schemas.campaigns import FirmwareCampaignCreate
from app.firmware.schemas.updates import FirmwareUpdateCreate
from app.firmware.service.updates import JobOptions
from app.types import Json
from app.users.records import SignedIn
from app.web.inputs import ActionText
from app.web.paths import location
from app.web.services import provided

router = APIRouter(prefix=f"{ROOT}/jobs", route_class=ConsoleRoute)

_Screen = Annotated[JobScreen, Depends(provided(JobScreen))]
_Commands = Annotated[CommandScreen, Depends(provided(CommandScreen))]
_Action = Annotated[ActionText, Path()]
_ADDRESS: Final = f"{ROOT}/jobs"
_KEY: Final = "idempotency_key"
_ANY_IDENTITY: Final = "RDAM-0123"
"""The charge point in the request of the API, if none is typed."""


@dataclass(frozen=True, slots=True)
class StartForm:
    """The page with the form of a new job. curl_path, example: path and a body of the request of the API."""

    kind: str
    kind_title: str
    title: str
    lead: str
    button: str
    curl_path: str
    example: Json
    groups: Sequence[FormGroup]
    at_first: Mapping[str, str] = field(default_factory=dict)


def _campaign_form(groups: Sequence[FormGroup]) -> StartForm:
    return StartForm(
        kind="campaigns",
        kind_title="Firmware campaigns",
        title="New campaign",
        lead="One firmware for many charge points, in waves. This makes a draft; nothing is sent until you "
        "start it.",
        button="Make the draft",
        curl_path="/v1/firmware-campaigns",
        example=FirmwareCampaignCreate.example,
        groups=groups,
        at_first=CAMPAIGN_AT_FIRST,
    )


def _update_form(groups: Sequence[FormGroup]) -> StartForm:
    return StartForm(
        kind="firmware-updates",
        kind_title="Firmware updates",
        title="Update firmware",
        lead="Of one charge point, now or as soon as it is connected.",
        button="Update the firmware",
        curl_path="/v1/charge-points/{identity}/firmware-updates",
        example=FirmwareUpdateCreate.example,
        groups=groups,
    )


_DIAGNOSTICS_FORM: Final = StartForm(
    kind="diagnostics",
    kind_title="Diagnostics and logs",
    title="Ask for diagnostics or a log",
    lead="The charge point uploads a file, and the job follows the upload.",
    button="Ask for it",
    curl_path="/v1/charge-points/{identity}/diagnostics",
    example=DiagnosticsRequest.example,
    groups=DIAGNOSTICS,
    at_first={"kind": "diagnostics"},
)


def _bulk_form(action: str, screen: CommandScreen) -> StartForm:
    return StartForm(
        kind="bulk-commands",
        kind_title="Bulks of commands",
        title=f"{action} to many",
        lead="All commands are recorded at once, and sent in the background.",
        button="Send to all of them",
        curl_path="/v1/commands",
        example={"action": action, "payload": {}, "filter": {"prefix": "RDAM-"}},
        groups=bulk_groups(action, screen.form(action).groups),
        at_first={**BULK_AT_FIRST, _KEY: str(uuid4())},
    )


@router.get("/campaigns/new")
async def new_campaign(request: Request, person: Operator, screen: _Screen) -> Response:
    """Show the form of a campaign."""
    form = _campaign_form(with_files(CAMPAIGN, await screen.firmware_files(person.tenant_id)))
    return _form_page(request, person, form, form.at_first)


@router.post("/campaigns/new")
async def create_campaign(request: Request, person: Operator, screen: _Screen) -> Response:
    """Make the draft of a campaign."""
    form, given = _campaign_form(CAMPAIGN), await form_of(request)
    try:
        body = input_of(FirmwareCampaignCreate, campaign_body(payload_of(form.groups, given)))
        new = body.campaign(person.actor, screen.campaigns.clock.now())
        made = await screen.campaigns.create(person.tenant_id, new)
    except AppError as error:
        form = _campaign_form(with_files(CAMPAIGN, await screen.firmware_files(person.tenant_id)))
        return _form_page(request, person, form, given, error)
    return go_to(f"{_ADDRESS}/campaigns/{made.campaign.id}")


@router.get("/firmware-updates/new")
async def new_firmware_update(
    request: Request, person: Operator, screen: _Screen, charge_point: QueryText = ""
) -> Response:
    """Show the form of a firmware update."""
    form = _update_form(with_files(FIRMWARE_UPDATE, await screen.firmware_files(person.tenant_id)))
    return _form_page(request, person, form, {CHARGE_POINT: charge_point})


@router.post("/firmware-updates/new")
async def create_firmware_update(request: Request, person: Operator, screen: _Screen) -> Response:
    """Make a firmware update."""
    form, given = _update_form(FIRMWARE_UPDATE), await form_of(request)
    try:
        payload = payload_of(form.groups, given)
        identity = payload.pop(CHARGE_POINT, "")
        body = input_of(FirmwareUpdateCreate, payload)
        options = JobOptions(person.actor, body.retrieve_date, body.timeout_s)
        job = await screen.updates.create(person.tenant_id, identity, body.source(), options)
    except AppError as error:
        form = _update_form(with_files(FIRMWARE_UPDATE, await screen.firmware_files(person.tenant_id)))
        return _form_page(request, person, form, given, error)
    return go_to(location(f"{_ADDRESS}/firmware-updates", job.identity, str(job.id)))


@router.get("/diagnostics/new")
async def new_diagnostics(request: Request, person: Operator, charge_point: QueryText = "") -> Response:
    """Show the form of an upload of diagnostics or of a log."""
    given = {**_DIAGNOSTICS_FORM.at_first, CHARGE_POINT: charge_point}
    return _form_page(request, person, _DIAGNOSTICS_FORM, given)


@router.post("/diagnostics/new")
async def request_diagnostics(request: Request, person: Operator, screen: _Screen) -> Response:
    """Ask a charge point for diagnostics or a log."""
    given = await form_of(request)
    try:
        payload = payload_of(_DIAGNOSTICS_FORM.groups, given)
        identity = payload.pop(CHARGE_POINT, "")
        wanted = JobRequest(**dict(input_of(DiagnosticsRequest, payload)))
        job = await screen.diagnostics.request(person.tenant_id, identity, wanted, person.actor)
    except AppError as error:
        return _form_page(request, person, _DIAGNOSTICS_FORM, given, error)
    return go_to(f"{_ADDRESS}/diagnostics/{job.id}")


@router.get("/bulk-commands/new")
async def bulk_actions(request: Request, person: Operator, commands: _Commands) -> Response:
    """Show the actions that many charge points can be asked for."""
    values = {
        "profiles": commands.forms_by_profile(),
        "curl_body": orjson.dumps(BulkCommandCreate.example).decode(),
    }
    return page(request, "bulk_actions.html", person, values)


@router.get("/bulk-commands/new/{action}")
async def new_bulk(request: Request, person: Operator, commands: _Commands, action: _Action) -> Response:
    """Show the form of an action for many charge points."""
    form = _bulk_form(action, commands)
    return _form_page(request, person, form, form.at_first)


@router.post("/bulk-commands/new/{action}")
async def issue_bulk(
    request: Request, person: Operator, screen: _Screen, commands: _Commands, action: _Action
) -> Response:
    """Issue a command to many charge points. The same key again gives the same bulk."""
    form, given = _bulk_form(action, commands), await form_of(request)
    key = given.get(_KEY, [""])[0][:100] or str(uuid4())
    try:
        body = input_of(BulkCommandCreate, bulk_body(action, payload_of(form.groups, given)))
        made = await screen.bulks.issue(person.tenant_id, body.request(person.actor, f"console-{key}"))
    except AppError as error:
        # Another attempt is another bulk.
        return _form_page(request, person, form, {**given, _KEY: [str(uuid4())]}, error)
    return go_to(f"{_ADDRESS}/bulk-commands/{made.record.id}")


def _form_page(
    request: Request,
    person: SignedIn,
    form: StartForm,
    given: Mapping[str, str] | Mapping[str, Sequence[str]],
    error: AppError | None = None,
) -> Response:
    """Show a form. given: the values to begin with, or all that were typed; error: why they were refused."""
    refusal = Refusal() if error is None else refusal_in(form.groups, error)
    texts = {name: [value] if isinstance(value, str) else value for name, value in given.items()}
    identity = texts.get(CHARGE_POINT, [""])[0].strip() or _ANY_IDENTITY
    values: dict[str, Any] = {
        "form": form,
        "groups": form.groups,
        "given": typed_values(form.groups, texts),
        "key": texts.get(_KEY, [""])[0],
        "refusal": refusal,
        "curl_path": form.curl_path.format(identity=quote(identity, safe="")),
        "curl_body": orjson.dumps(form.example).decode(),
    }
    return page(request, "new_job.html", person, values, refusal.status)
