"""The keys that a worker has to ask for by name, until it does."""

from collections import deque
from collections.abc import Sequence
from typing import Final, NamedTuple

from app.metrics import LIMITS_HIT
from app.state_requests.rules import key_groups, missing_keys
from app.types import Json, TenantId

_QUEUE_LIMIT: Final = 1000


class WantedKeys(NamedTuple):
    """Keys to ask a charge point for, in one command."""

    tenant_id: TenantId
    identity: str
    keys: list[str]


class SilentKeyQueue:
    """A bounded queue. At its limit new requests are dropped: the next GetConfiguration makes them again."""

    def __init__(self) -> None:
        self._waiting: deque[WantedKeys] = deque()

    def add(self, tenant_id: TenantId, identity: str, silent: Sequence[str], answer: Json | None) -> None:
        """Add the silent keys that an answer leaves out. answer: of the charge point; None: it gave none."""
        for keys in key_groups(missing_keys(silent, answer), answer):
            wanted = WantedKeys(tenant_id, identity, keys)
            if wanted in self._waiting:
                continue
            if len(self._waiting) >= _QUEUE_LIMIT:
                LIMITS_HIT.labels("silent_keys").inc()
                return
            self._waiting.append(wanted)

    def take(self) -> WantedKeys | None:
        """Return the oldest request, and forget it."""
        return self._waiting.popleft() if self._waiting else None
