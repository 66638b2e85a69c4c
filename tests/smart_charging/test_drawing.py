"""Pictures of composite schedules: what is on them, and that those of the documentation are fresh."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from app.smart_charging.axes import amount, amount_ticks, time_ticks
from app.smart_charging.drawing import WIDTH, Measured, draw
from tests.smart_charging.drawings import DIRECTORY, EXAMPLES, drawn, path

START = datetime(2026, 3, 2, 10, tzinfo=UTC)
SVG = "{http://www.w3.org/2000/svg}"
CAP = {
    "kind": "profile",
    "chargingProfileId": 7,
    "chargingProfilePurpose": "ChargePointMaxProfile",
    "stackLevel": 0,
    "connectorId": 0,
}


def schedule(*periods: dict[str, Any], duration: int = 3600) -> dict[str, Any]:
    return {
        "scheduleStart": "2026-03-02T10:00:00Z",
        "duration": duration,
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": list(periods),
    }


def period(start: int, limit: float | None, source: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"startPeriod": start, "limit": limit, "source": source, "beaten": [], **more}


def shapes(text: str, name: str) -> list[ElementTree.Element]:
    # Our own text.
    return list(ElementTree.fromstring(text).iter(f"{SVG}{name}"))  # noqa: S314


def classes(text: str) -> list[str]:
    return [shape.get("class", "") for shape in shapes(text, "rect")]


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_drawings_of_the_documentation_are_fresh(name: str) -> None:
    hint = "run `make generate`"
    assert path(name).read_text() == drawn(name), hint


def test_every_drawing_of_a_composite_schedule_is_shown_and_made() -> None:
    text = (DIRECTORY.parent / "smart-charging.md").read_text()
    shown = {Path(found).name for found in re.findall(r"\]\((drawings/composite-[a-z-]+\.svg)\)", text)}
    assert shown == {path(name).name for name in EXAMPLES}
    assert shown == {found.name for found in DIRECTORY.glob("composite-*.svg")}


def test_a_row_is_strong_where_its_profile_leads_and_pale_where_it_is_beaten() -> None:
    text = draw(
        schedule(
            period(0, 32, {"kind": "hardware"}), period(600, 20, CAP), period(1200, 16, {"kind": "idle"})
        ),
        [{"source": CAP, "spans": [[600, 1800, 20]]}],
        title="One cap",
    )
    assert classes(text)[-3:] == ["row", "cap", "cap pale"]


def test_what_was_measured_lies_over_the_limits_and_outside_of_the_time_is_left_out() -> None:
    measured = [Measured(START + timedelta(seconds=offset), 12.5) for offset in (-60, 0, 1800, 3600, 3660)]
    text = draw(schedule(period(0, 16, CAP)), [], title="Measured", measured=measured)
    (line,) = shapes(text, "polyline")
    assert len(line.get("points", "").split()) == 3
    assert "measured" in [found.text for found in shapes(text, "text")]


def test_between_two_transactions_no_line_is_drawn() -> None:
    measured = [Measured(START + timedelta(minutes=at), 12.5, at // 20) for at in (0, 10, 50)]
    text = draw(schedule(period(0, 16, CAP)), [], title="Measured", measured=measured)
    points = [line.get("points", "").split() for line in shapes(text, "polyline")]
    assert [len(line) for line in points] == [2, 2]
    # A lone sample is a dot.
    assert points[1][0] == points[1][1]


def test_the_last_name_of_a_time_stays_inside() -> None:
    text = draw(schedule(period(0, 16, CAP), duration=60), [], title="A minute")
    (last,) = [found for found in shapes(text, "text") if found.text == "10:01:00"]
    assert float(last.get("x", "0")) + 27 < WIDTH


def test_an_unknown_limit_breaks_the_outline() -> None:
    nothing = {"kind": "nothing"}
    text = draw(
        schedule(period(0, 16, CAP), period(900, None, nothing), period(1800, 8, CAP)), [], title="A gap"
    )
    (outline,) = (shape for shape in shapes(text, "path") if shape.get("class") == "step")
    assert outline.get("d", "").count("M") == 2
    assert "unknown area" in classes(text)


def test_a_title_cannot_break_out_of_the_picture() -> None:
    text = draw(schedule(period(0, 0, CAP), duration=0), [], title='<script>"&')
    assert "<script" not in text
    assert shapes(text, "text")[0].text == '<script>"&'


def test_more_rows_than_one_can_see_are_counted() -> None:
    layers = [{"source": {**CAP, "chargingProfileId": number}, "spans": []} for number in range(30)]
    text = draw(schedule(period(0, 16, CAP)), layers, title="Many")
    assert "and 6 more" in [found.text for found in shapes(text, "text")]


@pytest.mark.parametrize("highest", [0.0, 0.1, 5.0, 6.0, 32.0, 100.0, 22_080.0, 1e9])
def test_marks_reach_the_highest_limit_in_few_steps(highest: float) -> None:
    ticks = amount_ticks(highest)
    assert ticks[0] == 0.0
    assert ticks[-1] >= highest
    assert 3 <= len(ticks) <= 6


@pytest.mark.parametrize(
    ("duration_s", "labels"),
    [
        (1, ["10:00:00", "10:00:01"]),
        (3600, ["10:00", "10:15", "10:30", "10:45", "11:00"]),
        (86_400, ["12:00", "15:00", "18:00", "21:00", "3 Mar", "03:00", "06:00", "09:00"]),
        (28 * 86_400, ["9 Mar", "16 Mar", "23 Mar", "30 Mar"]),
    ],
)
def test_times_stand_at_round_moments(duration_s: int, labels: list[str]) -> None:
    assert [label for _, label in time_ticks(START, duration_s)] == labels


def test_amounts_are_written_as_people_do() -> None:
    assert [amount(value) for value in (0, 8.5, 16.0, 22_080)] == ["0", "8.5", "16", "22\u00a0080"]
