"""The dictionary has an entry for each code that can be seen, and no other. Each example shows its code."""

import re
from pathlib import Path

import pytest

import app
from app.deviations.dictionary import dictionary, entries_of, families, meaning_of
from app.deviations.records import DeviationEntry, Family, LoginDeviation, UnusableMessage
from app.ocpp import DEVIATION_CODES
from tests.deviations.examples import LIMIT_OF_OVER_LIMIT, seen_in_example

NO_EXAMPLE = {
    "too_many_items": "no array of OCPP 1.6 has an upper limit",
    "register_came_later": "a stop that repeats a transactionId, which an example cannot know",
    "stop_attached": "an act of an operator",
    "authorization_fallback": "a webhook that fails",
}
FRAMES = [
    entry
    for family in (Family.FRAMES, Family.FIELDS, Family.REFUSALS)
    for entry in entries_of(family)
    if entry.example
]


def codes_of(*given: Family) -> set[str]:
    return {entry.code for family in given for entry in entries_of(family)}


def test_each_code_of_the_core_has_an_entry() -> None:
    assert codes_of(Family.FRAMES, Family.FIELDS) == set(DEVIATION_CODES)
    assert len(DEVIATION_CODES) > 40


def test_each_code_of_a_login_has_an_entry() -> None:
    assert codes_of(Family.LOGINS) == set(LoginDeviation)


def test_each_code_of_an_unusable_message_has_an_entry() -> None:
    assert codes_of(Family.REFUSALS) == set(UnusableMessage)


def test_no_code_has_two_meanings() -> None:
    assert families().keys() == dictionary().keys()
    assert sum(len(entries_of(family)) for family in Family) == len(dictionary())


@pytest.mark.parametrize("entry", FRAMES, ids=lambda entry: entry.code)
def test_each_example_shows_exactly_its_code(entry: DeviationEntry) -> None:
    assert {one.code for one in seen_in_example(entry)} == {entry.code, *entry.also}


def test_only_known_entries_have_no_example() -> None:
    assert {entry.code for entry in dictionary().values() if not entry.example} == NO_EXAMPLE.keys()


def test_the_example_over_the_limit_is_longer_than_that() -> None:
    (text,) = dictionary()["over_limit"].example
    assert len(text) > LIMIT_OF_OVER_LIMIT


def test_further_codes_are_codes() -> None:
    further = {code for entry in dictionary().values() for code in entry.also}
    assert further <= dictionary().keys()


def test_texts_are_sentences() -> None:
    for entry in dictionary().values():
        for text in (entry.seen, entry.handling, entry.advice):
            assert re.fullmatch(r"[A-Z][^\n]*[.]", text), (entry.code, text)
            assert len(text) <= 200, (entry.code, text)


def test_a_code_that_is_not_known_has_no_meaning() -> None:
    assert meaning_of("no_such_code") == ""


def test_no_other_module_names_the_codes_of_logins() -> None:
    """A code that is written as text could be one that the dictionary does not have."""
    for path in (Path(app.__file__).parent / "gateway").glob("*.py"):
        text = path.read_text("utf-8")
        assert not [code for code in LoginDeviation if f'"{code}"' in text and code != "origin"], path
