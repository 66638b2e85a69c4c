"""Every key this server uses in Redis, built here only.

Keys of one charge point carry its tenant and identity as hash tag, so that they share a slot of Redis
Cluster.
"""

from urllib.parse import quote

from app.types import TenantId, WorkerId

WORKERS = "sm:workers"
"""Set of the ids of workers that hold or lately held a lease."""


class ChargePointKeys:
    """The keys of one charge point. identity is percent-encoded, so it cannot break out of the hash tag."""

    __slots__ = ("owner",)

    def __init__(self, tenant_id: TenantId, identity: str) -> None:
        self.owner = f"sm:{{t{int(tenant_id)}:{quote(identity, safe='')}}}:owner"


class WorkerKeys:
    """The keys of one worker: its lease and the stream that is its inbox."""

    __slots__ = ("inbox", "lease")

    def __init__(self, worker: WorkerId) -> None:
        self.lease = f"sm:worker:{{{worker}}}"
        self.inbox = f"sm:inbox:{{{worker}}}"
