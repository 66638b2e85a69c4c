"""The index chooses the route that FastAPI would choose without it, for every path of the application."""

import re
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from starlette.routing import BaseRoute, Match

from app.main import create_app
from app.settings import Settings
from app.web.route_index import RouteIndex, install_route_index, template_segments

APP = create_app(Settings(credential_pepper="pepper"))
INDEX, *ROUTES = APP.router.routes
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND")


def templates_of(route: BaseRoute) -> set[str]:
    included: Any = getattr(route, "original_router", None)
    if included is None:
        return {getattr(route, "path", "/")}
    return {path for each in included.routes for path in templates_of(each)}


TEMPLATES = sorted({path for route in ROUTES for path in templates_of(route)})
SEGMENTS = sorted({segment for path in TEMPLATES for segment in path.split("/")} | {"", "x", "{x}", "ü", "1"})


def scope_of(path: str, method: str) -> dict[str, Any]:
    return {
        "type": "http",
        "path": path,
        "method": method,
        "root_path": "",
        "headers": [],
        "query_string": b"",
    }


def chosen_without_index(path: str, method: str) -> BaseRoute | None:
    partial = None
    for route in ROUTES:
        match, _ = route.matches(scope_of(path, method))
        if match is Match.FULL:
            return route
        if match is Match.PARTIAL and partial is None:
            partial = route
    return partial


def chosen(path: str, method: str) -> BaseRoute | None:
    assert isinstance(INDEX, RouteIndex)
    _, found = INDEX.choose(scope_of(path, method))
    return next((value for name, value in found.items() if name.endswith("chosen_route")), None)


@pytest.mark.parametrize("template", TEMPLATES)
def test_each_route_is_found(template: str) -> None:
    path = re.sub(r"{[^}]*}", "ocpp-16j", template)
    for method in METHODS:
        assert chosen(path, method) is chosen_without_index(path, method)


@given(st.lists(st.sampled_from(SEGMENTS), min_size=1, max_size=7), st.sampled_from(METHODS))
def test_any_path_is_matched_as_without_an_index(segments: list[str], method: str) -> None:
    path = "/" + "/".join(segments)
    assert chosen(path, method) is chosen_without_index(path, method)


@pytest.mark.parametrize(
    ("template", "segments"),
    [
        ("/", ("", None, None)),
        ("/v1/charge-points/{identity}/frames", ("v1", "charge-points", "frames")),
        ("/v1/charge-points/{identity}/frames/{id}", ("v1", "charge-points", "frames")),
        ("/{anything}", (None, None, None)),
        ("/transfers/{token}/{name:path}", ("transfers", None, None)),
        ("/a/{rest:path}/b/c", ("a", None, None)),
    ],
)
def test_a_template_is_looked_up_by_its_literals(template: str, segments: Any) -> None:
    assert template_segments(template) == segments


def client_of(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://server", follow_redirects=True
    )


async def test_a_route_that_is_added_later_is_found() -> None:
    app = FastAPI()
    install_route_index(app)
    async with client_of(app) as client:
        assert (await client.get("/late")).status_code == 404

        @app.get("/late")
        async def late() -> str:
            return "found"

        assert (await client.get("/late")).json() == "found"
        assert (await client.post("/late")).status_code == 405
        assert (await client.post("/late")).headers["allow"] == "GET"
        assert (await client.get("/later")).json() == {"detail": "Not Found"}


async def test_a_mounted_application_is_found_below_its_root() -> None:
    app, inner = FastAPI(), FastAPI()

    @inner.get("/b/{c}/d")
    async def deep(c: str) -> str:
        return c

    install_route_index(inner)
    install_route_index(app)
    app.mount("/a", inner)
    async with client_of(app) as client:
        assert (await client.get("/a/b/x/d")).json() == "x"
