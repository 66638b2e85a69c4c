"""Challenges that a browser keeps in a cookie, sealed: for what they were made, for whom, and until when."""

import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Final

CHALLENGE_LIFE: Final = timedelta(minutes=5)
"""The time that a person may take to confirm."""
_VALUE_BYTES: Final = 32
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TIME_BYTES: Final = 8


@dataclass(frozen=True, slots=True)
class Challenge:
    """A value that must come back. sealed: the text for the cookie."""

    value: bytes
    sealed: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class OpenedChallenge:
    """A value that came back, and when it was made."""

    value: bytes
    made_at: datetime


def new_challenge(pepper: str, purpose: str, now: datetime) -> Challenge:
    """Make a challenge. purpose: what it is for, with the session that it is bound to, if there is one."""
    value = secrets.token_bytes(_VALUE_BYTES)
    made_at_us = (now - _EPOCH) // timedelta(microseconds=1)
    content = value + made_at_us.to_bytes(_TIME_BYTES)
    return Challenge(value, urlsafe_b64encode(content + _seal(pepper, purpose, content)).decode())


def opened_challenge(pepper: str, purpose: str, sealed: str, now: datetime) -> OpenedChallenge | None:
    """Return a challenge that was sealed; None: it is for something else, over, or not of ours."""
    try:
        given = urlsafe_b64decode(sealed.encode())
    except ValueError:
        return None
    content, seal = given[: _VALUE_BYTES + _TIME_BYTES], given[_VALUE_BYTES + _TIME_BYTES :]
    if not hmac.compare_digest(seal, _seal(pepper, purpose, content)):
        return None
    made_at = _EPOCH + timedelta(microseconds=int.from_bytes(content[_VALUE_BYTES:]))
    return None if made_at + CHALLENGE_LIFE <= now else OpenedChallenge(content[:_VALUE_BYTES], made_at)


def _seal(pepper: str, purpose: str, content: bytes) -> bytes:
    key = hmac.digest(pepper.encode(), b"challenge:" + purpose.encode(), sha256)
    return hmac.digest(key, content, sha256)
