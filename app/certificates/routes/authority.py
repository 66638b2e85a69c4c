"""`/v1/certificate-authority`: who signs the certificates of charge points."""

from typing import Annotated

from fastapi import Depends
from starlette.responses import Response

from app.certificates import records
from app.certificates.schemas.authorities import (
    CertificateAuthorities,
    CertificateAuthority,
    CertificateAuthorityCreate,
    ExternalAuthority,
    ExternalAuthorityPut,
    ExternalAuthorityWithSecret,
    RevocationList,
)
from app.certificates.schemas.common import NumberPath
from app.certificates.service.authorities import PATH, CertificateAuthorityService
from app.web.access import ReadAccess, WriteAccess
from app.web.conditional import IfNoneMatch, resource_response, secret_response
from app.web.json_body import body_of, json_body
from app.web.problems import problems
from app.web.routers import Tag, api_router
from app.web.services import provided

TAG = Tag(
    "certificates",
    "Certificates: who signs those of charge points, which roots are installed, and what will fail when.",
)
router = api_router(prefix=PATH, tags=[TAG])

Authorities = Annotated[CertificateAuthorityService, Depends(provided(CertificateAuthorityService))]


@router.get("", response_model=CertificateAuthorities, responses=problems(304))
async def list_certificate_authorities(
    access: ReadAccess, authorities: Authorities, if_none_match: IfNoneMatch = None
) -> Response:
    """List your certificate authorities, the newest first."""
    found = await authorities.all(access.tenant_id)
    items = [CertificateAuthority.model_validate(one) for one in found]
    return resource_response(CertificateAuthorities(items=items), if_none_match=if_none_match)


@router.post(
    "",
    response_model=CertificateAuthority,
    status_code=201,
    responses=problems(409, body=True),
    openapi_extra=body_of(CertificateAuthorityCreate),
)
async def create_certificate_authority(
    access: WriteAccess,
    authorities: Authorities,
    body: Annotated[CertificateAuthorityCreate, Depends(json_body(CertificateAuthorityCreate))],
) -> Response:
    """Make a certificate authority, which signs from now on. The one before it is trusted until its end."""
    new = records.NewAuthority(**dict(body))
    record = await authorities.create(access.tenant_id, new, access.issued_by)
    headers = {"Location": f"{PATH}/{record.id}"}
    return resource_response(CertificateAuthority.model_validate(record), status_code=201, headers=headers)


@router.get("/external", response_model=ExternalAuthority, responses=problems(304, 404))
async def get_external_certificate_authority(
    access: ReadAccess, authorities: Authorities, if_none_match: IfNoneMatch = None
) -> Response:
    """Read the external certificate authority, without its secret."""
    record = await authorities.external(access.tenant_id)
    return resource_response(ExternalAuthority.model_validate(record), if_none_match=if_none_match)


@router.put(
    "/external",
    response_model=ExternalAuthority,
    responses={
        201: {"model": ExternalAuthorityWithSecret, "description": "Created. The secret is shown only now."},
        **problems(body=True),
    },
    openapi_extra=body_of(ExternalAuthorityPut),
)
async def put_external_certificate_authority(
    access: WriteAccess,
    authorities: Authorities,
    body: Annotated[ExternalAuthorityPut, Depends(json_body(ExternalAuthorityPut))],
) -> Response:
    """Let a server of yours sign, instead of your certificate authority here. Its roots are trusted, too.

    It gets each request as JSON with `csr`, and answers with `chain`, or with the status `pending` or
    `refused`. A pending chain is posted later to `/v1/certificate-requests/{request_id}/chain`.
    """
    new = records.NewExternalAuthority(**dict(body))
    stored = await authorities.put_external(access.tenant_id, new, access.issued_by)
    shown = ExternalAuthority.model_validate(stored.record)
    if stored.secret is None:
        return resource_response(shown)
    return secret_response(
        ExternalAuthorityWithSecret(**shown.model_dump(), secret=stored.secret), f"{PATH}/external"
    )


@router.delete("/external", status_code=204, responses=problems(404))
async def delete_external_certificate_authority(access: WriteAccess, authorities: Authorities) -> Response:
    """Remove the external certificate authority. What it has signed is not accepted any longer."""
    await authorities.delete_external(access.tenant_id, access.issued_by)
    return Response(status_code=204)


@router.get("/{authority_id}", response_model=CertificateAuthority, responses=problems(304, 404))
async def get_certificate_authority(
    access: ReadAccess, authorities: Authorities, authority_id: NumberPath, if_none_match: IfNoneMatch = None
) -> Response:
    """Read one certificate authority, with its root in PEM."""
    record = await authorities.get(access.tenant_id, authority_id)
    return resource_response(CertificateAuthority.model_validate(record), if_none_match=if_none_match)


@router.post("/{authority_id}/distrust", response_model=CertificateAuthority, responses=problems(404))
async def distrust_certificate_authority(
    access: WriteAccess, authorities: Authorities, authority_id: NumberPath
) -> Response:
    """Accept no certificate of an authority any longer, for example because its key is known to others."""
    record = await authorities.distrust(access.tenant_id, authority_id, access.issued_by)
    return resource_response(CertificateAuthority.model_validate(record))


@router.get("/{authority_id}/revocation-list", response_model=RevocationList, responses=problems(404, 503))
async def get_revocation_list(
    access: ReadAccess, authorities: Authorities, authority_id: NumberPath
) -> Response:
    """Make a revocation list of an authority, as it is now."""
    text = await authorities.revocation_list(access.tenant_id, authority_id)
    return resource_response(RevocationList(revocation_list=text))
