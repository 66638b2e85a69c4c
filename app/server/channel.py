"""The messages between supervisor, fork server and workers of one server, over Unix sockets.

To request a worker, the supervisor sends two descriptors to the fork server: the socket to accept from, and
one end of a channel. The fork server answers with the process id. On the channel the worker sends `READY`
once and then heartbeats. The supervisor shuts down its sending side to stop the worker. The channel is closed
when the worker has ended. This module loads none of the modules that only workers need.
"""

import errno
import os
import socket
import struct

READY = b"r"
HEARTBEAT = b"a"
HEARTBEAT_PERIOD_S = 1.0
"""Seconds between two heartbeats of a worker."""
GRACE_S = 10
"""Seconds that running requests may take when a worker stops."""
_REQUEST = b"w"
_ANSWER = struct.Struct("=i")
ANSWER_BYTES = _ANSWER.size


def request_worker(control: socket.socket, accepting: socket.socket, channel: socket.socket) -> None:
    """Ask the fork server for a worker. The caller may close both sockets after the answer.

    Raises:
        OSError: the fork server is gone.
    """
    socket.send_fds(control, [_REQUEST], [accepting.fileno(), channel.fileno()])


def next_request(control: socket.socket) -> tuple[socket.socket, socket.socket] | None:
    """Wait for a request: the socket to accept from, and the channel. None: the supervisor is gone."""
    request, descriptors, _, _ = socket.recv_fds(control, len(_REQUEST), 2)
    if not request:
        return None
    accepting, channel = descriptors
    for descriptor in descriptors:
        # A child process of the worker must not keep the channel open.
        os.set_inheritable(descriptor, False)
    return socket.socket(fileno=accepting), socket.socket(fileno=channel)


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
