"""The choice of id tags by group or name, for lists of them. Reads go through the store's connection."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import text

from app.database.unit_of_work import TenantWork
from app.id_tags.records import IdTagRecord
from app.id_tags.rules import fold_id_tag

_SELECT: Final = text(
    """
    select tag.tenant_id, tag.id_tag, tag.id_tag_key, tag.status, tag.expires_at, tag.parent_id_tag,
        tag.max_active_transactions, tag.note, tag.created_at, tag.updated_at, tag.charge_point_ids,
        parent.status as parent_status, parent.expires_at as parent_expires_at
    from id_tags as tag
    left join id_tags as parent on parent.tenant_id = tag.tenant_id
        and parent.id_tag_key = lower(tag.parent_id_tag) and parent.id_tag_key <> tag.id_tag_key
    where tag.tenant_id = :tenant_id
        and (:all_id_tags or tag.id_tag_key = any(:keys) or lower(tag.parent_id_tag) = any(:groups))
        -- The name of a group charges nothing, so no charge point needs it.
        and (lower(tag.parent_id_tag) = tag.id_tag_key or not exists (
            select from id_tags as child
            where child.tenant_id = tag.tenant_id and lower(child.parent_id_tag) = tag.id_tag_key
                and child.id_tag_key <> tag.id_tag_key
        ))
    order by tag.id_tag_key
    limit :limit
    """
)


async def select_id_tags(
    work: TenantWork, *, all_id_tags: bool, groups: Sequence[str], id_tags: Sequence[str], limit: int
) -> list[IdTagRecord]:
    """Return the tags of a tenant that are in one of the groups, or named, or all; without names of groups.

    They come in the order of their folded form, at most `limit`.
    """
    values: dict[str, Any] = {
        "tenant_id": work.tenant_id,
        "all_id_tags": all_id_tags,
        "keys": [fold_id_tag(id_tag) for id_tag in id_tags],
        "groups": [fold_id_tag(group) for group in groups],
        "limit": limit,
    }
    rows = (await work.connection.execute(_SELECT, values)).mappings()
    return [IdTagRecord(**{**row, "charge_point_ids": _tuple(row["charge_point_ids"])}) for row in rows]


def _tuple(ids: Sequence[int] | None) -> tuple[int, ...] | None:
    return None if ids is None else tuple(ids)
