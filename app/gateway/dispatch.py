"""Finds the handler of a valid CALL of a charge point, and decides whether the charge point may call it."""

from collections.abc import Callable, Mapping
from typing import Any, Final, get_args

from app.answers import Answer
from app.charge_points.handlers import boot_notification, data_transfer, heartbeat, status_notification
from app.connection import Connection
from app.errors import CallFailed
from app.handler_context import HandlerContext
from app.id_tags import handlers as authorize
from app.ocpp import Dispatch
from app.ocpp.v16 import BILLING_ACTIONS, ChargePointAction
from app.transactions.handlers import meter_values, start_transaction, stop_transaction

Handler = Callable[[HandlerContext, Connection, Any], Answer]
"""Answers one action: (context, connection, request) -> answer. Payloads are TypedDicts."""

HANDLERS: Final[Mapping[str, Handler]] = {
    "Authorize": authorize.handle,
    "BootNotification": boot_notification.handle,
    "DataTransfer": data_transfer.handle,
    "Heartbeat": heartbeat.handle,
    "MeterValues": meter_values.handle,
    "StartTransaction": start_transaction.handle,
    "StatusNotification": status_notification.handle,
    "StopTransaction": stop_transaction.handle,
}

NOT_SUPPORTED: Final = frozenset(
    {
        "DiagnosticsStatusNotification",
        "FirmwareStatusNotification",
        "LogStatusNotification",
        "SecurityEventNotification",
        "SignCertificate",
        "SignedFirmwareStatusNotification",
    }
)
"""Actions that are known and answered NotSupported (OCPP-J 4.2.3)."""


class Dispatcher:
    """The handlers by action. It refuses calls that the registration of a charge point does not allow."""

    __slots__ = ("_context", "_handlers")

    def __init__(self, context: HandlerContext, handlers: Mapping[str, Handler] = HANDLERS) -> None:
        """handlers: by action; other ones than the table's own are for tests.

        Raises:
            RuntimeError: an action of the definition has no handler and no place in NOT_SUPPORTED, or both.
        """
        known = set(get_args(ChargePointAction))
        if odd := known ^ (set(handlers) ^ NOT_SUPPORTED):
            raise RuntimeError(f"charge-point actions without exactly one answer: {', '.join(sorted(odd))}")
        self._context = context
        self._handlers = dict(handlers)

    def answer(self, connection: Connection, call: Dispatch) -> Answer:
        """Start the handler of a CALL.

        Raises:
            CallFailed: the CALL gets a CALLERROR. A future or coroutine in the answer may raise it, too.
        """
        action = call.action
        if connection.registration_status != "Accepted":
            _assert_allowed(connection, action)
        handler = self._handlers.get(action)
        if handler is None:
            raise CallFailed("NotSupported", f"{action} is not supported.")
        return handler(self._context, connection, call.payload)


def _assert_allowed(connection: Connection, action: str) -> None:
    """Before Accepted: BootNotification (OCPP-J errata 3.8), and billing records of an accepted time."""
    if action == "BootNotification" or (action in BILLING_ACTIONS and connection.accepted_before):
        return
    raise CallFailed("SecurityError", f"The registration is {connection.registration_status}.")
