"""Use cases of certificate authorities: ours of a tenant, and a server that signs instead."""

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from app.audit.records import Act, NewAuditEntry
from app.audit.store import AuditStore
from app.certificates.records import (
    AuthorityRecord,
    CertificateFault,
    ExternalAuthorityRecord,
    NewAuthority,
    NewExternalAuthority,
)
from app.certificates.rules.authority import RevokedSerial, mint_authority, revocation_list
from app.certificates.rules.pem import certificates_of, check_root, issuer_name_hash, one_certificate
from app.certificates.service.trust import ANCHORS_LIMIT, ClientCertificateTrust
from app.certificates.store.authorities import AuthorityStore, ExternalAuthorityStore
from app.certificates.store.certificates import CertificateStore
from app.clock import Clock
from app.computation import compute
from app.database.database import Database
from app.database.unit_of_work import TenantWork
from app.errors import Conflict, FieldViolation, InvalidInput, NotFound, Unavailable
from app.live.encryption import EnvelopeCipher
from app.outgoing.client import OutgoingClient
from app.outgoing.records import OutgoingFailed
from app.outgoing.signature import SecretCipher, new_secret
from app.types import Json, TenantId

PATH: Final = "/v1/certificate-authority"
AUTHORITIES_OF_TENANT: Final = 20
"""The most authorities of a tenant. Each is trusted until its end, and each handshake may look at all."""
_PURPOSE: Final = b"stationmaster certificate authority 1"

Result = TypeVar("Result")


class AuthorityCipher:
    """Encrypts the private keys of authorities, so that a stolen table signs nothing."""

    def __init__(self, pepper: str) -> None:
        """Make a cipher. pepper: the secret of the server."""
        self._cipher = EnvelopeCipher(pepper, purpose=_PURPOSE)

    def encrypt(self, tenant_id: int, serial: str, private_key: bytes) -> bytes:
        """Return a key in the form for storage. Only its tenant can use it, with its certificate."""
        return self._cipher.encrypt(private_key, f"{tenant_id}:{serial}")

    def decrypt(self, authority: AuthorityRecord) -> bytes | None:
        """Return the key of an authority; None: it was stored with another pepper."""
        return self._cipher.decrypt(authority.private_key, f"{authority.tenant_id}:{authority.serial}")


@dataclass(frozen=True, slots=True)
class StoredExternalAuthority:
    """A stored external authority. secret: if a new one was made, which is shown once."""

    record: ExternalAuthorityRecord
    secret: str | None


