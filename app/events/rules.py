"""The order of events: which positions committed events get, and which ids are looked for again.

A position is made of the id, so that no row is written again for it. Only an event that was committed after
the numbering of a higher id is late. Its position lies between those of two ids.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple

SPACING: Final = 1 << 16
"""The distance between the positions of two ids. Fewer events than that may be late between the two."""


class Numbering(NamedTuple):
    """The end of what is numbered: all ids up to `last_id` but the missing ones, and the last position."""

    last_id: int
    last_position: int


class MissingIds(NamedTuple):
    """Ids, the last one included, that had no committed event when a higher id was numbered.

    is_over: no transaction of that time runs any longer, so nothing comes.
    """

    first_id: int
    last_id: int
    is_over: bool = False


@dataclass(frozen=True, slots=True)
class Turn:
    """The result of one numbering.

    Attributes:
        numbering: What is numbered now.
        positions: Of the first events that were given, in their order.
        late: How many of these come first and are late: their positions are not made of their ids.
        missing: Ids that are looked for from now on.
        settled: The first ids of those that are not looked for any longer.
        is_complete: No committed event is left without a position.
        is_full: No late event has room. `skipped_to` makes some.
    """

    numbering: Numbering
    positions: Sequence[int] = ()
    late: int = 0
    missing: Sequence[MissingIds] = ()
    settled: Sequence[int] = ()
    is_complete: bool = False
    is_full: bool = False


def next_turn(
    numbering: Numbering, missing: Sequence[MissingIds], ids: Sequence[int], *, is_all: bool
) -> Turn:
    """Number committed events, the late ones first.

    An event may follow from a late one. So none that is in order is numbered while a late one is not.

    Args:
        numbering: What is numbered.
        missing: What is missing.
        ids: Of committed events without a position: the lowest ones, in their order.
        is_all: There are no others.
    """
    late = bisect_right(ids, numbering.last_id)
    room = (numbering.last_id + 1) * SPACING - 1 - numbering.last_position
    first = numbering.last_position + 1
    positions = list(range(first, first + min(late, room)))
    if late > room:
        full = numbering._replace(last_position=numbering.last_position + room)
        return Turn(full, positions, room, is_full=not room)
    in_order = ids[late:]
    positions += [one * SPACING for one in in_order]
    return Turn(
        Numbering(max((numbering.last_id, *in_order[-1:])), max((numbering.last_position, *positions[-1:]))),
        positions,
        late,
        missing=list(_gaps([numbering.last_id, *in_order])),
        settled=[one.first_id for one in missing if _is_settled(one, ids[:late], is_all=is_all)],
        is_complete=is_all,
    )


def skipped_to(numbering: Numbering, fresh_id: int) -> Turn:
    """Make room for late events behind an id that has no event. All ids below it are missing."""
    return Turn(
        Numbering(fresh_id, fresh_id * SPACING), missing=[MissingIds(numbering.last_id + 1, fresh_id)]
    )


def _gaps(ids: Sequence[int]) -> Iterator[MissingIds]:
    for before, behind in pairwise(ids):
        if behind - before > 1:
            yield MissingIds(before + 1, behind - 1)


def _is_settled(missing: MissingIds, found: Sequence[int], *, is_all: bool) -> bool:
    count = bisect_right(found, missing.last_id) - bisect_left(found, missing.first_id)
    return (missing.is_over and is_all) or count == missing.last_id - missing.first_id + 1
