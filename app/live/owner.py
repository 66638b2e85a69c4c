"""The owner of a charge point, and its entry in Redis. Errors of Redis are raised.

An entry is a hash: `c` charge point id and `e` epoch, which Lua compares, and `v` the owner as msgpack. It
does not expire by itself. It names a worker, and is valid while that worker holds its lease.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from redis.asyncio import RedisCluster

from app.live.connect import LiveRedis
from app.live.keys import ChargePointKeys
from app.live.take_overs import Times
from app.types import ChargePointId, TenantId, WorkerId

OwnerKey = tuple[TenantId, str]
"""Tenant and identity of a charge point. Each has at most one owner."""

Rank = tuple[int, int]

NO_RANK: Rank = (0, 0)
"""Lower than the rank of any owner."""

# ARGV: charge point id, epoch, value, and the rank of an entry that may be replaced although it is higher.
_WRITE = """
local stored = redis.call('HMGET', KEYS[1], 'c', 'e', 'v')
if stored[1] then
  local point, epoch = tonumber(stored[1]), tonumber(stored[2])
  local our_point, our_epoch = tonumber(ARGV[1]), tonumber(ARGV[2])
  local higher = point > our_point or (point == our_point and epoch > our_epoch)
  if higher and not (stored[1] == ARGV[4] and stored[2] == ARGV[5]) then
    return {0, stored[3]}
  end
end
redis.call('HSET', KEYS[1], 'c', ARGV[1], 'e', ARGV[2], 'v', ARGV[3])
return {1, stored[3]}
"""

# One command for all keys: a pipeline costs the client ten times as much.
_READ = """
local found = {}
for place, key in ipairs(KEYS) do
  found[place] = redis.call('HGET', key, 'v')
end
return found
"""

_REMOVE = """
local stored = redis.call('HMGET', KEYS[1], 'c', 'e')
if stored[1] == ARGV[1] and stored[2] == ARGV[2] then
  return redis.call('DEL', KEYS[1])
end
return 0
"""


class Owner(msgspec.Struct, frozen=True, kw_only=True):
    """The session that owns a charge point, because it has the newest socket. Redis holds a copy of this.

    take_overs: when newer connections of the charge point took over, up to this one.
    """

    tenant_id: TenantId
    charge_point_id: ChargePointId
    identity: str
    worker: WorkerId
    epoch: int
    connection_id: str
    connected_at: datetime
    remote: str
    subprotocol: str | None
    take_overs: Times = ()

    @property
    def key(self) -> OwnerKey:
        """The charge point that it owns."""
        return (self.tenant_id, self.identity)

    @property
    def rank(self) -> Rank:
        """The order of age: the highest is the newest. Epochs start at 1 for a charge point created again."""
        return (self.charge_point_id, self.epoch)


@dataclass(frozen=True, slots=True)
class EntryResult:
    """The result of writing an entry. won: it was written; other: the owner that the entry named before."""

    owner: Owner
    won: bool
    other: Owner | None


class OwnerEntries:
    """The entries of owners in Redis."""

    def __init__(self, redis: LiveRedis) -> None:
        self._redis = redis
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder = msgspec.msgpack.Decoder(Owner)

    async def write(self, owners: Sequence[Owner], beaten: Rank = NO_RANK) -> list[EntryResult]:
        """Write entries in one round trip, each only over an entry of lower rank. Results keep the order.

        beaten: the rank of an entry that may be replaced although it is higher, because its worker is dead.
        """
        async with self._redis.pipeline(transaction=False) as pipeline:
            for owner in owners:
                key = ChargePointKeys(*owner.key).owner
                value = self._encoder.encode(owner)
                pipeline.eval(_WRITE, 1, key, owner.charge_point_id, owner.epoch, value, *beaten)
            replies = await pipeline.execute()
        return [
            EntryResult(owner, bool(won), self._decode(value))
            for owner, (won, value) in zip(owners, replies, strict=True)
        ]

    async def remove(self, owners: Sequence[Owner]) -> None:
        """Remove entries, each only if it has exactly the rank of its owner."""
        async with self._redis.pipeline(transaction=False) as pipeline:
            for owner in owners:
                pipeline.eval(_REMOVE, 1, ChargePointKeys(*owner.key).owner, *owner.rank)
            await pipeline.execute()

    async def read(self, owner_keys: Iterable[OwnerKey]) -> list[Owner | None]:
        """Return the entries of several charge points in one round trip. Their workers may be dead."""
        keys = [ChargePointKeys(*key).owner for key in owner_keys]
        if len(keys) == 1:
            return [self._decode(await self._redis.hget(keys[0], "v"))]
        if isinstance(self._redis, RedisCluster):
            # The keys are on several nodes, and a script reads those of one.
            async with self._redis.pipeline(transaction=False) as pipeline:
                for key in keys:
                    pipeline.hget(key, "v")
                return [self._decode(value) for value in await pipeline.execute()]
        return [self._decode(value) for value in await self._redis.eval(_READ, len(keys), *keys)]

    def _decode(self, value: Any) -> Owner | None:
        if value is None:
            return None
        try:
            return self._decoder.decode(value)
        except msgspec.MsgspecError:
            # It is foreign, or of a newer version. It counts as missing, and the next login replaces it.
            return None
