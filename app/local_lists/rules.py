"""Decide what to send to a charge point, and what its answers say of its list. Pure functions.

`plan` looks at what the charge point should have, what it is believed to have, and its limits. It returns the
next action; the answer changes the belief, and `plan` is asked again. So nothing depends on how many messages
an update takes, on lost answers or on who else changes the list.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from app.charge_points.records import ChargePointFilter, ChargePointRecord
from app.charge_points.rules import fits
from app.id_tags.records import IdTagRecord, Presented
from app.id_tags.rules import fold_id_tag, id_tag_info
from app.local_lists.records import (
    LARGEST_VERSION,
    Answer,
    Believed,
    DesiredList,
    Difference,
    Entries,
    ListLimits,
    ListState,
    ListUpdate,
    LocalListRecord,
)
from app.types import Json

LONGEST_TAG: Final = 20
"""Characters of an IdToken in a command (OCPP 1.6 7.28)."""
LONGEST_LIST: Final = 20_000
"""Most entries of a list, whatever a charge point says: its entries are compared in memory."""
_LARGEST_MESSAGE: Final = 1000
"""Entries of one message, whatever a charge point says: about 100 kB."""
_RETRY: Final = timedelta(minutes=1)
_LONGEST_RETRY: Final = timedelta(hours=6)


@dataclass(frozen=True, slots=True)
class Send:
    """Send this update. remaining: messages until the list is complete, this one included."""

    update: ListUpdate
    remaining: int


@dataclass(frozen=True, slots=True)
class AskVersion:
    """Ask for the version of the list: only then it is known what the charge point has."""


@dataclass(frozen=True, slots=True)
class TooLong:
    """Send nothing: the list has more entries than the charge point can keep."""

    entries: int
    limit: int


@dataclass(frozen=True, slots=True)
class Nothing:
    """There is nothing to do."""


Action = Send | AskVersion | TooLong | Nothing


def plan(desired: Entries, believed: Believed, limits: ListLimits) -> Action:
    """Return the next action for a charge point: the first message of the smallest set of updates.

    A Full update is followed by Differentials if it does not fit into one message (OCPP 1.6 5.15).
    """
    if not believed.supported:
        return Nothing()
    if believed.verify or believed.doubt is not None:
        return AskVersion()
    if limits.list_length is not None and len(desired) > limits.list_length:
        return TooLong(len(desired), limits.list_length)
    have = believed.entries
    if have is not None and have == desired:
        return Nothing()
    size = max(1, min(limits.per_message, _LARGEST_MESSAGE))
    full_messages = max(1, _messages(len(desired), size))
    version = believed.highest_version + 1
    if have is not None and version <= LARGEST_VERSION:
        changes = _changes(desired, have)
        messages = _messages(len(changes), size)
        # Of two equal ways the one that leaves the charge point with a usable list meanwhile.
        if messages < full_messages or (have and messages == full_messages):
            return Send(ListUpdate(version, False, tuple(changes[:size])), messages)
    entries = tuple(desired[key] for key in sorted(desired)[:size])
    # A Full update may have any version, so that versions can begin again.
    return Send(ListUpdate(version if version <= LARGEST_VERSION else 1, True, entries), full_messages)


def after_answer(believed: Believed, update: ListUpdate, answer: Answer) -> Believed:
    """Return what is believed after the end of a SendLocalList, of ours or of an operator.

    A Differential that is answered with Failed or VersionMismatch is followed by a Full one (5.15).
    """
    if answer == "not_sent":
        return believed
    highest = max(believed.highest_version, update.version)
    match answer:
        case "Accepted":
            # A part of a list says nothing about an earlier part that may be missing.
            is_doubtful = believed.doubt is not None and not update.is_full
            return replace(
                believed,
                version=update.version,
                entries=None if is_doubtful else applied(believed.entries, update),
                highest_version=update.version,
                doubt=None,
                verify=False,
                drifted=False,
                failures=0,
                status=answer,
            )
        case "NotSupported":
            return replace(
                believed, supported=False, highest_version=highest, doubt=None, verify=False, status=answer
            )
        case "lost":
            if believed.doubt is not None:
                # Two updates in doubt: any of four lists.
                return replace(
                    believed, version=None, entries=None, highest_version=highest, doubt=None, verify=True
                )
            return replace(believed, highest_version=highest, doubt=update, verify=True)
        case "Failed" | "VersionMismatch" | "refused":
            return replace(
                believed,
                entries=None,
                highest_version=highest,
                doubt=None,
                # After a Full one that failed, its version may have been too low.
                verify=update.is_full,
                failures=believed.failures + 1 if update.is_full else believed.failures,
                status=answer,
            )


def after_report(believed: Believed, version: int) -> Believed:
    """Return what is believed after the answer to GetLocalListVersion (5.10): 0 is empty, -1 has no list."""
    if version < 0:
        return replace(believed, supported=False, doubt=None, verify=False, version=None, entries=None)
    highest = max(believed.highest_version, min(version, LARGEST_VERSION))
    known = replace(believed, highest_version=highest, doubt=None, verify=False, supported=True)
    doubt = believed.doubt
    if version == 0:
        lost = bool(believed.entries) and (doubt is None or bool(doubt.entries))
        return replace(known, version=0, entries={}, drifted=believed.drifted or lost)
    if doubt is not None and version == doubt.version and version != believed.version:
        return replace(
            known, version=version, entries=applied(believed.entries, doubt), status="Accepted", drifted=False
        )
    if version == believed.version and (doubt is None or doubt.version != version):
        return known
    was_known = believed.entries is not None or doubt is not None
    return replace(known, version=version, entries=None, drifted=believed.drifted or was_known)


def applied(entries: Entries | None, update: ListUpdate) -> Entries | None:
    """Return a list after an update; None: it is unknown."""
    if update.is_full:
        return {fold_id_tag(entry["idTag"]): entry for entry in update.entries}
    if entries is None:
        return None
    changed = dict(entries)
    for entry in update.entries:
        key = fold_id_tag(entry["idTag"])
        if "idTagInfo" in entry:
            changed[key] = entry
        else:
            changed.pop(key, None)
    return changed


def update_of(payload: Json) -> ListUpdate:
    """Return the update that a SendLocalList carries."""
    entries = tuple(payload.get("localAuthorizationList") or ())
    return ListUpdate(payload["listVersion"], payload["updateType"] == "Full", entries)


def desired_list(
    record: LocalListRecord, tags: Iterable[IdTagRecord], charge_point_id: int, at: datetime
) -> DesiredList:
    """Return the entries that a charge point should have. A tag is judged as at Authorize there."""
    entries: dict[str, Json] = {}
    left_out = []
    for tag in tags:
        if len(tag.id_tag) > LONGEST_TAG:
            left_out.append(tag.id_tag)
            continue
        info = id_tag_info(tag, at, presented=Presented(charge_point_id, tag.id_tag_key, "refuse"))
        if len(info.get("parentIdTag", "")) > LONGEST_TAG:
            info.pop("parentIdTag")
        entries[tag.id_tag_key] = {"idTag": tag.id_tag, "idTagInfo": info}
    return DesiredList(record.name, entries, tuple(left_out))


def list_for(lists: Sequence[LocalListRecord], charge_point: ChargePointRecord) -> LocalListRecord | None:
    """Return the list of a charge point: one that names it, else one that selects it, else one for all.

    Of several the first by name counts.
    """
    meant = [
        (_rank(filters), one.name, one)
        for one in lists
        if one.enabled and (filters := one.filters) is not None and fits(filters, charge_point)
    ]
    return min(meant)[2] if meant else None


def _rank(filters: ChargePointFilter) -> int:
    if filters.identities is not None:
        return 0
    return 2 if filters == ChargePointFilter() else 1


def differences(desired: Entries, believed: Believed) -> list[Difference]:
    """Return which entries differ. Without a known list every desired entry is missing."""
    have = believed.entries or {}
    found = [Difference(desired[key]["idTag"], "missing") for key in sorted(desired.keys() - have.keys())]
    found += [
        Difference(desired[key]["idTag"], "changed")
        for key in sorted(desired.keys() & have.keys())
        if desired[key] != have[key]
    ]
    return found + [Difference(have[key]["idTag"], "extra") for key in sorted(have.keys() - desired.keys())]


def state_of(desired: Entries | None, believed: Believed, *, sync: bool, too_long: bool) -> ListState:
    """Return the state of the list of a charge point. desired None: no list is meant for it."""
    if not believed.supported:
        return "unsupported"
    if desired is None:
        return "unmanaged"
    if not sync:
        return "off"
    if too_long or believed.failures:
        return "failed"
    if believed.drifted:
        return "drifted"
    is_same = believed.entries is not None and believed.entries == desired and believed.doubt is None
    return "in_sync" if is_same else "pending"


def final_version(action: Action, believed: Believed) -> int | None:
    """Return the version that the list has once it is complete; None: that is not known yet."""
    match action:
        case Send(update, remaining):
            return min(update.version + remaining - 1, LARGEST_VERSION)
        case Nothing():
            return believed.version
        case _:
            return None


def retry_after(failures: int) -> timedelta:
    """Return how long to wait after so many failures in a row: 1 minute, doubled up to 6 hours."""
    doubled: int = 1 << min(max(failures - 1, 0), 12)
    return min(_RETRY * doubled, _LONGEST_RETRY)


def limits_from(values: Mapping[str, str | None], default_per_message: int) -> tuple[ListLimits, bool]:
    """Return the limits that configuration keys tell, and whether the limit of a message is known.

    values: by the lower-case name of the key.
    """
    per_message = _positive(values.get("sendlocallistmaxlength"))
    list_length = _positive(values.get("localauthlistmaxlength"))
    longest = min(list_length or LONGEST_LIST, LONGEST_LIST)
    return ListLimits(per_message or default_per_message, longest), per_message is not None


def _changes(desired: Entries, have: Entries) -> list[Json]:
    """Return the entries of a Differential, the deleted ones first, so that the list never grows too long."""
    removed: list[Json] = [{"idTag": have[key]["idTag"]} for key in sorted(have.keys() - desired.keys())]
    return removed + [desired[key] for key in sorted(desired) if desired[key] != have.get(key)]


def _messages(entries: int, size: int) -> int:
    return -(-entries // size)


def _positive(text: Any) -> int | None:
    digits = str(text or "").strip()
    return int(digits) if digits.isdecimal() and len(digits) < 10 and int(digits) > 0 else None
