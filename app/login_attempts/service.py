"""The use case of refused logins: list them."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.database.database import Database
from app.database.prepared import Row
from app.database.unit_of_work import TenantReads
from app.login_attempts.records import LoginAttemptFilter
from app.login_attempts.store import LoginAttemptStore
from app.types import TenantId


@dataclass(frozen=True, slots=True)
class LoginAttemptService:
    """The use case of refused logins."""

    database: Database

    async def page(
        self, tenant_id: TenantId, limit: int, after: int | None, filters: LoginAttemptFilter
    ) -> Sequence[Row]:
        """Return refused logins, the newest first. after: id of the last one seen."""
        store = LoginAttemptStore(TenantReads(self.database.reads, tenant_id))
        return await store.page(limit, after, filters)
