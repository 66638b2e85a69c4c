"""Puts the REST API together: the routers of all capabilities, in the order of the documentation."""

from fastapi import APIRouter, FastAPI

from app.audit import routes as audit
from app.authorization_webhooks import routes as authorization_webhooks
from app.charge_points import routes as charge_points
from app.commands import routes as commands
from app.configuration import routes as configuration
from app.deviations import routes as deviations
from app.frame_log import routes as frames
from app.id_tags import routes as id_tags
from app.login_attempts import routes as login_attempts
from app.ocpp import Protocol
from app.quirks import routes as quirks
from app.smart_charging.routes import charge_point_profiles, charging_profiles, connector_schedule
from app.smart_charging.routes import composite_schedule as smart_charging
from app.smart_charging.routes import distribution as site_distribution
from app.tenants.routes import api_keys, tenants
from app.transactions import routes as transactions
from app.web import health
from app.web.documentation import install_documentation
from app.web.openapi import install_openapi
from app.web.paths import EncodedSlashGuard
from app.web.problems import install_error_handlers


def api_routers(protocol: Protocol) -> list[APIRouter]:
    """Return all routers of `/v1` that need a key, in the order of the documentation."""
    return [
        charge_points.router,
        configuration.router,
        commands.issuing_router(protocol),
        commands.router,
        transactions.router,
        transactions.meter_value_router,
        transactions.orphan_record_router,
        id_tags.router,
        id_tags.list_router,
        id_tags.policy_router,
        authorization_webhooks.router,
        charging_profiles.router,
        charge_point_profiles.router,
        connector_schedule.router,
        smart_charging.router,
        site_distribution.router,
        frames.router,
        deviations.router,
        deviations.interoperability_router,
        audit.router,
        login_attempts.router,
        quirks.router,
        api_keys.router,
        tenants.router,
    ]


def install_api(app: FastAPI, protocol: Protocol) -> None:
    """Install the REST API in an application.

    protocol: the version of OCPP whose commands the documentation shows.
    The application must be made with `openapi_url=None, docs_url=None, redoc_url=None`, and must have
    its services at `app.state.services` before the first request.
    """
    app.include_router(health.router)
    for router in api_routers(protocol):
        app.include_router(router)
    install_error_handlers(app)
    install_openapi(app)
    install_documentation(app)
    app.add_middleware(EncodedSlashGuard)
