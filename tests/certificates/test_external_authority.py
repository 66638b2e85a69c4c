"""An external certificate authority over real HTTP: at once, later, wrongly, or never."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text

from app.certificates.records import RequestRecord
from app.certificates.store.requests import RequestFilter, RequestStore
from app.gateway.core_transport import certificate_record
from app.outgoing.signature import SecretCipher, signature_headers
from app.types import TenantId
from tests.certificates.conftest import Charger, Site
from tests.certificates.test_requests import CERTIFICATES, REQUESTS, issuer_of, sign
from tests.support.certificates import YEAR, Issued, issue, signing_request
from tests.support.eventually import eventually
from tests.support.outgoing import TenantServer, tenant_server

PATH = "/v1/certificate-authority/external"
LONG = datetime(2026, 1, 1, tzinfo=UTC) + 30 * YEAR
ROOT = issue("External root", number=2, end=LONG)
MIDDLE = issue("Issuing authority", ROOT, number=3, end=LONG)


def chain(**changes: Any) -> str:
    """Return the chain that answers the request of CP1."""
    options: dict[str, Any] = {"is_authority": False, "end": LONG, **changes}
    leaf: Issued = issue(options.pop("name", "CP1"), MIDDLE, **options)
    return leaf.pem + MIDDLE.pem


@pytest.fixture
async def authority(site: Site) -> AsyncIterator[TenantServer]:
    """The server of the tenant, which signs from now on."""
    async with tenant_server() as opened:
        opened.answer = {"chain": chain()}
        body = {"url": opened.url, "anchors": ROOT.pem, "organization": "Acme Charging"}
        answer = await site.http.put(PATH, json=body)
        assert answer.status_code == 201, answer.text
        site.http.headers["x-secret"] = answer.json()["secret"]
        yield opened


async def test_a_chain_that_comes_at_once_is_sent(site: Site, authority: TenantServer) -> None:
    csr = signing_request("CP1")
    assert await sign(site, csr) == "Accepted"
    sent = await site.charger.answer("CertificateSigned", {"status": "Accepted"})
    assert sent == {"certificateChain": chain_text(authority)}
    item = await site.until(CERTIFICATES, "accepted")
    assert item["issuer"] == MIDDLE.certificate.subject.rfc4514_string()
    (request,) = authority.received
    asked = request.question
    (shown,) = (await site.get(REQUESTS))["items"]
    assert asked == {
        "type": "certificate_request",
        "request_id": shown["id"],
        "charge_point": "CP1",
        "organization": "Acme Charging",
        "csr": csr,
        "answer_to": f"/v1/certificate-requests/{shown['id']}/chain",
    }
    expected = signature_headers(
        request.headers["webhook-id"],
        int(request.headers["webhook-timestamp"]),
        request.body,
        [str(site.http.headers["x-secret"])],
    )
    assert request.headers["webhook-signature"] == expected["webhook-signature"]


def chain_text(authority: TenantServer) -> str:
    return str(authority.answer["chain"])


async def test_a_chain_that_comes_later_is_sent(site: Site, authority: TenantServer) -> None:
    authority.answer = {"status": "pending"}
    await sign(site)
    item = await site.until(REQUESTS, "forwarded")
    path = f"{REQUESTS}/{item['id']}/chain"
    text = chain()
    shown = await site.post(path, {"chain": text})
    assert shown["state"] in ("signed", "sent")
    sent = await site.charger.answer("CertificateSigned", {"status": "Accepted"})
    assert sent == {"certificateChain": text}
    await site.until(REQUESTS, "accepted")
    again = await site.http.post(path, json={"chain": text})
    assert again.status_code == 409
    assert len(authority.received) == 1


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("garbage", "not_pem"),
        (chain(number=9), "wrong_key"),
        (chain(name="CP2"), "wrong_identity"),
        (chain(end=datetime(2026, 2, 1, tzinfo=UTC)), "expired"),
        (chain().split("-----END CERTIFICATE-----")[0] + "-----END CERTIFICATE-----", "untrusted_chain"),
        (chain() + "x" * 20_000, "too_long"),
        (chain() * 6, "too_many_certificates"),
    ],
)
async def test_a_wrong_chain_is_refused_and_the_request_still_waits(
    site: Site, authority: TenantServer, text: str, code: str
) -> None:
    authority.answer = {"status": "pending"}
    await sign(site)
    item = await site.until(REQUESTS, "forwarded")
    answer = await site.http.post(f"{REQUESTS}/{item['id']}/chain", json={"chain": text})
    assert answer.status_code == 422
    (fault,) = answer.json()["errors"]
    assert (fault["pointer"], fault["code"]) == ("/chain", code)
    assert (await site.get(f"{REQUESTS}/{item['id']}"))["state"] == "forwarded"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"status": "refused", "reason": "not ours"}, "refused_by_authority"),
        ({"chain": chain(number=9)}, "wrong_key"),
        ({"chain": ""}, "not_pem"),
        ({"other": 1}, "invalid_answer"),
        ([1], "invalid_answer"),
    ],
)
async def test_a_wrong_answer_ends_the_request(
    site: Site, authority: TenantServer, answer: Any, reason: str
) -> None:
    authority.answer = answer
    assert await sign(site) == "Accepted"
    assert (await site.until(REQUESTS, "failed"))["reason"] == reason


async def test_an_answer_that_is_not_json_ends_the_request(site: Site, authority: TenantServer) -> None:
    authority.mode = "not json"
    await sign(site)
    assert (await site.until(REQUESTS, "failed"))["reason"] == "invalid_answer"


async def failed_attempt(site: Site, attempts: int) -> RequestRecord:
    """Wait until a request has so many attempts, or has failed, and return it."""

    async def read() -> RequestRecord:
        async with site.server.database.tenant(site.server.tenant.id) as work:
            (record,) = await RequestStore(work).page(1, None, RequestFilter())
        return record

    return await eventually(read, lambda record: record.attempts == attempts or record.state == "failed")


async def test_a_server_that_fails_is_asked_a_few_times(site: Site, authority: TenantServer) -> None:
    authority.mode = "500"
    await sign(site)
    record = await failed_attempt(site, 1)
    now = site.server.services.clock.now()
    assert (record.state, record.reason, record.attempts) == ("received", "http_status", 1)
    assert record.next_at is not None
    async with site.server.database.tenant(site.server.tenant.id) as work:
        await RequestStore(work).change(record.id, ["received"], now, next_at=now, attempts=3)
    issuer_of(site).wake()
    record = await failed_attempt(site, -1)
    assert (record.state, record.reason) == ("failed", "http_status")
    # Both attempts have the same id, so that the server can recognize the second one.
    assert len(authority.received) == 2
    assert len({request.headers["webhook-id"] for request in authority.received}) == 1


async def test_the_secret_is_shown_once(site: Site, authority: TenantServer) -> None:
    secret = str(site.http.headers["x-secret"])
    shown = await site.http.get(PATH)
    assert secret not in shown.text
    assert "secret" not in shown.json()
    again = await site.http.put(PATH, json={"url": authority.url, "anchors": ROOT.pem})
    assert again.status_code == 200
    assert secret not in again.text
    audit = await site.http.get("/v1/audit")
    assert secret not in audit.text
    assert "hidden" not in audit.text
    acts = [entry["act"] for entry in json.loads(audit.text)["items"] if entry["act"] != "log_in"]
    assert acts[0] == "set_external_certificate_authority"


async def test_a_secret_that_cannot_be_read_is_replaced(site: Site, authority: TenantServer) -> None:
    lost = SecretCipher("another pepper").encrypt(TenantId(site.server.tenant.id), "lost")
    async with site.server.database.tenant(site.server.tenant.id) as work:
        await work.connection.execute(
            text("update external_certificate_authorities set secret = :lost where tenant_id = :tenant_id"),
            {"lost": lost, "tenant_id": work.tenant_id},
        )
    await sign(site)
    assert (await site.until(REQUESTS, "failed"))["reason"] == "secret_unreadable"
    # As the detail of that failure says.
    again = await site.http.put(PATH, json={"url": authority.url, "anchors": ROOT.pem})
    assert again.json()["secret"] not in (None, site.http.headers["x-secret"])
    authority.answer = {"status": "pending"}
    await sign(site)
    await site.until(REQUESTS, "forwarded")


async def test_without_an_external_authority_no_chain_is_taken(site: Site, authority: TenantServer) -> None:
    authority.answer = {"status": "pending"}
    await sign(site)
    item = await site.until(REQUESTS, "forwarded")
    assert (await site.http.delete(PATH)).status_code == 204
    assert (await site.http.delete(PATH)).status_code == 404
    assert (await site.http.get(PATH)).status_code == 404
    answer = await site.http.post(f"{REQUESTS}/{item['id']}/chain", json={"chain": chain()})
    assert answer.status_code == 409


async def test_its_intermediates_are_needed_to_verify_a_certificate(
    site: Site, authority: TenantServer
) -> None:
    leaf = issue("CP1", MIDDLE, is_authority=False, end=LONG)
    await site.trust.refresh()

    async def is_good(*chain: Issued) -> bool:
        shown = certificate_record(chain[0].der, None, [one.der for one in chain[1:]])
        verdict = await site.trust.verify(TenantId(site.server.tenant.id), "CP1", shown)
        return verdict.problem is None

    assert not await is_good(leaf)
    assert await is_good(leaf, MIDDLE)
    other = issue("CP1", MIDDLE, is_authority=False, end=LONG, organization="Other")
    assert not await is_good(other, MIDDLE)


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({"url": "ftp://x", "anchors": ROOT.pem}, "/url", "url_not_allowed"),
        ({"url": "http://10.0.0.1/", "anchors": ROOT.pem}, "/url", "address_not_allowed"),
        ({"url": "https://pki.example.com", "anchors": "garbage"}, "/anchors", "not_pem"),
        (
            {"url": "https://pki.example.com", "anchors": issue("x", is_authority=False).pem},
            "/anchors",
            "not_an_authority",
        ),
        (
            {
                "url": "https://pki.example.com",
                "anchors": issue("x", end=datetime(2026, 1, 2, tzinfo=UTC)).pem,
            },
            "/anchors",
            "expired",
        ),
    ],
)
async def test_a_wrong_external_authority_is_refused(
    site: Site, body: dict[str, str], pointer: str, code: str
) -> None:
    answer = await site.http.put(PATH, json=body)
    assert answer.status_code == 422
    (fault,) = answer.json()["errors"]
    assert (fault["pointer"], fault["code"]) == (pointer, code)


async def test_a_request_at_a_server_that_hangs_does_not_delay_others(
    site: Site, authority: TenantServer
) -> None:
    authority.mode = "hang"
    await sign(site)
    await asyncio.wait_for(authority.arrived.wait(), 20)
    (waiting,) = (await site.get(REQUESTS))["items"]
    authority.mode, authority.answer = "right", {"status": "pending"}
    await site.server.register("CP2")
    other = Charger(await site.server.connect("CP2"))
    answer = await other.say("SignCertificate", {"csr": signing_request("CP2")})
    assert answer[2] == {"status": "Accepted"}
    await site.until(REQUESTS, "forwarded")
    shown = await site.get(f"{REQUESTS}/{waiting['id']}")
    assert (shown["charge_point"], shown["state"]) == ("CP1", "received")
