"""The provider of identities of the operator: where people log in, and what its ID tokens say.

OpenID Connect Core 1.0 3.1 (authorization code), with PKCE (RFC 7636).
"""

from base64 import urlsafe_b64encode
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final
from urllib.parse import quote, urlencode

import httpx
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from app.clock import Clock
from app.errors import Unauthorized, Unavailable
from app.logs import get_logger

_LOG = get_logger(__name__)

_TIMEOUT_S: Final = 10.0
_KNOWN_S: Final = 600.0
"""Seconds for which the addresses of the provider are kept."""
_LEEWAY_S: Final = 60
_ALGORITHMS: Final = (
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
)
_ADDRESSES: Final = ("authorization_endpoint", "token_endpoint", "jwks_uri")


@dataclass(frozen=True, slots=True)
class Provider:
    """The provider as the operator has set it, with the client that this server is to it."""

    issuer: str
    client_id: str
    client_secret: str


@dataclass(frozen=True, slots=True)
class LoginSecrets:
    """The secrets of one login: of the browser (state), of the token (nonce), of the code (verifier)."""

    state: str
    nonce: str
    verifier: str


class IdentityProvider:
    """Talks to the provider. transport: of tests; None: the network."""

    def __init__(
        self, provider: Provider, clock: Clock, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._provider = provider
        self._clock = clock
        self._transport = transport
        self._known: tuple[float, dict[str, str]] | None = None

    async def login_address(self, secrets: LoginSecrets, return_to: str) -> str:
        """Return the address where a person logs in. return_to: where the provider sends the browser then.

        Raises:
            Unavailable: the provider does not answer as the standard says.
        """
        addresses = await self._addresses()
        digest = sha256(secrets.verifier.encode()).digest()
        query = {
            "response_type": "code",
            "client_id": self._provider.client_id,
            "redirect_uri": return_to,
            "scope": "openid email profile",
            "state": secrets.state,
            "nonce": secrets.nonce,
            "code_challenge": urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        address = addresses["authorization_endpoint"]
        return f"{address}{'&' if '?' in address else '?'}{urlencode(query)}"

    async def claims(self, secrets: LoginSecrets, return_to: str, code: str) -> dict[str, Any]:
        """Return the claims of the person for whom the provider has given a code.

        Raises:
            Unauthorized: the provider refuses the code, or its token is not valid.
            Unavailable: the provider does not answer as the standard says.
        """
        addresses = await self._addresses()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": return_to,
            "code_verifier": secrets.verifier,
        }
        answer = await self._request("POST", addresses["token_endpoint"], form)
        if answer.status_code in (400, 401):
            _LOG.warning("identity_provider_refused", status=answer.status_code)
            raise Unauthorized("The identity provider has refused this login. Begin again.")
        token = _object(answer).get("id_token")
        keys = _object(await self._request("GET", addresses["jwks_uri"]))
        try:
            decoded = jwt.decode(str(token), KeySet.import_key_set(keys), algorithms=_ALGORITHMS)  # type: ignore[arg-type]  # judged by it
            self._rules(secrets.nonce).validate(decoded.claims)
        except (JoseError, ValueError, KeyError, TypeError) as error:
            _LOG.warning("id_token_refused", reason=type(error).__name__)
            raise Unauthorized("The identity provider has sent a token that is not valid.") from None
        claims: dict[str, Any] = dict(decoded.claims)
        if claims.get("azp", self._provider.client_id) != self._provider.client_id:
            raise Unauthorized("The identity provider has sent a token for another client.")
        return claims

    def _rules(self, nonce: str) -> jwt.JWTClaimsRegistry:
        return jwt.JWTClaimsRegistry(
            now=int(self._clock.now().timestamp()),
            leeway=_LEEWAY_S,
            iss={"essential": True, "value": self._provider.issuer},
            aud={"essential": True, "value": self._provider.client_id},
            sub={"essential": True},
            exp={"essential": True},
            iat={"essential": True},
            nonce={"essential": True, "value": nonce},
        )

    async def _addresses(self) -> dict[str, str]:
        now = self._clock.monotonic()
        if self._known is None or now - self._known[0] > _KNOWN_S:
            issuer = self._provider.issuer
            found = _object(
                await self._request("GET", f"{issuer.rstrip('/')}/.well-known/openid-configuration")
            )
            if found.get("issuer") != issuer or not all(
                isinstance(found.get(one), str) for one in _ADDRESSES
            ):
                raise _not_as_expected("configuration")
            self._known = now, {one: found[one] for one in _ADDRESSES}
        return self._known[1]

    async def _request(self, method: str, url: str, form: dict[str, str] | None = None) -> httpx.Response:
        # RFC 6749 2.3.1: both are encoded before they become a user and a password.
        authentication = httpx.BasicAuth(
            quote(self._provider.client_id, safe=""), quote(self._provider.client_secret, safe="")
        )
        try:
            async with httpx.AsyncClient(timeout=_TIMEOUT_S, transport=self._transport) as client:
                answer = await client.request(
                    method, url, data=form, auth=authentication if method == "POST" else None
                )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise _not_as_expected(type(error).__name__) from None
        return answer


def _object(answer: httpx.Response) -> dict[str, Any]:
    try:
        found = answer.json()
    except ValueError:
        found = None
    if answer.status_code != 200 or not isinstance(found, dict):
        raise _not_as_expected(f"status {answer.status_code}")
    return found


def _not_as_expected(reason: str) -> Unavailable:
    _LOG.warning("identity_provider_failed", reason=reason)
    return Unavailable("The identity provider does not answer as expected.", "identity_provider_failed")