@dataclass(frozen=True, slots=True)
class CertificateAuthorityService:
    """The use cases of certificate authorities. client: asks the external ones."""

    database: Database
    cipher: AuthorityCipher
    secrets: SecretCipher
    client: Callable[[], OutgoingClient]
    trust: ClientCertificateTrust
    clock: Clock

    async def create(self, tenant_id: TenantId, new: NewAuthority, actor: str) -> AuthorityRecord:
        """Make an authority that signs from now on. The one before it stays trusted until its end.

        Raises:
            Conflict: the tenant has too many.
        """
        now = self.clock.now()
        label = f"Charge points {secrets.token_hex(6)}"
        minted = await compute(tenant_id, lambda: mint_authority(new, label, now))
        encrypted = self.cipher.encrypt(tenant_id, minted.serial, minted.private_key)
        async with self.database.tenant(tenant_id) as work:
            store = AuthorityStore(work)
            await store.lock()
            if len(await store.all()) >= AUTHORITIES_OF_TENANT:
                raise Conflict(f"A tenant has up to {AUTHORITIES_OF_TENANT} certificate authorities.")
            record = await store.add(new, minted, encrypted, now)
            details = {"organization": new.organization, "key_type": new.key_type, "serial": record.serial}
            await self._note(work, actor, "create_certificate_authority", f"{PATH}/{record.id}", details)
        await self.trust.refresh()
        return record

    async def all(self, tenant_id: TenantId) -> list[AuthorityRecord]:
        """Return the authorities of a tenant, the newest first."""
        async with self.database.tenant(tenant_id) as work:
            return await AuthorityStore(work).all()

    async def get(self, tenant_id: TenantId, authority_id: int) -> AuthorityRecord:
        """Return one authority.

        Raises:
            NotFound: there is none of this id.
        """
        async with self.database.tenant(tenant_id) as work:
            return _found(await AuthorityStore(work).get(authority_id))

    async def distrust(self, tenant_id: TenantId, authority_id: int, actor: str) -> AuthorityRecord:
        """Accept no certificate of an authority from now on.

        Raises:
            NotFound: there is none of this id.
        """
        async with self.database.tenant(tenant_id) as work:
            store = AuthorityStore(work)
            await store.lock()
            record = _found(await store.set_state(authority_id, "distrusted"))
            subject = f"{PATH}/{authority_id}"
            await self._note(
                work, actor, "distrust_certificate_authority", subject, {"serial": record.serial}
            )
        await self.trust.refresh()
        return record

    async def revocation_list(self, tenant_id: TenantId, authority_id: int) -> str:
        """Return a fresh revocation list of an authority in PEM.

        Raises:
            NotFound: there is none of this id.
            Unavailable: its key cannot be read.
        """
        async with self.database.tenant(tenant_id) as work:
            authority = _found(await AuthorityStore(work).get(authority_id))
            root = await compute(tenant_id, lambda: one_certificate(authority.certificate))
            revoked = await CertificateStore(work).revoked_by(issuer_name_hash(root.subject))
        key = self.cipher.decrypt(authority)
        if key is None:
            raise Unavailable("The key of the certificate authority cannot be read.", "key_unreadable")
        now = self.clock.now()
        serials = [RevokedSerial(one.serial, one.revoked_at or now) for one in revoked]
        return await compute(tenant_id, lambda: revocation_list(root, key, serials, now))

    # The external authority

    async def external(self, tenant_id: TenantId) -> ExternalAuthorityRecord:
        """Return the external authority of a tenant.

        Raises:
            NotFound: it has none.
        """
        async with self.database.tenant(tenant_id) as work:
            found = await ExternalAuthorityStore(work).get()
        if found is None:
            raise _no_external()
        return found

    async def put_external(
        self, tenant_id: TenantId, new: NewExternalAuthority, actor: str
    ) -> StoredExternalAuthority:
        """Let a server sign for a tenant. A new one gets a secret; one that exists keeps its own.

        A secret that cannot be read, because the pepper of the server has changed, is replaced.

        Raises:
            InvalidInput: requests may not go to its URL, or its roots are not certificates of authorities.
        """
        try:
            self.client().check_url(new.url)
        except OutgoingFailed as failed:
            raise InvalidInput([FieldViolation("/url", failed.reason.value, failed.detail)]) from None
        now = self.clock.now()

        def check() -> None:
            for root in certificates_of(new.anchors, ANCHORS_LIMIT):
                check_root(root, now)

        await checked(tenant_id, check, "/anchors")
        secret = new_secret()
        encrypted = self.secrets.encrypt(tenant_id, secret)
        async with self.database.tenant(tenant_id) as work:
            store = ExternalAuthorityStore(work)
            known = await store.get()
            is_lost = known is not None and self.secrets.decrypt(tenant_id, known.secret) is None
            record = await store.put(new, encrypted, now, replaces_secret=is_lost)
            # The URL may hold a token in its path or query.
            details: Json = {
                "url": "/".join(new.url.split("?")[0].split("/")[:3]),
                "organization": new.organization,
                "anchors_sha256": hashlib.sha256(new.anchors.encode()).hexdigest(),
            }
            subject = f"{PATH}/external"
            await self._note(work, actor, "set_external_certificate_authority", subject, details)
        await self.trust.refresh()
        return StoredExternalAuthority(record, secret if record.secret == encrypted else None)

    async def delete_external(self, tenant_id: TenantId, actor: str) -> None:
        """Remove the external authority: our own one signs again, and its roots are not trusted any longer.

        Raises:
            NotFound: the tenant has none.
        """
        async with self.database.tenant(tenant_id) as work:
            if not await ExternalAuthorityStore(work).delete():
                raise _no_external()
            subject = f"{PATH}/external"
            await self._note(work, actor, "delete_external_certificate_authority", subject, {})
        await self.trust.refresh()

    async def _note(self, work: TenantWork, actor: str, act: Act, subject: str, details: Json) -> None:
        entry = NewAuditEntry(work.tenant_id, self.clock.now(), actor, act, subject, "", details)
        await AuditStore(work).add(entry)


async def checked(tenant_id: TenantId, work: Callable[[], Result], pointer: str) -> Result:
    """Run a computation whose fault is a fault of one member of a request."""
    try:
        return await compute(tenant_id, work)
    except CertificateFault as fault:
        raise InvalidInput([FieldViolation(pointer, fault.code, fault.detail)]) from None


def _found(authority: AuthorityRecord | None) -> AuthorityRecord:
    if authority is None:
        raise NotFound("There is no such certificate authority.", "authority_id")
    return authority


def _no_external() -> NotFound:
    return NotFound("The tenant has no external certificate authority.")
