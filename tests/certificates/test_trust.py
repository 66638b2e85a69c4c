"""Which client certificates a tenant trusts: namesakes, shared roots, revocation, and changes elsewhere."""

from dataclasses import replace
from datetime import timedelta

import pytest

from app.certificates.records import MintedAuthority, NewAuthority
from app.certificates.rules.authority import described
from app.certificates.rules.pem import serial_text
from app.certificates.service import ClientCertificateTrust
from app.certificates.store.authorities import AuthorityStore
from app.certificates.store.certificates import CertificateStore
from app.connection import ClientCertificate
from app.database.database import Database
from app.gateway.core_transport import certificate_record
from app.tenants.records import TenantRecord
from app.tenants.store import TenantStore
from app.types import TenantId
from tests.support.api import NOW, SetClock
from tests.support.certificates import ORGANIZATION, Issued, issue, key_of


async def trusted(database: Database, tenant: TenantRecord, root: Issued) -> int:
    """Store a root as the active authority of a tenant, and return its id."""
    certificate = root.certificate
    minted = MintedAuthority(
        root.pem,
        serial_text(certificate.serial_number),
        b"",
        certificate.not_valid_before_utc,
        certificate.not_valid_after_utc,
    )
    async with database.tenant(tenant.id) as work:
        new = NewAuthority(ORGANIZATION, "ecdsa_p256", 10, 365)
        return (await AuthorityStore(work).add(new, minted, b"", NOW)).id


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def trust(database: Database, clock: SetClock) -> ClientCertificateTrust:
    return ClientCertificateTrust(database, clock)


def leaf(root: Issued, identity: str | None = "CP1", **options: object) -> Issued:
    return issue(identity, root, number=77, is_authority=False, **options)  # type: ignore[arg-type]


def shown(certificate: Issued, *others: Issued) -> ClientCertificate:
    """Return a certificate as TLS has got it."""
    return certificate_record(certificate.der, None, [other.der for other in others])


async def is_good(trust: ClientCertificateTrust, tenant: TenantRecord, certificate: Issued) -> bool:
    """Tell whether a tenant trusts a certificate of its charge point CP1."""
    verdict = await trust.verify(TenantId(tenant.id), "CP1", shown(certificate))
    return verdict.problem is None


async def test_a_root_of_one_tenant_neither_counts_nor_disturbs_at_another(
    database: Database, tenant: TenantRecord, trust: ClientCertificateTrust
) -> None:
    async with database.platform() as work:
        other = await TenantStore(work).create(f"{tenant.slug}-other", "Other")
        third = await TenantStore(work).create(f"{tenant.slug}-third", "Without a root")
    # The names are the same, so only the signatures tell them apart.
    mine, theirs = issue("Namesake", number=51), issue("Namesake", number=52)
    await trusted(database, tenant, mine)
    await trusted(database, other, theirs)
    for root, owner in ((mine, tenant), (theirs, other)):
        found = [await is_good(trust, each, leaf(root)) for each in (tenant, other, third)]
        assert found == [owner is tenant, owner is other, False]
    assert trust.has_anchors


async def test_two_tenants_may_trust_the_same_root_and_each_revokes_for_itself(
    database: Database, tenant: TenantRecord, trust: ClientCertificateTrust
) -> None:
    async with database.platform() as work:
        other = await TenantStore(work).create(f"{tenant.slug}-other", "Other")
    root = issue("Shared root", number=53)
    certificate = leaf(root)
    for each in (tenant, other):
        await trusted(database, each, root)
    verdicts = [await trust.verify(TenantId(each.id), "CP1", shown(certificate)) for each in (tenant, other)]
    assert [verdict.problem for verdict in verdicts] == [None, None]
    verified = replace(shown(certificate), anchor=verdicts[0].anchor or "", chain=())
    assert trust.is_trusted(TenantId(tenant.id), verified)
    async with database.tenant(other.id) as work:
        store = CertificateStore(work)
        await store.revoke(await store.add(described([certificate.certificate]), NOW), NOW, "stolen")
    await trust.refresh()
    assert await is_good(trust, tenant, certificate)
    assert not await is_good(trust, other, certificate)
    assert trust.is_trusted(TenantId(tenant.id), verified)
    assert not trust.is_trusted(TenantId(other.id), verified)


async def test_a_retired_root_is_trusted_until_its_end_and_a_distrusted_one_is_not(
    database: Database, tenant: TenantRecord, trust: ClientCertificateTrust, clock: SetClock
) -> None:
    first, second = issue("First", number=56), issue("Second", number=57)
    number = await trusted(database, tenant, first)
    await trusted(database, tenant, second)
    certificate = leaf(first)
    changes: list[None] = []
    verdict = await trust.verify(TenantId(tenant.id), "CP1", shown(certificate))
    verified = replace(shown(certificate), anchor=verdict.anchor or "", chain=())
    assert trust.is_trusted(TenantId(tenant.id), verified)
    trust.listeners.append(lambda: changes.append(None))
    await trust.refresh()
    assert not changes
    async with database.tenant(tenant.id) as work:
        await AuthorityStore(work).set_state(number, "distrusted")
    # As the sweep of another worker sees it.
    await trust.refresh()
    assert len(changes) == 1
    assert not trust.is_trusted(TenantId(tenant.id), verified)
    assert not await is_good(trust, tenant, certificate)
    assert await is_good(trust, tenant, leaf(second))
    clock.advance(timedelta(days=4000).total_seconds())
    assert not await is_good(trust, tenant, leaf(second))


def test_keys_of_tests_are_kept() -> None:
    assert key_of("ecdsa", 51) is key_of("ecdsa", 51)
