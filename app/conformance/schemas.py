"""The shape of the answer about certification cases."""

from typing import ClassVar

from pydantic import Field

from app.conformance.records import CaseProfile, CaseResult
from app.web.resources import EXAMPLE_TIME, Json, Resource


class ConformanceCase(Resource):
    """A case in which the certification of OCPP 1.6 tests a central system."""

    id: str
    profile: CaseProfile
    title: str
    follows_from: str = Field(description="Documents and sections that demand it.")
    result: CaseResult = Field(description="`passed`: each of its tests passed, on a real socket.")
    tests: list[str] = Field(description="The tests of the case, by their place in the source.")

    example: ClassVar[Json] = {
        "id": "TC_001",
        "profile": "core",
        "title": "Cold boot",
        "follows_from": "1.6 4.2",
        "result": "passed",
        "tests": ["tests/conformance/test_core.py::test_tc_001_a_cold_boot"],
    }


class Conformance(Resource):
    """The last run of the certification cases against this server."""

    commit: str = Field(description="The commit of the source that was tested.")
    with_changes: bool = Field(description="Whether the source had changes that no commit holds.")
    finished_at: str
    passed: int
    total: int
    cases: list[ConformanceCase]

    example: ClassVar[Json] = {
        "commit": "0f4c2b1d9a7e5c3f8b6a4d2e1c0f9b8a7d6e5c4b",
        "with_changes": False,
        "finished_at": EXAMPLE_TIME,
        "passed": 77,
        "total": 77,
        "cases": [ConformanceCase.example],
    }
