"""Waits for what becomes true in the background, and says what was last seen if it never does."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

_Found = TypeVar("_Found")

_DEADLINE_S: Final = 20.0
_PAUSE_S: Final = 0.01


async def eventually(read: Callable[[], Awaitable[_Found]], holds: Callable[[_Found], object]) -> _Found:
    """Read again until a condition holds for what was read; return it. Fail after 20 seconds."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _DEADLINE_S
    while not holds(found := await read()):
        assert loop.time() < deadline, f"last seen: {found!r}"
        await asyncio.sleep(_PAUSE_S)
    return found
