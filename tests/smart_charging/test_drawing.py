"""Pictures of composite schedules: what is on them, and that those of the documentation are fresh."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from app.smart_charging.axes import amount, amount_ticks, time_ticks
from app.smart_charging.drawing import WIDTH, draw
from app.smart_charging.drawing_style import STYLE
from app.smart_charging.overlays import Measured, ReportedLimit
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


def layer(source: dict[str, Any], *spans: list[float]) -> dict[str, Any]:
    return {"source": source, "spans": list(spans), "chargingRateUnit": "A"}


def texts(text: str) -> list[str]:
    return [found.text or "" for found in shapes(text, "text")]


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
        [layer(CAP, [600, 1800, 20])],
        title="One cap",
    )
    assert classes(text)[-3:] == ["row", "cap pale", "cap"]


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
    layers = [layer({**CAP, "chargingProfileId": number}) for number in range(30)]
    text = draw(schedule(period(0, 16, CAP)), layers, title="Many")
    assert "and 6 more" in texts(text)


def test_the_profile_that_limits_is_never_hidden() -> None:
    layers = [layer({**CAP, "chargingProfileId": number}, [0, 3600, 20]) for number in range(100)]
    text = draw(schedule(period(0, 16, {**CAP, "chargingProfileId": 99})), layers, title="The last one")
    assert [found for found in texts(text) if found.startswith("id 99")]
    assert "and 76 more" in texts(text)
    every = [period(number * 30, 16 + number % 2, layers[number]["source"]) for number in range(100)]
    text = draw(schedule(*every), layers, title="All of them lead")
    assert sum(found.startswith("id ") for found in texts(text)) == 100
    assert classes(text).count("cap") == 1 + 100


def test_a_second_in_a_year_is_a_pixel_wide_and_on_top() -> None:
    year = 366 * 86_400
    other = {**CAP, "chargingProfileId": 8}
    text = draw(
        schedule(period(0, 16, other), period(100, 6, CAP), period(101, 16, other), duration=year),
        [layer(CAP, [0, year, 6])],
        title="A second",
    )
    rows = [shape for shape in shapes(text, "rect") if float(shape.get("y", "0")) > 294]
    assert [shape.get("class") for shape in rows] == ["row", "cap pale", "cap pale", "cap"]
    assert float(rows[-1].get("width", "0")) >= 1
    areas = [shape for shape in shapes(text, "rect") if "area" in shape.get("class", "")]
    assert min(float(shape.get("width", "0")) for shape in areas) >= 1


def test_a_long_label_is_cut_behind_the_id_and_told_in_full() -> None:
    source = {**CAP, "chargingProfilePurpose": "TxProfile", "chargingProfileId": 2_147_483_647}
    source |= {"connectorId": 100, "stackLevel": 1_000}
    text = draw(schedule(period(0, 16, source)), [layer(source, [0, 3600, 16])], title="Long")
    assert "id 2147483647, connector 1…" in texts(text)
    assert "id 2147483647, connector 100, level 1000" in [found.text for found in shapes(text, "title")]


def test_warnings_are_drawn_and_told() -> None:
    warned = period(600, 2.8, CAP, warning="below_signalled_minimum")
    text = draw(schedule(period(0, 16, CAP), warned), [], title="Too little")
    assert classes(text).count("warned") == 2
    assert "below 6 A, the vehicle pauses" in texts(text)
    assert any("2.8 A, below 6 A" in (found.text or "") for found in shapes(text, "title"))
    plain = draw(schedule(period(0, 16, CAP)), [], title="Enough")
    assert "warned" not in classes(plain)


def test_phases_are_drawn_and_told() -> None:
    text = draw(
        schedule(
            period(0, 16, CAP, numberPhases=1), period(900, 10, CAP), period(1800, 8, CAP, numberPhases=3)
        ),
        [],
        title="Phases",
    )
    assert classes(text)[-3:] == ["row", "phases", "phases"]
    assert [found for found in texts(text) if found in ("phases", "1", "2", "3")] == ["phases", "1", "3"]
    told = [found.text or "" for found in shapes(text, "title")]
    assert ["on 1 phase " in told[0], "phase" in told[1], "on 3 phases " in told[2]] == [True, False, True]
    assert "phases" not in texts(draw(schedule(period(0, 16, CAP)), [], title="None named"))


def test_a_limit_in_another_unit_is_shown_as_the_profile_has_it() -> None:
    watts = {**layer(CAP, [0, 3600, 11_000]), "chargingRateUnit": "W"}
    assert "11\u00a0000 W" in texts(draw(schedule(period(0, 15.9, CAP)), [watts], title="Watts"))


def test_the_legend_goes_on_in_a_second_line() -> None:
    kinds = ("hardware", "connectors", "nothing")
    sources: list[dict[str, Any]] = [CAP, *({"kind": kind, "connectors": []} for kind in kinds)]
    sources += [{**CAP, "chargingProfilePurpose": purpose} for purpose in ("TxProfile", "TxDefaultProfile")]
    periods = [period(60 * place, 5, source, warning="w") for place, source in enumerate(sources)]
    text = draw(schedule(*periods), [], title="All", measured=[Measured(START, 5)])
    legend = [found for found in shapes(text, "text") if found.get("y") in ("52.0", "69.0")]
    assert {found.get("y") for found in legend} == {"52.0", "69.0"}
    assert max(float(found.get("x", "0")) + 6.6 * len(found.text or "") for found in legend) < WIDTH


def _colours(css: str) -> dict[str, str]:
    return dict(re.findall(r"\.([a-z.]+)\{fill:(#[0-9a-f]{3,6})", css))


def _luminance(colour: str) -> list[float]:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    return [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]


def _contrast(one: list[float], other: list[float]) -> float:
    """The contrast of two colours by WCAG 2.2."""

    def lightness(colour: list[float]) -> float:
        parts = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    low, high = sorted((lightness(one), lightness(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_every_text_has_a_contrast_of_at_least_4_5(mode: str) -> None:
    light, _, dark = STYLE.partition("@media(prefers-color-scheme:dark){")
    css = light if mode == "light" else dark
    colours = {name: _luminance(colour) for name, colour in _colours(css).items()}
    (text,) = re.findall(r"(?:^|\n|\{)text\{(?:font:[^;]*;)?fill:(#[0-9a-f]+)", "{" + css)
    (note,) = re.findall(r"\.note,\.tick\{fill:(#[0-9a-f]+)", css)
    (pale,) = re.findall(r"\.pale\{opacity:([.0-9]+)", css)
    on_page = [_contrast(_luminance(colour), colours["page"]) for colour in (text, note)]
    assert min(on_page) >= 4.5
    for name in ("cap", "default", "own", "hardware", "sum", "phases"):
        assert _contrast(colours["on"], colours[name]) >= 4.5, name
        mixed = [
            above * float(pale) + below * (1 - float(pale))
            for above, below in zip(colours[name], colours["row"], strict=True)
        ]
        assert _contrast(colours["on.dark"], mixed) >= 4.5, name


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


def test_the_charge_points_own_limits_are_a_dashed_line_that_is_broken_where_there_is_none() -> None:
    reported = [ReportedLimit(-60, 600, 32), ReportedLimit(600, 1200, None), ReportedLimit(1200, 3600, 10)]
    text = draw(schedule(period(0, 16, CAP)), [], title="Both", reported=reported)
    (line, _) = sorted(
        (found.get("d", "") for found in shapes(text, "path") if found.get("class") == "reported"), key=len
    )[::-1]
    assert line.count("M") == 2
    assert "the charge point's own answer" in texts(text)
    # The axis reaches its highest limit.
    assert "40" in texts(text)
    assert "the charge point's own answer" not in texts(draw(schedule(period(0, 16, CAP)), [], title="Ours"))
