"""Accepts the connections of a listening socket.

uvicorn would accept all that wait at once, and make its objects for each of them. Here a few are accepted in
one step of the event loop, and one that waits for its turn (`accept_turns`) takes a descriptor only.
A connection goes through at most two stages before HTTP: the header of the PROXY protocol (`proxy_protocol`),
and the handshake of TLS, which the core does. Both are watched as anonymous connections.
"""

import asyncio
import errno
import socket
from collections.abc import Callable, Sized
from dataclasses import dataclass
from typing import Final, cast

from uvicorn.protocols.http.flow_control import FlowControl

from app.gateway.anonymous_connections import AnonymousConnection, AnonymousConnections
from app.gateway.core_transport import CoreTransport
from app.gateway.http_protocol import ChargePointHttpProtocol
from app.gateway.limiter import Network, is_trusted
from app.gateway.proxy_protocol import FIXED_BYTES, Origin, ProxyHeaderError, read_header, rest_bytes
from app.gateway.server_certificates import ServerCertificates
from app.gateway.sockets import WorkerSockets, limit_unsent
from app.tasks import BackgroundTasks

_ACCEPTS_PER_STEP: Final = 16
"""Connections that are accepted in one step of the event loop."""

_PAUSE_S: Final = 0.2
"""Seconds without accepting after the process has no descriptor left."""

_LOOK_S: Final = 5.0
"""Seconds between two looks at the files of certificates."""

Address = tuple[str, int]
MakeProtocol = Callable[[], ChargePointHttpProtocol]


@dataclass(frozen=True, slots=True)
class ProxyRules:
    """The proxies that are trusted, and whether the client certificates count that they have verified."""

    trusted: tuple[Network, ...]
    certificates: bool


class Acceptor:
    """One listening socket of a worker."""

    def __init__(
        self,
        listener: socket.socket,
        make_protocol: MakeProtocol,
        certificates: ServerCertificates | None,
        proxy: ProxyRules | None,
        anonymous: AnonymousConnections,
        connections: Sized,
    ) -> None:
        """Make the acceptor of a socket.

        certificates: None for a plain port; proxy: None if no PROXY header is expected; connections: all
        that the worker serves.
        """
        self._listener = listener
        self._make_protocol = make_protocol
        self._certificates = certificates
        self._proxy = proxy
        self._anonymous = anonymous
        self._connections = connections
        self._sockets = WorkerSockets()
        self._background = BackgroundTasks()
        self._stages: set[_HeaderStage] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._pause: asyncio.TimerHandle | None = None
        self._is_open = False

    def start(self, backlog: int) -> None:
        """Accept from now on, in the running loop.

        Raises:
            CertificateError: there is no certificate that can be used.
        """
        if self._certificates is not None:
            self._certificates.context()
            self._sockets.start()
            self._look()
        self._listener.listen(backlog)
        self._listener.setblocking(False)
        self._is_open = True
        self._watch()

    def reload(self) -> None:
        """Read the certificates again. Connections that exist keep theirs."""
        if self._certificates is not None:
            self._certificates.refresh(even_unchanged=True)

    def stop(self) -> None:
        """Accept no further connection."""
        if self._is_open:
            self._is_open = False
            loop = asyncio.get_running_loop()
            loop.remove_reader(self._listener.fileno())
            for timer in (self._timer, self._pause):
                if timer is not None:
                    timer.cancel()
            for stage in list(self._stages):
                stage.abort()
            self._anonymous.refuse_waiting()
            self._listener.close()

    def close(self) -> None:
        """Close the connections that are still open."""
        self.stop()
        self._sockets.close()

    def _look(self) -> None:
        if self._certificates is not None:
            self._timer = asyncio.get_running_loop().call_later(_LOOK_S, self._look)
            self._certificates.refresh()

    def _watch(self) -> None:
        if self._is_open:
            asyncio.get_running_loop().add_reader(self._listener.fileno(), self._accept)

    def _accept(self) -> None:
        for _ in range(_ACCEPTS_PER_STEP):
            try:
                accepted, peer = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                    raise
                # The socket stays readable, and nothing can be done with it now.
                self._anonymous.count("descriptors")
                loop = asyncio.get_running_loop()
                loop.remove_reader(self._listener.fileno())
                self._pause = loop.call_later(_PAUSE_S, self._watch)
                return
            accepted.setblocking(False)
            self._receive(accepted, (peer[0], peer[1]))

    def _receive(self, accepted: socket.socket, peer: Address) -> None:
        if self._proxy is None:
            self._arrive(accepted, peer, None)
        elif not is_trusted(peer[0], self._proxy.trusted):
            self._anonymous.count("proxy_header", peer[0])
            accepted.close()
        else:
            stage = _HeaderStage(accepted, peer, self._proxy.certificates, self._anonymous, self._header_read)
            self._stages.add(stage)
            stage.start(len(self._connections) + len(self._stages))

    def _header_read(self, stage: "_HeaderStage", origin: Origin | None) -> None:
        """Go on with a connection whose header was read. origin: None if there is no valid header."""
        self._stages.discard(stage)
        if origin is None:
            stage.socket.close()
        else:
            self._arrive(stage.socket, origin.client or stage.peer, origin)

    def _arrive(self, accepted: socket.socket, client: Address, origin: Origin | None) -> None:
        newcomer = _Accepted(self, accepted, client[0], origin)
        self._anonymous.arrive(*client, newcomer, len(self._connections))

    def serve(self, accepted: socket.socket, origin: Origin | None) -> None:
        """Begin with TLS or HTTP.

        Raises:
            OSError: the connection has ended.
        """
        protocol = self._make_protocol()
        protocol.origin = origin
        if self._certificates is None:
            self._background.spawn(_serve_plain(accepted, protocol), "accept")
            return
        transport = CoreTransport(accepted.getpeername(), accepted.getsockname())
        context = self._certificates.context()
        limit_unsent(accepted)
        transport.attach(self._sockets.accept_tls(accepted.detach(), context, protocol), protocol)
        protocol.connection_made(transport)

    def note_refused(self, address: str) -> None:
        """Count a connection that was closed because too many wait."""
        self._anonymous.count("anonymous_connections", address)


