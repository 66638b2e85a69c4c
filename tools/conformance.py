"""Runs the certification cases, prints a table, and writes the run for `GET /v1/conformance`.

A test belongs to a case by its name: `test_tc_011_2_...` belongs to TC_011_2.
"""

import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

import orjson

from app.conformance.records import (
    RUN_FILE,
    CaseResult,
    ConformanceRun,
    certification_cases,
)

_ROOT = Path(__file__).parents[1]
_RUN = _ROOT / "app" / "conformance" / RUN_FILE
_NAME = re.compile(r"test_(tc_\d{3}(?:_\d)?)_[a-z]")


def main() -> int:
    """Run the cases. Return 0 if each one passed."""
    with tempfile.TemporaryDirectory() as directory:
        report = Path(directory) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", "-k", "test_tc_", f"--junitxml={report}"]
        # The exit code says less than the report: the table shows which case failed.
        subprocess.run([*command, *sys.argv[1:]], cwd=_ROOT, check=False)
        tests = results_by_case(ElementTree.parse(report).getroot())  # noqa: S314 - pytest has written it
    run = ConformanceRun(
        commit=_git("rev-parse", "HEAD"),
        with_changes=bool(_git("status", "--porcelain", "--", ".", f":!{_RUN.relative_to(_ROOT)}")),
        finished_at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        tests=tests,
    )
    _RUN.write_bytes(orjson.dumps(run, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n")
    print(table_of(run))
    return 0 if all(run.result_of(case.id) == "passed" for case in certification_cases()) else 1


def results_by_case(report: ElementTree.Element) -> dict[str, dict[str, CaseResult]]:
    """Return the results of the tests of each case, from a JUnit report of pytest.

    A test with several rows passed only if all of them did.
    """
    found: dict[str, dict[str, CaseResult]] = defaultdict(dict)
    for test in report.iter("testcase"):
        name = test.get("name", "").split("[")[0]
        match = _NAME.match(name)
        if match is None:
            continue
        path = test.get("classname", "").replace(".", "/")
        results = found[match[1].upper()]
        results[f"{path}.py::{name}"] = _worse(results.get(f"{path}.py::{name}", "passed"), _result(test))
    return dict(found)


def table_of(run: ConformanceRun) -> str:
    """Return a row for each case: its id, profile, result and title."""
    cases = certification_cases()
    rows = [f"{case.id:<9} {case.profile:<15} {run.result_of(case.id):<11} {case.title}" for case in cases]
    passed = sum(run.result_of(case.id) == "passed" for case in cases)
    return "\n".join([*rows, f"{passed} of {len(cases)} cases passed (commit {run.commit[:12]})"])


def _result(test: ElementTree.Element) -> CaseResult:
    kinds = {child.tag for child in test}
    if kinds & {"failure", "error"}:
        return "failed"
    return "not_tested" if "skipped" in kinds else "passed"


def _worse(one: CaseResult, other: CaseResult) -> CaseResult:
    order: tuple[CaseResult, ...] = ("failed", "not_tested", "passed")
    return min(one, other, key=order.index)


def _git(*arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments],  # noqa: S607 - of the developer's path
        cwd=_ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
