"""The effect of commands that set the AuthorizationKey: which credential of a charge point counts.

While it is not known whether the charge point took a new key, both the old and the new one log in.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Final

from app.charge_points.credentials import Credentials, key_bytes
from app.charge_points.records import ChargePointRecord
from app.charge_points.store import ChargePointStore
from app.commands.records import CommandFilter, CommandRecord
from app.commands.rules import (
    OPEN_COMMAND_STATES,
    Outcome,
    is_authorization_key,
    sets_authorization_key,
)
from app.commands.store.commands import CommandStore
from app.database.unit_of_work import TenantWork
from app.errors import Conflict, FieldViolation, InvalidInput

PENDING_CREDENTIAL_LIFE: Final = timedelta(hours=24)
"""How long both credentials log in if it is not known whether the charge point took the new one."""

_KEY_IN_DOUBT: Final = (
    "The charge point may have taken an earlier AuthorizationKey: send that one again, let it log in with "
    "that one, or replace its credentials."
)
_RECENT: Final = 50
"""Open ChangeConfiguration commands that are searched for another change of the credential."""


@dataclass(frozen=True, slots=True)
class AuthorizationKeyChange:
    """A change of the credential of one charge point, inside the unit of work that records its command."""

    work: TenantWork
    charge_point: ChargePointRecord
    credential_hash: bytes

    async def reserve(self, command: CommandRecord) -> None:
        """Accept logins with the new key, too. A charge point has at most one such key.

        Raises:
            Conflict: another change is under way, or the charge point may have taken an earlier key.
        """
        if await self._another_is_under_way(command):
            raise Conflict("Another change of the AuthorizationKey is under way.")
        if _live_pending(self.charge_point, command.created_at) not in (None, self.credential_hash):
            raise Conflict(_KEY_IN_DOUBT)
        await ChargePointStore(self.work).set_pending_credential(
            command.charge_point_id, self.credential_hash, command.created_at + PENDING_CREDENTIAL_LIFE
        )

    async def _another_is_under_way(self, command: CommandRecord) -> bool:
        others: list[CommandRecord] = []
        for state in OPEN_COMMAND_STATES:
            filters = CommandFilter(identity=command.identity, action="ChangeConfiguration", state=state)
            others += await CommandStore(self.work).page(_RECENT, filters=filters)
        return _changes_credential([other for other in others if other.id != command.id])


class AuthorizationKeyEffect:
    """Settles which credential counts, as the answer says (security whitepaper A01)."""

    triggers: ClassVar[Mapping[str, str | None]] = {"ChangeConfiguration": None}

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    def key_of(self, value: str) -> bytes:
        """Return the bytes of the key that an AuthorizationKey value encodes.

        Raises:
            InvalidInput: the value does not have the form of a key.
        """
        key = key_bytes(value)
        if key is None:
            detail = "must be 32 to 40 hexadecimal characters, or 16 to 20 characters of ASCII"
            raise InvalidInput([FieldViolation("/value", "authorization_key", detail)])
        return key

    async def begin(
        self, work: TenantWork, identity: str, key: bytes, at: datetime
    ) -> AuthorizationKeyChange | None:
        """Lock a charge point for a change of its credential; None: it does not exist.

        The same key gets the hash that it has already, so that the answers to both commands decide on it.
        """
        charge_point = await ChargePointStore(work).get(identity, to_change=True)
        if charge_point is None:
            return None
        pending = _live_pending(charge_point, at)
        if pending is None or not self._credentials.matches(key, pending):
            pending = self._credentials.hash(key)
        return AuthorizationKeyChange(work, charge_point, pending)

    async def apply(self, work: TenantWork, command: CommandRecord, outcome: Outcome, at: datetime) -> None:
        """Keep the new key if it was accepted. Keep the old key if the new one was refused or never sent.

        After RebootRequired or an unknown outcome both keys stay valid until the first login with the new
        key, or until the new key expires. Both stay valid after a refusal, too, if the charge point may have
        taken the same key from another command. An answer decides only on the key of its own command.
        """
        if not sets_authorization_key(command.action, command.payload):
            return
        is_unsettled = outcome.status == "RebootRequired" or outcome.is_in_doubt
        key = command.credential_hash
        if is_unsettled or key is None:
            return
        if outcome.state == "accepted":
            await ChargePointStore(work).promote_pending(command.charge_point_id, key)
            return
        # Locked, so that the same key cannot be sent again between the question and the answer to it.
        await ChargePointStore(work).get(command.identity, to_change=True)
        if not await CommandStore(work).another_may_have_set(command):
            await ChargePointStore(work).drop_pending(command.charge_point_id, key)


def _changes_credential(commands: Sequence[CommandRecord]) -> bool:
    return any(is_authorization_key(command.payload.get("key")) for command in commands)


def _live_pending(charge_point: ChargePointRecord, at: datetime) -> bytes | None:
    """Return the credential that the charge point may have taken; None: there is none, or it has expired."""
    if charge_point.pending_until is None or charge_point.pending_until <= at:
        return None
    return charge_point.pending_credential_hash
