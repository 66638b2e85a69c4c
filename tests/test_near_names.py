"""Guesses at what was meant by an unknown name."""

import pytest

from app.near_names import UnknownName, near_names

NAMES = ["GetLog", "GetDiagnostics", "Reset", "SetChargingProfile", "GetLocalListVersion"]


def test_near_names_are_few_and_best_first() -> None:
    assert near_names("getlag", NAMES)[0] == "GetLog"
    assert len(near_names("get", NAMES)) <= 3


@pytest.mark.parametrize("wanted", ["getlog", "GETLOG", "GetLog"])
def test_a_name_that_differs_in_case_only_is_the_only_guess(wanted: str) -> None:
    assert near_names(wanted, [*NAMES, "GetLogs", "ForgetLog"]) == ["GetLog"]


def test_a_name_like_no_other_has_no_guess() -> None:
    error = UnknownName("message", "Xyzzy", NAMES)
    assert error.detail == "There is no message 'Xyzzy'."
    assert error.problem()["did_you_mean"] == []
