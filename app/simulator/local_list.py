"""The local authorization list of a virtual charge point (OCPP 1.6 3.5.2, 5.10, 5.15)."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Literal

from app.clock import parse_time
from app.simulator.configuration import VirtualConfiguration

Json = dict[str, Any]
UpdateStatus = Literal["Accepted", "Failed", "NotSupported", "VersionMismatch"]


class VirtualLocalList:
    """The entries by id tag, without regard to case, and the version of the list."""

    __slots__ = ("_configuration", "_seconds_until", "entries", "version")

    def __init__(
        self, configuration: VirtualConfiguration, seconds_until: Callable[[datetime], float]
    ) -> None:
        """Make an empty list. seconds_until: of a time that the central system has written."""
        self.entries: dict[str, Json] = {}
        self.version = 0
        self._configuration = configuration
        self._seconds_until = seconds_until

    def send(self, payload: Json) -> UpdateStatus:
        """Carry out SendLocalList (5.15). A list that is refused leaves the one before as it is."""
        if not self._configuration.flag("LocalAuthListEnabled"):
            return "NotSupported"
        entries, version = payload.get("localAuthorizationList", []), payload["listVersion"]
        if version < 1 or len(entries) > self._configuration.integer("SendLocalListMaxLength"):
            return "Failed"
        is_full = payload["updateType"] == "Full"
        if not is_full and version <= self.version:
            return "VersionMismatch"
        updated = {} if is_full else dict(self.entries)
        for entry in entries:
            id_tag = entry["idTag"].lower()
            if "idTagInfo" in entry:
                updated[id_tag] = entry["idTagInfo"]
            elif is_full:
                return "Failed"
            else:
                updated.pop(id_tag, None)
        if len(updated) > self._configuration.integer("LocalAuthListMaxLength"):
            return "Failed"
        self.entries, self.version = updated, version
        return "Accepted"

    def reported_version(self) -> int:
        """Answer GetLocalListVersion (5.10): -1 if there is no list, 0 if it is empty."""
        if not self._configuration.flag("LocalAuthListEnabled"):
            return -1
        return self.version if self.entries else 0

    def status(self, id_tag: str) -> str | None:
        """Return what the list says of an id tag; None: it is not in the list."""
        found = self.entries.get(id_tag.lower())
        if found is None or not self._configuration.flag("LocalAuthListEnabled"):
            return None
        expiry = parse_time(found.get("expiryDate") or "")
        is_over = expiry is not None and self._seconds_until(expiry) <= 0.0
        return "Expired" if is_over else str(found["status"])

    def parent(self, id_tag: str) -> str | None:
        """Return the group of an id tag, as far as the list knows it."""
        found: str | None = self.entries.get(id_tag.lower(), {}).get("parentIdTag")
        return found
