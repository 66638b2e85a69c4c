"""The handlers of the CALLs of charge points, by action, and who may call before its registration."""

from collections.abc import Mapping
from functools import partial
from typing import Final, NoReturn

from app.answers import Handler
from app.connection import Connection
from app.errors import CallFailed
from app.ocpp import Protocol, messages_of

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
    """The handler of each action, and the check of charge points whose registration is not Accepted."""

    __slots__ = ("_billing_actions", "handlers")

    def __init__(self, protocol: Protocol, handlers: Mapping[str, Handler]) -> None:
        """handlers: by action, those of all capabilities.

        Raises:
            RuntimeError: an action of the protocol has no handler and no place in NOT_SUPPORTED, or both.
        """
        messages = messages_of(protocol, "charge_point")
        known = {message["action"] for message in messages}
        if odd := known ^ (set(handlers) ^ NOT_SUPPORTED):
            raise RuntimeError(f"actions with no handler, or with two: {', '.join(sorted(odd))}")
        refused: dict[str, Handler] = {action: partial(_refuse, action) for action in NOT_SUPPORTED}
        self.handlers = {**handlers, **refused}
        """One handler for each action of the protocol."""
        self._billing_actions = frozenset(message["action"] for message in messages if message["billing"])

    def require_registered(self, connection: Connection, action: str) -> None:
        """Check that a charge point whose registration is not Accepted may call an action.

        It may send BootNotification (OCPP-J errata 3.8), and billing records of a time when it was accepted.

        Raises:
            CallFailed: SecurityError.
        """
        if action == "BootNotification" or (action in self._billing_actions and connection.accepted_before):
            return
        raise CallFailed(
            "SecurityError", f"The charge point's registration is {connection.registration_status}."
        )


def _refuse(action: str, connection: Connection, request: object) -> NoReturn:
    raise CallFailed("NotSupported", f"{action} is not supported.")
