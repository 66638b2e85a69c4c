"""The report of a run."""

from typing import Any

import pytest

from benchmarks.report import QUICK_WARNING, markdown

HOST: dict[str, Any] = {
    "cpu": "a CPU",
    "cores": 2,
    "kernel": "Linux",
    "filesystem": "ext4",
    "fsync_ms": 1.0,
    "python": "Python",
    "rustc": "rustc",
    "commit": "abc",
    "uncommitted_changes": False,
    "at": "2026-01-01",
    "load_average": (0.1, 0.1, 0.1),
    "load_average_after": (0.1, 0.1, 0.1),
}


@pytest.mark.parametrize("quick", [True, False])
def test_a_quick_run_says_at_its_top_that_its_figures_mean_nothing(quick: bool) -> None:
    lines = markdown({"quick": quick, "host": HOST}).splitlines()
    assert (lines[2] == f"**{QUICK_WARNING}**") is quick
