"""Which profiles fit a charge point, and which habits it has from them."""

from datetime import UTC
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from app.quirks.records import NO_HABITS, Device, QuirkProfileRecord, StatedHabits
from app.quirks.rules import applied_habits, fits, habits_of, in_force, readable_habits
from app.quirks.shipped import read_profiles, shipped_profiles


def profile(name: str, *patterns: str, origin: Any = "tenant", **habits: Any) -> QuirkProfileRecord:
    """Make a profile. patterns: of vendor, model and firmware; habits: their values."""
    vendor, model, firmware = (*patterns, "*", "*", "*")[:3]
    stated = StatedHabits.model_validate(
        {habit: {"value": value, "source": f"about {name}"} for habit, value in habits.items()}
    )
    return QuirkProfileRecord(name, vendor, model, firmware, None, stated, origin)


@pytest.mark.parametrize(
    ("patterns", "device", "fitting"),
    [
        (("Acme", "*", "*"), ("Acme", "Duo", "1"), True),
        (("acme", "DUO*", "*"), ("ACME", "Duo 22", None), True),
        (("Acme", "*", "*"), (" Acme ", "Duo", None), True),
        (("Acme", "Duo", "4"), ("Acme\x00", "Duo\ufffd\ufffd", "4 \ufffd "), True),
        (("Acme", "*", "*"), ("\ufffd \x00", None, None), False),
        (("Acme", "*", "*"), ("Acme Inc", "Duo", None), False),
        (("A?me", "*", "*"), ("Acme", "x", "y"), True),
        (("EN[+-]*", "*", "*"), ("EN+", "AC7000", None), True),
        (("EN[+-]*", "*", "*"), ("EN-plustech", None, None), True),
        (("EN[+-]*", "*", "*"), ("ENGIE", None, None), False),
        (("*", "*", "4.*"), ("Acme", "Duo", "4.1.7"), True),
        (("*", "*", "4.*"), ("Acme", "Duo", "14.1"), False),
        (("*", "*", "4.*"), ("Acme", "Duo", None), False),
        (("*", "*", "*"), (None, None, None), True),
        (("a.me", "*", "*"), ("Acme", None, None), False),
        (("[", "*", "*"), ("[", None, None), True),
        (("straße*", "*", "*"), ("STRASSE 7", None, None), True),
    ],
)
def test_a_profile_fits_by_three_patterns(
    patterns: tuple[str, str, str], device: tuple[str | None, str | None, str | None], fitting: bool
) -> None:
    assert fits(profile("p", *patterns), Device(*device)) is fitting


def test_a_pattern_of_many_stars_takes_no_time() -> None:
    greedy = profile("p", "*a" * 49 + "b")
    assert not fits(greedy, Device("a" * 5000, None, None))


def test_without_a_fitting_profile_there_are_no_habits() -> None:
    assert habits_of("Acme", "Duo", None, []) is NO_HABITS
    assert habits_of("Acme", "Duo", None, [profile("p", "Bolt", session_meter=True)]) is NO_HABITS
    assert habits_of("Acme", "Duo", None, [profile("p", "Acme")]) is NO_HABITS


@pytest.mark.parametrize(
    ("habit", "value", "used"),
    [
        ("absent_energy_unit", "kWh", "kWh"),
        ("energy_called_wh", "kWh", "kWh"),
        ("least_stack_level", 3, 3),
        ("time_zone", "Asia/Shanghai", ZoneInfo("Asia/Shanghai")),
        ("time_zone", "UTC", UTC),
        ("silent_keys", ["A", "B"], ("A", "B")),
        ("session_meter", True, True),
        ("sends_no_pongs", True, True),
        ("composite_schedule_unit", "W", "W"),
        ("composite_schedule_unit", "any", None),
        ("state_after_login", "nothing", "nothing"),
    ],
)
def test_each_habit_gets_to_the_code_that_uses_it(habit: str, value: Any, used: Any) -> None:
    assert getattr(habits_of("Acme", None, None, [profile("p", "Acme", **{habit: value})]), habit) == used


def test_of_several_profiles_the_first_that_states_a_habit_counts() -> None:
    shipped = [
        profile("a", "Acme", "Duo", origin="shipped", session_meter=True, least_stack_level=1),
        profile("b", "Acme", "Duo 22", origin="shipped", least_stack_level=2),
    ]
    own = [profile("c", "*", least_stack_level=7), profile("d", "Acme*", least_stack_level=8)]
    device = Device("Acme", "Duo", None)
    for profiles, level in ((shipped, 1), (shipped + own, 8), (shipped + own[:1], 7)):
        ordered = in_force([one for one in profiles if one.origin == "tenant"], shipped)
        applied = {one.habit: one for one in applied_habits(device, ordered)}
        assert applied["least_stack_level"].value == level
        assert (applied["session_meter"].profile, applied["session_meter"].source) == ("a", "about a")
        assert applied["session_meter"].origin == "shipped"


