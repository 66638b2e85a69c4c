"""The mark of the pepper in the database: with another pepper a server refuses every password and key."""

import hashlib
import hmac
from typing import Final

from app.database.connecting import connect
from app.health.store import claim_pepper_mark

_MARKED: Final = b"stationmaster backup"
"""Not changed, because backups have the mark, too."""
_CLOSE_TIMEOUT_S: Final = 10.0


class OtherPepperError(Exception):
    """The credentials in the database were made with another pepper."""


def pepper_mark(pepper: str) -> str:
    """Return what tells whether two peppers are the same, and does not tell the pepper."""
    return hmac.new(pepper.encode(), _MARKED, hashlib.sha256).hexdigest()[:32]


async def claim_pepper(url: str, pepper: str) -> None:
    """Leave the mark of the pepper in the database, if no server has left one yet.

    url: DATABASE_URL; the schema must be migrated.

    Raises:
        OtherPepperError: another server has left another mark.
    """
    connection = await connect(url, "pepper")
    try:
        found = await claim_pepper_mark(connection, pepper_mark(pepper))
    finally:
        await connection.close(timeout=_CLOSE_TIMEOUT_S)
    if not hmac.compare_digest(found, pepper_mark(pepper)):
        raise OtherPepperError
