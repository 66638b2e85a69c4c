"""Resolves names to addresses that requests may go to."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address
from typing import Final

from app.outgoing.records import Address, Network, OutgoingFailed, OutgoingFailure, RequestTarget
from app.outgoing.rules import address_of_host, is_allowed

Resolve = Callable[[str, int], Awaitable[Sequence[Address]]]
"""Returns the addresses of a name (name, port). Raises OSError."""

_THREADS: Final = 8


class Names:
    """The resolver of the system, in threads of its own: a name server that hangs stops no other work."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_THREADS, "outgoing-names")

    def close(self) -> None:
        """Refuse further look-ups."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def resolve(self, name: str, port: int) -> list[Address]:
        """Return the addresses of a name.

        Raises:
            OSError: it has none, or the name server does not answer.
        """
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._threads, _look_up, name, port)
        return [ip_address(text) for text in dict.fromkeys(found)]


def _look_up(name: str, port: int) -> list[str]:
    found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    return [str(sockaddr[0]) for *_, sockaddr in found]


async def allowed_addresses(
    target: RequestTarget, resolve: Resolve, allowed: Sequence[Network]
) -> list[Address]:
    """Return the addresses of a target. If one of them is not allowed, none is.

    Raises:
        OutgoingFailed: name_not_found or address_not_allowed.
    """
    literal = address_of_host(target.host)
    try:
        found = [literal] if literal is not None else await resolve(target.host, target.port)
    except (OSError, UnicodeError):
        found = []
    if not found:
        raise OutgoingFailed(OutgoingFailure.NAME_NOT_FOUND, "The name of the host has no address.")
    if not all(is_allowed(address, allowed) for address in found):
        # The address is not named: it would tell a tenant about the network of the operator.
        raise OutgoingFailed(
            OutgoingFailure.ADDRESS_NOT_ALLOWED, "The host has an address in a network that is not public."
        )
    return list(found)
