"""`/v1/plug-and-charge`: what an operator sets and sees."""

import json
from typing import Any

import pytest

from app.plug_and_charge.records import ContractEndpoint
from app.plug_and_charge.service.settings import PlugAndChargeSettingService
from app.tenants.records import TenantRecord
from app.types import ChargePointId, TenantId
from tests.plug_and_charge.pki import make
from tests.support.api import NOW, Api
from tests.support.stored_transfers import store_transfers

PATH = "/v1/plug-and-charge"
ENDPOINT = f"{PATH}/contract-certificate-endpoint"
URL = "https://contracts.example.com/issue?token=hidden"
ROOT = make("V2G Root", is_authority=True).pem


async def test_the_endpoint_keeps_its_secrets(api: Api, operator: TenantRecord, token: str) -> None:
    assert (await api.call("GET", ENDPOINT, token)).status_code == 404
    body = {"url": URL, "header": "Authorization", "authorization": "Bearer very-secret"}
    made = await api.call("PUT", ENDPOINT, token, json=body)
    assert made.status_code == 200, made.text
    assert made.headers["cache-control"] == "no-store"
    shown = (await api.call("GET", ENDPOINT, token)).json()
    assert shown == {name: value for name, value in made.json().items() if name != "secret"}
    again = await api.call("PUT", ENDPOINT, token, json={"url": URL, "header": "X-Key"})
    assert again.json()["secret"] is None
    service: PlugAndChargeSettingService = api.app.state.services.get(PlugAndChargeSettingService)
    found = await service.read(TenantId(operator.id), ContractEndpoint)
    assert found is not None
    assert found[1] is not None
    assert (found[1].signing, found[1].credential) == (made.json()["secret"], "Bearer very-secret")
    texts = [made.text, again.text, json.dumps(shown), (await api.call("GET", "/v1/audit", token)).text]
    assert not [text for text in texts if "very-secret" in text]
    assert "hidden" not in texts[-1]
    async with api.services.storage.database.tenant(TenantId(operator.id)) as work:
        rows = await work.connection.exec_driver_sql("select * from plug_and_charge_settings")
        assert "very-secret" not in str(rows.all())
    # Without a header there is no credential any more.
    await api.call("PUT", ENDPOINT, token, json={"url": URL})
    refused = await api.call("PUT", ENDPOINT, token, json={"url": URL, "header": "X-Key"})
    assert (refused.status_code, refused.json()["field"]) == (422, "/authorization")
    assert (await api.call("DELETE", ENDPOINT, token)).status_code == 204
    assert (await api.call("DELETE", ENDPOINT, token)).status_code == 404


async def test_the_authority_and_the_validation_live_and_die(api: Api, token: str) -> None:
    bodies: dict[str, dict[str, Any]] = {
        "v2g-authority": {"url": URL, "anchors": ROOT},
        "validation": {"roots": ROOT, "ocsp_url": "http://ocsp.example.com/", "without_status": "accept"},
    }
    for name, body in bodies.items():
        path = f"{PATH}/{name}"
        assert (await api.call("PUT", path, token, json=body)).status_code == 200
        shown = (await api.call("GET", path, token)).json()
        assert body.items() <= shown.items()
        assert (await api.call("DELETE", path, token)).status_code == 204
        assert (await api.call("GET", path, token)).status_code == 404
    acts = [entry["act"] for entry in (await api.call("GET", "/v1/audit", token)).json()["items"]]
    assert acts == [
        "delete_contract_validation",
        "set_contract_validation",
        "delete_v2g_authority",
        "set_v2g_authority",
    ]


@pytest.mark.parametrize(
    ("name", "body", "field"),
    [
        ("contract-certificate-endpoint", {}, "/url"),
        ("contract-certificate-endpoint", {"url": "http://contracts.example.com/"}, "/url"),
        ("contract-certificate-endpoint", {"url": "https://127.0.0.1/"}, "/url"),
        ("contract-certificate-endpoint", {"url": URL, "deadline_ms": 100}, "/deadline_ms"),
        ("contract-certificate-endpoint", {"url": URL, "header": "Host"}, "/header"),
        ("contract-certificate-endpoint", {"url": URL, "header": "X-A\r\nHost"}, "/header"),
        ("contract-certificate-endpoint", {"url": URL, "header": "X-A"}, "/authorization"),
        (
            "contract-certificate-endpoint",
            {"url": URL, "header": "X-A", "authorization": "a\r\nb"},
            "/authorization",
        ),
        ("v2g-authority", {"url": URL, "anchors": "not PEM"}, "/anchors"),
        ("v2g-authority", {"url": URL, "anchors": make("Leaf").pem}, "/anchors"),
        ("validation", {"roots": "-----BEGIN CERTIFICATE-----"}, "/roots"),
        ("validation", {"ocsp_url": "http://10.0.0.1/"}, "/ocsp_url"),
        ("validation", {"ocsp_url": "ftp://ocsp.example.com/"}, "/ocsp_url"),
        ("validation", {"without_status": "perhaps"}, "/without_status"),
    ],
)
async def test_bad_input_names_the_member(
    api: Api, token: str, name: str, body: dict[str, Any], field: str
) -> None:
    refused = await api.call("PUT", f"{PATH}/{name}", token, json=body)
    assert (refused.status_code, refused.json()["field"]) == (422, field), refused.text
    assert (await api.call("GET", f"{PATH}/{name}", token)).status_code == 404


async def test_another_tenant_finds_nothing(
    api: Api, operator: TenantRecord, token: str, charge_point: ChargePointId
) -> None:
    async with api.services.storage.database.tenant(TenantId(operator.id)) as work:
        pepper = api.services.settings.credential_pepper
        number = (await store_transfers(work, pepper, charge_point, NOW))["v2g_request_id"]
    request = f"{PATH}/certificate-requests/{number}"
    assert (await api.call("GET", request, token)).json()["state"] == "forwarded"
    intruder = await api.key(await api.tenant())
    for name in ("contract-certificate-endpoint", "v2g-authority", "validation"):
        assert (await api.call("GET", f"{PATH}/{name}", token)).status_code == 200
        assert (await api.call("GET", f"{PATH}/{name}", intruder)).status_code == 404
    assert (await api.call("GET", request, intruder)).status_code == 404
    posted = await api.call("POST", f"{request}/chain", intruder, json={"chain": ROOT})
    assert posted.status_code == 404
    assert (await api.call("GET", f"{PATH}/certificate-requests", intruder)).json()["items"] == []
    certificates = "/v1/charge-points/RDAM-1/plug-and-charge/certificates"
    assert (await api.call("GET", certificates, token)).json()["status"] == "Accepted"
    assert (await api.call("GET", certificates, intruder)).status_code == 404