class _Accepted:
    """A connection that was accepted: the `Newcomer` of an acceptor."""

    __slots__ = ("_acceptor", "_address", "_origin", "_socket")

    def __init__(
        self, acceptor: Acceptor, accepted: socket.socket, address: str, origin: Origin | None
    ) -> None:
        self._acceptor = acceptor
        self._socket = accepted
        self._address = address
        self._origin = origin

    def begin(self) -> bool:
        """Serve it, unless its peer has gone meanwhile."""
        try:
            if not _has_ended(self._socket):
                self._acceptor.serve(self._socket, self._origin)
                return True
        except OSError:
            pass
        self._socket.close()
        return False

    def refuse(self) -> None:
        """Close it, and count it."""
        self._acceptor.note_refused(self._address)
        self._socket.close()

    def close(self) -> None:
        """Close it."""
        self._socket.close()


async def _serve_plain(accepted: socket.socket, protocol: ChargePointHttpProtocol) -> None:
    try:
        await asyncio.get_running_loop().connect_accepted_socket(lambda: protocol, accepted)
    except OSError:
        accepted.close()


def _has_ended(accepted: socket.socket) -> bool:
    """Tell whether the peer has closed a connection without a byte.

    Raises:
        OSError: it has ended in another way.
    """
    try:
        return not accepted.recv(1, socket.MSG_PEEK)
    except (BlockingIOError, InterruptedError):
        return False


class _HeaderStage:
    """One connection whose PROXY header is being read, not one byte more.

    It is the transport of an `AnonymousConnection`: `abort` ends it.
    """

    def __init__(
        self,
        accepted: socket.socket,
        peer: Address,
        certificates: bool,
        anonymous: AnonymousConnections,
        done: Callable[["_HeaderStage", Origin | None], None],
    ) -> None:
        self.socket = accepted
        self.peer = peer
        self._certificates = certificates
        self._anonymous = anonymous
        self._done = done
        self._watched: AnonymousConnection | None = None
        self._fixed = b""
        self._rest = b""
        self._wanted = FIXED_BYTES
        self._is_over = False

    def start(self, open_now: int) -> None:
        """Read as soon as something comes. open_now: such stages of the worker."""
        transport = cast(asyncio.Transport, self)
        self._watched = self._anonymous.enter(transport, FlowControl(transport), self.peer[0], open_now)
        if self._watched is None:
            self._end(None)
        else:
            asyncio.get_running_loop().add_reader(self.socket.fileno(), self._read)

    def pause_reading(self) -> None:
        """Stop reading until `resume_reading`."""
        if not self._is_over:
            asyncio.get_running_loop().remove_reader(self.socket.fileno())

    def resume_reading(self) -> None:
        """Continue to read."""
        if not self._is_over:
            asyncio.get_running_loop().add_reader(self.socket.fileno(), self._read)

    def is_closing(self) -> bool:
        """Tell whether the stage has ended."""
        return self._is_over

    def abort(self) -> None:
        """Close the connection."""
        self._end(None)

    def _read(self) -> None:
        try:
            while self._wanted:
                data = self.socket.recv(self._wanted)
                if not data:
                    self._refuse()
                    return
                self._wanted -= len(data)
                if len(self._fixed) < FIXED_BYTES:
                    self._fixed += data
                    if not self._wanted:
                        self._wanted = rest_bytes(self._fixed)
                else:
                    self._rest += data
            origin = read_header(self._fixed, self._rest, certificates=self._certificates)
        except (BlockingIOError, InterruptedError):
            return
        except (OSError, ProxyHeaderError):
            self._refuse()
            return
        self._end(origin)

    def _refuse(self) -> None:
        self._anonymous.count("proxy_header", self.peer[0])
        self._end(None)

    def _end(self, origin: Origin | None) -> None:
        if self._is_over:
            return
        self.pause_reading()
        self._is_over = True
        if self._watched is not None:
            self._anonymous.leave(self._watched)
        self._done(self, origin)
