"""Builds every key that this server uses in Redis.

The keys of one charge point have its tenant and identity as hash tag, so they share a slot of Redis Cluster.
"""

import re
from datetime import date
from typing import Final
from urllib.parse import quote
from uuid import UUID

from app.types import TenantId, WorkerId

WORKERS = "sm:workers"
"""The set of the ids of workers that hold a lease, or held one recently."""


_PLAIN: Final = re.compile(r"[A-Za-z0-9_.~-]*").fullmatch


def _encoded(text: str) -> str:
    """Percent-encode a text. Most texts need none, which takes five times as long as to see that."""
    return text if _PLAIN(text) else quote(text, safe="")


def bucket_key(parts: tuple[str, ...]) -> str:
    """Return the key of a token bucket. parts: what it limits; they may come from a client.

    All buckets share a slot, so that one script may take from several.
    """
    return f"sm:{{bucket}}:{':'.join(map(_encoded, parts))}"


def key_use_key(key_id: UUID, address: str, day: date) -> str:
    """Return the key that says that the use of an API key from an address is in the audit of a day."""
    return f"sm:key-use:{key_id}:{day:%Y%m%d}:{quote(address, safe='')}"


class ChargePointKeys:
    """The keys of one charge point. Its identity is percent-encoded, so it cannot leave the hash tag."""

    __slots__ = ("owner",)

    def __init__(self, tenant_id: TenantId, identity: str) -> None:
        self.owner = f"sm:{{t{int(tenant_id)}:{_encoded(identity)}}}:owner"


class WorkerKeys:
    """The keys of one worker: its lease, and the stream of its inbox."""

    __slots__ = ("inbox", "lease")

    def __init__(self, worker: WorkerId) -> None:
        self.lease = f"sm:worker:{{{worker}}}"
        self.inbox = f"sm:inbox:{{{worker}}}"
