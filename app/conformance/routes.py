"""The route that shows the last run of the certification cases."""

from starlette.routing import BaseRoute

from app.catalog.routes.documents import document_route
from app.conformance.records import CertificationCase, ConformanceRun, certification_cases, last_run
from app.conformance.schemas import Conformance, ConformanceCase


def conformance_routes() -> list[BaseRoute]:
    """Make the public route of the last run. It is read now, so that a damaged file refuses to start."""
    return [
        document_route(
            "/v1/conformance",
            conformance_of(certification_cases(), last_run()),
            name="show_conformance",
            summary="Show the certification cases",
            description="The 77 cases in which the certification of OCPP 1.6 tests a central system, and how "
            "this server did in its last run of them. `make conformance` repeats it.",
        )
    ]


def conformance_of(cases: list[CertificationCase], run: ConformanceRun) -> Conformance:
    """Return the document of a run."""
    shown = [
        ConformanceCase(
            id=case.id,
            profile=case.profile,
            title=case.title,
            follows_from=case.follows_from,
            result=run.result_of(case.id),
            tests=sorted(run.tests.get(case.id, {})),
        )
        for case in cases
    ]
    return Conformance(
        commit=run.commit,
        with_changes=run.with_changes,
        finished_at=run.finished_at,
        passed=sum(case.result == "passed" for case in shown),
        total=len(shown),
        cases=shown,
    )
