"""Encrypts envelopes. So access to Redis alone does not allow forging a command, or reading a key in one.

An encrypted envelope is `salt (16) || nonce (12) || ciphertext and tag`: AES-256-GCM with the name of the
inbox as associated data. Each envelope has a key of its own, derived from the secret and the salt. With one
key, random nonces of 12 bytes would limit the number of envelopes.
"""

import hashlib
import hmac
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_SALT_BYTES = 16
_NONCE_BYTES = 12


class EnvelopeCipher:
    """Encrypts and decrypts envelopes."""

    def __init__(self, secret: str, *, purpose: bytes = b"stationmaster bus 2") -> None:
        """Make a cipher. secret: shared by all workers of a deployment; purpose: each has keys of its own."""
        self._key = hmac.digest(secret.encode(), purpose, hashlib.sha256)

    def encrypt(self, body: bytes, inbox: str) -> bytes:
        """Return `body` encrypted for one inbox."""
        salt, nonce = secrets.token_bytes(_SALT_BYTES), secrets.token_bytes(_NONCE_BYTES)
        return salt + nonce + self._aead(salt).encrypt(nonce, body, inbox.encode())

    def decrypt(self, encrypted: bytes, inbox: str) -> bytes | None:
        """Return the body, or None if it was not encrypted with our secret for this inbox, or was changed."""
        salt, rest = encrypted[:_SALT_BYTES], encrypted[_SALT_BYTES:]
        try:
            return self._aead(salt).decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], inbox.encode())
        except (InvalidTag, ValueError):
            # ValueError: the text is too short for a nonce.
            return None

    def _aead(self, salt: bytes) -> AESGCM:
        return AESGCM(hmac.digest(self._key, salt, hashlib.sha256))
