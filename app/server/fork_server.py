"""The process that workers are forked from. It loads the application once, and workers share that memory.

`supervisor` starts it as `python -m app.server.fork_server`, with one inherited descriptor for requests
(`channel`). It has no event loop, no thread and no connection, so a fork copies nothing that is in use. It
ends when the supervisor is gone and the last worker has ended.
"""

import contextlib
import gc
import os
import socket
import sys

import uvicorn

from app.logs import get_logger
from app.server.channel import next_request, send_answer
from app.server.worker import make_config, serve
from app.settings import SettingsError, load_settings

# Started by its name, this module has `__main__` as `__name__`.
_LOG = get_logger("app.server.fork_server")


def main() -> None:
    """Fork a worker for each request, until the supervisor is gone. Argument: the inherited descriptor."""
    control = socket.socket(fileno=int(sys.argv[1]))
    config = _loaded_config()
    # The garbage collector writes into the objects that it visits. Pages that are written are not shared.
    gc.collect()
    gc.freeze()
    while (request := next_request(control)) is not None:
        # Most requests replace a worker that has ended.
        _reap(os.WNOHANG)
        accepting, channel = request
        try:
            process = os.fork()
        except OSError as error:
            send_answer(control, error)
        else:
            if process == 0:
                os.setsid()
                control.close()
                serve(config, accepting, channel)
                return
            # If the supervisor has given up, the worker notices it on its channel.
            with contextlib.suppress(ConnectionError):
                send_answer(control, process)
        accepting.close()
        channel.close()
    _reap(0)


def _loaded_config() -> uvicorn.Config:
    """Load what workers share: modules, routes, documents."""
    try:
        config = make_config(load_settings())
    except SettingsError as error:
        sys.exit(f"stationmaster: {error}")
    config.load()
    return config


def _reap(options: int) -> None:
    """Reap workers that have ended. Without WNOHANG, wait for all of them."""
    while True:
        try:
            process, status = os.waitpid(-1, options)
        except ChildProcessError:
            return
        if process == 0:
            return
        code = os.waitstatus_to_exitcode(status)
        if code != 0:
            _LOG.warning("worker_ended", process=process, code=code)


if __name__ == "__main__":
    main()
