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
from typing import Final

from uvicorn.protocols.http.flow_control import FlowControl

from app.gateway.accept_turns import AcceptTurns, Newcomer
from app.gateway.limiter import Network, is_trusted, network_of
from app.logs import get_logger
from app.long_transfers import STALL_S
from app.metrics import LIMITS_HIT
from app.token_buckets import TokenBuckets

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

_FREED_SHARE: Final = 0.25
"""Share of the bytes that is freed at once when there are too many, so that it is not done for each read."""

_ADDRESSES: Final = 50_000
_REQUESTS_BURST_S: Final = 10.0
"""Seconds of the requests of an address that may come at once: a page of the console is some twenty."""

_LONGEST_PAUSE_S: Final = 3.0
"""Less than the time after which uvicorn closes a connection without requests."""

_ABORTS_PER_STEP: Final = 16
"""Connections that are closed in one step of the event loop."""

_ACCEPT_RATE: Final = LIMITS_HIT.labels("accept_rate")
_LOG = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class AnonymousLimits:
    """The limits of connections that are not logged in.

    per_address: how many of one address may be idle or unfinished; requests_per_minute: of one address and
    without a key; accepts_per_s: new ones that are read per second; transfer_stall_s: seconds without a byte
    in a transfer of a file; capacity: connections of the worker, None: as the limit of descriptors allows;
    connections: those that are not logged in, of all addresses together; held_bytes: memory for what they
    have sent and for answers that they do not read; proxies: networks whose connections are not counted by
    address, because all clients share it.
    """

    per_address: int = 64
    connections: int = 4096
    held_bytes: int = 16_777_216
    accepts_per_s: float = 500.0
    requests_per_minute: int = 3_000
    head_s: float = HEAD_DEADLINE_S
    request_s: float = REQUEST_DEADLINE_S
    transfer_stall_s: float = STALL_S
    capacity: int | None = None
    proxies: tuple[Network, ...] = ()


@dataclass(slots=True, eq=False)
class AnonymousConnection:
    """One connection that is not logged in.

    deadline: when it is closed, unless its peer goes on, on the clock of the loop; None: its peer waits for
    us. flow: tells whether we have stopped to read. is_transfer: a route has let it transfer a file, so it is
    not counted. is_of_proxy: a trusted proxy has it, so it may serve many clients. is_known: its client has
    shown a valid key. is_slowed: it is not read for a moment, because its address sends too many requests.
    held_bytes, held_since: the memory that its request and answer take, and since when.
    """

    transport: asyncio.Transport
    flow: FlowControl
    address: str
    arrived_at: float
    deadline: float | None = field(default=None)
    is_transfer: bool = field(default=False)
    is_of_proxy: bool = field(default=False)
    is_known: bool = field(default=False)
    is_slowed: bool = field(default=False)
    held_bytes: int = field(default=0)
    held_since: float = field(default=0.0)


