"""The answer to SignCertificate, and the effects of commands about certificates."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import ClassVar, Final

from app.answers import Handler
from app.certificates.records import (
    CertificateFault,
    DeletionState,
    InstalledRecord,
    InstalledReport,
    InstalledState,
    KnownCertificate,
)
from app.certificates.rules.delivery import SEND_LATER, delivery_of, renewal_time
from app.certificates.rules.hash_data import (
    expected_hash_data,
    find_known,
    installed_id,
    is_same,
    known_certificate,
)
from app.certificates.rules.pem import leaf_fingerprint, one_certificate
from app.certificates.service.requests import CertificateService
from app.certificates.store.certificates import CertificateStore
from app.certificates.store.installed import INSTALLED_OF_CHARGE_POINT, InstalledStore
from app.certificates.store.requests import RequestStore
from app.commands.records import CommandRecord
from app.commands.rules import Outcome
from app.commands.store.effects import CommandEffectStore
from app.computation import compute
from app.connection import Connection
from app.database.unit_of_work import TenantWork
from app.ocpp import v16
from app.types import TenantId

_NOT_SENT: Final = frozenset({"offline", "expired", "cancelled"})
_INSTALLATIONS: Final[dict[str, InstalledState]] = {
    "Accepted": "accepted",
    "Rejected": "rejected",
    "Failed": "failed",
}


def certificate_handlers(service: CertificateService) -> dict[str, Handler]:
    """Return the handlers of this package, by action."""
    return {"SignCertificate": partial(sign_certificate, service)}


async def sign_certificate(
    service: CertificateService, connection: Connection, request: v16.SignCertificateRequest
) -> v16.SignCertificateResponse:
    """Answer whether a request will be signed (A02.FR.11 and 12). The certificate comes later."""
    return {"status": await service.receive(connection, request["csr"])}


@dataclass(frozen=True, slots=True)
class CertificateSignedEffect:
    """Stores whether a charge point takes its new certificate. renewal_days: before the end of it."""

    renewal_days: int
    triggers: ClassVar[Mapping[str, str | None]] = {"CertificateSigned": None}

    async def apply(self, work: TenantWork, command: CommandRecord, outcome: Outcome, at: datetime) -> None:
        """Change request and certificate. They are found by the certificate, which any caller may send."""
        fingerprint = leaf_fingerprint(str(command.payload["certificateChain"]))
        certificates, requests = CertificateStore(work), RequestStore(work)
        certificate = None if fingerprint is None else await certificates.by_fingerprint(fingerprint)
        # A charge point may answer for a certificate of another one, which proves nothing.
        if certificate is None or certificate.identity != command.identity:
            return
        request = await requests.of_certificate(certificate.id)
        doubts = 0 if request is None else request.doubts
        delivery = delivery_of(outcome.state, outcome.status, is_in_doubt=outcome.is_in_doubt, doubts=doubts)
        if request is not None:
            await requests.change(
                request.id,
                ["signed", "sent", "failed"] if delivery.certificate else ["signed", "sent"],
                at,
                state=delivery.request,
                reason=delivery.reason,
                detail=None,
                # If the connection was lost, the next login is waited for. That may have happened already.
                next_at=(at if delivery.is_doubt else at + SEND_LATER) if delivery.again else None,
                sends=request.sends + (request.state == "signed" or delivery.again),
                doubts=request.doubts + delivery.is_doubt,
            )
        if delivery.certificate == "accepted":
            renew_at = renewal_time(certificate.not_before, certificate.not_after, self.renewal_days)
            await certificates.set_state(certificate.id, "accepted", renew_at)
            await certificates.renew_no_other(certificate.identity, certificate.id)
        elif delivery.certificate is not None:
            await certificates.set_state(certificate.id, delivery.certificate)
        if delivery.certificate is not None:
            effect = {"observed": f"certificate_{delivery.certificate}", "serial": certificate.serial}
            await CommandEffectStore(work).record(command.id, effect)


class InstallCertificateEffect:
    """Keeps which root certificates a charge point has accepted or refused."""

    triggers: ClassVar[Mapping[str, str | None]] = {"InstallCertificate": None}

    async def apply(self, work: TenantWork, command: CommandRecord, outcome: Outcome, at: datetime) -> None:
        """Store the answer to an installation. at: when the outcome was known."""
        state = _INSTALLATIONS.get(outcome.status or "")
        if state is None:
            return
        store, kind = InstalledStore(work), command.payload["certificateType"]
        try:
            known = await compute(
                TenantId(command.tenant_id),
                lambda: known_certificate(one_certificate(str(command.payload["certificate"]))),
            )
        except CertificateFault:
            # A raw command may carry any text. What the charge point made of it is told by its next report.
            return
        await store.put_known(known, at)
        installed = await store.of_charge_point(command.charge_point_id)
        present = _named(installed, kind, known)
        if present is not None and state != "accepted" and present.state in ("reported", "accepted"):
            # It is on the charge point already, which takes it only once.
            return
        hash_data = expected_hash_data(known)
        record = InstalledRecord(
            id=installed_id(kind, hash_data),
            charge_point_id=command.charge_point_id,
            certificate_type=kind,
            hash_data=hash_data,
            state=state,
            at=at,
            deletion=None,
            fingerprint=known.fingerprint,
        )
        if present is not None:
            record = replace(record, id=present.id, hash_data=present.hash_data)
        if present is None and len(installed) >= INSTALLED_OF_CHARGE_POINT:
            return
        await store.put(record)
        if state == "accepted":
            effect = {"observed": "certificate_installed", "installedCertificateId": record.id}
            await CommandEffectStore(work).record(command.id, effect)


class InstalledCertificatesEffect:
    """Keeps the root certificates that a charge point reports."""

    triggers: ClassVar[Mapping[str, str | None]] = {"GetInstalledCertificateIds": None}

    async def apply(self, work: TenantWork, command: CommandRecord, outcome: Outcome, at: datetime) -> None:
        """Replace what is known of one kind of certificates. at: when the outcome was known."""
        if outcome.result is None or outcome.status not in ("Accepted", "NotFound"):
            return
        store, kind, point = InstalledStore(work), command.payload["certificateType"], command.charge_point_id
        if not await store.put_report(InstalledReport(point, kind, at)):
            return
        entries = outcome.result.get("certificateHashData") or []
        if outcome.status == "NotFound":
            entries = []
        texts = await store.known()
        installed = await store.of_charge_point(point)
        kept: list[str] = []
        for entry in entries[:INSTALLED_OF_CHARGE_POINT]:
            known = find_known(entry, texts)
            fingerprint = None if known is None else known.fingerprint
            certificate_id = installed_id(kind, entry)
            kept.append(certificate_id)
            for other in installed:
                same_text = fingerprint is not None and other.fingerprint == fingerprint
                if same_text and other.certificate_type == kind and other.id != certificate_id:
                    await store.remove(point, other.id)
            await store.put(
                InstalledRecord(certificate_id, point, kind, entry, "reported", at, None, fingerprint)
            )
        await store.replace_reported(point, kind, kept, at)
        effect = {"observed": "certificates_reported", "certificates": len(entries)}
        await CommandEffectStore(work).record(command.id, effect)


class DeleteCertificateEffect:
    """Forgets the root certificates that a charge point has deleted."""

    triggers: ClassVar[Mapping[str, str | None]] = {"DeleteCertificate": None}

    async def apply(self, work: TenantWork, command: CommandRecord, outcome: Outcome, at: datetime) -> None:
        """Store the answer to a deletion."""
        store, point = InstalledStore(work), command.charge_point_id
        named = command.payload["certificateHashData"]
        targets = [one for one in await store.of_charge_point(point) if is_same(one.hash_data, named)]
        for target in targets:
            if outcome.status in ("Accepted", "NotFound"):
                await store.remove(point, target.id)
            else:
                await store.set_deletion(point, target.id, _deletion_of(outcome))
        if outcome.status in ("Accepted", "NotFound"):
            effect = {
                "observed": "certificate_deleted",
                "installedCertificateIds": [target.id for target in targets],
            }
            await CommandEffectStore(work).record(command.id, effect)


@dataclass(frozen=True, slots=True)
class CertificateTriggerEffect:
    """Connects an accepted ExtendedTriggerMessage with the certificate request that it leads to."""

    triggers: ClassVar[Mapping[str, str | None]] = {"ExtendedTriggerMessage": None}

    async def apply(self, work: TenantWork, command: CommandRecord, outcome: Outcome, at: datetime) -> None:
        """Store the trigger, or the effect if the request was faster."""
        wanted = command.payload.get("requestedMessage") == "SignChargePointCertificate"
        if not wanted or outcome.status != "Accepted":
            return
        requests, point = RequestStore(work), command.charge_point_id
        await requests.lock(point)
        request_id = await requests.untriggered_since(point, command.sent_at or command.created_at)
        if request_id is None:
            await requests.put_trigger(point, command.id, command.created_at, at)
            return
        await requests.set_trigger(request_id, command.id)
        effect = {"observed": "certificate_requested", "certificateRequestId": request_id}
        await CommandEffectStore(work).record(command.id, effect)


def _deletion_of(outcome: Outcome) -> DeletionState | None:
    if outcome.is_in_doubt:
        return "unknown"
    return None if outcome.state in _NOT_SENT else "failed"


def _named(installed: list[InstalledRecord], kind: str, known: KnownCertificate) -> InstalledRecord | None:
    """Return the entry of a certificate on a charge point."""
    for one in installed:
        if one.certificate_type != kind:
            continue
        if one.fingerprint == known.fingerprint or find_known(one.hash_data, [known]) is not None:
            return one
    return None
