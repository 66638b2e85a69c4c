"""The parts of webhooks of one worker."""

from collections.abc import Callable
from uuid import uuid4

from app.capability import Capability
from app.clock import Clock
from app.database.database import Database
from app.events.reader import EventReader
from app.outgoing.client import OutgoingClient
from app.outgoing.signature import SecretCipher
from app.settings import Settings
from app.webhooks.dispatcher import WebhookDispatcher
from app.webhooks.sender import WebhookSender
from app.webhooks.sending import RunnerParts
from app.webhooks.service import WebhookService
from app.webhooks.slots import DeliverySlots


def webhooks(
    database: Database,
    reader: EventReader,
    client: Callable[[], OutgoingClient],
    clock: Clock,
    settings: Settings,
) -> Capability:
    """Return the capability. client: sends the events."""
    cipher = SecretCipher(settings.credential_pepper)
    sender = WebhookSender(client, cipher, clock, settings.webhook_deadline_s)
    slots = DeliverySlots(settings.webhook_requests_limit, settings.webhook_requests_of_tenant_limit)
    dispatcher = WebhookDispatcher(
        RunnerParts(database, reader, sender, slots, clock, settings, worker=uuid4().hex)
    )
    service = WebhookService(database, reader, client, cipher, sender, dispatcher.wake, clock, settings)
    return Capability(services=(service, dispatcher), tasks=(dispatcher,))
