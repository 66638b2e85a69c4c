"""`/v1/plug-and-charge`: the servers outside, how contracts are checked, and V2G certificate requests."""

from typing import Annotated

from fastapi import Depends, Path, Query
from pydantic import Field
from pydantic.json_schema import SkipJsonSchema
from starlette.responses import Response

from app.plug_and_charge.records import (
    ContractEndpoint,
    ContractValidation,
    StoredSetting,
    V2gAuthority,
    V2gRequestState,
)
from app.plug_and_charge.schemas import (
    ContractCertificateEndpoint,
    ContractCertificateEndpointPut,
    ContractCertificateEndpointWithSecret,
    ContractValidationPut,
    ContractValidationResource,
    PlugAndChargeAuthority,
    PlugAndChargeAuthorityPut,
    PlugAndChargeAuthorityWithSecret,
    V2gCertificateRequest,
    V2gChainPost,
)
from app.plug_and_charge.service.requests import V2gRequestService
from app.plug_and_charge.service.settings import PATH, PlugAndChargeSettingService
from app.plug_and_charge.store.requests import V2gRequestFilter
from app.web.access import ReadAccess, WriteAccess
from app.web.conditional import IfNoneMatch, page_response, resource_response
from app.web.inputs import DIGITS, Identity, Paging
from app.web.json_body import body_of, json_body
from app.web.pagination import LargeIntegerKey, Page, cut_page, decode_cursor
from app.web.problems import problems
from app.web.resources import Json
from app.web.routers import Tag, api_router
from app.web.services import provided

_TAG = Tag("plug-and-charge", "Plug & Charge (ISO 15118) over DataTransfer: contracts, and certificates.")
router = api_router(prefix=PATH, tags=[_TAG])

Stored = Annotated[PlugAndChargeSettingService, Depends(provided(PlugAndChargeSettingService))]
Requests = Annotated[V2gRequestService, Depends(provided(V2gRequestService))]
V2gRequestIdPath = Annotated[
    int, Field(ge=1, le=2**63 - 1), DIGITS, Path(description="Id of the request.", examples=[1])
]


class V2gRequestQuery(Paging):
    """The query of the list of requests."""

    charge_point: Annotated[
        Identity | SkipJsonSchema[None], Field(description="Identity of the charge point.")
    ] = None
    state: V2gRequestState | SkipJsonSchema[None] = None


def _members(stored: StoredSetting) -> Json:
    return {**stored.settings, "created_at": stored.created_at, "updated_at": stored.updated_at}


@router.get(
    "/contract-certificate-endpoint", response_model=ContractCertificateEndpoint, responses=problems(304, 404)
)
async def get_contract_certificate_endpoint(
    access: ReadAccess, settings: Stored, if_none_match: IfNoneMatch = None
) -> Response:
    """Read the server that issues contract certificates, without its credential."""
    shown = ContractCertificateEndpoint(
        **_members(await settings.stored(access.tenant_id, "contract_endpoint"))
    )
    return resource_response(shown, if_none_match=if_none_match)


@router.put(
    "/contract-certificate-endpoint",
    response_model=ContractCertificateEndpointWithSecret,
    responses=problems(body=True),
    openapi_extra=body_of(ContractCertificateEndpointPut),
)
async def put_contract_certificate_endpoint(
    access: WriteAccess,
    settings: Stored,
    body: Annotated[ContractCertificateEndpointPut, Depends(json_body(ContractCertificateEndpointPut))],
) -> Response:
    """Forward Get15118EVCertificate to a server: it gets `exiRequest`, and answers with `exiResponse`.

    The secret is shown when it is made, and never again.
    """
    setting = ContractEndpoint(body.url, body.deadline_ms, body.header)
    changed = await settings.put(access.tenant_id, setting, access.issued_by, body.authorization)
    shown = ContractCertificateEndpointWithSecret(**_members(changed.stored), secret=changed.secret)
    return resource_response(shown, headers={"Cache-Control": "no-store"})


@router.delete("/contract-certificate-endpoint", status_code=204, responses=problems(404))
async def delete_contract_certificate_endpoint(access: WriteAccess, settings: Stored) -> Response:
    """Remove the server: Get15118EVCertificate is answered Failed."""
    await settings.delete(access.tenant_id, "contract_endpoint", access.issued_by)
    return Response(status_code=204)


@router.get("/v2g-authority", response_model=PlugAndChargeAuthority, responses=problems(304, 404))
async def get_plug_and_charge_authority(
    access: ReadAccess, settings: Stored, if_none_match: IfNoneMatch = None
) -> Response:
    """Read the server that signs V2G certificates, without its secret."""
    shown = PlugAndChargeAuthority(**_members(await settings.stored(access.tenant_id, "v2g_authority")))
    return resource_response(shown, if_none_match=if_none_match)


