"""Builds every key that this server uses in Redis.

The keys of one charge point have its tenant and identity as hash tag, so they share a slot of Redis Cluster.
"""

from urllib.parse import quote

from app.types import TenantId, WorkerId

WORKERS = "sm:workers"
"""The set of the ids of workers that hold a lease, or held one recently."""


class ChargePointKeys:
    """The keys of one charge point. Its identity is percent-encoded, so it cannot leave the hash tag."""

    __slots__ = ("owner",)

    def __init__(self, tenant_id: TenantId, identity: str) -> None:
        self.owner = f"sm:{{t{int(tenant_id)}:{quote(identity, safe='')}}}:owner"


class WorkerKeys:
    """The keys of one worker: its lease, and the stream of its inbox."""

    __slots__ = ("inbox", "lease")

    def __init__(self, worker: WorkerId) -> None:
        self.lease = f"sm:worker:{{{worker}}}"
        self.inbox = f"sm:inbox:{{{worker}}}"
