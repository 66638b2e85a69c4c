"""The spans of a trace, and the object that traces nothing."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from msgspec import UNSET, UnsetType

if TYPE_CHECKING:
    # The supervisor checks the settings of traces, and must stay small.
    from fastapi import FastAPI

Carried = str | UnsetType
"""The trace that an envelope of the bus belongs to (`traceparent` of W3C Trace Context); UNSET: none."""


@dataclass(frozen=True, slots=True)
class TracedCommand:
    """The facts about a command in a span. There is no payload, which may hold secrets."""

    action: str
    command_id: str
    tenant_id: int
    charge_point: str


class CallSpan(Protocol):
    """The time from the arrival of a command at its session to its recorded end."""

    def note(self, event: str) -> None:
        """Note the time of an event: `sent`, `answered`."""

    def end(self, state: str) -> None:
        """End the span. state: in which the command ended."""


class Tracing(Protocol):
    """Traces the requests and commands of one worker, from `start` to `close`."""

    def install(self, app: "FastAPI") -> None:
        """Trace the requests to an application. Called before it starts."""

    def start(self, worker_id: str) -> None:
        """Send spans from now on. worker_id: they name it."""

    async def close(self) -> None:
        """Send what waits, and stop."""

    def delivering(self, command: TracedCommand) -> AbstractContextManager[Carried]:
        """Trace inside the block that a command goes over the bus. Yields what its envelope carries."""

    def calling(self, carried: Carried, command: TracedCommand) -> CallSpan | None:
        """Begin the span of a CALL. carried: by its envelope. None: it is not traced."""


class NoTracing:
    """Traces nothing."""

    def __init__(self) -> None:
        self._nothing: AbstractContextManager[Carried] = nullcontext(UNSET)

    def install(self, app: "FastAPI") -> None:
        """Do nothing."""

    def start(self, worker_id: str) -> None:
        """Do nothing."""

    async def close(self) -> None:
        """Do nothing."""

    def delivering(self, command: TracedCommand) -> AbstractContextManager[Carried]:
        """Return a block that does nothing."""
        return self._nothing

    def calling(self, carried: Carried, command: TracedCommand) -> CallSpan | None:
        """Return no span."""
        return None
