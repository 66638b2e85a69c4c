"""How a worker is ordered: two descriptors go down, a process id or the system's refusal comes up."""

import errno
import os
import socket
from collections.abc import Iterator

import pytest

from app.server.channel import (
    ANSWER_BYTES,
    InheritedSockets,
    next_request,
    read_answer,
    request_worker,
    send_answer,
)


@pytest.fixture
def control() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The supervisor's end and the fork server's."""
    supervisor, fork_server = socket.socketpair()
    with supervisor, fork_server:
        yield supervisor, fork_server


def test_an_order_brings_the_sockets(control: tuple[socket.socket, socket.socket]) -> None:
    supervisor, fork_server = control
    (ours, theirs), (our_metrics, their_metrics) = socket.socketpair(), socket.socketpair()
    with socket.create_server(("127.0.0.1", 0)) as accepting, ours, our_metrics:
        with theirs, their_metrics:
            request_worker(supervisor, InheritedSockets([accepting], theirs, their_metrics))
        order = next_request(fork_server)
        assert order is not None
        (received,) = order.accepting
        with received, order.channel, order.metrics:
            assert received.getsockname() == accepting.getsockname()
            order.channel.send(b"x")
            assert ours.recv(1) == b"x"
            order.metrics.send(b"y")
            assert our_metrics.recv(1) == b"y"
        assert ours.recv(1) == b""
        assert our_metrics.recv(1) == b""


def test_there_is_no_order_from_a_supervisor_that_is_gone(
    control: tuple[socket.socket, socket.socket],
) -> None:
    supervisor, fork_server = control
    supervisor.close()
    assert next_request(fork_server) is None


def test_the_answer_is_the_process_or_why_there_is_none(control: tuple[socket.socket, socket.socket]) -> None:
    supervisor, fork_server = control
    send_answer(fork_server, 4_194_304)
    assert read_answer(supervisor.recv(ANSWER_BYTES)) == 4_194_304
    send_answer(fork_server, BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN)))
    with pytest.raises(BlockingIOError):
        read_answer(supervisor.recv(ANSWER_BYTES))
    fork_server.close()
    with pytest.raises(ChildProcessError):
        read_answer(supervisor.recv(ANSWER_BYTES))
