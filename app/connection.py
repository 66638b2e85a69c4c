"""One connection of a charge point, as capabilities know it. Its socket belongs to the gateway."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple

from app.clock import microseconds_of, moment_of
from app.ocpp import Conversation, Protocol
from app.ocpp.v16 import RegistrationStatus
from app.quirks.records import NO_HABITS, Habits
from app.types import ChargePointId, TenantId


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """A certificate of a charge point (security whitepaper, edition 3, A00.FR.401 and following).

    Attributes:
        common_name: the identity of the charge point (A00.FR.405).
        organization: the operator that owns it (A00.FR.404); None: it names none.
        serial: its number, unique for its issuer.
        issuer: the name of the issuer, DER.
        fingerprint: SHA-256 of the certificate, in hexadecimal digits.
        anchor: SHA-256 of the trust anchor at the end of its chain, in hexadecimal digits; empty if TLS has
            not verified it, or if a trusted proxy has.
        chain: what the client has sent if TLS has not verified it, DER, this certificate first. The login
            verifies it by the roots of the tenant, and forgets it.
    """

    common_name: str
    organization: str | None
    serial: int
    issuer: bytes
    fingerprint: str
    anchor: str
    chain: tuple[bytes, ...] = field(default=(), repr=False)

    @property
    def is_of_proxy(self) -> bool:
        """Tell whether a trusted proxy has verified it. Then nothing but its common name is known."""
        return not self.anchor and not self.chain


class CertificateVerdict(NamedTuple):
    """Whether a client certificate is that of a charge point.

    anchor: as in `ClientCertificate`, if there is no problem; problem: why it is not, in one sentence.
    """

    anchor: str | None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class TransportSecurity:
    """The protection of one connection, as known at its login.

    tls: whether it is encrypted up to this server, or up to a trusted proxy; client_certificate: the verified
    certificate of the client, None if it has shown none.
    """

    tls: bool = False
    client_certificate: ClientCertificate | None = None


PLAIN = TransportSecurity()
"""The protection of a connection without TLS."""


@dataclass(slots=True, eq=False)
class Connection:
    """One authenticated connection, from its handshake to its end.

    Attributes:
        protocol: the version of OCPP that the charge point speaks.
        identity: the name of the charge point in its URL, decoded.
        connection_id: unique for each socket.
        epoch: issued by SQL at login; grows with each login of this charge point.
        strict: whether deviations from the standard are refused. Otherwise they are tolerated.
        remote: the address of the client.
        security_profile: 0: no credential; 1: password; 2: password and TLS; 3: client certificate and TLS
            (security whitepaper, edition 3, 2).
        client_certificate: of profile 3, None otherwise.
        subprotocol: as negotiated, None if the client offered none.
        accepted_before: whether its registration is or was Accepted, so that its messages may be large.
        booted: whether it has sent a BootNotification on this connection, or was asked for one.
        is_identified: whether its vendor and model are known.
        firmware_version: as it last booted; None: unknown.
        habits: where it differs from the standard, as known at its login or its last boot.
        clock_skew_s: its clock minus ours in seconds, at its last report.
        calls_counted: how many of its CALLs the counts of deviations know.
        is_watched: whether a command waits for one of its messages.
        conversation: the core's part of the session; None until the session begins.
    """

    tenant_id: TenantId
    tenant_slug: str
    charge_point_id: ChargePointId
    protocol: Protocol
    identity: str
    connection_id: str
    epoch: int
    strict: bool
    registration_status: RegistrationStatus
    heartbeat_interval_s: int
    remote: str
    subprotocol: str | None
    connected_at: datetime
    accepted_before: bool = False
    security_profile: int = 0
    client_certificate: ClientCertificate | None = None
    booted: bool = False
    is_identified: bool = True
    firmware_version: str | None = None
    habits: Habits = NO_HABITS
    clock_skew_s: float | None = None
    calls_counted: int = 0
    is_watched: bool = False
    conversation: Conversation | None = None

    @property
    def last_seen_us(self) -> int:
        """The time when a frame last arrived, in microseconds since 1970."""
        if self.conversation is None:
            return microseconds_of(self.connected_at)
        return self.conversation.heard_us

    @property
    def last_seen(self) -> datetime:
        """The time when a frame last arrived."""
        return moment_of(self.last_seen_us)


SessionsOver = Callable[[Connection, int | None, Literal["boot", "available"]], Awaitable[None]]
"""Told that the transactions of a connector, or of the charge point (None), are over, and what showed it."""
