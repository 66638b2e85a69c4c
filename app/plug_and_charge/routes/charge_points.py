"""`/v1/charge-points/{identity}/plug-and-charge`: certificates for ISO 15118 on a charge point."""

from typing import Annotated, Any

from fastapi import Depends, Query
from starlette.responses import Response

from app.certificates.service.installed import CommandOptions
from app.commands.routes import IdempotencyKey, IssueQuery
from app.commands.rules import OPEN_COMMAND_STATES
from app.commands.schemas import Command
from app.plug_and_charge.schemas import (
    Iso15118CertificateDeletion,
    Iso15118CertificatePost,
    Iso15118CertificateRefresh,
    Iso15118Certificates,
    PlugAndChargeCommand,
)
from app.plug_and_charge.service.operations import AnsweredOperation, PlugAndChargeOperations
from app.web.access import CommandAccess, ReadAccess, TenantAccess
from app.web.conditional import IfNoneMatch, resource_response
from app.web.inputs import IdentityPath
from app.web.json_body import body_of, json_body
from app.web.problems import problems
from app.web.routers import api_router
from app.web.services import provided

router = api_router(prefix="/v1/charge-points/{identity}/plug-and-charge", tags=["plug-and-charge"])

Operations = Annotated[PlugAndChargeOperations, Depends(provided(PlugAndChargeOperations))]


def _responses(*, body: bool = False) -> dict[int | str, dict[str, Any]]:
    ended = {
        "model": PlugAndChargeCommand,
        "description": "With `wait`: the command has ended, in whatever state.",
    }
    return {200: ended, **problems(404, 409, body=body)}


def _options(access: TenantAccess, query: IssueQuery, idempotency_key: str | None) -> CommandOptions:
    return CommandOptions(access.issued_by, query.timeout_s, idempotency_key, query.wait)


def _answer(answered: AnsweredOperation, waited: int) -> Response:
    inner = answered.inner
    final = answered.command.state not in OPEN_COMMAND_STATES
    shown = PlugAndChargeCommand(
        command=Command.model_validate(answered.command),
        status=inner.status,
        detail=inner.detail,
        certificates=inner.certificates,
    )
    return resource_response(shown, status_code=200 if waited and final else 202)


@router.get("/certificates", response_model=Iso15118Certificates, responses=problems(304, 404))
async def list_plug_and_charge_certificates(
    access: ReadAccess, operations: Operations, identity: IdentityPath, if_none_match: IfNoneMatch = None
) -> Response:
    """List the certificates for ISO 15118 that a charge point has last reported. Refresh them first."""
    report = await operations.report(access.tenant_id, identity)
    shown = Iso15118Certificates(
        reported_at=None if report is None else report.reported_at,
        status=None if report is None else report.status,
        command_id=None if report is None else report.command_id,
        items=[] if report is None else report.certificates,
    )
    return resource_response(shown, if_none_match=if_none_match)


@router.post(
    "/certificates",
    response_model=PlugAndChargeCommand,
    status_code=202,
    responses=_responses(body=True),
    openapi_extra=body_of(Iso15118CertificatePost),
)
async def install_plug_and_charge_certificate(
    access: CommandAccess,
    operations: Operations,
    identity: IdentityPath,
    body: Annotated[Iso15118CertificatePost, Depends(json_body(Iso15118CertificatePost))],
    query: Annotated[IssueQuery, Query()],
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Install a V2G root, or a root of a mobility operator (InstallCertificate inside DataTransfer)."""
    options = _options(access, query, idempotency_key)
    answered = await operations.install(
        access.tenant_id, identity, body.certificate_type, body.certificate, options
    )
    return _answer(answered, query.wait)


@router.post(
    "/certificates/refresh",
    response_model=PlugAndChargeCommand,
    status_code=202,
    responses=_responses(body=True),
    openapi_extra=body_of(Iso15118CertificateRefresh),
)
async def refresh_plug_and_charge_certificates(
    access: CommandAccess,
    operations: Operations,
    identity: IdentityPath,
    body: Annotated[Iso15118CertificateRefresh, Depends(json_body(Iso15118CertificateRefresh))],
    query: Annotated[IssueQuery, Query()],
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Ask a charge point for its certificates (GetInstalledCertificateIds inside DataTransfer)."""
    options = _options(access, query, idempotency_key)
    answered = await operations.refresh(access.tenant_id, identity, body.certificate_types, options)
    return _answer(answered, query.wait)


@router.post(
    "/certificates/delete",
    response_model=PlugAndChargeCommand,
    status_code=202,
    responses=_responses(body=True),
    openapi_extra=body_of(Iso15118CertificateDeletion),
)
async def delete_plug_and_charge_certificate(
    access: CommandAccess,
    operations: Operations,
    identity: IdentityPath,
    body: Annotated[Iso15118CertificateDeletion, Depends(json_body(Iso15118CertificateDeletion))],
    query: Annotated[IssueQuery, Query()],
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Delete a certificate (DeleteCertificate inside DataTransfer). Name it as the charge point does."""
    options = _options(access, query, idempotency_key)
    named = {
        "hashAlgorithm": body.hash_algorithm,
        "issuerNameHash": body.issuer_name_hash,
        "issuerKeyHash": body.issuer_key_hash,
        "serialNumber": body.serial_number,
    }
    return _answer(await operations.delete(access.tenant_id, identity, named, options), query.wait)


@router.post(
    "/certificate-renewal", response_model=PlugAndChargeCommand, status_code=202, responses=_responses()
)
async def renew_plug_and_charge_certificate(
    access: CommandAccess,
    operations: Operations,
    identity: IdentityPath,
    query: Annotated[IssueQuery, Query()],
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Ask a charge point for a request for a V2G certificate (TriggerMessage inside DataTransfer)."""
    options = _options(access, query, idempotency_key)
    return _answer(await operations.renew(access.tenant_id, identity, options), query.wait)
