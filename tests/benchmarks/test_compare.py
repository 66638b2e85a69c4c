"""A change between two runs is one beyond the spread of their rounds."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.compare import changes, different_hosts, main
from benchmarks.peers import PEERS
from benchmarks.summary import summarize
from benchmarks.wire import OURS

_HOST = {"cpu": "one", "cores": 2, "kernel": "Linux 6", "python": "CPython 3.11", "filesystem": "ext4"}


def _run(cpu_us: list[float], rate: list[float], sockets: int = 256) -> dict[str, Any]:
    row = {"sockets": sockets, "server_cpu_us": summarize(cpu_us), "frames_per_s": summarize(rate)}
    return {"host": _HOST, "durable": {"meter_values": [row]}}


_BEFORE = _run([100.0, 102.0, 104.0], [1000.0, 1010.0, 1020.0])


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        pytest.param(_run([101.0, 103.0, 105.0], [1000.0, 1010.0, 1020.0]), [], id="within the spread"),
        pytest.param(_run([103.0, 130.0, 140.0], [900.0, 950.0, 1001.0]), [], id="rounds that overlap"),
        pytest.param(_run([104.5, 105.0, 106.0], [1000.0, 1010.0, 1020.0]), [], id="below the threshold"),
        pytest.param(_run([130.0], [500.0]), [], id="one round says nothing"),
        pytest.param(
            _run([120.0, 122.0, 124.0], [1000.0, 1010.0, 1020.0]),
            [("durable.meter_values[256].server_cpu_us", True)],
            id="a cost that grows is worse",
        ),
        pytest.param(
            _run([80.0, 82.0, 84.0], [2000.0, 2010.0, 2020.0]),
            [
                ("durable.meter_values[256].frames_per_s", False),
                ("durable.meter_values[256].server_cpu_us", False),
            ],
            id="less cost and a higher rate are better",
        ),
        pytest.param(
            _run([100.0, 102.0, 104.0], [800.0, 810.0, 820.0]),
            [("durable.meter_values[256].frames_per_s", True)],
            id="a lower rate is worse",
        ),
        pytest.param(_run([200.0, 202.0, 204.0], [100.0, 101.0, 102.0], sockets=64), [], id="other rows"),
    ],
)
def test_changes_are_what_rounds_agree_on(after: dict[str, Any], expected: list[tuple[str, bool]]) -> None:
    found, _ = changes(_BEFORE, after)
    assert [(change.name, change.worse) for change in found] == expected


def test_hosts_are_told_apart() -> None:
    other = {**_BEFORE, "host": {**_HOST, "cores": 4}}
    assert different_hosts(_BEFORE, other) == ["cores 2 and 4"]
    assert different_hosts(_BEFORE, _BEFORE) == []


def test_the_exit_code_says_whether_something_became_worse(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, after = tmp_path / "a.json", tmp_path / "b.json"
    before.write_text(json.dumps(_BEFORE))
    after.write_text(json.dumps(_run([120.0, 122.0, 124.0], [1000.0, 1010.0, 1020.0])))
    assert main([str(before), str(before)]) == 0
    assert main([str(before), str(after)]) == 1
    assert "2 figures compared: 1 worse, 0 better" in capsys.readouterr().out
    assert main([str(before), str(tmp_path / "missing.json")]) == 2
    assert "missing.json" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("after", "complaint"),
    [
        (json.dumps({"host": _HOST, "durable": {}}), "no figure of several rounds in common"),
        ("[]", "does not contain results"),
        ("{}", "does not contain results"),
        ("{", "compare: "),
    ],
)
def test_what_cannot_be_compared_is_no_success(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], after: str, complaint: str
) -> None:
    (tmp_path / "a.json").write_text(json.dumps(_BEFORE))
    (tmp_path / "b.json").write_text(after)
    assert main([str(tmp_path / "a.json"), str(tmp_path / "b.json")]) == 2
    assert complaint in capsys.readouterr().err


def test_figures_of_one_run_alone_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    more = {**_BEFORE, "idle": {"cost": summarize([1.0, 2.0])}}
    for name, run in (("a.json", _BEFORE), ("b.json", more)):
        (tmp_path / name).write_text(json.dumps(run))
    assert main([str(tmp_path / "a.json"), str(tmp_path / "b.json")]) == 0
    assert "1 figures are only in" in (said := capsys.readouterr().out)
    assert "idle.cost" in said


def test_figures_of_other_programs_are_left_out() -> None:
    def run(cpu_us: list[float]) -> dict[str, Any]:
        names = (OURS, *(peer.name for peer in PEERS))
        row = {"sockets": 256, **{name: {"server_cpu_us": summarize(cpu_us)} for name in names}}
        return {"host": _HOST, "wire": {"heartbeat": [row]}, "commands": {"fastapi_commits": row[OURS]}}

    found, compared = changes(run([100.0, 102.0, 104.0]), run([120.0, 122.0, 124.0]))
    assert compared == 1
    assert [change.name for change in found] == [f"wire.heartbeat[256].{OURS}.server_cpu_us"]


def test_more_frames_in_a_second_of_cpu_time_are_better() -> None:
    def run(rates: list[float]) -> dict[str, Any]:
        load = {"2_workers": {"frames_per_cpu_s": summarize(rates)}}
        return {"host": _HOST, "scale_out": {"load": load}}

    [change], _ = changes(run([100.0, 102.0, 104.0]), run([120.0, 122.0, 124.0]))
    assert not change.worse
