"""Use cases of id tags: manage them, and tell whether one may charge."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from app.database.database import Database
from app.database.text import clean_text
from app.errors import NotFound
from app.id_tags.records import IdTagFilter, IdTagRecord, NewIdTag
from app.id_tags.rules import id_tag_info, trim_id_tag
from app.id_tags.store import IdTagStore
from app.types import Json, TenantId


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
        """
        new = replace(new, id_tag=trim_id_tag(new.id_tag))
        async with self.database.tenant(tenant_id) as work:
            return await IdTagStore(work).create(new)

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
        """
        async with self.database.tenant(tenant_id) as work:
            record = _found(await IdTagStore(work).get(id_tag, to_change=True))
            compare(record)
            if changes:
                record = await IdTagStore(work).update(id_tag, **changes) or record
        return record

    async def delete(self, tenant_id: TenantId, id_tag: str) -> None:
        """Delete a tag; its transactions stay.

        Raises:
            NotFound: the tenant has no such tag.
        """
        async with self.database.tenant(tenant_id) as work:
            if not await IdTagStore(work).delete(id_tag):
                raise _not_found()

    async def authorize(self, tenant_id: TenantId, id_tag: str, at: datetime) -> Json:
        """Return the `idTagInfo` of a tag that a charge point asks for, whatever text it names.

        The answer is advice: what counts is decided when a transaction starts.
        """
        async with self.database.tenant(tenant_id) as work:
            tag = await IdTagStore(work).get(clean_text(id_tag))
        return id_tag_info(tag, at)


def _found(tag: IdTagRecord | None) -> IdTagRecord:
    if tag is None:
        raise _not_found()
    return tag


def _not_found() -> NotFound:
    return NotFound("There is no such id tag.", "id_tag")
