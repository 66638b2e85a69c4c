"""Credentials of charge points at this edge: making one to show once, ending the session of an old one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog

from app.charge_points.credentials import Credentials, generate_key, key_bytes
from app.charge_points.schemas import Credential
from app.errors import Unavailable
from app.live.envelopes import EvictEnvelope
from app.live.presence import Owner
from app.types import TenantId
from app.web.access import Services
from app.web.locations import location

_EVICTION_WITHIN = timedelta(seconds=30)
_EVICTED_AT_ONCE = 500
"""Charge points looked up in one round trip to Redis."""

_log = structlog.get_logger("app.web")


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


async def evict(services: Services, tenant_id: TenantId, identities: Sequence[str]) -> None:
    """Close the connections of charge points whose credentials have ended.

    When the worker that holds one cannot be reached, the change stands all the same: the session ends with
    its socket.
    """
    for start in range(0, len(identities), _EVICTED_AT_ONCE):
        owners = await services.presence.find_many(tenant_id, identities[start : start + _EVICTED_AT_ONCE])
        for owner in owners.values():
            await _evict(services, owner)


async def _evict(services: Services, owner: Owner) -> None:
    envelope = EvictEnvelope(
        tenant_id=owner.tenant_id,
        identity=owner.identity,
        epoch=owner.epoch + 1,
        deadline=(services.clock.now() + _EVICTION_WITHIN).timestamp(),
        issuer=owner.worker,
        charge_point_id=owner.charge_point_id,
    )
    try:
        await services.bus.deliver(owner.worker, envelope)
    except Unavailable:
        _log.warning(
            "eviction_undelivered",
            tenant_id=owner.tenant_id,
            charge_point=owner.identity,
            worker=owner.worker,
        )
