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

OWN: Final = TenantId(-1)
"""The turn of what the server itself has to compute."""

PASSWORDS: Final = TenantId(-2)
"""The turn of people who log in."""

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

    def end_turn(_: asyncio.Future[Result]) -> None:
        if tenant_id == PUBLIC:
            loop.call_later(spent_s * _REST_OF_PUBLIC, turn.release)
        else:
            turn.release()

    try:
        running = loop.run_in_executor(_THREAD, measured)
    except BaseException:
        turn.release()
        raise
    # The turn lasts as long as the work, also if the caller does not wait for it any longer.
    running.add_done_callback(end_turn)
    return await asyncio.shield(running)
