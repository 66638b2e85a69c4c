"""`/v1/certificate-requests` and `/v1/charge-point-certificates`: what charge points ask for and get."""

from typing import Annotated

from fastapi import Depends, Query
from pydantic import Field
from pydantic.json_schema import SkipJsonSchema
from starlette.responses import Response

from app.certificates.records import RequestState
from app.certificates.schemas.certificates import (
    CertificateRequest,
    ChainPost,
    ChargePointCertificate,
    RevocationPost,
    ShownState,
    shown_certificate,
)
from app.certificates.schemas.common import NumberPath, SerialPath
from app.certificates.service.requests import CERTIFICATES_PATH, CertificateService
from app.certificates.store.certificates import CertificateFilter
from app.certificates.store.requests import RequestFilter
from app.web.access import ReadAccess, WriteAccess
from app.web.conditional import IfNoneMatch, page_response, resource_response
from app.web.inputs import Identity, Paging
from app.web.json_body import body_of, json_body
from app.web.pagination import LargeIntegerKey, Page, cut_page, decode_cursor
from app.web.problems import problems
from app.web.routers import api_router
from app.web.services import provided

router = api_router(prefix=CERTIFICATES_PATH, tags=["certificates"])
request_router = api_router(prefix="/v1/certificate-requests", tags=["certificates"])

Certificates = Annotated[CertificateService, Depends(provided(CertificateService))]
_ChargePoint = Annotated[Identity | SkipJsonSchema[None], Field(description="Identity of the charge point.")]


class RequestQuery(Paging):
    """The query of the list of requests."""

    charge_point: _ChargePoint = None
    state: RequestState | SkipJsonSchema[None] = None


class CertificateQuery(Paging):
    """The query of the list of certificates."""

    charge_point: _ChargePoint = None
    state: ShownState | SkipJsonSchema[None] = None


@request_router.get("", response_model=Page[CertificateRequest], responses=problems())
async def list_certificate_requests(
    access: ReadAccess, certificates: Certificates, query: Annotated[RequestQuery, Query()]
) -> Response:
    """List what charge points have asked for, the newest first. The newest 50 of each one are kept."""
    after = decode_cursor(query.cursor, LargeIntegerKey)
    filters = RequestFilter(query.charge_point, query.state)
    rows = await certificates.requests(access.tenant_id, query.limit + 1, after, filters)
    page, next_cursor = cut_page(rows, query.limit, lambda row: row.id)
    items = [CertificateRequest.model_validate(row) for row in page]
    return page_response(Page[CertificateRequest](items=items, next_cursor=next_cursor))


@request_router.get("/{request_id}", response_model=CertificateRequest, responses=problems(304, 404))
async def get_certificate_request(
    access: ReadAccess, certificates: Certificates, request_id: NumberPath, if_none_match: IfNoneMatch = None
) -> Response:
    """Read one request."""
    record = await certificates.request(access.tenant_id, request_id)
    return resource_response(CertificateRequest.model_validate(record), if_none_match=if_none_match)


@request_router.post(
    "/{request_id}/chain",
    response_model=CertificateRequest,
    responses=problems(404, 409, body=True),
    openapi_extra=body_of(ChainPost),
)
async def post_certificate_chain(
    access: WriteAccess,
    certificates: Certificates,
    request_id: NumberPath,
    body: Annotated[ChainPost, Depends(json_body(ChainPost))],
) -> Response:
    """Hand in what your external authority has signed. It is sent to the charge point next."""
    record = await certificates.put_chain(access.tenant_id, request_id, body.chain)
    return resource_response(CertificateRequest.model_validate(record))


@router.get("", response_model=Page[ChargePointCertificate], responses=problems())
async def list_charge_point_certificates(
    access: ReadAccess, certificates: Certificates, query: Annotated[CertificateQuery, Query()]
) -> Response:
    """List the certificates of charge points, the newest first."""
    after, now = decode_cursor(query.cursor, LargeIntegerKey), certificates.clock.now()
    filters = CertificateFilter(now, query.charge_point, query.state)
    rows = await certificates.certificates(access.tenant_id, query.limit + 1, after, filters)
    page, next_cursor = cut_page(rows, query.limit, lambda row: row.id)
    items = [shown_certificate(row, now) for row in page]
    return page_response(Page[ChargePointCertificate](items=items, next_cursor=next_cursor))


@router.post(
    "/{serial}/revocation",
    response_model=ChargePointCertificate,
    responses=problems(404, 409, body=True),
    openapi_extra=body_of(RevocationPost),
)
async def revoke_charge_point_certificate(
    access: WriteAccess,
    certificates: Certificates,
    serial: SerialPath,
    body: Annotated[RevocationPost, Depends(json_body(RevocationPost))],
) -> Response:
    """Revoke a certificate: from now on no charge point connects with it."""
    record = await certificates.revoke(access.tenant_id, serial, body.reason, access.issued_by)
    return resource_response(shown_certificate(record, certificates.clock.now()))
