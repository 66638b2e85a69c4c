"""A central system with the PyPI package `ocpp` on `websockets`. It answers, and stores nothing."""

import itertools
import logging
import sys
from datetime import UTC, datetime
from typing import Any

import ocpp.messages
import uvloop
from ocpp.routing import on
from ocpp.v16 import ChargePoint, call_result
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

_transaction_ids = itertools.count(1)
_ACCEPTED: dict[str, str] = {"status": "Accepted"}


class CentralSystem(ChargePoint):  # type: ignore[misc]
    """The central system's side of one connection."""

    @on("BootNotification")
    def on_boot_notification(self, **_: Any) -> Any:
        return call_result.BootNotification(datetime.now(UTC).isoformat(), 300, "Accepted")

    @on("Heartbeat")
    def on_heartbeat(self) -> Any:
        return call_result.Heartbeat(datetime.now(UTC).isoformat())

    @on("StartTransaction")
    def on_start_transaction(self, **_: Any) -> Any:
        return call_result.StartTransaction(next(_transaction_ids), _ACCEPTED)

    @on("MeterValues")
    def on_meter_values(self, **_: Any) -> Any:
        return call_result.MeterValues()


async def serve_charge_point(connection: ServerConnection) -> None:
    """Answer until the charge point disconnects."""
    assert connection.request is not None
    try:
        await CentralSystem(connection.request.path.rpartition("/")[2], connection).start()
    except ConnectionClosed:
        return


async def main() -> None:
    """Serve on the port of the command line."""
    # By default it validates in another thread, which costs more CPU.
    ocpp.messages.ASYNC_VALIDATION = False
    # Otherwise the package logs each frame.
    logging.getLogger("ocpp").setLevel(logging.WARNING)
    options: dict[str, Any] = {"subprotocols": [Subprotocol("ocpp1.6")], "compression": None}
    async with serve(serve_charge_point, "127.0.0.1", int(sys.argv[1]), backlog=4096, **options) as server:
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
