"""A client for the part of the developer API that the simulator needs. It blocks: call it in a thread.

It uses only the standard library, so that a simulator on another machine needs no HTTP client.
"""

import http.client
import json
import secrets
import ssl
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any
from urllib.parse import SplitResult, quote, urlencode, urlsplit

from app.simulator.errors import SimulatorError

Json = dict[str, Any]
_TIMEOUT_S = 30.0
_PAGE = 200
_KEY = "STATIONMASTER_API_KEY (or --api-key)"


def split_url(url: str, schemes: Sequence[str], option: str) -> SplitResult:
    """Take a URL apart. option: the command line option that gave it.

    Raises:
        SimulatorError: it has another scheme, no host, or a port that is not a port.
    """
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_usable = False
    if not is_usable:
        forms = " or ".join(f"{scheme}://host:port" for scheme in schemes)
        raise SimulatorError(f"{option}: {url!r} is not a URL of the form {forms}")
    return parts


class RestClient:
    """One keep-alive connection to the API of a central system, with one API key."""

    def __init__(self, base_url: str, api_key: str, option: str, trust: ssl.SSLContext | None = None) -> None:
        """Make a client. option: the command line option that gave the URL, for errors.

        trust: whom to trust for https; None: the roots of the operating system.

        Raises:
            SimulatorError: it is not an http:// or https:// URL.
        """
        parts = split_url(base_url, ("http", "https"), option)
        host = parts.hostname or "127.0.0.1"
        self._connection: http.client.HTTPConnection
        if parts.scheme == "https":
            self._connection = http.client.HTTPSConnection(
                host, parts.port, timeout=_TIMEOUT_S, context=trust
            )
        else:
            self._connection = http.client.HTTPConnection(host, parts.port, timeout=_TIMEOUT_S)
        self._base_url = base_url
        self._option = option
        self._headers = {"Authorization": f"Bearer {api_key}", "Content-Type": "application/json"}

    def require_tenant(self, tenant: str) -> None:
        """Check that the API key belongs to a tenant, before anything of that tenant is changed.

        Only a credential shows the tenant, so this creates a charge point of its own and deletes it.

        Raises:
            SimulatorError: the key belongs to another tenant, or the API refuses.
        """
        identity = f"tenant-check-{secrets.token_hex(8)}"
        path = self.create_charge_point(identity, "Deleted at once")["path"]
        self._request("DELETE", f"/v1/charge-points/{identity}", None)
        owner = path.strip("/").split("/")[1]
        if owner != tenant:
            raise SimulatorError(f"{_KEY}: the key belongs to tenant {owner}, not {tenant}")

    def names(self, prefix: str) -> dict[str, str | None]:
        """Return the names of the charge points whose identity begins with `prefix`, by identity."""
        return {row["identity"]: row["name"] for row in self._pages("/v1/charge-points", prefix)}

    def id_tags(self, prefix: str) -> Iterator[str]:
        """Return the id tags that begin with `prefix`."""
        return (row["id_tag"] for row in self._pages("/v1/id-tags", prefix))

    def create_charge_point(self, identity: str, name: str) -> Json:
        """Create a charge point; return its credential: `username`, `password`, `path`."""
        made: Json = self._request("POST", "/v1/charge-points", {"identity": identity, "name": name})
        credential: Json = made["credential"]
        return credential

    def replace_credential(self, identity: str) -> Json:
        """Create and return a new credential for a charge point."""
        path = f"/v1/charge-points/{quote(identity, safe='')}/credentials"
        return self._request("POST", path, None)

    def create_id_tag(self, id_tag: str) -> None:
        """Create an accepted id tag, unless it is there: another simulation may have created it."""
        self._request("POST", "/v1/id-tags", {"id_tag": id_tag, "status": "Accepted"}, may_exist=True)

    def _pages(self, path: str, prefix: str) -> Iterator[Json]:
        query: dict[str, str | int] = {"prefix": prefix, "limit": _PAGE}
        while True:
            page = self._request("GET", f"{path}?{urlencode(query)}", None)
            yield from page["items"]
            if page["next_cursor"] is None:
                return
            query["cursor"] = page["next_cursor"]

    def _request(self, method: str, path: str, body: Json | None, *, may_exist: bool = False) -> Json:
        text = None if body is None else json.dumps(body)
        try:
            self._connection.request(method, path, text, self._headers)
            response = self._connection.getresponse()
            answer = response.read()
        except (OSError, http.client.HTTPException):
            raise SimulatorError(f"{self._option}: no server answers at {self._base_url}") from None
        if response.status == 401:
            raise SimulatorError(f"{_KEY}: {self._base_url} does not accept this key")
        if response.status == 403:
            raise SimulatorError(f"{_KEY}: {_problem(answer)}")
        if response.status == 409 and may_exist:
            return {}
        if response.status >= 300:
            raise SimulatorError(f"{method} {path}: HTTP {response.status} {_problem(answer)}")
        if response.status == 204:
            return {}
        try:
            found: Json = json.loads(answer)
        except ValueError:
            raise SimulatorError(f"{self._option}: {self._base_url} does not answer in JSON") from None
        return found

    def __enter__(self) -> "RestClient":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()


def _problem(answer: bytes) -> str:
    """Return the title and detail of a problem document (RFC 9457) on one line."""
    try:
        found = json.loads(answer)
        return " ".join(str(found[name]) for name in ("title", "detail") if found.get(name))
    except (ValueError, AttributeError):
        return ""
