"""The handlers of the CALLs of charge points, by action, and who may call before its registration."""

from collections.abc import Mapping

from app.answers import Answer, Handler, RecordHandler
from app.connection import Connection
from app.errors import CallFailed
from app.ocpp import Dispatch, Protocol, messages_of


class Dispatcher:
    """The handler of each action, and the check of charge points whose registration is not Accepted."""

    __slots__ = ("handlers", "record_handlers")

    def __init__(
        self,
        protocol: Protocol,
        handlers: Mapping[str, Handler],
        record_handlers: Mapping[str, RecordHandler],
    ) -> None:
        """handlers, record_handlers: by action, those of all capabilities. The second ones record money.

        Raises:
            RuntimeError: an action has no handler, or several, or a handler of the other kind.
        """
        messages = messages_of(protocol, "charge_point")
        billing = {message["action"] for message in messages if message["billing"]}
        others = {message["action"] for message in messages} - billing
        odd = (others ^ set(handlers)) | (billing ^ set(record_handlers))
        if odd:
            raise RuntimeError(f"actions with no handler, or with two: {', '.join(sorted(odd))}")
        self.handlers = dict(handlers)
        """One handler for each action that records no money."""
        self.record_handlers = dict(record_handlers)
        """One handler for each billing action."""

    def answer(self, connection: Connection, call: Dispatch) -> Answer:
        """Return what the handler of a CALL answers.

        A charge point that is not Accepted may send BootNotification (OCPP-J errata 3.8), and what it has to
        tell about transactions: it would drop them after a few refusals.

        Raises:
            CallFailed: SecurityError, or what the handler raises.
        """
        if call.text is not None:
            return self.record_handlers[call.action](connection, call)
        if connection.registration_status != "Accepted" and call.action != "BootNotification":
            raise _not_registered(connection)
        return self.handlers[call.action](connection, call.payload)


def _not_registered(connection: Connection) -> CallFailed:
    return CallFailed(
        "SecurityError", f"The charge point's registration is {connection.registration_status}."
    )
