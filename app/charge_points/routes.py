"""`/v1/charge-points`: the charge points of a tenant, their credentials, and who is connected now."""

from typing import Annotated, TypeVar

from fastapi import Depends, Query
from pydantic import Field
from pydantic.json_schema import SkipJsonSchema
from starlette.responses import Response

from app.charge_points.records import ChargePointFilter, ChargePointRecord, RegistrationStatus
from app.charge_points.schemas import (
    CHARGE_POINT_LIVE_FIELDS,
    ChargePoint,
    ChargePointChange,
    ChargePointCreate,
    Credential,
    NewChargePoint,
)
from app.charge_points.service import evict, new_credential
from app.charge_points.store import ChargePointReads, ChargePointStore
from app.database.unit_of_work import TenantWork
from app.errors import NotFound, Unauthorized
from app.tenants.records import TenantRecord
from app.tenants.store import TenantStore
from app.web import hot_reads
from app.web.access import ReadAccess, Services, ServicesDependency, TenantAccess, WriteAccess
from app.web.conditional import (
    IfMatch,
    IfNoneMatch,
    encoded_page_response,
    encoded_response,
    entity_tag,
    require_match,
    resource_response,
    secret_response,
)
from app.web.hot_reads import encoded, encoded_page, settled
from app.web.inputs import Identity, IdentityPath, Paging
from app.web.json_body import body_of, json_body
from app.web.locations import location
from app.web.pagination import Page, TextKey, cut_page, decode_cursor
from app.web.problems import problems
from app.web.routers import api_router

Found = TypeVar("Found")

router = api_router(prefix="/v1/charge-points", tags=["charge-points"])

_EXAMPLE = {"identity": "RDAM-0123", "name": "Car park, level 2", "heartbeat_interval_s": 300}


class ChargePointQuery(Paging):
    """How to narrow the listing of charge points."""

    prefix: Annotated[
        Identity | SkipJsonSchema[None],
        Field(description="What the identity begins with, in this case."),
    ] = None
    registration_status: RegistrationStatus | SkipJsonSchema[None] = None


async def existing_charge_point(
    work: TenantWork, identity: str, *, to_change: bool = False
) -> ChargePointRecord:
    """The charge point of this identity. to_change: locked, so that what is compared is what is changed.

    Raises:
        NotFound: the tenant has none.
    """
    return known(await ChargePointStore(work).get(identity, to_change=to_change))


def known(charge_point: Found | None) -> Found:
    """What was found of a charge point.

    Raises:
        NotFound: nothing: the tenant has none of this identity.
    """
    if charge_point is None:
        raise NotFound("There is no such charge point.", "identity")
    return charge_point


async def own_tenant(services: Services, access: TenantAccess) -> TenantRecord:
    """The tenant of the caller.

    Raises:
        Unauthorized: it was deleted a moment ago, and its keys with it.
    """
    async with services.database.platform() as work:
        tenant = await TenantStore(work).get(access.tenant_id)
    if tenant is None:
        raise Unauthorized
    return tenant


@router.get("", response_model=Page[ChargePoint], responses=problems())
async def list_charge_points(
    access: ReadAccess, services: ServicesDependency, query: Annotated[ChargePointQuery, Query()]
) -> Response:
    """List charge points in the order of their identity, each with its live state."""
    after = decode_cursor(query.cursor, TextKey)
    filters = ChargePointFilter(identity_prefix=query.prefix, registration_status=query.registration_status)
    rows = await ChargePointReads(services.database.reads, access.tenant_id).page(
        query.limit + 1, after, filters
    )
    page, next_cursor = cut_page(rows, query.limit, lambda row: row["identity"])
    owners = await services.presence.find_many(access.tenant_id, [row["identity"] for row in page])
    since = {identity: owner.connected_at for identity, owner in owners.items()}
    items = [hot_reads.charge_point(row, since.get(row["identity"])) for row in page]
    return encoded_page_response(encoded_page(items, next_cursor))