class AnonymousConnections:
    """The connections of one worker that are not logged in."""

    def __init__(self, limits: AnonymousLimits | None = None) -> None:
        self.limits = limits or AnonymousLimits()
        self._capacity = self.limits.capacity
        self._connections: dict[AnonymousConnection, None] = {}
        self._of_address: Counter[str] = Counter()
        self._crowds = 0
        self._held_bytes = 0
        self._cut_off: Counter[str] = Counter()
        self._last_of: dict[str, str] = {}
        self._is_sweeping = False
        self._requests = TokenBuckets(self.limits.requests_per_minute, _ADDRESSES, _REQUESTS_BURST_S)
        self._turns = AcceptTurns(self.limits.accepts_per_s, self.limits.per_address)

    def __len__(self) -> int:
        return len(self._connections)

    @property
    def held_bytes(self) -> int:
        """The memory that all of them take by what they have sent, and by answers that they do not read."""
        return self._held_bytes

    def arrive(self, peer: str, port: int, newcomer: Newcomer, open_now: int) -> None:
        """Let a connection that was accepted be read: now, or at its turn, because too many come at once.

        peer, port: of the client; open_now: as for `enter`.
        """
        # Each connection of a proxy may be that of another client, so each has turns of its own.
        address = f"{peer} {port}" if is_trusted(peer, self.limits.proxies) else network_of(peer)
        room = min(self.limits.connections, self._most() - open_now)
        if not self._turns.come(asyncio.get_running_loop(), address, newcomer, room):
            _ACCEPT_RATE.inc()

    def refuse_waiting(self) -> None:
        """Close the connections that wait for their turn, because the worker stops."""
        self._turns.close_all()

    def enter(
        self, transport: asyncio.Transport, flow: FlowControl, peer: str, open_now: int
    ) -> AnonymousConnection | None:
        """Add a new connection. Return None if the worker is full.

        open_now: all connections of the worker, those of charge points included.
        """
        loop = asyncio.get_running_loop()
        now = loop.time()
        address = network_of(peer)
        lacking = None
        if open_now + len(self._turns) >= self._most():
            lacking = "descriptors"
        elif len(self._connections) >= self.limits.connections:
            lacking = "anonymous_connections"
        if lacking is not None and not self._make_room(address, now, lacking):
            self.count(lacking, address)
            return None
        connection = AnonymousConnection(transport, flow, address, now, now + self.limits.head_s)
        connection.is_of_proxy = is_trusted(peer, self.limits.proxies)
        self._connections[connection] = None
        self._of_address[address] += 1
        self._crowds += self._of_address[address] == self.limits.per_address + 1
        if not self._is_sweeping:
            self._is_sweeping = True
            loop.call_later(_SWEEP_S, self._sweep, loop)
        return connection

    def leave(self, connection: AnonymousConnection) -> None:
        """Forget a connection that has ended, or has logged in."""
        if connection not in self._connections:
            return
        del self._connections[connection]
        self._held_bytes -= connection.held_bytes
        self._crowds -= self._of_address[connection.address] == self.limits.per_address + 1
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

    def hold(self, connection: AnonymousConnection, held_bytes: int) -> None:
        """Note how much memory the request and the answer of a connection take now.

        If all of them take too much, those are closed that have taken the most for the longest time.
        """
        if connection not in self._connections:
            return
        if not connection.held_bytes:
            connection.held_since = asyncio.get_running_loop().time()
        self._held_bytes += held_bytes - connection.held_bytes
        connection.held_bytes = held_bytes
        if self._held_bytes > self.limits.held_bytes:
            self._free_bytes(asyncio.get_running_loop().time())

    def pause_after_request(self, connection: AnonymousConnection) -> float:
        """Count a request of a stranger. Return for how many seconds its connection is not read after it."""
        if connection.is_known or connection.is_of_proxy:
            return 0.0
        key, now = (connection.address,), asyncio.get_running_loop().time()
        self._requests.take(key, now)
        pause_s = self._requests.retry_after_s(key, now)
        if pause_s > 0.0:
            LIMITS_HIT.labels("anonymous_requests").inc()
        return min(pause_s, _LONGEST_PAUSE_S)

    def linger(self, connection: AnonymousConnection) -> None:
        """Close a connection soon: if it were closed with bytes unread, its peer would lose our answer."""
        self.leave(connection)
        asyncio.get_running_loop().call_later(_LINGER_S, connection.transport.abort)

    def _most(self) -> int:
        """Return how many connections the worker may have."""
        if self._capacity is None:
            self._capacity = connection_capacity()
        return self._capacity

    def _make_room(self, newcomer: str, now: float, lacking: str) -> bool:
        """Close the oldest connection that does not go on, or is of a crowd. Return False if there is none.

        newcomer: the address that needs room; a crowd gives way to others only. lacking: what is counted.
        """
        other_crowds = self._crowds - self._is_crowd(newcomer)
        for connection in self._connections:
            is_old = now - connection.arrived_at > _GRACE_S
            if not (is_old or other_crowds):
                # The later ones are younger. A flood must not cost a look at each of them.
                break
            if connection.deadline is None or connection.is_transfer:
                continue
            is_crowd = connection.address != newcomer and self._is_crowd(connection.address)
            if is_crowd or (is_old and _waits_for_peer(connection)):
                self.count(lacking)
                self._abort(connection)
                return True
        return False

    def _free_bytes(self, now: float) -> None:
        """Close the connections with the most bytes times seconds, until enough bytes are free."""
        most = int(self.limits.held_bytes * (1.0 - _FREED_SHARE))
        for connection in sorted(
            self._connections, key=lambda one: one.held_bytes * (now - one.held_since), reverse=True
        ):
            if self._held_bytes <= most:
                return
            if connection.held_bytes:
                self.count("anonymous_bytes", connection.address)
                self._abort(connection)

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        """Close what is overdue, and the oldest surplus of each address: the newest may be a charge point."""
        self._is_sweeping = bool(self._connections)
        if self._is_sweeping:
            # First, so that a defect in a sweep does not end them all.
            loop.call_later(_SWEEP_S, self._sweep, loop)
        now = loop.time()
        waiting: Counter[str] = Counter()
        overdue: list[AnonymousConnection] = []
        for connection in reversed(list(self._connections)):
            if connection.deadline is None and connection.transport.is_closing():
                # A peer that does not read what was written keeps it from closing.
                connection.deadline = now + self.limits.head_s
            elif connection.deadline is None:
                continue
            elif connection.is_transfer and connection.flow.read_paused:
                # We do not read, so the time does not count.
                connection.deadline += _SWEEP_S
            elif _waits_for_peer(connection):
                waiting[connection.address] += not connection.is_transfer
                if connection.deadline <= now:
                    self.count("request_deadline", connection.address)
                    overdue.append(connection)
                elif not connection.is_transfer and self._is_surplus(
                    connection, waiting[connection.address], now
                ):
                    self.count("connections_per_address", connection.address)
                    overdue.append(connection)
        self._abort_some(loop, overdue)
        for limit, closed in self._cut_off.items():
            _LOG.warning(
                "connections_cut_off", limit=limit, count=closed, last_remote=self._last_of.get(limit)
            )
        self._cut_off.clear()
        self._last_of.clear()

    def _abort_some(self, loop: asyncio.AbstractEventLoop, overdue: list[AnonymousConnection]) -> None:
        """Close connections, a few in each step of the event loop: a thousand at once would hold it up."""
        for connection in overdue[:_ABORTS_PER_STEP]:
            # Meanwhile it may have gone on, or logged in.
            is_idle = connection.deadline is not None and _waits_for_peer(connection)
            if connection in self._connections and is_idle:
                self._abort(connection)
        if len(overdue) > _ABORTS_PER_STEP:
            loop.call_soon(self._abort_some, loop, overdue[_ABORTS_PER_STEP:])

    def _is_crowd(self, address: str) -> bool:
        return self._of_address[address] > self.limits.per_address

    def _is_surplus(self, connection: AnonymousConnection, number: int, now: float) -> bool:
        """Tell whether a connection is too much. number: its place among those of its address."""
        if (
            connection.is_transfer
            or number <= self.limits.per_address
            or now - connection.arrived_at <= _GRACE_S
        ):
            return False
        return not connection.is_of_proxy

    def _abort(self, connection: AnonymousConnection) -> None:
        self.leave(connection)
        connection.transport.abort()


def connection_capacity() -> int:
    """Return how many connections this process may hold, so that the reserve of descriptors stays free."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if limit == resource.RLIM_INFINITY:
        return sys.maxsize
    return max(1, limit - min(DESCRIPTOR_RESERVE, limit // 4) - len(os.listdir("/dev/fd")))


def _waits_for_peer(connection: AnonymousConnection) -> bool:
    """Tell whether a connection waits for its peer: to send, or to read what was written.

    One that is slowed down counts as such, too: it must not keep its place before those who wait for nothing.
    """
    return connection.is_slowed or connection.flow.write_paused or not connection.flow.read_paused
