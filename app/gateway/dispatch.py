"""Finds the handler of a valid CALL of a charge point, and decides whether the charge point may call it."""

from collections.abc import Mapping
from typing import Final

from app.answers import Answer, Handler
from app.connection import Connection
from app.errors import CallFailed
from app.ocpp import Dispatch, Protocol, messages_of

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

    __slots__ = ("_billing_actions", "_handlers")

    def __init__(self, protocol: Protocol, handlers: Mapping[str, Handler]) -> None:
        """handlers: by action, those of all capabilities.

        Raises:
            RuntimeError: an action of the protocol has no handler and no place in NOT_SUPPORTED, or both.
        """
        messages = messages_of(protocol, "charge_point")
        known = {message["action"] for message in messages}
        if odd := known ^ (set(handlers) ^ NOT_SUPPORTED):
            raise RuntimeError(f"charge-point actions without exactly one answer: {', '.join(sorted(odd))}")
        self._handlers = dict(handlers)
        self._billing_actions = frozenset(message["action"] for message in messages if message["billing"])

    def answer(self, connection: Connection, call: Dispatch) -> Answer:
        """Start the handler of a CALL.

        Raises:
            CallFailed: the CALL gets a CALLERROR. A future or coroutine in the answer may raise it, too.
        """
        action = call.action
        if connection.registration_status != "Accepted":
            self._assert_allowed(connection, action)
        handler = self._handlers.get(action)
        if handler is None:
            raise CallFailed("NotSupported", f"{action} is not supported.")
        return handler(connection, call.payload)

    def _assert_allowed(self, connection: Connection, action: str) -> None:
        """Before Accepted: BootNotification (OCPP-J errata 3.8), and billing records of an accepted time."""
        if action == "BootNotification" or (action in self._billing_actions and connection.accepted_before):
            return
        raise CallFailed("SecurityError", f"The registration is {connection.registration_status}.")
