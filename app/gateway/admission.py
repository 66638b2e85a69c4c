"""Decides who may connect. The order of the checks tells an attacker as little as possible.

Path (400), credential (401, or 429 if too many have failed), Origin (403, only where no credential protects),
identity (404, only if the operator reveals it), subprotocol. A login without a valid credential changes
nothing: no live session is looked at here.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final

from app.charge_points.credentials import Credentials
from app.charge_points.login_batcher import LoginBatcher
from app.charge_points.records import BY_CERTIFICATE, BY_NOTHING, Login, LoginLookup, LoginProof
from app.charge_points.security_profile import refused_profile
from app.charge_points.store import ChargePointStore
from app.clock import Clock
from app.connection import CertificateVerdict, ClientCertificate
from app.database.database import Database
from app.deviations.records import LoginDeviation
from app.errors import StoreUnavailable, TooManyRequests
from app.gateway.denials import (
    Denied,
    denied_connected,
    denied_identity,
    denied_origin,
    denied_path,
    denied_suspended,
    unauthorized,
)
from app.gateway.handshake import (
    BasicCredential,
    Handshake,
    judge_user,
    negotiate,
    offered_subprotocols,
    read_basic,
    security_profile,
)
from app.gateway.limiter import LoginLimiter, Pair, client_address, network_of, parse_networks
from app.gateway.login_turns import LoginTurns
from app.gateway.path import Address, PathRefused, parse_path
from app.live.shared_buckets import SharedBuckets
from app.login_attempts.recorder import RefusedLogins
from app.login_attempts.records import RefusalReason, RefusedLogin
from app.logs import get_logger
from app.metrics import HANDSHAKES_DELAYED
from app.quirks.records import Device, Habits
from app.quirks.service import QuirkReader
from app.settings import Settings
from app.transactions.store.reading import TransactionStore
from app.transactions.stored_records import TransactionFilter
from app.types import TenantId

_LOG = get_logger(__name__)

_NOT_EXACT: Final = "The path is not exactly /ocpp/{tenant}/{identity}."
_ANSWERED_429: Final = "It was answered 429, because too many logins have failed."


@dataclass(frozen=True, slots=True)
class Admitted:
    """A login that succeeded.

    epoch: number of the new session; subprotocol: the token to echo, None for none; remote: address of the
    client; accepted_before: whether the charge point may hold billing records from a time when its
    registration was Accepted; habits: of the charge point, as it last booted; security_profile,
    client_certificate: see `Connection`.
    """

    login: Login
    epoch: int
    subprotocol: str | None
    remote: str
    deviations: tuple[LoginDeviation, ...]
    accepted_before: bool
    habits: Habits
    security_profile: int = 0
    client_certificate: ClientCertificate | None = None


@dataclass(frozen=True, slots=True)
class NoSubprotocol:
    """A login with a valid credential but no common subprotocol: accept, then close (OCPP-J 3.2)."""

    offered: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Gone:
    """A login whose client has left before it was decided."""


Decision = Admitted | Denied | NoSubprotocol | Gone


@dataclass(frozen=True, slots=True)
class _Attempt:
    handshake: Handshake
    address: Address
    remote: str
    credential: BasicCredential | None

    @property
    def pair(self) -> Pair:
        """The charge point at its address."""
        return Pair(network_of(self.remote), self.address.tenant, self.address.identity)

    @property
    def has_authorization(self) -> bool:
        """Whether there is a credential, readable or not."""
        return bool(self.handshake.values(b"authorization"))


@dataclass(frozen=True, slots=True)
class AdmissionParts:
    """The collaborators of the admission.

    buckets: those of failed logins that all workers share; pause_of: returns the seconds that a new
    connection of a charge point has to wait (`Registry.pause_s`); is_held: tells whether its present
    connection lives (`Registry.is_held`); verify: judges the client certificate of a charge point of a tenant
    (`ClientTrust.verify`).
    """

    database: Database
    logins: LoginBatcher
    credentials: Credentials
    refused: RefusedLogins
    buckets: SharedBuckets
    clock: Clock
    quirks: QuirkReader
    pause_of: Callable[[TenantId, str], Awaitable[float]]
    is_held: Callable[[TenantId, str], Awaitable[bool]]
    verify: Callable[[TenantId, str, ClientCertificate], Awaitable[CertificateVerdict]]


class Admission:
    """Decides the logins of one worker."""

    def __init__(self, parts: AdmissionParts, settings: Settings) -> None:
        self._database = parts.database
        self._logins = parts.logins
        self._credentials = parts.credentials
        self._refused = parts.refused
        self._buckets = parts.buckets
        self._clock = parts.clock
        self._pause_of = parts.pause_of
        self._is_held = parts.is_held
        self._quirks = parts.quirks
        self._verify = parts.verify
        self._reveal = settings.reveal_unknown_identity
        self._trusted = parse_networks(settings.trusted_proxies)
        self._limiter = LoginLimiter(settings.login_failures_per_minute)
        self._turns = LoginTurns()

    async def decide(self, handshake: Handshake) -> Decision:
        """Judge one attempt to connect. A valid credential gets the next epoch; nothing else is changed."""
        remote = self._remote_of(handshake)
        try:
            address = parse_path(handshake.raw_path, handshake.root_path)
        except PathRefused as refusal:
            self._note(refusal.reason, remote, refusal.tenant, refusal.identity, str(refusal))
            return denied_path(refusal.reason, str(refusal))
        credential = read_basic(handshake.values(b"authorization"))
        try:
            decision = await self._in_turn(_Attempt(handshake, address, remote, credential))
        except StoreUnavailable as unavailable:
            # Without the database no login is accepted. The charge point tries again.
            decision = Denied(RefusalReason.STORE_UNAVAILABLE, unavailable, unavailable.headers)
        match decision:
            case Denied():
                self._note(decision.reason, remote, address.tenant, address.identity, decision.detail)
            case NoSubprotocol():
                detail = (
                    f"It offers: {', '.join(decision.offered)}." if decision.offered else "It offers none."
                )
                self._note(RefusalReason.SUBPROTOCOL, remote, address.tenant, address.identity, detail)
        return decision

    def refuse_upgrade(self, handshake: Handshake) -> None:
        """Note a request that is not a WebSocket handshake. Its answer needs no decision."""
        try:
            address = parse_path(handshake.raw_path, handshake.root_path)
            tenant, identity = address.tenant, address.identity
        except PathRefused as refusal:
            tenant, identity = refusal.tenant or "", refusal.identity or ""
        self._note(RefusalReason.UPGRADE, self._remote_of(handshake), tenant or None, identity or None)

    def _note(
        self,
        reason: RefusalReason,
        remote: str,
        tenant: str | None,
        identity: str | None,
        detail: str | None = None,
    ) -> None:
        self._refused.note(RefusedLogin(self._clock.now(), reason, remote, tenant, identity, detail))

    def _remote_of(self, handshake: Handshake) -> str:
        forwarded_for = handshake.values(b"x-forwarded-for")
        text = b",".join(forwarded_for).decode("latin-1") if forwarded_for else None
        return client_address(handshake.peer, text, self._trusted)

    async def _in_turn(self, attempt: _Attempt) -> Decision:
        """Judge an attempt. One without tokens waits for its turn, and is refused with 429 if it is wrong."""
        pair, now = attempt.pair, self._clock.monotonic()
        wait_s = self._limiter.retry_after_s(pair, now)
        if wait_s == 0.0:
            return await self._log_in(attempt)
        limited = TooManyRequests("Too many failed logins from this address.", math.ceil(wait_s))
        if not await self._turns.wait(pair, self._limiter.rank(pair, now)):
            return Denied(RefusalReason.LIMIT, limited, limited.headers)
        if attempt.handshake.is_gone():
            return Gone()
        decision = await self._log_in(attempt)
        if isinstance(decision, Denied) and decision.error.status == 401 and attempt.has_authorization:
            # One without credential is told to send it: some charge points do so only then.
            detail = " ".join(filter(None, (decision.detail, _ANSWERED_429)))
            return Denied(decision.reason, limited, limited.headers, detail)
        return decision

    async def _log_in(self, attempt: _Attempt) -> Decision:
        address = attempt.address
        lookup = await self._logins.find(address.tenant, address.identity)
        judged = self._judge(attempt, lookup)
        login = lookup.login
        certificate = attempt.handshake.security.client_certificate
        if login is not None and certificate is not None:
            judged = await self._judge_certificate(certificate, attempt, login)
        if login is None or isinstance(judged, Denied):
            return await self._failed(
                attempt,
                judged if isinstance(judged, Denied) else unauthorized(RefusalReason.UNKNOWN_IDENTITY),
            )
        if login.suspension_reason is not None:
            return denied_suspended(login.suspension_reason)
        if (below := refused_profile(judged.security_profile, login)) is not None:
            return await self._failed(attempt, unauthorized(RefusalReason.SECURITY_PROFILE, below))
        if judged.proof is BY_NOTHING and await self._is_held(TenantId(login.tenant_id), login.identity):
            return await self._failed(attempt, denied_connected())
        self._limiter.succeeded(attempt.pair)
        offered = attempt.handshake.values(b"sec-websocket-protocol")
        negotiation = negotiate(offered, login.strict_protocol)
        if not negotiation.acceptable:
            return NoSubprotocol(tuple(offered_subprotocols(offered)))
        if not await self._wait_for_calm(attempt, login):
            return Gone()
        now, profile = self._clock.now(), judged.security_profile
        place = (login.tenant_id, login.charge_point_id)
        epoch = await self._logins.next_epoch(*place, now, profile, judged.proof)
        if epoch is None:
            # The charge point was deleted, or its credential replaced, between the two statements.
            return await self._failed(attempt, unauthorized(RefusalReason.UNKNOWN_IDENTITY))
        if judged.pending is not None:
            await self._promote(login, judged.pending)
        tolerated = () if negotiation.deviation is None else (negotiation.deviation,)
        return Admitted(
            login,
            epoch,
            negotiation.subprotocol,
            attempt.remote,
            address.deviations + judged.deviations + tolerated,
            await self._was_accepted(login),
            await self._quirks.habits(TenantId(login.tenant_id), _device(login)),
            judged.security_profile,
            judged.certificate,
        )

    async def _wait_for_calm(self, attempt: _Attempt, login: Login) -> bool:
        """Delay a login whose connections replace each other again and again. Return False if it has left."""
        pause_s = await self._pause_of(TenantId(login.tenant_id), login.identity)
        if pause_s > 0.0:
            HANDSHAKES_DELAYED.inc()
            _LOG.warning(
                "handshake_delayed",
                tenant=login.tenant_slug,
                charge_point=login.identity,
                remote=attempt.remote,
                seconds=round(pause_s, 1),
            )
            await asyncio.sleep(pause_s)
        return not attempt.handshake.is_gone()

    def _judge(self, attempt: _Attempt, lookup: LoginLookup) -> "_Judged | Denied":
        """Check the credential. It takes the same time whether or not the charge point exists."""
        credential, login = attempt.credential, lookup.login
        password = b"" if credential is None else credential.password
        stored = None if login is None else login.credential_hash
        pending = None if login is None else _pending(login, self._clock)
        current_fits = self._credentials.matches(password, stored)
        pending_fits = self._credentials.matches(password, pending)
        if login is None:
            return denied_identity(lookup, self._reveal)
        is_proved = current_fits or pending_fits
        if not (is_proved or login.no_credential):
            return unauthorized(_credential_reason(attempt, stored is not None or pending is not None))
        deviations: list[LoginDeviation] = []
        if credential is not None:
            is_user, deviation = judge_user(credential.user, login.identity)
            if not is_user or (deviation is not None and login.strict_protocol):
                return unauthorized(RefusalReason.USER_NAME)
            deviations += [deviation] if deviation is not None else []
        if attempt.handshake.values(b"origin"):
            if not is_proved:
                return denied_origin()
            deviations.append(LoginDeviation.ORIGIN)
        if login.strict_protocol and attempt.address.deviations:
            return denied_path(RefusalReason.PATH_NOT_EXACT, _NOT_EXACT)
        profile = security_profile(attempt.handshake.security, is_proved)
        proof = LoginProof("secret", stored if current_fits else pending) if is_proved else BY_NOTHING
        promoted = pending if pending_fits and not current_fits else None
        return _Judged(tuple(deviations), promoted, profile, proof)

    async def _judge_certificate(
        self, certificate: ClientCertificate, attempt: _Attempt, login: Login
    ) -> "_Judged | Denied":
        """Check whose certificate it is. It needs no password, and none is looked at (profile 3)."""
        anchor, problem = await self._verify(TenantId(login.tenant_id), login.identity, certificate)
        if problem is not None:
            return unauthorized(RefusalReason.CERTIFICATE, problem)
        verified = replace(certificate, anchor=anchor or "", chain=())
        if login.strict_protocol and attempt.address.deviations:
            return denied_path(RefusalReason.PATH_NOT_EXACT, _NOT_EXACT)
        deviations = (LoginDeviation.ORIGIN,) if attempt.handshake.values(b"origin") else ()
        profile = security_profile(attempt.handshake.security, False)
        return _Judged(deviations, None, profile, BY_CERTIFICATE, verified)

    async def _failed(self, attempt: _Attempt, denied: Denied) -> Denied:
        """Count a failure, here and for the other workers: the one step of a login that asks Redis."""
        guessed = attempt.credential is not None and denied.error.status in (401, 404)
        buckets = self._limiter.failed(attempt.pair, self._clock.monotonic(), guessed=guessed)
        taken = await self._buckets.take(buckets)
        self._limiter.learn(buckets, (found.remaining for found in taken), self._clock.monotonic())
        return denied

    async def _promote(self, login: Login, credential_hash: bytes) -> None:
        """Make the pending key the only valid one: the charge point has used it (OCPP-J 6.2.2)."""
        async with self._database.tenant(login.tenant_id) as work:
            # Another key may have become the pending one since. This login does not prove that one.
            promoted = await ChargePointStore(work).promote_pending(login.charge_point_id, credential_hash)
        if promoted:
            _LOG.info("credential_promoted", tenant=login.tenant_slug, charge_point=login.identity)

    async def _was_accepted(self, login: Login) -> bool:
        """Tell whether it may hold billing records: it is Accepted, or it has charged before."""
        if login.registration_status == "Accepted":
            return True
        async with self._database.tenant(login.tenant_id) as work:
            return bool(
                await TransactionStore(work).page(1, filters=TransactionFilter(identity=login.identity))
            )


@dataclass(frozen=True, slots=True)
class _Judged:
    """A valid credential. pending: its hash, if it is the new key of a change whose outcome is unknown."""

    deviations: tuple[LoginDeviation, ...]
    pending: bytes | None
    security_profile: int
    proof: LoginProof
    certificate: ClientCertificate | None = None


def _device(login: Login) -> Device:
    return Device(login.vendor, login.model, login.firmware_version)


def _pending(login: Login, clock: Clock) -> bytes | None:
    if login.pending_until is None or login.pending_until <= clock.now():
        return None
    return login.pending_credential_hash


def _credential_reason(attempt: _Attempt, is_set: bool) -> RefusalReason:
    if not is_set:
        return RefusalReason.CREDENTIAL_NOT_SET
    if attempt.credential is not None:
        return RefusalReason.CREDENTIAL_WRONG
    return (
        RefusalReason.CREDENTIAL_MALFORMED if attempt.has_authorization else RefusalReason.CREDENTIAL_ABSENT
    )
