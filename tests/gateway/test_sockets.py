"""Connections that the core has taken over from the event loop, on the two loops that uvicorn runs on."""

import asyncio
import contextlib
import contextvars
import errno
import os
import socket
import struct
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any, cast

import pytest
import uvloop

from app.gateway import sockets as module
from app.gateway.sockets import WorkerSockets
from app.ocpp import Deframer, Socket, Sockets

WAIT_S = 20.0
LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
Run = Callable[[Coroutine[Any, Any, None]], None]


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest) -> Run:
    """Runs a test to its end on one of the loops."""

    def run(test: Coroutine[Any, Any, None]) -> None:
        with asyncio.Runner(loop_factory=LOOPS[request.param]) as runner:
            runner.run(asyncio.wait_for(test, WAIT_S))

    return run


class Owner(asyncio.Protocol):
    """The protocol of a socket, as a WebSocket connection is."""

    def __init__(self) -> None:
        self.data = b""
        self.lost: list[Exception | None] = []
        self.pauses: list[str] = []
        self.error: Exception | None = None
        self._changed = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        self.data += data
        self._changed.set()
        if self.error is not None:
            raise self.error

    def pause_writing(self) -> None:
        self.pauses.append("pause")
        self._changed.set()

    def resume_writing(self) -> None:
        self.pauses.append("resume")
        self._changed.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.append(exc)
        self._changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._changed.clear()
            await self._changed.wait()


class Peer:
    """The other side: a plain socket, in the hands of the loop's coroutines."""

    def __init__(self, plain: socket.socket) -> None:
        self.socket = plain

    async def send(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self.socket, data)

    async def read(self, count: int) -> bytes:
        """Read so many bytes, or up to the end."""
        found = bytearray()
        while len(found) < count:
            piece = await asyncio.get_running_loop().sock_recv(self.socket, min(count - len(found), 1 << 16))
            if not piece:
                break
            found += piece
        return bytes(found)

    def reset(self) -> None:
        """End as a machine does that has forgotten the connection."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


class Place:
    """A listener whose connections are taken over as they come."""

    def __init__(self) -> None:
        self.sockets = WorkerSockets()
        self.accepted: asyncio.Queue[tuple[Owner, Socket | None, asyncio.Transport]] = asyncio.Queue()
        self.greeting = b""
        self.at_once: Callable[[Socket], None] = lambda taken: None

    async def connect(self) -> tuple[Owner, Socket, Peer]:
        peer = await self.peer()
        owner, taken, _ = await self.accepted.get()
        assert taken is not None
        return owner, taken, peer

    async def peer(self) -> Peer:
        plain = socket.socket()
        plain.setblocking(False)
        await asyncio.get_running_loop().sock_connect(plain, ("127.0.0.1", self.port))
        self._peers.enter_context(plain)
        return Peer(plain)

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator["Place"]:
        self.sockets.start()
        server = await asyncio.get_running_loop().create_server(lambda: _Accepting(self), "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        with contextlib.ExitStack() as self._peers:
            try:
                yield self
            finally:
                self.sockets.close()
                server.close()
                await server.wait_closed()


class _Accepting(asyncio.Protocol):
    """The protocol before the hand-over: it greets, and lets go."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # No subclass of it under uvloop.
        stream = cast(asyncio.Transport, transport)
        owner, reader = Owner(), Deframer(1000, 10)
        stream.write(self._place.greeting)
        below = self._place.sockets.take_over(stream, owner, reader)
        taken = below if isinstance(below, Socket) else None
        if taken is not None:
            self._place.at_once(taken)
        self._place.accepted.put_nowait((owner, taken, stream))


def test_what_was_sent_before_and_what_comes_behind_stay_in_order(run: Run) -> None:
    async def test() -> None:
        async with Place().open() as place:
            place.greeting = b"101"
            owner, taken, peer = await place.connect()
            taken.write(b"held")
            await peer.send(b"one")
            taken.write(b" and more")
            assert await peer.read(16) == b"101held and more"
            await owner.until(lambda: owner.data == b"one")
            await peer.send(b", two")
            await owner.until(lambda: owner.data == b"one, two")

    run(test())


def test_what_the_peer_sends_before_the_hand_over_is_read(run: Run) -> None:
    async def test() -> None:
        async with Place().open() as place:
            peer = await place.peer()
            await peer.send(b"early")
            owner, taken, _ = await place.accepted.get()
            assert taken is not None
            await owner.until(lambda: owner.data == b"early")

    run(test())


