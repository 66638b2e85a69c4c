"""Computations of milliseconds, beside the event loop, tenants by turns."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar
from weakref import WeakValueDictionary

from app.types import TenantId

Result = TypeVar("Result")

# One thread for each worker: computations queue behind one another, so that they take one core at most, while
# sockets and other requests go on. The core releases the interpreter meanwhile.
_THREAD = ThreadPoolExecutor(max_workers=1, thread_name_prefix="computation")
# A tenant has one computation in that queue; its others wait here, so that many of one tenant do not hold
# up those of another. Kept as long as somebody waits.
_TURNS: WeakValueDictionary[TenantId, asyncio.Lock] = WeakValueDictionary()


async def compute(tenant_id: TenantId, work: Callable[[], Result]) -> Result:
    """Run bounded work for a tenant without holding up the event loop, or other tenants for long."""
    turn = _TURNS.setdefault(tenant_id, asyncio.Lock())
    async with turn:
        return await asyncio.get_running_loop().run_in_executor(_THREAD, work)
