"""The security profile of a virtual charge point, and what may change it (security whitepaper A01, A05)."""

from collections.abc import Callable
from typing import Any, Literal

from app.simulator.station import VirtualStation

Json = dict[str, Any]
_CONNECT_ATTEMPTS = 3


class VirtualSecurity:
    """How the charge point connects: 0 and 1 by ws://, 2 by wss:// with its key, 3 with its certificate.

    can_use_tls: there is a wss:// URL and a root for it. has_certificate: asks whether it has one of its own.
    """

    __slots__ = (
        "_before",
        "_failures",
        "_station",
        "can_use_tls",
        "has_certificate",
        "has_password",
        "profile",
    )

    def __init__(self, station: VirtualStation, has_certificate: Callable[[], bool]) -> None:
        self.profile = 1
        self.has_password = True
        self.can_use_tls = False
        self.has_certificate = has_certificate
        self._before: int | None = None
        self._failures = 0
        self._station = station

    def begin(self, profile: int, *, has_password: bool, can_use_tls: bool) -> None:
        """Set what is known before the first connection."""
        self.profile, self.has_password, self.can_use_tls = profile, has_password, can_use_tls
        self._station.configuration.set("SecurityProfile", str(profile))

    def raise_profile(self, value: str) -> Literal["Accepted", "Rejected"]:
        """Answer ChangeConfiguration of SecurityProfile: never lower, and only with what it needs (A05)."""
        wanted = int(value) if value.isascii() and value.isdigit() else 0
        if not self.profile < wanted <= 3:
            return "Rejected"
        if wanted < 3 and not self.has_password:
            return "Rejected"
        if wanted > 1 and not self.can_use_tls:
            return "Rejected"
        if wanted == 3 and not self.has_certificate():
            return "Rejected"
        self._before, self._failures = self.profile, 0
        self._station.agenda.after(1.0, lambda: self._switch(wanted))
        return "Accepted"

    def connected(self) -> None:
        """Keep a new profile, because a connection with it is open."""
        if self._before is not None:
            self._before = None
            self._station.configuration.set("SecurityProfile", str(self.profile))
            self._station.security_event("ReconfigurationOfSecurityParameters", "SecurityProfile")

    def refused(self) -> None:
        """Fall back to the old profile after some connections that have failed (A05.FR.08)."""
        if self._before is None:
            return
        self._failures += 1
        if self._failures >= _CONNECT_ATTEMPTS:
            self.profile, self._before = self._before, None

    def _switch(self, wanted: int) -> None:
        self.profile = wanted
        self._station.reconnect()
