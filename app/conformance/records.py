"""The certification cases and the last run, as the rest of the application sees them."""

import tomllib
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final, Literal

import orjson

CaseProfile = Literal[
    "core", "local_list", "firmware", "reservation", "remote_trigger", "smart_charging", "security"
]
CaseResult = Literal["passed", "failed", "not_tested"]

CASES_FILE: Final = "cases.toml"
RUN_FILE: Final = "last_run.json"
"""Written by `make conformance`."""


@dataclass(frozen=True, slots=True)
class CertificationCase:
    """One case of the certification. follows_from: documents and sections that demand it."""

    id: str
    profile: CaseProfile
    title: str
    follows_from: str


@dataclass(frozen=True, slots=True)
class ConformanceRun:
    """One run of all cases.

    Attributes:
        commit: of the source that was tested.
        with_changes: whether the source had changes that no commit holds.
        finished_at: RFC 3339, UTC.
        tests: by the id of the case the names of its tests, each with its result.
    """

    commit: str
    with_changes: bool
    finished_at: str
    tests: dict[str, dict[str, CaseResult]]

    def result_of(self, case_id: str) -> CaseResult:
        """Return the result of a case: passed only if all its tests passed."""
        results = set(self.tests.get(case_id, {}).values())
        if "failed" in results:
            return "failed"
        return "passed" if results == {"passed"} else "not_tested"


def certification_cases() -> list[CertificationCase]:
    """Read the certification cases, in the order of their numbers."""
    text = files(__package__).joinpath(CASES_FILE).read_text("utf-8")
    found: list[dict[str, Any]] = tomllib.loads(text)["case"]
    return [CertificationCase(**row) for row in found]


def last_run() -> ConformanceRun:
    """Read the last run of the cases."""
    return ConformanceRun(**orjson.loads(files(__package__).joinpath(RUN_FILE).read_bytes()))
