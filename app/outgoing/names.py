"""Resolves names to addresses that requests may go to."""

import asyncio
import socket
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from ipaddress import ip_address
from typing import Final

from app.metrics import LIMITS_HIT
from app.outgoing.records import Address, Network, OutgoingFailed, OutgoingFailure, RequestTarget
from app.outgoing.rules import address_of_host, is_allowed
from app.types import TenantId

Resolve = Callable[[str], Awaitable[Sequence[Address]]]
"""Returns the addresses of a name. Raises OSError."""

_THREADS: Final = 32
_THREADS_OF_TENANT: Final = 4
"""A name server may hang for longer than any request, so one tenant must not hold all threads."""


class Names:
    """The resolver of the system, in threads of its own: a name server that hangs stops no other work.

    A name is looked up by one thread at a time, so that one that hangs leaves the other threads free.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_THREADS, "outgoing-names")
        self._running: dict[str, asyncio.Future[list[str]]] = {}
        self._of_tenant: Counter[TenantId] = Counter()

    def close(self) -> None:
        """Refuse further look-ups."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def resolve(self, tenant_id: TenantId, name: str) -> list[Address]:
        """Return the addresses of a name. tenant_id: the tenant that names it.

        Raises:
            OSError: it has none, or the name server does not answer.
            OutgoingFailed: busy, because other names of the tenant are being looked up.
        """
        running = self._running.get(name)
        if running is None:
            if self._of_tenant[tenant_id] >= _THREADS_OF_TENANT:
                LIMITS_HIT.labels("outgoing_names").inc()
                raise OutgoingFailed(OutgoingFailure.BUSY, "Too many names are being looked up.")
            loop = asyncio.get_running_loop()
            running = self._running[name] = loop.run_in_executor(self._threads, _look_up, name)
            self._of_tenant[tenant_id] += 1
            running.add_done_callback(partial(self._forget, tenant_id, name))
        # It goes on if this caller leaves: another one may wait for it.
        found = await asyncio.shield(running)
        return [ip_address(text) for text in dict.fromkeys(found)]

    def _forget(self, tenant_id: TenantId, name: str, done: "asyncio.Future[list[str]]") -> None:
        del self._running[name]
        self._of_tenant[tenant_id] -= 1
        if not self._of_tenant[tenant_id]:
            del self._of_tenant[tenant_id]
        if not done.cancelled():
            # All callers may have left, and no one asks for the error any longer.
            done.exception()


def _look_up(name: str) -> list[str]:
    found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return [str(sockaddr[0]) for *_, sockaddr in found]


async def allowed_addresses(
    target: RequestTarget, resolve: Resolve, allowed: Sequence[Network]
) -> list[Address]:
    """Return the addresses of a target. If one of them is not allowed, none is.

    Raises:
        OutgoingFailed: name_not_found or address_not_allowed; or what `resolve` raises.
    """
    literal = address_of_host(target.host)
    try:
        found = [literal] if literal is not None else await resolve(target.host)
    except (OSError, UnicodeError):
        found = []
    if not found:
        raise OutgoingFailed(OutgoingFailure.NAME_NOT_FOUND, "The name of the host has no address.")
    if not all(is_allowed(address, allowed) for address in found):
        # The address is not named: it would tell a tenant about the network of the operator.
        raise OutgoingFailed(
            OutgoingFailure.ADDRESS_NOT_ALLOWED,
            "The host has an address in a network that is not public. The operator of the server allows it "
            "by STATIONMASTER_OUTGOING_ALLOWED_NETWORKS.",
        )
    return list(found)
