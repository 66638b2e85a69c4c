"""The use cases of refused logins: list and count them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from app.database.database import Database
from app.database.prepared import Row
from app.database.unit_of_work import TenantReads
from app.login_attempts.records import LoginAttemptFilter
from app.login_attempts.store import LoginAttemptStore, count_login_attempts
from app.types import TenantId


@dataclass(frozen=True, slots=True)
class LoginAttemptService:
    """The use cases of refused logins."""

    database: Database

    async def page(
        self, tenant_id: TenantId, limit: int, after: int | None, filters: LoginAttemptFilter
    ) -> Sequence[Row]:
        """Return refused logins, the newest first. after: id of the last one seen."""
        store = LoginAttemptStore(TenantReads(self.database.reads, tenant_id))
        return await store.page(limit, after, filters)

    async def count_since(self, tenant_id: TenantId, since: datetime) -> int:
        """Count refused logins that were repeated since a time, with their repetitions."""
        return await count_login_attempts(TenantReads(self.database.reads, tenant_id), since)
