"""`/v1/charge-points/{identity}/firmware-updates`, and the list of all updates of a tenant."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Path, Query
from pydantic import Field
from pydantic.json_schema import SkipJsonSchema
from starlette.responses import Response

from app.firmware.records import FirmwareJob, FirmwareJobFilter, FirmwareJobState
from app.firmware.schemas.updates import FirmwareUpdate, FirmwareUpdateCreate, ReportedFirmwareStatus
from app.firmware.service.updates import FirmwareUpdateService, JobOptions
from app.web.access import CommandAccess, ReadAccess
from app.web.conditional import IfNoneMatch, page_response, resource_response
from app.web.inputs import Identity, IdentityPath, Paging, PagingQuery
from app.web.json_body import body_of, json_body
from app.web.pagination import IdentifiedMoment, Page, cut_page, decode_cursor
from app.web.paths import location
from app.web.problems import problems
from app.web.routers import Tag, api_router
from app.web.services import provided

_TAG = Tag("firmware", "Firmware updates of charge points, one by one or as a campaign in waves.")
router = api_router(prefix="/v1/charge-points/{identity}", tags=[_TAG])
list_router = api_router(tags=[_TAG])

Updates = Annotated[FirmwareUpdateService, Depends(provided(FirmwareUpdateService))]
UpdatePath = Annotated[UUID, Path(description="Id of the firmware update.")]


class FirmwareUpdateQuery(Paging):
    """How to narrow the list of firmware updates."""

    charge_point: Annotated[
        Identity | SkipJsonSchema[None], Field(description="Identity of the charge point.")
    ] = None
    state: FirmwareJobState | SkipJsonSchema[None] = None
    campaign: Annotated[UUID | SkipJsonSchema[None], Field(description="Id of the campaign.")] = None


@router.post(
    "/firmware-updates",
    response_model=FirmwareUpdate,
    status_code=201,
    responses=problems(404, 409, body=True),
    openapi_extra=body_of(FirmwareUpdateCreate),
)
async def create_firmware_update(
    access: CommandAccess,
    updates: Updates,
    identity: IdentityPath,
    body: Annotated[FirmwareUpdateCreate, Depends(json_body(FirmwareUpdateCreate))],
) -> Response:
    """Update the firmware of a charge point, now or as soon as it is connected."""
    options = JobOptions(access.issued_by, body.retrieve_date, body.timeout_s)
    return _made(await updates.create(access.tenant_id, identity, body.source(), options))


@router.get("/firmware-updates", response_model=Page[FirmwareUpdate], responses=problems(404))
async def list_firmware_updates_of_charge_point(
    access: ReadAccess, updates: Updates, identity: IdentityPath, query: PagingQuery
) -> Response:
    """List the firmware updates of a charge point, the newest first."""
    rows = await updates.page_of(access.tenant_id, identity, query.limit + 1, _after(query.cursor))
    return _page(rows, query.limit)


@router.get(
    "/firmware-updates/{firmware_update_id}", response_model=FirmwareUpdate, responses=problems(304, 404)
)
async def get_firmware_update(
    access: ReadAccess,
    updates: Updates,
    identity: IdentityPath,
    firmware_update_id: UpdatePath,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Read one firmware update: each status with its time, and the firmware versions before and after."""
    job = await updates.get(access.tenant_id, identity, firmware_update_id)
    return resource_response(FirmwareUpdate.model_validate(job), if_none_match=if_none_match)


@router.post(
    "/firmware-updates/{firmware_update_id}/retries",
    response_model=FirmwareUpdate,
    status_code=201,
    responses=problems(404, 409),
)
async def retry_firmware_update(
    access: CommandAccess, updates: Updates, identity: IdentityPath, firmware_update_id: UpdatePath
) -> Response:
    """Repeat a firmware update that has ended, as a new one."""
    return _made(await updates.retry(access.tenant_id, identity, firmware_update_id, access.issued_by))


@router.post(
    "/firmware-updates/{firmware_update_id}/cancel",
    response_model=FirmwareUpdate,
    responses=problems(404, 409),
)
async def cancel_firmware_update(
    access: CommandAccess, updates: Updates, identity: IdentityPath, firmware_update_id: UpdatePath
) -> Response:
    """Cancel a firmware update that was not sent. One that was sent cannot be cancelled (409)."""
    job = await updates.cancel(access.tenant_id, identity, firmware_update_id)
    return resource_response(FirmwareUpdate.model_validate(job))


@router.get("/firmware-status", response_model=ReportedFirmwareStatus, responses=problems(304, 404))
async def get_firmware_status(
    access: ReadAccess, updates: Updates, identity: IdentityPath, if_none_match: IfNoneMatch = None
) -> Response:
    """Read the firmware status that a charge point has last reported, asked or not."""
    status = await updates.last_status(access.tenant_id, identity)
    return resource_response(ReportedFirmwareStatus.model_validate(status), if_none_match=if_none_match)


@list_router.get("/v1/firmware-updates", response_model=Page[FirmwareUpdate], responses=problems())
async def list_firmware_updates(
    access: ReadAccess, updates: Updates, query: Annotated[FirmwareUpdateQuery, Query()]
) -> Response:
    """List the firmware updates of all charge points, the newest first."""
    filters = FirmwareJobFilter(query.charge_point, query.state, query.campaign)
    rows = await updates.page(access.tenant_id, query.limit + 1, _after(query.cursor), filters)
    return _page(rows, query.limit)


def _after(cursor: str | None) -> tuple[datetime, UUID] | None:
    key = decode_cursor(cursor, IdentifiedMoment)
    return None if key is None else (key.at, key.id)


def _page(rows: list[FirmwareJob], limit: int) -> Response:
    page, next_cursor = cut_page(rows, limit, lambda row: (row.created_at, row.id))
    items = [FirmwareUpdate.model_validate(row) for row in page]
    return page_response(Page[FirmwareUpdate](items=items, next_cursor=next_cursor))


def _made(job: FirmwareJob) -> Response:
    path = location("/v1/charge-points", job.identity, "firmware-updates", str(job.id))
    return resource_response(FirmwareUpdate.model_validate(job), status_code=201, headers={"Location": path})
