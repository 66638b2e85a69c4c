"""Puts a new command on record, if what is on record of its charge point lets it."""

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

from app.charge_points.credentials import Credentials
from app.charge_points.records import ChargePointRecord
from app.charge_points.store import ChargePointStore
from app.clock import Clock
from app.commands.effects import PENDING_CREDENTIAL_LIFE, changes_credential_already, live_pending
from app.commands.records import CommandRecord, Holder, NewCommand
from app.commands.request import CommandRequest, Origin, refusing_registrations, require_permitted
from app.commands.store.steps import CommandSteps
from app.database.database import Database
from app.database.prepared import Prepared
from app.database.unit_of_work import TenantWork
from app.errors import Conflict, NotFound, StoreUnavailable, TooManyRequests
from app.live.presence import Owner
from app.metrics import LIMITS_HIT
from app.settings import Settings
from app.types import TenantId

CLOCK_DIFFERENCE_S = 10.0
"""The record outlives the envelope by this, so that the reaper never ends what an owner may still send."""

_KEY_IN_DOUBT = (
    "The charge point may have taken an earlier AuthorizationKey: send that one again, let it log in with "
    "that one, or replace its credentials."
)


class CommandRecording:
    """Records new commands, each once."""

    def __init__(self, database: Database, steps: Prepared, clock: Clock, settings: Settings) -> None:
        self._database = database
        self._steps = steps
        self._clock = clock
        self._settings = settings
        self._credentials = Credentials(settings.credential_pepper)

    async def record(
        self,
        tenant_id: TenantId,
        identity: str,
        request: CommandRequest,
        owner: Owner | None,
        origin: Origin,
    ) -> tuple[CommandRecord, bool]:
        """Record a new command; True: it is an old one, recorded under the same idempotency key.

        Raises:
            NotFound: there is no such charge point.
            Conflict: the registration forbids it, the idempotency key was used for another request, or the
                credential cannot be changed now.
            TooManyRequests: too many commands wait for this charge point.
        """
        command = self._new_command(identity, request, owner, origin)
        if request.new_key is None:
            return await self._take_in(CommandSteps(self._steps.rows, tenant_id), command, request)
        async with self._database.tenant(tenant_id) as work:
            # Changes of the credential go one after the other: each must see what the one before left.
            charge_point = await ChargePointStore(work).get(identity, to_change=True)
            if charge_point is None:
                raise _no_charge_point(identity)
            if owner is not None:
                pending = self._pending(charge_point, command, request.new_key)
                command = replace(command, credential_hash=pending)
            recorded, repeated = await self._take_in(
                CommandSteps(work.rows, work.tenant_id), command, request
            )
            if recorded.state == "queued" and not repeated:
                await _reserve(work, charge_point, recorded)
        return recorded, repeated

    def _new_command(
        self, identity: str, request: CommandRequest, owner: Owner | None, origin: Origin
    ) -> NewCommand:
        now = self._clock.now()
        return NewCommand(
            id=uuid4(),
            identity=identity,
            action=request.action,
            payload=request.payload,
            created_at=now,
            deadline_at=now + timedelta(seconds=self._settings.command_expiry_s + CLOCK_DIFFERENCE_S),
            timeout_s=request.timeout_s,
            issued_by=origin.issued_by,
            holder=None if owner is None else Holder(owner.charge_point_id, owner.worker, owner.epoch),
            idempotency_key=origin.idempotency_key,
            request_digest=request.digest,
        )

    def _pending(self, charge_point: ChargePointRecord, command: NewCommand, new_key: bytes) -> bytes:
        pending = live_pending(charge_point, command.created_at)
        if pending is None or not self._credentials.matches(new_key, pending):
            pending = self._credentials.hash(new_key)
        return pending

    async def _take_in(
        self, steps: CommandSteps, command: NewCommand, request: CommandRequest
    ) -> tuple[CommandRecord, bool]:
        limit = self._settings.command_queue_limit
        refusing = refusing_registrations(request.action)
        found = await steps.record(command, refusing=refusing, queue_limit=limit)
        if found is None:
            raise _no_charge_point(command.identity)
        if found.command is not None:
            return found.command, False
        known = await steps.known(command)
        if known is not None:
            return _repeated(known, command)
        require_permitted(found.registration_status, request.action)
        if found.is_queue_full:
            LIMITS_HIT.labels("command_queue").inc()
            raise TooManyRequests(f"{limit} commands wait for this charge point already.", retry_after_s=5)
        # What stood under its idempotency key was deleted between the two statements.
        raise StoreUnavailable


async def _reserve(work: TenantWork, charge_point: ChargePointRecord, command: CommandRecord) -> None:
    """Take the pending place for the credential that a command sets."""
    if command.credential_hash is None:
        return
    if await changes_credential_already(work, command):
        raise Conflict("Another change of the AuthorizationKey is under way.")
    # There is one pending place: a key that the charge point may have taken must not lose it.
    if live_pending(charge_point, command.created_at) not in (None, command.credential_hash):
        raise Conflict(_KEY_IN_DOUBT)
    await ChargePointStore(work).set_pending_credential(
        command.charge_point_id, command.credential_hash, command.created_at + PENDING_CREDENTIAL_LIFE
    )


def _repeated(known: CommandRecord, command: NewCommand) -> tuple[CommandRecord, bool]:
    """A command that stood there already: an old one, or itself, when the answer of the database was lost."""
    if known.request_digest != command.request_digest:
        raise Conflict("The idempotency key was used for another request.", "Idempotency-Key")
    return known, known.id != command.id


def _no_charge_point(identity: str) -> NotFound:
    return NotFound(f"There is no charge point {identity}.")
