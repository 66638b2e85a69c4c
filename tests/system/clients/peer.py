"""A charge point that is not ours, as the tests see it: what it says, is asked, and finds wrong."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Final

ANSWERS: Final[Mapping[str, dict[str, Any]]] = {
    **{
        key: {"status": "Accepted"}
        for key in (
            *("CancelReservation", "CertificateSigned", "ChangeAvailability", "ChangeConfiguration"),
            *("ClearCache", "ClearChargingProfile", "DataTransfer", "DeleteCertificate"),
            *("ExtendedTriggerMessage", "GetLog", "InstallCertificate", "RemoteStartTransaction"),
            *("RemoteStopTransaction", "ReserveNow", "Reset", "SendLocalList", "SetChargingProfile"),
            *("SignedUpdateFirmware", "TriggerMessage"),
        )
    },
    "GetCompositeSchedule": {"status": "Rejected"},
    "GetConfiguration": {},
    "GetDiagnostics": {"fileName": "diagnostics.zip"},
    "GetInstalledCertificateIds": {"status": "NotFound"},
    "GetLocalListVersion": {"listVersion": 0},
    "UnlockConnector": {"status": "Unlocked"},
    "UpdateFirmware": {},
}
"""The answers of a charge point until a test gives others, for each action of the central system."""


class Peer(ABC):
    """A charge point that is written with a library of others.

    Attributes:
        asked: Each request of the central system with its payload, in order.
        said: The actions of the requests that the charge point has sent.
        violations: What the library found wrong with messages of the central system.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.said: list[str] = []
        self.violations: list[str] = []

    async def call(self, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        """Send a request, and return the answer, which the library has validated."""
        self.said.append(action)
        return await self.send(action, payload)

    def last_asked(self, action: str) -> dict[str, Any]:
        """Return the newest request of the central system with this action."""
        return next(payload for name, payload in reversed(self.asked) if name == action)

    @abstractmethod
    async def send(self, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        """Send a request by the library, and return the answer."""

    @abstractmethod
    async def answer(self, action: str, payload: dict[str, Any]) -> None:
        """Answer the requests of an action like this from now on."""

    @abstractmethod
    async def upload(self, url: str, content: bytes) -> int:
        """Send a file by PUT, and return the status."""

    @abstractmethod
    async def download(self, url: str) -> bytes:
        """Fetch a file."""
