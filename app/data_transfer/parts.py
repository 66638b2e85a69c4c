"""The parts of DataTransfer of one worker."""

from collections.abc import Callable, Sequence

from app.capability import Capability
from app.clock import Clock
from app.data_transfer.answerer import TransferAnswerer
from app.data_transfer.directory import SubscriptionDirectory
from app.data_transfer.handlers import data_transfer_handlers
from app.data_transfer.recorder import TransferRecorder
from app.data_transfer.records import VendorExtension
from app.data_transfer.service import DataTransferService
from app.database.database import Database
from app.outgoing.client import OutgoingClient
from app.outgoing.signature import SecretCipher
from app.settings import Settings


def data_transfers(
    database: Database,
    client: Callable[[], OutgoingClient],
    extensions: Sequence[VendorExtension],
    clock: Clock,
    settings: Settings,
) -> Capability:
    """Return the capability. client: asks the webhooks of tenants; extensions: answer their vendors."""
    cipher = SecretCipher(settings.credential_pepper)
    directory, recorder = SubscriptionDirectory(database), TransferRecorder(database, clock, settings)
    answerer = TransferAnswerer(directory, recorder, client, cipher, clock, tuple(extensions))
    service = DataTransferService(database, directory, client, cipher, clock)
    return Capability(
        services=(service, recorder),
        handlers=data_transfer_handlers(answerer),
        tasks=(directory, recorder),
    )
