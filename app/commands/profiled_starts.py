"""Puts a stored charging profile into a RemoteStartTransaction. `main` says where the profiles come from."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Literal

from app.errors import FieldViolation, InvalidInput
from app.types import TenantId

_ACTION: Final = "RemoteStartTransaction"


@dataclass(frozen=True, slots=True)
class StoredProfile:
    """The stored profile that a caller wants in a remote start.

    nominal_voltage: volts; permission to convert the unit, None: it stays. supply: None is AC.
    """

    charging_profile_id: int | None = None
    nominal_voltage: int | None = None
    supply: Literal["AC", "DC"] | None = None

    @property
    def is_any(self) -> bool:
        """Tell whether the caller has said anything about a profile."""
        return (self.charging_profile_id, self.nominal_voltage, self.supply) != (None, None, None)


ProfiledPayload = Callable[[TenantId, str, str, StoredProfile], Awaitable[str]]
"""Returns a payload with the profile in it: tenant, identity, payload as JSON text, profile."""


class ProfiledStarts:
    """The remote starts with a stored profile."""

    def __init__(self, payload_with_profile: ProfiledPayload) -> None:
        self._payload_with_profile = payload_with_profile

    async def payload_text(
        self, tenant_id: TenantId, identity: str, action: str, payload_text: str, wanted: StoredProfile
    ) -> str:
        """Return the payload of a remote start with a stored profile in it, as JSON text.

        Raises:
            InvalidInput: the action is another one, or what `main` has registered refuses it.
            NotFound: no such charge point or profile.
        """
        if action != _ACTION:
            _refuse("charging_profile_id", f"belongs to {_ACTION}: {action} has its profile in the body")
        if wanted.charging_profile_id is None:
            _refuse("nominal_voltage", "needs charging_profile_id")
        if wanted.nominal_voltage is None and wanted.supply is not None:
            _refuse("supply", "needs nominal_voltage")
        return await self._payload_with_profile(tenant_id, identity, payload_text, wanted)


def _refuse(name: str, detail: str) -> None:
    raise InvalidInput([FieldViolation(name, "not_allowed", detail)])
