"""Machine credentials of charge points: the AuthorizationKey (OCPP-J 6.2, security whitepaper A01).

A key has at least 128 bits of entropy, so a keyed hash is right and a slow one would only make a reconnect
storm expensive. The stored form is `salt (16 bytes) || HMAC-SHA256(pepper, salt || key)`. Nothing here logs
or raises a key.
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
    """Return the key that the value of an AuthorizationKey change stands for; None when it stands for none.

    32 to 40 hexadecimal characters are the key's bytes (OCPP-J errata 3.10); 16 to 20 characters of ASCII
    are, as in the certification tool's TC_085, the bytes themselves.
    """
    if not text.isascii():
        return None
    encoded = text.encode()
    if len(encoded) in _HEX_CHARACTERS:
        return _from_hex(encoded)
    return encoded if len(encoded) in _TEXT_CHARACTERS else None


class Credentials:
    """Hashes keys and checks passwords. pepper: the server's secret; stored hashes are worthless without."""

    def __init__(self, pepper: str) -> None:
        self._pepper = pepper.encode()
        self._nobody = self.hash(secrets.token_bytes(_KEY_BYTES))

    def hash(self, key: bytes) -> bytes:
        """Return the form of a key that may be stored, 48 bytes, with a salt of its own."""
        salt = secrets.token_bytes(_SALT_BYTES)
        return salt + self._digest(salt, key)

    def matches(self, password: bytes, stored: bytes | None) -> bool:
        """Tell whether a Basic auth password is the key behind `stored`; the same work in any case.

        password: as it came, not decoded; either the key's bytes or the hexadecimal text of them. stored
        None: no such credential, which takes as long as a wrong password does.
        """
        reference = self._nobody if stored is None else stored
        salt, expected = reference[:_SALT_BYTES], reference[_SALT_BYTES:]
        other_form = _from_hex(password) if len(password) in _HEX_CHARACTERS else None
        raw = hmac.compare_digest(self._digest(salt, password), expected)
        second_form = password if other_form is None else other_form
        decoded = hmac.compare_digest(self._digest(salt, second_form), expected)
        return (raw | decoded) and stored is not None

    def _digest(self, salt: bytes, key: bytes) -> bytes:
        return hmac.digest(self._pepper, salt + key, hashlib.sha256)


def _from_hex(text: bytes) -> bytes | None:
    # unhexlify alone would do, but its error takes longer than its success.
    return binascii.unhexlify(text) if _HEX_DIGITS.issuperset(text) else None
