"""The way to security profile 3 over real TLS, by the certificate authority of a tenant.

TC_083: a higher security profile, after which the lower one is refused. TC_087: client certificates that are
not valid. Both with certificates that the charge point has asked this server for.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from fastapi import FastAPI

from app.cli.administration import create_key
from app.login_attempts.records import LoginAttemptFilter
from app.login_attempts.service import LoginAttemptService
from app.security.log import SecurityLog
from app.security_changes.sweeper import SecurityChangeSweeper
from app.tenants.store import TenantStore
from app.types import TenantId
from tests.gateway.test_tls import failures
from tests.gateway.tls_fixtures import pki, secure
from tests.support.certification import Station
from tests.support.gateway import KEY, until
from tests.support.raw_client import RawClient
from tests.support.server import Operator
from tests.support.tls import Pki, TlsServer, log_in
from tests.support.tls_certificates import Authority, Issued, ecdsa_key

__all__ = ["apps", "pki", "secure"]
ORGANIZATION = "Acme Charging"


@pytest.fixture(scope="module")
def apps() -> dict[str, FastAPI]:
    return {}


@dataclass
class Story:
    """A charge point with TLS and a password, its operator, and the certificates."""

    server: TlsServer
    pki: Pki
    operator: Operator
    station: Station

    def context(self, certificate: Issued | None = None) -> ssl.SSLContext:
        return self.pki.client_context(certificate)

    async def make_authority(self) -> None:
        """Let the tenant have an authority, and TLS ask for certificates."""
        await self.operator.post("/certificate-authority", {"organization": ORGANIZATION})
        assert self.server.acceptors is not None
        self.server.acceptors._reload()

    async def ask_for_certificate(self) -> Issued:
        """Let the charge point get a certificate by a trigger, and return it with its key."""
        station = self.station
        await station.commanded(
            "ExtendedTriggerMessage",
            {"requestedMessage": "SignChargePointCertificate"},
            {"status": "Accepted"},
        )
        key = ecdsa_key()
        name = [(NameOID.ORGANIZATION_NAME, ORGANIZATION), (NameOID.COMMON_NAME, "CP1")]
        subject = x509.Name([x509.NameAttribute(oid, text) for oid, text in name])
        csr = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, SHA256())
        pem = csr.public_bytes(Encoding.PEM).decode()
        assert await station.call("SignCertificate", {"csr": pem}) == {"status": "Accepted"}
        asked = await station.expect("CertificateSigned")
        station.answer(asked, {"status": "Accepted"})
        async with asyncio.timeout(20):
            while True:
                (shown,) = (await self.operator.get("/charge-point-certificates"))["items"]
                if shown["state"] == "accepted":
                    break
                await asyncio.sleep(0.01)
        chain = asked.payload["certificateChain"].encode()
        return Issued(x509.load_pem_x509_certificate(chain), key)

    async def raise_profile(self, profile: int) -> str:
        """Ask for a profile, which the charge point accepts; return the change."""
        _, change = await self.station.answered(
            f"{self.station.path}/security-profile",
            {"profile": profile},
            "ChangeConfiguration",
            {"status": "Accepted"},
        )
        # The answer of the charge point may come after that of the operator.
        async with asyncio.timeout(20):
            while (await self.station.command({"id": change["command_id"]}))["state"] != "accepted":  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        return str(change["id"])

    async def log_in(self, certificate: Issued) -> RawClient:
        return await log_in(self.server, "CP1", self.context(certificate))

    async def refused(self, context: ssl.SSLContext, **options: Any) -> tuple[int, str, str]:
        """Try to log in; return the status, and the reason and detail of the newest refused login."""
        status = (await log_in(self.server, "CP1", context, **options)).response.status
        await self.server.refused.flush()
        attempts: LoginAttemptService = self.server.app.state.services.get(LoginAttemptService)
        tenant_id = TenantId(self.server.tenant.id)
        rows = await attempts.page(tenant_id, 100, None, LoginAttemptFilter())
        newest = max(rows, key=lambda row: row["last_at"])
        return status, newest["reason"], newest["detail"] or ""

    async def own_events(self) -> dict[str, int]:
        await self.server.app.state.services.get(SecurityLog).flush()
        page = await self.operator.get("/security-events", source="central_system")
        return {item["type"]: item["copies"] for item in page["items"]}


@pytest.fixture
async def story(secure: TlsServer, pki: Pki) -> AsyncIterator[Story]:
    await secure.register("CP1")
    # Its steps are made by the tests.
    await secure.app.state.services.get(SecurityChangeSweeper).close()
    token = await create_key(
        secure.database,
        secure.settings.credential_pepper,
        tenant=secure.tenant.slug,
        name="operator",
        scopes=("read", "command", "write", "admin"),
    )
    async with Operator(f"http://127.0.0.1:{secure.plain_port}", token) as operator:
        client = await secure.connect("CP1", tls=pki.client_context())
        yield Story(secure, pki, operator, Station(secure, operator, "CP1", client))


async def test_tc_083_a_certificate_of_the_tenant_leads_to_profile_3_and_never_back(story: Story) -> None:
    server, station = story.server, story.station
    await story.make_authority()
    # Without a certificate it cannot be asked to use one.
    assert await story.operator.refusal("/charge-points/CP1/security-profile", {"profile": 3}) == 409
    certificate = await story.ask_for_certificate()
    change = await story.raise_profile(3)
    await station.client.close()
    station.client = await story.log_in(certificate)
    assert station.client.response.status == 101
    assert await station.call("Heartbeat", {})
    await server.app.state.services.get(SecurityChangeSweeper).settle()
    shown = await story.operator.get("/charge-points/CP1/security-profile")
    assert (shown["profile"], shown["newest_raise"]["id"], shown["newest_raise"]["state"]) == (
        3,
        change,
        "confirmed",
    )
    # The password is right, with TLS (profile 2) and without (profile 1).
    status, reason, _ = await story.refused(story.context(), user="CP1", password=KEY)
    assert (status, reason) == (401, "security_profile")
    path = f"/ocpp/{server.tenant.slug}/CP1"
    plain = await RawClient.open(server.plain_port, path, user="CP1", password=KEY)
    assert plain.response.status == 401
    assert (await story.own_events())["LowerSecurityProfile"] >= 1
    # The certificate lets it in again, with or without a password.
    await station.client.close()
    assert (await story.log_in(certificate)).response.status == 101


async def test_tc_083_after_a_raise_the_lower_profile_is_refused_for_ever(story: Story) -> None:
    server, path = story.server, "/charge-points/CP2/security-profile"
    sweeper: SecurityChangeSweeper = server.app.state.services.get(SecurityChangeSweeper)
    await server.register("CP2")
    target = f"/ocpp/{server.tenant.slug}/CP2"
    client = await RawClient.open(server.plain_port, target, user="CP2", password=KEY)
    station = story.station = Station(server, story.operator, "CP2", client)
    change = await story.raise_profile(2)
    await station.client.close()
    station.client = await server.connect("CP2", tls=story.context())
    await sweeper.settle()
    shown = await story.operator.get(path)
    assert (shown["profile"], shown["minimum"], shown["required"]) == (2, 2, 2)
    assert (shown["newest_raise"]["id"], shown["newest_raise"]["state"]) == (change, "confirmed")
    wrong, lower = [
        await RawClient.open(server.plain_port, target, user="CP2", password=password)
        for password in (b"x" * 20, KEY)
    ]
    # What the peer sees does not tell that the password is right.
    assert (lower.response.status, lower.response.body) == (401, wrong.response.body)
    assert wrong.response.status == 401
    assert lower.response.headers.keys() == wrong.response.headers.keys()
    events = await story.own_events()
    assert {"LowerSecurityProfile", "SecurityProfileRaised", "FailedLogin"} <= events.keys()
    assert await story.operator.refusal(path, {"profile": 1}) in (409, 422)
    # An act of an administrator, which is audited, is the only way back.
    await story.operator.put(f"{path}/minimum", {"profile": 1, "reason": "The TLS module is broken."})
    plain = await RawClient.open(server.plain_port, target, user="CP2", password=KEY)
    assert plain.response.status == 101


async def test_a_revoked_certificate_ends_its_connection_and_logs_in_no_more(story: Story) -> None:
    await story.make_authority()
    certificate = await story.ask_for_certificate()
    client = await story.log_in(certificate)
    assert client.response.status == 101
    serial = f"{certificate.certificate.serial_number:x}"
    await story.operator.post(f"/charge-point-certificates/{serial}/revocation", {"reason": "stolen"})
    assert await client.close_code() == 1008
    status, reason, detail = await story.refused(story.context(certificate))
    assert (status, reason, detail) == (401, "certificate", "The client certificate is revoked.")
    # It has never used profile 3 as its minimum, so that the password still helps, and a new certificate.
    assert await story.operator.refusal("/charge-points/CP1/security-profile", {"profile": 3}) == 409
    events = await story.own_events()
    assert (events["TlsFailure"], "FailedLogin" in events) == (1, False)


async def test_tc_087_certificates_that_are_not_of_the_authority_of_the_tenant_are_refused(
    story: Story,
) -> None:
    await story.make_authority()
    (authority,) = (await story.operator.get("/certificate-authority"))["items"]
    root = x509.load_pem_x509_certificate(authority["certificate"].encode())
    namesake = Authority("x")
    namesake.certificate = _renamed(namesake, root)
    for wrong, told in [
        (Authority("another root").client("CP1", ORGANIZATION), "no root of the tenant"),
        (namesake.client("CP1", ORGANIZATION), "no root of the tenant"),
        (Authority("CP1"), "no root of the tenant"),
        (Authority("another root").client("CP2", ORGANIZATION), "CP2"),
    ]:
        # The password would be right: it must not help.
        status, reason, detail = await story.refused(story.context(wrong), user="CP1", password=KEY)
        assert (status, reason) == (401, "certificate")
        assert told in detail
    assert (await story.own_events())["TlsFailure"] == 4


async def test_tc_087_a_certificate_of_another_tenant_is_refused(story: Story) -> None:
    await story.make_authority()
    certificate = await story.ask_for_certificate()
    async with story.server.database.platform() as work:
        other = await TenantStore(work).create(f"{story.server.tenant.slug}-other", "Other")
    theirs = TlsServer(**{**vars(story.server), "tenant": other})
    await theirs.register("CP1")
    assert (await log_in(theirs, "CP1", story.context(certificate))).response.status == 401
    assert (await story.log_in(certificate)).response.status == 101


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_failures_of_tls_are_security_events_of_the_server(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    log: SecurityLog = story.server.app.state.services.get(SecurityLog)
    noted: list[tuple[Any, ...]] = []
    monkeypatch.setattr(log, "record", lambda *event: noted.append(event))
    before = failures("version"), failures("suite")
    old = story.context()
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    weak = story.context()
    weak.maximum_version = ssl.TLSVersion.TLSv1_2
    weak.set_ciphers("ECDHE-RSA-CHACHA20-POLY1305")
    for context in (old, weak):
        with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
            await log_in(story.server, "CP1", context)
    await until(lambda: (failures("version"), failures("suite")) == (before[0] + 1, before[1] + 1))
    assert [(tenant, identity, kind.value) for tenant, identity, kind, _ in noted] == [
        (None, None, "TlsFailure")
    ] * 2
    assert {info.partition(";")[0] for *_, info in noted} == {
        "no version of TLS above 1.1",
        "no common cipher suite",
    }


def _renamed(authority: Authority, like: x509.Certificate) -> x509.Certificate:
    """Return a root with the key of an authority, and with the names of another root."""
    return (
        x509.CertificateBuilder()
        .subject_name(like.subject)
        .issuer_name(like.subject)
        .public_key(authority.key.public_key())
        .serial_number(like.serial_number)
        .not_valid_before(like.not_valid_before_utc)
        .not_valid_after(like.not_valid_after_utc)
        .add_extension(x509.BasicConstraints(True, None), critical=True)
        .sign(authority.key, SHA256())
    )
