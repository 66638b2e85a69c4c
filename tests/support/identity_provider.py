"""A small identity provider on the loopback (OpenID Connect), which does what a test wants."""

import asyncio
import contextlib
import json
from base64 import b64decode, urlsafe_b64encode
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

CLIENT_ID, CLIENT_SECRET = "stationmaster", "a secret of the client"


@dataclass
class FakeProvider:
    """The provider. claims: of its next token, besides those of the standard; key: that signs it."""

    now: int
    port: int = 0
    claims: dict[str, Any] = field(default_factory=dict)
    key: ECKey = field(default_factory=lambda: ECKey.generate_key("P-256", {"kid": "1"}))
    published: ECKey | None = None
    status: int = 200
    _logins: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def person_logs_in(self, address: str) -> dict[str, str]:
        """Return what the provider sends back with the browser, after a login at an address."""
        asked = dict(parse_qsl(urlsplit(address).query))
        code = f"code-{len(self._logins)}"
        self._logins[code] = asked
        return {"state": asked["state"], "code": code}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        lengths = [line.partition(":")[2] for line in head.lower().split("\r\n") if "content-length" in line]
        form = parse_qs((await reader.readexactly(int(lengths[0] if lengths else 0))).decode())
        status, answer = self._answer(head, {name: values[0] for name, values in form.items()})
        body = json.dumps(answer).encode()
        lines = f"HTTP/1.1 {status} Answer\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write(lines.encode() + body)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    def _answer(self, head: str, form: dict[str, str]) -> tuple[int, Any]:
        path = head.split(" ")[1]
        if path.startswith("/.well-known/"):
            names = {"authorization_endpoint": "login", "token_endpoint": "token", "jwks_uri": "keys"}
            addresses = {name: f"{self.issuer}/{path}" for name, path in names.items()}
            return self.status, {"issuer": self.issuer, **addresses}
        if path == "/keys":
            return 200, KeySet([self.published or self.key]).as_dict(private=False)
        return self._token(head, form)

    def _token(self, head: str, form: dict[str, str]) -> tuple[int, Any]:
        asked = self._logins.pop(form["code"], None)
        digest = sha256(form["code_verifier"].encode()).digest()
        challenge = urlsafe_b64encode(digest).rstrip(b"=").decode()
        given = b64decode(head.partition("asic ")[2].split("\r\n")[0]).decode()
        is_right = (
            asked is not None
            and asked["code_challenge"] == challenge
            and asked["redirect_uri"] == form["redirect_uri"]
            and given == "stationmaster:a%20secret%20of%20the%20client"
        )
        if asked is None or not is_right:
            return 400, {"error": "invalid_grant"}
        claims = {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "sub": "1",
            "iat": self.now,
            "exp": self.now + 60,
            "nonce": asked["nonce"],
            **self.claims,
        }
        return 200, {"id_token": jwt.encode({"alg": "ES256", "kid": "1"}, claims, self.key)}


@contextlib.asynccontextmanager
async def providing(now: int) -> AsyncIterator[FakeProvider]:
    """Run a provider. now: seconds since 1970."""
    provider = FakeProvider(now)
    server = await asyncio.start_server(provider.serve, "127.0.0.1", 0)
    provider.port = server.sockets[0].getsockname()[1]
    try:
        yield provider
    finally:
        server.close()
        await server.wait_closed()
