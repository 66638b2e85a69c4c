"""Signs messages by the scheme of Standard Webhooks, and makes and stores its secrets.

The signed content is `<id>.<timestamp>.<body>`. The header `webhook-signature` has one `v1,<base64>` for each
secret, with blanks between them: while a secret is replaced, receivers that know one of the two accept it.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from typing import Final

from app.live.encryption import EnvelopeCipher
from app.types import TenantId

_PREFIX: Final = "whsec_"
_SECRET_BYTES: Final = 32
_PURPOSE: Final = b"stationmaster signing secrets 1"


def new_secret() -> str:
    """Return a new random secret: `whsec_` and 32 bytes in base64."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def signature_headers(message_id: str, timestamp_s: int, body: bytes, keys: Sequence[str]) -> dict[str, str]:
    """Return the headers that sign a message.

    Args:
        message_id: Of the message; it must not have a dot.
        timestamp_s: Seconds since 1970 at which this attempt is made.
        body: What is sent.
        keys: The secrets, the newest first.
    """
    content = f"{message_id}.{timestamp_s}.".encode() + body
    signatures = [f"v1,{_sign(content, key)}" for key in keys]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp_s),
        "webhook-signature": " ".join(signatures),
    }


def _sign(content: bytes, key: str) -> str:
    secret = base64.b64decode(key.removeprefix(_PREFIX))
    return base64.b64encode(hmac.digest(secret, content, hashlib.sha256)).decode()


class SecretCipher:
    """Encrypts signing secrets for storage, so that a stolen table signs nothing."""

    def __init__(self, pepper: str) -> None:
        """Make a cipher. pepper: the secret of the server."""
        self._cipher = EnvelopeCipher(pepper, purpose=_PURPOSE)

    def encrypt(self, tenant_id: TenantId, secret: str) -> bytes:
        """Return a secret in the form for storage. Only its tenant can use it."""
        return self._cipher.encrypt(secret.encode(), str(tenant_id))

    def decrypt(self, tenant_id: TenantId, stored: bytes) -> str | None:
        """Return a stored secret; None: it was stored with another pepper, or for another tenant."""
        body = self._cipher.decrypt(stored, str(tenant_id))
        return None if body is None else body.decode()
