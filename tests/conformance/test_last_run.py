"""The shown run of the certification cases tells of the tests that exist."""

import ast
from collections import defaultdict
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

import pytest

from app.conformance.records import ConformanceRun, certification_cases, last_run
from app.conformance.routes import conformance_of
from tools.conformance import results_by_case, table_of

ROOT = Path(__file__).parents[2]
CASES = [case.id for case in certification_cases()]


@cache
def cases_in_the_source() -> dict[str, set[str]]:
    """Return the tests of each case, by the names of functions."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in (ROOT / "tests").rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_tc_"):
                case = max((case for case in CASES if node.name.startswith(f"test_{case.lower()}_")), key=len)
                found[case].add(f"{path.relative_to(ROOT)}::{node.name}")
    return found


def test_the_certification_has_77_cases_with_different_ids() -> None:
    assert len(CASES) == len(set(CASES)) == 77


@pytest.mark.parametrize("case", CASES)
def test_the_shown_run_has_the_tests_of_the_case(case: str) -> None:
    # `make conformance` writes the run.
    assert set(last_run().tests.get(case, {})) == cases_in_the_source().get(case, set())


REPORT = """
<testsuites><testsuite>
  <testcase classname="tests.a.test_x" name="test_tc_001_it_boots"/>
  <testcase classname="tests.a.test_x" name="test_tc_011_2_it_ends[one]"/>
  <testcase classname="tests.a.test_x" name="test_tc_011_2_it_ends[two]"><failure/></testcase>
  <testcase classname="tests.a.test_x" name="test_tc_088_a_version"><skipped/></testcase>
  <testcase classname="tests.a.test_x" name="test_another"/>
</testsuite></testsuites>
"""


def test_a_case_passed_only_if_each_row_of_each_test_did() -> None:
    tests = results_by_case(ElementTree.fromstring(REPORT))  # noqa: S314 - a constant
    assert set(tests) == {"TC_001", "TC_011_2", "TC_088"}
    run = ConformanceRun("0f4c2b1d9a7e", False, "2026-05-04T08:00:00Z", tests)
    results = {case: run.result_of(case) for case in ("TC_001", "TC_011_2", "TC_088", "TC_002")}
    assert results == {
        "TC_001": "passed",
        "TC_011_2": "failed",
        "TC_088": "not_tested",
        "TC_002": "not_tested",
    }
    document = conformance_of(certification_cases(), run)
    assert (document.passed, document.total) == (1, 77)
    assert "TC_011_2  core            failed" in table_of(run)
