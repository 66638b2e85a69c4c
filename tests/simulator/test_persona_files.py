"""The files of personas and fleets are right, and a wrong one is refused with the name of its entry."""

from dataclasses import fields
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli import application
from app.deviations.dictionary import entries_of
from app.deviations.records import Family
from app.quirks.shipped import shipped_profiles
from app.simulator.bad_habits import NO_BAD_HABITS, BadHabits
from app.simulator.errors import SimulatorError
from app.simulator.line_up import line_up
from app.simulator.persona_files import (
    fleet_of,
    known_fleets,
    known_personas,
    persona_of,
    read_fleets,
    read_personas,
)
from app.simulator.persona_tables import persona_markdown

DOCS = Path(__file__).parents[2] / "docs"
GOOD = """
[[persona]]
name = "x"
description = "It sends no pongs."
vendor = "X"
model = "Y"
connectors = 1
phases = 3
power_w = 11000
deviations = []
[persona.habits]
sends_no_pongs = { value = true, source = "https://example.com/1" }
"""


def test_there_are_many_personas_and_each_habit_is_used() -> None:
    assert len(known_personas()) >= 15
    used = {habit for persona in known_personas().values() for habit in persona.sources}
    assert used == {habit.name for habit in fields(BadHabits)}


def test_each_counted_deviation_is_in_the_dictionary() -> None:
    codes = {entry.code for family in Family for entry in entries_of(family)}
    for persona in known_personas().values():
        assert set(persona.deviations) <= codes, persona.name


def test_the_shipped_quirk_profiles_have_a_persona_with_the_same_source() -> None:
    sources = {source for persona in known_personas().values() for source in persona.sources.values()}
    for profile in shipped_profiles():
        for habit in profile.habits.stated().values():
            assert habit.source in sources, profile.name


def test_the_documentation_has_the_table() -> None:
    table = persona_markdown(known_personas().values())
    hint = "copy what `stationmaster personas --markdown` prints"
    assert table in (DOCS / "simulator.md").read_text(), hint


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        pytest.param(', source = "https://example.com/1"', "", "a source", id="no source"),
        pytest.param("https://example.com/1", "heard of it", "no public source", id="not public"),
        pytest.param("sends_no_pongs", "sends_no_songs", "sends_no_songs", id="unknown habit"),
        pytest.param("value = true", "value = 1", "kind", id="another kind"),
        pytest.param("value = true", "value = false", "usual", id="usual value"),
        pytest.param("connectors = 1", "connectors = 0", "connectors", id="no connector"),
        pytest.param('vendor = "X"', f'vendor = "{"X" * 21}"', "vendor", id="vendor too long"),
        pytest.param("deviations", "colour = 1\ndeviations", "colour", id="unknown member"),
        pytest.param("It sends no pongs.", "", "description", id="no description"),
    ],
)
def test_a_wrong_persona_is_refused(old: str, new: str, named: str) -> None:
    assert read_personas(GOOD)["x"].habits.sends_no_pongs
    with pytest.raises(SimulatorError, match=named) as refused:
        read_personas(GOOD.replace(old, new))
    assert "x" in str(refused.value)


@pytest.mark.parametrize(
    ("description", "group", "named"),
    [
        ("A fleet.", '{ share = 1, persona = "x" }', "illustrative"),
        ("Illustrative: a fleet.", '{ share = 0, persona = "x" }', "share"),
        ("Illustrative: a fleet.", '{ share = 1, persona = "y" }', "no persona 'y'"),
        ("Illustrative: a fleet.", '{ share = 1, persona = "x", power_w = 1 }', "further members"),
        ("Illustrative: a fleet.", "", "no groups"),
    ],
)
def test_a_wrong_fleet_is_refused(description: str, group: str, named: str) -> None:
    text = f'[[fleet]]\nname = "f"\ndescription = "{description}"\ngroups = [{group}]\n'
    with pytest.raises(SimulatorError, match=named):
        read_fleets(text, read_personas(GOOD))


def test_the_fleets_are_those_of_the_page_and_labelled() -> None:
    assert list(known_fleets()) == ["chargepoint", "engie", "evbox-troniq-100", "blue-corner"]
    for fleet in known_fleets().values():
        assert fleet.description.startswith("Illustrative: ")
        for group in fleet.groups:
            assert group.persona or group.habits == NO_BAD_HABITS


@pytest.mark.parametrize("name", list(known_fleets()))
def test_a_fleet_has_its_shares_in_every_round_and_grows_at_the_end(name: str) -> None:
    plan = fleet_of(name)
    total = sum(group.share for group in plan.groups)
    chosen = [plan.group_of(number) for number in range(1, 2 * total + 1)]
    for group in plan.groups:
        assert chosen[:total].count(group) == chosen[total:].count(group) == group.share
    few = line_up(5, "1", "normal", "SIM", fleet=name)
    assert line_up(50, "1", "normal", "SIM", fleet=name)[:5] == few


def test_a_persona_has_its_hardware_and_habits() -> None:
    [persona] = line_up(1, "1", "brisk", "SIM", persona="alfen-eve")
    assert (persona.vendor, persona.name, persona.identity) == ("Alfen BV", "alfen-eve", "SIM-00001")
    assert persona.bad_habits == persona_of("alfen-eve").habits


def test_an_unknown_name_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(SimulatorError, match="alfen-eve"):
        persona_of("alfen")
    with pytest.raises(SimulatorError, match="blue-corner"):
        fleet_of("blue")


def test_the_command_line_prints_personas_and_fleets() -> None:
    runner = CliRunner()
    for arguments in (["personas"], ["simulate", "--persona", "list"]):
        shown = runner.invoke(application, arguments)
        assert shown.exit_code == 0, shown.output
        assert "https://github.com/lbbrhzn/ocpp/issues/2032" in shown.stdout
    shown = runner.invoke(application, ["simulate", "--fleet", "list"])
    assert "1/1 EVBox Troniq 100: 2 x DC 100 kW" in shown.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["simulate", "--count", "1"],
        ["simulate", "--tenant", "a", "--persona", "hici", "--fleet", "engie"],
        ["simulate", "--tenant", "a", "--certificate", "a.pem"],
    ],
)
def test_options_that_do_not_fit_are_refused(arguments: list[str]) -> None:
    assert CliRunner().invoke(application, arguments).exit_code == 2
