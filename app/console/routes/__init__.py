"""The routes of the console: one module for each screen."""

from collections.abc import Mapping
from typing import Final

from fastapi import APIRouter
from starlette.responses import Response
from starlette.routing import BaseRoute

from app.console.rendering import ASSETS_ROOT, HEADERS, asset_documents
from app.console.routes import (
    account,
    audit,
    certificates,
    charge_point,
    commands,
    fleet,
    jobs,
    keys,
    limits,
    live,
    local_lists,
    login,
    new_jobs,
    passkey_login,
    provider_login,
    refused_logins,
    reservations,
    security,
    tags,
    transactions,
    users,
    webhooks,
)
from app.web.document_routes import DocumentRoute
from app.web.documents import Document

SCREENS: Final[tuple[APIRouter, ...]] = (
    login.router,
    passkey_login.router,
    provider_login.router,
    account.router,
    fleet.router,
    live.router,
    commands.router,
    commands.charge_point_router,
    charge_point.router,
    limits.router,
    refused_logins.router,
    refused_logins.password_router,
    transactions.router,
    users.router,
    # Its paths are `new` where those of the jobs have an id.
    new_jobs.router,
    jobs.router,
    tags.router,
    local_lists.router,
    reservations.router,
    certificates.router,
    certificates.charge_point_router,
    security.router,
    audit.router,
    webhooks.router,
    keys.router,
)
"""The routers of all screens."""


def console_router() -> APIRouter:
    """Return all pages of the console. They are not in the OpenAPI document."""
    router = APIRouter(include_in_schema=False)
    for screen in SCREENS:
        router.include_router(screen)
    return router


def asset_routes() -> list[BaseRoute]:
    """Return the route of the scripts and style sheets. Put it where a `DocumentRoute` must be."""
    documents: Mapping[str, Document] = asset_documents()

    async def asset(name: str) -> Response:
        return Response(status_code=404, headers=dict(HEADERS))

    path = f"{ASSETS_ROOT}/{{name}}"
    return [DocumentRoute(path, asset, documents=documents, ignores_query=True, include_in_schema=False)]
