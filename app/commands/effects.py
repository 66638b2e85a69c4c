"""Effects of commands: the other rows that their ends change. Capabilities offer them, `main` lists them.

Which transaction a remote start or stop led to is not decided here: the ledger sees the transaction.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from app.commands.records import CommandRecord
from app.commands.rules import Outcome, has_effects
from app.database.unit_of_work import TenantWork


class CommandEffect(Protocol):
    """The change that the ends of some commands make in the rows of one capability."""

    @property
    def triggers(self) -> Mapping[str, str | None]:
        """The actions that may have this effect, each with the member of a payload that it needs, if any."""

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
        """Lock a charge point for a change of its credential; None: it does not exist."""


class CommandEffects:
    """The registered effects.

    Attributes:
        credential: The one that takes part in recording.
        triggers: The actions that may have any, each with the members of its payload of which one is needed;
            None: the action alone is enough.
    """

    def __init__(self, credential: CredentialEffect, *others: CommandEffect) -> None:
        self.credential = credential
        self._effects: tuple[CommandEffect, ...] = (credential, *others)
        self.triggers: dict[str, set[str | None]] = {}
        for effect in self._effects:
            for action, member in effect.triggers.items():
                self.triggers.setdefault(action, set()).add(member)

    async def apply(self, work: TenantWork, command: CommandRecord, outcome: Outcome, at: datetime) -> None:
        """Change what follows from an outcome. at: when it was known."""
        for effect in self._effects:
            own = {action: {member} for action, member in effect.triggers.items()}
            if has_effects(own, command.action, command.payload):
                await effect.apply(work, command, outcome, at)
