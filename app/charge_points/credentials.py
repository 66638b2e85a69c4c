"""Machine credentials of charge points: the AuthorizationKey (OCPP-J 6.2, security whitepaper A01).

A key has at least 128 bits of entropy, so a keyed hash is enough. A slow hash would only make a storm of
reconnects expensive. The stored form is `salt (16 bytes) || HMAC-SHA256(pepper, salt || key)`. No key
appears in a log or an error.
"""

import binascii
import hashlib
import hmac
import secrets

_SALT_BYTES = 16
_KEY_BYTES = 20
_HEX_CHARACTERS = range(32, 41, 2)
_TEXT_CHARACTERS = range(16, 21)
_HEX_DIGITS = frozenset(b"0123456789abcdefABCDEF")


def generate_key() -> str:
    """Return a new random key of 20 bytes as 40 hexadecimal characters, as ChangeConfiguration carries it."""
    return secrets.token_hex(_KEY_BYTES)


def key_bytes(text: str) -> bytes | None:
    """Return the bytes of the key that an AuthorizationKey value encodes; None: it has neither form.

    32 to 40 hexadecimal characters encode the bytes of the key (OCPP-J errata 3.10). 16 to 20 characters of
    ASCII are the bytes themselves, as in test case TC_085 of the certification tool.
    """
    if not text.isascii():
        return None
    encoded = text.encode()
    if len(encoded) in _HEX_CHARACTERS:
        return _from_hex(encoded)
    return encoded if len(encoded) in _TEXT_CHARACTERS else None


class Credentials:
    """Hashes keys and checks passwords. pepper: the secret of the server, needed to compute a hash."""

    def __init__(self, pepper: str) -> None:
        self._pepper = pepper.encode()
        self._unknown = self.hash(secrets.token_bytes(_KEY_BYTES))

    def hash(self, key: bytes) -> bytes:
        """Return the hash of a key with a new salt, 48 bytes, for storage."""
        salt = secrets.token_bytes(_SALT_BYTES)
        return salt + self._digest(salt, key)

    def matches(self, password: bytes, stored: bytes | None) -> bool:
        """Tell whether a password of Basic authentication is the key of a stored hash.

        The work is the same in any case, so the time it takes says nothing.

        Args:
            password: the bytes as received: those of the key, or of its hexadecimal text.
            stored: the hash; None: a credential is not set.
        """
        reference = self._unknown if stored is None else stored
        salt, expected = reference[:_SALT_BYTES], reference[_SALT_BYTES:]
        other_form = _from_hex(password) if len(password) in _HEX_CHARACTERS else None
        raw = hmac.compare_digest(self._digest(salt, password), expected)
        second_form = password if other_form is None else other_form
        decoded = hmac.compare_digest(self._digest(salt, second_form), expected)
        return (raw | decoded) and stored is not None

    def _digest(self, salt: bytes, key: bytes) -> bytes:
        return hmac.digest(self._pepper, salt + key, hashlib.sha256)


def _from_hex(text: bytes) -> bytes | None:
    # unhexlify checks the digits too, but it takes longer to fail than to succeed.
    return binascii.unhexlify(text) if _HEX_DIGITS.issuperset(text) else None
