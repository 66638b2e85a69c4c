"""The one HTTP client for requests to servers that tenants name.

Theory of operation. The name is resolved here, each address is judged, and the connection goes to the judged
address, whatever the name says later (DNS rebinding). The Host header and the check of the certificate keep
the name. A connection is used again only for the same tenant and host. Redirects, proxies of the environment,
cookies and compressed answers are not followed, used, kept or read. One deadline holds for everything. Each
failure has a reason; URLs and secrets are never logged.
"""

import asyncio
import ssl
from collections import Counter, OrderedDict
from collections.abc import Sequence
from functools import cache, partial
from importlib.metadata import version
from ipaddress import ip_network
from typing import Any, Final, NamedTuple

import httpcore
import httpx

from app.clock import Clock
from app.metrics import LIMITS_HIT, OUTGOING_REQUESTS
from app.outgoing.bounded_streams import BoundedBackend
from app.outgoing.circuit import Circuits, Endpoint
from app.outgoing.names import Names, Resolve, allowed_addresses
from app.outgoing.records import (
    Address,
    OutgoingAnswer,
    OutgoingFailed,
    OutgoingFailure,
    OutgoingRequest,
    RequestTarget,
)
from app.outgoing.rules import address_of_host, is_allowed, target_of
from app.outgoing.signature import signature_headers
from app.settings import Settings
from app.types import TenantId

_ADDRESSES_TRIED: Final = 3
_KEPT_S: Final = 4.0
"""Seconds that an idle connection is kept: many servers close theirs after five."""
_KEPT: Final = 4
_GRACE_S: Final = 0.02
_USER_AGENT: Final = f"stationmaster/{version('stationmaster')}"
_HOSTS: Final = 200
"""Hosts whose connections are kept. Beyond it the one that was used longest ago is dropped."""
_PERMANENT: Final = frozenset(
    {OutgoingFailure.URL_NOT_ALLOWED, OutgoingFailure.BUSY, OutgoingFailure.STOPPING}
)
"""Failures that say nothing about the endpoint."""
_OF_HTTP: Final = (httpx.TransportError, httpx.StreamError, httpx.InvalidURL, OSError)


class _Host(NamedTuple):
    tenant_id: TenantId
    scheme: str
    host: str
    port: int


