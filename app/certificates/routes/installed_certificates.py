"""`/v1/charge-points/{identity}/installed-certificates`: the root certificates on a charge point."""

from typing import Annotated, Any

from fastapi import Depends, Query
from pydantic import Field
from starlette.responses import Response

from app.certificates.schemas.common import InstalledIdPath
from app.certificates.schemas.installed_certificates import (
    CertificateCommands,
    InstalledCertificatePost,
    InstalledCertificates,
    shown_installed,
)
from app.certificates.service.installed import (
    CommandOptions,
    InstalledCertificateService,
    newest_report,
)
from app.commands.records import CommandRecord
from app.commands.routes import IdempotencyKey, IssueQuery
from app.commands.rules import OPEN_COMMAND_STATES
from app.commands.schemas import Command
from app.web.access import CommandAccess, ReadAccess, TenantAccess
from app.web.conditional import IfNoneMatch, resource_response
from app.web.inputs import IdentityPath, QueryBoolean
from app.web.json_body import body_of, json_body
from app.web.problems import problems
from app.web.routers import api_router
from app.web.services import provided

router = api_router(prefix="/v1/charge-points/{identity}/installed-certificates", tags=["certificates"])

Installed = Annotated[InstalledCertificateService, Depends(provided(InstalledCertificateService))]


class DeleteQuery(IssueQuery):
    """How to delete a certificate."""

    force: Annotated[
        QueryBoolean, Field(description="True: also the last one that verifies this server.")
    ] = False


def _responses(*, body: bool = False) -> dict[int | str, dict[str, Any]]:
    ended = {
        "model": CertificateCommands,
        "description": "With `wait`: every command has ended, in whatever state.",
    }
    return {200: ended, **problems(404, 409, body=body)}


def _options(access: TenantAccess, query: IssueQuery, idempotency_key: str | None) -> CommandOptions:
    return CommandOptions(access.issued_by, query.timeout_s, idempotency_key, query.wait)


def _answer(commands: list[CommandRecord], waited: int) -> Response:
    final = all(command.state not in OPEN_COMMAND_STATES for command in commands)
    shown = CertificateCommands(commands=[Command.model_validate(command) for command in commands])
    return resource_response(shown, status_code=200 if waited and final else 202)


@router.get("", response_model=InstalledCertificates, responses=problems(304, 404))
async def list_installed_certificates(
    access: ReadAccess, installed: Installed, identity: IdentityPath, if_none_match: IfNoneMatch = None
) -> Response:
    """List the root certificates that a charge point has, as far as that is known."""
    found = await installed.of_charge_point(access.tenant_id, identity)
    shown = InstalledCertificates(
        central_system_roots_reported_at=newest_report(found.reports, "CentralSystemRootCertificate"),
        manufacturer_roots_reported_at=newest_report(found.reports, "ManufacturerRootCertificate"),
        items=[shown_installed(record, known) for record, known in found.items],
    )
    return resource_response(shown, if_none_match=if_none_match)


@router.post(
    "",
    response_model=CertificateCommands,
    status_code=202,
    responses=_responses(body=True),
    openapi_extra=body_of(InstalledCertificatePost),
)
async def install_certificate(
    access: CommandAccess,
    installed: Installed,
    identity: IdentityPath,
    body: Annotated[InstalledCertificatePost, Depends(json_body(InstalledCertificatePost))],
    query: Annotated[IssueQuery, Query()],
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Install a root certificate (InstallCertificate, whitepaper edition 3, M05)."""
    options = _options(access, query, idempotency_key)
    command = await installed.install(
        access.tenant_id, identity, body.certificate_type, body.certificate, options
    )
    return _answer([command], query.wait)


@router.post("/refresh", response_model=CertificateCommands, status_code=202, responses=_responses())
async def refresh_installed_certificates(
    access: CommandAccess,
    installed: Installed,
    identity: IdentityPath,
    query: Annotated[IssueQuery, Query()],
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Ask a charge point for its root certificates of both kinds (GetInstalledCertificateIds, M03)."""
    options = _options(access, query, idempotency_key)
    return _answer(await installed.refresh(access.tenant_id, identity, options), query.wait)


@router.delete(
    "/{certificate_id}", response_model=CertificateCommands, status_code=202, responses=_responses()
)
async def delete_installed_certificate(
    access: CommandAccess,
    installed: Installed,
    identity: IdentityPath,
    certificate_id: InstalledIdPath,
    query: Annotated[DeleteQuery, Query()],
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Delete a root certificate (DeleteCertificate, M04).

    The last one that verifies this server is only deleted with `force`.
    """
    options = _options(access, query, idempotency_key)
    command = await installed.delete(access.tenant_id, identity, certificate_id, options, force=query.force)
    return _answer([command], query.wait)
