"""Runs a server with TLS in the event loop of the test, and connects charge points to it."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI

from app.gateway.gateway import server_options
from app.server.acceptors import Acceptors
from app.settings import Settings
from tests.support.gateway import GatewayServer
from tests.support.prompt_server import PromptServer
from tests.support.raw_client import RawClient
from tests.support.tls_certificates import Authority, Issued, rsa_key

NAME = "csms.example"


@dataclass
class Pki:
    """Certificates of one module of tests: making RSA keys takes long."""

    directory: Path
    root: Authority = field(default_factory=lambda: Authority("root of the server"))
    clients: Authority = field(default_factory=lambda: Authority("root of the charge points"))
    pairs: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.pairs = [
            self.root.server(NAME).write(self.directory, "ecdsa"),
            self.root.server(NAME, key=rsa_key()).write(self.directory, "rsa"),
        ]
        (self.directory / "clients.pem").write_bytes(self.clients.pem)
        (self.directory / "revoked.pem").write_bytes(self.clients.revocations())

    def settings(self, settings: Settings, **changes: Any) -> Settings:
        """Return settings with both certificates."""
        tls = {
            "tls_port": 0,
            "tls_certificates": [certificate for certificate, _ in self.pairs],
            "tls_keys": [key for _, key in self.pairs],
        }
        return settings.model_copy(update={**tls, **changes})

    def trusting(self, settings: Settings, **changes: Any) -> Settings:
        """Return settings that ask charge points for certificates, too."""
        client_ca = self.directory / "clients.pem"
        revoked = [str(self.directory / "revoked.pem")]
        return self.settings(settings, tls_client_ca=client_ca, tls_client_revoked=revoked, **changes)

    def client_context(
        self, certificate: Issued | None = None, chain: tuple[Issued, ...] = ()
    ) -> ssl.SSLContext:
        """Return a context that trusts the server. certificate: of the charge point."""
        context = ssl.create_default_context(cadata=self.root.pem.decode())
        context.check_hostname = False
        if certificate is not None:
            name = f"client{certificate.certificate.serial_number}"
            context.load_cert_chain(*certificate.write(self.directory, name, chain))
        return context


@dataclass
class TlsServer(GatewayServer):
    """A running server. port: that of TLS; plain_port: the other one."""

    plain_port: int = 0
    acceptors: Acceptors | None = None


@contextlib.asynccontextmanager
async def serve_tls(
    app: FastAPI, settings: Settings, **changes: Any
) -> AsyncIterator[tuple[int, int, Acceptors]]:
    """Run an application on a plain port and one for TLS.

    Yield the plain port, that of TLS, and the acceptors.
    """
    plain, tls = (socket.create_server(("127.0.0.1", 0)) for _ in range(2))
    for each in (plain, tls):
        each.setblocking(False)
    options = {**server_options(settings), "loop": "none", **changes}
    server = PromptServer(uvicorn.Config(app, log_config=None, access_log=False, **options))
    ports = plain.getsockname()[1], tls.getsockname()[1]
    acceptors = Acceptors(settings, plain, [tls])
    task = asyncio.create_task(server.serve(sockets=[]))
    while not server.started:
        assert not task.done(), task.result()
        await asyncio.sleep(0.01)
    try:
        acceptors.start(server, 64)
        yield (*ports, acceptors)
    finally:
        acceptors.stop()
        server.ending.set()
        await task
        acceptors.close()
        for each in (plain, tls):
            each.close()


async def log_in(server: GatewayServer, identity: str, context: ssl.SSLContext, **options: Any) -> RawClient:
    """Try to log in under TLS without a password."""
    return await RawClient.open(server.port, f"/ocpp/{server.tenant.slug}/{identity}", tls=context, **options)
