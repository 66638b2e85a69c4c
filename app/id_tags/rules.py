"""Decide what an id tag may do. Authorize and the ledger ask the same function (OCPP 1.6 4.1)."""

import re
from datetime import datetime
from hashlib import blake2b
from typing import Final

from app.clock import utc_text
from app.id_tags.records import Active, IdTagKey, IdTagRecord, Presented, TagLimits
from app.types import Json

_PADDING = " \t\r\n\0\ufffd"
"""The characters that readers put behind a tag. The database keeps a NUL as U+FFFD."""

_EMAID: Final = re.compile(r"[a-z]{2}-?[a-z0-9]{3}-?[a-z0-9]{9}(-?[a-z0-9])?", re.ASCII)
"""Country, provider, instance, and perhaps a check digit (ISO 15118-2, annex H)."""
_EMAID_LENGTHS: Final = range(14, 19)

_LONGEST_KEY: Final = 255
"""A longer tag is compared by its beginning and a hash of the whole: no index holds it."""


def trim_id_tag(id_tag: str) -> str:
    """Return a tag without the blanks and NULs that some readers put behind it."""
    return id_tag.rstrip(_PADDING)


def fold_id_tag(id_tag: str) -> str:
    """Return the form in which id tags are compared: they are case-insensitive (OCPP 1.6 7.28).

    The hyphens of an eMAID count for nothing: DE-8AA-CA2B3C4D5-N is DE8AACA2B3C4D5N (ISO 15118-1).
    """
    folded = trim_id_tag(id_tag).lower()
    if len(folded) in _EMAID_LENGTHS and "-" in folded and _EMAID.fullmatch(folded):
        return folded.replace("-", "")
    if len(folded) <= _LONGEST_KEY:
        return folded
    digest = blake2b(folded.encode(), digest_size=32).hexdigest()
    return folded[: _LONGEST_KEY - len(digest)] + digest


def limits_of(tag: IdTagRecord | None) -> TagLimits:
    """Return how many transactions may run on a tag, and on its group. tag None: it is unknown."""
    if tag is None:
        return TagLimits()
    group = group_key(tag.tenant_id, tag.parent_id_tag)
    return TagLimits(tag.max_active_transactions, group, None if group is None else tag.group_limit)


def group_key(tenant_id: int, parent_id_tag: str | None) -> IdTagKey | None:
    """Return the key of a group, None: there is none."""
    return None if parent_id_tag is None else IdTagKey(tenant_id, fold_id_tag(parent_id_tag))


def with_limits(info: Json, limits: TagLimits, active: Active) -> Json:
    """Return an `idTagInfo` for the start of a transaction: ConcurrentTx if too many run already."""
    exceeded = (limits.of_tag is not None and active.on_tag >= limits.of_tag) or (
        limits.of_group is not None and active.in_group >= limits.of_group
    )
    return {**info, "status": "ConcurrentTx"} if exceeded and info["status"] == "Accepted" else info


def may_charge_unknown(presented: Presented) -> bool:
    """Tell whether a tag that is not stored may charge."""
    return presented.unknown_id_tags == "free_charging" or (
        presented.unknown_id_tags == "accept" and presented.id_tag_key != ""
    )


def id_tag_info(
    tag: IdTagRecord | None,
    at: datetime,
    active: Active | None = None,
    presented: Presented | None = None,
) -> Json:
    """Return the `idTagInfo` of a tag, with the standard's names.

    A stored tag is judged by what is stored of it; a policy decides only on tags that are not stored (None).
    A tag that is the name of a group is Invalid, unless it is in that group itself.

    Args:
        tag: The tag as it is stored.
        at: The time at which the tag is presented.
        active: What runs already, when another transaction is about to start. None for a question without a
            start, which is never answered with ConcurrentTx (OCPP 1.6 7.2).
        presented: Where it is presented; None: nowhere in particular, so that no unknown tag may charge.
    """
    if tag is None:
        return {
            "status": "Accepted" if presented is not None and may_charge_unknown(presented) else "Invalid"
        }
    if tag.is_group and limits_of(tag).group != IdTagKey(tag.tenant_id, tag.id_tag_key):
        # Each charge point is told this name in answers, so everybody who reads it there could charge.
        return {"status": "Invalid"}
    info: Json = {"status": tag.status}
    if tag.expires_at is not None:
        info["expiryDate"] = utc_text(tag.expires_at)
    if tag.parent_id_tag is not None:
        info["parentIdTag"] = tag.parent_id_tag
    if tag.status != "Accepted":
        return info
    if _has_expired(tag.expires_at, at) or _has_expired(tag.parent_expires_at, at):
        info["status"] = "Expired"
    elif tag.parent_status not in (None, "Accepted"):
        info["status"] = tag.parent_status
    elif not _is_permitted(tag, presented):
        info["status"] = "Blocked"
    return info if active is None else with_limits(info, limits_of(tag), active)


def _has_expired(expires_at: datetime | None, at: datetime) -> bool:
    return expires_at is not None and expires_at <= at


def _is_permitted(tag: IdTagRecord, presented: Presented | None) -> bool:
    """Tell whether a tag may charge at the charge point (OCPP 1.6 7.2, Blocked: not allowed for charging)."""
    if tag.charge_point_ids is None or presented is None:
        return True
    return presented.charge_point_id in tag.charge_point_ids
