"""Credentials of charge points at this edge: making one to show once, ending the session of an old one."""

from dataclasses import dataclass
from datetime import timedelta

import structlog

from app.api.deps import Services
from app.api.locations import location
from app.api.resources import Credential
from app.csms.credentials import Credentials, generate_key, key_bytes
from app.errors import Unavailable
from app.ids import TenantId
from app.live.envelopes import EvictEnvelope

_EVICTION_WITHIN = timedelta(seconds=30)
_log = structlog.get_logger("app.api")


@dataclass(frozen=True, slots=True)
class MintedCredential:
    """A credential for its owner, and what the store keeps of it."""

    shown: Credential
    stored: bytes


def new_credential(services: Services, slug: str, identity: str) -> MintedCredential:
    """Make a random key of 160 bits for a charge point (security whitepaper A01)."""
    key = generate_key()
    raw = key_bytes(key)
    if raw is None:
        raise AssertionError("a generated key has the form of a key")
    path = location("/ocpp", slug, identity)
    stored = Credentials(services.settings.credential_pepper).hash(raw)
    return MintedCredential(Credential(username=identity, password=key, path=path), stored)


async def evict(services: Services, tenant_id: TenantId, identity: str) -> None:
    """Close the connection of a charge point whose credential has ended.

    When the worker that holds it cannot be reached, the change stands all the same: the session ends with its
    socket.
    """
    owner = await services.presence.find(tenant_id, identity)
    if owner is None:
        return
    envelope = EvictEnvelope(
        tenant_id=tenant_id,
        identity=identity,
        epoch=owner.epoch + 1,
        deadline=(services.clock.now() + _EVICTION_WITHIN).timestamp(),
        issuer=owner.worker,
        charge_point_id=owner.charge_point_id,
    )
    try:
        await services.bus.deliver(owner.worker, envelope)
    except Unavailable:
        _log.warning("eviction_undelivered", tenant_id=tenant_id, charge_point=identity, worker=owner.worker)
