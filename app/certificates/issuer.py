"""Signs certificate requests, sends the certificates, and asks charge points for new requests in time.

Every worker sweeps; each row goes to one of them. A row that was taken comes up again after the lease if its
worker died. What is repeated then has the same name: the message to an external authority has the id of the
request, and a command has an idempotency key, so nothing is signed or sent twice.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import orjson

from app.certificates.records import (
    AuthorityRecord,
    CertificateFault,
    CertificateRecord,
    ExternalAuthorityRecord,
    NewCertificate,
    RequestRecord,
)
from app.certificates.rules.authority import sign_request
from app.certificates.rules.delivery import (
    DELIVERY_LIFE,
    RENEWAL_ATTEMPTS,
    RENEWAL_LATER,
    RENEWAL_PAUSE,
    SEND_LATER,
    chain_limit,
    external_answer,
    next_attempt,
)
from app.certificates.rules.pem import CHAIN_LIMIT, one_certificate
from app.certificates.rules.signing_requests import read_signing_request
from app.certificates.service.authorities import AuthorityCipher
from app.certificates.service.requests import CertificateService
from app.certificates.store.authorities import AuthorityStore, ExternalAuthorityStore
from app.certificates.store.certificates import CertificateStore, take_renewals
from app.certificates.store.requests import RequestStore, RequestSweepStore
from app.clock import Clock
from app.commands.records import CommandRequest
from app.commands.service import CommandService
from app.computation import compute
from app.configuration.store import ConfigurationStore
from app.database.database import Database
from app.errors import AppError, ChargePointBusy
from app.live.presence import Presence
from app.login_sweeper import LoginSweeper
from app.logs import get_logger
from app.outgoing.client import OutgoingClient
from app.outgoing.records import OutgoingFailed, OutgoingRequest
from app.outgoing.signature import SecretCipher
from app.types import TenantId

ISSUED_BY: Final = "certificates"
_RENEWALS: Final = 10
_LEASE: Final = timedelta(minutes=2)
_DEADLINE_S: Final = 20.0
_ANSWER_LIMIT_BYTES: Final = 65_536
_BUSY_AGAIN: Final = timedelta(seconds=10)
_MAX_CHAIN_KEY: Final = "certificatesignedmaxchainsize"

_LOG = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class IssuerParts:
    """The collaborators of an issuer."""

    database: Database
    commands: CommandService
    presence: Presence
    client: Callable[[], OutgoingClient]
    cipher: AuthorityCipher
    secrets: SecretCipher
    service: CertificateService
    clock: Clock


class CertificateIssuer(LoginSweeper):
    """Works on the certificate requests and the renewals of all tenants, for one worker."""

    def __init__(self, parts: IssuerParts) -> None:
        super().__init__("certificates")
        self._parts = parts

    async def sweep(self) -> int:
        """Begin work on the rows whose time has come, at most `room` of them; return how many there were.

        Raises:
            StoreUnavailable: the database does not answer. What was taken is looked at again later.
        """
        now = self._parts.clock.now()
        logins, self.logins = self.logins, set()
        try:
            async with self._parts.database.platform() as work:
                store = RequestSweepStore(work)
                if logins:
                    await store.wake(logins, now)
                requests = await store.take(now, now + _LEASE, self.room)
                room = max(0, min(_RENEWALS, self.room - len(requests)))
                renewals = await take_renewals(work, now, now + RENEWAL_LATER, room)
        except BaseException:
            self.logins |= logins
            raise
        for request in requests:
            self.begin(self._work_on(request))
        for certificate in renewals:
            self.begin(self._quietly(self._renew(certificate)))
        return len(requests) + len(renewals)

    async def _work_on(self, request: RequestRecord) -> None:
        match request.state:
            case "received":
                await self._quietly(self._have_signed(request))
            case "signed":
                await self._quietly(self._send(request))
            case _:
                await self._quietly(self._change(request, next_at=None))

    async def _quietly(self, work: Any) -> None:
        """Do work of one charge point. A failure must not delay the others; the lease brings it back."""
        try:
            await work
        except AppError as error:
            _LOG.info("certificate_delayed", detail=error.detail)

    async def _change(self, request: RequestRecord, **changes: Any) -> bool:
        async with self._parts.database.tenant(TenantId(request.tenant_id)) as work:
            return await RequestStore(work).change(
                request.id, [request.state], self._parts.clock.now(), **changes
            )

    async def _fail(self, request: RequestRecord, reason: str, detail: str) -> None:
        await self._change(request, state="failed", reason=reason, detail=detail, next_at=None)
        _LOG.warning("certificate_request_failed", request=request.id, reason=reason)

    # Signing

    async def _have_signed(self, request: RequestRecord) -> None:
        async with self._parts.database.tenant(TenantId(request.tenant_id)) as work:
            external = await ExternalAuthorityStore(work).get()
            authority = None if external else await AuthorityStore(work).active()
        try:
            if external is not None:
                await self._forward(request, external)
            elif authority is not None:
                await self._parts.service.signed(request, await self._sign(request, authority))
            else:
                await self._fail(request, "no_authority", "The tenant has no certificate authority.")
        except CertificateFault as fault:
            await self._fail(request, fault.code, fault.detail)

    async def _sign(self, request: RequestRecord, authority: AuthorityRecord) -> NewCertificate:
        key = self._parts.cipher.decrypt(authority)
        if key is None:
            raise CertificateFault("authority_unreadable", "The key of the authority cannot be read.")
        now = self._parts.clock.now()

        def sign() -> NewCertificate:
            csr, root = read_signing_request(request.csr), one_certificate(authority.certificate)
            return sign_request(csr, root, key, authority.certificate_days, now)

        return await compute(TenantId(request.tenant_id), sign)

    async def _forward(self, request: RequestRecord, external: ExternalAuthorityRecord) -> None:
        """Send a request to the external authority of its tenant.

        Raises:
            CertificateFault: it refuses the request, or its chain does not answer it.
        """
        tenant_id = TenantId(request.tenant_id)
        secret = self._parts.secrets.decrypt(tenant_id, external.secret)
        if secret is None:
            raise CertificateFault("secret_unreadable", "The secret cannot be read. Set the URL again.")
        body = orjson.dumps(
            {
                "type": "certificate_request",
                "request_id": request.id,
                "charge_point": request.identity,
                "organization": external.organization,
                "csr": request.csr,
                "answer_to": f"/v1/certificate-requests/{request.id}/chain",
            }
        )
        try:
            answer = await self._parts.client().post(
                OutgoingRequest(
                    tenant_id=tenant_id,
                    url=external.url,
                    body=body,
                    # The same in each attempt, so that nothing is signed twice.
                    message_id=f"certificate_request_{request.tenant_id}_{request.id}",
                    secrets=[secret],
                    deadline_s=_DEADLINE_S,
                    response_limit_bytes=_ANSWER_LIMIT_BYTES,
                )
            )
        except OutgoingFailed as failed:
            await self._forward_again(request, failed)
            return
        try:
            chain = external_answer(orjson.loads(answer.body))
        except orjson.JSONDecodeError:
            raise CertificateFault("invalid_answer", "The answer is not JSON.") from None
        if chain is None:
            await self._change(request, state="forwarded", next_at=None, reason=None, detail=None)
            return
        judged = await compute(tenant_id, lambda: self._parts.service.judge(request, external, chain))
        await self._parts.service.signed(request, judged)

    async def _forward_again(self, request: RequestRecord, failed: OutgoingFailed) -> None:
        now = self._parts.clock.now()
        again = next_attempt(failed.reason, request.attempts, now - request.received_at)
        if again is None:
            await self._fail(request, failed.reason.value, failed.detail)
            return
        await self._change(
            request,
            next_at=now + again.pause,
            attempts=again.attempts,
            reason=failed.reason.value,
            detail=failed.detail,
        )

    # Sending

    async def _send(self, request: RequestRecord) -> None:
        tenant_id, now = TenantId(request.tenant_id), self._parts.clock.now()
        if now - request.received_at > DELIVERY_LIFE:
            await self._fail(request, "not_delivered", "The charge point was not connected for 30 days.")
            return
        if await self._parts.presence.find(tenant_id, request.identity) is None:
            await self._change(request, next_at=now + SEND_LATER)
            return
        async with self._parts.database.tenant(tenant_id) as work:
            certificate = await CertificateStore(work).get(request.certificate_id or 0)
            keys = await ConfigurationStore(work).for_charge_point(request.charge_point_id)
        if certificate is None or certificate.state == "revoked":
            await self._fail(request, "revoked", "The certificate was revoked before it was sent.")
            return
        configured = next((key.value for key in keys if key.key.lower() == _MAX_CHAIN_KEY), None)
        limit = chain_limit(configured, CHAIN_LIMIT)
        if len(certificate.chain) > limit:
            detail = f"The chain has {len(certificate.chain)} characters, but the charge point takes {limit}."
            await self._fail(request, "chain_too_long", detail)
            return
        command = await self._parts.commands.issue(
            tenant_id,
            CommandRequest(
                identity=request.identity,
                action="CertificateSigned",
                payload_text=orjson.dumps({"certificateChain": certificate.chain}).decode(),
                issued_by=ISSUED_BY,
                idempotency_key=f"{ISSUED_BY}:{request.id}:{request.sends}",
            ),
        )
        if command.state == "offline":
            await self._change(request, next_at=now + SEND_LATER, sends=request.sends + 1)
            return
        async with self._parts.database.tenant(tenant_id) as work:
            if await RequestStore(work).mark_sent(request, command.id, now):
                await CertificateStore(work).set_state(certificate.id, "sent")

    # Renewal

    async def _renew(self, certificate: CertificateRecord) -> None:
        """Ask a charge point for a request, because its certificate ends soon."""
        tenant_id, now = TenantId(certificate.tenant_id), self._parts.clock.now()
        attempts, again_at = certificate.renewal_attempts, now + RENEWAL_LATER
        if await self._parts.presence.find(tenant_id, certificate.identity) is not None:
            request = CommandRequest(
                identity=certificate.identity,
                action="ExtendedTriggerMessage",
                payload_text='{"requestedMessage":"SignChargePointCertificate"}',
                issued_by=ISSUED_BY,
                idempotency_key=f"{ISSUED_BY}:renewal:{certificate.id}:{attempts}",
                gives_way=True,
            )
            try:
                await self._parts.commands.issue(tenant_id, request)
                attempts, again_at = attempts + 1, now + RENEWAL_PAUSE
            except ChargePointBusy:
                # An operator's command comes first.
                again_at = now + _BUSY_AGAIN
        is_over = attempts >= RENEWAL_ATTEMPTS or again_at >= certificate.not_after
        async with self._parts.database.tenant(tenant_id) as work:
            await CertificateStore(work).renew_later(certificate.id, None if is_over else again_at, attempts)