def test_more_than_one_read_takes_arrives_whole(run: Run) -> None:
    async def test() -> None:
        async with Place().open() as place:
            owner, _, peer = await place.connect()
            data = os.urandom(3_000_000)
            await peer.send(data)
            await owner.until(lambda: len(owner.data) == len(data))
            assert owner.data == data

    run(test())


def test_a_peer_that_does_not_read_pauses_the_writing(run: Run) -> None:
    async def test() -> None:
        async with Place().open() as place:
            owner, taken, peer = await place.connect()
            data = os.urandom(20_000_000)
            taken.write(data)
            await owner.until(lambda: owner.pauses == ["pause"])
            assert 0 < taken.get_write_buffer_size() < len(data)
            assert await peer.read(len(data)) == data
            await owner.until(lambda: owner.pauses == ["pause", "resume"])
            assert taken.get_write_buffer_size() == 0

    run(test())


def test_a_close_first_sends_what_was_written(run: Run) -> None:
    async def test() -> None:
        async with Place().open() as place:
            owner, taken, peer = await place.connect()
            data = os.urandom(20_000_000)
            taken.write(data)
            taken.close()
            assert await peer.read(len(data) + 1) == data
            await owner.until(lambda: owner.lost == [None])

    run(test())


def test_a_close_right_after_the_hand_over_lets_the_answer_through(run: Run) -> None:
    async def test() -> None:
        async with Place().open() as place:
            place.greeting = b"101"
            owner, taken, peer = await place.connect()
            taken.close()
            assert await peer.read(100) == b"101"
            await owner.until(lambda: owner.lost == [None])

    run(test())


def test_an_abort_ends_at_once_and_only_once(run: Run) -> None:
    async def test() -> None:
        async with Place().open() as place:
            owner, taken, peer = await place.connect()
            taken.write(b"hello")
            assert await peer.read(5) == b"hello"
            taken.abort()
            assert owner.lost == [], "not while it is still in use"
            taken.write(b"never")
            taken.close()
            taken.abort()
            assert await peer.read(100) == b""
            await owner.until(lambda: owner.lost == [None])
            await asyncio.sleep(0)
            assert owner.lost == [None]
            assert taken.get_write_buffer_size() == 0

    run(test())


def test_an_abort_at_the_hand_over_is_told(run: Run) -> None:
    async def test() -> None:
        async with Place().open() as place:
            place.at_once = Socket.abort
            owner, _, peer = await place.connect()
            assert await peer.read(100) == b""
            await owner.until(lambda: owner.lost == [None])

    run(test())


def test_an_abort_ends_the_transport_that_still_sends(run: Run) -> None:
    async def test() -> None:
        async with Place().open() as place:
            place.greeting = bytes(20_000_000)
            owner, taken, peer = await place.connect()
            taken.write(bytes(100_000))
            await owner.until(lambda: owner.pauses == ["pause"])
            taken.abort()
            await owner.until(lambda: owner.lost == [None])
            assert len(await peer.read(len(place.greeting))) < len(place.greeting)

    run(test())


def test_a_pause_holds_back_bytes_and_end(run: Run) -> None:
    async def test() -> None:
        async with Place().open() as place:
            owner, taken, peer = await place.connect()
            other, _, busy = await place.connect()
            taken.pause_reading()
            await peer.send(b"later")
            peer.socket.close()
            # Its bytes come behind those of the first one: were that read, it would be read by now.
            await busy.send(b"now")
            await other.until(lambda: other.data == b"now")
            assert (owner.data, owner.lost) == (b"", [])
            taken.resume_reading()
            await owner.until(lambda: owner.lost == [None])
            assert owner.data == b"later"

    run(test())


def test_a_reset_is_told_with_its_error(run: Run) -> None:
    async def test() -> None:
        async with Place().open() as place:
            owner, _, peer = await place.connect()
            await peer.send(b"x")
            await owner.until(lambda: owner.data == b"x")
            peer.reset()
            await owner.until(lambda: bool(owner.lost))
            assert isinstance(owner.lost[0], ConnectionResetError)

    run(test())


