"""Computations of milliseconds, beside the event loop."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")

# One thread for each worker: computations queue behind one another, so that they take one core at most, while
# sockets and other requests go on. The core releases the interpreter meanwhile.
_THREAD = ThreadPoolExecutor(max_workers=1, thread_name_prefix="computation")


async def compute(work: Callable[[], Result]) -> Result:
    """Run bounded work of the core without holding up the event loop."""
    return await asyncio.get_running_loop().run_in_executor(_THREAD, work)
