"""`/v1/firmware-campaigns`: one firmware for many charge points, in waves."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Path, Query
from pydantic.json_schema import SkipJsonSchema
from starlette.responses import Response

from app.firmware.records import CampaignState, TargetState
from app.firmware.rules.campaigns import CampaignMove
from app.firmware.schemas.campaigns import (
    CampaignTargetShown,
    FirmwareCampaignCreate,
    FirmwareCampaignShown,
    shown_campaign,
)
from app.firmware.service.campaigns import FirmwareCampaignService
from app.web.access import CommandAccess, ReadAccess
from app.web.conditional import IfNoneMatch, page_response, resource_response
from app.web.inputs import Paging
from app.web.json_body import body_of, json_body
from app.web.pagination import IdentifiedMoment, Page, TextKey, cut_page, decode_cursor
from app.web.problems import problems
from app.web.routers import api_router
from app.web.services import provided

_PATH = "/v1/firmware-campaigns"
router = api_router(prefix=_PATH, tags=["firmware"])

Campaigns = Annotated[FirmwareCampaignService, Depends(provided(FirmwareCampaignService))]
CampaignPath = Annotated[UUID, Path(description="Id of the firmware campaign.")]


class CampaignQuery(Paging):
    """How to narrow the list of campaigns."""

    state: CampaignState | SkipJsonSchema[None] = None


class CampaignTargetQuery(Paging):
    """How to narrow the list of charge points of a campaign."""

    state: TargetState | SkipJsonSchema[None] = None


@router.get("", response_model=Page[FirmwareCampaignShown], responses=problems())
async def list_firmware_campaigns(
    access: ReadAccess, campaigns: Campaigns, query: Annotated[CampaignQuery, Query()]
) -> Response:
    """List the firmware campaigns, the newest first."""
    key = decode_cursor(query.cursor, IdentifiedMoment)
    after = None if key is None else (key.at, key.id)
    rows = await campaigns.page(access.tenant_id, query.limit + 1, after, query.state)
    page, next_cursor = cut_page(rows, query.limit, lambda row: (row.campaign.created_at, row.campaign.id))
    items = [shown_campaign(row) for row in page]
    return page_response(Page[FirmwareCampaignShown](items=items, next_cursor=next_cursor))


@router.post(
    "",
    response_model=FirmwareCampaignShown,
    status_code=201,
    responses=problems(404, 409, body=True),
    openapi_extra=body_of(FirmwareCampaignCreate),
)
async def create_firmware_campaign(
    access: CommandAccess,
    campaigns: Campaigns,
    body: Annotated[FirmwareCampaignCreate, Depends(json_body(FirmwareCampaignCreate))],
) -> Response:
    """Make a draft of a firmware campaign. Its charge points are those that match now. Nothing is sent."""
    new = body.campaign(access.issued_by, campaigns.clock.now())
    made = await campaigns.create(access.tenant_id, new)
    headers = {"Location": f"{_PATH}/{made.campaign.id}"}
    return resource_response(shown_campaign(made), status_code=201, headers=headers)


@router.get("/{campaign_id}", response_model=FirmwareCampaignShown, responses=problems(304, 404))
async def get_firmware_campaign(
    access: ReadAccess,
    campaigns: Campaigns,
    campaign_id: CampaignPath,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Read a firmware campaign, with the progress of each wave."""
    found = await campaigns.get(access.tenant_id, campaign_id)
    return resource_response(shown_campaign(found), if_none_match=if_none_match)


@router.get("/{campaign_id}/charge-points", response_model=Page[CampaignTargetShown], responses=problems(404))
async def list_firmware_campaign_charge_points(
    access: ReadAccess,
    campaigns: Campaigns,
    campaign_id: CampaignPath,
    query: Annotated[CampaignTargetQuery, Query()],
) -> Response:
    """List the charge points of a firmware campaign in the order of their identity."""
    after = decode_cursor(query.cursor, TextKey)
    rows = await campaigns.targets(access.tenant_id, campaign_id, query.limit + 1, after, query.state)
    page, next_cursor = cut_page(rows, query.limit, lambda row: row.identity)
    items = [CampaignTargetShown.model_validate(row) for row in page]
    return page_response(Page[CampaignTargetShown](items=items, next_cursor=next_cursor))


@router.post("/{campaign_id}/start", response_model=FirmwareCampaignShown, responses=problems(404, 409))
async def start_firmware_campaign(
    access: CommandAccess, campaigns: Campaigns, campaign_id: CampaignPath
) -> Response:
    """Start a draft."""
    return await _moved(access, campaigns, campaign_id, "start")


@router.post("/{campaign_id}/pause", response_model=FirmwareCampaignShown, responses=problems(404, 409))
async def pause_firmware_campaign(
    access: CommandAccess, campaigns: Campaigns, campaign_id: CampaignPath
) -> Response:
    """Begin nothing from now on. Updates that were sent go on, and are still followed."""
    return await _moved(access, campaigns, campaign_id, "pause")


@router.post("/{campaign_id}/resume", response_model=FirmwareCampaignShown, responses=problems(404, 409))
async def resume_firmware_campaign(
    access: CommandAccess, campaigns: Campaigns, campaign_id: CampaignPath
) -> Response:
    """Continue after a pause."""
    return await _moved(access, campaigns, campaign_id, "resume")


@router.post("/{campaign_id}/stop", response_model=FirmwareCampaignShown, responses=problems(404, 409))
async def stop_firmware_campaign(
    access: CommandAccess, campaigns: Campaigns, campaign_id: CampaignPath
) -> Response:
    """End a firmware campaign. Updates that were sent go on, and are still followed."""
    return await _moved(access, campaigns, campaign_id, "stop")


async def _moved(
    access: CommandAccess, campaigns: FirmwareCampaignService, campaign_id: UUID, move: CampaignMove
) -> Response:
    moved = await campaigns.move(access.tenant_id, campaign_id, move, access.issued_by)
    return resource_response(shown_campaign(moved))
