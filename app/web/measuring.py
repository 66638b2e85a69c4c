"""Counts the requests of the REST API, by route and status."""

from time import perf_counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.metrics import API_REQUESTS, API_SECONDS

_METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
_OTHER = "other"
_NO_ANSWER = "none"


class MeasuredRequests:
    """ASGI middleware that counts each request when it is answered, and measures how long that took."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = _NO_ANSWER

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
            await send(message)

        begun_s = perf_counter()
        try:
            await self._app(scope, receive, noting)
        finally:
            # A method or a path that a client invents must not become a label.
            method = scope["method"] if scope["method"] in _METHODS else _OTHER
            route = route_of(scope)
            API_REQUESTS.labels(method, route, status).inc()
            API_SECONDS.labels(method, route).observe(perf_counter() - begun_s)


def route_of(scope: Scope) -> str:
    """Return the path of the route that has answered, with the names of its variables."""
    return str(getattr(scope.get("route"), "path", _OTHER))
