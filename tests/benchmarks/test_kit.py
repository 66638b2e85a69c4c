"""The benchmark kit still runs, on sizes that measure nothing. No figure is judged here."""

import json
import os
import re
import socket
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from matplotlib.legend import Legend

from app.server.embedded import Engines
from benchmarks import __main__ as kit
from benchmarks import accounting
from benchmarks.corpus import UNIQUE_ID, frame, frames
from benchmarks.plot import draw, figure_of
from benchmarks.report import QUICK_WARNING, markdown
from benchmarks.summary import slope, summarize
from tests.support.protocol import OCPP16

ACTIONS = [
    "Authorize",
    "BootNotification",
    "Heartbeat",
    "MeterValues",
    "StartTransaction",
    "StatusNotification",
    "StopTransaction",
]


def test_the_corpus_is_strictly_valid() -> None:
    assert [found.action for found in frames()] == ACTIONS
    for found in frames():
        verdict = OCPP16.check_frame(found.text, "charge_point", strict=True)
        assert (verdict.violations, verdict.deviations, verdict.action) == ([], [], found.action)


def test_the_meter_values_of_the_figures_have_four_sampled_values() -> None:
    payload = OCPP16.check_frame(frame("meter_values").text, "charge_point").payload
    assert payload is not None
    assert [len(value["sampledValue"]) for value in payload["meterValue"]] == [4]


def test_frames_get_ids_of_their_own() -> None:
    texts = frame("heartbeat").with_new_ids(7, 3)
    ids = [OCPP16.check_frame(text, "charge_point").unique_id for text in texts]
    assert ids == [f"{UNIQUE_ID[:24]}{number:012d}" for number in (7, 8, 9)]


def test_summaries_are_medians_with_their_range() -> None:
    assert summarize([3.0, 1.0, 2.0]) == {"median": 2.0, "lowest": 1.0, "highest": 3.0, "rounds": 3}
    assert slope([(0.0, 5.0), (10.0, 25.0), (20.0, 45.0)]) == pytest.approx(2.0)


