"""What commands change besides themselves: each capability registers its effects, `main` lists them.

Which transaction a remote start or stop led to is not decided here: the ledger sees the transaction.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from app.commands.records import CommandRecord
from app.commands.rules import Outcome
from app.database.unit_of_work import TenantWork
from app.types import Json


class CommandEffect(Protocol):
    """What the ends of some commands change in the rows of one capability."""

    def applies_to(self, action: str, payload: Json) -> bool:
        """Tell whether the end of such a command may change something. payload: as it is stored."""

    async def apply(self, work: TenantWork, command: CommandRecord, outcome: Outcome, at: datetime) -> None:
        """Change what follows from an outcome, in the unit of work that records it.

        Args:
            command: As it is recorded; it has ended, maybe with another outcome than this late one.
            outcome: The end, or the answer that came after the end.
            at: When the outcome was known.
        """


class CredentialChange(Protocol):
    """A change of the credential of one charge point, which is locked until the unit of work ends."""

    @property
    def credential_hash(self) -> bytes:
        """The hash of the new key, to be stored with the command."""

    async def reserve(self, command: CommandRecord) -> None:
        """Let the new key log in as well, because the charge point may take it from now on.

        Raises:
            Conflict: another change is not settled yet.
        """


class CredentialEffect(CommandEffect, Protocol):
    """The effect of commands that set the credential of a charge point; it takes part in recording them."""

    def key_of(self, value: str) -> bytes:
        """Return the key behind the value of an AuthorizationKey.

        Raises:
            InvalidInput: the value does not have the form of a key.
        """

    async def begin(
        self, work: TenantWork, identity: str, key: bytes, at: datetime
    ) -> CredentialChange | None:
        """Lock a charge point for a change of its credential; None: there is no such charge point."""


class CommandEffects:
    """The registered effects."""

    def __init__(self, credential: CredentialEffect, *others: CommandEffect) -> None:
        self.credential = credential
        self._effects: Sequence[CommandEffect] = (credential, *others)

    def exist_for(self, action: str, payload: Json) -> bool:
        """Tell whether the end of a command may change other rows, which then need its unit of work."""
        return any(effect.applies_to(action, payload) for effect in self._effects)

    async def apply(self, work: TenantWork, command: CommandRecord, outcome: Outcome, at: datetime) -> None:
        """Change what follows from an outcome. at: when it was known."""
        for effect in self._effects:
            if effect.applies_to(command.action, command.payload):
                await effect.apply(work, command, outcome, at)
