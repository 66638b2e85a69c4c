"""Sealing of envelopes: whoever can write to Redis can neither forge a command nor read a key in one.

A sealed text is `salt (16) || nonce (12) || ciphertext and tag`: AES-256-GCM with the name of the inbox as
associated data. Each text has a key of its own, derived from the secret and the salt: random nonces of 12
bytes alone would bound the number of texts under one secret.
"""

import hashlib
import hmac
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_SALT_BYTES = 16
_NONCE_BYTES = 12


class EnvelopeCipher:
    """Seals and opens. secret: shared by all workers of a deployment."""

    def __init__(self, secret: str) -> None:
        self._key = hmac.digest(secret.encode(), b"stationmaster bus 2", hashlib.sha256)

    def encrypt(self, body: bytes, inbox: str) -> bytes:
        """Return `body` sealed for one inbox."""
        salt, nonce = secrets.token_bytes(_SALT_BYTES), secrets.token_bytes(_NONCE_BYTES)
        return salt + nonce + self._aead(salt).encrypt(nonce, body, inbox.encode())

    def decrypt(self, sealed: bytes, inbox: str) -> bytes | None:
        """Return the body; None when it was not sealed by us for this inbox, or was changed since."""
        salt, rest = sealed[:_SALT_BYTES], sealed[_SALT_BYTES:]
        try:
            return self._aead(salt).decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], inbox.encode())
        except (InvalidTag, ValueError):
            # ValueError: too short to hold a nonce.
            return None

    def _aead(self, salt: bytes) -> AESGCM:
        return AESGCM(hmac.digest(self._key, salt, hashlib.sha256))
