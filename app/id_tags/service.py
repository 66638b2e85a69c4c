"""Use cases of id tags: manage them, and tell whether one may charge."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from app.database.database import Database
from app.database.prepared import Prepared
from app.database.text import clean_text
from app.database.unit_of_work import TenantWork
from app.errors import FieldViolation, InvalidInput, NoSuchChargePoint, NotFound
from app.id_tags.records import (
    AuthorizationPolicyRecord,
    ChargePointPolicyRecord,
    IdTagFilter,
    IdTagRecord,
    ImportCounts,
    NewIdTag,
    Presented,
    UnknownTagPolicy,
)
from app.id_tags.rules import fold_id_tag, id_tag_info, trim_id_tag
from app.id_tags.store import AuthorizationPolicyStore, IdTagStore, find_presented
from app.row_results import (
    GivenRow,
    ImportMode,
    RowResult,
    RowState,
    in_portions,
    refused_by_mode,
    row_error,
    without_faulty,
)
from app.types import ChargePointId, Json, TenantId

_PAGE: Final = 1000
_FAULTS: Final = 50
"""The faults of an import that are listed."""
_SET_BY_OPERATORS: Final = (
    "status",
    "expires_at",
    "parent_id_tag",
    "max_active_transactions",
    "max_active_transactions_of_group",
    "note",
)
"""The columns that an operator sets, but for the charge points."""


@dataclass(frozen=True, slots=True)
class IdTagService:
    """The use cases of id tags."""

    database: Database

    async def page(
        self, tenant_id: TenantId, limit: int, after: str | None, filters: IdTagFilter
    ) -> list[IdTagRecord]:
        """Return tags in the order of their folded form. after: `id_tag_key` of the last one seen."""
        async with self.database.tenant(tenant_id) as work:
            return await IdTagStore(work).page(limit, after, filters)

    async def create(self, tenant_id: TenantId, new: NewIdTag) -> IdTagRecord:
        """Create a tag.

        Raises:
            Conflict: the tenant has this tag, perhaps in another case.
            InvalidInput: one of its charge points does not exist.
        """
        new = replace(new, id_tag=trim_id_tag(new.id_tag), parent_id_tag=_trimmed(new.parent_id_tag))
        async with self.database.tenant(tenant_id) as work:
            places = await _places(work, new.charge_points)
            return await IdTagStore(work).create(new, places)

    async def get(self, tenant_id: TenantId, id_tag: str) -> IdTagRecord:
        """Return one tag.

        Raises:
            NotFound: the tenant has no such tag.
        """
        async with self.database.tenant(tenant_id) as work:
            return _found(await IdTagStore(work).get(id_tag))

    async def change(
        self,
        tenant_id: TenantId,
        id_tag: str,
        changes: Mapping[str, Any],
        compare: Callable[[IdTagRecord], None],
    ) -> IdTagRecord:
        """Change what an operator sets of a tag.

        Args:
            compare: Called with the locked record before it changes; what it raises cancels the change.

        Raises:
            NotFound: the tenant has no such tag.
            InvalidInput: one of its charge points does not exist.
        """
        async with self.database.tenant(tenant_id) as work:
            record = _found(await IdTagStore(work).get(id_tag, to_change=True))
            compare(record)
            columns = dict(changes)
            if "charge_points" in columns:
                columns["charge_point_ids"] = await _places(work, columns.pop("charge_points"))
            if "parent_id_tag" in columns:
                columns["parent_id_tag"] = _trimmed(columns["parent_id_tag"])
            if columns:
                record = await IdTagStore(work).update(id_tag, **columns) or record
        return record

    async def delete(self, tenant_id: TenantId, id_tag: str) -> None:
        """Delete a tag; its transactions stay.

        Raises:
            NotFound: the tenant has no such tag.
        """
        async with self.database.tenant(tenant_id) as work:
            if not await IdTagStore(work).delete(id_tag):
                raise _not_found()

    async def all_pages(self, tenant_id: TenantId) -> AsyncIterator[list[IdTagRecord]]:
        """Yield all tags, some at a time, in the order of their folded form."""
        after: str | None = None
        while page := await self.page(tenant_id, _PAGE, after, IdTagFilter()):
            yield page
            after = page[-1].id_tag_key

    async def put_all(self, tenant_id: TenantId, tags: Sequence[Mapping[str, Any]]) -> ImportCounts:
        """Store tags, all of them or none.

        Args:
            tags: The given fields of each, as in `NewIdTag`; of a known tag the others stay as they are.

        Raises:
            InvalidInput: a tag is given twice, or a charge point does not exist.
        """
        keys = [fold_id_tag(tag["id_tag"]) for tag in tags]
        _refuse_repetitions(keys)
        async with self.database.tenant(tenant_id) as work:
            store = IdTagStore(work)
            places = await _places_of_all(store, tags)
            known = await store.find_many(keys)
            rows = [_merged(tag, known.get(key), places) for tag, key in zip(tags, keys, strict=True)]
            await store.put_many(rows)
        return ImportCounts(len(keys) - len(known), len(known))

    async def put_rows(
        self, tenant_id: TenantId, rows: Iterator[GivenRow], mode: ImportMode
    ) -> list[RowResult]:
        """Store each tag that can be stored; return what became of all. The same rows again change nothing.

        Raises:
            StoreUnavailable: the database does not answer. Earlier rows may be stored.
        """
        seen: set[str] = set()
        results: list[RowResult] = []
        for portion in in_portions(rows):
            good, refused = without_faulty(portion, seen, fold_id_tag, "/id_tag")
            async with self.database.tenant(tenant_id) as work:
                results += [*refused, *await _put_portion(IdTagStore(work), good, mode)]
        return results

    async def replace(
        self, tenant_id: TenantId, new: NewIdTag, compare: Callable[[IdTagRecord | None], None]
    ) -> tuple[IdTagRecord, bool]:
        """Create a tag, or replace all that an operator sets of it. Return it, and whether it is new.

        Args:
            tenant_id: Its tenant.
            new: The tag. A known one keeps the case that it was created with.
            compare: Called with the locked record, None if there is none; what it raises cancels the change.

        Raises:
            InvalidInput: one of its charge points does not exist.
        """
        async with self.database.tenant(tenant_id) as work:
            store = IdTagStore(work)
            known = await store.get(new.id_tag, to_change=True)
            compare(known)
            places = await _places(work, new.charge_points)
            columns = {name: getattr(new, name) for name in _SET_BY_OPERATORS}
            columns["parent_id_tag"] = _trimmed(new.parent_id_tag)
            id_tag = trim_id_tag(new.id_tag) if known is None else known.id_tag
            row = {"id_tag": id_tag, **columns, "charge_point_ids": places}
            if known is None or not _is_same(row, known):
                await store.put_many([row])
            return _found(await store.get(new.id_tag)), known is None


@dataclass(frozen=True, slots=True)
class Authorizer:
    """Tells charge points which tags may charge, by one statement each."""

    steps: Prepared

    async def authorize(
        self, tenant_id: TenantId, charge_point_id: ChargePointId, id_tag: str, at: datetime
    ) -> Json:
        """Return the `idTagInfo` of a tag that a charge point asks for, whatever text it names.

        The answer is advice: what counts is decided when a transaction starts.
        """
        tag, presented = await self.find(tenant_id, charge_point_id, id_tag)
        return id_tag_info(tag, at, presented=presented)

    async def find(
        self, tenant_id: TenantId, charge_point_id: ChargePointId, id_tag: str
    ) -> tuple[IdTagRecord | None, Presented]:
        """Return a tag as it is stored, None: it is not, and what else counts at the charge point."""
        key = fold_id_tag(clean_text(id_tag))
        tag, unknown_id_tags = await find_presented(self.steps, tenant_id, charge_point_id, key)
        return tag, Presented(charge_point_id, key, unknown_id_tags)


@dataclass(frozen=True, slots=True)
class AuthorizationPolicyService:
    """The use cases of policies about tags: of a tenant, and of its charge points."""

    database: Database

    async def get(self, tenant_id: TenantId) -> AuthorizationPolicyRecord:
        """Return the policy of a tenant."""
        async with self.database.tenant(tenant_id) as work:
            return await AuthorizationPolicyStore(work).get()

    async def change(self, tenant_id: TenantId, changes: Mapping[str, Any]) -> AuthorizationPolicyRecord:
        """Change the policy of a tenant, and return it."""
        async with self.database.tenant(tenant_id) as work:
            policy = replace(await AuthorizationPolicyStore(work).get(), **changes)
            await AuthorizationPolicyStore(work).put(policy)
        return policy

    async def own_policy(self, tenant_id: TenantId, identity: str) -> ChargePointPolicyRecord:
        """Return the policy that holds at a charge point.

        Raises:
            NotFound: the tenant has no such charge point.
        """
        async with self.database.tenant(tenant_id) as work:
            return await AuthorizationPolicyStore(work).own_policy(await _place(work, identity))

    async def set_own(
        self, tenant_id: TenantId, identity: str, unknown_id_tags: UnknownTagPolicy | None
    ) -> ChargePointPolicyRecord:
        """Set the policy of a charge point; None: as its tenant decides.

        Raises:
            NotFound: the tenant has no such charge point.
        """
        async with self.database.tenant(tenant_id) as work:
            charge_point_id = await _place(work, identity)
            await AuthorizationPolicyStore(work).put_own(charge_point_id, unknown_id_tags)
            return await AuthorizationPolicyStore(work).own_policy(charge_point_id)


async def _place(work: TenantWork, identity: str) -> int:
    found = await IdTagStore(work).charge_points([identity])
    if identity not in found:
        raise NoSuchChargePoint(identity)
    return found[identity]


async def _places(work: TenantWork, identities: Sequence[str] | None) -> list[int] | None:
    """Return the ids of charge points; None: no charge points are named, so every one is meant."""
    if identities is None:
        return None
    found = await IdTagStore(work).charge_points(identities)
    unknown = [
        FieldViolation(f"/charge_points/{place}", "unknown_charge_point", "there is no such charge point")
        for place, identity in enumerate(identities)
        if identity not in found
    ]
    if unknown:
        raise InvalidInput(unknown)
    return sorted(found.values())


async def _places_of_all(store: IdTagStore, tags: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Return the ids of all charge points that tags name."""
    named = {identity for tag in tags for identity in tag.get("charge_points") or ()}
    found = await store.charge_points(named)
    unknown = [
        FieldViolation(f"/{place}/charge_points", "unknown_charge_point", "there is no such charge point")
        for place, tag in enumerate(tags)
        if not found.keys() >= set(tag.get("charge_points") or ())
    ]
    if unknown:
        raise InvalidInput(unknown[:_FAULTS])
    return found


