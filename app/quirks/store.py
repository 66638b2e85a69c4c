"""SQL of the quirk profiles of tenants."""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

import orjson
from sqlalchemy import BigInteger, bindparam, delete, func, select, update
from sqlalchemy.dialects.postgresql import ARRAY, insert

from app.database.prepared import Prepared, Row
from app.database.repository import Repository
from app.database.statements import Statement
from app.database.text import clean_optional
from app.database.unit_of_work import TenantRows
from app.quirks import tables
from app.quirks.records import QuirkProfileRecord, StatedHabits
from app.quirks.rules import readable_habits
from app.types import TenantId

_TABLE: Final = tables.quirk_profiles
_OF_TENANTS: Final = Statement(
    select(*_TABLE.c).where(_TABLE.c.tenant_id == func.any(bindparam("tenants", type_=ARRAY(BigInteger))))
)
_OF_TENANT: Final = Statement(select(*_TABLE.c).where(_TABLE.c.tenant_id == bindparam("tenant_id")))


async def profiles_of_tenants(
    reads: Prepared, tenants: Sequence[TenantId]
) -> dict[TenantId, list[QuirkProfileRecord]]:
    """Return the profiles of tenants, for logins and boots of their charge points."""
    found: dict[TenantId, list[QuirkProfileRecord]] = {tenant_id: [] for tenant_id in tenants}
    for row in await reads.rows(_OF_TENANTS, {"tenants": list(found)}):
        found[row["tenant_id"]].append(_profile(row))
    return found


async def profiles_of(rows: TenantRows) -> list[QuirkProfileRecord]:
    """Return the profiles of one tenant."""
    found = await rows.rows(_OF_TENANT, {"tenant_id": rows.tenant_id})
    return [_profile(row) for row in found]


class QuirkProfileStore(Repository):
    """The profiles of one tenant."""

    async def lock_tenant(self) -> None:
        """Let the changes of this tenant's profiles come one after the other, so that their limit holds."""
        key = func.hashtextextended("quirk_profiles", self.tenant_id)
        await self.connection.execute(select(func.pg_advisory_xact_lock(key)))

    async def count(self) -> int:
        """Return how many profiles the tenant has."""
        statement = select(func.count()).where(_TABLE.c.tenant_id == self.tenant_id)
        return int((await self.connection.execute(statement)).scalar_one())

    async def get(self, name: str, *, to_change: bool = False) -> QuirkProfileRecord | None:
        """Return a profile. to_change: lock it until the end of this transaction."""
        statement = select(*_TABLE.c).where(_TABLE.c.tenant_id == self.tenant_id, _TABLE.c.name == name)
        if to_change:
            statement = statement.with_for_update()
        row = (await self.connection.execute(statement)).mappings().one_or_none()
        return None if row is None else _profile(row)

    async def create(self, profile: QuirkProfileRecord, at: datetime) -> QuirkProfileRecord | None:
        """Store a new profile; None: the tenant has one of this name."""
        statement = insert(_TABLE).values(
            tenant_id=self.tenant_id,
            name=profile.name,
            created_at=at,
            updated_at=at,
            **_columns(profile),
        )
        statement = statement.on_conflict_do_nothing(index_elements=["tenant_id", "name"])
        row = (await self.connection.execute(statement.returning(*_TABLE.c))).mappings().one_or_none()
        return None if row is None else _profile(row)

    async def replace(self, profile: QuirkProfileRecord, at: datetime) -> None:
        """Store a profile in the place of that of its name."""
        await self.connection.execute(
            update(_TABLE)
            .where(_TABLE.c.tenant_id == self.tenant_id, _TABLE.c.name == profile.name)
            .values(updated_at=at, **_columns(profile))
        )

    async def delete(self, name: str) -> bool:
        """Delete a profile. False: the tenant has none of this name."""
        statement = delete(_TABLE).where(_TABLE.c.tenant_id == self.tenant_id, _TABLE.c.name == name)
        return (await self.connection.execute(statement.returning(_TABLE.c.name))).one_or_none() is not None


def _columns(profile: QuirkProfileRecord) -> dict[str, Any]:
    return {
        "vendor": profile.vendor,
        "model": profile.model,
        "firmware": profile.firmware,
        "note": clean_optional(profile.note),
        "habits": profile.habits.model_dump(mode="json", exclude_none=True),
    }


def _profile(row: Row | Any) -> QuirkProfileRecord:
    habits = row["habits"]
    return QuirkProfileRecord(
        name=row["name"],
        vendor=row["vendor"],
        model=row["model"],
        firmware=row["firmware"],
        note=row["note"],
        # A unit of work returns JSON as values, a prepared statement as text.
        habits=_read(habits) if isinstance(habits, str) else readable_habits(habits),
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


@lru_cache(maxsize=2048)
def _read(text: str) -> StatedHabits:
    """Read stored habits. Kept, because all profiles of a tenant are read at each login and boot.

    The largest 200 profiles of a tenant take 15 ms of the event loop.
    """
    return readable_habits(orjson.loads(text))