@pytest.fixture(scope="module")
def results(database_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Run a quick benchmark, and return its results."""
    output = tmp_path_factory.mktemp("benchmarks") / "quick.json"
    kit.main(["--quick", "--output", str(output)], given=Engines(database_url, redis_url))
    written: dict[str, Any] = json.loads(output.read_text())
    return written | {"svg": output.with_suffix(".svg").read_text()}


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_quick_run_measures_every_part(results: dict[str, Any]) -> None:
    assert set(results["micro"]["python"]["frames"]) == {found.name for found in frames()}
    for row, sockets in zip(results["wire"]["meter_values"], (2, 4), strict=True):
        assert row["sockets"] == sockets
        for name in results["wire"]["servers"]:
            assert row[name]["server_cpu_us"]["median"] > 0
    for scenario in ("meter_values", "transactions", "heartbeat", "mixed_day"):
        assert [row["sockets"] for row in results["durable"][scenario]] == [2, 4]
    assert results["durable"]["half_load"]["p99_ms"]["median"] > 0
    assert results["durable"]["stored_meter_values"] > 0
    assert results["durable"]["logged_frames_share"] > 0.9
    assert results["bytes"]["disk"]["frame_runs"]["all"] > 0
    for found in results["bytes"]["log"].values():
        assert min(found[when]["median"] for when in ("after_checkpoint", "otherwise")) > 0
    assert [point["connections"] for point in results["idle"]["points"]] == [0, 4, 8]
    assert all(point["kernel_bytes"] > 0 for point in results["idle"]["points"])
    for document in results["catalog"]["documents"].values():
        assert document["asgi"]["throughput_of_bare"] > 0
        assert document["http"]["throughput_of_bare"] > 0
    for name in ("stationmaster", "fastapi_echo"):
        assert results["storm"][name]["connections_per_s"]["median"] > 0
    for name in ("same_worker", "across_workers", "fastapi_commits"):
        assert results["commands"][name]["p99_ms"]["median"] > 0
    for name in ("1_worker", "2_workers", "4_workers", "two_hosts"):
        assert results["scale_out"]["load"][name]["frames_per_cpu_s"]["median"] > 0
    for name in ("other_worker", "other_host"):
        assert "added_p99_ms" in results["scale_out"]["commands"][name]
    assert results["tls"]["durable_cpu_ratio"] > 0
    for name in ("plain", "tls"):
        assert results["tls"]["storm"][name]["connections_per_s"]["median"] > 0
    assert results["idle"]["three_workers"]["points"][-1]["connections"] == 6
    assert all(found["requests_per_s"]["median"] > 0 for found in results["rest"]["paths"].values())
    assert [row["rows"] for row in results["growth"]["rows"]] == [0, 100]
    assert [row["sockets"] for row in results["growth"]["sockets"]] == [2, 4]
    assert results["host"]["cpu"]


@pytest.mark.long
def test_a_run_is_drawn_and_described(results: dict[str, Any]) -> None:
    # Our own text.
    assert ElementTree.fromstring(results["svg"]).tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314
    report = markdown(results)
    assert QUICK_WARNING in report.splitlines()[2]
    assert report.count("\n## ") == len(results) - 4
    for name in ("picows_echo", "tungstenite_echo", "epoll_echo"):
        assert re.search(rf"^\| meter_values, 2 sockets, {name} +\| ", report, re.MULTILINE)


@pytest.mark.long
def test_a_part_alone_is_drawn(results: dict[str, Any]) -> None:
    partial = {name: results[name] for name in ("host", "cores", "idle")}
    assert "Idle connections" in draw(partial)
    assert Path(kit.__file__).parent.name == "benchmarks"


def test_a_process_that_ends_while_it_is_looked_at_counts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    # A helper process of PostgreSQL may be gone between two looks at it.
    monkeypatch.setattr(accounting, "_stat", lambda _: ["S", "1", *["0"] * 20])
    assert accounting.cpu_use([2**22 + 1]).by_process == {2**22 + 1: accounting.CpuUse(0.0, 0.0, 0.0)}
    assert accounting.cpu_use([os.getpid()]).by_process[os.getpid()].exact_s > 0.0


def test_connections_are_counted_for_the_process_that_accepted_them() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)), listener.accept()[0]:
            assert accounting.connections_of([os.getpid()], port) == {os.getpid(): 1}
    assert accounting.connections_of([os.getpid()], port) == {os.getpid(): 0}


def test_processes_that_began_or_ended_meanwhile_never_make_a_negative_time() -> None:
    stays, ended, began = (accounting.CpuUse(used, used / 2, used / 2) for used in (2.0, 50.0, 3.0))
    before = accounting.CpuReading({1: stays, 2: ended})
    after = accounting.CpuReading({1: accounting.CpuUse(6.0, 3.0, 3.0), 3: began})
    assert after.since(before) == accounting.CpuUse(7.0, 3.5, 3.5)
    assert accounting.CpuReading({}).since(before) == accounting.CpuUse(0.0, 0.0, 0.0)


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_every_text_of_the_plots_is_whole_and_every_axis_has_its_unit() -> None:
    figure = figure_of(json.loads((kit.RESULTS / "results.json").read_text()))
    figure.draw_without_rendering()
    page = figure.bbox
    # Not the labels of ticks beyond the end of an axis, which are not drawn.
    texts = [
        text for axes in figure.axes for text in (*axes.texts, *axes.get_yticklabels(), axes.xaxis.label)
    ]
    texts += [text for axes in figure.axes for text in axes.findobj(Legend)[0].get_texts()]
    assert len(texts) > 100
    cut = [
        text.get_text()
        for text in texts
        for box in [text.get_window_extent()]
        if min(box.x0, box.y0, page.x1 - box.x1, page.y1 - box.y1) < 0.0
    ]
    assert cut == []
    assert [axes.get_title(loc="left") for axes in figure.axes if not axes.get_xlabel()] == []


def test_a_part_without_figures_to_draw_is_an_empty_plot() -> None:
    host = {"cpu": "a CPU", "cores": 2, "at": "2026-01-01T00:00:00Z", "commit": None}
    still = {"connections": 0, "resident_bytes": 5}
    idle = {"resident_bytes_per_connection": 0.0, "points": [still, still | {"connections": 4}]}
    for results in ({"host": host}, {"host": host, "schedules": {}}, {"host": host, "idle": idle}):
        assert len(figure_of(results).axes) == ("idle" in results)
        assert draw(results).startswith("<?xml")


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_our_bars_can_be_seen_next_to_much_longer_ones() -> None:
    figure = figure_of(json.loads((kit.RESULTS / "results.json").read_text()))
    figure.draw_without_rendering()
    pixels = [bar.get_window_extent().width for axes in figure.axes for bar in axes.patches]
    assert min(pixels) >= 5.0
