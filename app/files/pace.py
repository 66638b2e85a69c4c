"""How many transfers a worker does at once, and how fast: the messages of charge points come first."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final
from uuid import UUID

from app.errors import Unavailable
from app.metrics import LIMITS_HIT

_CREDIT_S: Final = 0.005
"""Seconds of the rate that may be used at once after a pause. More would be a burst that others wait for."""

OF_LINK_LIMIT: Final = 4
"""Transfers by one URL at the same time: a charge point that lost its connection tries again at once."""


class TransferPace:
    """Spreads the parts of all transfers of a worker evenly over time.

    Without it, hundreds of transfers would all be ready in one turn of the event loop, and a message would
    wait for all of them.
    """

    def __init__(self, bytes_per_s: float) -> None:
        """bytes_per_s: of all transfers of the worker together."""
        self._rate = bytes_per_s
        self._free_at = 0.0

    async def turn(self, size: int) -> None:
        """Wait until it is the turn of a part of `size` bytes. Turns come in the order of these calls."""
        now = asyncio.get_running_loop().time()
        self._free_at = max(self._free_at, now - _CREDIT_S) + size / self._rate
        if self._free_at > now:
            await asyncio.sleep(self._free_at - now)


class TransferSlots:
    """Counts the transfers of a worker, of each tenant there, and of each link.

    Attributes:
        taken: how many are under way.
    """

    def __init__(self, limit: int) -> None:
        """limit: of the worker. One tenant may have four fifths of it."""
        self._limit = limit
        self._of_tenant_limit = max(1, limit * 4 // 5)
        self.taken = 0
        self._of_tenant: Counter[int] = Counter()
        self._of_link: Counter[UUID] = Counter()

    @contextmanager
    def slot(self, tenant_id: int, link_id: UUID | None = None) -> Iterator[None]:
        """Count one transfer until the end of the block.

        Raises:
            Unavailable: there are too many. The client tries again.
        """
        if self.taken >= self._limit or self._of_tenant[tenant_id] >= self._of_tenant_limit:
            LIMITS_HIT.labels("transfers").inc()
            raise Unavailable("Too many transfers are under way: try again.", "too_many_transfers")
        if link_id is not None and self._of_link[link_id] >= OF_LINK_LIMIT:
            LIMITS_HIT.labels("transfers_of_link").inc()
            raise Unavailable("Too many transfers use this URL: try again.", "too_many_transfers")
        self.taken += 1
        self._of_tenant[tenant_id] += 1
        if link_id is not None:
            self._of_link[link_id] += 1
        try:
            yield
        finally:
            self.taken -= 1
            _give_back(self._of_tenant, tenant_id)
            if link_id is not None:
                _give_back(self._of_link, link_id)


def _give_back(counts: Counter[Any], key: Any) -> None:
    counts[key] -= 1
    if counts[key] <= 0:
        del counts[key]
