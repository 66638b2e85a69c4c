"""The TCP connections of a worker that are not logged in: how many, how fast, and how long they may wait.

Everybody can open one, so each is bounded before anything else is known of it. Logged-in charge points leave
this list and are never counted.
"""

import asyncio
import os
import resource
import sys
from collections import Counter
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final

from uvicorn.protocols.http.flow_control import FlowControl

from app.gateway.accept_turns import AcceptTurns
from app.gateway.limiter import Network, network_of
from app.logs import get_logger
from app.metrics import LIMITS_HIT

HEAD_DEADLINE_S: Final = 10.0
"""Seconds for the head of a request. A connection that has not sent one by then is closed."""

REQUEST_DEADLINE_S: Final = 60.0
"""Seconds for the body that follows. Bodies are small here, and mobile networks are slow."""

DESCRIPTOR_RESERVE: Final = 128
"""Descriptors that no newcomer gets. Databases, Redis and hand-overs of sockets need up to about 70."""

_SWEEP_S: Final = 0.5
_GRACE_S: Final = 1.0
"""Seconds in which a connection is not surplus: a site that reconnects at once sends its heads so soon."""

_LINGER_S: Final = 1.0

_LOG = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class AnonymousLimits:
    """The limits of connections that are not logged in.

    per_address: how many of one address may be idle or unfinished; accepts_per_s: new ones that are read per
    second; capacity: connections of the worker, None: as the limit of descriptors allows; proxies: networks
    whose connections are not counted by address, because all clients share it.
    """

    per_address: int = 64
    accepts_per_s: float = 500.0
    head_s: float = HEAD_DEADLINE_S
    request_s: float = REQUEST_DEADLINE_S
    capacity: int | None = None
    proxies: tuple[Network, ...] = ()


@dataclass(slots=True, eq=False)
class AnonymousConnection:
    """One connection that is not logged in.

    deadline: when it is closed, unless its peer goes on, on the clock of the loop; None: its peer waits for
    us. flow: tells whether we have stopped to read.
    """

    transport: asyncio.Transport
    flow: FlowControl
    address: str
    arrived_at: float
    deadline: float | None = field(default=None)


