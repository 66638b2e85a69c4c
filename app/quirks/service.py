"""Use cases of quirks: the habits of a charge point, and the profiles of a tenant."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from app.acting import note_audited
from app.audit.records import Act, NewAuditEntry
from app.audit.store import AuditStore
from app.batcher import Batcher
from app.clock import Clock
from app.database.database import Database
from app.database.prepared import Prepared
from app.database.unit_of_work import TenantReads, TenantRows, TenantWork
from app.errors import Conflict, NotFound
from app.quirks.records import Device, HabitOfProfile, Habits, QuirkProfileRecord
from app.quirks.rules import applied_habits, habits_of, in_force
from app.quirks.shipped import shipped_profiles
from app.quirks.store import QuirkProfileStore, profiles_of, profiles_of_tenants
from app.types import TenantId

PROFILES_LIMIT: Final = 200
"""Most profiles of a tenant: they are read at each login."""
_BATCH: Final = 500


async def profiles_in_force(rows: TenantRows) -> list[QuirkProfileRecord]:
    """Return the profiles that hold for a tenant, in the order in which they are asked."""
    return in_force(await profiles_of(rows), shipped_profiles())


async def current_habits(rows: TenantRows, device: Device) -> Habits:
    """Return the habits of a charge point as its profiles are now."""
    return habits_of(*device, await profiles_in_force(rows))


class _InForce:
    """The profiles of a tenant for one batch of logins. Its charge points are of few kinds."""

    def __init__(self, own: Sequence[QuirkProfileRecord]) -> None:
        self._profiles = in_force(own, shipped_profiles())
        self._known: dict[Device, Habits] = {}

    def habits(self, device: Device) -> Habits:
        """Return the habits of a charge point."""
        if device not in self._known:
            self._known[device] = habits_of(*device, self._profiles)
        return self._known[device]


class QuirkReader:
    """Tells the habits of charge points at their logins and boots. Many logins share one statement."""

    def __init__(self, reads: Prepared) -> None:
        self._reads = reads
        self._batcher: Batcher[TenantId, _InForce] = Batcher(self._read, _BATCH)

    async def habits(self, tenant_id: TenantId, device: Device) -> Habits:
        """Return the habits of a charge point.

        Raises:
            StoreUnavailable: the database is away or too slow.
        """
        return (await self._batcher.add(tenant_id)).habits(device)

    async def _read(self, tenants: list[TenantId]) -> list[_InForce]:
        own = await profiles_of_tenants(self._reads, list(dict.fromkeys(tenants)))
        known = {tenant_id: _InForce(profiles) for tenant_id, profiles in own.items()}
        return [known[tenant_id] for tenant_id in tenants]


@dataclass(frozen=True, slots=True)
class QuirkProfileService:
    """The use cases of quirk profiles."""

    database: Database
    clock: Clock

    async def all(self, tenant_id: TenantId) -> list[QuirkProfileRecord]:
        """Return the profiles of a tenant and the shipped ones that it has not replaced, by name."""
        found = await profiles_in_force(TenantReads(self.database.reads, tenant_id))
        return sorted(found, key=lambda profile: profile.name)

    async def get(self, tenant_id: TenantId, name: str) -> QuirkProfileRecord:
        """Return the profile of this name that holds for the tenant.

        Raises:
            NotFound: there is none.
        """
        for profile in await self.all(tenant_id):
            if profile.name == name:
                return profile
        raise _not_found()

    async def applied(self, tenant_id: TenantId, device: Device) -> list[HabitOfProfile]:
        """Return the habits of a charge point, each with the profile that states it."""
        return applied_habits(device, await profiles_in_force(TenantReads(self.database.reads, tenant_id)))

    async def create(
        self, tenant_id: TenantId, profile: QuirkProfileRecord, actor: str
    ) -> QuirkProfileRecord:
        """Store a profile. One with the name of a shipped profile takes its place.

        Raises:
            Conflict: the tenant has one of this name, or has too many.
        """
        now = self.clock.now()
        async with self.database.tenant(tenant_id) as work:
            store = QuirkProfileStore(work)
            await store.lock_tenant()
            if await store.count() >= PROFILES_LIMIT:
                raise Conflict(f"A tenant has at most {PROFILES_LIMIT} quirk profiles.")
            made = await store.create(profile, now)
            if made is None:
                raise Conflict(f"The quirk profile {profile.name!r} exists already.", "name")
            await self._audit(work, "create_quirk_profile", made, actor)
        return made

    async def change(
        self,
        tenant_id: TenantId,
        name: str,
        changes: Mapping[str, Any],
        actor: str,
        compare: Callable[[QuirkProfileRecord], None],
    ) -> QuirkProfileRecord:
        """Change a profile of the tenant.

        Args:
            compare: Called with the locked profile before it changes; what it raises cancels the change.

        Raises:
            NotFound: the tenant has no profile of this name.
            Conflict: it is shipped, so it cannot be changed.
        """
        async with self.database.tenant(tenant_id) as work:
            store = QuirkProfileStore(work)
            known = await store.get(name, to_change=True)
            if known is None:
                raise _shipped_or_unknown(name)
            compare(known)
            if not changes:
                note_audited()
                return known
            changed = replace(known, **changes, updated_at=self.clock.now())
            await store.replace(changed, self.clock.now())
            await self._audit(work, "change_quirk_profile", changed, actor)
        return changed

    async def delete(self, tenant_id: TenantId, name: str, actor: str) -> None:
        """Delete a profile of the tenant. A shipped one of the same name holds again.

        Raises:
            NotFound: the tenant has no profile of this name.
            Conflict: it is shipped, so it cannot be deleted.
        """
        async with self.database.tenant(tenant_id) as work:
            store = QuirkProfileStore(work)
            known = await store.get(name, to_change=True)
            if known is None or not await store.delete(name):
                raise _shipped_or_unknown(name)
            await self._audit(work, "delete_quirk_profile", known, actor)

    async def _audit(self, work: TenantWork, act: Act, profile: QuirkProfileRecord, actor: str) -> None:
        """Tell who has changed how records are read. The note of the profile is the reason."""
        details = {
            "vendor": profile.vendor,
            "model": profile.model,
            "firmware": profile.firmware,
            "habits": profile.habits.model_dump(mode="json", exclude_none=True),
        }
        subject = f"/v1/quirk-profiles/{profile.name}"
        entry = NewAuditEntry(
            work.tenant_id, self.clock.now(), actor, act, subject, profile.note or "", details
        )
        await AuditStore(work).add(entry)


def _shipped_or_unknown(name: str) -> Conflict | NotFound:
    if any(profile.name == name for profile in shipped_profiles()):
        return Conflict(
            f"The quirk profile {name!r} is shipped with the server and cannot be changed. Create one with "
            "its name to take its place.",
            "profile_name",
        )
    return _not_found()


def _not_found() -> NotFound:
    return NotFound("There is no such quirk profile.", "profile_name")
