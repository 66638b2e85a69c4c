"""Has V2G certificates signed, and sends them inside DataTransfer.

Every worker sweeps; each row goes to one of them. A row that was taken comes up again after the lease if its
worker died. What is repeated then has the same name, so nothing is signed or sent twice.
"""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import orjson

from app.certificates.records import CertificateFault
from app.certificates.rules.delivery import (
    DELIVERY_LIFE,
    SEND_LATER,
    chain_limit,
    external_answer,
    next_attempt,
)
from app.certificates.rules.pem import CHAIN_LIMIT
from app.clock import Clock
from app.commands.records import CommandRequest
from app.commands.service import CommandService
from app.computation import compute
from app.configuration.store import ConfigurationStore
from app.database.database import Database
from app.errors import AppError
from app.live.presence import Presence
from app.login_sweeper import LoginSweeper
from app.logs import get_logger
from app.outgoing.client import OutgoingClient
from app.outgoing.records import OutgoingFailed, OutgoingRequest
from app.plug_and_charge.records import SettingSecrets, V2gAuthority, V2gRequestRecord
from app.plug_and_charge.rules.v2g import signed_payload
from app.plug_and_charge.service.requests import V2gRequestService
from app.plug_and_charge.service.settings import PlugAndChargeSettingService
from app.plug_and_charge.store.requests import V2gRequestStore, V2gSweepStore
from app.types import TenantId

V2G_ISSUED_BY: Final = "plug_and_charge"
_LEASE: Final = timedelta(minutes=2)
_DEADLINE_S: Final = 20.0
_ANSWER_LIMIT_BYTES: Final = 65_536
_MAX_CHAIN_KEY: Final = "certificatesignedmaxchainsize"

_LOG = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class V2gIssuerParts:
    """The collaborators of the issuer."""

    database: Database
    commands: CommandService
    presence: Presence
    client: Callable[[], OutgoingClient]
    settings: PlugAndChargeSettingService
    service: V2gRequestService
    clock: Clock


class V2gIssuer(LoginSweeper):
    """Works on the V2G certificate requests of all tenants, for one worker."""

    def __init__(self, parts: V2gIssuerParts) -> None:
        super().__init__("v2g_certificates")
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
                store = V2gSweepStore(work)
                if logins:
                    await store.wake(logins, now)
                requests = await store.take(now, now + _LEASE, self.room)
        except BaseException:
            self.logins |= logins
            raise
        for request in requests:
            self.begin(self._work_on(request))
        return len(requests)

    async def _work_on(self, request: V2gRequestRecord) -> None:
        work: dict[str, Callable[[V2gRequestRecord], Coroutine[Any, Any, None]]] = {
            "received": self._have_signed,
            "signed": self._send,
        }
        try:
            await work.get(request.state, self._forget)(request)
        except AppError as error:
            # A failure must not delay the others; the lease brings the row back.
            _LOG.info("v2g_certificate_delayed", detail=error.detail)

    async def _forget(self, request: V2gRequestRecord) -> None:
        await self._change(request, next_at=None)

    async def _change(self, request: V2gRequestRecord, **changes: Any) -> None:
        async with self._parts.database.tenant(TenantId(request.tenant_id)) as work:
            store = V2gRequestStore(work)
            await store.change(request.id, [request.state], self._parts.clock.now(), **changes)

    async def _fail(self, request: V2gRequestRecord, reason: str, detail: str) -> None:
        await self._change(request, state="failed", reason=reason, detail=detail, next_at=None)
        _LOG.warning("v2g_certificate_request_failed", request=request.id, reason=reason)

    # Signing

    async def _have_signed(self, request: V2gRequestRecord) -> None:
        found = await self._parts.settings.read(TenantId(request.tenant_id), V2gAuthority)
        if found is None:
            await self._fail(request, "no_authority", "The tenant has no authority for V2G certificates.")
            return
        authority, secrets = found
        if secrets is None:
            await self._fail(request, "secret_unreadable", "The secret cannot be read. Set the URL again.")
            return
        try:
            await self._forward(request, authority, secrets)
        except CertificateFault as fault:
            await self._fail(request, fault.code, fault.detail)

    async def _forward(
        self, request: V2gRequestRecord, authority: V2gAuthority, secrets: SettingSecrets
    ) -> None:
        """Send a request to the authority of its tenant.

        Raises:
            CertificateFault: it refuses the request, or its chain does not answer it.
        """
        tenant_id = TenantId(request.tenant_id)
        body = {
            "type": "certificate_request",
            "certificate_type": "V2GCertificate",
            "request_id": request.id,
            "charge_point": request.identity,
            "csr": request.csr,
            "answer_to": f"/v1/plug-and-charge/certificate-requests/{request.id}/chain",
        }
        try:
            answer = await self._parts.client().post(
                OutgoingRequest(
                    tenant_id=tenant_id,
                    url=authority.url,
                    body=orjson.dumps(body),
                    # The same in each attempt, so that nothing is signed twice.
                    message_id=f"v2g_certificate_request_{request.tenant_id}_{request.id}",
                    secrets=[secrets.signing],
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
        judged = await compute(tenant_id, lambda: self._parts.service.judge(request, authority, chain))
        await self._parts.service.signed(request, judged)

    async def _forward_again(self, request: V2gRequestRecord, failed: OutgoingFailed) -> None:
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

    async def _send(self, request: V2gRequestRecord) -> None:
        tenant_id, now = TenantId(request.tenant_id), self._parts.clock.now()
        if now - request.received_at > DELIVERY_LIFE or request.chain is None:
            await self._fail(request, "not_delivered", "The charge point was not connected for 30 days.")
            return
        if await self._parts.presence.find(tenant_id, request.identity) is None:
            await self._change(request, next_at=now + SEND_LATER)
            return
        async with self._parts.database.tenant(tenant_id) as work:
            keys = await ConfigurationStore(work).for_charge_point(request.charge_point_id)
        configured = next((key.value for key in keys if key.key.lower() == _MAX_CHAIN_KEY), None)
        limit = chain_limit(configured, CHAIN_LIMIT)
        if len(request.chain) > limit:
            detail = f"The chain has {len(request.chain)} characters, but the charge point takes {limit}."
            await self._fail(request, "chain_too_long", detail)
            return
        chain, dialect = request.chain, request.dialect
        payload = await compute(tenant_id, lambda: signed_payload(dialect, chain))
        command = await self._parts.commands.issue(
            tenant_id,
            CommandRequest(
                identity=request.identity,
                action="DataTransfer",
                payload_text=orjson.dumps(payload).decode(),
                issued_by=V2G_ISSUED_BY,
                idempotency_key=f"{V2G_ISSUED_BY}:{request.id}:{request.sends}",
            ),
        )
        if command.state == "offline":
            await self._change(request, next_at=now + SEND_LATER, sends=request.sends + 1)
            return
        async with self._parts.database.tenant(tenant_id) as work:
            await V2gRequestStore(work).mark_sent(request, command.id, now)
