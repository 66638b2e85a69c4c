"""The messages between supervisor, fork server and workers of one server, over Unix sockets.

To request a worker, the supervisor sends descriptors to the fork server: the sockets to accept from (plain,
then TLS if it is served), one end of a channel, and one end of a socket for metrics (`app.scraping`). The
fork server answers with the process id. On the channel the worker sends `READY` once and then heartbeats. The
supervisor shuts down its sending side to stop the worker. The channel is closed when the worker has ended.
This module loads none of the modules that only workers need.
"""

import errno
import os
import socket
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

READY = b"r"
HEARTBEAT = b"a"
HEARTBEAT_PERIOD_S = 1.0
"""Seconds between two heartbeats of a worker."""
GRACE_S = 10
"""Seconds that running requests may take when a worker stops."""
_REQUEST = b"w"
_DESCRIPTORS = 4
"""The most of one request: two ports, the channel and the socket for metrics."""
_ANSWER = struct.Struct("=i")
ANSWER_BYTES = _ANSWER.size


@dataclass(frozen=True, slots=True)
class InheritedSockets:
    """The sockets of a new worker. accepting: plain, then TLS if it is served; metrics: of `app.scraping`."""

    accepting: Sequence[socket.socket]
    channel: socket.socket
    metrics: socket.socket

    def __iter__(self) -> Iterator[socket.socket]:
        yield from (*self.accepting, self.channel, self.metrics)


def request_worker(control: socket.socket, sockets: InheritedSockets) -> None:
    """Ask the fork server for a worker. The caller may close the sockets after the answer.

    Raises:
        OSError: the fork server is gone.
    """
    socket.send_fds(control, [_REQUEST], [each.fileno() for each in sockets])


def next_request(control: socket.socket) -> InheritedSockets | None:
    """Wait for a request, and return its sockets. None: the supervisor is gone."""
    request, descriptors, _, _ = socket.recv_fds(control, len(_REQUEST), _DESCRIPTORS)
    if not request:
        return None
    for descriptor in descriptors:
        # A child process of the worker must not keep the channel open.
        os.set_inheritable(descriptor, False)
    *accepting, channel, metrics = (socket.socket(fileno=each) for each in descriptors)
    return InheritedSockets(accepting, channel, metrics)


def send_answer(control: socket.socket, process: int | OSError) -> None:
    """Send the process id of the new worker to the supervisor, or the error if there is none."""
    value = process if isinstance(process, int) else -(process.errno or errno.EAGAIN)
    control.sendall(_ANSWER.pack(value))


def read_answer(answer: bytes) -> int:
    """Return the process id in an answer of the fork server. answer: `ANSWER_BYTES` long.

    Raises:
        OSError: the process could not be made, or the fork server is gone.
    """
    if len(answer) != ANSWER_BYTES:
        raise ChildProcessError(errno.ECHILD, "the process that workers are forked from has ended")
    (value,) = _ANSWER.unpack(answer)
    if value < 0:
        raise OSError(-value, os.strerror(-value))
    return int(value)