class OutgoingClient:
    """The outgoing client of one worker."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        *,
        resolve: Resolve | None = None,
        context: ssl.SSLContext | None = None,
    ) -> None:
        """Make a client.

        Args:
            settings: Those that begin with `outgoing_`.
            clock: For signatures and pauses.
            resolve: Resolves names, by default as the system does.
            context: The trusted certificates, by default those of the system.
        """
        self._names = Names()
        self._resolve = resolve
        # Now, because it takes longer than some deadlines.
        self._trust = context or _system_trust()
        self._clock = clock
        self._allowed = tuple(ip_network(text, strict=False) for text in settings.outgoing_allowed_networks)
        self._http_allowed = settings.outgoing_http_allowed
        self._limit = settings.outgoing_requests_limit
        self._limit_of_tenant = settings.outgoing_requests_of_tenant_limit
        self._running: Counter[TenantId] = Counter()
        self._tasks: set[asyncio.Task[OutgoingAnswer]] = set()
        self._circuits = Circuits()
        self._transports: OrderedDict[_Host, httpx.AsyncHTTPTransport] = OrderedDict()
        self._in_use: Counter[_Host] = Counter()
        self._is_closed = False

    def check_url(self, url: str) -> None:
        """Check a URL before it is stored. Its addresses are judged with each request.

        Raises:
            OutgoingFailed: url_not_allowed; or address_not_allowed, if its host is an address.
        """
        target = target_of(url, http_allowed=self._http_allowed)
        literal = address_of_host(target.host)
        if literal is not None and not is_allowed(literal, self._allowed):
            raise OutgoingFailed(
                OutgoingFailure.ADDRESS_NOT_ALLOWED,
                "The address is not public. The operator of the server allows others by "
                "STATIONMASTER_OUTGOING_ALLOWED_NETWORKS.",
            )

    async def close(self) -> None:
        """End the running requests with the reason `stopping`, and close all connections."""
        self._is_closed = True
        while self._tasks:
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(self._tasks)
        for transport in self._transports.values():
            await transport.aclose()
        self._transports.clear()
        self._names.close()

    async def post(self, request: OutgoingRequest) -> OutgoingAnswer:
        """Send a request, and return its answer.

        Raises:
            OutgoingFailed: no answer with a status of 2xx came within the deadline.
        """
        try:
            answer = await self._post(request)
        except OutgoingFailed as failed:
            OUTGOING_REQUESTS.labels(failed.reason.value).inc()
            raise
        OUTGOING_REQUESTS.labels("answered").inc()
        return answer

    async def _post(self, request: OutgoingRequest) -> OutgoingAnswer:
        target = target_of(request.url, http_allowed=self._http_allowed or request.allows_http)
        endpoint = Endpoint(request.tenant_id, request.url)
        self._require_room(request, endpoint)
        # A task of its own: `close` ends the request, and the caller gets an error, not a cancellation.
        task = asyncio.create_task(self._exchange(request, target), name="outgoing-request")
        self._tasks.add(task)
        self._running[request.tenant_id] += 1
        try:
            answer = await task
        except OutgoingFailed as failed:
            self._judge(endpoint, failed.reason)
            raise
        except asyncio.CancelledError:
            task.cancel()
            self._circuits.gave_up(endpoint)
            if self._is_closed:
                raise OutgoingFailed(OutgoingFailure.STOPPING) from None
            raise
        except BaseException:
            self._circuits.gave_up(endpoint)
            raise
        else:
            self._circuits.succeeded(endpoint)
            return answer
        finally:
            self._tasks.discard(task)
            self._running[request.tenant_id] -= 1
            if not self._running[request.tenant_id]:
                del self._running[request.tenant_id]

    def _require_room(self, request: OutgoingRequest, endpoint: Endpoint) -> None:
        """Refuse a request at the limits, and to an endpoint whose circuit is open."""
        if self._is_closed:
            raise OutgoingFailed(OutgoingFailure.STOPPING)
        of_tenant = self._running[request.tenant_id]
        if of_tenant >= self._limit_of_tenant or self._running.total() >= self._limit:
            LIMITS_HIT.labels("outgoing_requests").inc()
            raise OutgoingFailed(OutgoingFailure.BUSY, "Too many requests are under way.")
        may_ask = self._circuits.may_ask(endpoint, self._clock.monotonic())
        if not may_ask and not request.ignores_circuit:
            raise OutgoingFailed(
                OutgoingFailure.CIRCUIT_OPEN, "The endpoint has failed repeatedly, and is asked again soon."
            )

    def _judge(self, endpoint: Endpoint, reason: OutgoingFailure) -> None:
        if reason in _PERMANENT:
            self._circuits.gave_up(endpoint)
        else:
            self._circuits.failed(endpoint, self._clock.monotonic())

    async def _exchange(self, request: OutgoingRequest, target: RequestTarget) -> OutgoingAnswer:
        try:
            async with asyncio.timeout(request.deadline_s) as deadline:
                resolve = self._resolve or partial(self._names.resolve, request.tenant_id)
                addresses = await allowed_addresses(target, resolve, self._allowed)
                ends_at = deadline.when() or 0.0
                return await self._send(request, target, addresses[:_ADDRESSES_TRIED], ends_at)
        except (TimeoutError, httpx.TimeoutException):
            raise OutgoingFailed(
                OutgoingFailure.DEADLINE, f"There was no whole answer within {request.deadline_s:g} s."
            ) from None
        except _OF_HTTP as error:
            raise _failure_of(error) from None

    async def _send(
        self, request: OutgoingRequest, target: RequestTarget, addresses: Sequence[Address], ends_at: float
    ) -> OutgoingAnswer:
        """Send a request to the first address that takes a connection. ends_at: on the event loop's clock."""
        host = _Host(request.tenant_id, target.scheme, target.host, target.port)
        self._in_use[host] += 1
        try:
            transport = await self._transport(host)
            for place, address in enumerate(addresses):
                left = len(addresses) - place
                prepared = self._prepared(request, target, address, _timeouts(ends_at, left))
                try:
                    return await _exchanged(transport, prepared, request)
                except (httpx.ConnectError, httpx.ConnectTimeout):
                    if left == 1:
                        raise
            raise AssertionError("a target has an address")
        finally:
            self._in_use[host] -= 1
            if not self._in_use[host]:
                del self._in_use[host]

    def _prepared(
        self, request: OutgoingRequest, target: RequestTarget, address: Address, timeouts: dict[str, float]
    ) -> httpx.Request:
        """Return the request to one address, in the name of its host."""
        timestamp_s = self._clock.now_us() // 1_000_000
        headers = {
            **request.headers,
            "host": target.authority,
            "user-agent": _USER_AGENT,
            "accept": request.accepts,
            "accept-encoding": "identity",
            "content-type": request.media_type,
        }
        if request.secrets:
            headers |= signature_headers(request.message_id, timestamp_s, request.body, request.secrets)
        place = f"[{address}]" if address.version == 6 else str(address)
        pinned = f"{target.scheme}://{place}:{target.port}{target.target}"
        extensions: dict[str, Any] = {"timeout": timeouts}
        if address_of_host(target.host) is None:
            # The certificate is checked for this name. Without one it is checked for the address.
            extensions["sni_hostname"] = target.host
        return httpx.Request("POST", pinned, headers=headers, content=request.body, extensions=extensions)

    async def _transport(self, host: _Host) -> httpx.AsyncHTTPTransport:
        transport = self._transports.get(host)
        if transport is None:
            transport = self._transports[host] = _Transport(self._trust)
        self._transports.move_to_end(host)
        unused = [one for one in self._transports if one not in self._in_use]
        surplus = unused[: max(len(self._transports) - _HOSTS, 0)]
        # All at once: while one is being closed, another request may take or drop those that are left.
        for dropped in [self._transports.pop(one) for one in surplus]:
            await dropped.aclose()
        return transport