class AnonymousConnections:
    """The connections of one worker that are not logged in."""

    def __init__(self, limits: AnonymousLimits | None = None) -> None:
        self.limits = limits or AnonymousLimits()
        self._capacity = self.limits.capacity
        self._connections: dict[AnonymousConnection, None] = {}
        self._of_address: Counter[str] = Counter()
        self._cut_off: Counter[str] = Counter()
        self._last_of: dict[str, str] = {}
        self._is_sweeping = False
        self._turns = AcceptTurns(self.limits.accepts_per_s)

    def enter(
        self, transport: asyncio.Transport, flow: FlowControl, peer: str, open_now: int
    ) -> AnonymousConnection | None:
        """Add a new connection. Return None if no descriptor is left for it.

        open_now: all connections of the worker, those of charge points included.
        """
        loop = asyncio.get_running_loop()
        if self._capacity is None:
            self._capacity = connection_capacity()
        now = loop.time()
        address = network_of(peer)
        if open_now >= self._capacity and not self._make_room(address, now):
            self.count("descriptors")
            return None
        connection = AnonymousConnection(transport, flow, address, now, now + self.limits.head_s)
        self._connections[connection] = None
        self._of_address[address] += 1
        if not self._turns.take(loop):
            # Not now: the transport begins to read right after `connection_made`.
            loop.call_soon(self._wait_for_turn, loop, connection)
        if not self._is_sweeping:
            self._is_sweeping = True
            loop.call_later(_SWEEP_S, self._sweep, loop)
        return connection

    def leave(self, connection: AnonymousConnection) -> None:
        """Forget a connection that has ended, or has logged in."""
        if connection not in self._connections:
            return
        del self._connections[connection]
        self._of_address[connection.address] -= 1
        if not self._of_address[connection.address]:
            del self._of_address[connection.address]

    def count(self, limit: str, address: str | None = None) -> None:
        """Count a connection that is closed or refused for a limit. The next sweep logs how many.

        address: of its peer; the last one is logged.
        """
        LIMITS_HIT.labels(limit).inc()
        self._cut_off[limit] += 1
        if address is not None:
            self._last_of[limit] = address

    def linger(self, connection: AnonymousConnection) -> None:
        """Close a connection soon: if it were closed with bytes unread, its peer would lose our answer."""
        self.leave(connection)
        asyncio.get_running_loop().call_later(_LINGER_S, connection.transport.abort)

    def _wait_for_turn(self, loop: asyncio.AbstractEventLoop, connection: AnonymousConnection) -> None:
        """Read a connection later, because too many come at once."""
        LIMITS_HIT.labels("accept_rate").inc()
        connection.flow.pause_reading()

        def read() -> bool:
            if connection not in self._connections or connection.transport.is_closing():
                return False
            connection.arrived_at = loop.time()
            connection.deadline = connection.arrived_at + self.limits.head_s
            connection.flow.resume_reading()
            return True

        self._turns.wait(loop, connection.address, read)

    def _make_room(self, newcomer: str, now: float) -> bool:
        """Close the oldest connection that does not go on, or is of a crowd. Return False if there is none.

        newcomer: the address that needs room; a crowd gives way to others only.
        """
        for connection in self._connections:
            if connection.deadline is None:
                continue
            is_crowd = connection.address != newcomer and self._is_crowd(connection.address)
            if is_crowd or now - connection.arrived_at > _GRACE_S:
                self.count("descriptors")
                self._abort(connection)
                return True
        return False

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        """Close what is overdue, and the oldest surplus of each address: the newest may be a charge point."""
        self._is_sweeping = bool(self._connections)
        if self._is_sweeping:
            # First, so that a defect in a sweep does not end them all.
            loop.call_later(_SWEEP_S, self._sweep, loop)
        now = loop.time()
        waiting: Counter[str] = Counter()
        for connection in reversed(list(self._connections)):
            if connection.deadline is None and connection.transport.is_closing():
                # A peer that does not read what was written keeps it from closing.
                connection.deadline = now + self.limits.head_s
            elif connection.deadline is not None and not connection.flow.read_paused:
                waiting[connection.address] += 1
                if connection.deadline <= now:
                    self.count("request_deadline", connection.address)
                    self._abort(connection)
                elif self._is_surplus(connection, waiting[connection.address], now):
                    self.count("connections_per_address", connection.address)
                    self._abort(connection)
        for limit, closed in self._cut_off.items():
            _LOG.warning(
                "connections_cut_off", limit=limit, count=closed, last_remote=self._last_of.get(limit)
            )
        self._cut_off.clear()
        self._last_of.clear()

    def _is_crowd(self, address: str) -> bool:
        return self._of_address[address] > self.limits.per_address

    def _is_surplus(self, connection: AnonymousConnection, number: int, now: float) -> bool:
        """Tell whether a connection is too much. number: its place among those of its address."""
        if number <= self.limits.per_address or now - connection.arrived_at <= _GRACE_S:
            return False
        return not (self.limits.proxies and _is_in(connection.address, self.limits.proxies))

    def _abort(self, connection: AnonymousConnection) -> None:
        self.leave(connection)
        connection.transport.abort()


def connection_capacity() -> int:
    """Return how many connections this process may hold, so that the reserve of descriptors stays free."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if limit == resource.RLIM_INFINITY:
        return sys.maxsize
    return max(1, limit - min(DESCRIPTOR_RESERVE, limit // 4) - len(os.listdir("/dev/fd")))


def _is_in(address: str, networks: tuple[Network, ...]) -> bool:
    try:
        # The /64 of an IPv6 address is its first address here.
        parsed = ip_address(address.partition("/")[0])
    except ValueError:
        return False
    return any(parsed in network for network in networks)