async def _put_portion(store: IdTagStore, rows: Sequence[GivenRow], mode: ImportMode) -> list[RowResult]:
    """Store some rows, and return what became of each. No two may have one folded form."""
    results: list[RowResult] = []
    changed: list[Mapping[str, Any]] = []
    named = {identity for row in rows for identity in row.values.get("charge_points") or ()}
    places = await store.charge_points(named)
    known_ones = await store.find_many([row.key or "" for row in rows])
    for row in rows:
        known = known_ones.get(fold_id_tag(row.key or ""))
        refused = refused_by_mode(row, mode, "/id_tag", is_known=known is not None)
        if refused is None and not places.keys() >= set(row.values.get("charge_points") or ()):
            refused = row_error(
                row, "/charge_points", "unknown_charge_point", "there is no such charge point"
            )
        if refused is not None:
            results.append(refused)
            continue
        columns = _merged(row.values, known, places)
        state: RowState = "created"
        if known is not None:
            # The case of a known tag stays, so that the same row again changes nothing.
            columns["id_tag"] = known.id_tag
            state = "unchanged" if _is_same(columns, known) else "updated"
        if state != "unchanged":
            changed.append(columns)
        results.append(RowResult(row.place, row.key, state))
    await store.put_many(changed)
    return results


def _is_same(columns: Mapping[str, Any], known: IdTagRecord) -> bool:
    stored = None if known.charge_point_ids is None else sorted(known.charge_point_ids)
    given = columns["charge_point_ids"]
    places = None if given is None else sorted(given)
    return places == stored and all(columns[name] == getattr(known, name) for name in _SET_BY_OPERATORS)