@cache
def _system_trust() -> ssl.SSLContext:
    """Read the trusted certificates of the system, once for this process."""
    return ssl.create_default_context()


class _Transport(httpx.AsyncHTTPTransport):
    """The connections to one host. What is read of each answer is bounded."""

    def __init__(self, trust: ssl.SSLContext) -> None:
        super().__init__(verify=trust, trust_env=False)
        # httpx cannot be told which backend to use.
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=trust,
            max_connections=None,
            max_keepalive_connections=_KEPT,
            keepalive_expiry=_KEPT_S,
            network_backend=BoundedBackend(),
        )


def _timeouts(ends_at: float, addresses: int) -> dict[str, float]:
    """Return the time-outs of httpx, which end just before the deadline: it closes what timed out by itself.

    A cancellation during the handshake of TLS leaves the socket to the garbage collector.
    """
    left_s = max(ends_at - asyncio.get_running_loop().time() - _GRACE_S, _GRACE_S)
    return {"connect": left_s / addresses, "read": left_s, "write": left_s, "pool": left_s}


async def _exchanged(
    transport: httpx.AsyncHTTPTransport, prepared: httpx.Request, request: OutgoingRequest
) -> OutgoingAnswer:
    response = await transport.handle_async_request(prepared)
    try:
        if request.cuts_answer:
            return await _read_begin(response, request.response_limit_bytes)
        return await _read(response, request.response_limit_bytes)
    finally:
        await response.aclose()


async def _read(response: httpx.Response, limit_bytes: int) -> OutgoingAnswer:
    _require_success(response.status_code)
    if response.headers.get("content-encoding", "identity").lower() not in ("identity", ""):
        raise OutgoingFailed(OutgoingFailure.CONTENT_ENCODING, "The answer is compressed.")
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > limit_bytes:
            raise OutgoingFailed(
                OutgoingFailure.BODY_TOO_LARGE, f"The answer has more than {limit_bytes} bytes."
            )
    return OutgoingAnswer(response.status_code, dict(response.headers.items()), bytes(body))


async def _read_begin(response: httpx.Response, limit_bytes: int) -> OutgoingAnswer:
    """Read the first bytes of an answer. What comes behind them is not waited for."""
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk[: limit_bytes - len(body)]
        if len(body) >= limit_bytes:
            break
    answer = OutgoingAnswer(response.status_code, dict(response.headers.items()), bytes(body))
    _require_success(response.status_code, answer)
    return answer


def _require_success(status: int, answer: OutgoingAnswer | None = None) -> None:
    if 300 <= status < 400:
        raise OutgoingFailed(OutgoingFailure.REDIRECT, f"The answer is a redirect ({status}).", answer)
    if not 200 <= status < 300:
        raise OutgoingFailed(OutgoingFailure.HTTP_STATUS, f"The answer has the status {status}.", answer)


def _failure_of(error: Exception) -> OutgoingFailed:
    """Return the reason of an error of httpx, which keeps the causes behind it."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return OutgoingFailed(OutgoingFailure.TLS_FAILED, cause.verify_message)
        if isinstance(cause, ssl.SSLError):
            return OutgoingFailed(OutgoingFailure.TLS_FAILED, cause.reason or "")
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpx.ConnectError):
        return OutgoingFailed(OutgoingFailure.CONNECT_FAILED, "The host takes no connection.")
    return OutgoingFailed(OutgoingFailure.CONNECTION_BROKEN, "The connection ended before the answer did.")
