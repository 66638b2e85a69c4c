"""Values of outgoing requests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from app.types import TenantId

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class OutgoingFailure(StrEnum):
    """Why an outgoing request got no answer that can be used. Part of the API and of the metrics."""

    URL_NOT_ALLOWED = "url_not_allowed"
    """Its scheme or port is not allowed, it names a user, or it is not a URL."""
    NAME_NOT_FOUND = "name_not_found"
    ADDRESS_NOT_ALLOWED = "address_not_allowed"
    """The name has an address in a private, reserved or otherwise closed network."""
    CONNECT_FAILED = "connect_failed"
    TLS_FAILED = "tls_failed"
    """The certificate is not valid for the name, or both sides share no version of TLS."""
    DEADLINE = "deadline"
    REDIRECT = "redirect"
    HTTP_STATUS = "http_status"
    """The status is not 2xx."""
    BODY_TOO_LARGE = "body_too_large"
    CONTENT_ENCODING = "content_encoding"
    """The answer is compressed, although that was not asked for."""
    CONNECTION_BROKEN = "connection_broken"
    """The connection ended before the answer did, or the answer is not HTTP."""
    BUSY = "busy"
    """Too many requests of the tenant, or of the server, are under way."""
    CIRCUIT_OPEN = "circuit_open"
    """The endpoint has failed repeatedly, and is not asked for some seconds."""
    STOPPING = "stopping"
    """The server is stopping."""


class OutgoingFailed(Exception):
    """A request got no answer that can be used. detail: for the tenant, without secrets.

    answer: what came with a status that is not 2xx, if the request cuts its answer.
    """

    def __init__(
        self, reason: OutgoingFailure, detail: str = "", answer: "OutgoingAnswer | None" = None
    ) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
        self.answer = answer


@dataclass(frozen=True, slots=True)
class OutgoingRequest:
    """A POST to a server of a tenant.

    secrets: signing secrets, `whsec_...`; the request has a signature by each of them. message_id: unique for
    each message, the same in each of its repetitions. deadline_s: for everything together: name, connection,
    TLS, request and answer. ignores_circuit: it is sent although the endpoint has failed repeatedly.
    media_type: of the body; accepts: of the answer; headers: further ones, which may hold a credential;
    allows_http: without TLS, too, because the answer is signed itself (OCSP). cuts_answer: of an answer only
    the first `response_limit_bytes` are read, and are returned whatever its status is.
    """

    tenant_id: TenantId
    url: str = field(repr=False)
    body: bytes = field(repr=False)
    message_id: str
    secrets: Sequence[str] = field(repr=False)
    deadline_s: float
    response_limit_bytes: int
    ignores_circuit: bool = False
    media_type: str = "application/json"
    accepts: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    allows_http: bool = False
    cuts_answer: bool = False


@dataclass(frozen=True, slots=True)
class OutgoingAnswer:
    """An answer, with a status of 2xx unless it failed. headers: with names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class RequestTarget:
    """A URL in its parts. target: path and query."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        """Return the value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == {"http": 80, "https": 443}[self.scheme] else f"{host}:{self.port}"
