"""The use cases of bringing charge points along: many rows, or one with its AuthorizationKey."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

from app.audit.records import NewAuditEntry
from app.audit.store import AuditStore
from app.charge_points.credentials import Credentials, KeyForm, imported_key
from app.charge_points.records import ChargePointFilter, ChargePointRecord
from app.charge_points.rules import RowPlan, needs_login, planned_row, require_room, require_strong
from app.charge_points.service import ChargePointService, existing_charge_point
from app.charge_points.store import ChargePointStore
from app.database.unit_of_work import TenantWork
from app.errors import Conflict, InvalidInput
from app.ocpp.v16 import RegistrationStatus
from app.row_results import (
    GivenRow,
    ImportMode,
    RowResult,
    RowState,
    in_portions,
    refused_by_mode,
    result_of,
    without_faulty,
)
from app.tenants.service import TenantService
from app.types import TenantId

_EXPORTED_AT_ONCE: Final = 500
_LABEL_COLUMNS_LIMIT: Final = 500


class _Stored(NamedTuple):
    """The result of a portion of rows: who must log in again, and whose registration changed."""

    results: list[RowResult]
    evicted: list[str]
    registrations: list[ChargePointRecord]


@dataclass(frozen=True, slots=True)
class FleetImport:
    """Imports and exports of charge points."""

    charge_points: ChargePointService
    tenants: TenantService
    credentials: Credentials

    async def put_rows(
        self, tenant_id: TenantId, rows: Iterator[GivenRow], mode: ImportMode, actor: str
    ) -> list[RowResult]:
        """Store each row that can be stored; return what became of all. The same rows again change nothing.

        A charge point that is new and has no key cannot log in until it gets a credential.

        actor: who does it, for the audit.

        Raises:
            StoreUnavailable: the database does not answer. Earlier rows may be stored.
        """
        default = (await self.tenants.own(tenant_id)).default_registration
        seen: set[str] = set()
        results: list[RowResult] = []
        for portion in in_portions(rows):
            good, refused = without_faulty(portion, seen, str, "/identity")
            async with self.charge_points.database.tenant(tenant_id) as work:
                stored = await self._put(work, good, mode, default, actor)
            results += [*refused, *stored.results]
            await self.charge_points.evict(tenant_id, stored.evicted)
            for record in stored.registrations:
                await self.charge_points.tell_registration(tenant_id, record)
        return results

    async def put(
        self,
        tenant_id: TenantId,
        identity: str,
        values: Mapping[str, Any],
        compare: Callable[[ChargePointRecord | None], None],
        actor: str,
    ) -> tuple[ChargePointRecord, bool]:
        """Create a charge point, or replace all that an operator sets of it. Return it, and if it is new.

        Args:
            tenant_id: Its tenant.
            identity: Its name in OCPP.
            values: The given fields of a row; others get their defaults, but the credential stays.
            compare: Called with the locked record, None if there is none; what it raises cancels the change.
            actor: Who does it, for the audit.

        Raises:
            InvalidInput: the key is malformed or too weak, or the tenant has its most charge points already.
        """
        default = (await self.tenants.own(tenant_id)).default_registration
        async with self.charge_points.database.tenant(tenant_id) as work:
            known = await ChargePointStore(work).get(identity, to_change=True)
            compare(known)
            if known is None:
                require_room(
                    await ChargePointStore(work).count_to_add(), self.charge_points.charge_points_limit
                )
            removed = {} if known is None else dict.fromkeys(known.labels)
            defaults = {
                "name": None,
                "registration_status": default,
                "heartbeat_interval_s": None,
                "no_credential": False,
                "allow_weak_credential": False,
            }
            given = {**defaults, **values, "labels": {**removed, **values.get("labels", {})}}
            if given["registration_status"] is None:
                given["registration_status"] = default
            plan = planned_row(identity, given, known, default)
            new_hash = self._new_hash(given, plan, known)
            await AuditStore(work).add(*self._entries(work.tenant_id, known, plan, new_hash, actor))
            if known is None or plan.changes:
                await ChargePointStore(work).put_many([self._row(plan, known, new_hash)])
            if known is not None and new_hash is not None:
                await ChargePointStore(work).set_credential(known.id, new_hash)
            evicted = [identity] if _is_to_log_in(known, plan, new_hash) else []
            record = await existing_charge_point(work, identity)
            if known is None or known.labels != record.labels:
                await self.charge_points.tell_labels(work, [record.id])
        await self.charge_points.evict(tenant_id, evicted)
        if known is not None and known.registration_status != record.registration_status:
            await self.charge_points.tell_registration(tenant_id, record)
        return record, known is None

    async def import_credential(
        self, tenant_id: TenantId, identity: str, text: str, form: KeyForm, actor: str
    ) -> None:
        """Make an existing AuthorizationKey the credential of a charge point. actor: who, for the audit.

        Its connection is closed, unless the key is the credential already.

        Raises:
            NotFound: the tenant has no charge point of this identity.
            InvalidInput: the key is malformed, or is weak and weak ones are not allowed here.
        """
        key = imported_key(text, form)
        async with self.charge_points.database.tenant(tenant_id) as work:
            known = await existing_charge_point(work, identity, to_change=True)
            require_strong(key, is_weak_allowed=known.allow_weak_credential)
            if self.credentials.matches(key, known.credential_hash):
                return
            await ChargePointStore(work).set_credential(known.id, self.credentials.hash(key))
            entry = self.charge_points.entry(tenant_id, actor, "import_credential", identity)
            await AuditStore(work).add(entry)
        await self.charge_points.evict(tenant_id, [identity])

    async def label_keys(self, tenant_id: TenantId) -> list[str]:
        """Return the keys of all labels in use, for the columns of a spreadsheet.

        Raises:
            Conflict: they are too many for columns.
        """
        async with self.charge_points.database.tenant(tenant_id) as work:
            keys = await ChargePointStore(work).label_keys(_LABEL_COLUMNS_LIMIT + 1)
        if len(keys) > _LABEL_COLUMNS_LIMIT:
            raise Conflict(f"More than {_LABEL_COLUMNS_LIMIT} keys of labels are in use: ask for JSON.")
        return keys

    async def all_pages(self, tenant_id: TenantId) -> AsyncIterator[list[ChargePointRecord]]:
        """Yield all charge points, some at a time, in the order of their identity."""
        after: str | None = None
        while True:
            async with self.charge_points.database.tenant(tenant_id) as work:
                page = await ChargePointStore(work).page(_EXPORTED_AT_ONCE, after, ChargePointFilter())
            if not page:
                return
            yield page
            after = page[-1].identity

    async def _put(
        self,
        work: TenantWork,
        rows: list[GivenRow],
        mode: ImportMode,
        default: RegistrationStatus,
        actor: str,
    ) -> _Stored:
        store = ChargePointStore(work)
        known_ones = await store.find_many([row.key or "" for row in rows])
        count = await store.count_to_add() if len(known_ones) < len(rows) else 0
        stored = _Stored([], [], [])
        changed: list[Mapping[str, Any]] = []
        labelled: list[str] = []
        new_keys: list[tuple[int, bytes]] = []
        entries: list[NewAuditEntry] = []
        for row in rows:
            identity = row.key or ""
            known = known_ones.get(identity)
            refused = refused_by_mode(row, mode, "/identity", is_known=known is not None)
            if refused is not None:
                stored.results.append(refused)
                continue
            try:
                if known is None:
                    require_room(count, self.charge_points.charge_points_limit)
                plan = planned_row(identity, row.values, known, default)
                new_hash = self._new_hash(row.values, plan, known)
            except InvalidInput as error:
                stored.results.append(result_of(row, error))
                continue
            count += known is None
            if known is None or plan.changes:
                changed.append(self._row(plan, known, new_hash))
            if known is None or "labels" in plan.changes:
                labelled.append(identity)
            if known is not None and new_hash is not None:
                new_keys.append((known.id, new_hash))
            entries += self._entries(work.tenant_id, known, plan, new_hash, actor)
            if _is_to_log_in(known, plan, new_hash):
                stored.evicted.append(identity)
            if known is not None and "registration_status" in plan.changes:
                status = plan.columns["registration_status"]
                stored.registrations.append(replace(known, registration_status=status))
            is_changed = bool(plan.changes) or new_hash is not None
            state: RowState = "created" if known is None else "updated" if is_changed else "unchanged"
            stored.results.append(RowResult(row.place, identity, state))
        await store.put_many(changed)
        for charge_point_id, new_hash in new_keys:
            await store.set_credential(charge_point_id, new_hash)
        await AuditStore(work).add(*entries)
        if labelled:
            found = await store.find_many(labelled)
            await self.charge_points.tell_labels(work, [record.id for record in found.values()])
        return stored

    def _entries(
        self,
        tenant_id: TenantId,
        known: ChargePointRecord | None,
        plan: RowPlan,
        new_hash: bytes | None,
        actor: str,
    ) -> Iterator[NewAuditEntry]:
        """Yield what the audit tells of a row: another key, or another rule about having one."""
        identity, allowed = plan.columns["identity"], bool(plan.columns["no_credential"])
        if known is not None and new_hash is not None:
            yield self.charge_points.entry(tenant_id, actor, "import_credential", identity)
        if allowed != (known is not None and known.no_credential):
            yield self.charge_points.entry(
                tenant_id, actor, "set_no_credential", identity, no_credential=allowed
            )

    def _new_hash(
        self, values: Mapping[str, Any], plan: RowPlan, known: ChargePointRecord | None
    ) -> bytes | None:
        """Return the hash of the key of a row; None: it has none, or the charge point has this key already.

        Raises:
            InvalidInput: the key is malformed or too weak.
        """
        text: str | None = values.get("authorization_key")
        if text is None:
            return None
        key = imported_key(text, values.get("authorization_key_form") or "auto")
        require_strong(key, is_weak_allowed=plan.columns["allow_weak_credential"])
        if known is not None and self.credentials.matches(key, known.credential_hash):
            return None
        return self.credentials.hash(key)

    def _row(
        self, plan: RowPlan, known: ChargePointRecord | None, new_hash: bytes | None
    ) -> Mapping[str, Any]:
        return {**plan.columns, "credential_hash": new_hash if known is None else known.credential_hash}


def _is_to_log_in(known: ChargePointRecord | None, plan: RowPlan, new_hash: bytes | None) -> bool:
    """Tell whether a charge point must log in again after a row: by a new key, or with a key at all."""
    return known is not None and (new_hash is not None or needs_login(known, plan.columns["no_credential"]))
