"""Settings of the addresses of a server, of its TLS, and of each connection."""

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from app.settings.values import PREFIX, Networks, SettingsGroup, Texts, variable_of


class ConnectionSettings(SettingsGroup):
    """Where clients connect, how, and how much each one may send."""

    # Loopback, because opening a machine to the network is a decision of the operator.
    host: str = Field(default="127.0.0.1", min_length=1)
    # The port of the API, the pages and the charge points; 0: any free one.
    port: int = Field(default=8080, ge=0, le=65535)
    # The port for TLS (https, wss), besides `port`; 0: any free one; None: TLS is not served.
    tls_port: int | None = Field(default=None, ge=0, le=65535)
    # The address of that port; None: `host`. So TLS may be open to a network, and plain HTTP may not.
    tls_host: str | None = Field(default=None, min_length=1)
    # Paths of PEM files, each with one certificate of the server and its chain. For the suites of the
    # security whitepaper it takes one with an RSA key and one with an ECDSA key; further ones are for other
    # names. The first serves clients that name no server.
    tls_certificates: Texts = Field(default_factory=list)
    # Paths of their private keys, PEM without password, in the same order. None: each is in the file of its
    # certificate.
    tls_keys: Texts = Field(default_factory=list)
    # PEM file of the trust anchors for certificates of charge points (security profile 3), for all tenants.
    # Without anchors charge points are not asked for certificates.
    tls_client_ca: Path | None = None
    # Paths of certificate revocation lists (PEM or DER) of these trust anchors.
    tls_client_revoked: Texts = Field(default_factory=list)
    # The organization that these certificates must name (A00.FR.404). None: it is not checked.
    tls_client_organization: str | None = None
    # True: each connection must begin with a header of the PROXY protocol, version 2, and come from a network
    # in `trusted_proxies`. Both ports are then for the balancer alone.
    proxy_protocol: bool = False
    # True: a client certificate counts that such a header says to be verified. The balancer must verify it.
    proxy_client_certificates: bool = False
    # Bytes of one frame. A StopTransaction may have a long transactionData (OCPP 1.6 errata 3.89).
    frame_limit_bytes: int = Field(default=8_388_608, ge=1024, le=16_777_216)
    # Bytes of one frame while the charge point is not Accepted: it sends nothing yet that needs more.
    frame_limit_unregistered_bytes: int = Field(default=16_384, ge=1024, le=16_777_216)
    # CALLs of one charge point that may wait. At this number its socket is not read.
    inbound_queue_limit: int = Field(default=32, ge=1, le=10_000)
    # CALLs of one charge point: per second on average, and at once after a pause. A boot with 25 connectors
    # sends a burst of 27; an offline queue is replayed one by one.
    rate_per_s: float = Field(default=20.0, gt=0)
    rate_burst: int = Field(default=200, ge=1)
    # Failed logins per minute and address before HTTP 429: enough for a wrongly configured site, too few for
    # guessing.
    login_failures_per_minute: int = Field(default=10, ge=1)
    # Requests to the REST API per minute: of one key, and of one address with any keys. As many may come at
    # once after a pause. A program that needs more should follow events instead of asking again and again.
    requests_of_key_per_minute: int = Field(default=6_000, ge=1, le=100_000_000)
    requests_of_address_per_minute: int = Field(default=12_000, ge=1, le=100_000_000)
    # Requests of one tenant per minute that make charge points do something. Each is some writes to the
    # database, and a CALL.
    commands_of_tenant_per_minute: int = Field(default=3_000, ge=1, le=100_000_000)
    # Messages of all charge points of one tenant per minute, in one worker; those of five seconds may come at
    # once. Beyond it their sockets are read more slowly, one after another, so that the charge points of
    # other tenants are served. Nothing is refused. It is about half of what a worker on one core can store.
    messages_of_tenant_per_minute: int = Field(default=600_000, ge=60, le=1_000_000_000)
    # Bytes of these messages per minute, likewise. It bounds how fast the frame log and the records of a
    # tenant grow.
    message_bytes_of_tenant_per_minute: int = Field(default=120_000_000, ge=65_536, le=2**40)
    # Connections of one address that are not logged in and send nothing, or part of a request. More of them
    # are closed, the oldest first. A proxy in `trusted_proxies` has no such limit.
    anonymous_connections_per_address: int = Field(default=64, ge=1, le=1_000_000)
    # Connections of all addresses together that are not logged in, in one worker. More of them give way, the
    # oldest ones that do not go on first. One takes 8 KB without TLS, so this is 32 MB.
    anonymous_connections: int = Field(default=4096, ge=16, le=10_000_000)
    # Bytes that a worker holds for them together: parts of requests, and answers that are not read. If there
    # are more, those are closed that have taken the most for the longest time.
    anonymous_bytes: int = Field(default=16_777_216, ge=1_048_576, le=1_099_511_627_776)
    # Requests without a valid key per minute from one address, in one worker; those of ten seconds may come
    # at once. Beyond it their connections are read more slowly. Nothing is refused. A proxy in
    # `trusted_proxies` has no such limit.
    anonymous_requests_per_minute: int = Field(default=3_000, ge=60, le=1_000_000_000)
    # New connections that a worker begins to read per second. The others wait, so that the charge points that
    # are connected are served during a storm of reconnects. Addresses with many connections wait for each
    # other only.
    accepts_per_s: float = Field(default=500.0, ge=1, le=1_000_000)
    # Seconds between WebSocket pings: below the idle limit of 60 s that mobile networks commonly have.
    ping_interval_s: float = Field(default=30.0, gt=0, le=86_400)
    # Seconds to wait for the answer to a ping, before the connection is closed.
    ping_timeout_s: float = Field(default=20.0, gt=0, le=86_400)
    # True: charge points may compress their messages (RFC 7692), each one separately and within the limit of
    # an uncompressed one. It is meant for expensive radio: it costs CPU here, and small frames hardly shrink.
    websocket_compression: bool = False
    # True: an unknown identity gets 404 (OCPP-J 3.2). False: it gets 401 like a wrong password, so that
    # identities cannot be probed.
    reveal_unknown_identity: bool = False
    # CIDRs of proxies whose X-Forwarded-For is trusted. None by default, because a client could forge it.
    trusted_proxies: Networks = Field(default_factory=list)

    @model_validator(mode="after")
    def _check_addresses(self) -> Self:
        if self.tls_port is None:
            for name in ("tls_host", "tls_certificates", "tls_keys", "tls_client_ca"):
                if getattr(self, name):
                    raise ValueError(f"{variable_of(name)} has no effect without {PREFIX}TLS_PORT")
        elif not self.tls_certificates:
            raise ValueError(f"{PREFIX}TLS_CERTIFICATES is required when {PREFIX}TLS_PORT is set")
        elif self.tls_port == self.port and self.port != 0 and self.tls_host in (None, self.host):
            raise ValueError(
                f"{PREFIX}TLS_PORT must not be {PREFIX}PORT: plain and TLS have ports of their own"
            )
        if self.tls_keys and len(self.tls_keys) != len(self.tls_certificates):
            raise ValueError(f"{PREFIX}TLS_KEYS must name as many files as {PREFIX}TLS_CERTIFICATES")
        if self.tls_client_revoked and self.tls_client_ca is None:
            raise ValueError(f"{PREFIX}TLS_CLIENT_REVOKED has no effect without {PREFIX}TLS_CLIENT_CA")
        if self.proxy_protocol and not self.trusted_proxies:
            raise ValueError(f"{PREFIX}TRUSTED_PROXIES is required when {PREFIX}PROXY_PROTOCOL is set")
        if self.proxy_client_certificates and not self.proxy_protocol:
            raise ValueError(
                f"{PREFIX}PROXY_CLIENT_CERTIFICATES has no effect without {PREFIX}PROXY_PROTOCOL"
            )
        return self
