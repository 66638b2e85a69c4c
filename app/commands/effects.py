"""Effects of commands: the ends of commands change rows of capabilities. `main` lists the effects.

The ledger decides which transaction a remote start or stop led to, because it sees the transactions.
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
        """The actions that may have this effect, with the member that their payload needs, if any."""

    async def apply(self, work: TenantWork, command: CommandRecord, outcome: Outcome, at: datetime) -> None:
        """Change the rows that depend on an outcome, in the unit of work that records the outcome.

        Args:
            command: The recorded command. It has ended, perhaps otherwise if the outcome came late.
            outcome: The end, or the answer that came after the end.
            at: When the outcome was known.
        """


class CredentialChange(Protocol):
    """A change of the credential of one charge point, which is locked until the unit of work ends."""

    @property
    def credential_hash(self) -> bytes:
        """The hash of the new key, to be stored with the command."""

    async def reserve(self, command: CommandRecord) -> None:
        """Accept logins with the new key, too, because the charge point may use it from now on.

        Raises:
            Conflict: another change is not settled yet.
        """


class CredentialEffect(CommandEffect, Protocol):
    """The effect of commands that set the credential of a charge point; it takes part in recording them."""

    def key_of(self, value: str) -> bytes:
        """Return the bytes of the key that an AuthorizationKey value encodes.

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
        credential: The effect on credentials, which also takes part in recording commands.
        triggers: The actions that may have effects. The values name members of the payload, of which it must
            have at least one; None: every payload will do.
    """

    def __init__(self, credential: CredentialEffect, *others: CommandEffect) -> None:
        self.credential = credential
        self._effects: tuple[CommandEffect, ...] = (credential, *others)
        self.triggers: dict[str, set[str | None]] = {}
        for effect in self._effects:
            for action, member in effect.triggers.items():
                self.triggers.setdefault(action, set()).add(member)

    async def apply(self, work: TenantWork, command: CommandRecord, outcome: Outcome, at: datetime) -> None:
        """Change the rows that depend on an outcome. at: when the outcome was known."""
        for effect in self._effects:
            own = {action: {member} for action, member in effect.triggers.items()}
            if has_effects(own, command.action, command.payload):
                await effect.apply(work, command, outcome, at)
