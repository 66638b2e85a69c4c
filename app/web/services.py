"""How a route gets the service of its capability: `main` puts each service under its type."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from fastapi import Request

Service = TypeVar("Service")


class ServiceRegistry:
    """The services of one worker, each under its type and the types that this extends."""

    def __init__(self, *services: object) -> None:
        self._services: dict[type, Any] = {}
        self.add(*services)

    def add(self, *services: object) -> None:
        """Add services, which may be made of those that are in the registry."""
        for service in services:
            self._services.update(dict.fromkeys(type(service).__mro__[:-1], service))

    def get(self, kind: type[Service]) -> Service:
        """Return the service of a type.

        Raises:
            KeyError: `main` has not registered one.
        """
        service: Service = self._services[kind]
        return service


def provided(kind: type[Service]) -> Callable[[Request], Awaitable[Service]]:
    """Return a dependency that gives a route the service: `Annotated[Kind, Depends(provided(Kind))]`."""

    async def provide(request: Request) -> Service:
        registry: ServiceRegistry = request.app.state.services
        return registry.get(kind)

    return provide
