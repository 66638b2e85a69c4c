"""Use cases of certificate requests and of the certificates of charge points."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, Literal, Protocol

from app.acting import note_audited
from app.audit.records import NewAuditEntry
from app.audit.store import AuditStore
from app.certificates.records import (
    CertificateFault,
    CertificateRecord,
    ExternalAuthorityRecord,
    NewCertificate,
    RequestRecord,
)
from app.certificates.rules.authority import judge_chain
from app.certificates.rules.pem import CERTIFICATE_LIMIT, CHAIN_LIMIT, certificates_of, pem_blocks
from app.certificates.rules.signing_requests import judge_signing_request, read_signing_request
from app.certificates.service.authorities import checked
from app.certificates.service.trust import ANCHORS_LIMIT, ClientCertificateTrust
from app.certificates.store.authorities import AuthorityStore, ExternalAuthorityStore
from app.certificates.store.certificates import CertificateFilter, CertificateStore
from app.certificates.store.requests import RequestFilter, RequestStore
from app.clock import Clock
from app.commands.store.effects import CommandEffectStore
from app.computation import compute
from app.connection import Connection
from app.database.database import Database
from app.database.text import clean_text
from app.errors import Conflict, NotFound
from app.metrics import LIMITS_HIT
from app.types import Json, TenantId

TRIGGER_WINDOW: Final = timedelta(minutes=10)
"""A request within this time after an accepted trigger counts as its effect: to make a key takes minutes."""
_HOUR: Final = timedelta(hours=1)
CERTIFICATES_PATH: Final = "/v1/charge-point-certificates"


class Wakes(Protocol):
    """Signs requests in the background."""

    def wake(self) -> None:
        """Look for requests now."""


class NotAwake:
    """Wakes nothing, until a worker has its own."""

    def wake(self) -> None:
        """Do nothing."""


@dataclass(slots=True)
class CertificateService:
    """The use cases of certificate requests and certificates. requests_per_hour: of one charge point."""

    database: Database
    trust: ClientCertificateTrust
    clock: Clock
    requests_per_hour: int
    signer: Wakes = field(default_factory=NotAwake)

    async def receive(self, connection: Connection, csr: str) -> Literal["Accepted", "Rejected"]:
        """Judge a SignCertificate, and record it. It is signed later.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        tenant_id, charge_point_id = connection.tenant_id, connection.charge_point_id
        async with self.database.tenant(tenant_id) as work:
            if await self._is_over_limit(RequestStore(work), charge_point_id):
                return "Rejected"
            authority = await AuthorityStore(work).active()
            external = await ExternalAuthorityStore(work).get()
        fault: CertificateFault | None = None
        if authority is None and external is None:
            fault = CertificateFault("no_authority", "The tenant has no certificate authority.")
        else:
            source = external or authority
            organization = None if source is None else source.organization
            try:
                await compute(
                    tenant_id, lambda: judge_signing_request(csr, connection.identity, organization)
                )
            except CertificateFault as found:
                fault = found
        return await self._record(connection, csr, fault)

    async def _record(
        self, connection: Connection, csr: str, fault: CertificateFault | None
    ) -> Literal["Accepted", "Rejected"]:
        now, charge_point_id = self.clock.now(), connection.charge_point_id
        async with self.database.tenant(connection.tenant_id) as work:
            store = RequestStore(work)
            await store.lock(charge_point_id)
            if await self._is_over_limit(store, charge_point_id):
                return "Rejected"
            text = clean_text(csr)[:CERTIFICATE_LIMIT]
            if fault is None and await store.is_open(charge_point_id, text):
                # A repetition, because the answer was lost.
                return "Accepted"
            trigger = await store.take_trigger(charge_point_id, now - TRIGGER_WINDOW)
            more: Json = {"received_at": now, "trigger_command_id": trigger}
            if fault is None:
                request_id = await store.add(charge_point_id, text, "received", next_at=now, **more)
                await store.supersede(charge_point_id, request_id, now)
            else:
                detail = clean_text(fault.detail)
                request_id = await store.add(
                    charge_point_id, text, "refused", reason=fault.code, detail=detail, **more
                )
            if trigger is not None:
                effect = {"observed": "certificate_requested", "certificateRequestId": request_id}
                await CommandEffectStore(work).record(trigger, effect)
        if fault is not None:
            return "Rejected"
        self.signer.wake()
        return "Accepted"

    async def _is_over_limit(self, store: RequestStore, charge_point_id: int) -> bool:
        since = self.clock.now() - _HOUR
        if await store.count_since(charge_point_id, since) < self.requests_per_hour:
            return False
        LIMITS_HIT.labels("certificate_requests").inc()
        return True

    # Requests

    async def requests(
        self, tenant_id: TenantId, limit: int, after: int | None, filters: RequestFilter
    ) -> list[RequestRecord]:
        """Return certificate requests, the newest first. after: id of the last one seen."""
        async with self.database.tenant(tenant_id) as work:
            return await RequestStore(work).page(limit, after, filters)

    async def request(self, tenant_id: TenantId, request_id: int) -> RequestRecord:
        """Return one request.

        Raises:
            NotFound: there is none of this id.
        """
        async with self.database.tenant(tenant_id) as work:
            return _found(await RequestStore(work).get(request_id))

    async def put_chain(self, tenant_id: TenantId, request_id: int, chain: str) -> RequestRecord:
        """Take the chain that an external authority has made for a request.

        Raises:
            NotFound: there is no such request.
            Conflict: it does not wait for a chain, or the tenant has no external authority.
            InvalidInput: the chain does not answer the request.
        """
        async with self.database.tenant(tenant_id) as work:
            request = _found(await RequestStore(work).get(request_id))
            external = await ExternalAuthorityStore(work).get()
        if external is None:
            raise Conflict("The tenant has no external certificate authority.")
        if request.state not in ("received", "forwarded"):
            raise Conflict(f"The request does not wait for a chain: it is {request.state}.")
        judged = await checked(tenant_id, lambda: self.judge(request, external, chain), "/chain")
        if not await self.signed(request, judged):
            raise Conflict("The request does not wait for a chain any more.")
        return await self.request(tenant_id, request_id)

    def judge(self, request: RequestRecord, external: ExternalAuthorityRecord, chain: str) -> NewCertificate:
        """Return what an external authority has signed for a request. It computes for milliseconds.

        Raises:
            CertificateFault: the chain does not answer the request.
        """
        certificates = certificates_of(chain, CHAIN_LIMIT)
        anchors = certificates_of(external.anchors, ANCHORS_LIMIT)
        return judge_chain(certificates, read_signing_request(request.csr), anchors, self.clock.now())

    async def signed(self, request: RequestRecord, new: NewCertificate) -> bool:
        """Store the certificate of a request; it is sent next. False: the request waits for none any more."""
        now = self.clock.now()
        async with self.database.tenant(TenantId(request.tenant_id)) as work:
            store = RequestStore(work)
            current = await store.get(request.id, to_change=True)
            if current is None or current.state not in ("received", "forwarded"):
                return False
            certificate_id = await CertificateStore(work).add(new, now)
            await store.change(
                request.id,
                ["received", "forwarded"],
                now,
                state="signed",
                certificate_id=certificate_id,
                next_at=now,
                reason=None,
                detail=None,
            )
        self.signer.wake()
        return True

    # Certificates

    async def certificates(
        self, tenant_id: TenantId, limit: int, after: int | None, filters: CertificateFilter
    ) -> list[CertificateRecord]:
        """Return certificates of charge points, the newest first. after: id of the last one seen."""
        async with self.database.tenant(tenant_id) as work:
            return await CertificateStore(work).page(limit, after, filters)

    async def has_certificate(self, tenant_id: TenantId, identity: str) -> bool:
        """Tell whether a charge point has accepted a certificate with which it can log in now.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        async with self.database.tenant(tenant_id) as work:
            accepted = await CertificateStore(work).accepted(identity)
        await self.trust.refresh()
        for one in accepted:
            chain = pem_blocks(one.chain, ["CERTIFICATE"], CHAIN_LIMIT)
            if (await self.trust.verify_chain(tenant_id, identity, chain)).problem is None:
                return True
        return False

    async def revoke(self, tenant_id: TenantId, serial: str, reason: str, actor: str) -> CertificateRecord:
        """Revoke a certificate: no login with it succeeds, and a connection with it is closed.

        One that is revoked stays so. Other workers follow within two seconds.

        Raises:
            NotFound: no certificate of a charge point has this serial number.
            Conflict: several have it.
        """
        now = self.clock.now()
        folded = serial.lower().lstrip("0") or "0"
        async with self.database.tenant(tenant_id) as work:
            store = CertificateStore(work)
            found = await store.by_serial(folded)
            if not found:
                raise NotFound("No certificate of a charge point has this serial number.", "serial")
            if len(found) > 1:
                raise Conflict("Certificates of several authorities have this serial number.", "serial")
            if found[0].state == "revoked":
                note_audited()
                return found[0]
            record = await store.revoke(found[0].id, now, reason)
            subject = f"{CERTIFICATES_PATH}/{record.serial}"
            entry = NewAuditEntry(
                tenant_id, now, actor, "revoke_charge_point_certificate", subject, reason, {}
            )
            await AuditStore(work).add(entry)
        await self.trust.refresh()
        return record


def _found(request: RequestRecord | None) -> RequestRecord:
    if request is None:
        raise NotFound("There is no such certificate request.", "request_id")
    return request
