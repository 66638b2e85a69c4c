"""Decides which sessions are over, and which passwords are accepted."""

import hmac
import secrets
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from app.users.records import SCOPES_OF_ROLES, Role, SessionRecord, UserRecord, UserUpdate

SHORTEST_PASSWORD: Final = 12
"""Characters. NIST SP 800-63B asks for 8, and for 15 if nothing else protects; no rule of composition."""
LONGEST_PASSWORD: Final = 256
SEEN_RECORDED_EVERY: Final = timedelta(minutes=1)
"""The resolution of `seen_at`, so that most requests do not write."""


def claimed_role(claim: object) -> Role | None:
    """Return the highest role that a claim of an identity provider names; None: it names none.

    claim: a role, or a list that may have names of other products, too.
    """
    named = claim if isinstance(claim, list) else [claim]
    found: Role | None = None
    for role in SCOPES_OF_ROLES:
        if role in named:
            found = role
    return found


def changed_user(user: UserRecord, change: UserUpdate, now: datetime) -> UserRecord:
    """Return a user after a change. A user who is locked already keeps the time."""
    locked_at = user.locked_at
    if change.locked is not None:
        locked_at = (locked_at or now) if change.locked else None
    return replace(user, role=change.role or user.role, locked_at=locked_at)


def can_administer(user: UserRecord) -> bool:
    """Tell whether a user may manage the others."""
    return user.role == "admin" and user.locked_at is None


def keeps_an_admin(users: Iterable[UserRecord], user: UserRecord, changed: UserRecord | None) -> bool:
    """Tell whether a change leaves a tenant that has an admin with one.

    users: all of the tenant; user: the one who changes; changed: as it will be; None: deleted.
    """
    if not can_administer(user) or (changed is not None and can_administer(changed)):
        return True
    return any(can_administer(other) for other in users if other.id != user.id)


def is_over(session: SessionRecord, now: datetime, idle_s: float) -> bool:
    """Tell whether a session has ended: at its time, or because nothing came for `idle_s` seconds."""
    return session.expires_at <= now or session.seen_at + timedelta(seconds=idle_s) <= now


def must_record_seen(session: SessionRecord, now: datetime) -> bool:
    """Tell whether `seen_at` is old enough to be written again."""
    return now - session.seen_at >= SEEN_RECORDED_EVERY


def masked_token(token: str) -> str:
    """Return a token in another form for each page, so that the length of compressed pages tells nothing.

    token: hexadecimal digits.
    """
    mask = secrets.token_bytes(len(token) // 2)
    return mask.hex() + _combined(mask, bytes.fromhex(token)).hex()


def is_token(given: str, token: str) -> bool:
    """Tell whether a text is a masked form of a token, in a time that does not depend on how much fits."""
    try:
        content = bytes.fromhex(given)
    except ValueError:
        return False
    length = len(token) // 2
    unmasked = _combined(content[:length], content[length:])
    return len(content) == 2 * length and hmac.compare_digest(unmasked, bytes.fromhex(token))


def _combined(first: bytes, second: bytes) -> bytes:
    return bytes(one ^ other for one, other in zip(first, second, strict=False))


def password_fault(password: str, user_name: str, tenant_slug: str) -> str | None:
    """Return why a new password is refused; None: it is accepted."""
    if len(password) < SHORTEST_PASSWORD:
        return f"must have at least {SHORTEST_PASSWORD} characters"
    if len(password) > LONGEST_PASSWORD:
        return f"must have at most {LONGEST_PASSWORD} characters"
    if len(set(password)) < 4:
        return "repeats a few characters only"
    known = {user_name.lower(), user_name.partition("@")[0].lower(), tenant_slug, "stationmaster"}
    if password.lower() in known:
        return "is the name of the user, the tenant or the product"
    return None
