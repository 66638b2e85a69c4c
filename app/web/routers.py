"""The making of routers, so that operations are named alike everywhere."""

from fastapi import APIRouter
from fastapi.routing import APIRoute


def _operation_id(route: APIRoute) -> str:
    return route.name


def api_router(*, tags: list[str], prefix: str = "") -> APIRouter:
    """A router whose operation ids are the names of its functions."""
    return APIRouter(prefix=prefix, tags=list(tags), generate_unique_id_function=_operation_id)
