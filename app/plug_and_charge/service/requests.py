"""Use cases of the requests of charge points for V2G certificates (3.1)."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from app.certificates.records import CertificateFault, NewCertificate
from app.certificates.service.authorities import checked
from app.certificates.service.requests import NotAwake, Wakes
from app.clock import Clock
from app.computation import compute
from app.connection import Connection
from app.database.database import Database
from app.database.text import clean_text
from app.errors import Conflict, NotFound
from app.metrics import LIMITS_HIT
from app.plug_and_charge.records import Dialect, PlugAndChargeFault, V2gAuthority, V2gRequestRecord
from app.plug_and_charge.rules.v2g import judge_v2g_chain, judge_v2g_request
from app.plug_and_charge.service.settings import PlugAndChargeSettingService
from app.plug_and_charge.store.requests import V2gRequestFilter, V2gRequestStore
from app.types import TenantId

_HOUR: Final = timedelta(hours=1)


@dataclass(slots=True)
class V2gRequestService:
    """The use cases of V2G certificate requests. requests_per_hour: of one charge point."""

    database: Database
    settings: PlugAndChargeSettingService
    clock: Clock
    requests_per_hour: int
    signer: Wakes = field(default_factory=NotAwake)

    async def receive(self, connection: Connection, dialect: Dialect, csr: str) -> PlugAndChargeFault | None:
        """Judge a SignCertificate, and record it. Return why it is Rejected, None: it will be signed.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        now, charge_point_id = self.clock.now(), connection.charge_point_id
        fault: CertificateFault | None = None
        try:
            await compute(connection.tenant_id, lambda: judge_v2g_request(csr))
        except CertificateFault as found:
            fault = found
        if await self.settings.read(connection.tenant_id, V2gAuthority) is None:
            fault = CertificateFault("no_authority", "The tenant has no authority for V2G certificates.")
        async with self.database.tenant(connection.tenant_id) as work:
            store = V2gRequestStore(work)
            await store.lock(charge_point_id)
            if await store.count_since(charge_point_id, now - _HOUR) >= self.requests_per_hour:
                LIMITS_HIT.labels("v2g_certificate_requests").inc()
                return PlugAndChargeFault("too_many_requests", "The charge point has asked too often.")
            text = clean_text(csr)
            if fault is None and await store.is_open(charge_point_id, text):
                # A repetition, because the answer was lost.
                return None
            values: dict[str, Any] = {
                "charge_point_id": charge_point_id,
                "dialect": dialect,
                "csr": text,
                "received_at": now,
            }
            if fault is None:
                values |= {"state": "received", "next_at": now}
            else:
                values |= {"state": "refused", "reason": fault.code, "detail": clean_text(fault.detail)}
            await store.add(values)
        if fault is not None:
            return PlugAndChargeFault(fault.code, fault.detail)
        self.signer.wake()
        return None

    async def page(
        self, tenant_id: TenantId, limit: int, after: int | None, filters: V2gRequestFilter
    ) -> list[V2gRequestRecord]:
        """Return requests, the newest first. after: id of the last one seen."""
        async with self.database.tenant(tenant_id) as work:
            return await V2gRequestStore(work).page(limit, after, filters)

    async def get(self, tenant_id: TenantId, request_id: int) -> V2gRequestRecord:
        """Return one request.

        Raises:
            NotFound: there is none of this id.
        """
        async with self.database.tenant(tenant_id) as work:
            return _found(await V2gRequestStore(work).get(request_id))

    async def put_chain(self, tenant_id: TenantId, request_id: int, chain: str) -> V2gRequestRecord:
        """Take the chain that the authority has made for a request.

        Raises:
            NotFound: there is no such request.
            Conflict: it does not wait for a chain, or the tenant has no authority.
            InvalidInput: the chain does not answer the request.
        """
        request = await self.get(tenant_id, request_id)
        found = await self.settings.read(tenant_id, V2gAuthority)
        if found is None:
            raise Conflict("The tenant has no authority for V2G certificates.")
        if request.state not in ("received", "forwarded"):
            raise Conflict(f"The request does not wait for a chain: it is {request.state}.")
        judged = await checked(tenant_id, lambda: self.judge(request, found[0], chain), "/chain")
        if not await self.signed(request, judged):
            raise Conflict("The request does not wait for a chain any more.")
        return await self.get(tenant_id, request_id)

    def judge(self, request: V2gRequestRecord, authority: V2gAuthority, chain: str) -> NewCertificate:
        """Return what an authority has signed for a request. It computes for milliseconds.

        Raises:
            CertificateFault: the chain does not answer the request.
        """
        return judge_v2g_chain(chain, request.csr, authority.anchors, self.clock.now())

    async def signed(self, request: V2gRequestRecord, new: NewCertificate) -> bool:
        """Store the certificate of a request; it is sent next. False: the request waits for none any more."""
        now = self.clock.now()
        async with self.database.tenant(TenantId(request.tenant_id)) as work:
            is_stored = await V2gRequestStore(work).change(
                request.id,
                ["received", "forwarded"],
                now,
                state="signed",
                chain=new.chain,
                fingerprint=new.fingerprint,
                not_after=new.not_after,
                next_at=now,
                reason=None,
                detail=None,
            )
        if is_stored:
            self.signer.wake()
        return is_stored


def _found(request: V2gRequestRecord | None) -> V2gRequestRecord:
    if request is None:
        raise NotFound("There is no such request for a V2G certificate.", "v2g_request_id")
    return request
