"""The URLs by which charge points transfer files. Each one holds a token, of which only a hash is stored."""

import hashlib
import hmac
import ipaddress
import secrets
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from app.addresses import url_of
from app.files.errors import NoPublicUrl
from app.settings import Settings

PATH: Final = "/transfers"
"""Where the URLs begin. The core hides what follows it in logs and records."""
_TOKEN_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class MintedLink:
    """A new token. url: with the token, to be sent to the charge point and nowhere else."""

    url: str
    token_hash: bytes


@dataclass(frozen=True, slots=True)
class LinkMint:
    """Makes the URLs of transfers, and the hashes by which they are found again."""

    base_url: str | None
    pepper: str

    def mint(self, name: str = "") -> MintedLink:
        """Make the URL of a transfer. name: its last segment; without one it ends with a slash.

        Raises:
            NoPublicUrl: the server has no URL for charge points.
        """
        base_url = self.require_base_url()
        # Hexadecimal: other letters could by chance be a word that makes logs hide all of the URL.
        token = secrets.token_hex(_TOKEN_BYTES)
        return MintedLink(f"{base_url}{PATH}/{token}/{quote(name, safe='')}", self.hash(token))

    def require_base_url(self) -> str:
        """Return the URL under which charge points reach the server.

        Raises:
            NoPublicUrl: it is not known.
        """
        if self.base_url is None:
            raise NoPublicUrl
        return self.base_url

    def hash(self, token: str) -> bytes:
        """Return the hash of a token, under which its link is stored."""
        return hmac.digest(self.pepper.encode(), b"transfer:" + token.encode(), hashlib.sha256)


def base_url_of(settings: Settings) -> str | None:
    """Return the URL under which charge points reach the server; None: it is not known.

    Without a setting it is that of the listener, if charge points run on the same machine.
    """
    if settings.public_url is not None:
        return settings.public_url
    host = settings.host
    if settings.port == 0 or not _is_loopback(host):
        return None
    return url_of("http", host, settings.port)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
