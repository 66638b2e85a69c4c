"""Free transaction ids: each tenant counts its own, and a worker reserves them in blocks.

A block is reserved before the transaction that uses it, so an id is never given twice, whatever is rolled
back. What a worker has not used at its end is left out. A charge point knows 32 bits with a sign (OCPP 1.6
4.8), and 0 and -1 mean none to some of them.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Final

from app.database.connecting import StationConnection, keep_settings
from app.database.prepared import Connection
from app.logs import get_logger
from app.metrics import TRANSACTION_IDS_USED

_LOG = get_logger("ledger")

_BLOCK: Final = 50
_LARGEST: Final = 2**31 - 1
_ALARM_AT: Final = 0.9

_RESERVE: Final = """
    insert into transaction_ids as known (tenant_id, next_id) values ($1, 1 + $2::bigint)
    on conflict (tenant_id) do update set next_id = known.next_id + $2
    returning next_id
"""

_MOST_USED: Final = "select coalesce(max(next_id), 0) from transaction_ids"


class ReservedIds:
    """The ids of one batch, of each tenant in rising order."""

    def __init__(self, free: dict[int, deque[int]]) -> None:
        self._free = free

    def take(self, tenant_id: int) -> int:
        """Return the next id of a tenant that has a free one."""
        return self._free[tenant_id].popleft()


class TransactionIds:
    """The free ids of one worker, of each tenant in rising order. Two batches never share one."""

    def __init__(self) -> None:
        self._free: dict[int, deque[int]] = {}
        self._reserving = asyncio.Lock()

    @asynccontextmanager
    async def reserved(
        self, connection: StationConnection, needed: Mapping[int, int]
    ) -> AsyncGenerator[ReservedIds, None]:
        """Give the caller so many ids of each tenant, and take back those that it has not taken.

        connection: outside of a transaction.
        """
        own: dict[int, deque[int]] = {}
        try:
            await self._reserve(connection, needed, own)
            yield ReservedIds(own)
        finally:
            for tenant_id, left in own.items():
                self._free[tenant_id].extendleft(reversed(left))

    async def _reserve(
        self, connection: StationConnection, needed: Mapping[int, int], own: dict[int, deque[int]]
    ) -> None:
        """Move so many ids of each tenant into `own`."""
        async with self._reserving:
            for tenant_id, count in needed.items():
                free = self._free.setdefault(tenant_id, deque())
                if len(free) < count:
                    block = max(_BLOCK, count)
                    async with keep_settings(connection):
                        until: int = await connection.fetchval(_RESERVE, tenant_id, block)
                    free.extend(range(until - block, until))
                    _watch(tenant_id, until)
                own[tenant_id] = deque(free.popleft() for _ in range(count))


def _watch(tenant_id: int, until: int) -> None:
    """Tell how far a tenant has counted. After the last id its starts cannot be stored."""
    used = until / _LARGEST
    if used >= _ALARM_AT:
        TRANSACTION_IDS_USED.labels(tenant_id).set(used)
        _LOG.warning("transaction_ids_end_soon", tenant=tenant_id, used=round(used, 4))


async def largest_share_used(connection: Connection) -> float:
    """Return the largest share of its transaction ids that a tenant has used, 0 to 1."""
    until: int = await connection.fetchval(_MOST_USED)
    return until / _LARGEST
