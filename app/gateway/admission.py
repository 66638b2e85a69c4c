"""Decides who may connect. The order of the checks tells an attacker as little as possible.

Path (400), Origin (403), failure limit (429), credential (401), identity (404, only if the operator reveals
it), subprotocol. A login without a valid credential changes nothing: no live session is looked at here.
"""

import math
from dataclasses import dataclass, field

from app import metrics
from app.charge_points.credentials import Credentials
from app.charge_points.login_batcher import LoginBatcher
from app.charge_points.records import Login
from app.charge_points.store import ChargePointStore
from app.clock import Clock
from app.database.database import Database
from app.errors import AppError, StoreUnavailable, TooManyRequests
from app.gateway.handshake import BasicCredential, Handshake, judge_user, negotiate, read_basic
from app.gateway.limiter import LoginLimiter, client_address, parse_networks
from app.gateway.path import Address, PathRefused, parse_path
from app.logs import get_logger
from app.settings import Settings
from app.transactions.store.reading import TransactionStore
from app.transactions.stored_records import TransactionFilter

_LOG = get_logger(__name__)

_MISSING_CREDENTIAL_WEIGHT = 0.1
"""Some chargers send their credential only after a 401, so a missing one counts as a tenth of a failure."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """A login that succeeded.

    epoch: number of the new session; subprotocol: the token to echo, None for none; remote: address of the
    client; accepted_before: whether the charge point may hold billing records from a time when its
    registration was Accepted.
    """

    login: Login
    epoch: int
    subprotocol: str | None
    remote: str
    deviations: tuple[str, ...]
    accepted_before: bool


@dataclass(frozen=True, slots=True)
class Denied:
    """A login that is refused with an HTTP answer. reason: the label for metrics and the log."""

    reason: str
    error: AppError
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NoSubprotocol:
    """A login with a valid credential but no common subprotocol: accept, then close (OCPP-J 3.2)."""


@dataclass(frozen=True, slots=True)
class _Attempt:
    handshake: Handshake
    address: Address
    remote: str
    credential: BasicCredential | None


class Admission:
    """Decides the logins of one worker."""

    def __init__(
        self,
        database: Database,
        logins: LoginBatcher,
        credentials: Credentials,
        clock: Clock,
        settings: Settings,
    ) -> None:
        self._database = database
        self._logins = logins
        self._credentials = credentials
        self._clock = clock
        self._reveal = settings.reveal_unknown_identity
        self._trusted = parse_networks(settings.trusted_proxies)
        self._limiter = LoginLimiter(settings.login_failures_per_minute)

    async def decide(self, handshake: Handshake) -> Admitted | Denied | NoSubprotocol:
        """Judge one attempt to connect. A valid credential gets the next epoch; nothing else is changed."""
        decision = await self._decide(handshake)
        if not isinstance(decision, Admitted):
            reason = decision.reason if isinstance(decision, Denied) else "subprotocol"
            metrics.LOGINS_REFUSED.labels(reason).inc()
        return decision

    async def _decide(self, handshake: Handshake) -> Admitted | Denied | NoSubprotocol:
        try:
            address = parse_path(handshake.raw_path, handshake.root_path)
        except PathRefused as error:
            return _denied_path(str(error))
        if handshake.values(b"origin"):
            return _denied_origin()
        forwarded_for = handshake.values(b"x-forwarded-for")
        remote = client_address(
            handshake.peer,
            b",".join(forwarded_for).decode("latin-1") if forwarded_for else None,
            self._trusted,
        )
        now = self._clock.monotonic()
        wait_s = self._limiter.retry_after_s(remote, address.tenant, address.identity, now)
        if wait_s > 0.0:
            limited = TooManyRequests("Too many failed logins from this address.", math.ceil(wait_s))
            return Denied("limiter", limited, limited.headers)
        credential = read_basic(handshake.values(b"authorization"))
        try:
            return await self._log_in(_Attempt(handshake, address, remote, credential))
        except StoreUnavailable as unavailable:
            # Without the database no login is accepted. The charge point tries again.
            return Denied("store_unavailable", unavailable, unavailable.headers)

    async def _log_in(self, attempt: _Attempt) -> Admitted | Denied | NoSubprotocol:
        address = attempt.address
        login = await self._logins.find(address.tenant, address.identity)
        judged = self._judge(attempt, login)
        if login is None or isinstance(judged, Denied):
            return self._failed(attempt, judged if isinstance(judged, Denied) else _denied_credential())
        offered = attempt.handshake.values(b"sec-websocket-protocol")
        negotiation = negotiate(offered, login.strict_protocol)
        if not negotiation.acceptable:
            return NoSubprotocol()
        epoch = await self._logins.next_epoch(login.tenant_id, login.charge_point_id, self._clock.now())
        if epoch is None:
            # The charge point was deleted between the two statements.
            return self._failed(attempt, _denied_credential())
        self._limiter.succeeded(attempt.remote, address.tenant, address.identity)
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
        )

    def _judge(self, attempt: _Attempt, login: Login | None) -> "_Judged | Denied":
        """Check the credential. It takes the same time whether or not the charge point exists."""
        credential = attempt.credential
        password = b"" if credential is None else credential.password
        stored = None if login is None else login.credential_hash
        pending = None if login is None else _pending(login, self._clock)
        current_fits = self._credentials.matches(password, stored)
        pending_fits = self._credentials.matches(password, pending)
        if login is None:
            return _denied_identity() if self._reveal else _denied_credential()
        if not (current_fits or pending_fits or login.no_credential):
            return _denied_credential()
        deviation: str | None = None
        if credential is not None:
            is_user, deviation = judge_user(credential.user, login.identity)
            if not is_user or (deviation is not None and login.strict_protocol):
                return _denied_credential()
        if login.strict_protocol and attempt.address.deviations:
            return _denied_path("The path is not exactly /ocpp/{tenant}/{identity}.")
        promoted = pending if pending_fits and not current_fits else None
        return _Judged(() if deviation is None else (deviation,), promoted)

    def _failed(self, attempt: _Attempt, denied: Denied) -> Denied:
        address = attempt.address
        weight = _MISSING_CREDENTIAL_WEIGHT if attempt.credential is None else 1.0
        now = self._clock.monotonic()
        self._limiter.failed(attempt.remote, address.tenant, address.identity, now, weight)
        _LOG.warning(
            "login_refused",
            reason=denied.reason,
            tenant=address.tenant,
            charge_point=address.identity,
            remote=attempt.remote,
        )
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

    deviations: tuple[str, ...]
    pending: bytes | None


def _pending(login: Login, clock: Clock) -> bytes | None:
    if login.pending_until is None or login.pending_until <= clock.now():
        return None
    return login.pending_credential_hash


def _denied_path(detail: str) -> Denied:
    return Denied("syntax", AppError("invalid_path", 400, "Bad request", detail, "path"))


def _denied_credential() -> Denied:
    error = AppError("unauthorized", 401, "Unauthorized", "The credential is not that of the charge point.")
    return Denied("credential", error, {"WWW-Authenticate": 'Basic realm="ocpp"'})


def _denied_identity() -> Denied:
    error = AppError("not_found", 404, "Not found", "No charge point of this identity.", "path")
    return Denied("identity", error)


def _denied_origin() -> Denied:
    # Browsers send Origin and charge points do not, so a web page cannot connect as a charge point.
    error = AppError("origin_refused", 403, "Forbidden", "A charge point sends no Origin header.", "Origin")
    return Denied("origin", error)
