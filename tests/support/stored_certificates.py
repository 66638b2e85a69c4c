"""One stored thing of each kind that certificates have, for tests of all routes."""

from datetime import datetime

from app.certificates.records import InstalledRecord, InstalledReport, NewAuthority, NewExternalAuthority
from app.certificates.rules.authority import described, mint_authority
from app.certificates.rules.hash_data import expected_hash_data, installed_id, known_certificate
from app.certificates.service.authorities import AuthorityCipher
from app.certificates.store.authorities import AuthorityStore, ExternalAuthorityStore
from app.certificates.store.certificates import CertificateStore
from app.certificates.store.installed import InstalledStore
from app.certificates.store.requests import RequestStore
from app.database.unit_of_work import TenantWork
from app.ocpp.v16 import CertificateUseEnumType
from app.outgoing.signature import SecretCipher, new_secret
from tests.support.certificates import issue, signing_request

_KIND: CertificateUseEnumType = "CentralSystemRootCertificate"


async def store_certificates(
    work: TenantWork, pepper: str, charge_point_id: int, identity: str, now: datetime
) -> dict[str, str]:
    """Store an authority, a root on a charge point, a request and a certificate.

    Return their ids, by the variable parts of paths.
    """
    root = issue("Root")
    known = known_certificate(root.certificate)
    data = expected_hash_data(known)
    name = installed_id(_KIND, data)
    leaf = issue(identity, root, is_authority=False)
    new = NewAuthority("Acme", "ecdsa_p256", 10, 365)
    minted = mint_authority(new, "Root", now)
    encrypted = AuthorityCipher(pepper).encrypt(work.tenant_id, minted.serial, minted.private_key)
    authority = await AuthorityStore(work).add(new, minted, encrypted, now)
    external = NewExternalAuthority("https://pki.invalid/", None, root.pem)
    secret = SecretCipher(pepper).encrypt(work.tenant_id, new_secret())
    await ExternalAuthorityStore(work).put(external, secret, now)
    store = InstalledStore(work)
    await store.put_known(known, now)
    await store.put(
        InstalledRecord(name, charge_point_id, _KIND, data, "reported", now, None, known.fingerprint)
    )
    await store.put_report(InstalledReport(charge_point_id, _KIND, now))
    await CertificateStore(work).add(described([leaf.certificate]), now)
    csr = signing_request(identity)
    request_id = await RequestStore(work).add(charge_point_id, csr, "accepted", received_at=now)
    return {
        "authority_id": str(authority.id),
        "request_id": str(request_id),
        "serial": f"{leaf.certificate.serial_number:x}",
        "certificate_id": name,
    }
