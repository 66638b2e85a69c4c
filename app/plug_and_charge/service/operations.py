"""Use cases of the certificates for ISO 15118 on charge points: see, refresh, install, delete, renew."""

from dataclasses import dataclass
from typing import NamedTuple

import orjson

from app.certificates.rules.hash_data import known_certificate
from app.certificates.rules.pem import check_root, one_certificate, pem_of
from app.certificates.service.authorities import checked
from app.certificates.service.installed import CommandOptions
from app.charge_points.service import existing_charge_point
from app.clock import Clock
from app.commands.records import CommandRecord, CommandRequest
from app.commands.service import CommandService
from app.database.database import Database
from app.plug_and_charge.messages import read_answer
from app.plug_and_charge.records import OCA_VENDOR, CertificateReport, InnerAnswer, ReportedUse, RootUse
from app.plug_and_charge.store.settings import ReportStore
from app.types import Json, TenantId


class AnsweredOperation(NamedTuple):
    """A command, and what is inside its answer so far."""

    command: CommandRecord
    inner: InnerAnswer


@dataclass(frozen=True, slots=True)
class PlugAndChargeOperations:
    """Sends messages of Plug & Charge inside DataTransfer, in the form of the note (OCA)."""

    database: Database
    commands: CommandService
    clock: Clock

    async def report(self, tenant_id: TenantId, identity: str) -> CertificateReport | None:
        """Return the certificates that a charge point has last reported, None: it has reported none.

        Raises:
            NotFound: the tenant has no charge point of this identity.
        """
        async with self.database.tenant(tenant_id) as work:
            point = await existing_charge_point(work, identity)
            return await ReportStore(work).get(point.id)

    async def refresh(
        self, tenant_id: TenantId, identity: str, uses: list[ReportedUse] | None, options: CommandOptions
    ) -> AnsweredOperation:
        """Ask for the certificates (GetInstalledCertificateIds, 4.1). uses None: all.

        Raises:
            AppError: see `CommandService.issue`.
        """
        data: Json = {} if not uses else {"certificateType": uses}
        return await self._issue(tenant_id, identity, "GetInstalledCertificateIds", data, options)

    async def install(
        self, tenant_id: TenantId, identity: str, use: RootUse, certificate: str, options: CommandOptions
    ) -> AnsweredOperation:
        """Install a root (InstallCertificate, 4.3).

        Raises:
            InvalidInput: it is not one certificate of an authority in PEM, or has expired.
            AppError: see `CommandService.issue`.
        """
        async with self.database.tenant(tenant_id) as work:
            await existing_charge_point(work, identity)
        now = self.clock.now()

        def judge() -> str:
            root = one_certificate(certificate)
            check_root(root, now)
            known_certificate(root)
            return pem_of([root])

        pem = await checked(tenant_id, judge, "/certificate")
        data = {"certificateType": use, "certificate": pem}
        return await self._issue(tenant_id, identity, "InstallCertificate", data, options)

    async def delete(
        self, tenant_id: TenantId, identity: str, hash_data: Json, options: CommandOptions
    ) -> AnsweredOperation:
        """Delete a certificate, named as the charge point reports it (DeleteCertificate, 4.2).

        Raises:
            AppError: see `CommandService.issue`.
        """
        data = {"certificateHashData": hash_data}
        return await self._issue(tenant_id, identity, "DeleteCertificate", data, options)

    async def renew(self, tenant_id: TenantId, identity: str, options: CommandOptions) -> AnsweredOperation:
        """Ask for a request for a V2G certificate (TriggerMessage, 3.1.1 and 6.9.1: without members).

        Raises:
            AppError: see `CommandService.issue`.
        """
        return await self._issue(tenant_id, identity, "TriggerMessage", {}, options)

    async def _issue(
        self, tenant_id: TenantId, identity: str, message_id: str, data: Json, options: CommandOptions
    ) -> AnsweredOperation:
        payload = {"vendorId": OCA_VENDOR, "messageId": message_id, "data": orjson.dumps(data).decode()}
        request = CommandRequest(
            identity=identity,
            action="DataTransfer",
            payload_text=orjson.dumps(payload).decode(),
            issued_by=options.issued_by,
            timeout_s=options.timeout_s,
            idempotency_key=options.idempotency_key,
        )
        command = await self.commands.issue(tenant_id, request, wait_s=options.wait_s)
        return AnsweredOperation(command, read_answer(message_id, command.result))
