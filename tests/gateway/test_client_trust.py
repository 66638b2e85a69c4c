"""Whose certificate it is: trust anchors of tenants and of the settings, revocation, profiles."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from app.connection import CertificateVerdict, ClientCertificate, TransportSecurity
from app.gateway.client_trust import ClientTrust, NoTenantTrust, TrustError
from app.gateway.core_transport import certificate_record
from app.gateway.handshake import judge_certificate, security_profile
from app.settings import Settings
from app.types import TenantId
from tests.support.tls_certificates import Authority, Issued


def record(issued: Issued, authority: Authority) -> ClientCertificate:
    return certificate_record(
        issued.certificate.public_bytes(Encoding.DER), authority.certificate.public_bytes(Encoding.DER)
    )


@pytest.mark.parametrize(
    ("wanted", "common_name", "organization", "problem"),
    [
        (None, "CP1", None, None),
        ("Acme", "CP1", "Acme", None),
        (None, "CP2", None, "CP2"),
        (None, "cp1", None, "cp1"),
        ("Acme", "CP1", "acme", "organization"),
        ("Acme", "CP1", None, "absent"),
    ],
)
def test_a_certificate_is_for_one_identity_and_operator(
    wanted: str | None, common_name: str, organization: str | None, problem: str | None
) -> None:
    certificate = ClientCertificate(common_name, organization, 1, b"", "", "a")
    told = judge_certificate(certificate, "CP1", wanted)
    assert told is None if problem is None else problem in (told or "")


def test_the_profile_follows_from_transport_and_credential() -> None:
    certificate = ClientCertificate("CP1", None, 1, b"", "", "")
    plain, tls = TransportSecurity(), TransportSecurity(tls=True)
    both = TransportSecurity(True, certificate)
    found = [security_profile(each, has) for each in (plain, tls, both) for has in (False, True)]
    assert found == [0, 1, 0, 2, 3, 3]


def test_the_facts_of_a_certificate_are_read() -> None:
    authority = Authority("root")
    issued = authority.client("CP1", "Operator")
    found = record(issued, authority)
    assert (found.common_name, found.organization) == ("CP1", "Operator")
    assert found.serial == issued.certificate.serial_number
    assert len(found.fingerprint) == len(found.anchor) == 64
    assert certificate_record(b"no certificate", b"").common_name == ""


@pytest.mark.parametrize(
    "name",
    [b"\x0c\x04\xff\xfePA", b"\x03\x04\x00CPA", b"\x02\x04CCPA", b"\x05\x04CCPA"],
    ids=["no UTF-8", "bit string", "integer", "null"],
)
def test_a_certificate_with_a_damaged_name_is_that_of_no_charge_point(name: bytes) -> None:
    authority = Authority("root")
    encoded = authority.client("CCPA").certificate.public_bytes(Encoding.DER)
    damaged = encoded.replace(b"\x0c\x04CCPA", name)
    assert damaged != encoded
    found = certificate_record(damaged, b"")
    assert (found.common_name, found.organization) == ("", None)
    assert len(found.fingerprint) == 64


def test_a_certificate_with_two_names_is_that_of_no_charge_point() -> None:
    names = [x509.NameAttribute(NameOID.COMMON_NAME, name) for name in ("CP1", "CP2")]
    key = ec.generate_private_key(ec.SECP256R1())
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name(names))
        .issuer_name(x509.Name([]))
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=1))
        .sign(key, SHA256())
    )
    assert certificate_record(certificate.public_bytes(Encoding.DER), b"").common_name == ""


class Tenants(NoTenantTrust):
    """Tenants of which one trusts the certificates that TLS has not verified."""

    has_anchors = True
    trusting: TenantId | None = TenantId(7)

    async def verify(
        self, tenant_id: TenantId, identity: str, certificate: ClientCertificate
    ) -> CertificateVerdict:
        if tenant_id != self.trusting:
            return CertificateVerdict(None, "not trusted")
        return CertificateVerdict(f"root of {identity}")

    def is_trusted(self, tenant_id: TenantId, certificate: ClientCertificate) -> bool:
        return tenant_id == self.trusting


async def verdict(trust: ClientTrust, certificate: ClientCertificate, tenant: int = 7) -> str | None:
    return (await trust.verify(TenantId(tenant), "CP1", certificate)).problem


async def test_the_settings_trust_for_all_tenants_and_a_tenant_for_itself(tmp_path: Path) -> None:
    authority, other, tenants = Authority("root"), Authority("root"), Tenants()
    file, revoked_file = tmp_path / "anchors.pem", tmp_path / "revoked.pem"
    file.write_bytes(authority.pem + Authority("second").pem)
    good, revoked = authority.client("CP1", "Operator"), authority.client("CP1", "Operator")
    revoked_file.write_bytes(authority.revocations(revoked))
    changes = {
        "tls_client_ca": file,
        "tls_client_revoked": [str(revoked_file)],
        "tls_client_organization": "Operator",
    }
    trust = ClientTrust(Settings().model_copy(update=changes), tenants)
    assert len(trust.refresh(files_changed=False).anchors) == 2
    assert await verdict(trust, record(good, authority)) is None
    assert await verdict(trust, record(good, authority), tenant=8) is None
    assert "revoked" in (await verdict(trust, record(revoked, authority)) or "")
    assert "gone" in (await verdict(trust, record(other.client("CP1", "Operator"), other)) or "")
    assert "organization" in (await verdict(trust, record(authority.client("CP1"), authority)) or "")
    # What TLS has not verified is for the tenant of the URL, unless the settings have revoked it.
    der = Encoding.DER
    unverified = certificate_record(other.client("CP1").certificate.public_bytes(der), None)
    assert await trust.verify(TenantId(7), "CP1", unverified) == ("root of CP1", None)
    assert await verdict(trust, unverified, tenant=8) == "not trusted"
    shown = certificate_record(revoked.certificate.public_bytes(der), None, [authority.pem])
    assert len(shown.chain) == 2
    assert "revoked" in (await verdict(trust, shown) or "")


async def test_a_certificate_of_a_proxy_is_judged_by_its_common_name() -> None:
    trust = ClientTrust(Settings())
    assert await verdict(trust, ClientCertificate("CP1", None, 0, b"", "", "")) is None
    assert "CP2" in (await verdict(trust, ClientCertificate("CP2", None, 0, b"", "", "")) or "")
    # Without anchors of tenants, nothing else is trusted.
    unknown = ClientCertificate("CP1", None, 0, b"", "", "", (b"leaf",))
    assert "authority" in (await verdict(trust, unknown) or "")


def test_what_was_verified_is_looked_at_again_when_something_changes(tmp_path: Path) -> None:
    authority, tenants = Authority("root"), Tenants()
    file = tmp_path / "anchors.pem"
    file.write_bytes(authority.pem)
    trust = ClientTrust(Settings().model_copy(update={"tls_client_ca": file}), tenants)
    changes: list[str] = []
    trust.changed = lambda: changes.append("changed")
    for files_changed in (False, False, True):
        trust.refresh(files_changed)
    for listener in tenants.listeners:
        listener()
    assert len(changes) == 3
    of_settings = record(authority.client("CP1"), authority)
    of_proxy = ClientCertificate("CP1", None, 0, b"", "", "")
    of_tenant = ClientCertificate("CP1", None, 0, b"", "", "root of CP1")
    found = [
        trust.is_trusted(TenantId(tenant), each)
        for each in (of_settings, of_proxy, of_tenant)
        for tenant in (7, 8)
    ]
    assert found == [True, True, True, True, True, False]
    file.write_text("nothing")
    with pytest.raises(TrustError, match="STATIONMASTER_TLS_CLIENT_CA"):
        trust.refresh(files_changed=True)
    assert len(trust.current.anchors) == 1
    file.write_bytes(Authority("another").pem)
    trust.refresh(files_changed=True)
    assert not trust.is_trusted(TenantId(8), of_settings)