def test_a_profile_of_the_tenant_takes_the_place_of_the_shipped_one_of_its_name() -> None:
    shipped = [profile("a", "Acme", origin="shipped", session_meter=True, least_stack_level=1)]
    ordered = in_force([profile("a", "Acme", session_meter=False)], shipped)
    assert habits_of("Acme", None, None, ordered) == NO_HABITS
    assert [one.origin for one in ordered] == ["tenant"]


def test_equal_profiles_are_ordered_by_name() -> None:
    ordered = in_force(
        [profile("b", "Acme", least_stack_level=2), profile("a", "Acme", least_stack_level=1)], []
    )
    assert habits_of("Acme", None, None, ordered).least_stack_level == 1


@pytest.mark.parametrize(
    ("habit", "value"),
    [
        ("time_zone", "Nowhere/Town"),
        ("time_zone", "../../etc/passwd"),
        ("time_zone", "x" * 100),
        ("time_zone", "localtime"),
        ("time_zone", "posixrules"),
        ("time_zone", "right/UTC"),
        ("time_zone", "Factory"),
        ("energy_called_wh", "MWh"),
        ("least_stack_level", -1),
        ("least_stack_level", True),
        ("least_stack_level", 1001),
        ("silent_keys", ["with blank"]),
        ("silent_keys", [f"K{number}" for number in range(51)]),
        ("session_meter", "yes"),
        ("composite_schedule_unit", "kW"),
        ("state_after_login", "sometimes"),
        ("a_new_habit", 1),
    ],
)
def test_a_habit_without_meaning_is_refused_and_costs_no_login(habit: str, value: Any) -> None:
    stored = {habit: {"value": value}, "session_meter": {"value": True}}
    if habit == "session_meter":
        stored = {habit: {"value": value}, "sends_no_pongs": {"value": True}}
    with pytest.raises(ValidationError):
        StatedHabits.model_validate(stored)
    kept = readable_habits(stored).stated()
    assert list(kept) == [name for name in stored if name != habit]


def test_the_shipped_profiles_can_be_read_and_each_names_a_public_source() -> None:
    found = shipped_profiles()
    assert len(found) >= 6
    for one in found:
        assert one.note
        assert (one.vendor, one.origin) != ("*", "tenant")
        for name, habit in one.habits.stated().items():
            assert (habit.source or "").startswith("https://"), (one.name, name)


@pytest.mark.parametrize(
    ("vendor", "model", "firmware", "habit", "value"),
    [
        ("ABB", "CDT_TACW11::NET_WIFI", "TAC3Z9119006710273::V1.8.21", "session_meter", True),
        ("ABB", "Terra 54", "1", "session_meter", False),
        ("UCHEN", "DUOSIDA Mode3@11KW", "V1.2", "silent_keys", None),
        ("EN+", "AC7000-AE-25", None, "sends_no_pongs", True),
        ("go-e", "go-eCharger_V4", "055.5", "least_stack_level", 1),
        ("MicroOcpp", "MicroOcpp Simulator", None, "composite_schedule_unit", "W"),
        ("OpenEVSE", "Advanced Series", "4.2.2", "energy_called_wh", "kWh"),
        ("OpenEVSE", "Advanced Series", "5.1.0", "energy_called_wh", "Wh"),
    ],
)
def test_a_real_charge_point_has_its_habits(
    vendor: str, model: str, firmware: str | None, habit: str, value: Any
) -> None:
    found = getattr(habits_of(vendor, model, firmware, in_force([], shipped_profiles())), habit)
    if habit == "silent_keys":
        assert "SupportedFeatureProfiles" in found
    else:
        assert found == value


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            '[[profile]]\nname = "a"\nvendor = "A"\nmodel = "*"\nfirmware = "*"\nhabits = {}',
            "states no habit",
        ),
        (
            '[[profile]]\nname = "a"\nvendor = "A"\nmodel = "*"\nfirmware = "*"\n'
            "[profile.habits.session_meter]\nvalue = true",
            "no source for session_meter",
        ),
        (
            '[[profile]]\nname = "a"\nvendor = "A"\nmodel = "*"\n'
            '[profile.habits.session_meter]\nvalue = true\nsource = "s"',
            "firmware",
        ),
        (
            '[[profile]]\nname = "a"\nvendor = "A"\nmodel = "*"\nfirmware = "*"\n'
            '[profile.habits.session_meter]\nvalue = 1\nsource = "s"',
            "session_meter",
        ),
    ],
    ids=["no habit", "no source", "no pattern", "wrong value"],
)
def test_a_damaged_file_is_refused(text: str, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        read_profiles(text)
