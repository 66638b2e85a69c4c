"""Seals the desired values of secret keys, such as passwords of networks, for storage.

They are opened only to be sent. Which keys are secret is a matter of their names, as everywhere.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from app.commands.rules import REDACTED
from app.ocpp import is_secret_name
from app.outgoing.signature import SecretCipher
from app.types import TenantId

_MARK: Final = "sealed:"


@dataclass(frozen=True, slots=True)
class ValueSeal:
    """Seals and opens values with the secret of the server."""

    cipher: SecretCipher

    def sealed(
        self, tenant_id: TenantId, keys: Mapping[str, str], known: Mapping[str, str]
    ) -> dict[str, str]:
        """Return keys for storage. known: as stored; a secret that did not change keeps its sealed form."""
        stored: dict[str, str] = {}
        for key, value in keys.items():
            before = known.get(key)
            if not is_secret_name(key):
                stored[key] = value
            elif before is not None and self.opened(tenant_id, key, before) == value:
                stored[key] = before
            else:
                stored[key] = _MARK + base64.b64encode(self.cipher.encrypt(tenant_id, value)).decode()
        return stored

    def opened(self, tenant_id: TenantId, key: str, stored: str) -> str | None:
        """Return a stored value; None: it was sealed with another secret of the server."""
        if not is_secret_name(key):
            return stored
        return self.cipher.decrypt(tenant_id, base64.b64decode(stored.removeprefix(_MARK)))


def shown_value(key: str, stored: str) -> str:
    """Return a value as the API shows it."""
    return REDACTED if is_secret_name(key) else stored
