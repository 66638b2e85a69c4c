"""The parts of external authorization of one worker. They are started and closed together."""

from dataclasses import dataclass
from typing import Self

from app.authorization_webhooks.asker import WebhookAsker
from app.authorization_webhooks.authorizer import ExternalAuthorizer
from app.authorization_webhooks.directory import WebhookDirectory
from app.authorization_webhooks.recorder import AttemptRecorder
from app.authorization_webhooks.service import AuthorizationWebhookService
from app.clock import Clock
from app.database.database import Database
from app.id_tags.service import Authorizer
from app.outgoing.client import OutgoingClient
from app.outgoing.signature import SecretCipher


@dataclass(frozen=True, slots=True)
class ExternalAuthorization:
    """Asks the webhooks of tenants, and lets operators set them."""

    attempts: AttemptRecorder
    directory: WebhookDirectory
    authorizer: ExternalAuthorizer
    service: AuthorizationWebhookService

    @classmethod
    def make(
        cls, database: Database, local: Authorizer, client: OutgoingClient, cipher: SecretCipher, clock: Clock
    ) -> Self:
        """Put the parts together. local: what is stored here; client: closed by the caller."""
        attempts, directory = AttemptRecorder(database), WebhookDirectory(database)
        asker = WebhookAsker(client, cipher, attempts, clock)
        service = AuthorizationWebhookService(database, client, cipher, directory, asker, clock)
        return cls(attempts, directory, ExternalAuthorizer(local, directory, asker), service)

    async def start(self) -> None:
        """Read the webhooks, and work in the background from now on.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        await self.directory.start()
        self.attempts.start()

    async def close(self) -> None:
        """Write what waits, and stop."""
        await self.directory.close()
        await self.attempts.close()
