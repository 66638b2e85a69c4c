"""Failpoints of a server of the rig: Python loads this file at the start of each of its processes.

At SIGUSR1 a worker is going to be killed, right after its next commit of records and before it answers them.
"""

import os
import signal
import sys
from typing import Any


def _kill_after_commit(*_: object) -> None:
    from app.transactions.batch import BatchConnection

    commit = BatchConnection.commit

    async def last_commit(self: BatchConnection, *arguments: Any) -> Any:
        await commit(self, *arguments)
        os.kill(os.getpid(), signal.SIGKILL)

    BatchConnection.commit = last_commit  # type: ignore[method-assign, assignment]


if "app.server.fork_server" in sys.orig_argv:
    # Workers are forked, and keep it.
    signal.signal(signal.SIGUSR1, _kill_after_commit)
