"""Schemathesis over the whole document: no server error, and no answer that the document does not describe.

Derandomized and bounded, so that a run is the same everywhere. Each request is sent twice: with what the
document allows and forbids in its path, and with the names of things that exist. Equal ones are sent once.
"""

import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase
from hypothesis import settings as hypothesis_settings
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from app.main import create_app
from app.settings import Settings
from tests.support.api_server import Things, make_platform_key, make_things, running_server

# The operations are found when the test runs: to collect them takes as long as to collect all other tests.
SCHEMA = schemathesis.pytest.from_fixture("document")
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
_PATIENCE_S = 6.0
CATALOG = ("/v1/protocols", "/v1/event-types")
"""Public: it has nothing of a tenant. Its validator takes bad input in order to judge it."""


class Target:
    """The running server, and keys for it. asked: the requests that were sent."""

    def __init__(self, url: str, settings: Settings, session: requests.Session) -> None:
        self._url = url
        self._session = session
        self._platform = make_platform_key(settings)
        self.fuzzed: Things = make_things(settings, "fuzzed")
        self.owner: Things = make_things(settings, "owner")
        self.asked: set[str] = set()

    def ask(self, case: Any, things: Things, excluded_checks: list[Any]) -> None:
        """Send the request of a case with the key of `things`, and judge the answer."""
        path = case.operation.path
        token = self._platform if path.startswith("/v1/tenants") else things.token
        sent = {"session": self._session, "headers": {"Authorization": f"Bearer {token}"}}
        response = case.call(base_url=self._url, **sent)
        if response.status_code == 503:
            # Server and client share this process. If that is slow, Redis counts as away for a moment.
            time.sleep(_PATIENCE_S)
            response = case.call(base_url=self._url, **sent)
        # A text beyond its limit may make the whole body too long, too: an emoji takes twelve bytes of JSON.
        too_long = [negative_data_rejection] if response.status_code == 413 else []
        case.validate_response(
            response, excluded_checks=[*UNDESCRIBABLE, *too_long, *excluded_checks], headers=sent["headers"]
        )

    def is_new(self, case: Any) -> bool:
        """Note a request, and say whether it is the first of its kind."""
        parts = (case.path_parameters, case.query, case.headers, case.cookies, case.body, case.media_type)
        request = f"{case.operation.label} {parts!r}"
        known = request in self.asked
        self.asked.add(request)
        return not known


@pytest.fixture(scope="module")
def document() -> BaseSchema:
    return schemathesis.openapi.from_dict(create_app(Settings(credential_pepper="pepper")).openapi())


@pytest.fixture(scope="module")
def target(database_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    settings = Settings(
        database_url=database_url,
        redis_url=redis_url,
        data_directory=tmp_path_factory.mktemp("data"),
        credential_pepper="pepper of the tests",
        login_failures_per_minute=1_000_000,
        requests_of_key_per_minute=100_000_000,
        requests_of_address_per_minute=100_000_000,
        commands_of_tenant_per_minute=100_000_000,
    )
    with running_server(settings) as url, requests.Session() as session:
        # Proxies and passwords are not looked up in the environment for each request.
        session.trust_env = False
        yield Target(url, settings, session)


@pytest.mark.long
@pytest.mark.timeout(600)
@SCHEMA.parametrize()
@BOUNDED
def test_every_answer_is_as_documented(case: Any, target: Target) -> None:
    if target.is_new(case):
        # A bad row of an import is refused in the answer, by itself.
        path = case.operation.path
        is_elsewhere = path.startswith(CATALOG) or path.endswith("-rows")
        judged_elsewhere = [negative_data_rejection] if is_elsewhere else []
        target.ask(case, target.fuzzed, judged_elsewhere)
    if case.path_parameters and not case.operation.path.startswith(CATALOG):
        case.path_parameters = {name: target.owner.names[name] for name in case.path_parameters}
        if target.is_new(case):
            # What was generated as a bad name is a good one now.
            target.ask(case, target.owner, [negative_data_rejection])
