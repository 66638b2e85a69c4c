"""A simulated site: no limit is ever passed, and what there is gets used."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli import application
from app.simulator.site.cars import Car, visits
from app.simulator.site.day import Draw, Flow, Step, run_day
from app.simulator.site.drawing import draw_day
from app.simulator.site.installation import CHARGE_POINTS, FEEDERS, PLACES, above, grid_phases
from app.simulator.site.report import figures, summary, used_of_tightest

DOCS = Path(__file__).parents[2] / "docs"


def test_the_installation_is_a_tree_of_three_levels_with_mixed_phases() -> None:
    assert len(CHARGE_POINTS) == 40
    assert {len(above(each.id)) for each in CHARGE_POINTS} == {3}
    assert {each.phases for each in CHARGE_POINTS} == {1, 3}
    assert {each.rotation for each in CHARGE_POINTS} == {"RST", "STR", "TRS"}
    assert {each.feeder for each in CHARGE_POINTS} == {feeder.id for feeder in FEEDERS}
    assert grid_phases("STR", 2) == (1, 2)


@pytest.mark.parametrize("seed", [2, 3])
def test_a_morning_passes_no_limit_and_leaves_nothing_unused(seed: int) -> None:
    day = run_day(seed, hours=11)
    found = figures(day)
    assert found.over_limit == 0
    assert found.scarce_steps > 60
    assert found.lowest_used >= 0.95


def test_the_books_of_the_day_agree() -> None:
    day = run_day(seed=4, hours=9)
    cars = {car.id: car for car in day.cars}
    for step in day.steps:
        sums = [[0, 0, 0] for _ in PLACES]
        for draw in step.draws:
            car = cars[draw.car]
            assert car.is_there(step.at_s)
            assert draw.drawn <= draw.limit
            assert draw.limit == 0 or draw.limit >= 60
            assert draw.limit % car.charge_point.step == 0
            for node, phase in draw.places:
                sums[node][phase] += draw.drawn
        assert sums == [[flow.cars for flow in flows] for flows in step.flows]


def test_visits_at_a_charge_point_do_not_overlap() -> None:
    cars = visits(seed=5)
    assert len(cars) > 80
    for one in cars:
        for other in cars:
            if one is not other and one.charge_point is other.charge_point:
                assert one.departs_s <= other.arrives_s or other.departs_s <= one.arrives_s


def test_a_car_takes_the_last_tenth_slowly() -> None:
    car: Car = visits(seed=1)[0]
    assert car.accepts == car.maximum
    car.taken = car.wanted - car.wanted // 20
    assert 60 <= car.accepts <= car.maximum // 2 + 60
    car.taken = car.wanted - 1
    assert (car.accepts, car.is_full) == (60, False)


def test_a_car_is_held_back_by_its_tightest_place() -> None:
    flows = tuple((Flow(1000, 900, 0), Flow(100, 50, 0), Flow(100, 99, 0)) for _ in PLACES)
    content = Draw("a", 160, 160, 160, ((0, 1),))
    held_back = Draw("b", 160, 80, 80, ((0, 0), (0, 1)))
    assert used_of_tightest(Step(0, flows, (content,))) is None
    assert used_of_tightest(Step(0, flows, (content, held_back))) == 0.9
    at_full = Draw("c", 160, 80, 80, ((0, 2),))
    assert used_of_tightest(Step(0, flows, (held_back, at_full))) == 0.9


def test_the_command_prints_the_figures_and_draws(tmp_path: Path) -> None:
    file = tmp_path / "day.svg"
    result = CliRunner().invoke(application, ["simulate-site", "--hours", "2", "--svg", str(file)])
    assert result.exit_code == 0
    assert "over a limit: 0 of" in result.stdout
    assert file.read_text().startswith("<svg")


@pytest.mark.slow
def test_the_documentation_shows_the_day_as_it_is() -> None:
    day = run_day()
    hint = "run 'make generate'"
    assert (DOCS / "drawings" / "site-day.svg").read_text() == draw_day(day), hint
    assert summary(day) in (DOCS / "smart-charging-sites.md").read_text(), "copy what simulate-site prints"
