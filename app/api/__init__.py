"""The developer edge: `/v1` over HTTP. The composition root takes `install_api` and `Services` from here."""

from fastapi import APIRouter, FastAPI

from app.api import (
    api_keys,
    charge_point_profiles,
    charge_points,
    charging_profiles,
    commands,
    connector_schedule,
    connectors,
    frames,
    health,
    id_tags,
    meter_values,
    orphan_records,
    site_distribution,
    smart_charging,
    tenants,
    transactions,
)
from app.api.deps import Services
from app.api.documentation import install_documentation
from app.api.openapi import install_openapi
from app.api.paths import EncodedSlashGuard
from app.api.problems import install_error_handlers

__all__ = [
    "EncodedSlashGuard",
    "Services",
    "api_routers",
    "install_api",
    "install_documentation",
    "install_error_handlers",
    "install_openapi",
]


def api_routers() -> list[APIRouter]:
    """Every router of `/v1` that needs a key, in the order in which the documentation shows them."""
    return [
        charge_points.router,
        connectors.router,
        commands.router,
        transactions.router,
        meter_values.router,
        orphan_records.router,
        id_tags.router,
        charging_profiles.router,
        charge_point_profiles.router,
        connector_schedule.router,
        smart_charging.router,
        site_distribution.router,
        frames.router,
        api_keys.router,
        tenants.router,
    ]


def install_api(app: FastAPI) -> None:
    """Put the whole developer edge into an application.

    The application must be made with `openapi_url=None, docs_url=None, redoc_url=None`, and must have
    `Services` at `app.state.services` before the first request.
    """
    app.include_router(health.router)
    for router in api_routers():
        app.include_router(router)
    install_error_handlers(app)
    install_openapi(app)
    install_documentation(app)
    app.add_middleware(EncodedSlashGuard)
