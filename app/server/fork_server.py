"""The process that workers are forked from: it loads the application once, and they share that memory.

`supervisor` starts it as `python -m app.fork_server`, with one inherited descriptor to take orders from
(`handover`). It runs no event loop, no thread and no connection, so a fork copies nothing that is in use. It
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

_LOG = get_logger("fork_server")


def main() -> None:
    """Fork workers until the supervisor is gone; in each worker, serve. Argument: an inherited descriptor."""
    control = socket.socket(fileno=int(sys.argv[1]))
    config = _loaded_config()
    # The collector writes into what it looks at; what is written to is no longer shared.
    gc.collect()
    gc.freeze()
    while (request := next_request(control)) is not None:
        # Whoever has ended is the reason for most orders.
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
            # The supervisor may have given up: the worker hears of it by its channel.
            with contextlib.suppress(ConnectionError):
                send_answer(control, process)
        accepting.close()
        channel.close()
    _reap(0)


def _loaded_config() -> uvicorn.Config:
    """Everything that a worker needs and that is not its own: modules, routes, documents."""
    try:
        config = make_config(load_settings())
    except SettingsError as error:
        sys.exit(f"stationmaster: {error}")
    config.load()
    return config


def _reap(options: int) -> None:
    """Take note of workers that have ended; without WNOHANG, of all of them."""
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
