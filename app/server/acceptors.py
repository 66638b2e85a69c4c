"""The acceptors of one worker: for plain connections, and for TLS if that is served."""

import asyncio
import signal
import socket
from collections.abc import Sequence
from functools import partial
from typing import Any, cast

import uvicorn

from app.gateway.acceptor import Acceptor, ProxyRules
from app.gateway.anonymous_connections import AnonymousConnections
from app.gateway.client_trust import CLIENT_TRUST, ClientTrust
from app.gateway.limiter import parse_networks
from app.gateway.server_certificates import ServerCertificates
from app.settings import Settings


class Acceptors:
    """The sockets from which a worker accepts."""

    def __init__(self, settings: Settings, plain: socket.socket, tls: Sequence[socket.socket] = ()) -> None:
        self._settings = settings
        self._plain = plain
        self._tls = tls
        self._started: list[Acceptor] = []

    def start(self, server: uvicorn.Server, backlog: int) -> None:
        """Accept from now on. server: has started; its protocols and its application serve the connections.

        Raises:
            CertificateError: there is no certificate that can be used.
        """
        settings, config = self._settings, server.config
        protocol = cast(Any, config.http_protocol_class)
        anonymous: AnonymousConnections = protocol.keywords["anonymous"]
        make = partial(
            protocol,
            config=config,
            server_state=server.server_state,
            app_state=server.lifespan.state,
            _loop=asyncio.get_running_loop(),
        )
        proxy = None
        if settings.proxy_protocol:
            proxy = ProxyRules(parse_networks(settings.trusted_proxies), settings.proxy_client_certificates)
        connections = server.server_state.connections
        self._started = [Acceptor(self._plain, make, None, proxy, anonymous, connections)]
        for each in self._tls:
            trust: ClientTrust = server.lifespan.state[CLIENT_TRUST]
            certificates = ServerCertificates(settings, trust)
            self._started.append(Acceptor(each, make, certificates, proxy, anonymous, connections))
        for acceptor in self._started:
            acceptor.start(backlog)
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._reload)

    def stop(self) -> None:
        """Accept no further connections."""
        for acceptor in self._started:
            acceptor.stop()

    def close(self) -> None:
        """Close the connections that are still open."""
        for acceptor in self._started:
            acceptor.close()

    def _reload(self) -> None:
        for acceptor in self._started:
            acceptor.reload()
