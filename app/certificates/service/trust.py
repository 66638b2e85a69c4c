"""Judges client certificates by the roots of their tenants, and knows what is revoked.

A worker keeps a snapshot in memory. It is read again on a change here, and within two seconds if another
worker has changed something. While the database is away the snapshot stays as it is.
"""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from app.certificates.records import CertificateFault
from app.certificates.rules.chains import Root, RootsByName, verified_root
from app.certificates.rules.pem import fingerprint_of, pem_blocks, read_certificate, serial_text
from app.certificates.store.authorities import Anchor, anchors_of_all, revoked_of_all, trust_fingerprint
from app.clock import Clock
from app.computation import compute
from app.connection import CertificateVerdict, ClientCertificate
from app.database.database import Database
from app.errors import AppError
from app.tasks import PeriodicTask
from app.types import TenantId

ANCHORS_LIMIT: Final = 40_000
"""Characters of the roots of one external authority."""
_INTERVAL_S: Final = 2.0
_TURN: Final = TenantId(-1)
"""The turn of snapshots among the computations, so that they do not wait for those of tenants."""


@dataclass(frozen=True, slots=True)
class _TenantRoots:
    """The roots of one tenant, by their names. anchors: their fingerprints."""

    by_name: RootsByName
    anchors: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """The roots and revocations at one time. revoked: issuer and serial number, by tenant."""

    roots: Mapping[int, _TenantRoots] = field(default_factory=dict)
    revoked: Mapping[int, frozenset[tuple[str, str]]] = field(default_factory=dict)


class ClientCertificateTrust:
    """The trust of the tenants in client certificates, as one worker knows it. The gateway asks it."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._snapshot = _Snapshot()
        self._fingerprint: tuple[int, ...] | None = None
        self._task: PeriodicTask | None = None
        self.listeners: list[Callable[[], None]] = []
        """Called whenever the anchors or the revocations have changed."""

    def start(self) -> None:
        """Look for changes from now on."""
        self._task = PeriodicTask(self._step, "client_certificate_trust")

    async def close(self) -> None:
        """Look for changes no longer."""
        if self._task is not None:
            await self._task.stop()
            self._task = None

    @property
    def has_anchors(self) -> bool:
        """Tell whether any tenant has a root, as known up to two seconds ago."""
        return bool(self._snapshot.roots)

    async def verify(
        self, tenant_id: TenantId, identity: str, certificate: ClientCertificate
    ) -> CertificateVerdict:
        """Judge a certificate by the roots of one tenant, and by what that tenant has revoked.

        Raises:
            StoreUnavailable: nothing was read so far, and the database does not answer.
        """
        return await self.verify_chain(tenant_id, identity, certificate.chain)

    async def verify_chain(
        self, tenant_id: TenantId, identity: str, chain: Sequence[bytes]
    ) -> CertificateVerdict:
        """Judge a chain in DER as a login with it would.

        Raises:
            StoreUnavailable: nothing was read so far, and the database does not answer.
        """
        if self._fingerprint is None:
            await self.refresh()
        roots = self._snapshot.roots.get(tenant_id)
        if roots is None:
            return CertificateVerdict(None, "The tenant has no certificate authority.")
        revoked, now = self._snapshot.revoked.get(tenant_id, frozenset()), self._clock.now()

        def judge() -> Root:
            return verified_root(chain, identity, roots.by_name, revoked, now)

        try:
            return CertificateVerdict((await compute(tenant_id, judge)).fingerprint)
        except CertificateFault as fault:
            return CertificateVerdict(None, fault.detail)

    def is_trusted(self, tenant_id: TenantId, certificate: ClientCertificate) -> bool:
        """Tell whether a certificate that was verified is neither revoked nor without its root now."""
        roots = self._snapshot.roots.get(tenant_id)
        if roots is None or certificate.anchor not in roots.anchors:
            return False
        key = (sha256(certificate.issuer).hexdigest(), serial_text(certificate.serial))
        return key not in self._snapshot.revoked.get(tenant_id, frozenset())

    async def refresh(self) -> None:
        """Read everything if something has changed.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        async with self._database.platform() as work:
            # The fingerprint first: a change after it is seen with the next one.
            fingerprint = await trust_fingerprint(work)
            if fingerprint == self._fingerprint:
                return
            anchors = await anchors_of_all(work, self._clock.now())
            revoked = await revoked_of_all(work)
        self._snapshot = await compute(_TURN, lambda: _snapshot_of(anchors, revoked))
        self._fingerprint = fingerprint
        for listener in self.listeners:
            listener()

    async def _step(self) -> float:
        with contextlib.suppress(AppError):
            await self.refresh()
        return _INTERVAL_S


def _snapshot_of(anchors: Sequence[Anchor], revoked: Sequence[tuple[int, str, str]]) -> _Snapshot:
    roots: dict[int, dict[bytes, list[Root]]] = {}
    for anchor in anchors:
        try:
            found = [
                read_certificate(der)
                for der in pem_blocks(anchor.certificates, ["CERTIFICATE"], ANCHORS_LIMIT)
            ]
        except CertificateFault:
            # They were checked when they were stored. One that a newer library refuses harms no other.
            continue
        by_name = roots.setdefault(anchor.tenant_id, {})
        for certificate in found:
            root = Root(certificate, fingerprint_of(certificate), anchor.organization)
            by_name.setdefault(certificate.subject.public_bytes(), []).append(root)
    lists: dict[int, set[tuple[str, str]]] = {}
    for tenant_id, issuer, serial in revoked:
        lists.setdefault(tenant_id, set()).add((issuer, serial))
    return _Snapshot(
        {tenant_id: _of_tenant(by_name) for tenant_id, by_name in roots.items()},
        {tenant_id: frozenset(keys) for tenant_id, keys in lists.items()},
    )


def _of_tenant(by_name: Mapping[bytes, Sequence[Root]]) -> _TenantRoots:
    return _TenantRoots(by_name, frozenset(root.fingerprint for roots in by_name.values() for root in roots))
