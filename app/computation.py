"""Runs computations of some milliseconds next to the event loop, with one turn for each tenant."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar
from weakref import WeakValueDictionary

from app.types import TenantId

Result = TypeVar("Result")

PUBLIC: Final = TenantId(0)
"""The turn that all callers without a key share, as if they were one tenant."""

_REST_OF_PUBLIC: Final = 4.0
"""After a computation for strangers the next one waits this many times its CPU time, so that all of them
together take a fifth of a core at most."""

# One thread for each worker: computations run one after another, so that they take at most one core while
# connections and other requests go on. The core releases the interpreter in the meantime.
_THREAD = ThreadPoolExecutor(max_workers=1, thread_name_prefix="computation")
# A tenant has one computation in that queue; its others wait here, so that many of one tenant do not delay
# those of another. A lock is kept as long as a computation holds it or waits for it.
_TURNS: WeakValueDictionary[TenantId, asyncio.Lock] = WeakValueDictionary()


async def compute(tenant_id: TenantId, work: Callable[[], Result]) -> Result:
    """Run bounded work for a tenant without blocking the event loop, or other tenants for long."""
    turn = _TURNS.setdefault(tenant_id, asyncio.Lock())
    loop = asyncio.get_running_loop()
    await turn.acquire()
    spent_s = 0.0

    def measured() -> Result:
        nonlocal spent_s
        begun = time.thread_time()
        try:
            return work()
        finally:
            spent_s = time.thread_time() - begun

    try:
        return await loop.run_in_executor(_THREAD, measured)
    finally:
        if tenant_id == PUBLIC:
            # The answer does not wait for that.
            loop.call_later(spent_s * _REST_OF_PUBLIC, turn.release)
        else:
            turn.release()
