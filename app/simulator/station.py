"""The charge point as its parts need it: firmware, diagnostics, certificates, security."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Protocol

from app.simulator.agenda import Agenda
from app.simulator.configuration import VirtualConfiguration
from app.simulator.connector import VirtualConnector
from app.simulator.persona import Persona
from app.simulator.work import Work

Json = dict[str, Any]


class VirtualStation(Protocol):
    """The side of a charge point that its parts may use."""

    agenda: Agenda
    persona: Persona
    configuration: VirtualConfiguration
    connectors: list[VirtualConnector]
    security_log: list[str]

    seconds_until: Callable[[datetime], float]
    """Returns the virtual seconds until a time that the central system has written, negative if it is over.

    The clock of a simulation that is faster than the world differs from that of the central system.
    """

    def report(self, action: str, payload: Json) -> None:
        """Send an ordinary message, or keep it until the charge point is accepted again."""

    def security_event(self, kind: str, detail: str = "") -> None:
        """Report a security event, and write it to the security log."""

    def carry_out(self, work: Work) -> None:
        """Hand work over to the client."""

    def reboot(self, reason: str) -> None:
        """Power down and come back with a BootNotification."""

    def reconnect(self) -> None:
        """Close the connection and open a new one at once."""


def free_connectors(connectors: Sequence[VirtualConnector]) -> list[VirtualConnector]:
    """Return the connectors without a transaction."""
    return [connector for connector in connectors if connector.transaction is None]
