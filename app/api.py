"""Puts the REST API together: the routers of all capabilities, in the order of the documentation."""

from fastapi import APIRouter, FastAPI

from app.audit import routes as audit
from app.audit.requests import AuditedRequests
from app.authorization_webhooks import routes as authorization_webhooks
from app.bulk_commands import routes as bulk_commands
from app.certificates.routes import authority as certificate_authority
from app.certificates.routes import certificates, installed_certificates
from app.certificates.routes import forecast as certificate_forecast
from app.charge_points.routes import charge_points, connectors
from app.charge_points.routes import lists as charge_point_lists
from app.commands import routes as commands
from app.configuration import routes as configuration
from app.data_transfer import routes as data_transfer
from app.deviations import routes as deviations
from app.diagnostics import routes as diagnostics
from app.events import routes as events
from app.files.routes import files, transfers
from app.firmware.routes import campaigns as firmware_campaigns
from app.firmware.routes import updates as firmware_updates
from app.frame_log import routes as frames
from app.health import routes as health
from app.id_tags.routes import id_tags
from app.id_tags.routes import lists as id_tag_lists
from app.local_lists import routes as local_lists
from app.login_attempts import routes as login_attempts
from app.ocpp import Protocol
from app.plug_and_charge.routes import charge_points as plug_and_charge_points
from app.plug_and_charge.routes import settings as plug_and_charge
from app.quirks import routes as quirks
from app.reservations import routes as reservations
from app.security import routes as security
from app.security_changes import routes as security_changes
from app.smart_charging.routes import charge_point_profiles, charging_profiles, connector_schedule
from app.smart_charging.routes import composite_schedule as smart_charging
from app.smart_charging.routes import distribution as site_distribution
from app.tenants.routes import allowed_origins, api_keys, tenants
from app.transactions.routes import lists as transaction_lists
from app.transactions.routes import transactions
from app.users import routes as users
from app.web import metrics
from app.web.compression import Compression
from app.web.database_patience import DatabasePatience
from app.web.documentation import install_documentation
from app.web.measuring import MeasuredRequests
from app.web.openapi import install_openapi
from app.web.paths import EncodedSlashGuard
from app.web.problems import install_error_handlers
from app.web.route_index import install_route_index
from app.webhooks import routes as webhooks


def api_routers(protocol: Protocol) -> list[APIRouter]:
    """Return all routers of `/v1` that need a key, in the order of the documentation."""
    return [
        charge_points.router,
        charge_points.label_router,
        charge_point_lists.list_router,
        charge_point_lists.rows_router,
        connectors.router,
        connectors.fleet_router,
        configuration.router,
        configuration.template_router,
        commands.issuing_router(protocol),
        commands.router,
        bulk_commands.router,
        events.router,
        webhooks.router,
        transactions.router,
        transaction_lists.list_router,
        transactions.meter_value_router,
        transactions.orphan_record_router,
        id_tags.router,
        id_tag_lists.list_router,
        id_tag_lists.rows_router,
        id_tags.policy_router,
        authorization_webhooks.router,
        reservations.router,
        reservations.charge_point_router,
        local_lists.router,
        local_lists.charge_point_router,
        charging_profiles.router,
        charge_point_profiles.router,
        connector_schedule.router,
        smart_charging.router,
        site_distribution.router,
        certificate_authority.router,
        certificates.request_router,
        certificates.router,
        installed_certificates.router,
        certificate_forecast.router,
        firmware_updates.router,
        firmware_updates.list_router,
        firmware_campaigns.router,
        data_transfer.router,
        data_transfer.transfer_router,
        plug_and_charge.router,
        plug_and_charge_points.router,
        diagnostics.charge_point_router,
        diagnostics.router,
        files.router,
        frames.router,
        deviations.router,
        deviations.interoperability_router,
        audit.router,
        login_attempts.router,
        security.router,
        security.alarm_router,
        security_changes.router,
        security_changes.tenant_router,
        quirks.router,
        api_keys.router,
        allowed_origins.router,
        users.router,
        tenants.router,
    ]


def install_api(app: FastAPI, protocol: Protocol) -> None:
    """Install the REST API in an application.

    protocol: the version of OCPP whose commands the documentation shows.
    The application must be made with `openapi_url=None, docs_url=None, redoc_url=None`, and must have
    its services at `app.state.services` before the first request.
    """
    app.include_router(health.router)
    app.include_router(metrics.router)
    for router in api_routers(protocol):
        app.include_router(router)
    app.include_router(transfers.router)
    # The router would write the Host header into the place. The error handlers lead there instead.
    app.router.redirect_slashes = False
    install_error_handlers(app)
    install_openapi(app)
    install_documentation(app)
    install_route_index(app)
    app.add_middleware(EncodedSlashGuard)
    app.add_middleware(AuditedRequests)
    app.add_middleware(DatabasePatience)
    app.add_middleware(MeasuredRequests)
    app.add_middleware(Compression)
