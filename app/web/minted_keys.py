"""Makes API keys.

A token is `sm_<prefix>_<secret>`. Only HMAC-SHA256(pepper, secret) is stored, by `tenants`. The prefix is not
secret: it finds the key, and names it in lists and logs. This module needs no web framework, so that commands
which make keys start quickly.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MintedKey:
    """A new token, with its two parts that are stored."""

    token: str
    prefix: str
    secret_hash: bytes


def secret_hash(pepper: str, secret: str) -> bytes:
    """Return HMAC-SHA256 of a secret. It has >= 128 bits of entropy, so a slow hash is not needed."""
    return hmac.digest(pepper.encode(), secret.encode(), hashlib.sha256)


def mint_key(pepper: str) -> MintedKey:
    """Make a new token with 48 bits of prefix and 192 bits of secret."""
    prefix, secret = secrets.token_hex(6), secrets.token_hex(24)
    return MintedKey(f"sm_{prefix}_{secret}", prefix, secret_hash(pepper, secret))
