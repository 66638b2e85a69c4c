"""The process that workers are forked from. It loads the application once, and workers share that memory.

`supervisor` starts it as `python -m app.server.fork_server`, with one inherited descriptor for requests
(`channel`). It has no event loop, no thread and no connection, so a fork copies nothing that is in use. It
ends when the supervisor is gone and the last worker has ended.
"""

import contextlib
import gc
import os
import signal
import socket
import sys
from collections.abc import Callable
from functools import partial

from app.logs import get_logger
from app.server.channel import InheritedSockets, next_request, send_answer

# Started by its name, this module has `__main__` as `__name__`.
_LOG = get_logger("app.server.fork_server")


def main() -> None:
    """Fork a worker for each request, until the supervisor is gone. Argument: the inherited descriptor."""
    control = socket.socket(fileno=int(sys.argv[1]))
    # Workers read their certificates at this signal (`worker`). Before that it must not end them.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    # What is loaded stays, and next to nothing of it is garbage. The collector would visit it again and
    # again, which takes a third of the start. It would write into pages, too, which then are not shared.
    gc.disable()
    serve = _loaded_worker()
    gc.freeze()
    gc.enable()
    while (sockets := next_request(control)) is not None:
        # Most requests replace a worker that has ended.
        _reap(os.WNOHANG)
        try:
            process = os.fork()
        except OSError as error:
            send_answer(control, error)
        else:
            if process == 0:
                os.setsid()
                control.close()
                serve(sockets)
                return
            # If the supervisor has given up, the worker notices it on its channel.
            with contextlib.suppress(ConnectionError):
                send_answer(control, process)
        for each in sockets:
            each.close()
    _reap(0)


def _loaded_worker() -> Callable[[InheritedSockets], None]:
    """Load what workers share: modules, routes, documents. Return what a worker does with its sockets."""
    # Here and not above: the collector is off by now.
    from app.server.worker import make_config, serve
    from app.settings import SettingsError, load_settings

    try:
        settings = load_settings()
        config = make_config(settings)
    except SettingsError as error:
        sys.exit(f"stationmaster: {error}")
    config.load()
    return partial(serve, config, settings)


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
