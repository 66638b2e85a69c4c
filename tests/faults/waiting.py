"""Waits for conditions. The rig limits the time of each fault as a whole."""

import asyncio
from collections.abc import Awaitable, Callable

_PAUSE_S = 0.02


async def until(holds: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    while True:
        if holds():
            return
        await asyncio.sleep(_PAUSE_S)


async def until_asked(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait until another process says that a condition holds."""
    while True:
        if await holds():
            return
        await asyncio.sleep(_PAUSE_S)
