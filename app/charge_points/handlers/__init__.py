"""Answers to messages about the charge point itself, one module for each action."""

from functools import partial

from app.answers import Handler
from app.charge_points.handlers import boot_notification, heartbeat, status_notification
from app.charge_points.handlers.boot_notification import BootServices
from app.charge_points.handlers.status_notification import StatusServices


def charge_point_handlers(boot: BootServices, status: StatusServices) -> dict[str, Handler]:
    """Return the handlers of this package, by action."""
    return {
        "BootNotification": partial(boot_notification.handle, boot),
        "Heartbeat": partial(heartbeat.handle, boot.clock),
        "StatusNotification": partial(status_notification.handle, status),
    }
