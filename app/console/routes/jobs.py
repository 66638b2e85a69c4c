"""Jobs: campaigns with waves, firmware updates, uploads of diagnostics, and bulks of commands."""

from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from app.commands.records import CommandFilter
from app.console.access import ConsoleRoute, Operator, Viewer, go_to
from app.console.commands import CommandScreen
from app.console.forms import Cursor, QueryText
from app.console.jobs import JobKind, JobScreen, shown_bulk, shown_campaign, shown_update, shown_upload
from app.console.rendering import ROOT, page, query_text
from app.firmware.rules.campaigns import CampaignMove, moves_from
from app.users.records import SignedIn
from app.web.inputs import IdentityPath
from app.web.pagination import IdentifiedMoment, cut_page, decode_cursor
from app.web.paths import location
from app.web.services import provided

router = APIRouter(prefix=f"{ROOT}/jobs", route_class=ConsoleRoute)

_Screen = Annotated[JobScreen, Depends(provided(JobScreen))]
_Commands = Annotated[CommandScreen, Depends(provided(CommandScreen))]
_ADDRESS: Final = f"{ROOT}/jobs"
_PAGE_SIZE: Final = 50
_NEWEST: Final = 10
"""Jobs of each kind on the first page."""
_TARGETS: Final = 50
_TITLES: Final[dict[JobKind, str]] = {
    "campaigns": "Firmware campaigns",
    "firmware-updates": "Firmware updates",
    "diagnostics": "Diagnostics and logs",
    "bulk-commands": "Bulks of commands",
}
_PATHS: Final[dict[JobKind, str]] = {
    "campaigns": "/v1/firmware-campaigns",
    "firmware-updates": "/v1/firmware-updates",
    "diagnostics": "/v1/diagnostics",
    "bulk-commands": "/v1/bulk-commands",
}
_BEGIN: Final[dict[JobKind, str]] = {
    "campaigns": "Make a campaign",
    "firmware-updates": "Update firmware",
    "diagnostics": "Ask for diagnostics or a log",
    "bulk-commands": "Command many charge points",
}
_ADVICE: Final[dict[JobKind, str]] = {
    "campaigns": "There is no campaign yet. It brings one firmware to many charge points, in waves.",
    "firmware-updates": "No firmware was updated yet.",
    "diagnostics": "No diagnostics were asked for yet.",
    "bulk-commands": "No command was sent to many charge points yet.",
}


@router.get("")
async def jobs_page(request: Request, person: Viewer, screen: _Screen) -> Response:
    """Show the newest jobs of each kind."""
    values = {"groups": await _newest(person, screen), "paths": _PATHS}
    return page(request, "jobs.html", person, values)


@router.get("/rows")
async def job_rows(request: Request, person: Viewer, screen: _Screen) -> Response:
    """Show the newest jobs of each kind alone."""
    return page(request, "job_groups.html", person, {"groups": await _newest(person, screen)})


@router.get("/{kind}")
async def jobs_of_kind(
    request: Request, person: Viewer, screen: _Screen, kind: JobKind, cursor: Cursor = None
) -> Response:
    """Show all jobs of a kind, page by page."""
    key = decode_cursor(cursor, IdentifiedMoment)
    after = None if key is None else (key.at, key.id)
    rows = await screen.page(person.tenant_id, kind, _PAGE_SIZE + 1, after)
    shown, next_cursor = cut_page(rows, _PAGE_SIZE, lambda row: (row.created_at, row.id))
    values = {
        "kind": kind,
        "title": _TITLES[kind],
        "begin": _BEGIN[kind],
        "jobs": shown,
        "advice": _ADVICE[kind],
        "next_address": f"{_ADDRESS}/{kind}?{query_text({'cursor': next_cursor})}" if next_cursor else None,
        "curl_path": f"{_PATHS[kind]}?limit={_PAGE_SIZE}",
    }
    return page(request, "jobs_of_kind.html", person, values)


@router.get("/campaigns/{campaign_id}")
async def campaign_page(
    request: Request, person: Viewer, screen: _Screen, campaign_id: UUID, after: QueryText = ""
) -> Response:
    """Show a campaign with its waves and charge points."""
    found = await screen.campaigns.get(person.tenant_id, campaign_id)
    rows = await screen.campaigns.targets(person.tenant_id, campaign_id, _TARGETS + 1, after or None, None)
    address = f"{_ADDRESS}/campaigns/{campaign_id}"
    more = rows[_TARGETS - 1].identity if len(rows) > _TARGETS else None
    moves, curl_path = moves_from(found.campaign.state), f"{_PATHS['campaigns']}/{campaign_id}"
    values = {
        "job": shown_campaign(found),
        "campaign": found.campaign,
        "waves": found.waves,
        "targets": rows[:_TARGETS],
        "moves": moves,
        "requests": [(move.capitalize(), "POST", f"{curl_path}/{move}", None) for move in moves],
        "next_address": None if more is None else f"{address}?{query_text({'after': more})}",
        "curl_path": curl_path,
    }
    return page(request, "campaign.html", person, values)


