"""The messages that commands of this worker's sessions wait for, in memory only.

A TriggerMessage waits for the message that it asks for, a Reset for a BootNotification, a ChangeAvailability
for the status that it leads to. Only while a Heartbeat or MeterValues is awaited does the core show those of
the connection (`Conversation.is_watched`). If the worker dies, or the connection ends, the sweep notes
`no_effect`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import orjson

from app.commands.expected_effects import (
    EXPECTED,
    MESSAGE_RECEIVED,
    STATUS_REPORTED,
    booted,
    message_received,
    status_reported,
)
from app.connection import Connection
from app.ocpp import Dispatch
from app.types import CommandId, Json

_LIMIT: Final = 32
"""Messages that one connection may be awaited for. Beyond it the oldest one is given up."""

_AFTER_END_S: Final = 60.0
"""By then all messages from before the end of a connection are matched."""
BOOT: Final = "BootNotification"
_STATUS: Final = "StatusNotification"
_PLAIN: Final = frozenset({"Heartbeat", "MeterValues"})
"""The messages that the core answers by itself as long as they are not awaited."""
_BY_TRIGGER: Final = {
    "FirmwareStatusNotification": ("FirmwareStatusNotification", "SignedFirmwareStatusNotification"),
}
"""The messages that a requested one may mean, if not the one of its name (whitepaper, L01)."""
_ELSEWHERE: Final = frozenset({"SignChargePointCertificate"})
"""Requested messages whose handler records the effect itself: the request for a certificate."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """The message that a command leads to.

    connector_id: None is any connector; is_available: of a StatusNotification, None if any status will do.
    """

    actions: tuple[str, ...]
    connector_id: int | None = None
    is_trigger: bool = True
    is_available: bool | None = None


@dataclass(slots=True)
class _Awaited:
    command_id: CommandId
    expectation: Expectation
    until_s: float
    is_answered: bool = False
    effect: Json | None = None


def expectation_of(action: str, payload_text: str) -> Expectation | None:
    """Return the message that a command leads to; None: it leads to none."""
    if action == "Reset":
        return Expectation((BOOT,), is_trigger=False)
    if action not in EXPECTED or EXPECTED[action].observed not in (MESSAGE_RECEIVED, STATUS_REPORTED):
        return None
    payload: Json = orjson.loads(payload_text)
    if action == "ChangeAvailability":
        # 0 is the charge point with all its connectors (OCPP 1.6 5.2).
        return Expectation(
            (_STATUS,), payload.get("connectorId") or None, False, payload.get("type") == "Operative"
        )
    requested = payload.get("requestedMessage", "")
    if requested in _ELSEWHERE:
        return None
    connector_id = payload.get("connectorId")
    return Expectation(
        _BY_TRIGGER.get(requested, (requested,)), connector_id if isinstance(connector_id, int) else None
    )


class AwaitedMessages:
    """The messages that are awaited of the connections of this worker. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._awaited: dict[Connection, list[_Awaited]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._awaited.values()))

    def begin(
        self, connection: Connection, command_id: CommandId, expectation: Expectation, until_s: float
    ) -> None:
        """Wait for a message from now on: the command was sent."""
        awaited = self._awaited.setdefault(connection, [])
        awaited.append(_Awaited(command_id, expectation, until_s))
        del awaited[:-_LIMIT]
        _watch(connection, awaited)

    def answered(self, connection: Connection, command_id: CommandId, *, may_follow: bool) -> Json | None:
        """Note the answer to a command; return the effect if its message came before the answer.

        may_follow: False: it was refused, so no message is its effect.
        """
        for one in self._awaited.get(connection, ()):
            if one.command_id == command_id:
                one.is_answered = True
                if one.effect is not None or not may_follow:
                    self._forget(connection, one)
                return one.effect if may_follow else None
        return None

    def received(
        self, connection: Connection, call: Dispatch, received_at: str
    ) -> tuple[CommandId, Json] | None:
        """Match a message with the oldest command that waits for it. A trigger comes before a Reset.

        Returns:
            The command and its effect; None: there is none, or it is not known yet whether it was accepted.
        """
        found = self._match(connection, call)
        if found is None:
            return None
        effect = _effect_of(found.expectation, call, received_at)
        if not found.is_answered:
            found.effect = effect
            return None
        self._forget(connection, found)
        return found.command_id, effect

    def expire(self, now: float, is_open: Callable[[Connection], bool]) -> None:
        """Give up what was awaited for too long, or of a connection that has ended."""
        for connection, awaited in self._awaited.items():
            if not is_open(connection):
                for one in awaited:
                    one.until_s = min(one.until_s, now + _AFTER_END_S)
        overdue = [
            (connection, one)
            for connection, awaited in self._awaited.items()
            for one in awaited
            if one.until_s < now
        ]
        for connection, one in overdue:
            self._forget(connection, one)

    def is_trigger_of(self, connection: Connection, call: Dispatch) -> bool:
        """Tell whether a message was asked for by a trigger."""
        found = self._match(connection, call)
        return found is not None and found.expectation.is_trigger

    def _match(self, connection: Connection, call: Dispatch) -> _Awaited | None:
        fitting = [
            one
            for one in self._awaited.get(connection, ())
            if one.effect is None and _fits(one.expectation, call)
        ]
        return min(fitting, key=lambda one: not one.expectation.is_trigger, default=None)

    def _forget(self, connection: Connection, one: _Awaited) -> None:
        awaited = self._awaited[connection]
        awaited.remove(one)
        if not awaited:
            del self._awaited[connection]
        _watch(connection, awaited)


def _effect_of(expectation: Expectation, call: Dispatch, received_at: str) -> Json:
    connector_id = call.payload.get("connectorId")
    if expectation.is_trigger:
        return message_received(call.action, connector_id, call.unique_id, received_at)
    if call.action == BOOT:
        return booted(call.unique_id, received_at)
    return status_reported(connector_id, call.payload.get("status"), call.unique_id, received_at)


def _fits(expectation: Expectation, call: Dispatch) -> bool:
    if call.action not in expectation.actions:
        return False
    if expectation.is_available is not None:
        is_available = call.payload.get("status") != "Unavailable"
        if is_available is not expectation.is_available:
            return False
    return expectation.connector_id is None or call.payload.get("connectorId") in (
        None,
        expectation.connector_id,
    )


def _watch(connection: Connection, awaited: Sequence[_Awaited]) -> None:
    connection.is_watched = bool(awaited)
    if connection.conversation is not None:
        named = {action for one in awaited for action in one.expectation.actions}
        connection.conversation.is_watched = not named.isdisjoint(_PLAIN)
