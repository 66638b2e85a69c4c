"""The parts that a capability adds to a worker. `main` builds each capability once, and gathers them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from app.answers import Handler
from app.commands.guards import CommandGuard
from app.connection import Connection
from app.tenants.service import DeleteOfTenant

Service = TypeVar("Service")


class BackgroundTask(Protocol):
    """Work that a worker does from its start to its end."""

    def start(self) -> None:
        """Begin, in the running event loop."""

    async def close(self) -> None:
        """End, and wait until nothing of it runs any more."""


@dataclass(frozen=True, slots=True)
class Capability:
    """The parts of one capability that the rest of a worker knows.

    Attributes:
        services: what its routes ask for, by their classes.
        handlers: the answers to messages of charge points that record no money, by action.
        tasks: started with the worker, and closed with it in the opposite order.
        logged_in: told of each login of a charge point. It must not wait.
        tenant_deletions: called when a tenant is deleted, to delete what the database does not.
        guards: asked about each command before it is recorded.
    """

    services: tuple[object, ...] = ()
    handlers: Mapping[str, Handler] = field(default_factory=dict)
    tasks: tuple[BackgroundTask, ...] = ()
    logged_in: Callable[[Connection], None] | None = None
    tenant_deletions: tuple[DeleteOfTenant, ...] = ()
    guards: tuple[CommandGuard, ...] = ()

    def service(self, kind: type[Service]) -> Service:
        """Return one of its services.

        Raises:
            RuntimeError: it has none of this class.
        """
        for service in self.services:
            if isinstance(service, kind):
                return service
        raise RuntimeError(f"there is no {kind.__name__}")


def handlers_of(capabilities: tuple[Capability, ...]) -> dict[str, Handler]:
    """Return the handlers of all capabilities, by action.

    Raises:
        RuntimeError: two capabilities answer the same action.
    """
    handlers: dict[str, Handler] = {}
    for capability in capabilities:
        if twice := handlers.keys() & capability.handlers.keys():
            raise RuntimeError(f"actions with two handlers: {', '.join(sorted(twice))}")
        handlers.update(capability.handlers)
    return handlers


def tell_logins(capabilities: tuple[Capability, ...]) -> Callable[[Connection], None]:
    """Return the function that tells all capabilities of a login."""
    listeners = [found for capability in capabilities if (found := capability.logged_in) is not None]

    def logged_in(connection: Connection) -> None:
        for listener in listeners:
            listener(connection)

    return logged_in