@router.post("/campaigns/{campaign_id}/{move}")
async def move_campaign(person: Operator, screen: _Screen, campaign_id: UUID, move: CampaignMove) -> Response:
    """Start, pause, resume or stop a campaign."""
    await screen.campaigns.move(person.tenant_id, campaign_id, move, person.actor)
    return go_to(f"{_ADDRESS}/campaigns/{campaign_id}")


@router.get("/firmware-updates/{identity}/{firmware_update_id}")
async def firmware_update_page(
    request: Request, person: Viewer, screen: _Screen, identity: IdentityPath, firmware_update_id: UUID
) -> Response:
    """Show a firmware update with each status."""
    job = await screen.updates.get(person.tenant_id, identity, firmware_update_id)
    facts = {
        "Firmware": job.target_version or "",
        "From": job.location or "a stored file",
        "Version before": job.firmware_version_before or "",
        "Version after": job.firmware_version_after or "",
        "Detail": job.detail or "",
        "About the signature": job.signature_note or "",
    }
    values = {
        "job": shown_update(job),
        "identity": identity,
        "facts": {name: value for name, value in facts.items() if value},
        "events": [
            {"at": one["at"], "status": one["status"], "detail": one.get("note")} for one in job.statuses
        ],
        "command_id": job.command_id,
        "may_cancel": job.state in ("pending", "requested"),
        "may_repeat": not job.is_open,
        "retry_body": None,
        "curl_path": location("/v1/charge-points", identity, "firmware-updates", str(firmware_update_id)),
    }
    return page(request, "job.html", person, values)


@router.post("/firmware-updates/{identity}/{firmware_update_id}/cancel")
async def cancel_firmware_update(
    person: Operator, screen: _Screen, identity: IdentityPath, firmware_update_id: UUID
) -> Response:
    """Cancel a firmware update that was not sent."""
    await screen.updates.cancel(person.tenant_id, identity, firmware_update_id)
    return go_to(location(f"{_ADDRESS}/firmware-updates", identity, str(firmware_update_id)))


@router.post("/firmware-updates/{identity}/{firmware_update_id}/retry")
async def retry_firmware_update(
    person: Operator, screen: _Screen, identity: IdentityPath, firmware_update_id: UUID
) -> Response:
    """Repeat a firmware update that has ended, as a new one."""
    job = await screen.updates.retry(person.tenant_id, identity, firmware_update_id, person.actor)
    return go_to(location(f"{_ADDRESS}/firmware-updates", identity, str(job.id)))


@router.get("/diagnostics/{job_id}")
async def diagnostics_page(request: Request, person: Viewer, screen: _Screen, job_id: UUID) -> Response:
    """Show an upload with all that has happened to it."""
    job = await screen.diagnostics.get(person.tenant_id, job_id)
    facts = {"To": job.location or "this server", "File": job.file_name or ""}
    values = {
        "job": shown_upload(job),
        "identity": job.identity,
        "facts": {name: value for name, value in facts.items() if value},
        "events": job.events,
        "command_id": job.command_id,
        "may_cancel": False,
        "may_repeat": job.ended_at is not None and job.state != "uploaded",
        "retry_body": "{}",
        "curl_path": f"{_PATHS['diagnostics']}/{job_id}",
    }
    return page(request, "job.html", person, values)


@router.post("/diagnostics/{job_id}/retry")
async def retry_diagnostics(person: Operator, screen: _Screen, job_id: UUID) -> Response:
    """Repeat a job that has ended without a file, as a new one."""
    job = await screen.diagnostics.retry(person.tenant_id, job_id, person.actor)
    return go_to(f"{_ADDRESS}/diagnostics/{job.id}")


@router.get("/bulk-commands/{bulk_id}")
async def bulk_page(
    request: Request, person: Viewer, screen: _Screen, commands: _Commands, bulk_id: UUID
) -> Response:
    """Show a bulk with its progress and its newest commands."""
    found = await screen.bulks.get(person.tenant_id, bulk_id)
    values = {
        "job": shown_bulk(found),
        "record": found.record,
        "counts": found.counts,
        "commands": await commands.narrowed(person.tenant_id, CommandFilter(bulk_id=bulk_id)),
        "curl_path": f"{_PATHS['bulk-commands']}/{bulk_id}",
    }
    return page(request, "bulk.html", person, values)


@router.post("/bulk-commands/{bulk_id}/cancel")
async def cancel_bulk(person: Operator, screen: _Screen, bulk_id: UUID) -> Response:
    """Cancel the commands of a bulk that were not sent yet."""
    await screen.bulks.cancel(person.tenant_id, bulk_id)
    return go_to(f"{_ADDRESS}/bulk-commands/{bulk_id}")


async def _newest(person: SignedIn, screen: JobScreen) -> list[dict[str, Any]]:
    return [
        {
            "kind": kind,
            "title": title,
            "begin": _BEGIN[kind],
            "jobs": await screen.page(person.tenant_id, kind, _NEWEST, None),
            "advice": _ADVICE[kind],
        }
        for kind, title in _TITLES.items()
    ]
