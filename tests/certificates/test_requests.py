"""Certificate requests over real sockets: bad ones, lost answers, limits, and logins after an outage."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from app.certificates.issuer import CertificateIssuer
from app.certificates.records import CertificateRecord
from app.certificates.service.requests import CertificateService
from app.certificates.store.certificates import CertificateStore
from app.certificates.store.requests import REQUESTS_OF_CHARGE_POINT
from app.configuration.store import ConfigurationStore
from app.metrics import LIMITS_HIT
from app.types import TenantId
from tests.certificates.conftest import Charger, Site
from tests.support.certificates import signing_request
from tests.support.eventually import eventually

REQUESTS = "/v1/certificate-requests"
CERTIFICATES = "/v1/charge-point-certificates"


def issuer_of(site: Site) -> CertificateIssuer:
    """Return what signs and sends in the server."""
    signer = site.server.app.state.services.get(CertificateService).signer
    assert isinstance(signer, CertificateIssuer)
    return signer


async def sign(site: Site, csr: str | None = None) -> str:
    """Send a SignCertificate, and return the status of the answer."""
    answer = await site.charger.say(
        "SignCertificate", {"csr": signing_request("CP1") if csr is None else csr}
    )
    assert answer[0] == 3, answer
    return str(answer[2]["status"])


async def test_without_an_authority_requests_are_rejected(site: Site) -> None:
    assert await sign(site) == "Rejected"
    (item,) = (await site.get(REQUESTS))["items"]
    assert (item["state"], item["reason"]) == ("refused", "no_authority")


@pytest.mark.parametrize(
    ("csr", "reason"),
    [
        (signing_request("CP2"), "wrong_identity"),
        (signing_request("CP1", organization="Other"), "wrong_organization"),
        (signing_request("CP1", "rsa1024"), "weak_key"),
        (signing_request("CP1") + "garbage", "not_pem"),
        (signing_request("CP1") * 2, "several_requests"),
        ("\u0000\u041f\u0440\u0438\u0432\u0435\u0442", "not_ascii"),
        ("", "not_pem"),
    ],
)
async def test_a_bad_request_is_rejected_and_kept_with_its_reason(site: Site, csr: str, reason: str) -> None:
    await site.authority()
    assert await sign(site, csr) == "Rejected"
    (item,) = (await site.get(REQUESTS))["items"]
    assert (item["state"], item["reason"]) == ("refused", reason)
    assert item["csr"] == csr.replace("\x00", "\ufffd")
    assert (await site.get(CERTIFICATES))["items"] == []


async def test_a_huge_request_is_no_certificate_request(site: Site) -> None:
    await site.authority()
    answer = await site.charger.say("SignCertificate", {"csr": "A" * 6000})
    # Longer texts than the standard allows are a deviation, which is refused here one way or the other.
    assert answer[0] == 4 or answer[2] == {"status": "Rejected"}
    assert (await site.get(CERTIFICATES))["items"] == []


async def test_a_repeated_request_is_signed_once(site: Site) -> None:
    await site.authority()
    csr = signing_request("CP1")
    assert [await sign(site, csr), await sign(site, csr)] == ["Accepted", "Accepted"]
    await site.charger.answer("CertificateSigned", {"status": "Accepted"})
    await site.until(CERTIFICATES, "accepted")
    assert len((await site.get(CERTIFICATES))["items"]) == 1
    assert len((await site.get(REQUESTS))["items"]) == 1


async def test_a_charge_point_that_asks_too_often_is_rejected(site: Site) -> None:
    await site.authority()
    limit = site.server.settings.certificate_requests_per_hour
    assert limit < REQUESTS_OF_CHARGE_POINT
    before = LIMITS_HIT.labels("certificate_requests")._value.get()
    for _ in range(limit):
        assert await sign(site, "garbage") == "Rejected"
    assert await sign(site) == "Rejected"
    items = (await site.get(REQUESTS))["items"]
    assert {item["reason"] for item in items} == {"not_pem"}
    assert len(items) == limit
    assert LIMITS_HIT.labels("certificate_requests")._value.get() == before + 1


async def test_a_lost_connection_is_followed_by_one_more_certificate(site: Site) -> None:
    await site.authority()
    assert await sign(site) == "Accepted"
    first = await site.charger.asked("CertificateSigned")
    await site.reconnect()
    second = await site.charger.asked("CertificateSigned")
    assert second[3] == first[3]
    await site.reconnect()
    # The second time it is given up: the charge point may have the certificate, or may ask again.
    item = await site.until(REQUESTS, "failed")
    assert item["reason"] == "no_answer"
    assert (await site.get(CERTIFICATES))["items"][0]["state"] == "sent"
    assert [call for call in site.charger.calls if call[2] == "CertificateSigned"] == []


async def test_a_charge_point_that_is_away_gets_its_certificate_after_its_login(site: Site) -> None:
    await site.authority()
    # The socket ends before the certificate is sent.
    site.charger.client.send(json.dumps([2, "1", "SignCertificate", {"csr": signing_request("CP1")}]))
    answer = json.loads(await site.charger.client.text())
    assert answer[2] == {"status": "Accepted"}
    await site.reconnect()
    await site.charger.answer("CertificateSigned", {"status": "Accepted"})
    await site.until(CERTIFICATES, "accepted")


async def test_a_call_error_ends_the_request(site: Site) -> None:
    await site.authority()
    await sign(site)
    frame = await site.charger.asked("CertificateSigned")
    site.charger.client.send(json.dumps([4, frame[1], "NotImplemented", "", {}]))
    item = await site.until(REQUESTS, "failed")
    assert item["reason"] == "call_error"


async def test_a_chain_that_the_charge_point_cannot_take_is_not_sent(site: Site) -> None:
    await site.authority()
    async with site.server.database.tenant(site.server.tenant.id) as work:
        (point,) = await points(site)
        now = site.server.services.clock.now()
        await ConfigurationStore(work).put(point, "CertificateSignedMaxChainSize", "100", True, now)
    await sign(site)
    item = await site.until(REQUESTS, "failed")
    assert item["reason"] == "chain_too_long"


async def points(site: Site) -> list[int]:
    """Return the primary keys of the charge points of the tenant."""
    from app.charge_points.store import ChargePointStore

    async with site.server.database.tenant(site.server.tenant.id) as work:
        return list(await ChargePointStore(work).logins())


async def test_a_newer_request_replaces_one_that_nothing_was_sent_for(site: Site) -> None:
    external = await site.http.put(
        "/v1/certificate-authority/external",
        json={"url": "http://127.0.0.1:1027/sign", "anchors": (await site.authority())["certificate"]},
    )
    assert external.status_code == 201, external.text
    await sign(site)
    await sign(site, signing_request("CP1", number=1))
    items = (await site.get(REQUESTS))["items"]
    assert [(item["state"], item["reason"]) for item in items][1:] == [("failed", "superseded")]


# Renewal


async def accepted_certificate(site: Site) -> Any:
    """Let the charge point get a certificate, and return it."""
    await site.authority()
    await sign(site)
    await site.charger.answer("CertificateSigned", {"status": "Accepted"})
    return await site.until(CERTIFICATES, "accepted")


async def test_a_charge_point_is_asked_for_a_request_before_its_certificate_ends(site: Site) -> None:
    shown = await accepted_certificate(site)
    tenant_id = site.server.tenant.id
    async with site.server.database.tenant(tenant_id) as work:
        stored = await CertificateStore(work).get(shown["id"])
        assert stored is not None
        assert stored.renew_at == stored.not_after - timedelta(days=30)
        # Its time has come.
        await CertificateStore(work).renew_later(shown["id"], site.server.services.clock.now(), 0)
    issuer_of(site).wake()
    request = await site.charger.answer("ExtendedTriggerMessage", {"status": "Accepted"})
    assert request == {"requestedMessage": "SignChargePointCertificate"}
    await sign(site, signing_request("CP1", number=1))
    await site.charger.answer("CertificateSigned", {"status": "Accepted"})
    await site.until(CERTIFICATES, "accepted")
    newest, old = (await site.get(CERTIFICATES))["items"]
    async with site.server.database.tenant(tenant_id) as work:
        before, after = (
            await CertificateStore(work).get(old["id"]),
            await CertificateStore(work).get(newest["id"]),
        )
    assert before is not None
    assert after is not None
    assert (before.renew_at, after.renew_at is None) == (None, False)


async def test_a_charge_point_is_asked_a_few_times_only(site: Site) -> None:
    shown = await accepted_certificate(site)
    now = site.server.services.clock.now()
    async with site.server.database.tenant(site.server.tenant.id) as work:
        await CertificateStore(work).renew_later(shown["id"], now, 4)
    issuer_of(site).wake()
    await site.charger.answer("ExtendedTriggerMessage", {"status": "Rejected"})

    async def read() -> CertificateRecord | None:
        async with site.server.database.tenant(site.server.tenant.id) as work:
            return await CertificateStore(work).get(shown["id"])

    stored = await eventually(read, lambda found: found and found.renewal_attempts == 5)
    assert stored is not None
    assert stored.renew_at is None


async def test_two_workers_send_a_certificate_once(site: Site) -> None:
    await site.authority()
    issuer = issuer_of(site)
    await sign(site)
    await asyncio.gather(*(issuer.sweep() for _ in range(5)))
    await site.charger.answer("CertificateSigned", {"status": "Accepted"})
    await site.until(CERTIFICATES, "accepted")
    commands = (await site.get("/v1/commands?action=CertificateSigned"))["items"]
    assert len(commands) == 1


# Revocation and trust


async def test_a_revoked_certificate_is_trusted_no_longer(site: Site) -> None:
    shown = await accepted_certificate(site)
    leaf = x509.load_pem_x509_certificate(shown["chain"].encode())
    tenant_id, chain = TenantId(site.server.tenant.id), [leaf.public_bytes(Encoding.DER)]
    service: CertificateService = site.server.app.state.services.get(CertificateService)
    assert (await site.trust.verify_chain(tenant_id, "CP1", chain)).problem is None
    assert await service.has_certificate(tenant_id, "CP1")
    assert not await service.has_certificate(tenant_id, "CP2")
    path = f"{CERTIFICATES}/{shown['serial'].upper()}/revocation"
    revoked = await site.post(path, {"reason": "stolen"})
    assert (revoked["state"], revoked["revocation_reason"]) == ("revoked", "stolen")
    problem = (await site.trust.verify_chain(tenant_id, "CP1", chain)).problem
    assert problem == "The client certificate is revoked."
    assert not await service.has_certificate(tenant_id, "CP1")
    again = await site.post(path, {"reason": "again"})
    assert again == revoked
    (authority,) = (await site.get("/v1/certificate-authority"))["items"]
    text = (await site.get(f"/v1/certificate-authority/{authority['id']}/revocation-list"))["revocation_list"]
    (entry,) = x509.load_pem_x509_crl(text.encode())
    assert entry.serial_number == leaf.serial_number
    answer = await site.http.post(f"{CERTIFICATES}/ff/revocation", json={"reason": "x"})
    assert (answer.status_code, answer.json()["field"]) == (404, "serial")


async def test_a_certificate_stays_revoked_if_its_charge_point_is_made_again(site: Site) -> None:
    shown = await accepted_certificate(site)
    await site.post(f"{CERTIFICATES}/{shown['serial']}/revocation", {"reason": "stolen"})
    assert (await site.http.delete("/v1/charge-points/CP1")).status_code == 204
    await site.server.register("CP1")
    site.charger = Charger(await site.server.connect("CP1"))
    (item,) = (await site.get(CERTIFICATES))["items"]
    assert item["state"] == "revoked"
