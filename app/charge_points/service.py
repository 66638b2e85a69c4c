"""The use cases of charge points: list, change, replace credentials, close connections."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any, NamedTuple, TypeVar

from app.audit.records import Act, NewAuditEntry
from app.audit.store import AuditStore
from app.charge_points.credentials import Credentials, generate_key, key_bytes
from app.charge_points.records import (
    NOT_CONNECTED,
    ChargePointFilter,
    ChargePointRecord,
    LabelCount,
    LiveState,
    NewChargePointFacts,
)
from app.charge_points.rules import merged_labels, needs_login, require_room
from app.charge_points.store import (
    ChargePointReads,
    ChargePointStore,
    identities_of_tenant,
)
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
from app.metrics import LIMITS_HIT
from app.tenants.service import AfterDelete, TenantService
from app.types import TenantId
from app.web.paths import location

_EVICTION_WITHIN = timedelta(seconds=30)
_EVICTED_AT_ONCE = 500
"""The most charge points that one round trip to Redis looks up."""
_SCANNED_AT_ONCE = 500
_SCANNED_LIMIT = 5_000
"""The most charge points whose connections one page of the API looks up."""
_LOG = get_logger(__name__)

Found = TypeVar("Found")
LabelListener = Callable[[TenantWork, Sequence[int]], Awaitable[None]]
"""Told, in the unit of work that stores them, which charge points are new or have other labels."""


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


class ChargePointPage(NamedTuple):
    """Some charge points. next_after: the identity after which the next page begins; None: it is the last."""

    items: list[LiveChargePoint]
    next_after: str | None


class ConnectionCounts(NamedTuple):
    """How many charge points a tenant has, and how many of them are connected now."""

    charge_points: int
    connected: int


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
    """The use cases of charge points. charge_points_limit: how many each tenant may have."""

    database: Database
    presence: Presence
    bus: CommandBus
    clock: Clock
    credentials: Credentials
    tenants: TenantService
    charge_points_limit: int
    label_listeners: list[LabelListener] = field(default_factory=list)

    def reads(self, tenant_id: TenantId) -> ChargePointReads:
        """Return the reads of a tenant's charge points that need no unit of work."""
        return ChargePointReads(self.database.reads, tenant_id)

    async def page(
        self, tenant_id: TenantId, limit: int, after: str | None, filters: ChargePointFilter
    ) -> list[LiveChargePoint]:
        """Return charge points in the order of their identity. after: identity of the last one seen."""
        rows = await self.reads(tenant_id).page(limit, after, filters)
        owners = await self.presence.find_many(tenant_id, [row["identity"] for row in rows])
        return [LiveChargePoint(row, self.live_of(owners.get(row["identity"]))) for row in rows]

    async def narrowed_page(
        self, tenant_id: TenantId, limit: int, after: str | None, filters: ChargePointFilter
    ) -> ChargePointPage:
        """Return up to `limit` charge points in the order of their identity, and where the next page begins.

        The connection is known in Redis only. So with `filters.connected` a page ends early after
        `_SCANNED_LIMIT` charge points, perhaps with none; the next page goes on there.

        Raises:
            Unavailable: code `bus_unavailable`; `filters.connected` is set, and Redis is out of reach.
        """
        found: list[LiveChargePoint] = []
        scanned = 0
        size = limit + 1 if filters.connected is None else _SCANNED_AT_ONCE
        while not filters.is_impossible:
            page = await self.page(tenant_id, size, after, filters)
            for item in page:
                if not self._fits(item, filters):
                    continue
                if len(found) == limit:
                    return ChargePointPage(found, found[-1].row["identity"])
                found.append(item)
            scanned += len(page)
            if len(page) < size:
                break
            after = page[-1].row["identity"]
            if scanned >= _SCANNED_LIMIT:
                LIMITS_HIT.labels("connected_scan").inc()
                return ChargePointPage(found, after)
        return ChargePointPage(found, None)

    async def connection_counts(self, tenant_id: TenantId) -> ConnectionCounts:
        """Count the charge points of a tenant, and those that are connected."""
        async with self.database.platform() as work:
            identities = await identities_of_tenant(work, tenant_id)
        connected = 0
        for start in range(0, len(identities), _SCANNED_AT_ONCE):
            portion = identities[start : start + _SCANNED_AT_ONCE]
            connected += len(await self.presence.find_many(tenant_id, portion))
        return ConnectionCounts(len(identities), connected)

    async def identities(
        self, tenant_id: TenantId, filters: ChargePointFilter, limit: int, after: str | None = None
    ) -> list[str]:
        """Return the identities of charge points, in their order. Other packages select charge points here.

        Fewer than `limit` are the last ones. after: the last one seen.

        Raises:
            Unavailable: see `narrowed_page`.
        """
        found: list[str] = []
        while len(found) < limit:
            page = await self.narrowed_page(
                tenant_id, min(limit - len(found), _SCANNED_AT_ONCE), after, filters
            )
            found += [item.row["identity"] for item in page.items]
            if page.next_after is None:
                break
            after = page.next_after
        return found

    async def labels(
        self, tenant_id: TenantId, limit: int, after: tuple[str, str] | None
    ) -> list[LabelCount]:
        """Return the labels in use, each with the number of its charge points. after: the last one seen."""
        async with self.database.tenant(tenant_id) as work:
            return await ChargePointStore(work).labels(limit, after)

    async def get(self, tenant_id: TenantId, identity: str) -> LiveChargePoint:
        """Return one charge point with its live state.

        Raises:
            NotFound: the tenant has none of this identity.
        """
        row = found_charge_point(await self.reads(tenant_id).get(identity), identity)
        return LiveChargePoint(row, await self.live(tenant_id, identity))

    async def live(self, tenant_id: TenantId, identity: str) -> LiveState:
        """Return the state of the connection of a charge point."""
        return self.live_of(await self.presence.find(tenant_id, identity))

    async def connectors(self, tenant_id: TenantId, identity: str) -> Sequence[Row]:
        """Return the connectors of a charge point in the order of their number.

        Raises:
            NotFound: the tenant has no charge point of this identity.
        """
        return found_charge_point(await self.reads(tenant_id).connectors(identity), identity)

    async def create(
        self, tenant_id: TenantId, facts: NewChargePointFacts, actor: str
    ) -> tuple[ChargePointRecord, MintedCredential | None]:
        """Create a charge point and its credential, unless it may connect without one.

        actor: who does it, for the audit.

        Raises:
            Conflict: the tenant has one of this identity.
            InvalidInput: it has as many as it may have.
            Unauthorized: the tenant has just been deleted.
        """
        tenant = await self.tenants.own(tenant_id)
        minted = None if facts.no_credential else self._mint(tenant.slug, facts.identity)
        async with self.database.tenant(tenant_id) as work:
            require_room(await ChargePointStore(work).count_to_add(), self.charge_points_limit)
            record = await ChargePointStore(work).create(
                facts.identity,
                name=facts.name,
                registration_status=facts.registration_status or tenant.default_registration,
                credential_hash=None if minted is None else minted.stored,
                no_credential=facts.no_credential,
                labels=facts.labels,
                allow_weak_credential=facts.allow_weak_credential,
            )
            if facts.heartbeat_interval_s is not None:
                changes = {"heartbeat_interval_s": facts.heartbeat_interval_s}
                record = await ChargePointStore(work).update(facts.identity, **changes) or record
            await self.tell_labels(work, [record.id])
            if record.no_credential:
                await AuditStore(work).add(
                    self.entry(tenant_id, actor, "set_no_credential", facts.identity, no_credential=True)
                )
        return record, minted

    async def change(
        self,
        tenant_id: TenantId,
        identity: str,
        changes: Mapping[str, Any],
        compare: Callable[[ChargePointRecord], None],
        actor: str,
    ) -> ChargePointRecord:
        """Change what an operator sets of a charge point. Its connection ends if it needs a credential now.

        Args:
            tenant_id: Its tenant.
            identity: Its name in OCPP.
            changes: New values of columns.
            compare: Called with the locked record before it changes; what it raises cancels the change.
            actor: Who changes it, for the audit.

        Raises:
            NotFound: the tenant has none of this identity.
        """
        async with self.database.tenant(tenant_id) as work:
            record = known = await existing_charge_point(work, identity, to_change=True)
            compare(record)
            columns = dict(changes)
            is_to_log_in = needs_login(record, columns.get("no_credential", True))
            if "labels" in columns:
                columns["labels"] = merged_labels(record.labels, columns["labels"])
            if columns:
                record = await ChargePointStore(work).update(identity, **columns) or record
            if "labels" in columns:
                await self.tell_labels(work, [record.id])
            if (allowed := record.no_credential) != known.no_credential:
                await AuditStore(work).add(
                    self.entry(tenant_id, actor, "set_no_credential", identity, no_credential=allowed)
                )
        if is_to_log_in:
            await self.evict(tenant_id, [identity])
        if "registration_status" in changes:
            await self.tell_registration(tenant_id, record)
        return record

    async def delete(self, tenant_id: TenantId, identity: str, actor: str) -> None:
        """Delete a charge point and close its connection. actor: who does it, for the audit.

        Raises:
            NotFound: the tenant has none of this identity.
            Conflict: it has billing records, which are kept.
        """
        async with self.database.tenant(tenant_id) as work:
            if not await ChargePointStore(work).delete(identity):
                raise NoSuchChargePoint(identity)
            await AuditStore(work).add(self.entry(tenant_id, actor, "delete_charge_point", identity))
        await self.evict(tenant_id, [identity])

    async def replace_credential(self, tenant_id: TenantId, identity: str, actor: str) -> MintedCredential:
        """Replace the credential of a charge point, and close its connection.

        actor: who does it, for the audit.

        Raises:
            NotFound: the tenant has no charge point of this identity.
            Unauthorized: the tenant has just been deleted.
        """
        tenant = await self.tenants.own(tenant_id)
        minted = self._mint(tenant.slug, identity)
        async with self.database.tenant(tenant_id) as work:
            record = await existing_charge_point(work, identity)
            await ChargePointStore(work).set_credential(record.id, minted.stored)
            await AuditStore(work).add(self.entry(tenant_id, actor, "replace_credential", identity))
        await self.evict(tenant_id, [identity])
        return minted

    def entry(
        self, tenant_id: TenantId, actor: str, act: Act, identity: str, **details: bool
    ) -> NewAuditEntry:
        """Return the entry of the audit about a change of how a charge point gets in."""
        subject = location("/v1/charge-points", identity)
        return NewAuditEntry(tenant_id, self.clock.now(), actor, act, subject, "", details)

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

    async def tell_registration(self, tenant_id: TenantId, record: ChargePointRecord) -> None:
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

    async def tell_labels(self, work: TenantWork, charge_point_ids: Sequence[int]) -> None:
        """Tell those who select charge points by labels that these are new, or have others."""
        for listener in self.label_listeners:
            await listener(work, charge_point_ids)

    def _mint(self, tenant_slug: str, identity: str) -> MintedCredential:
        """Make a credential with a random key of 160 bits (security whitepaper A01)."""
        key = generate_key()
        raw = key_bytes(key)
        if raw is None:
            raise AssertionError("the generated key does not have the form of a key")
        return MintedCredential(tenant_slug, identity, key, self.credentials.hash(raw))

    def _fits(self, item: LiveChargePoint, filters: ChargePointFilter) -> bool:
        if filters.connected is None:
            return True
        if not self.presence.reachable:
            raise Unavailable("The live state cannot be reached.", "bus_unavailable")
        return (item.live.connected_since is not None) == filters.connected

    def live_of(self, owner: Owner | None) -> LiveState:
        """Return the state of a connection; None: there is none."""
        if owner is None:
            return NOT_CONNECTED
        flapping = bool(owner.take_overs) and is_flapping(owner.take_overs, self.clock.now().timestamp())
        return LiveState(owner.connected_at, flapping)

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
