"""The matrices over all routes (tenants, scopes, quotas) leave out no operation of the document."""

from typing import Any

import pytest

from app.main import create_app
from app.settings import Settings
from tests.support.operations import Operation, operations_of

PUBLIC = ("/v1/changes", "/v1/conformance", "/v1/event-types", "/v1/protocol", "/v1/search")
"""The begins of the paths that need no key. They show the protocol and this program, and no tenant."""


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """The OpenAPI document of the whole server."""
    return create_app(Settings(credential_pepper="pepper")).openapi()


def test_the_matrices_have_each_operation_that_needs_a_key(
    document: dict[str, Any], operations: list[Operation]
) -> None:
    served = {(each.method, each.path) for each in operations_of(document)}
    assert served == {(each.method, each.path) for each in operations}
    assert len(served) == len(operations) > 200


def test_what_needs_no_key_shows_the_protocol_only(document: dict[str, Any]) -> None:
    of_all = {(method, path) for path, item in document["paths"].items() for method in item}
    public = of_all - {(each.method, each.path) for each in operations_of(document)}
    assert [path for _, path in public if not path.startswith(PUBLIC)] == []
    # They change nothing. A POST is a calculation, with its payload in the body.
    assert {path.rsplit("/", 1)[1] for method, path in public if method != "get"} == {"validate", "translate"}
