"""What the supervisor, the fork server and the workers of one server say to each other, over Unix sockets.

The supervisor orders a worker by handing the fork server two descriptors: the socket to accept from, and one
end of a channel. The fork server answers with the new process's id. On the channel the worker says `READY`
upwards, and from then on `HEARTBEAT` again and again; that nothing more comes down means that it should stop,
that its end is closed means that it has ended. A leaf: the supervisor needs this, and should not load what a
worker loads.
"""

import errno
import os
import socket
import struct

READY = b"r"
HEARTBEAT = b"a"
HEARTBEAT_PERIOD_S = 1.0
"""Seconds between two signs of life."""
GRACE_S = 10
"""Seconds that requests may take to end when a worker stops."""
_REQUEST = b"w"
_ANSWER = struct.Struct("=i")
ANSWER_BYTES = _ANSWER.size


def request_worker(control: socket.socket, accepting: socket.socket, channel: socket.socket) -> None:
    """Ask the fork server for a worker. Both sockets may be closed here once it has answered.

    Raises:
        OSError: it is gone.
    """
    socket.send_fds(control, [_REQUEST], [accepting.fileno(), channel.fileno()])


def next_request(control: socket.socket) -> tuple[socket.socket, socket.socket] | None:
    """Wait for a request: the socket to accept from, and the channel; None: the supervisor is gone."""
    request, descriptors, _, _ = socket.recv_fds(control, len(_REQUEST), 2)
    if not request:
        return None
    accepting, channel = descriptors
    for descriptor in descriptors:
        # Nothing that a worker starts may hold its channel open.
        os.set_inheritable(descriptor, False)
    return socket.socket(fileno=accepting), socket.socket(fileno=channel)


def send_answer(control: socket.socket, process: int | OSError) -> None:
    """Tell the supervisor which process its worker is, or why the system gave none."""
    value = process if isinstance(process, int) else -(process.errno or errno.EAGAIN)
    control.sendall(_ANSWER.pack(value))


def read_answer(answer: bytes) -> int:
    """Return the process id in `ANSWER_BYTES` from the fork server.

    Raises:
        OSError: the system gave no process, or the fork server is gone.
    """
    if len(answer) != ANSWER_BYTES:
        raise ChildProcessError(errno.ECHILD, "the process that workers are forked from has ended")
    (value,) = _ANSWER.unpack(answer)
    if value < 0:
        raise OSError(-value, os.strerror(-value))
    return int(value)
