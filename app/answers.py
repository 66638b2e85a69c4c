"""The answers that the handler of a message may return, and how each one waits.

The type says how a session waits. A payload needs no wait. A `Recording` waits for a future that needs no
task of its own: most frames are answered this way. A coroutine may wait for anything, and runs in a task,
because asyncio timeouts and database drivers ask for the current task.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Generic, NamedTuple, TypeVar

from app.connection import Connection
from app.ocpp import Dispatch

Result = TypeVar("Result")
Response = TypeVar("Response", bound=Mapping[str, object], covariant=True)

Payload = Mapping[str, object]
"""The payload of a CALLRESULT: a `TypedDict` with the field names of the standard, so a dict at run time."""


class Recording(NamedTuple, Generic[Result, Response]):
    """A record that waits for its commit, and the answer that may leave after it.

    future: settled after the fsynced commit; answer_of: makes the answer from its result, without waiting.
    """

    future: asyncio.Future[Result]
    answer_of: Callable[[Result], Response]


Waiting = Recording[Any, Payload] | Coroutine[Any, Any, Payload]
"""An answer that is not there yet."""

Answer = Payload | Waiting
"""The answer of a handler."""

Handler = Callable[[Connection, Any], Answer]
"""Answers one action: (connection, request) -> answer. The request is the TypedDict of the action."""

RecordHandler = Callable[[Connection, Dispatch], Recording[Any, Payload]]
"""Records one billing action: (connection, call) -> record and answer. The request may lack any field."""
