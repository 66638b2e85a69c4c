"""Routes of keys and security profiles, of one charge point and of the tenant."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Path, Query
from starlette.responses import Response

from app.security_changes.schemas import (
    CredentialRotationPolicy,
    CredentialRotationPolicyPut,
    MinimumSecurityProfile,
    SecurityChange,
    SecurityProfile,
    SecurityProfileRaise,
    TenantSecurityProfile,
)
from app.security_changes.service import SecurityChangeService
from app.web.access import CommandAccess, ReadAccess, TenantAdminAccess, WriteAccess
from app.web.conditional import IfNoneMatch, page_response, resource_response
from app.web.inputs import IdentityPath, Paging
from app.web.json_body import body_of, json_body
from app.web.pagination import IdentifiedMoment, Page, cut_page, decode_cursor
from app.web.paths import location
from app.web.problems import problems
from app.web.routers import Tag, api_router
from app.web.services import provided

TAG = Tag("security-profiles", "Keys and security profiles of charge points, and how they are changed.")
router = api_router(prefix="/v1/charge-points/{identity}", tags=[TAG])
tenant_router = api_router(prefix="/v1", tags=[TAG])

Changes = Annotated[SecurityChangeService, Depends(provided(SecurityChangeService))]
ChangeIdPath = Annotated[UUID, Path(description="Id of the change.", examples=[SecurityChange.example["id"]])]


@router.post(
    "/credential/rotations", response_model=SecurityChange, status_code=201, responses=problems(404, 409)
)
async def rotate_credential(access: CommandAccess, changes: Changes, identity: IdentityPath) -> Response:
    """Send a new random key to the charge point. It is never shown.

    If the answer is lost, the old and the new key both log in until the first login with the new one, or for
    24 hours.
    """
    change = await changes.rotate(access.tenant_id, identity, access.issued_by)
    headers = {"Location": location("/v1/charge-points", identity, "credential", "rotations", str(change.id))}
    return resource_response(SecurityChange.of(change), status_code=201, headers=headers)


@router.get("/credential/rotations", response_model=Page[SecurityChange], responses=problems(404))
async def list_credential_rotations(
    access: ReadAccess, changes: Changes, identity: IdentityPath, query: Annotated[Paging, Query()]
) -> Response:
    """List the replacements of the key of a charge point, the newest first."""
    after = decode_cursor(query.cursor, IdentifiedMoment)
    before = None if after is None else after.at
    found = await changes.changes(access.tenant_id, identity, "credential", query.limit + 1, before)
    page, next_cursor = cut_page(
        found, query.limit, lambda change: IdentifiedMoment(change.requested_at, change.id)
    )
    items = [SecurityChange.of(change) for change in page]
    return page_response(Page[SecurityChange](items=items, next_cursor=next_cursor))


@router.get("/credential/rotations/{change_id}", response_model=SecurityChange, responses=problems(304, 404))
async def get_credential_rotation(
    access: ReadAccess,
    changes: Changes,
    identity: IdentityPath,
    change_id: ChangeIdPath,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Read one replacement of a key: the answer, and the login that has proved it."""
    change = await changes.change(access.tenant_id, identity, "credential", change_id)
    return resource_response(SecurityChange.of(change), if_none_match=if_none_match)


@router.get("/security-profile", response_model=SecurityProfile, responses=problems(304, 404))
async def get_security_profile(
    access: ReadAccess, changes: Changes, identity: IdentityPath, if_none_match: IfNoneMatch = None
) -> Response:
    """Read the security profile of a charge point, its minimum, and the newest raise."""
    state = await changes.profile(access.tenant_id, identity)
    return resource_response(SecurityProfile.of(state), if_none_match=if_none_match)


