"""The use cases of keys and security profiles: replace a key, raise a profile, set minimum and policy."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

import orjson

from app.audit.records import Act, NewAuditEntry
from app.audit.store import AuditStore
from app.charge_points.credentials import generate_key
from app.charge_points.records import ChargePointRecord
from app.charge_points.security_profile import required_profile
from app.charge_points.service import existing_charge_point
from app.charge_points.store import ChargePointStore
from app.clock import Clock
from app.commands.records import CommandRequest
from app.commands.service import CommandService
from app.database.database import Database
from app.database.unit_of_work import PlatformWork, TenantWork
from app.errors import AppError, Conflict, NotFound, StoreUnavailable, Unauthorized, Unavailable
from app.security.log import SecurityLog
from app.security.records import OwnEvent
from app.security_changes.records import (
    Kind,
    ProfileState,
    RotationPolicyRecord,
    SecurityChangeRecord,
)
from app.security_changes.rules import (
    idempotency_key_of,
    next_check,
    refused_raise,
    refused_rotation,
    shown_raise,
)
from app.security_changes.store import RotationPolicyStore, SecurityChangeStore
from app.tenants.records import TenantRecord
from app.tenants.store import TenantStore
from app.types import Json, TenantId

HasCertificate = Callable[[TenantId, str], Awaitable[bool]]
"""Tells whether a charge point has a client certificate that is valid now, by tenant and identity."""


@dataclass(frozen=True, slots=True)
class SecurityChangeService:
    """The use cases of keys and security profiles. has_certificate: of what `certificates` know."""

    database: Database
    commands: CommandService
    clock: Clock
    log: SecurityLog
    has_certificate: HasCertificate

    async def rotate(self, tenant_id: TenantId, identity: str, actor: str) -> SecurityChangeRecord:
        """Send a new random key to a charge point (security whitepaper A01). It is never shown.

        Raises:
            NotFound: the tenant has no charge point of this identity.
            Conflict: it has no password, is not connected, or another change is under way.
        """
        async with self.database.tenant(tenant_id) as work:
            point = await existing_charge_point(work, identity)
            if (refused := refused_rotation(point)) is not None:
                raise Conflict(refused)
            change = await self._add(work, point, "credential", None, actor)
            await self._audit(work, actor, "rotate_credential", _path(identity, "credential/rotations"), "")
        payload = {"key": "AuthorizationKey", "value": generate_key()}
        return await self._issue(change, payload, actor)

    async def raise_profile(
        self, tenant_id: TenantId, identity: str, target: int, actor: str, *, certificate_installed: bool
    ) -> SecurityChangeRecord:
        """Ask a charge point to use a higher security profile (security whitepaper A05).

        certificate_installed: the operator says that its client certificate is installed.

        Raises:
            NotFound: the tenant has no charge point of this identity.
            Conflict: a prerequisite is missing, it is not connected, or another change is under way.
        """
        known = certificate_installed or await self.has_certificate(tenant_id, identity)
        async with self.database.tenant(tenant_id) as work:
            point = await existing_charge_point(work, identity)
            if (refused := refused_raise(point, target, has_certificate=known)) is not None:
                raise Conflict(refused, "/profile")
            change = await self._add(work, point, "security_profile", target, actor)
            details = {"profile": target, "certificate_installed": certificate_installed}
            subject = _path(identity, "security-profile")
            await self._audit(work, actor, "raise_security_profile", subject, "", details)
        return await self._issue(change, {"key": "SecurityProfile", "value": str(target)}, actor)

    async def changes(
        self, tenant_id: TenantId, identity: str, kind: Kind, limit: int, before: datetime | None
    ) -> list[SecurityChangeRecord]:
        """Return the changes of a charge point, the newest first. before: requested before then.

        Raises:
            NotFound: the tenant has no charge point of this identity.
        """
        async with self.database.tenant(tenant_id) as work:
            point = await existing_charge_point(work, identity)
            return await SecurityChangeStore(work).newest(point.id, kind, limit, before)

    async def change(
        self, tenant_id: TenantId, identity: str, kind: Kind, change_id: UUID
    ) -> SecurityChangeRecord:
        """Return one change.

        Raises:
            NotFound: the charge point does not exist, or has no such change.
        """
        async with self.database.tenant(tenant_id) as work:
            await existing_charge_point(work, identity)
            found = await SecurityChangeStore(work).get(change_id)
        if found is None or (found.identity, found.kind) != (identity, kind):
            raise NotFound("There is no such change.", "change_id")
        return found

    async def profile(self, tenant_id: TenantId, identity: str) -> ProfileState:
        """Return the security profiles of a charge point.

        Raises:
            NotFound: the tenant has no charge point of this identity.
        """
        async with self.database.tenant(tenant_id) as work:
            tenant = await _tenant(work)
            point = await existing_charge_point(work, identity)
            newest = await SecurityChangeStore(work).newest(point.id, "security_profile")
        return _state_of(point, tenant, newest[0] if newest else None)

    async def set_minimum(
        self, tenant_id: TenantId, identity: str, profile: int, actor: str, reason: str
    ) -> ProfileState:
        """Set the lowest security profile of a charge point, higher or lower. Open connections stay.

        Raises:
            NotFound: the tenant has no charge point of this identity.
        """
        async with self.database.tenant(tenant_id) as work:
            point = await existing_charge_point(work, identity, to_change=True)
            await ChargePointStore(work).set_minimum_profile(point.id, profile)
            details = {"from": point.minimum_security_profile, "to": profile}
            subject = _path(identity, "security-profile/minimum")
            await self._audit(work, actor, "set_minimum_security_profile", subject, reason, details)
        self._note_minimum(tenant_id, identity, details)
        return await self.profile(tenant_id, identity)

    async def tenant_minimum(self, tenant_id: TenantId) -> int:
        """Return the lowest security profile of the tenant's charge points.

        Raises:
            Unauthorized: the tenant has just been deleted.
        """
        async with self.database.tenant(tenant_id) as work:
            return (await _tenant(work)).minimum_security_profile

    async def set_tenant_minimum(self, tenant_id: TenantId, profile: int, actor: str, reason: str) -> int:
        """Set the lowest security profile of the tenant's charge points. Open connections stay.

        Raises:
            Unauthorized: the tenant has just been deleted.
        """
        async with self.database.tenant(tenant_id) as work:
            tenant = await _tenant(work, to_change=True)
            store = TenantStore(PlatformWork(work.connection))
            await store.update(tenant.slug, minimum_security_profile=profile)
            details = {"from": tenant.minimum_security_profile, "to": profile}
            subject = "/v1/security-profile"
            await self._audit(work, actor, "set_minimum_security_profile", subject, reason, details)
        self._note_minimum(tenant_id, None, details)
        return profile

    async def policy(self, tenant_id: TenantId) -> RotationPolicyRecord:
        """Return how often keys are replaced.

        Raises:
            NotFound: they are replaced by hand only.
        """
        async with self.database.tenant(tenant_id) as work:
            found = await RotationPolicyStore(work).get()
        if found is None:
            raise _no_policy()
        return found

    async def set_policy(self, tenant_id: TenantId, every_days: int, actor: str) -> RotationPolicyRecord:
        """Have the keys of all connected charge points replaced at this age."""
        now = self.clock.now()
        async with self.database.tenant(tenant_id) as work:
            stored = await RotationPolicyStore(work).put(every_days, now, actor)
            await self._audit_policy(work, actor, {"every_days": every_days})
        return stored

    async def delete_policy(self, tenant_id: TenantId, actor: str) -> None:
        """Replace keys by hand only.

        Raises:
            NotFound: there is no policy.
        """
        async with self.database.tenant(tenant_id) as work:
            if not await RotationPolicyStore(work).delete():
                raise _no_policy()
            await self._audit_policy(work, actor, {"every_days": None})

    async def _add(
        self, work: TenantWork, point: ChargePointRecord, kind: Kind, target: int | None, actor: str
    ) -> SecurityChangeRecord:
        now = self.clock.now()
        change = SecurityChangeRecord(
            id=uuid4(),
            tenant_id=point.tenant_id,
            charge_point_id=point.id,
            identity=point.identity,
            kind=kind,
            from_profile=None if target is None else point.security_profile,
            to_profile=target,
            state="requested",
            detail=None,
            command_id=None,
            requested_by=actor,
            requested_at=now,
            answered_at=None,
            ended_at=None,
        )
        await SecurityChangeStore(work).add(change, next_check(change, now))
        return change

    async def _issue(self, change: SecurityChangeRecord, payload: Json, actor: str) -> SecurityChangeRecord:
        """Send the command of a change, which is stored already. Its outcome is an effect of the command."""
        tenant_id = TenantId(change.tenant_id)
        request = CommandRequest(
            identity=change.identity,
            action="ChangeConfiguration",
            payload_text=orjson.dumps(payload).decode(),
            issued_by=actor,
            idempotency_key=idempotency_key_of(change.id),
        )
        try:
            command = await self.commands.issue(tenant_id, request)
        except AppError as error:
            # A command that may have been sent is recorded all the same, and its outcome decides.
            if not isinstance(error, (StoreUnavailable, Unavailable)):
                await self._not_sent(change, error.title)
            raise
        if command.state == "offline":
            await self._not_sent(change, "offline")
            raise Conflict("The charge point is not connected.", "identity")
        async with self.database.tenant(tenant_id) as work:
            store = SecurityChangeStore(work)
            await store.name_command(change.id, command.id)
            return await store.get(change.id) or change

    async def _not_sent(self, change: SecurityChangeRecord, detail: str) -> None:
        async with self.database.tenant(change.tenant_id) as work:
            await SecurityChangeStore(work).advance(change.id, "not_sent", detail, self.clock.now())

    def _note_minimum(self, tenant_id: TenantId, identity: str | None, details: Json) -> None:
        info = f"from {details['from']} to {details['to']}; see /v1/audit"
        self.log.record(tenant_id, identity, OwnEvent.SECURITY_PROFILE_MINIMUM_CHANGED, info)

    async def _audit_policy(self, work: TenantWork, actor: str, details: Json) -> None:
        await self._audit(
            work, actor, "set_credential_rotation", "/v1/credential-rotation-policy", "", details
        )

    async def _audit(
        self, work: TenantWork, actor: str, act: Act, subject: str, reason: str, details: Json | None = None
    ) -> None:
        entry = NewAuditEntry(work.tenant_id, self.clock.now(), actor, act, subject, reason, details or {})
        await AuditStore(work).add(entry)


def _path(identity: str, rest: str) -> str:
    return f"/v1/charge-points/{identity}/{rest}"


async def _tenant(work: TenantWork, *, to_change: bool = False) -> TenantRecord:
    store = TenantStore(PlatformWork(work.connection))
    tenant = await store.get(work.tenant_id)
    if tenant is not None and to_change:
        tenant = await store.by_slug(tenant.slug, to_change=True)
    if tenant is None:
        raise Unauthorized
    return tenant


def _state_of(
    point: ChargePointRecord, tenant: TenantRecord, newest: SecurityChangeRecord | None
) -> ProfileState:
    minima = (tenant.minimum_security_profile, point.minimum_security_profile)
    return ProfileState(
        profile=point.security_profile,
        minimum=point.minimum_security_profile,
        tenant_minimum=tenant.minimum_security_profile,
        required=required_profile(*minima, no_credential=point.no_credential),
        no_credential=point.no_credential,
        newest_raise=None if newest is None else shown_raise(newest, point.security_profile),
    )


def _no_policy() -> NotFound:
    return NotFound("Keys are replaced by hand only: there is no policy.")
