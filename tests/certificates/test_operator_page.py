"""Each command of docs/certificates.md, as an operator would run it."""

import json
import shutil
from pathlib import Path
from typing import get_args

import pytest

from app.certificates.rules.forecast_values import CureKind, Reason
from tests.certificates.conftest import Site
from tests.support.certificates import BEGIN, YEAR, issue, signing_request
from tests.support.operator_page import OperatorPage

PAGE = "certificates.md"
INSTALLED = "/v1/charge-points/CP1/installed-certificates"


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
async def test_the_commands_work_as_they_are_written(site: Site, tmp_path: Path) -> None:
    root = issue("Root", end=BEGIN + 30 * YEAR)
    (tmp_path / "root.pem").write_text(root.pem)
    page = OperatorPage(PAGE)
    token = site.http.headers["authorization"].removeprefix("Bearer ")
    chain = tmp_path / "new-server.pem"
    chain.write_text(
        issue("csms.example", root, number=1, is_authority=False, organization=None).pem + root.pem
    )
    variables = {"KEY": token, "ROOT": str(tmp_path / "root.pem"), "CHAIN": str(chain)}
    await page.log_in(site.server, **variables)
    create, authorities, put, remove, name, trigger, requests, certificates, *others = page.commands
    revoke, listed, refresh, installed, install, delete, ahead, planned = others
    authority = await page.run(create)
    assert (await page.run(authorities))["items"] == [authority]
    assert (await page.run(put))["url"] == "https://pki.example.com/sign"
    assert await page.run(remove) == 204
    await page.run(name)
    await site.charger.answer("ChangeConfiguration", {"status": "Accepted"})
    await page.run(trigger)
    await site.charger.answer("ExtendedTriggerMessage", {"status": "Accepted"})
    await site.charger.say("SignCertificate", {"csr": signing_request("CP1")})
    await site.charger.answer("CertificateSigned", {"status": "Accepted"})
    await site.until("/v1/charge-point-certificates", "accepted")
    (request,) = (await page.run(requests))["items"]
    (certificate,) = (await page.run(certificates))["items"]
    assert (request["state"], certificate["state"]) == ("accepted", "accepted")
    variables |= {"SERIAL": certificate["serial"], "AUTHORITY": str(authority["id"])}
    await page.log_in(site.server, **variables)
    assert (await page.run(revoke))["state"] == "revoked"
    assert "X509 CRL" in (await page.run(listed))["revocation_list"]
    await page.run(refresh)
    for _ in range(2):
        frame = await site.charger.asked("GetInstalledCertificateIds")
        site.charger.client.send(json.dumps([3, frame[1], {"status": "NotFound"}]))
    await page.run(install)
    await site.charger.answer("InstallCertificate", {"status": "Accepted"})
    await site.until(INSTALLED, "accepted")
    (item,) = (await page.run(installed))["items"]
    await page.log_in(site.server, CERTIFICATE=item["id"], **variables)
    (command,) = (await page.run(delete))["commands"]
    assert command["action"] == "DeleteCertificate"
    assert (await page.run(ahead))["server_chains"] == []
    (sent,) = (await page.run(planned))["server_chains"]
    assert sent["subject"] == "CN=csms.example"


def test_the_page_names_each_reason_and_cure() -> None:
    text = OperatorPage(PAGE).text
    assert [name for name in (*get_args(Reason), *get_args(CureKind)) if f"`{name}`" not in text] == []
