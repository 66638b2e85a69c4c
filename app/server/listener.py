"""The address of a server, and the sockets that its workers accept from."""

import asyncio
import errno
import socket
from types import TracebackType

from app.settings import Settings

# After a supervisor was killed, its workers take a moment to close their sockets.
_PORT_PATIENCE_S = 2.0
_PORT_LOOK_S = 0.1
_UNACKNOWLEDGED_MS = 120_000
"""Milliseconds after which a connection ends whose peer does not acknowledge what was sent."""


class ServeError(Exception):
    """The server cannot start. The text is one line and says what to do."""


class Listener:
    """The address of one server. It holds the port, and gives each worker a socket to accept from.

    Several workers get a socket each. So the kernel spreads connections evenly, and no connection waits in
    the queue of a dead worker. A single worker gets the socket of the listener itself. So connections wait
    while the worker is replaced, and are not refused.
    """

    def __init__(self, settings: Settings) -> None:
        """Bind the address. Port 0 takes any free port.

        Raises:
            OSError: the port is in use, the address is not of this machine, or it is not permitted.
        """
        self._shared = settings.workers == 1
        found = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        self._family = found[0][0]
        # First without SO_REUSEPORT. With it, a second server would share the port unnoticed.
        with socket.socket(self._family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(found[0][4])
            address = probe.getsockname()
        self._socket = self._bound(address)

    def for_worker(self) -> socket.socket:
        """Return a socket for one worker. The caller closes it as soon as the worker has it."""
        return self._socket.dup() if self._shared else self._bound(self._socket.getsockname())

    @property
    def url(self) -> str:
        """The http:// URL of the server for clients on this machine."""
        host, port = self._socket.getsockname()[:2]
        if host in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
            host = "127.0.0.1"
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def __enter__(self) -> "Listener":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def _bound(self, address: tuple[str, int]) -> socket.socket:
        made = socket.socket(self._family, socket.SOCK_STREAM)
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
        except OSError as error:
            if error.errno == errno.EADDRINUSE and loop.time() < deadline:
                await asyncio.sleep(_PORT_LOOK_S)
                continue
            raise ServeError(_bind_problem(settings, error)) from None


def _bind_problem(settings: Settings, error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        return f"STATIONMASTER_HOST: {settings.host!r} is not an address of this machine: {error.strerror}"
    if error.errno == errno.EADDRINUSE:
        return (
            f"port {settings.port} on {settings.host} is in use; "
            "set STATIONMASTER_PORT (or --port) to another one, or stop the process that listens there"
        )
    return (
        f"STATIONMASTER_HOST, STATIONMASTER_PORT: cannot listen on {settings.host}:{settings.port}: "
        f"{error.strerror}"
    )
