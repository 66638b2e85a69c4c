"""Watches open changes until a login has proved them, and replaces keys that are too old.

What a login has proved is in the row of the charge point, so nothing is lost if a worker ends in between.
"""

from datetime import timedelta
from typing import Final

from app.charge_points.store import ChargePointStore
from app.clock import Clock
from app.commands.store.commands import CommandStore
from app.commands.store.effects import CommandEffectStore
from app.database.database import Database
from app.database.unit_of_work import TenantWork
from app.errors import AppError, StoreUnavailable
from app.live.presence import Presence
from app.logs import get_logger
from app.security.log import SecurityLog
from app.security.records import OwnEvent
from app.security_changes.records import ChangeState, DueRotation, SecurityChangeRecord, Seen
from app.security_changes.rules import next_check, settled
from app.security_changes.service import SecurityChangeService
from app.security_changes.store import SecurityChangeStore, take_due_rotations, take_open_changes
from app.tasks import PeriodicTask
from app.types import TenantId

_SWEEP_S: Final = 5.0
_BATCH: Final = 50
_ROTATIONS: Final = 20
"""The most keys that one sweep of a worker replaces: a fleet does not reconnect at once."""
_CHECK_AGAIN: Final = timedelta(minutes=10)
"""How long a charge point with an old key that is not connected is left alone."""
_RETRY_AFTER: Final = timedelta(days=1)

POLICY: Final = "credential-rotation-policy"
"""The name under which changes of a policy are recorded."""

_LOG = get_logger(__name__)


class SecurityChangeSweeper:
    """Every worker sweeps; each row goes to one of them."""

    def __init__(
        self,
        database: Database,
        presence: Presence,
        service: SecurityChangeService,
        log: SecurityLog,
        clock: Clock,
    ) -> None:
        self._database = database
        self._presence = presence
        self._service = service
        self._log = log
        self._clock = clock
        self._loop: PeriodicTask | None = None

    def start(self) -> None:
        """Sweep every few seconds in the background."""
        self._loop = PeriodicTask(self._sweep_and_pause, "security_changes")

    async def close(self) -> None:
        """Stop sweeping."""
        if self._loop is not None:
            await self._loop.stop()

    async def settle(self) -> int:
        """Look at the open changes whose time has come; return how many there were.

        Raises:
            StoreUnavailable: the database does not answer. What was taken is looked at again later.
        """
        now = self._clock.now()
        async with self._database.platform() as work:
            taken = await take_open_changes(work, now, now + timedelta(seconds=_SWEEP_S), _BATCH)
        for change in taken:
            async with self._database.tenant(change.tenant_id) as tenant_work:
                end = await self._settle(tenant_work, change)
            if end == "confirmed":
                self._note(change)
        return len(taken)

    async def rotate(self) -> int:
        """Replace keys that are too old, of charge points that are connected; return how many.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        now = self._clock.now()
        async with self._database.platform() as work:
            due = await take_due_rotations(work, now, now + _CHECK_AGAIN, now - _RETRY_AFTER, _ROTATIONS)
        count = 0
        for rotation in await self._connected(due):
            try:
                await self._service.rotate(TenantId(rotation.tenant_id), rotation.identity, POLICY)
                count += 1
            except StoreUnavailable:
                raise
            except AppError as error:
                # It has gone, or takes no command now. It must not delay the others.
                _LOG.info("credential_rotation_delayed", detail=error.detail)
        return count

    async def _settle(self, work: TenantWork, change: SecurityChangeRecord) -> ChangeState | None:
        now, store = self._clock.now(), SecurityChangeStore(work)
        known = await store.get(change.id, to_change=True)
        if known is None or known.ended_at is not None:
            return None
        end = settled(known, await _seen(work, known), now)
        if end is None:
            await store.check_again(known.id, next_check(known, now))
            return None
        state, detail = end
        await store.advance(known.id, state, detail, now)
        if known.command_id is not None:
            effect = {"observed": f"{known.kind}_{state}", "securityChange": str(known.id)}
            await CommandEffectStore(work).record(known.command_id, effect)
        return state

    async def _connected(self, due: list[DueRotation]) -> list[DueRotation]:
        tenants = {rotation.tenant_id for rotation in due}
        found: list[DueRotation] = []
        for tenant_id in tenants:
            of_tenant = [rotation for rotation in due if rotation.tenant_id == tenant_id]
            identities = [rotation.identity for rotation in of_tenant]
            owners = await self._presence.find_many(TenantId(tenant_id), identities)
            found += [rotation for rotation in of_tenant if rotation.identity in owners]
        return found

    def _note(self, change: SecurityChangeRecord) -> None:
        if change.kind == "credential":
            event, info = OwnEvent.CREDENTIAL_CHANGED, f"requested by {change.requested_by}"
        else:
            event = OwnEvent.SECURITY_PROFILE_RAISED
            info = f"from {change.from_profile} to {change.to_profile}, requested by {change.requested_by}"
        self._log.record(change.tenant_id, change.identity, event, info)

    async def _sweep_and_pause(self) -> float:
        try:
            is_full = await self.settle() == _BATCH
            await self.rotate()
        except AppError:
            _LOG.warning("security_changes_not_swept")
            return _SWEEP_S
        return 0.0 if is_full else _SWEEP_S


async def _seen(work: TenantWork, change: SecurityChangeRecord) -> Seen:
    """Return what the rows of the charge point and of the command say now."""
    point = await ChargePointStore(work).get(change.identity)
    if point is None:
        return Seen(None, None, is_key_current=False, is_key_possible=True)
    key: bytes | None = None
    if change.kind == "credential" and change.command_id is not None:
        command = await CommandStore(work).get(change.command_id)
        key = None if command is None else command.credential_hash
    return Seen(
        logged_in_at=point.connected_at,
        profile=point.security_profile,
        is_key_current=key is not None and key == point.credential_hash,
        is_key_possible=key is not None and key == point.pending_credential_hash,
    )
