"""Id tags in the ledger: read many at once, inside the batch's transaction."""

from collections.abc import Sequence

from app.id_tags.records import IdTagRecord
from app.transactions.store.meter_values import Connection
from app.transactions.store.statements import FIND_ID_TAGS

TagKey = tuple[int, str]
"""Tenant and folded id tag."""


async def find_id_tags(connection: Connection, keys: Sequence[TagKey]) -> dict[TagKey, IdTagRecord]:
    """Return the known ones of some tags."""
    if not keys:
        return {}
    rows = await connection.fetch(FIND_ID_TAGS, *zip(*keys, strict=True))
    return {(row["tenant_id"], row["id_tag_key"]): IdTagRecord(*row.values()) for row in rows}
