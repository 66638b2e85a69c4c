"""The effects of commands about certificates, also of raw ones."""

import json
from typing import Any

import pytest

from app.certificates.records import CertificateRecord, InstalledRecord, RequestRecord
from app.certificates.rules.authority import described
from app.certificates.rules.hash_data import expected_hash_data, known_certificate
from app.certificates.store.certificates import CertificateFilter, CertificateStore
from app.certificates.store.installed import INSTALLED_OF_CHARGE_POINT, InstalledStore
from app.certificates.store.requests import RequestFilter, RequestStore
from tests.support.certificates import issue
from tests.support.cluster import Cluster
from tests.support.workers import Charger

CENTRAL, MANUFACTURER = "CentralSystemRootCertificate", "ManufacturerRootCertificate"
ROOT = issue("Root")
HASHES = expected_hash_data(known_certificate(ROOT.certificate))


class Point:
    """A charge point whose answers a test sets one after the other."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.answers: list[Any] = []
        self.charger: Charger | None = None

    async def ask(self, action: str, payload: dict[str, Any], answer: dict[str, Any]) -> None:
        """Issue a raw command, and wait until its answer is recorded."""
        self.answers.append(answer)
        if self.charger is None:
            self.charger = await self.cluster.charger(self.cluster.a, lambda *_: self.answers.pop(0))
        command = await self.cluster.issue(self.cluster.a, self.charger, action, json.dumps(payload))
        await self.cluster.end(self.cluster.a, command)

    async def install(self, status: str, kind: str = CENTRAL, certificate: str = ROOT.pem) -> None:
        payload = {"certificateType": kind, "certificate": certificate}
        await self.ask("InstallCertificate", payload, {"status": status})

    async def report(self, *hashes: Any, status: str = "Accepted", kind: str = CENTRAL) -> None:
        answer = {"status": status, "certificateHashData": list(hashes)}
        if not hashes:
            del answer["certificateHashData"]
        await self.ask("GetInstalledCertificateIds", {"certificateType": kind}, answer)

    @property
    def key(self) -> int:
        assert self.charger is not None
        return self.charger.connection.charge_point_id

    async def installed(self) -> list[InstalledRecord]:
        async with self.cluster.database.tenant(self.cluster.tenant_id) as work:
            return await InstalledStore(work).of_charge_point(self.key)

    async def states(self) -> list[tuple[str, str]]:
        return [(one.certificate_type, one.state) for one in await self.installed()]


@pytest.fixture
def point(cluster: Cluster) -> Point:
    return Point(cluster)


@pytest.mark.parametrize(
    ("status", "state"), [("Accepted", "accepted"), ("Rejected", "rejected"), ("Failed", "failed")]
)
async def test_the_answer_to_an_installation_is_kept(point: Point, status: str, state: str) -> None:
    await point.install(status)
    assert await point.states() == [(CENTRAL, state)]


async def test_a_later_answer_replaces_an_earlier_one(point: Point) -> None:
    await point.install("Failed")
    await point.install("Accepted")
    assert await point.states() == [(CENTRAL, "accepted")]
    # The charge point has it already, and refuses it a second time.
    await point.install("Rejected")
    assert await point.states() == [(CENTRAL, "accepted")]


async def test_the_uses_of_a_root_are_kept_apart(point: Point) -> None:
    await point.install("Accepted")
    await point.install("Accepted", MANUFACTURER)
    await point.report(HASHES)
    await point.report(status="NotFound", kind=MANUFACTURER)
    assert await point.states() == [(CENTRAL, "reported")]


async def test_a_raw_command_with_any_text_changes_nothing(point: Point) -> None:
    await point.install("Accepted", certificate="garbage")
    await point.install("Accepted", certificate=issue("x", kind="rsa1024").pem[:-30])
    assert await point.installed() == []


async def test_a_report_replaces_what_was_known(point: Point) -> None:
    await point.install("Accepted")
    other = {**HASHES, "serialNumber": "1"}
    await point.report({**HASHES, "issuerNameHash": HASHES["issuerNameHash"].upper()}, other)
    assert [one.state for one in await point.installed()] == ["reported", "reported"]
    await point.report(other)
    (left,) = await point.installed()
    assert (left.hash_data, left.fingerprint) == (other, None)
    await point.report(status="NotFound")
    assert await point.installed() == []


async def test_a_report_with_another_algorithm_is_the_same_certificate(point: Point) -> None:
    await point.install("Accepted")
    data = expected_hash_data(known_certificate(ROOT.certificate), "SHA512")
    await point.report(data)
    (one,) = await point.installed()
    assert (one.state, one.hash_data) == ("reported", data)
    assert one.fingerprint == known_certificate(ROOT.certificate).fingerprint
    await point.install("Accepted")
    assert [other.hash_data for other in await point.installed()] == [data]


async def test_an_accepted_list_without_members_is_an_empty_one(point: Point) -> None:
    await point.install("Accepted")
    await point.report(status="Accepted")
    assert await point.installed() == []


async def test_a_report_is_bounded(point: Point) -> None:
    hashes = [{**HASHES, "serialNumber": f"{number:x}"} for number in range(1, INSTALLED_OF_CHARGE_POINT + 9)]
    await point.report(*hashes)
    assert len(await point.installed()) == INSTALLED_OF_CHARGE_POINT


@pytest.mark.parametrize(("status", "left"), [("Accepted", 0), ("NotFound", 0), ("Failed", 1)])
async def test_a_deletion_forgets_the_certificate_if_it_is_gone(point: Point, status: str, left: int) -> None:
    await point.report(HASHES)
    named = {**HASHES, "serialNumber": HASHES["serialNumber"].lower()}
    await point.ask("DeleteCertificate", {"certificateHashData": named}, {"status": status})
    found = await point.installed()
    assert [one.deletion for one in found] == ["failed"] * left


async def test_the_deletion_of_an_unknown_certificate_changes_nothing(point: Point) -> None:
    await point.report(HASHES)
    named = {**HASHES, "serialNumber": "1"}
    await point.ask("DeleteCertificate", {"certificateHashData": named}, {"status": "Accepted"})
    assert await point.states() == [(CENTRAL, "reported")]


async def test_a_lost_answer_leaves_a_deletion_in_doubt(cluster: Cluster, point: Point) -> None:
    await point.report(HASHES)
    assert point.charger is not None
    point.answers.append(None)
    text = json.dumps({"certificateHashData": HASHES})
    command = await cluster.issue(cluster.a, point.charger, "DeleteCertificate", text)
    await point.charger.reported()
    cluster.clock.advance(31)
    point.charger.expire()
    await cluster.end(cluster.a, command)
    assert [one.deletion for one in await point.installed()] == ["unknown"]


# CertificateSigned as a raw command


async def stored(cluster: Cluster, identity: str) -> tuple[CertificateRecord | None, RequestRecord | None]:
    async with cluster.database.tenant(cluster.tenant_id) as work:
        certificates = await CertificateStore(work).page(1, None, CertificateFilter(cluster.clock.now()))
        requests = await RequestStore(work).page(1, None, RequestFilter(identity))
    return (certificates[0] if certificates else None), (requests[0] if requests else None)


async def test_only_its_own_charge_point_accepts_a_certificate(cluster: Cluster, point: Point) -> None:
    await point.report(HASHES)
    assert point.charger is not None
    leaf = issue("another", ROOT, is_authority=False)
    async with cluster.database.tenant(cluster.tenant_id) as work:
        await CertificateStore(work).add(described([leaf.certificate]), cluster.clock.now())
    await point.ask("CertificateSigned", {"certificateChain": leaf.pem}, {"status": "Accepted"})
    certificate, request = await stored(cluster, point.charger.connection.identity)
    assert certificate is not None
    assert (certificate.state, request) == ("issued", None)


async def test_a_raw_certificate_is_accepted_like_any_other(cluster: Cluster, point: Point) -> None:
    await point.report(HASHES)
    assert point.charger is not None
    leaf = issue(point.charger.connection.identity, ROOT, is_authority=False)
    async with cluster.database.tenant(cluster.tenant_id) as work:
        await CertificateStore(work).add(described([leaf.certificate]), cluster.clock.now())
    await point.ask("CertificateSigned", {"certificateChain": leaf.pem + ROOT.pem}, {"status": "Accepted"})
    certificate, _ = await stored(cluster, point.charger.connection.identity)
    assert certificate is not None
    assert certificate.state == "accepted"
    assert certificate.renew_at is not None


@pytest.mark.parametrize("chain", ["garbage", "", "-----BEGIN X-----\nAAAA\n-----END X-----"])
async def test_a_raw_command_with_any_chain_changes_nothing(point: Point, chain: str) -> None:
    await point.ask("CertificateSigned", {"certificateChain": chain}, {"status": "Accepted"})
    assert await point.installed() == []


async def test_other_triggers_lead_to_no_request(cluster: Cluster, point: Point) -> None:
    payload = {"requestedMessage": "Heartbeat"}
    await point.ask("ExtendedTriggerMessage", payload, {"status": "Accepted"})
    async with cluster.database.tenant(cluster.tenant_id) as work:
        assert await RequestStore(work).take_trigger(point.key, cluster.clock.now()) is None
