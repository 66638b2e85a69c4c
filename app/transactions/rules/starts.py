"""Starts: which repeat others, what they are answered, which remote start led to them. OCPP 1.6 4.8"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Final
from uuid import UUID

import orjson

from app.commands.records import RemoteStart
from app.database.text import clean_text
from app.id_tags.records import Active, IdTagKey, IdTagRecord, Presented, TagLimits, UnknownTagPolicy
from app.id_tags.rules import fold_id_tag, group_key, id_tag_info, limits_of, with_limits
from app.transactions.records import (
    UNDATED,
    JudgedStart,
    RunningTransaction,
    StartKey,
    StoredStart,
    TransactionStart,
)
from app.types import ChargePointKey, Json

REPLAYED: Final = "replayed"
"""Flag: the start came long after it happened, and its tag was judged by the reported time."""
TAG_MISSING: Final = "tag_missing"
"""Flag: the start bore no id tag."""
CONNECTOR_MISSING: Final = "connector_missing"
"""Flag: the start named no connector. It is stored for connector 0."""
METER_MISSING: Final = "meter_missing"
"""Flag: the message bore no register."""
AUTHORIZATION_FALLBACK: Final = "authorization_fallback"
"""Flag: the authorization webhook gave no valid answer, so its fallback decided."""

# With a hash of its text this is the key of a time that says nothing: the key of a retry must not depend on
# its arrival, and another start often has another text.
_UNDATED_KEY = datetime(1970, 1, 1, tzinfo=UTC)
_UNDATED_KEY_BYTES = 6
# Older than this at its arrival, a start was queued offline: its tag is judged by the reported time.
_ONLINE_WITHIN = timedelta(minutes=5)
_LATE_EFFECT = timedelta(days=1)
"""A start that arrives this much later, from an offline queue, is still the effect of a remote start."""
# No sample of a transaction comes before its start if that comes so soon.
_SAMPLES_WITHIN = timedelta(seconds=10)


def start_key(start: TransactionStart) -> StartKey:
    """Return what makes two starts the same. A start with the key of a stored one may be a repetition."""
    return StartKey(
        start.tenant_id,
        start.charge_point_id,
        start.connector_id,
        fold_id_tag(clean_text(start.id_tag)),
        start.started_at if is_dated(start) else _undated_key(start),
        start.meter_start_wh,
    )


def missing_flags(request: Json) -> tuple[str, ...]:
    """Return the flags of what a start does not tell."""
    flags = {"connectorId": CONNECTOR_MISSING, "idTag": TAG_MISSING, "meterStart": METER_MISSING}
    return tuple(flag for name, flag in flags.items() if name not in request)


def is_dated(start: TransactionStart) -> bool:
    """Tell whether the time of a start is the one that the charge point reported."""
    return UNDATED.isdisjoint(start.flags)


def came_late(start: TransactionStart) -> bool:
    """Tell whether samples of a transaction may have come before its start."""
    return start.received_at - start.started_at > _SAMPLES_WITHIN


def is_repetition(start: TransactionStart, stored: StoredStart) -> bool:
    """Tell whether a start repeats the newest stored one with its key.

    A clock that was never set dates each session alike, and a session meter begins each at 0. So a start
    whose time says nothing is a repetition only if no stop of that transaction has come yet, or if it has the
    message id of the first copy, comes by another connection, and the stop did not name the transactionId.

    A charge point that names the id has got the answer to its start, and does not repeat that. Nor does one
    that has sent its stop by the same connection; the core answers a direct repeat. Its message ids may all
    be the same, or be counted from 1 after each boot.
    """
    if is_dated(start) or not stored.is_stopped:
        return True
    is_same_message = stored.message_id == start.message_id
    return is_same_message and not stored.is_named and stored.epoch != start.epoch


@dataclass(frozen=True, slots=True)
class TagFacts:
    """The facts that starts are judged by.

    tags: their id tags, as far as they are known; policies: of their charge points, whether unknown tags may
    charge; running: what runs on those tags that are limited; group_limits: of the groups that
    webhooks name; running_in_groups: what runs on limited groups, with the key of the group.
    """

    tags: Mapping[IdTagKey, IdTagRecord] = field(default_factory=dict)
    policies: Mapping[ChargePointKey, UnknownTagPolicy] = field(default_factory=dict)
    running: Iterable[RunningTransaction] = ()
    group_limits: Mapping[IdTagKey, int | None] = field(default_factory=dict)
    running_in_groups: Iterable[RunningTransaction] = ()


def external_group(start: TransactionStart) -> IdTagKey | None:
    """Return the group that the webhook names for a start, None: it names none."""
    info = start.external_info
    return None if info is None else group_key(start.tenant_id, info.get("parentIdTag"))


def start_limits(
    start: TransactionStart, tag: IdTagRecord | None, group_limits: Mapping[IdTagKey, int | None]
) -> TagLimits:
    """Return the limits of a start. What a webhook answers decides on the group of the tag, too."""
    limits = limits_of(tag)
    if start.external_info is None:
        return limits
    group = external_group(start)
    return TagLimits(limits.of_tag, group, None if group is None else group_limits.get(group))


def limits_of_starts(
    starts: Mapping[StartKey, TransactionStart], facts: TagFacts
) -> dict[StartKey, TagLimits]:
    """Return the limits of new starts."""
    return {
        key: start_limits(start, facts.tags.get(key.tag), facts.group_limits) for key, start in starts.items()
    }


def stand_alone(
    starts: Mapping[StartKey, TransactionStart], facts: TagFacts, remote: Collection[ChargePointKey]
) -> bool:
    """Tell whether new starts concern nothing but their own rows, as far as is known before they are written.

    So there is no limit, no remote start and no sample before any of them, and no two are of one charge
    point. remote: the charge points with remote starts.
    """
    places = {start.charge_point for start in starts.values()}
    return (
        len(places) == len(starts)
        and places.isdisjoint(remote)
        and not any(came_late(start) for start in starts.values())
        and all(
            limits.of_tag is None and limits.of_group is None
            for limits in limits_of_starts(starts, facts).values()
        )
    )


def judge_starts(
    starts: Mapping[StartKey, TransactionStart], numbers: Mapping[StartKey, int], facts: TagFacts
) -> list[JudgedStart]:
    """Decide what the new starts of a batch are answered, in their order.

    Args:
        starts: Starts that are not stored yet.
        numbers: Of those that are not the first with their key: how many came before.
        facts: What they are judged by.
    """
    on_tags, in_groups = _by_key(facts.running), _by_key(facts.running_in_groups)
    judged = []
    for key, start in starts.items():
        tag = facts.tags.get(key.tag)
        judged_at, flags = _judged_at(start)
        limits = start_limits(start, tag, facts.group_limits)
        others = [] if limits.of_tag is None else on_tags.setdefault(key.tag, [])
        group = [] if limits.group is None else in_groups.setdefault(limits.group, [])
        active = Active(_still_active(others, start), _still_active(group, start))
        if start.external_info is None:
            policy = facts.policies.get(start.charge_point, "refuse")
            presented = Presented(start.charge_point_id, key.id_tag_key, policy)
            info = id_tag_info(tag, judged_at, active, presented)
        else:
            info = with_limits(start.external_info, limits, active)
        if info["status"] == "Accepted":
            # The next start of the same batch counts this one.
            place = (start.charge_point_id, start.connector_id)
            others.append(RunningTransaction(*key.tag, *place))
            if limits.group is not None:
                group.append(RunningTransaction(*limits.group, *place))
        number = numbers.get(key, 0)
        judged.append(JudgedStart(start, key, clean_text(start.id_tag), flags, info, number))
    return judged


def _by_key(running: Iterable[RunningTransaction]) -> dict[IdTagKey, list[RunningTransaction]]:
    found: dict[IdTagKey, list[RunningTransaction]] = {}
    for transaction in running:
        found.setdefault(IdTagKey(transaction.tenant_id, transaction.id_tag_key), []).append(transaction)
    return found


def _still_active(running: Iterable[RunningTransaction], start: TransactionStart) -> int:
    return sum(not _is_over(transaction, start) for transaction in running)


def match_remote_starts(
    starts: Iterable[JudgedStart], commands: Iterable[RemoteStart], window: timedelta
) -> dict[StartKey, UUID]:
    """Return the remote start that led to each start, if one did: the newest that fits, each of them once.

    Args:
        starts: New starts.
        commands: Remote starts that may still have an effect, without effect so far.
        window: How long before the beginning of a transaction its remote start may have been created.
    """
    free = sorted(commands, key=lambda command: (command.created_at, command.id), reverse=True)
    matched = {}
    for start in starts:
        command = next((command for command in free if asked_for(command, start, window)), None)
        if command is not None:
            matched[start.key] = command.id
            free.remove(command)
    return matched


def begun_at(start: TransactionStart) -> datetime:
    """Return when a transaction began: as reported if it arrives later, but at most a day before."""
    return max(min(start.started_at, start.received_at), start.received_at - _LATE_EFFECT)


def asked_for(command: RemoteStart, judged: JudgedStart, window: timedelta) -> bool:
    """Tell whether a remote start may have led to a start: same place, same tag, and not too long ago."""
    start = judged.start
    if (command.tenant_id, command.charge_point_id) != (start.tenant_id, start.charge_point_id):
        return False
    if command.id_tag is None or fold_id_tag(command.id_tag) != judged.key.id_tag_key:
        return False
    if command.connector_id is not None and command.connector_id != str(start.connector_id):
        return False
    if REPLAYED in judged.flags and start.started_at < command.created_at - _ONLINE_WITHIN:
        return False
    begun = begun_at(start) if REPLAYED in judged.flags else start.received_at
    return command.created_at >= begun - window


def _undated_key(start: TransactionStart) -> datetime:
    text = orjson.dumps(start.raw.get("timestamp"))
    number = int.from_bytes(blake2b(text, digest_size=_UNDATED_KEY_BYTES).digest(), "big")
    return _UNDATED_KEY + timedelta(microseconds=number)


def _judged_at(start: TransactionStart) -> tuple[datetime, tuple[str, ...]]:
    """Return the time at which the tag counts, and the flags of the start.

    The time is ours, or the reported one of a start that was queued offline.
    """
    reported = start.started_at
    if reported < start.received_at - _ONLINE_WITHIN:
        return reported, (*start.flags, REPLAYED)
    return start.received_at, start.flags


def _is_over(transaction: RunningTransaction, start: TransactionStart) -> bool:
    """Tell whether a start shows that a transaction has ended: a connector carries one at a time."""
    place = (transaction.charge_point_id, transaction.connector_id)
    return place == (start.charge_point_id, start.connector_id)
