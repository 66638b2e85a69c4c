"""Use cases of local authorization lists: manage them, and show what charge points have of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from app.acting import note_audited
from app.audit.records import Act, NewAuditEntry
from app.audit.store import AuditStore
from app.charge_points.records import ChargePointFilter, ChargePointRecord
from app.charge_points.service import existing_charge_point
from app.charge_points.store import ChargePointStore
from app.clock import Clock
from app.database.database import Database
from app.database.unit_of_work import TenantWork
from app.errors import Conflict, FieldViolation, InvalidInput, NotFound
from app.id_tags.rules import fold_id_tag
from app.id_tags.selection import select_id_tags
from app.local_lists.records import (
    Believed,
    ListOverview,
    ListStateRecord,
    LocalListRecord,
    NewLocalList,
)
from app.local_lists.rules import (
    LONGEST_TAG,
    TooLong,
    differences,
    final_version,
    plan,
    state_of,
)
from app.local_lists.store import ListStateStore, LocalListStore
from app.local_lists.synchronizer import desired_for, limits_of, wake_targets
from app.settings import Settings
from app.types import Json, TenantId

LISTS_LIMIT: Final = 100
"""Most lists of a tenant."""
_FAULTS: Final = 50
"""The faults of a request that are listed."""
_SHOWN_DIFFERENCES: Final = 200


@dataclass(frozen=True, slots=True)
class LocalListService:
    """The use cases of local authorization lists."""

    database: Database
    clock: Clock
    settings: Settings

    async def all(self, tenant_id: TenantId) -> list[LocalListRecord]:
        """Return the lists of a tenant by name."""
        async with self.database.tenant(tenant_id) as work:
            return await LocalListStore(work).all()

    async def get(self, tenant_id: TenantId, name: str) -> LocalListRecord:
        """Return one list.

        Raises:
            NotFound: the tenant has none of this name.
        """
        async with self.database.tenant(tenant_id) as work:
            return _found(await LocalListStore(work).get(name))

    async def create(self, tenant_id: TenantId, new: NewLocalList, actor: str) -> LocalListRecord:
        """Store a list, and let its charge points be brought in step.

        Raises:
            Conflict: the tenant has one of this name, or has too many.
            InvalidInput: a named tag or charge point does not exist, or no command can carry a tag.
        """
        now = self.clock.now()
        async with self.database.tenant(tenant_id) as work:
            store = LocalListStore(work)
            await store.lock_tenant()
            if len(await store.all()) >= LISTS_LIMIT:
                raise Conflict(f"A tenant has at most {LISTS_LIMIT} local lists.")
            await _require_tags(work, new.id_tags)
            await _require_charge_points(work, new.selector)
            record = LocalListRecord(
                name=new.name,
                note=new.note,
                enabled=new.enabled,
                all_id_tags=new.all_id_tags,
                groups=new.groups,
                id_tags=new.id_tags,
                selector=new.selector,
                created_at=now,
                updated_at=now,
            )
            if not await store.create(record):
                raise Conflict(f"The local list {new.name!r} exists already.", "name")
            await wake_targets(work, record, now)
            await self._audit(work, "create_local_list", f"/v1/local-lists/{new.name}", actor, _told(record))
            return record

    async def change(
        self,
        tenant_id: TenantId,
        name: str,
        changes: Mapping[str, Any],
        actor: str,
        compare: Callable[[LocalListRecord], None],
    ) -> LocalListRecord:
        """Change a list, and let the charge points that had it or have it now be brought in step.

        Args:
            compare: Called with the locked list before it changes; what it raises cancels the change.

        Raises:
            NotFound: the tenant has none of this name.
            InvalidInput: as `create`.
        """
        now = self.clock.now()
        async with self.database.tenant(tenant_id) as work:
            store = LocalListStore(work)
            record = _found(await store.get(name, to_change=True))
            compare(record)
            if not changes:
                note_audited()
                return record
            columns = dict(changes)
            if "id_tags" in columns:
                await _require_tags(work, columns["id_tags"])
            if "selector" in columns:
                await _require_charge_points(work, columns["selector"])
            await wake_targets(work, record, now)
            changed = replace(record, **columns, updated_at=now)
            await store.replace(changed)
            await wake_targets(work, changed, now)
            await self._audit(work, "change_local_list", f"/v1/local-lists/{name}", actor, _told(changed))
            return changed

    async def delete(self, tenant_id: TenantId, name: str, actor: str) -> None:
        """Delete a list. Charge points keep what they have, unless another list is meant for them.

        Raises:
            NotFound: the tenant has none of this name.
        """
        async with self.database.tenant(tenant_id) as work:
            store = LocalListStore(work)
            record = _found(await store.get(name, to_change=True))
            await wake_targets(work, record, self.clock.now())
            await store.delete(name)
            await self._audit(work, "delete_local_list", f"/v1/local-lists/{name}", actor, _told(record))

    async def overview(self, tenant_id: TenantId, identity: str) -> ListOverview:
        """Return the list of a charge point, compared with the one that it should have.

        Raises:
            NotFound: no such charge point.
        """
        async with self.database.tenant(tenant_id) as work:
            charge_point = await existing_charge_point(work, identity)
            state = await ListStateStore(work).get(charge_point.id)
            return await self._overview(
                work, charge_point, state or ListStateRecord(charge_point.id, Believed())
            )

    async def synchronize(self, tenant_id: TenantId, identity: str) -> ListOverview:
        """Let a charge point be asked for its version now, and brought in step, whatever failed before.

        Raises:
            NotFound: no such charge point.
            Conflict: no list is meant for it, or its synchronization is switched off.
        """
        async with self.database.tenant(tenant_id) as work:
            charge_point = await existing_charge_point(work, identity)
            store = ListStateStore(work)
            state = await store.locked(charge_point.id)
            if await desired_for(work, charge_point, self.clock.now()) is None:
                raise Conflict("No local list is meant for this charge point.")
            if not state.sync:
                raise Conflict("The synchronization of this charge point is switched off.", "sync")
            believed = replace(state.believed, supported=True, verify=True, failures=0)
            woken = replace(state, believed=believed, limits_asked_at=None, check_at=self.clock.now())
            await store.put(woken)
            return await self._overview(work, charge_point, woken)

    async def switch(self, tenant_id: TenantId, identity: str, sync: bool, actor: str) -> ListOverview:
        """Switch the synchronization of a charge point on or off.

        Raises:
            NotFound: no such charge point.
        """
        async with self.database.tenant(tenant_id) as work:
            charge_point = await existing_charge_point(work, identity)
            store = ListStateStore(work)
            state = await store.locked(charge_point.id)
            if state.sync != sync:
                state = replace(state, sync=sync, check_at=self.clock.now())
                await store.put(state)
                path = f"/v1/charge-points/{identity}/local-list"
                await self._audit(work, "switch_local_list_sync", path, actor, {"sync": sync})
            else:
                note_audited()
            return await self._overview(work, charge_point, state)

    async def labels_changed(self, work: TenantWork, charge_point_ids: Sequence[int]) -> None:
        """Look at charge points that are new or have other labels: another list may be meant for them."""
        store = LocalListStore(work)
        if await store.select_any():
            await store.wake(charge_point_ids, self.clock.now())

    async def _overview(
        self, work: TenantWork, charge_point: ChargePointRecord, state: ListStateRecord
    ) -> ListOverview:
        believed = state.believed
        desired = await desired_for(work, charge_point, self.clock.now())
        if desired is None:
            shown = state_of(None, believed, sync=state.sync, too_long=False)
            return ListOverview(None, shown, state.sync, None, None, (), (), None, state)
        limits, _ = await limits_of(work, state.charge_point_id, self.settings)
        # What would be sent if the version was known already.
        action = plan(desired.entries, replace(believed, verify=False, doubt=None), limits)
        too_long = action if isinstance(action, TooLong) else None
        reason = None
        if too_long is not None:
            reason = f"the list has {too_long.entries} entries, and the charge point gets {too_long.limit}"
        return ListOverview(
            desired.name,
            state_of(desired.entries, believed, sync=state.sync, too_long=too_long is not None),
            state.sync,
            final_version(action, believed),
            len(desired.entries),
            tuple(differences(desired.entries, believed)[:_SHOWN_DIFFERENCES]),
            desired.left_out[:_SHOWN_DIFFERENCES],
            reason,
            state,
        )

    async def _audit(self, work: TenantWork, act: Act, subject: str, actor: str, details: Json) -> None:
        now = self.clock.now()
        entry = NewAuditEntry(work.tenant_id, now, actor, act, subject, "", details)
        await AuditStore(work).add(entry)


async def _require_tags(work: TenantWork, id_tags: Sequence[str]) -> None:
    """Refuse named tags that do not exist, or that no command can carry.

    Raises:
        InvalidInput: names each of them.
    """
    found = await select_id_tags(work, all_id_tags=False, groups=(), id_tags=id_tags, limit=len(id_tags))
    known = {tag.id_tag_key for tag in found}
    faults = []
    for place, id_tag in enumerate(id_tags):
        if len(id_tag) > LONGEST_TAG:
            detail = f"a charge point takes tags of up to {LONGEST_TAG} characters in a list"
            faults.append(FieldViolation(f"/id_tags/{place}", "too_long", detail))
        elif fold_id_tag(id_tag) not in known:
            faults.append(FieldViolation(f"/id_tags/{place}", "unknown_id_tag", "there is no such id tag"))
    if faults:
        raise InvalidInput(faults[:_FAULTS])


async def _require_charge_points(work: TenantWork, selector: Json | None) -> None:
    """Refuse named charge points that do not exist.

    Raises:
        InvalidInput: names each of them.
    """
    identities = (selector or {}).get("identities") or ()
    named = ChargePointFilter(identities=tuple(identities))
    found = {point.identity for point in await ChargePointStore(work).page(len(identities), None, named)}
    faults = [
        FieldViolation(
            f"/selector/identities/{place}", "unknown_charge_point", "there is no such charge point"
        )
        for place, identity in enumerate(identities)
        if identity not in found
    ]
    if faults:
        raise InvalidInput(faults[:_FAULTS])


def _told(record: LocalListRecord) -> Json:
    return {
        "enabled": record.enabled,
        "all_id_tags": record.all_id_tags,
        "groups": list(record.groups),
        "id_tags": len(record.id_tags),
        "selector": record.selector,
    }


def _found(record: LocalListRecord | None) -> LocalListRecord:
    if record is None:
        raise NotFound("There is no such local list.", "list_name")
    return record
