"""How long the next connection of a charge point waits, by how often its connections replaced each other."""

import pytest

from app.live.take_overs import Times, is_flapping, pause_s, recent, with_another

AT = 1_000_000.0


def story(count: int, every_s: float = 1.0) -> Times:
    """Return take-overs, of which the last one is now."""
    return tuple(AT - every_s * number for number in reversed(range(count)))


@pytest.mark.parametrize(
    ("count", "seconds"),
    [(0, 0), (1, 0), (5, 0), (6, 1), (7, 2), (8, 4), (9, 8), (10, 16), (11, 30), (12, 30), (16, 30)],
)
def test_the_pause_doubles_from_the_sixth_on(count: int, seconds: float) -> None:
    assert pause_s(story(count), AT) == seconds
    assert is_flapping(story(count), AT) is (count >= 6)


def test_the_pause_counts_from_the_last_take_over() -> None:
    """So a client that waits only some seconds for its handshake gets in by trying again."""
    assert pause_s(story(8), AT + 3.0) == 1.0
    assert pause_s(story(8), AT + 5.0) == 0.0


def test_what_lies_ten_minutes_back_is_forgotten() -> None:
    assert pause_s(story(6), AT + 596.0) == 0.0
    assert not is_flapping(story(6), AT + 596.0)
    assert is_flapping(story(6), AT + 594.0)
    assert not is_flapping(story(20, every_s=130.0), AT)


def test_a_clock_that_goes_back_delays_no_one() -> None:
    assert recent(story(10), AT - 3600.0) == ()
    assert pause_s(story(10), AT - 3600.0) == 0.0


def test_the_longer_story_is_believed_and_its_length_is_bounded() -> None:
    assert with_another(story(2), story(3), AT + 1.0) == (*story(3), AT + 1.0)
    assert with_another(story(3), (), AT + 1.0) == (*story(3), AT + 1.0)
    assert len(with_another(story(16), story(16), AT + 1.0)) == 16
