"""Each error declares its wire shape once."""

import pytest

from app.errors import (
    AppError,
    CallFailed,
    Conflict,
    FieldViolation,
    Forbidden,
    InvalidInput,
    NotFound,
    StoreUnavailable,
    TooManyRequests,
    Unauthorized,
)


@pytest.mark.parametrize(
    ("error", "status", "code", "field", "headers"),
    [
        (NotFound("no such tag", "id_tag"), 404, "not_found", "id_tag", {}),
        (Conflict("taken", "identity"), 409, "conflict", "identity", {}),
        (
            Unauthorized(),
            401,
            "unauthorized",
            None,
            {"WWW-Authenticate": 'Bearer realm="stationmaster"'},
        ),
        (Forbidden("needs write"), 403, "forbidden", None, {}),
        (TooManyRequests("slow down", 7), 429, "too_many_requests", None, {"Retry-After": "7"}),
        (StoreUnavailable(), 503, "store_unavailable", None, {"Retry-After": "5"}),
        (
            InvalidInput([FieldViolation("/name", "too_long", "at most 40 characters")]),
            422,
            "invalid_input",
            "/name",
            {},
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, AppError) else None,
)
def test_a_problem_names_its_code_and_field(
    error: AppError, status: int, code: str, field: str | None, headers: dict[str, str]
) -> None:
    problem = error.problem()
    assert (problem["status"], problem["code"], problem.get("field")) == (status, code, field)
    assert problem["type"] == f"urn:stationmaster:error:{code}"
    assert problem["detail"]
    assert error.headers == headers


def test_invalid_input_lists_each_violation() -> None:
    violations = [FieldViolation("/a", "missing", "is required"), FieldViolation("/b", "extra", "is unknown")]
    problem = InvalidInput(violations).problem()
    assert problem["detail"] == "/a: is required"
    assert problem["errors"] == [
        {"pointer": "/a", "code": "missing", "detail": "is required"},
        {"pointer": "/b", "code": "extra", "detail": "is unknown"},
    ]


def test_a_failed_call_bears_its_ocpp_code() -> None:
    error = CallFailed("InternalError", "try again")
    assert (error.code, error.description, str(error)) == (
        "InternalError",
        "try again",
        "InternalError: try again",
    )
