"""Use cases of the root certificates on a charge point: see, refresh, install and delete them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

import orjson

from app.audit.records import NewAuditEntry
from app.audit.store import AuditStore
from app.certificates.records import (
    CENTRAL_SYSTEM_ROOT,
    CERTIFICATE_USES,
    InstalledRecord,
    InstalledReport,
    KnownCertificate,
)
from app.certificates.rules.hash_data import find_known, is_last_root, is_same, known_certificate
from app.certificates.rules.pem import check_root, one_certificate
from app.certificates.service.authorities import checked
from app.certificates.store.installed import InstalledStore
from app.charge_points.service import existing_charge_point
from app.charge_points.store import ChargePointStore
from app.clock import Clock
from app.commands.records import CommandRecord, CommandRequest
from app.commands.service import CommandService
from app.database.database import Database
from app.errors import AppError, Conflict, NotFound
from app.ocpp.v16 import CertificateUseEnumType
from app.types import Json, TenantId

_NOT_SENT: Final = ("offline", "expired", "cancelled")


class CommandOptions(NamedTuple):
    """How commands are issued: by whom, with which timeout and idempotency key, and how long to wait."""

    issued_by: str
    timeout_s: float | None = None
    idempotency_key: str | None = None
    wait_s: float = 0.0


class InstalledRoot(NamedTuple):
    """A root certificate on a charge point, and its text if that is known."""

    record: InstalledRecord
    known: KnownCertificate | None


class InstalledRoots(NamedTuple):
    """The root certificates on a charge point, as far as they are known."""

    items: Sequence[InstalledRoot]
    reports: Sequence[InstalledReport]


@dataclass(frozen=True, slots=True)
class InstalledCertificateService:
    """The use cases of root certificates on charge points."""

    database: Database
    commands: CommandService
    clock: Clock

    async def of_charge_point(self, tenant_id: TenantId, identity: str) -> InstalledRoots:
        """Return what is known of the root certificates on a charge point.

        Raises:
            NotFound: the tenant has no charge point of this identity.
        """
        async with self.database.tenant(tenant_id) as work:
            point = await existing_charge_point(work, identity)
            store = InstalledStore(work)
            records = await store.of_charge_point(point.id)
            known = await store.known() if records else []
            reports = await store.reports(point.id)
        by_print = {one.fingerprint: one for one in known}
        items = [
            InstalledRoot(
                record, by_print.get(record.fingerprint or "") or find_known(record.hash_data, known)
            )
            for record in records
        ]
        return InstalledRoots(items, reports)

    async def refresh(
        self, tenant_id: TenantId, identity: str, options: CommandOptions
    ) -> list[CommandRecord]:
        """Ask a charge point for its certificates of both kinds (GetInstalledCertificateIds).

        Raises:
            AppError: see `CommandService.issue`.
        """
        issued = [
            await self._issue(
                tenant_id,
                identity,
                "GetInstalledCertificateIds",
                {"certificateType": kind},
                # A charge point has two lists. The caller waits for both, once.
                options._replace(
                    idempotency_key=options.idempotency_key and f"{options.idempotency_key}:{number}",
                    wait_s=0.0,
                ),
            )
            for number, kind in enumerate(CERTIFICATE_USES)
        ]
        if options.wait_s <= 0:
            return issued
        return [await self.commands.wait(tenant_id, one.id, options.wait_s) for one in issued]

    async def install(
        self,
        tenant_id: TenantId,
        identity: str,
        kind: CertificateUseEnumType,
        certificate: str,
        options: CommandOptions,
    ) -> CommandRecord:
        """Install a root certificate (InstallCertificate).

        Raises:
            InvalidInput: it is not one certificate of an authority in PEM, or has expired.
            AppError: see `CommandService.issue`.
        """
        now = self.clock.now()
        async with self.database.tenant(tenant_id) as work:
            await existing_charge_point(work, identity)

        def judge() -> KnownCertificate:
            root = one_certificate(certificate)
            check_root(root, now)
            return known_certificate(root)

        known = await checked(tenant_id, judge, "/certificate")
        async with self.database.tenant(tenant_id) as work:
            await InstalledStore(work).put_known(known, now)
        payload = {"certificateType": kind, "certificate": known.certificate}
        return await self._issue(tenant_id, identity, "InstallCertificate", payload, options)

    async def delete(
        self,
        tenant_id: TenantId,
        identity: str,
        certificate_id: str,
        options: CommandOptions,
        *,
        force: bool = False,
    ) -> CommandRecord:
        """Delete a root certificate, named as the charge point names it (DeleteCertificate, M04.FR.07).

        force: also the last one that verifies the central system.

        Raises:
            NotFound: the charge point, or no such certificate on it.
            Conflict: it is the last one that verifies the central system.
            AppError: see `CommandService.issue`.
        """
        async with self.database.tenant(tenant_id) as work:
            # The row of the charge point is locked, so that two deletions cannot both be the last but one.
            point = await existing_charge_point(work, identity, to_change=True)
            store = InstalledStore(work)
            records = await store.of_charge_point(point.id, to_change=True)
            target = next((one for one in records if one.id == certificate_id), None)
            if target is None or target.state not in ("reported", "accepted"):
                raise NotFound("The charge point has no such certificate.", "certificate_id")
            is_last = is_last_root(target, records)
            if is_last and not force:
                raise Conflict(
                    "This is the last certificate by which the charge point verifies this server. Without "
                    "it, it cannot connect. `force=true` deletes it all the same.",
                    "certificate_id",
                )
            await store.set_deletion(point.id, target.id, "requested")
            if is_last:
                subject = f"/v1/charge-points/{identity}/installed-certificates/{certificate_id}"
                act = NewAuditEntry(
                    tenant_id,
                    self.clock.now(),
                    options.issued_by,
                    "delete_last_central_system_root",
                    subject,
                    "",
                    target.hash_data,
                )
                await AuditStore(work).add(act)
        payload = {"certificateHashData": _as_named(target.hash_data)}
        try:
            command = await self._issue(tenant_id, identity, "DeleteCertificate", payload, options)
        except AppError:
            await self._not_deleted(tenant_id, point.id, target)
            raise
        if command.state in _NOT_SENT:
            await self._not_deleted(tenant_id, point.id, target)
        return command

    async def guard(self, tenant_id: TenantId, action: str, payload: Json, identities: Sequence[str]) -> None:
        """Refuse a DeleteCertificate that takes the last root from a charge point (`CommandGuards`).

        Raises:
            Conflict: it names the first such charge point.
        """
        if action != "DeleteCertificate":
            return
        named, wanted = payload["certificateHashData"], set(identities)
        async with self.database.tenant(tenant_id) as work:
            logins = await ChargePointStore(work).logins()
            records = await InstalledStore(work).of_tenant(CENTRAL_SYSTEM_ROOT)
        of_point: dict[int, list[InstalledRecord]] = {}
        for record in records:
            of_point.setdefault(record.charge_point_id, []).append(record)
        for point, known in of_point.items():
            identity = logins[point].identity if point in logins else None
            targets = [one for one in known if identity in wanted and is_same(one.hash_data, named)]
            if any(is_last_root(one, known) for one in targets):
                raise Conflict(
                    f"This is the last certificate by which {identity} verifies this server. "
                    "DELETE /v1/charge-points/{identity}/installed-certificates/{id}?force=true deletes it.",
                    "/certificateHashData",
                )

    async def _not_deleted(self, tenant_id: TenantId, charge_point_id: int, target: InstalledRecord) -> None:
        async with self.database.tenant(tenant_id) as work:
            await InstalledStore(work).set_deletion(charge_point_id, target.id, target.deletion)

    async def _issue(
        self, tenant_id: TenantId, identity: str, action: str, payload: Json, options: CommandOptions
    ) -> CommandRecord:
        request = CommandRequest(
            identity=identity,
            action=action,
            payload_text=orjson.dumps(payload).decode(),
            issued_by=options.issued_by,
            timeout_s=options.timeout_s,
            idempotency_key=options.idempotency_key,
        )
        # `delete` has looked at it, with the row locked.
        return await self.commands.issue(tenant_id, request, wait_s=options.wait_s, is_guarded=False)


def _as_named(hash_data: Json) -> Json:
    """Return hash data with the members of the standard, as a charge point wrote them."""
    names = ("hashAlgorithm", "issuerNameHash", "issuerKeyHash", "serialNumber")
    return {name: hash_data[name] for name in names}


def newest_report(reports: Sequence[InstalledReport], kind: CertificateUseEnumType) -> datetime | None:
    """Return when a charge point last listed its certificates of a kind, None: never."""
    return max((one.reported_at for one in reports if one.certificate_type == kind), default=None)
