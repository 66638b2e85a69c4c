"""The HTTP protocol and the application tell each other of the connection of a client.

Both are ASGI extensions. Other servers do not have them.
"""

from collections.abc import Callable, MutableMapping
from typing import Any, Final

LAST_REQUEST: Final = "stationmaster.last_request"
"""It is there if the connection may end with an answer: not if a trusted proxy shares it among clients."""

KNOWN_CLIENT: Final = "stationmaster.known_client"
"""Its value is called when the client has shown a valid key."""


def may_be_last(scope: MutableMapping[str, Any]) -> bool:
    """Tell whether the connection of a request may end with its answer. scope: of the ASGI request.

    A client with too many requests has to connect again. New connections take turns, so refusals cost little.
    """
    return LAST_REQUEST in scope.get("extensions", {})


def note_known_client(scope: MutableMapping[str, Any]) -> None:
    """Tell that the client has shown a valid key, which has limits of its own."""
    note: Callable[[], None] | None = scope.get("extensions", {}).get(KNOWN_CLIENT)
    if note is not None:
        note()
