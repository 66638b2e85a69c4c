"""SQL of certificate authorities: those of a tenant, and what workers keep of all tenants."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import select, text, update
from sqlalchemy.dialects import postgresql

from app.certificates import tables
from app.certificates.records import (
    AuthorityRecord,
    AuthorityState,
    ExternalAuthorityRecord,
    MintedAuthority,
    NewAuthority,
    NewExternalAuthority,
)
from app.database.repository import Repository, columns_of
from app.database.unit_of_work import PlatformWork

_AUTHORITIES = tables.certificate_authorities
_COLUMNS = columns_of(AuthorityRecord, _AUTHORITIES)
_EXTERNAL = tables.external_certificate_authorities
_EXTERNAL_COLUMNS = columns_of(ExternalAuthorityRecord, _EXTERNAL)
_CERTIFICATES = tables.charge_point_certificates
_DEFAULT = text("default")

# They change whenever a change is committed, in whatever order changes commit.
_FINGERPRINT: Final = text(
    """
    select (select count(*) from certificate_authorities),
        (select coalesce(sum(revision), 0) from certificate_authorities),
        (select count(*) from external_certificate_authorities),
        (select coalesce(sum(revision), 0) from external_certificate_authorities),
        (select count(*) from charge_point_certificates where state = 'revoked')
    """
)


class Anchor(NamedTuple):
    """Trusted roots of a tenant in PEM, one or several. organization: of its certificates, None: any."""

    tenant_id: int
    certificates: str
    organization: str | None


class AuthorityStore(Repository):
    """The certificate authorities of one tenant."""

    async def lock(self) -> None:
        """Let changes of the authorities of the tenant wait for each other."""
        await self.connection.execute(
            text("select pg_advisory_xact_lock(hashtext('certificate_authorities'), :key)"),
            {"key": self.tenant_id % 2**31},
        )

    async def add(
        self, new: NewAuthority, minted: MintedAuthority, encrypted: bytes, at: datetime
    ) -> AuthorityRecord:
        """Store an authority as the active one. The one before it is retired."""
        await self.connection.execute(
            update(_AUTHORITIES)
            .where(_AUTHORITIES.c.tenant_id == self.tenant_id, _AUTHORITIES.c.state == "active")
            .values(state="retired", revision=_DEFAULT)
        )
        values: dict[str, Any] = {
            "tenant_id": self.tenant_id,
            "state": "active",
            "organization": new.organization,
            "key_type": new.key_type,
            "serial": minted.serial,
            "certificate": minted.certificate,
            "private_key": encrypted,
            "certificate_days": new.certificate_days,
            "not_before": minted.not_before,
            "not_after": minted.not_after,
            "created_at": at,
        }
        stored = await self.connection.execute(_AUTHORITIES.insert().values(values).returning(*_COLUMNS))
        return AuthorityRecord(*stored.one())

    async def all(self) -> list[AuthorityRecord]:
        """Return all authorities, the newest first."""
        statement = select(*_COLUMNS).where(_AUTHORITIES.c.tenant_id == self.tenant_id)
        rows = await self.connection.execute(statement.order_by(_AUTHORITIES.c.id.desc()))
        return [AuthorityRecord(*row) for row in rows]

    async def get(self, authority_id: int) -> AuthorityRecord | None:
        """Return an authority, None: there is none of this id."""
        statement = select(*_COLUMNS).where(
            _AUTHORITIES.c.tenant_id == self.tenant_id, _AUTHORITIES.c.id == authority_id
        )
        row = (await self.connection.execute(statement)).one_or_none()
        return None if row is None else AuthorityRecord(*row)

    async def active(self) -> AuthorityRecord | None:
        """Return the authority that signs, None: there is none."""
        statement = select(*_COLUMNS).where(
            _AUTHORITIES.c.tenant_id == self.tenant_id, _AUTHORITIES.c.state == "active"
        )
        row = (await self.connection.execute(statement)).one_or_none()
        return None if row is None else AuthorityRecord(*row)

    async def set_state(self, authority_id: int, state: AuthorityState) -> AuthorityRecord | None:
        """Set the state of an authority. None: there is none of this id."""
        statement = (
            update(_AUTHORITIES)
            .where(_AUTHORITIES.c.tenant_id == self.tenant_id, _AUTHORITIES.c.id == authority_id)
            .values(state=state, revision=_DEFAULT)
        )
        row = (await self.connection.execute(statement.returning(*_COLUMNS))).one_or_none()
        return None if row is None else AuthorityRecord(*row)


class ExternalAuthorityStore(Repository):
    """The external certificate authority of one tenant."""

    async def get(self) -> ExternalAuthorityRecord | None:
        """Return the external authority, None: there is none."""
        statement = select(*_EXTERNAL_COLUMNS).where(_EXTERNAL.c.tenant_id == self.tenant_id)
        row = (await self.connection.execute(statement)).one_or_none()
        return None if row is None else ExternalAuthorityRecord(*row)

    async def put(
        self, new: NewExternalAuthority, secret: bytes, at: datetime, *, replaces_secret: bool = False
    ) -> ExternalAuthorityRecord:
        """Store the external authority. secret: of a new one; replaces_secret: also of one that exists."""
        columns: dict[str, Any] = {**asdict(new), "updated_at": at}
        replaced = {"secret": secret} if replaces_secret else {}
        statement = postgresql.insert(_EXTERNAL).values(
            tenant_id=self.tenant_id, secret=secret, created_at=at, **columns
        )
        stored = await self.connection.execute(
            statement.on_conflict_do_update(
                index_elements=["tenant_id"], set_={**columns, **replaced, "revision": _DEFAULT}
            ).returning(*_EXTERNAL_COLUMNS)
        )
        return ExternalAuthorityRecord(*stored.one())

    async def delete(self) -> bool:
        """Remove the external authority. False: there is none."""
        statement = _EXTERNAL.delete().where(_EXTERNAL.c.tenant_id == self.tenant_id)
        return (await self.connection.execute(statement.returning(_EXTERNAL.c.url))).one_or_none() is not None


async def trust_fingerprint(work: PlatformWork) -> tuple[int, ...]:
    """Return numbers of which one differs after each change of anchors or revocations of any tenant."""
    return tuple(int(number) for number in (await work.connection.execute(_FINGERPRINT)).one())


async def anchors_of_all(work: PlatformWork, now: datetime) -> list[Anchor]:
    """Return the roots of all tenants that are trusted now."""
    own = await work.connection.execute(
        select(_AUTHORITIES.c.tenant_id, _AUTHORITIES.c.certificate, _AUTHORITIES.c.organization)
        .where(_AUTHORITIES.c.state.in_(("active", "retired")), _AUTHORITIES.c.not_after > now)
        .order_by(_AUTHORITIES.c.tenant_id, _AUTHORITIES.c.id)
    )
    external = await work.connection.execute(
        select(_EXTERNAL.c.tenant_id, _EXTERNAL.c.anchors, _EXTERNAL.c.organization)
    )
    return [Anchor(*row) for row in [*own, *external]]


async def revoked_of_all(work: PlatformWork) -> Sequence[tuple[int, str, str]]:
    """Return the revoked certificates: tenant, hash of the issuer's name, and serial number."""
    columns = (_CERTIFICATES.c.tenant_id, _CERTIFICATES.c.issuer_name_hash, _CERTIFICATES.c.serial)
    rows = await work.connection.execute(select(*columns).where(_CERTIFICATES.c.state == "revoked"))
    return [(int(tenant_id), str(name), str(serial)) for tenant_id, name, serial in rows]
