"""Runs the server with a ledger that acknowledges at once, to measure the byte path without a database.

`python -m benchmarks.unstored` uses the settings of the environment. The product has no such switch: this
module replaces the ledger and the frame log before the application is built.
"""

import asyncio
import itertools
import os
import socket
from typing import Any

from app import storage
from app.clock import Clock
from app.database.roles import Roles
from app.frame_log.recorder import FrameLog
from app.ocpp import FrameBuffer
from app.server.acceptors import Acceptors
from app.server.listener import open_listener
from app.server.worker import WorkerServer, make_config
from app.settings import Settings, load_settings
from app.transactions.batch_writer import answered
from app.transactions.ledger import Ledger
from app.transactions.records import (
    LedgerRecord,
    StopRecorded,
    TransactionStart,
    TransactionStarted,
    TransactionStop,
)

KEEPS_FRAME_LOG = "BENCHMARK_FRAME_LOG"
"""Environment variable. `on`: the frame log is not replaced."""
_transaction_ids = itertools.count(1)


class AcknowledgingLedger(Ledger):
    """A ledger that answers every record as if it were stored."""

    def start(self) -> None:
        """Start nothing: this one does not write."""
        self._loop = asyncio.get_running_loop()

    def wake(self) -> None:
        """Answer the records that arrive in this turn of the event loop."""
        assert self._loop is not None
        self._loop.call_soon(self._acknowledge)

    def _acknowledge(self) -> None:
        while (batch := self.meters.take()) is not None:
            answered(batch.acknowledge(self._clock.monotonic(), self._clock.now_us()))

    def _submit(self, record: LedgerRecord) -> "asyncio.Future[Any]":
        assert self._loop is not None
        future: asyncio.Future[Any] = self._loop.create_future()
        future.set_result(_answer(record))
        return future


class DiscardingFrameLog(FrameLog):
    """A frame log that drops all frames."""

    def __init__(self, url: str, *, settings: Settings, clock: Clock, roles: Roles) -> None:
        super().__init__(url, settings=settings, clock=clock, roles=roles)
        self.buffer = FrameBuffer(0, 0, 0)

    def start(self) -> None:
        """Start nothing: this one does not write."""


def _answer(record: LedgerRecord) -> Any:
    if isinstance(record, TransactionStart):
        return TransactionStarted(next(_transaction_ids), {"status": "Accepted"}, repeated=False)
    if isinstance(record, TransactionStop):
        return StopRecorded("closed", None, record.transaction_id)
    return None


def main() -> None:
    """Run the server in this process until a signal."""
    settings = load_settings()
    setattr(storage, "Ledger", AcknowledgingLedger)  # noqa: B010 - mypy forbids to assign to a class
    if os.environ.get(KEEPS_FRAME_LOG) != "on":
        setattr(storage, "FrameLog", DiscardingFrameLog)  # noqa: B010
    listener = asyncio.run(open_listener(settings))
    ours, theirs = socket.socketpair()
    # `ours` stays open. If it closed, the worker would take the supervisor for dead.
    with listener, ours, theirs:
        plain, *tls = listener.for_worker().all()
        WorkerServer(make_config(settings), theirs, Acceptors(settings, plain, tls)).run(sockets=[])


if __name__ == "__main__":
    main()
