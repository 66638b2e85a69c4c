"""The handlers of the CALLs of charge points, by action, and who may call before its registration."""

from collections.abc import Mapping
from functools import partial
from typing import Final, NoReturn, get_args

from app.answers import Handler
from app.connection import Connection
from app.errors import CallFailed
from app.ocpp.v16 import BILLING_ACTIONS, ChargePointAction

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


def dispatch_table(handlers: Mapping[str, Handler]) -> dict[str, Handler]:
    """Return the handler of each action that a charge point may call.

    Args:
        handlers: by action, those of all capabilities. The actions of NOT_SUPPORTED have none.

    Raises:
        RuntimeError: an action of the definition has no handler and no place in NOT_SUPPORTED, or both.
    """
    known = set(get_args(ChargePointAction))
    if odd := known ^ (set(handlers) ^ NOT_SUPPORTED):
        raise RuntimeError(f"charge-point actions without exactly one answer: {', '.join(sorted(odd))}")
    return {**handlers, **{action: partial(_refuse, action) for action in NOT_SUPPORTED}}


def require_registered(connection: Connection, action: str) -> None:
    """Check that a charge point whose registration is not Accepted may call an action.

    Only BootNotification (OCPP-J errata 3.8), and billing records of a time in which it was accepted.

    Raises:
        CallFailed: SecurityError.
    """
    if action == "BootNotification" or (action in BILLING_ACTIONS and connection.accepted_before):
        return
    raise CallFailed("SecurityError", f"The registration is {connection.registration_status}.")


def _refuse(action: str, connection: Connection, request: object) -> NoReturn:
    raise CallFailed("NotSupported", f"{action} is not supported.")
