"""`/v1/diagnostics`: uploads of diagnostics and logs that charge points are asked for."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Path, Query
from starlette.responses import Response

from app.diagnostics.records import DiagnosticsJob, JobFilter, JobRequest
from app.diagnostics.schemas import (
    DiagnosticsJobShown,
    DiagnosticsQuery,
    DiagnosticsRequest,
    DiagnosticsRetry,
    UploadStatus,
    UploadStatuses,
)
from app.diagnostics.service import DiagnosticsService
from app.web.access import CommandAccess, ReadAccess
from app.web.conditional import IfNoneMatch, page_response, resource_response
from app.web.inputs import IdentityPath
from app.web.json_body import body_of, json_body
from app.web.pagination import IdentifiedMoment, Page, cut_page, decode_cursor
from app.web.paths import location
from app.web.problems import problems
from app.web.routers import Tag, api_router
from app.web.services import provided

_TAG = Tag("diagnostics", "Diagnostics and logs that charge points upload: ask for them and follow them.")
router = api_router(prefix="/v1/diagnostics", tags=[_TAG])
charge_point_router = api_router(prefix="/v1/charge-points/{identity}", tags=[_TAG])

Service = Annotated[DiagnosticsService, Depends(provided(DiagnosticsService))]
JobIdPath = Annotated[UUID, Path(description="Id of the job.")]


@charge_point_router.post(
    "/diagnostics",
    response_model=DiagnosticsJobShown,
    status_code=202,
    responses=problems(404, 409, body=True),
    openapi_extra=body_of(DiagnosticsRequest),
)
async def request_diagnostics(
    access: CommandAccess,
    service: Service,
    identity: IdentityPath,
    body: Annotated[DiagnosticsRequest, Depends(json_body(DiagnosticsRequest))],
) -> Response:
    """Ask a charge point to upload its diagnostics or a log. The answer is a job, which follows the upload.

    `not_delivered` means that the charge point is not connected.
    """
    job = await service.request(access.tenant_id, identity, JobRequest(**dict(body)), access.issued_by)
    return _accepted(job)


@charge_point_router.get("/diagnostics-status", response_model=UploadStatuses, responses=problems(304, 404))
async def get_diagnostics_status(
    access: ReadAccess, service: Service, identity: IdentityPath, if_none_match: IfNoneMatch = None
) -> Response:
    """Read the last statuses that a charge point has sent about uploads, also those that no job asked for."""
    found = await service.statuses(access.tenant_id, identity)
    items = [UploadStatus.model_validate(status) for status in found]
    return resource_response(UploadStatuses(items=items), if_none_match=if_none_match)


@router.get("", response_model=Page[DiagnosticsJobShown], responses=problems())
async def list_diagnostics(
    access: ReadAccess, service: Service, query: Annotated[DiagnosticsQuery, Query()]
) -> Response:
    """List jobs, the newest first. Those that have ended are kept for a year."""
    key = decode_cursor(query.cursor, IdentifiedMoment)
    filters = JobFilter(query.charge_point, query.kind, query.state)
    after = None if key is None else (key.at, key.id)
    rows = await service.page(access.tenant_id, query.limit + 1, after, filters)
    page, next_cursor = cut_page(rows, query.limit, lambda row: (row.created_at, row.id))
    return page_response(
        Page[DiagnosticsJobShown](items=[_shown(row) for row in page], next_cursor=next_cursor)
    )


@router.get("/{job_id}", response_model=DiagnosticsJobShown, responses=problems(304, 404))
async def get_diagnostics(
    access: ReadAccess, service: Service, job_id: JobIdPath, if_none_match: IfNoneMatch = None
) -> Response:
    """Read one job: its state, each status with its time, and the file when it has come."""
    job = await service.get(access.tenant_id, job_id)
    return resource_response(_shown(job), if_none_match=if_none_match)


@router.post(
    "/{job_id}/retries",
    response_model=DiagnosticsJobShown,
    status_code=202,
    responses=problems(404, 409, body=True),
    openapi_extra=body_of(DiagnosticsRetry),
)
async def retry_diagnostics(
    access: CommandAccess,
    service: Service,
    job_id: JobIdPath,
    body: Annotated[DiagnosticsRetry, Depends(json_body(DiagnosticsRetry))],
) -> Response:
    """Repeat a job that has ended without a file. The answer is a new job."""
    job = await service.retry(access.tenant_id, job_id, access.issued_by, body.location)
    return _accepted(job)


def _accepted(job: DiagnosticsJob) -> Response:
    headers = {"Location": location("/v1/diagnostics", str(job.id))}
    return resource_response(_shown(job), status_code=202, headers=headers)


def _shown(job: DiagnosticsJob) -> DiagnosticsJobShown:
    return DiagnosticsJobShown.model_validate(job)
