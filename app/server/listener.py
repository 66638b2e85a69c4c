"""The addresses of a server, and the sockets that its workers accept from."""

import asyncio
import errno
import socket
from dataclasses import dataclass
from types import TracebackType

from app.addresses import url_of
from app.settings import Settings, variable_of

# After a supervisor was killed, its workers take a moment to close their sockets.
_PORT_PATIENCE_S = 2.0
_PORT_LOOK_S = 0.1
_UNACKNOWLEDGED_MS = 120_000
"""Milliseconds after which a connection ends whose peer does not acknowledge what was sent."""


class ServeError(Exception):
    """The server cannot start. The text is one line and says what to do."""


@dataclass(frozen=True, slots=True)
class Accepting:
    """The sockets that one worker accepts from.

    tls: None if TLS is not served. Closed at the end of `with`.
    """

    plain: socket.socket
    tls: socket.socket | None = None

    def all(self) -> list[socket.socket]:
        """Return the sockets in the order in which a worker gets them."""
        return [self.plain] if self.tls is None else [self.plain, self.tls]

    def __enter__(self) -> "Accepting":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for each in self.all():
            each.close()


class Listener:
    """The addresses of one server. It holds the ports, and gives each worker sockets to accept from.

    There is one for plain connections, and one for TLS if that is served.

    Several workers get sockets of their own. So the kernel spreads connections evenly, and no connection
    waits in the queue of a dead worker. A single worker gets the sockets of the listener itself. So
    connections wait while the worker is replaced, and are not refused.
    """

    def __init__(self, settings: Settings) -> None:
        """Bind the addresses. Port 0 takes any free port.

        Raises:
            PortError: a port is in use, the address is not of this machine, or it is not permitted.
        """
        self._shared = settings.workers == 1
        plain = _claimed("", settings.host, settings.port)
        try:
            tls = None
            if settings.tls_port is not None:
                tls = _claimed("tls_", settings.tls_host or settings.host, settings.tls_port)
        except PortError:
            plain.close()
            raise
        self._sockets = Accepting(plain, tls)

    def for_worker(self) -> Accepting:
        """Return the sockets for one worker. The caller closes them as soon as the worker has them."""
        return Accepting(*(self._of_worker(each) for each in self._sockets.all()))

    @property
    def url(self) -> str:
        """The http:// URL of the server for clients on this machine."""
        return url_of("http", *self._sockets.plain.getsockname()[:2])

    @property
    def tls_url(self) -> str | None:
        """The https:// URL of the server for clients on this machine, None if TLS is not served."""
        return None if self._sockets.tls is None else url_of("https", *self._sockets.tls.getsockname()[:2])

    def __enter__(self) -> "Listener":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sockets.__exit__(kind, error, trace)

    def _of_worker(self, held: socket.socket) -> socket.socket:
        return held.dup() if self._shared else _bound(held.family, held.getsockname())


class PortError(Exception):
    """An address cannot be bound. prefix: of the settings that name it, "" or "tls_"."""

    def __init__(self, prefix: str, host: str, port: int, error: OSError) -> None:
        super().__init__(str(error))
        self.prefix, self.host, self.port, self.error = prefix, host, port, error


def _claimed(prefix: str, host: str, port: int) -> socket.socket:
    """Return a socket for an address that no other server has. prefix: see `PortError`."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family = found[0][0]
        # First without SO_REUSEPORT. With it, a second server would share the port unnoticed.
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(found[0][4])
            address = probe.getsockname()
        return _bound(family, address)
    except OSError as error:
        raise PortError(prefix, host, port, error) from error


def _bound(family: int, address: tuple[str, int]) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            # Accepted sockets inherit it. Charge points that answer no pings and are gone end by it.
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNACKNOWLEDGED_MS)
        made.bind(address)
        made.setblocking(False)
    except OSError:
        made.close()
        raise
    return made


async def open_listener(settings: Settings) -> Listener:
    """Bind the address of the server.

    Raises:
        ServeError: the address cannot be bound. The text says which setting to change.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _PORT_PATIENCE_S
    while True:
        try:
            return Listener(settings)
        except PortError as problem:
            if problem.error.errno == errno.EADDRINUSE and loop.time() < deadline:
                await asyncio.sleep(_PORT_LOOK_S)
                continue
            raise ServeError(_bind_problem(problem)) from None


def _bind_problem(problem: PortError) -> str:
    host, port, error = problem.host, problem.port, problem.error
    host_variable, port_variable = (variable_of(f"{problem.prefix}{name}") for name in ("host", "port"))
    if isinstance(error, socket.gaierror):
        return f"{host_variable}: {host!r} is not an address of this machine: {error.strerror}"
    if error.errno == errno.EADDRINUSE:
        option = "" if problem.prefix else " (or --port)"
        return (
            f"port {port} on {host} is in use; "
            f"set {port_variable}{option} to another one, or stop the process that listens there"
        )
    return f"{host_variable}, {port_variable}: cannot listen on {host}:{port}: {error.strerror}"
