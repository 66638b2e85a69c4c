"""Finds the routes that a path may belong to by one look-up, so that a request is not compared with hundreds.

FastAPI compares a request with each route in turn. The index is the first of them. It looks at the literal
segments of the path, and compares the request with those routes only that have the same ones.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any, Final

from fastapi import APIRouter, FastAPI
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

_CHOSEN: Final = "stationmaster.chosen_route"
_REST_OF_PATH: Final = ":path}"

Segments = tuple[str | None, str | None, str | None]
"""The first, second and fourth segment of a path, because the third one is mostly a variable, as in
`/v1/charge-points/{identity}/frames`. None: there is none, or it is a variable."""


class RouteIndex(BaseRoute):
    """The other routes of a router, by the literal segments of their paths."""

    def __init__(self, router: APIRouter) -> None:
        self._router = router
        self._by_segments: defaultdict[Segments, list[tuple[int, BaseRoute]]] = defaultdict(list)
        self._indexed = 0

    def candidates(self, path: str) -> list[BaseRoute]:
        """Return the routes that may match a path, in the order of the router."""
        if self._indexed != len(self._router.routes):
            self._read()
        first, second, fourth = segments_of(path)
        found: list[tuple[int, BaseRoute]] = []
        for one in {first, None}:
            for two in {second, None}:
                for four in {fourth, None}:
                    found += self._by_segments.get((one, two, four), ())
        return [route for _, route in sorted(dict(found).items())]

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match every HTTP request, also one that no other route does."""
        if scope["type"] != "http":
            return Match.NONE, {}
        return Match.FULL, self.choose(scope)[1]

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the request by the route that has matched, or answer that there is none."""
        route: BaseRoute | None = scope.pop(_CHOSEN, None)
        if route is None:
            await self._router.default(scope, receive, send)
        else:
            await route.handle(scope, receive, send)

    def choose(self, scope: Scope) -> tuple[Match, Scope]:
        """Return how the first route matches that does so in full; else the first one for another method."""
        other_method: tuple[Match, Scope] = Match.NONE, {}
        path: str = scope["path"]
        for route in self.candidates(path.removeprefix(scope.get("root_path", ""))):
            match, child_scope = route.matches(scope)
            if match is Match.FULL:
                return match, {**child_scope, _CHOSEN: route}
            if match is Match.PARTIAL and other_method[0] is Match.NONE:
                other_method = match, {**child_scope, _CHOSEN: route}
        return other_method

    def _read(self) -> None:
        self._by_segments.clear()
        routes = self._router.routes
        for place, route in enumerate(routes):
            if route is not self:
                for segments in {template_segments(template) for template in _templates(route)}:
                    self._by_segments[segments].append((place, route))
        self._indexed = len(routes)


def match_of(app: FastAPI, scope: Scope) -> Match:
    """Return how the routes of an application match a request; PARTIAL: the path has other methods."""
    found = Match.NONE
    for route in app.router.routes:
        match = route.choose(scope)[0] if isinstance(route, RouteIndex) else route.matches(scope)[0]
        if isinstance(route, RouteIndex) or match is Match.FULL:
            return match
        if match is Match.PARTIAL:
            found = match
    return found


def install_route_index(app: FastAPI) -> None:
    """Put the index before the routes of an application. It sees those, too, that are put behind it later."""
    app.router.routes.insert(0, RouteIndex(app.router))


def template_segments(template: str) -> Segments:
    """Return the segments by which the paths of a template are looked up."""
    # A variable for the rest of a path may hold any number of them.
    return segments_of(template.partition(_REST_OF_PATH)[0])


def segments_of(path: str) -> Segments:
    """Return the segments by which a path is looked up."""
    parts = path.split("/", 5)
    first, second, fourth = (
        parts[place] if place < len(parts) and "{" not in parts[place] else None for place in (1, 2, 4)
    )
    return first, second, fourth


def _templates(route: BaseRoute) -> Iterator[str]:
    """Return the path template of a route, or those of all routes of an included router."""
    included: Any = getattr(route, "original_router", None)
    if included is None:
        yield getattr(route, "path", "/{anything}")
        return
    for each in included.routes:
        yield from _templates(each)
