"""Schemathesis over the whole document: no server error, and no answer that the document does not describe.

Derandomized and bounded, so that a run is the same everywhere. Each operation is called twice over: with what
the document allows and forbids, and with the names of things that exist.
"""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase
from hypothesis import settings as hypothesis_settings
from schemathesis.checks import load_all_checks
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from app.main import create_app
from app.settings import Settings
from tests.support.api_server import Things, make_platform_key, make_things, running_server

load_all_checks()
SCHEMA = schemathesis.openapi.from_dict(create_app(Settings(credential_pepper="pepper")).openapi())
BOUNDED = hypothesis_settings(
    max_examples=6,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
# No schema can say which cursor a listing gave out, which ETag is current, that an expiry lies ahead, or what
# the protocol's rules across fields are.
UNDESCRIBABLE = [positive_data_acceptance]
CATALOG = "/v1/protocols"
"""Its validator takes bad input in order to judge it."""


class Target:
    """The running server, and keys for it."""

    def __init__(self, url: str, settings: Settings) -> None:
        self.url = url
        self._platform = make_platform_key(settings)
        self.fuzzed: Things = make_things(settings, "fuzzed")
        self.owner: Things = make_things(settings, "owner")

    def headers(self, path: str, things: Things) -> dict[str, str]:
        """The key that a path needs."""
        token = self._platform if path.startswith("/v1/tenants") else things.token
        return {"Authorization": f"Bearer {token}"}


@pytest.fixture(scope="module")
def target(database_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    settings = Settings(
        database_url=database_url,
        redis_url=redis_url,
        data_directory=tmp_path_factory.mktemp("data"),
        credential_pepper="pepper of the tests",
        login_failures_per_minute=1_000_000,
    )
    with running_server(settings) as url:
        yield Target(url, settings)


@SCHEMA.parametrize()
@BOUNDED
def test_every_answer_is_as_documented(case: Any, target: Target) -> None:
    path = case.operation.path
    judged_elsewhere = [negative_data_rejection] if path.startswith(CATALOG) else []
    case.call_and_validate(
        base_url=target.url,
        headers=target.headers(path, target.fuzzed),
        excluded_checks=[*UNDESCRIBABLE, *judged_elsewhere],
    )


@SCHEMA.exclude(path_regex="^/v1/protocols").parametrize()
@BOUNDED
def test_every_answer_about_existing_things_is_as_documented(case: Any, target: Target) -> None:
    path = case.operation.path
    names = target.owner.names
    if case.path_parameters:
        case.path_parameters = {name: names[name] for name in case.path_parameters}
    case.call_and_validate(
        base_url=target.url,
        headers=target.headers(path, target.owner),
        # What was generated as a bad name is a good one now.
        excluded_checks=[*UNDESCRIBABLE, negative_data_rejection],
    )
