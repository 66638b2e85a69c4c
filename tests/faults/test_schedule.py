"""The schedule can be repeated, and leaves no fault out."""

from itertools import islice

from tests.faults.schedule import schedule

_KINDS = ("killed", "frozen", "cut")


def test_a_seed_gives_the_same_faults_each_time() -> None:
    assert list(islice(schedule(7, _KINDS), 30)) == list(islice(schedule(7, _KINDS), 30))
    assert list(islice(schedule(7, _KINDS), 30)) != list(islice(schedule(8, _KINDS), 30))


def test_each_kind_comes_once_in_each_round() -> None:
    planned = list(islice(schedule(7, _KINDS), 30))
    rounds = [[one.kind for one in planned[start : start + 3]] for start in range(0, 30, 3)]
    assert all(sorted(kinds) == sorted(_KINDS) for kinds in rounds)
    assert len({tuple(kinds) for kinds in rounds}) > 1


def test_faults_of_one_kind_choose_differently() -> None:
    planned = list(islice(schedule(7, _KINDS), 30))
    assert len({one.seed for one in planned}) == 30
    assert {one.calm for one in planned} == {0, 1, 2, 3}