@router.post(
    "",
    response_model=NewChargePoint,
    status_code=201,
    responses=problems(409, body=True),
    openapi_extra=body_of(ChargePointCreate, _EXAMPLE),
)
async def create_charge_point(
    access: WriteAccess,
    services: ServicesDependency,
    body: Annotated[ChargePointCreate, Depends(json_body(ChargePointCreate))],
) -> Response:
    """Create a charge point. Its password is in this answer and never shown again."""
    tenant = await own_tenant(services, access)
    minted = None if body.no_credential else new_credential(services, tenant.slug, body.identity)
    async with services.database.tenant(access.tenant_id) as work:
        record = await ChargePointStore(work).create(
            body.identity,
            name=body.name,
            registration_status=body.registration_status or tenant.default_registration,
            credential_hash=None if minted is None else minted.stored,
            no_credential=body.no_credential,
        )
        if body.heartbeat_interval_s is not None:
            changes = {"heartbeat_interval_s": body.heartbeat_interval_s}
            record = await ChargePointStore(work).update(body.identity, **changes) or record
    shown = NewChargePoint(
        charge_point=ChargePoint.of(record, None), credential=None if minted is None else minted.shown
    )
    return secret_response(shown, location("/v1/charge-points", record.identity))


@router.get("/{identity}", response_model=ChargePoint, responses=problems(304, 404))
async def get_charge_point(
    access: ReadAccess,
    services: ServicesDependency,
    identity: IdentityPath,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Read one charge point with its live state, whichever worker holds its socket."""
    row = known(await ChargePointReads(services.database.reads, access.tenant_id).get(identity))
    owner = await services.presence.find(access.tenant_id, identity)
    fields = hot_reads.charge_point(row, None if owner is None else owner.connected_at)
    return encoded_response(encoded(fields), settled(fields), if_none_match=if_none_match)


@router.patch(
    "/{identity}",
    response_model=ChargePoint,
    responses=problems(404, 412, body=True),
    openapi_extra=body_of(
        ChargePointChange, {"name": "Car park, level 3", "heartbeat_interval_s": None}, patch=True
    ),
)
async def change_charge_point(
    access: WriteAccess,
    services: ServicesDependency,
    identity: IdentityPath,
    body: Annotated[ChargePointChange, Depends(json_body(ChargePointChange))],
    if_match: IfMatch = None,
) -> Response:
    """Change a charge point (merge patch, RFC 7396). A new status counts from its next boot on."""
    async with services.database.tenant(access.tenant_id) as work:
        record = await existing_charge_point(work, identity, to_change=True)
        require_match(if_match, entity_tag(ChargePoint.of(record, None), CHARGE_POINT_LIVE_FIELDS))
        if body.changes():
            record = await ChargePointStore(work).update(identity, **body.changes()) or record
    owner = await services.presence.find(access.tenant_id, identity)
    resource = ChargePoint.of(record, None if owner is None else owner.connected_at)
    return resource_response(resource, live_fields=CHARGE_POINT_LIVE_FIELDS)


@router.delete("/{identity}", status_code=204, responses=problems(404, 409))
async def delete_charge_point(
    access: WriteAccess, services: ServicesDependency, identity: IdentityPath
) -> Response:
    """Delete a charge point and close its connection. One with billing records stays, as they do."""
    async with services.database.tenant(access.tenant_id) as work:
        if not await ChargePointStore(work).delete(identity):
            raise NotFound("There is no such charge point.", "identity")
    await evict(services, access.tenant_id, [identity])
    return Response(status_code=204)


@router.post("/{identity}/credentials", response_model=Credential, status_code=201, responses=problems(404))
async def replace_credentials(
    access: WriteAccess, services: ServicesDependency, identity: IdentityPath
) -> Response:
    """Generate a new password and show it this once. The old one ends at once, and so does its connection."""
    tenant = await own_tenant(services, access)
    minted = new_credential(services, tenant.slug, identity)
    async with services.database.tenant(access.tenant_id) as work:
        record = await existing_charge_point(work, identity)
        await ChargePointStore(work).set_credential(record.id, minted.stored)
    await evict(services, access.tenant_id, [identity])
    return secret_response(minted.shown)