@router.put(
    "/v2g-authority",
    response_model=PlugAndChargeAuthorityWithSecret,
    responses=problems(body=True),
    openapi_extra=body_of(PlugAndChargeAuthorityPut),
)
async def put_plug_and_charge_authority(
    access: WriteAccess,
    settings: Stored,
    body: Annotated[PlugAndChargeAuthorityPut, Depends(json_body(PlugAndChargeAuthorityPut))],
) -> Response:
    """Let a server sign the V2G certificates of charge points.

    It gets each request as JSON with `csr`, and answers with `chain`, or with the status `pending` or
    `refused`. Its roots are not trusted for logins of charge points. The secret is shown when it is made.
    """
    setting = V2gAuthority(body.url, body.anchors)
    changed = await settings.put(access.tenant_id, setting, access.issued_by)
    shown = PlugAndChargeAuthorityWithSecret(**_members(changed.stored), secret=changed.secret)
    return resource_response(shown, headers={"Cache-Control": "no-store"})


@router.delete("/v2g-authority", status_code=204, responses=problems(404))
async def delete_plug_and_charge_authority(access: WriteAccess, settings: Stored) -> Response:
    """Remove the server: SignCertificate for V2G certificates is answered Rejected."""
    await settings.delete(access.tenant_id, "v2g_authority", access.issued_by)
    return Response(status_code=204)


@router.get("/validation", response_model=ContractValidationResource, responses=problems(304, 404))
async def get_contract_validation(
    access: ReadAccess, settings: Stored, if_none_match: IfNoneMatch = None
) -> Response:
    """Read how contracts are checked."""
    shown = ContractValidationResource(**_members(await settings.stored(access.tenant_id, "validation")))
    return resource_response(shown, if_none_match=if_none_match)


@router.put(
    "/validation",
    response_model=ContractValidationResource,
    responses=problems(body=True),
    openapi_extra=body_of(ContractValidationPut),
)
async def put_contract_validation(
    access: WriteAccess,
    settings: Stored,
    body: Annotated[ContractValidationPut, Depends(json_body(ContractValidationPut))],
) -> Response:
    """Set how contracts are checked. Members that are not given have their defaults."""
    changed = await settings.put(access.tenant_id, ContractValidation(**dict(body)), access.issued_by)
    return resource_response(ContractValidationResource(**_members(changed.stored)))


@router.delete("/validation", status_code=204, responses=problems(404))
async def delete_contract_validation(access: WriteAccess, settings: Stored) -> Response:
    """Check contracts by the defaults again."""
    await settings.delete(access.tenant_id, "validation", access.issued_by)
    return Response(status_code=204)


@router.get("/certificate-requests", response_model=Page[V2gCertificateRequest], responses=problems())
async def list_plug_and_charge_requests(
    access: ReadAccess, requests: Requests, query: Annotated[V2gRequestQuery, Query()]
) -> Response:
    """List the V2G certificates that charge points ask for, the newest first. 50 of each one are kept."""
    after = decode_cursor(query.cursor, LargeIntegerKey)
    filters = V2gRequestFilter(query.charge_point, query.state)
    rows = await requests.page(access.tenant_id, query.limit + 1, after, filters)
    page, next_cursor = cut_page(rows, query.limit, lambda row: row.id)
    items = [V2gCertificateRequest.model_validate(row) for row in page]
    return page_response(Page[V2gCertificateRequest](items=items, next_cursor=next_cursor))


@router.get(
    "/certificate-requests/{v2g_request_id}",
    response_model=V2gCertificateRequest,
    responses=problems(304, 404),
)
async def get_plug_and_charge_request(
    access: ReadAccess,
    requests: Requests,
    v2g_request_id: V2gRequestIdPath,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Read one request."""
    record = await requests.get(access.tenant_id, v2g_request_id)
    return resource_response(V2gCertificateRequest.model_validate(record), if_none_match=if_none_match)


@router.post(
    "/certificate-requests/{v2g_request_id}/chain",
    response_model=V2gCertificateRequest,
    responses=problems(404, 409, body=True),
    openapi_extra=body_of(V2gChainPost),
)
async def post_plug_and_charge_chain(
    access: WriteAccess,
    requests: Requests,
    v2g_request_id: V2gRequestIdPath,
    body: Annotated[V2gChainPost, Depends(json_body(V2gChainPost))],
) -> Response:
    """Hand in what the authority has signed. It is sent to the charge point next."""
    record = await requests.put_chain(access.tenant_id, v2g_request_id, body.chain)
    return resource_response(V2gCertificateRequest.model_validate(record))
