"""Answers 503 to requests that wait for a database that hangs, long before their statements give up."""

import asyncio
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.database.database import Database
from app.errors import StoreUnavailable
from app.web.problems import problem_response
from app.web.services import ServiceRegistry

_PATIENCE_S: Final = 1.5
"""Seconds between two looks. The database then has one more second to answer (`PROBE_S`)."""


class DatabasePatience:
    """ASGI middleware that asks the database whether it is there while a request waits for longer than usual.

    A statement may take its time, or a command wait for its charge point, as long as the database answers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        # asyncio itself keeps only weak references to tasks.
        self._given_up: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http" or not scope["path"].startswith("/v1/"):
            await self._app(scope, receive, send)
            return
        answer = _Answer(send)
        request = asyncio.create_task(self._run(scope, receive, answer))
        try:
            while not (await asyncio.wait({request}, timeout=_PATIENCE_S))[0] and not answer.has_begun:
                services: ServiceRegistry = scope["app"].state.services
                await services.get(Database).probe.ping()
        except StoreUnavailable as error:
            if not (request.done() or answer.has_begun):
                answer.is_given_up = True
                self._give_up(request)
                await problem_response(error)(scope, receive, send)
                return
        except BaseException:
            self._give_up(request)
            raise
        await request

    def _give_up(self, request: asyncio.Task[None]) -> None:
        """Cancel a request, and do not wait: what it waits for may hang until its own deadline."""
        self._given_up.add(request)
        request.add_done_callback(self._ended)
        request.cancel()

    def _ended(self, request: asyncio.Task[None]) -> None:
        self._given_up.discard(request)
        if not request.cancelled():
            # Its client has another answer already.
            request.exception()

    async def _run(self, scope: Scope, receive: Receive, answer: "_Answer") -> None:
        await self._app(scope, receive, answer.send)


class _Answer:
    """The answer to one request. After it was given up, nothing of it is sent any longer."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.has_begun = False
        self.is_given_up = False

    async def send(self, message: Message) -> None:
        """Send a part of it."""
        if self.is_given_up:
            return
        self.has_begun = True
        await self._send(message)
