"""Values about the state that the server asks for."""

from dataclasses import dataclass
from typing import Final

STATE_ISSUER: Final = "state-after-login"
"""`issued_by` of commands that ask for the state after a login."""
SILENT_KEYS_ISSUER: Final = "silent-keys"
"""`issued_by` of commands that ask for silent keys."""


@dataclass(frozen=True, slots=True)
class KnownPoint:
    """The facts about a charge point that decide the first question to it.

    Attributes:
        refuses_triggers: it has refused TriggerMessage with this firmware.
        feature_profiles: its SupportedFeatureProfiles; None: never reported.
    """

    refuses_triggers: bool
    feature_profiles: str | None
