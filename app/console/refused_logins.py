"""Reads refused logins for their screen, and replaces passwords, through the services that REST uses."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from app.charge_points.service import ChargePointService, LiveChargePoint, MintedCredential
from app.database.prepared import Row
from app.login_attempts.records import LoginAttemptFilter, RefusalReason
from app.login_attempts.rules import ADVICE
from app.login_attempts.service import LoginAttemptService
from app.types import TenantId
from app.users.records import SignedIn

_WITH_PASSWORD: Final = frozenset(
    {
        RefusalReason.CREDENTIAL_ABSENT,
        RefusalReason.CREDENTIAL_MALFORMED,
        RefusalReason.CREDENTIAL_WRONG,
        RefusalReason.CREDENTIAL_NOT_SET,
    }
)
"""The reasons that a new password can help with: the charge point exists."""
_NEWEST: Final = 5


@dataclass(frozen=True, slots=True)
class ShownAttempt:
    """Refused logins that are alike. identity None: the request named none."""

    number: int
    identity: str | None
    reason: RefusalReason
    advice: str
    detail: str | None
    remote: str
    count: int
    first_at: datetime
    last_at: datetime
    needs_password: bool


@dataclass(frozen=True, slots=True)
class RefusedLoginScreen:
    """Reads refused logins, and replaces the password of a charge point."""

    logins: LoginAttemptService
    charge_points: ChargePointService

    async def page(
        self, tenant_id: TenantId, limit: int, after: int | None, filters: LoginAttemptFilter
    ) -> tuple[list[ShownAttempt], int | None]:
        """Return refused logins, the newest first, and after which one the next page begins."""
        rows = await self.logins.page(tenant_id, limit + 1, after, filters)
        return _shown(rows[:limit]), None if len(rows) <= limit else rows[limit - 1]["id"]

    async def of_charge_point(
        self, tenant_id: TenantId, identity: str
    ) -> tuple[LiveChargePoint, list[ShownAttempt]]:
        """Return a charge point with its newest refused logins.

        Raises:
            NotFound: the tenant has none of this identity.
        """
        found = await self.charge_points.get(tenant_id, identity)
        rows = await self.logins.page(tenant_id, _NEWEST, None, LoginAttemptFilter(identity))
        return found, _shown(rows)

    async def new_password(self, person: SignedIn, identity: str) -> MintedCredential:
        """Replace the password of a charge point. The old one and its connection end at once.

        Raises:
            NotFound: the tenant has no charge point of this identity.
        """
        return await self.charge_points.replace_credential(person.tenant_id, identity, person.actor)


def _shown(rows: Sequence[Row]) -> list[ShownAttempt]:
    return [
        ShownAttempt(
            number=row["id"],
            identity=row["identity"] or None,
            reason=RefusalReason(row["reason"]),
            # Pages show the detail next to it.
            advice=ADVICE[RefusalReason(row["reason"])].replace("`", ""),
            detail=row["detail"],
            remote=row["remote"],
            count=row["count"],
            first_at=row["first_at"],
            last_at=row["last_at"],
            needs_password=bool(row["identity"]) and RefusalReason(row["reason"]) in _WITH_PASSWORD,
        )
        for row in rows
    ]
