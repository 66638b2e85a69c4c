"""Requests after which a connection ends: how the application tells the HTTP protocol of them.

A client with too many requests has to connect again. New connections take turns, so refusals cost little.
"""

from collections.abc import Callable, MutableMapping
from typing import Any, Final

EXTENSION: Final = "stationmaster.last_request"
"""The ASGI extension. Its value is called to make a request the last one; other servers do not have it."""


def end_after_answer(scope: MutableMapping[str, Any]) -> None:
    """Close the connection of a request after its answer. scope: of the ASGI request."""
    end: Callable[[], None] | None = scope.get("extensions", {}).get(EXTENSION)
    if end is not None:
        end()
