"""Machine credentials of charge points: the AuthorizationKey (OCPP-J 6.2, security whitepaper A01).

A key has at least 128 bits of entropy, so a keyed hash is enough. A slow hash would only make a storm of
reconnects expensive. The stored form is `salt (16 bytes) || HMAC-SHA256(pepper, salt || key)`. No key
appears in a log or an error.
"""

import binascii
import hashlib
import hmac
import secrets
from typing import Literal

from app.errors import FieldViolation, InvalidInput

KeyForm = Literal["auto", "text", "hex"]
"""How a key is written. Which form it logs in with does not matter."""

_SALT_BYTES = 16
_KEY_BYTES = 20
_HEX_CHARACTERS = range(32, 41, 2)
_TEXT_CHARACTERS = range(16, 21)
_HEX_PASSWORDS = range(2, 41, 2)
_IMPORTED_BYTES_LIMIT = 64
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


def imported_key(text: str, form: KeyForm) -> bytes:
    """Return the bytes of a key that a charge point has already.

    Args:
        text: The key as its operator knows it.
        form: `hex`: hexadecimal digits of its bytes; `text`: the bytes themselves, in UTF-8; `auto`: `hex` if
            it is 32 to 40 such digits, else `text`.

    Raises:
        InvalidInput: it is empty, too long, not hexadecimal, or `auto` cannot tell: digits that are too many
            for a text of the standard, but not the number of a key, as if one was lost. The pointer is
            `/authorization_key`.
    """
    try:
        encoded = text.encode()
    except UnicodeEncodeError:
        encoded = b""
    is_cut_off = len(encoded) >= _TEXT_CHARACTERS.stop and len(encoded) not in _HEX_CHARACTERS
    if form == "auto" and is_cut_off and _HEX_DIGITS.issuperset(encoded):
        detail = (
            f"has {len(encoded)} hexadecimal digits, and not 32 to 40 in pairs: say by its form what it is"
        )
        raise InvalidInput([FieldViolation("/authorization_key", "authorization_key", detail)])
    decoded = _from_hex(encoded) if len(encoded) % 2 == 0 else None
    is_hex = form == "hex" or (form == "auto" and decoded is not None and len(encoded) in _HEX_CHARACTERS)
    key = decoded if is_hex else encoded
    if not key or len(key) > _IMPORTED_BYTES_LIMIT:
        form_text = "an even number of hexadecimal digits" if form == "hex" else "text"
        detail = f"must be {form_text} of 1 to {_IMPORTED_BYTES_LIMIT} bytes"
        raise InvalidInput([FieldViolation("/authorization_key", "authorization_key", detail)])
    return key


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
        other_form = _from_hex(password) if len(password) in _HEX_PASSWORDS else None
        raw = hmac.compare_digest(self._digest(salt, password), expected)
        second_form = password if other_form is None else other_form
        decoded = hmac.compare_digest(self._digest(salt, second_form), expected)
        return (raw | decoded) and stored is not None

    def _digest(self, salt: bytes, key: bytes) -> bytes:
        return hmac.digest(self._pepper, salt + key, hashlib.sha256)


def _from_hex(text: bytes) -> bytes | None:
    # unhexlify checks the digits too, but it takes longer to fail than to succeed.
    return binascii.unhexlify(text) if _HEX_DIGITS.issuperset(text) else None