def _refuse_repetitions(keys: Sequence[str]) -> None:
    seen: set[str] = set()
    repeated: list[FieldViolation] = []
    for place, key in enumerate(keys):
        if key in seen:
            repeated.append(FieldViolation(f"/{place}/id_tag", "duplicate", "the tag is given before"))
        seen.add(key)
    if repeated:
        raise InvalidInput(repeated[:_FAULTS])


def _merged(tag: Mapping[str, Any], known: IdTagRecord | None, places: Mapping[str, int]) -> dict[str, Any]:
    """Return all columns of a tag: the given ones, else those that are stored, else those of a new tag."""
    base = NewIdTag(tag["id_tag"]) if known is None else known
    columns: dict[str, Any] = {name: tag.get(name, getattr(base, name)) for name in _SET_BY_OPERATORS}
    columns["charge_point_ids"] = None if known is None else known.charge_point_ids
    if "charge_points" in tag:
        named = tag["charge_points"]
        columns["charge_point_ids"] = None if named is None else sorted({places[name] for name in named})
    columns["parent_id_tag"] = _trimmed(columns["parent_id_tag"])
    return {"id_tag": trim_id_tag(tag["id_tag"]), **columns}


def _trimmed(id_tag: str | None) -> str | None:
    return None if id_tag is None else trim_id_tag(id_tag)


def _found(tag: IdTagRecord | None) -> IdTagRecord:
    if tag is None:
        raise _not_found()
    return tag


def _not_found() -> NotFound:
    return NotFound("There is no such id tag.", "id_tag")