@router.post(
    "/security-profile",
    response_model=SecurityChange,
    status_code=201,
    responses=problems(404, 409, body=True),
    openapi_extra=body_of(SecurityProfileRaise),
)
async def raise_security_profile(
    access: CommandAccess,
    changes: Changes,
    identity: IdentityPath,
    body: Annotated[SecurityProfileRaise, Depends(json_body(SecurityProfileRaise))],
) -> Response:
    """Ask the charge point to use a higher security profile. After a login on it no lower one is accepted.

    OCPP can only raise the profile. A charge point that cannot connect on the new one falls back by itself.
    """
    change = await changes.raise_profile(
        access.tenant_id,
        identity,
        body.profile,
        access.issued_by,
        certificate_installed=body.certificate_installed,
    )
    headers = {"Location": location("/v1/charge-points", identity, "security-profile")}
    return resource_response(SecurityChange.of(change), status_code=201, headers=headers)


@router.put(
    "/security-profile/minimum",
    response_model=SecurityProfile,
    responses=problems(404, body=True),
    openapi_extra=body_of(MinimumSecurityProfile),
)
async def set_minimum_security_profile(
    access: TenantAdminAccess,
    changes: Changes,
    identity: IdentityPath,
    body: Annotated[MinimumSecurityProfile, Depends(json_body(MinimumSecurityProfile))],
) -> Response:
    """Set the lowest security profile that is accepted of a charge point. The only way to lower it.

    A connection that is open stays.
    """
    state = await changes.set_minimum(access.tenant_id, identity, body.profile, access.issued_by, body.reason)
    return resource_response(SecurityProfile.of(state))


@tenant_router.get("/security-profile", response_model=TenantSecurityProfile, responses=problems(304))
async def get_tenant_security_profile(
    access: ReadAccess, changes: Changes, if_none_match: IfNoneMatch = None
) -> Response:
    """Read the lowest security profile that is accepted of your charge points."""
    minimum = await changes.tenant_minimum(access.tenant_id)
    return resource_response(TenantSecurityProfile(minimum=minimum), if_none_match=if_none_match)


@tenant_router.put(
    "/security-profile",
    response_model=TenantSecurityProfile,
    responses=problems(body=True),
    openapi_extra=body_of(MinimumSecurityProfile),
)
async def set_tenant_security_profile(
    access: TenantAdminAccess,
    changes: Changes,
    body: Annotated[MinimumSecurityProfile, Depends(json_body(MinimumSecurityProfile))],
) -> Response:
    """Set the lowest security profile that is accepted of your charge points.

    It does not count for those with `no_credential`. Connections that are open stay.
    """
    minimum = await changes.set_tenant_minimum(access.tenant_id, body.profile, access.issued_by, body.reason)
    return resource_response(TenantSecurityProfile(minimum=minimum))


@tenant_router.get(
    "/credential-rotation-policy", response_model=CredentialRotationPolicy, responses=problems(304, 404)
)
async def get_credential_rotation_policy(
    access: ReadAccess, changes: Changes, if_none_match: IfNoneMatch = None
) -> Response:
    """Read how often the keys of your charge points are replaced. 404: by hand only."""
    policy = await changes.policy(access.tenant_id)
    return resource_response(CredentialRotationPolicy.model_validate(policy), if_none_match=if_none_match)


@tenant_router.put(
    "/credential-rotation-policy",
    response_model=CredentialRotationPolicy,
    responses=problems(body=True),
    openapi_extra=body_of(CredentialRotationPolicyPut),
)
async def put_credential_rotation_policy(
    access: WriteAccess,
    changes: Changes,
    body: Annotated[CredentialRotationPolicyPut, Depends(json_body(CredentialRotationPolicyPut))],
) -> Response:
    """Have keys replaced when they are this old, a few at a time, while their charge points are connected.

    One that refuses or fails is asked again after a day.
    """
    policy = await changes.set_policy(access.tenant_id, body.every_days, access.issued_by)
    return resource_response(CredentialRotationPolicy.model_validate(policy))


@tenant_router.delete("/credential-rotation-policy", status_code=204, responses=problems(404))
async def delete_credential_rotation_policy(access: WriteAccess, changes: Changes) -> Response:
    """Replace keys by hand only."""
    await changes.delete_policy(access.tenant_id, access.issued_by)
    return Response(status_code=204)
