"""The order of events: positions grow from turn to turn, whatever was committed late, or never."""

from hypothesis import given
from hypothesis import strategies as st

from app.events.rules import SPACING, MissingIds, Numbering, next_turn, skipped_to

BEFORE = Numbering(100, 100 * SPACING)


def test_the_positions_of_events_in_order_are_made_of_their_ids() -> None:
    turn = next_turn(BEFORE, [], [101, 102], is_all=True)
    assert turn.positions == [101 * SPACING, 102 * SPACING]
    assert (turn.late, turn.missing, turn.settled, turn.is_complete) == (0, [], [], True)
    assert turn.numbering == Numbering(102, 102 * SPACING)


def test_ids_without_an_event_are_missing() -> None:
    turn = next_turn(BEFORE, [], [102, 103, 107], is_all=False)
    assert turn.missing == [MissingIds(101, 101), MissingIds(104, 106)]
    assert not turn.is_complete


def test_a_turn_without_events_changes_nothing() -> None:
    turn = next_turn(BEFORE, [MissingIds(98, 99)], [], is_all=True)
    assert (turn.numbering, turn.positions, turn.missing, turn.settled) == (BEFORE, [], [], [])


def test_late_events_come_behind_all_that_is_numbered_and_before_what_is_in_order() -> None:
    turn = next_turn(BEFORE, [MissingIds(98, 99)], [98, 99, 101], is_all=True)
    assert turn.positions == [100 * SPACING + 1, 100 * SPACING + 2, 101 * SPACING]
    assert turn.late == 2
    again = next_turn(Numbering(100, 100 * SPACING + 2), [], [97], is_all=True)
    assert again.positions == [100 * SPACING + 3]
    assert again.numbering == Numbering(100, 100 * SPACING + 3)


def test_ids_are_settled_if_all_are_found_or_nothing_comes() -> None:
    missing = [MissingIds(90, 91), MissingIds(93, 94), MissingIds(96, 99, is_over=True)]
    assert next_turn(BEFORE, missing, [90, 91, 93], is_all=True).settled == [90, 96]
    # An event that was not looked for yet may be one of those that are over.
    assert next_turn(BEFORE, missing, [90, 91, 93], is_all=False).settled == [90]


def test_late_events_without_room_wait_for_a_fresh_id_and_what_is_in_order_waits_behind_them() -> None:
    missing = [MissingIds(95, 99)]
    turn = next_turn(Numbering(100, 101 * SPACING - 3), missing, [95, 96, 97, 101], is_all=True)
    assert turn.positions == [101 * SPACING - 2, 101 * SPACING - 1]
    assert (turn.late, turn.is_complete, turn.is_full, turn.settled) == (2, False, False, ())
    full = next_turn(turn.numbering, missing, [97, 101], is_all=True)
    assert (full.positions, full.is_full, full.numbering) == ([], True, turn.numbering)
    skipped = skipped_to(full.numbering, 105)
    assert (skipped.numbering, skipped.missing) == (Numbering(105, 105 * SPACING), [MissingIds(101, 105)])
    last = next_turn(skipped.numbering, [*missing, *skipped.missing], [97, 101], is_all=True)
    assert last.positions == [105 * SPACING + 1, 105 * SPACING + 2]


@given(st.permutations(range(1, 13)), st.lists(st.integers(1, 12), max_size=6), st.integers(1, 5))
def test_each_event_is_numbered_once_and_behind_all_of_the_turns_before(
    commits: list[int], turns_at: list[int], at_once: int
) -> None:
    """Transactions commit in any order; turns come in between, and take a few events at a time."""
    numbering, missing, order = Numbering(0, 0), list[MissingIds](), list[tuple[int, int]]()
    for number in range(1, 13):
        if number not in turns_at and number < 12:
            continue
        is_complete = False
        while not is_complete:
            waiting = sorted(set(commits[:number]) - {one for one, _ in order})
            # What the database is asked for: ids behind the last one, and the missing ones.
            assert all(
                one > numbering.last_id or any(gap.first_id <= one <= gap.last_id for gap in missing)
                for one in waiting
            )
            ids = waiting[:at_once]
            turn = next_turn(numbering, missing, ids, is_all=len(ids) < at_once)
            order += zip(ids, turn.positions, strict=True)
            numbering, is_complete = turn.numbering, turn.is_complete
            missing = [one for one in missing if one.first_id not in turn.settled] + list(turn.missing)
    positions = [position for _, position in order]
    assert positions == sorted(set(positions))
    assert {one for one, _ in order} == set(commits)
