"""Settings of webhooks."""

from pydantic import Field

from app.settings.values import Durations, SettingsGroup


class WebhookSettings(SettingsGroup):
    """How events are sent to servers of tenants, and how much at the same time."""

    # Webhooks of one tenant: each reads the events of its tenant by itself.
    webhooks_of_tenant_limit: int = Field(default=20, ge=1, le=1000)
    # Seconds from the begin of a request to its whole answer: Standard Webhooks asks for 15 to 30.
    webhook_deadline_s: float = Field(default=15.0, gt=0, le=60)
    # Seconds from each attempt that failed to the next one, each up to 20 % shorter or longer. They are those
    # of Standard Webhooks, three days together. After the last attempt an event is dead.
    webhook_retry_delays_s: Durations = Field(
        default_factory=lambda: [5.0, 300.0, 1800.0, 7200.0, 18000.0, 36000.0, 50400.0, 72000.0, 86400.0]
    )
    # Days without any success after which a webhook is disabled.
    webhook_disable_after_days: float = Field(default=5.0, gt=0, le=365)
    # Events of one webhook that wait for a delivery. Beyond it the next ones stay where all events are kept,
    # so that a receiver that is away fills no table.
    webhook_pending_limit: int = Field(default=2000, ge=1, le=100_000)
    # Of these, events of one charge point. One whose events are not taken leaves room for others.
    webhook_pending_of_charge_point_limit: int = Field(default=100, ge=1, le=100_000)
    # Requests of webhooks that are under way at the same time, in one worker and of one tenant there. Others
    # wait for their turn. They leave room for the other outgoing requests.
    webhook_requests_limit: int = Field(default=64, ge=1, le=100_000)
    webhook_requests_of_tenant_limit: int = Field(default=8, ge=1, le=100_000)
