"""The use cases of charge points: list, change, replace credentials, close connections."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, NamedTuple, TypeVar

from app.charge_points.credentials import Credentials, generate_key, key_bytes
from app.charge_points.records import (
    NOT_CONNECTED,
    ChargePointFilter,
    ChargePointRecord,
    LiveState,
    NewChargePointFacts,
)
from app.charge_points.store import ChargePointReads, ChargePointStore, identities_of_tenant
from app.clock import Clock
from app.database.database import Database
from app.database.prepared import Row
from app.database.unit_of_work import PlatformWork, TenantWork
from app.errors import NoSuchChargePoint, Unavailable
from app.live.command_bus import CommandBus
from app.live.envelopes import EvictEnvelope, RegistrationEnvelope
from app.live.presence import Owner, Presence
from app.live.take_overs import is_flapping
from app.logs import get_logger
from app.tenants.service import AfterDelete, TenantService
from app.types import TenantId

_EVICTION_WITHIN = timedelta(seconds=30)
_EVICTED_AT_ONCE = 500
"""The most charge points that one round trip to Redis looks up."""
_LOG = get_logger(__name__)

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class MintedCredential:
    """A new credential. password: shown once; stored: its hash, which the database keeps."""

    tenant_slug: str
    identity: str
    password: str
    stored: bytes


class LiveChargePoint(NamedTuple):
    """A stored charge point with its live state."""

    row: Row
    live: LiveState


async def existing_charge_point(
    work: TenantWork, identity: str, *, to_change: bool = False
) -> ChargePointRecord:
    """Return the charge point of this identity.

    Args:
        to_change: Lock it, so that it cannot change between a comparison and an update.

    Raises:
        NotFound: the tenant has none.
    """
    return found_charge_point(await ChargePointStore(work).get(identity, to_change=to_change), identity)


def found_charge_point(found: Found | None, identity: str) -> Found:
    """Return the result of a search for a charge point.

    Args:
        found: The result.
        identity: The identity that was searched for.

    Raises:
        NotFound: the result is None: the tenant has no charge point of this identity.
    """
    if found is None:
        raise NoSuchChargePoint(identity)
    return found


@dataclass(frozen=True, slots=True)
class ChargePointService:
    """The use cases of charge points."""

    database: Database
    presence: Presence
    bus: CommandBus
    clock: Clock
    credentials: Credentials
    tenants: TenantService

    def reads(self, tenant_id: TenantId) -> ChargePointReads:
        """Return the reads of a tenant's charge points that need no unit of work."""
        return ChargePointReads(self.database.reads, tenant_id)

    async def page(
        self, tenant_id: TenantId, limit: int, after: str | None, filters: ChargePointFilter
    ) -> list[LiveChargePoint]:
        """Return charge points in the order of their identity. after: identity of the last one seen."""
        rows = await self.reads(tenant_id).page(limit, after, filters)
        owners = await self.presence.find_many(tenant_id, [row["identity"] for row in rows])
        return [LiveChargePoint(row, self._live(owners.get(row["identity"]))) for row in rows]

    async def get(self, tenant_id: TenantId, identity: str) -> LiveChargePoint:
        """Return one charge point with its live state.

        Raises:
            NotFound: the tenant has none of this identity.
        """
        row = found_charge_point(await self.reads(tenant_id).get(identity), identity)
        return LiveChargePoint(row, await self.live(tenant_id, identity))

    async def live(self, tenant_id: TenantId, identity: str) -> LiveState:
        """Return the state of the connection of a charge point."""
        return self._live(await self.presence.find(tenant_id, identity))

    async def connectors(self, tenant_id: TenantId, identity: str) -> Sequence[Row]:
        """Return the connectors of a charge point in the order of their number.

        Raises:
            NotFound: the tenant has no charge point of this identity.
        """
        return found_charge_point(await self.reads(tenant_id).connectors(identity), identity)

    async def create(
        self, tenant_id: TenantId, facts: NewChargePointFacts
    ) -> tuple[ChargePointRecord, MintedCredential | None]:
        """Create a charge point and its credential, unless it may connect without one.

        Raises:
            Conflict: the tenant has one of this identity.
            Unauthorized: the tenant has just been deleted.
        """
        tenant = await self.tenants.own(tenant_id)
        minted = None if facts.no_credential else self._mint(tenant.slug, facts.identity)
        async with self.database.tenant(tenant_id) as work:
            record = await ChargePointStore(work).create(
                facts.identity,
                name=facts.name,
                registration_status=facts.registration_status or tenant.default_registration,
                credential_hash=None if minted is None else minted.stored,
                no_credential=facts.no_credential,
            )
            if facts.heartbeat_interval_s is not None:
                changes = {"heartbeat_interval_s": facts.heartbeat_interval_s}
                record = await ChargePointStore(work).update(facts.identity, **changes) or record
        return record, minted

    async def change(
        self,
        tenant_id: TenantId,
        identity: str,
        changes: Mapping[str, Any],
        compare: Callable[[ChargePointRecord], None],
    ) -> ChargePointRecord:
        """Change what an operator sets of a charge point.

        Args:
            compare: Called with the locked record before it changes; what it raises cancels the change.

        Raises:
            NotFound: the tenant has none of this identity.
        """
        async with self.database.tenant(tenant_id) as work:
            record = await existing_charge_point(work, identity, to_change=True)
            compare(record)
            if changes:
                record = await ChargePointStore(work).update(identity, **changes) or record
        if "registration_status" in changes:
            await self._tell_registration(tenant_id, record)
        return record

    async def delete(self, tenant_id: TenantId, identity: str) -> None:
        """Delete a charge point and close its connection.

        Raises:
            NotFound: the tenant has none of this identity.
            Conflict: it has billing records, which are kept.
        """
        async with self.database.tenant(tenant_id) as work:
            if not await ChargePointStore(work).delete(identity):
                raise NoSuchChargePoint(identity)
        await self.evict(tenant_id, [identity])

    async def replace_credential(self, tenant_id: TenantId, identity: str) -> MintedCredential:
        """Replace the credential of a charge point, and close its connection.

        Raises:
            NotFound: the tenant has no charge point of this identity.
            Unauthorized: the tenant has just been deleted.
        """
        tenant = await self.tenants.own(tenant_id)
        minted = self._mint(tenant.slug, identity)
        async with self.database.tenant(tenant_id) as work:
            record = await existing_charge_point(work, identity)
            await ChargePointStore(work).set_credential(record.id, minted.stored)
        await self.evict(tenant_id, [identity])
        return minted

    async def delete_of_tenant(self, work: PlatformWork, tenant_id: TenantId) -> AfterDelete:
        """Return the step that closes the tenant's connections after the tenant was deleted."""
        identities = await identities_of_tenant(work, tenant_id)
        return partial(self.evict, tenant_id, identities)

    async def evict(self, tenant_id: TenantId, identities: Sequence[str]) -> None:
        """Close the connections of charge points whose credentials have ended.

        A worker may be unreachable. Then its session ends with its socket; the new credential is valid all
        the same.
        """
        for start in range(0, len(identities), _EVICTED_AT_ONCE):
            portion = identities[start : start + _EVICTED_AT_ONCE]
            for owner in (await self.presence.find_many(tenant_id, portion)).values():
                await self._evict(owner)

    def _mint(self, tenant_slug: str, identity: str) -> MintedCredential:
        """Make a credential with a random key of 160 bits (security whitepaper A01)."""
        key = generate_key()
        raw = key_bytes(key)
        if raw is None:
            raise AssertionError("the generated key does not have the form of a key")
        return MintedCredential(tenant_slug, identity, key, self.credentials.hash(raw))

    def _live(self, owner: Owner | None) -> LiveState:
        if owner is None:
            return NOT_CONNECTED
        flapping = bool(owner.take_overs) and is_flapping(owner.take_overs, self.clock.now().timestamp())
        return LiveState(owner.connected_at, flapping)

    async def _tell_registration(self, tenant_id: TenantId, record: ChargePointRecord) -> None:
        """Tell the worker of the charge point its registration. Its next login or boot would find it, too."""
        owner = await self.presence.find(tenant_id, record.identity)
        if owner is None:
            return
        envelope = RegistrationEnvelope(
            tenant_id=tenant_id,
            identity=record.identity,
            epoch=owner.epoch,
            life_s=_EVICTION_WITHIN.total_seconds(),
            issuer=owner.worker,
            charge_point_id=record.id,
            registration_status=record.registration_status,
        )
        try:
            await self.bus.deliver(owner.worker, envelope)
        except Unavailable:
            _LOG.warning("registration_undelivered", tenant_id=tenant_id, charge_point=record.identity)

    async def _evict(self, owner: Owner) -> None:
        envelope = EvictEnvelope(
            tenant_id=owner.tenant_id,
            identity=owner.identity,
            epoch=owner.epoch + 1,
            life_s=_EVICTION_WITHIN.total_seconds(),
            issuer=owner.worker,
            charge_point_id=owner.charge_point_id,
        )
        try:
            await self.bus.deliver(owner.worker, envelope)
        except Unavailable:
            _LOG.warning(
                "eviction_undelivered",
                tenant_id=owner.tenant_id,
                charge_point=owner.identity,
                worker=owner.worker,
            )
