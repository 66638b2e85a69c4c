"""Who is connected where."""

from collections.abc import Callable, Iterable
from datetime import datetime

import msgspec
from redis.asyncio import Redis

from app.clock import Clock
from app.ids import ChargePointId, TenantId, WorkerId


class Owner(msgspec.Struct, frozen=True, kw_only=True):
    """The session that owns a charge point. Whoever holds the newest socket is the owner; Redis only tells of it."""

    tenant_id: TenantId
    charge_point_id: ChargePointId
    identity: str
    worker: WorkerId
    epoch: int
    connection_id: str
    connected_at: datetime
    remote: str
    subprotocol: str | None

    @property
    def rank(self) -> tuple[int, int]:
        """The higher one is the newer. A charge point that was deleted and made anew starts its epochs at 1 again."""
        return (self.charge_point_id, self.epoch)


class Presence:
    """Who is connected where, kept in Redis and, for this worker's own sessions, in memory."""

    def __init__(
        self, redis: Redis, worker_id: WorkerId, clock: Clock, *, lease_s: float = 15.0, renewal_s: float = 5.0
    ) -> None:
        raise NotImplementedError

    async def start(self, on_stale: Callable[[Owner], None]) -> None:
        """Take the lease and renew it in the background; `on_stale` gets each own owner that a newer one replaced."""
        raise NotImplementedError

    async def close(self) -> None:
        """End the renewal and give the lease back."""
        raise NotImplementedError

    async def take_over(self, owner: Owner) -> Owner | None:
        """Enter an owner; return the one that stood there. When that one ranks higher, it has stayed."""
        raise NotImplementedError

    async def release(self, owner: Owner) -> None:
        """Remove an owner, unless a newer one has its place."""
        raise NotImplementedError

    async def find(self, tenant_id: TenantId, identity: str) -> Owner | None:
        """Return the owner if its worker is alive. With Redis down: what this worker itself knows."""
        raise NotImplementedError

    async def find_many(self, tenant_id: TenantId, identities: Iterable[str]) -> dict[str, Owner]:
        """Return the owners of those that are connected, in one round trip."""
        raise NotImplementedError
