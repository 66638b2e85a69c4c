"""Makes the routers of the API, so that their operations are named alike and their tags are described."""

from fastapi import APIRouter
from fastapi.routing import APIRoute

from app.web.resources import Json


class Tag(str):
    """A tag of operations, with the text that the OpenAPI document shows for it."""

    description: str

    def __new__(cls, name: str, description: str) -> "Tag":
        """Make the tag. description: what its operations are about."""
        tag = super().__new__(cls, name)
        tag.description = description
        return tag


class DescribedRoute(APIRoute):
    """A route that the OpenAPI document shows as several operations, which the route describes itself."""

    def operations(self) -> Json:
        """Return the path items, by path."""
        raise NotImplementedError

    def schemas(self) -> Json:
        """Return the schemas that the operations refer to, by the name of their component."""
        raise NotImplementedError


def api_router(*, tags: list[str], prefix: str = "") -> APIRouter:
    """Make a router whose operation ids are the names of its functions.

    Args:
        tags: of its operations. One router of each tag gives it as a `Tag`.
        prefix: of its paths.
    """
    return APIRouter(prefix=prefix, tags=list(tags), generate_unique_id_function=_operation_id)


def _operation_id(route: APIRoute) -> str:
    return route.name