@pytest.mark.parametrize("error", [ValueError("a defect"), asyncio.CancelledError("a stray one")])
def test_an_error_of_one_connection_costs_no_other(
    run: Run, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test() -> None:
        failures: list[Exception] = []
        monkeypatch.setattr(module, "_failed", failures.append)
        async with Place().open() as place:
            pairs = [await place.connect() for _ in range(3)]
            failing, _, _ = pairs[1]
            failing.error = error
            for _, _, peer in pairs:
                await peer.send(b"x")
            await failing.until(lambda: failing.lost == [None])
            assert failures == [error]
            for owner, taken, peer in (pairs[0], pairs[2]):
                await owner.until(lambda owner=owner: owner.data == b"x")  # type: ignore[misc]
                taken.write(b"y")
                assert await peer.read(1) == b"y"
                assert owner.lost == []

    run(test())


def test_without_a_descriptor_the_connection_stays_where_it_is(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left(descriptor: int) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    async def test() -> None:
        async with Place().open() as place:
            with monkeypatch.context() as patch:
                patch.setattr(os, "dup", none_left)
                peer = await place.peer()
                _, taken, transport = await place.accepted.get()
            assert taken is None
            transport.write(b"still here")
            assert await peer.read(10) == b"still here"
            transport.close()

    run(test())


def test_at_the_end_the_last_words_go_out(run: Run) -> None:
    async def test() -> None:
        async with Place().open() as place:
            owner, taken, peer = await place.connect()
            other, _, silent = await place.connect()
            await peer.send(b"x")
            await owner.until(lambda: owner.data == b"x")
            await silent.send(b"x")
            await other.until(lambda: other.data == b"x")
            taken.write(b"the server is going away")
            place.sockets.close()
            assert (owner.lost, other.lost) == ([None], [None])
            assert await peer.read(100) == b"the server is going away"
            assert await silent.read(100) == b""
            taken.write(b"nobody")

    run(test())


def test_at_the_end_nobody_is_left_at_the_hand_over(run: Run) -> None:
    async def test() -> None:
        async with Place().open() as place:
            place.greeting = bytes(20_000_000)
            owner, _, peer = await place.connect()
            place.sockets.close()
            assert owner.lost == [None]
            assert len(await peer.read(len(place.greeting))) < len(place.greeting)

    run(test())


def test_what_one_asks_for_is_not_done_in_its_name_for_others(run: Run) -> None:
    request = contextvars.ContextVar[str | None]("request", default=None)

    async def test() -> None:
        async with Place().open() as place:
            owner, taken, peer = await place.connect()
            # Nothing is on order any more then.
            await peer.send(b"x")
            await owner.until(lambda: owner.data == b"x")
            found: list[str | None] = []

            def lost(exc: Exception | None) -> None:
                found.append(request.get())
                Owner.connection_lost(owner, exc)

            async def ask() -> None:
                request.set("another's")
                taken.abort()

            owner.connection_lost = lost  # type: ignore[method-assign]
            await asyncio.create_task(ask())
            await owner.until(lambda: owner.lost == [None])
            assert found == [None]

    run(test())


class ByHand:
    """Sockets, and what their loop would have to call."""

    def __init__(self, failed: Callable[[Exception], object] = print) -> None:
        self.orders: list[Callable[[], object]] = []
        self.sockets = Sockets(self.orders.append, failed)

    def open(self) -> tuple[Owner, Socket, socket.socket]:
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)
        return *self.adopt(ours.detach()), theirs

    def adopt(self, descriptor: int) -> tuple[Owner, Socket]:
        owner = Owner()
        taken = self.sockets.adopt(descriptor, None, owner, Deframer(1000, 10))
        taken.open()
        return owner, taken

    def turn(self) -> None:
        """Run the calls that were scheduled before, then serve the sockets that are ready."""
        orders, self.orders[:] = self.orders[:], []
        for order in orders:
            order()
        self.sockets.serve()


def test_what_the_system_does_not_watch_is_lost_with_its_error(tmp_path: Path) -> None:
    by_hand = ByHand()
    owner, _ = by_hand.adopt(os.open(tmp_path / "no socket", os.O_RDWR | os.O_CREAT))
    by_hand.turn()
    assert [type(error) for error in owner.lost] == [PermissionError]
    assert len(by_hand.sockets) == 0


def test_one_that_sends_without_end_is_read_once_a_turn() -> None:
    by_hand = ByHand()
    owner, _, peer = by_hand.open()
    _, _, other = by_hand.open()
    with peer, other:
        for _ in range(10):
            with contextlib.suppress(BlockingIOError):
                while True:
                    peer.send(bytes(1 << 16))
            other.send(b"x")
            owner.data = b""
            by_hand.turn()
            assert len(by_hand.orders) == 1
        assert len(owner.data) <= 3 << 16
        by_hand.sockets.close()


def test_at_the_end_one_failure_keeps_no_other_open() -> None:
    def failed(error: Exception | None) -> None:
        raise RuntimeError("a defect")

    by_hand = ByHand(failed)
    failing, taken, peer = by_hand.open()
    other, _, silent = by_hand.open()
    with peer, silent:
        failing.connection_lost = failed  # type: ignore[assignment]
        taken.abort()
        with pytest.raises(RuntimeError, match="a defect"):
            by_hand.sockets.close()
        assert other.lost == [None]
