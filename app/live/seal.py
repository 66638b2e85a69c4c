"""Sealing of envelopes: whoever can write to Redis can neither forge a command nor read a key in one.

A sealed text is `nonce (16) || ciphertext || tag (32)`: encrypt-then-MAC, the keystream from SHAKE-256 over
key and nonce, the tag an HMAC-SHA256 over nonce, ciphertext and the inbox it is for. Both keys derive from
one secret.
"""

import hashlib
import hmac
import secrets

_NONCE_BYTES = 16
_TAG_BYTES = 32


class Seal:
    """Seals and opens. secret: shared by all workers of a deployment."""

    def __init__(self, secret: str) -> None:
        self._cipher_key = hmac.digest(secret.encode(), b"stationmaster bus cipher 1", hashlib.sha256)
        self._tag_key = hmac.digest(secret.encode(), b"stationmaster bus tag 1", hashlib.sha256)

    def close(self, body: bytes, inbox: str) -> bytes:
        """Return `body` sealed for one inbox."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        text = nonce + self._crypt(nonce, body)
        return text + self._tag(text, inbox)

    def open(self, sealed: bytes, inbox: str) -> bytes | None:
        """Return the body; None when it was not sealed by us for this inbox, or was changed since."""
        text, tag = sealed[:-_TAG_BYTES], sealed[-_TAG_BYTES:]
        if len(text) < _NONCE_BYTES or not hmac.compare_digest(self._tag(text, inbox), tag):
            return None
        return self._crypt(text[:_NONCE_BYTES], text[_NONCE_BYTES:])

    def _crypt(self, nonce: bytes, text: bytes) -> bytes:
        length = len(text)
        keystream = hashlib.shake_256(self._cipher_key + nonce).digest(length)
        return (int.from_bytes(text) ^ int.from_bytes(keystream)).to_bytes(length)

    def _tag(self, text: bytes, inbox: str) -> bytes:
        # The name of the inbox stands first, with its length, so that no two splits give the same input.
        name = inbox.encode()
        return hmac.digest(self._tag_key, len(name).to_bytes(2) + name + text, hashlib.sha256)
