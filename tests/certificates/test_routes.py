"""The REST operations: certificate authorities, roots on charge points, and the forecast."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.certificates.records import InstalledRecord, InstalledReport, KnownCertificate
from app.certificates.rules.hash_data import expected_hash_data, installed_id, known_certificate
from app.certificates.service.authorities import AUTHORITIES_OF_TENANT
from app.certificates.service.forecast import ForecastInput, ForecastService
from app.certificates.store.authorities import AuthorityStore
from app.certificates.store.installed import KNOWN_OF_TENANT, InstalledStore
from app.commands.records import CommandRecord
from app.configuration.store import ConfigurationStore
from app.errors import TooManyRequests, Unavailable
from app.tenants.records import TenantRecord
from app.types import ChargePointId, TenantId
from tests.support.api import NOW, Api
from tests.support.certificates import BEGIN, YEAR, Issued, chain_of, issue
from tests.support.scripted_commands import ScriptedCommands

AUTHORITY = "/v1/certificate-authority"
INSTALLED = "/v1/charge-points/RDAM-1/installed-certificates"
FORECAST = "/v1/certificate-forecast"
CENTRAL = "CentralSystemRootCertificate"
ROOT = issue("Root", end=BEGIN + 30 * YEAR)
NEW_ROOT = issue("New root", number=1, end=BEGIN + 30 * YEAR)
LEAF = issue("charging.example.com", ROOT, number=2, is_authority=False, end=NOW + timedelta(days=20))


async def test_an_authority_is_made_shown_and_replaced(api: Api, token: str) -> None:
    assert (await api.call("GET", AUTHORITY, token)).json() == {"items": []}
    body = {"organization": "Acme Charging"}
    first = await api.call("POST", AUTHORITY, token, json=body)
    assert first.status_code == 201, first.text
    assert first.headers["location"] == f"{AUTHORITY}/{first.json()['id']}"
    assert "private" not in first.text.lower()
    assert first.json()["certificate"].startswith("-----BEGIN CERTIFICATE-----")
    second = await api.call("POST", AUTHORITY, token, json={**body, "key_type": "rsa_2048", "years": 2})
    items = (await api.call("GET", AUTHORITY, token)).json()["items"]
    assert [(item["state"], item["key_type"]) for item in items] == [
        ("active", "rsa_2048"),
        ("retired", "ecdsa_p256"),
    ]
    path = f"{AUTHORITY}/{second.json()['id']}"
    assert (await api.call("GET", path, token)).json()["state"] == "active"
    assert (await api.call("POST", f"{path}/distrust", token)).json()["state"] == "distrusted"
    listed = await api.call("GET", f"{path}/revocation-list", token)
    assert listed.json()["revocation_list"].startswith("-----BEGIN X509 CRL-----")
    acts = [item["act"] for item in (await api.call("GET", "/v1/audit", token)).json()["items"]]
    assert acts == ["distrust_certificate_authority", *["create_certificate_authority"] * 2]


async def test_a_private_key_is_stored_encrypted(api: Api, token: str, operator: TenantRecord) -> None:
    await api.call("POST", AUTHORITY, token, json={"organization": "Acme Charging"})
    async with api.services.storage.database.tenant(operator.id) as work:
        (record,) = await AuthorityStore(work).all()
    # A PKCS 8 text of P-256 has this object identifier.
    assert bytes.fromhex("2a8648ce3d0201") not in record.private_key
    assert "private_key" not in repr(record)


async def test_a_tenant_has_a_limited_number_of_authorities(api: Api, token: str) -> None:
    body = {"organization": "Acme Charging"}
    for _ in range(AUTHORITIES_OF_TENANT):
        assert (await api.call("POST", AUTHORITY, token, json=body)).status_code == 201
    assert (await api.call("POST", AUTHORITY, token, json=body)).status_code == 409


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/organization"),
        ({"organization": "A" * 65}, "/organization"),
        ({"organization": "A\nB"}, "/organization"),
        ({"organization": "A", "key_type": "rsa_1024"}, "/key_type"),
        ({"organization": "A", "years": 0}, "/years"),
        ({"organization": "A", "certificate_days": 5000}, "/certificate_days"),
    ],
)
async def test_a_wrong_authority_is_refused(api: Api, token: str, body: dict[str, Any], pointer: str) -> None:
    answer = await api.call("POST", AUTHORITY, token, json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == pointer


# Roots on charge points


async def put_installed(
    api: Api, tenant: TenantRecord, point: int, *roots: Issued, **changes: Any
) -> list[InstalledRecord]:
    """Store roots as a charge point reports them."""
    records = []
    async with api.services.storage.database.tenant(tenant.id) as work:
        store = InstalledStore(work)
        for root in roots:
            known = known_certificate(root.certificate)
            await store.put_known(known, NOW)
            data = expected_hash_data(known, "SHA256")
            kind = changes.get("certificate_type", CENTRAL)
            values: dict[str, Any] = {"state": "reported", "at": NOW, "deletion": None, **changes}
            values["certificate_type"] = kind
            record = InstalledRecord(
                installed_id(kind, data), point, hash_data=data, fingerprint=known.fingerprint, **values
            )
            await store.put(record)
            records.append(record)
        await store.put_report(InstalledReport(point, "CentralSystemRootCertificate", NOW))
    return records


@pytest.mark.parametrize(
    ("certificate", "code"),
    [
        ("garbage", "not_pem"),
        (ROOT.pem + "garbage", "not_pem"),
        (ROOT.pem * 2, "several_certificates"),
        (issue("x", end=BEGIN + timedelta(days=1)).pem, "expired"),
        (LEAF.pem, "not_an_authority"),
        (issue("x", kind="rsa1024").pem, "weak_key"),
        (ROOT.pem + "\n" * 6000, "too_long"),
        ("\u041f", "string_pattern_mismatch"),
        ("", "string_pattern_mismatch"),
    ],
)
async def test_what_is_not_a_root_is_not_installed(
    api: Api, token: str, queued: CommandRecord, scripted: ScriptedCommands, certificate: str, code: str
) -> None:
    body = {"certificate_type": CENTRAL, "certificate": certificate}
    answer = await api.call("POST", INSTALLED, token, json=body)
    assert answer.status_code == 422
    (fault,) = answer.json()["errors"]
    assert (fault["pointer"], fault["code"]) == ("/certificate", code)
    assert scripted.issued == []


async def test_a_root_is_installed_by_a_command(
    api: Api, token: str, queued: CommandRecord, scripted: ScriptedCommands
) -> None:
    body = {"certificate_type": CENTRAL, "certificate": f"\n{ROOT.pem}\n"}
    headers = {"Idempotency-Key": "key-1"}
    answer = await api.call("POST", f"{INSTALLED}?timeout_s=60", token, json=body, headers=headers)
    assert answer.status_code == 202, answer.text
    assert answer.json()["commands"][0]["id"] == str(queued.id)
    (issued,) = scripted.issued
    assert (issued.identity, issued.action) == ("RDAM-1", "InstallCertificate")
    assert ROOT.pem.replace("\n", "\\n") in issued.payload_text
    assert (issued.options["timeout_s"], issued.options["idempotency_key"]) == (60, "key-1")


async def test_an_unknown_charge_point_has_no_certificates(
    api: Api, token: str, operator: TenantRecord
) -> None:
    assert (await api.call("GET", INSTALLED, token)).status_code == 404
    body = {"certificate_type": CENTRAL, "certificate": ROOT.pem}
    assert (await api.call("POST", INSTALLED, token, json=body)).status_code == 404
    assert (await api.call("DELETE", f"{INSTALLED}/{'0' * 32}", token)).status_code == 404


async def test_the_list_says_what_is_not_known(api: Api, token: str, charge_point: ChargePointId) -> None:
    assert (await api.call("GET", INSTALLED, token)).json() == {
        "central_system_roots_reported_at": None,
        "manufacturer_roots_reported_at": None,
        "items": [],
    }


async def test_the_last_root_is_deleted_only_by_force(
    api: Api,
    token: str,
    operator: TenantRecord,
    charge_point: ChargePointId,
    queued: CommandRecord,
    scripted: ScriptedCommands,
) -> None:
    (last,) = await put_installed(api, operator, charge_point, ROOT)
    refused = await api.call("DELETE", f"{INSTALLED}/{last.id}", token)
    assert (refused.status_code, refused.json()["field"]) == (409, "certificate_id")
    assert scripted.issued == []
    forced = await api.call("DELETE", f"{INSTALLED}/{last.id}?force=true", token)
    assert forced.status_code == 202
    (item,) = (await api.call("GET", INSTALLED, token)).json()["items"]
    assert item["deletion"] == "requested"
    (entry,) = (await api.call("GET", "/v1/audit", token)).json()["items"]
    assert entry["act"] == "delete_last_central_system_root"


async def test_of_two_roots_only_one_is_deleted(
    api: Api,
    token: str,
    operator: TenantRecord,
    charge_point: ChargePointId,
    queued: CommandRecord,
) -> None:
    first, second = await put_installed(api, operator, charge_point, ROOT, NEW_ROOT)
    assert (await api.call("DELETE", f"{INSTALLED}/{first.id}", token)).status_code == 202
    assert (await api.call("DELETE", f"{INSTALLED}/{second.id}", token)).status_code == 409


async def test_a_deletion_that_was_not_sent_is_none(
    api: Api,
    token: str,
    operator: TenantRecord,
    charge_point: ChargePointId,
    queued: CommandRecord,
    scripted: ScriptedCommands,
) -> None:
    first, _ = await put_installed(api, operator, charge_point, ROOT, NEW_ROOT)
    scripted.outcome = TooManyRequests("busy")
    assert (await api.call("DELETE", f"{INSTALLED}/{first.id}", token)).status_code == 429
    scripted.outcome = await api.command(operator, charge_point, state="offline")
    assert (await api.call("DELETE", f"{INSTALLED}/{first.id}", token)).status_code == 202
    items = (await api.call("GET", INSTALLED, token)).json()["items"]
    assert [item["deletion"] for item in items] == [None, None]


@pytest.mark.parametrize("name", ["x", "0" * 31, "G" * 32])
async def test_a_wrong_id_is_refused(api: Api, token: str, charge_point: ChargePointId, name: str) -> None:
    assert (await api.call("DELETE", f"{INSTALLED}/{name}", token)).status_code == 422


async def test_a_tenant_keeps_a_limited_number_of_texts(api: Api, operator: TenantRecord) -> None:
    known = known_certificate(ROOT.certificate)
    async with api.services.storage.database.tenant(operator.id) as work:
        store = InstalledStore(work)
        for number in range(KNOWN_OF_TENANT + 2):
            text = KnownCertificate(
                f"{number:064}",
                "",
                "",
                "",
                known.serial,
                known.not_before,
                known.not_after,
                known.hashes,
            )
            await store.put_known(text, NOW + timedelta(seconds=number))
        kept = await store.known()
    assert len(kept) == KNOWN_OF_TENANT
    assert f"{0:064}" not in {one.fingerprint for one in kept}


# The forecast


async def test_a_forecast_without_charge_points_and_chains(api: Api, token: str) -> None:
    answer = await api.call("GET", FORECAST, token)
    assert answer.status_code == 200, answer.text
    shown = answer.json()
    assert (shown["days"], shown["failing"], shown["unknown"], shown["server_chains"]) == ([], 0, 0, [])
    assert shown["until"] == "2026-08-02T08:15:30.000Z"


async def test_the_forecast_tells_days_cures_and_what_is_unknown(
    api: Api, token: str, operator: TenantRecord, charge_point: ChargePointId
) -> None:
    await put_installed(api, operator, charge_point, ROOT)
    await api.charge_point(operator, "RDAM-2")
    other = await api.charge_point(operator, "RDAM-3")
    await put_installed(api, operator, other, NEW_ROOT)
    body = {
        "server_chains": [chain_of(LEAF)],
        "planned_changes": [
            {
                "at": "2026-05-14T08:15:30Z",
                "server_chains": [chain_of(issue("b", NEW_ROOT, is_authority=False))],
            }
        ],
    }
    answer = await api.call("POST", FORECAST, token, json=body)
    assert answer.status_code == 200, answer.text
    shown = answer.json()
    assert (shown["unknown"], shown["unknown_charge_points"], shown["failing"]) == (1, ["RDAM-2"], 2)
    today, later = shown["days"]
    (first,) = today["failures"]
    assert (today["day"], first["charge_point"], first["reason"]) == (
        "2026-05-04",
        "RDAM-3",
        "root_not_installed",
    )
    assert first["until"] == "2026-05-14T08:15:30.000Z"
    assert [cure["kind"] for cure in first["cures"]] == ["install_root"]
    (second,) = later["failures"]
    assert (later["day"], second["charge_point"], second["chain"]) == ("2026-05-14", "RDAM-1", "chain 1")
    (cure,) = second["cures"]
    assert cure["subject"] == NEW_ROOT.certificate.subject.rfc4514_string()
    assert cure["before"] == "2026-05-14T08:15:30.000Z"


async def test_a_root_that_was_accepted_but_not_listed_counts_but_not_for_certain(
    api: Api, token: str, operator: TenantRecord, charge_point: ChargePointId
) -> None:
    known = known_certificate(NEW_ROOT.certificate)
    async with api.services.storage.database.tenant(operator.id) as work:
        store, data = InstalledStore(work), expected_hash_data(known)
        await store.put_known(known, NOW)
        await store.put(
            InstalledRecord(
                installed_id(CENTRAL, data),
                charge_point,
                "CentralSystemRootCertificate",
                data,
                "accepted",
                NOW,
                None,
                known.fingerprint,
            )
        )
    answer = await api.call("POST", FORECAST, token, json={"server_chains": [LEAF.pem]})
    failures = [failure for day in answer.json()["days"] for failure in day["failures"]]
    assert [(one["reason"], one["is_certain"]) for one in failures] == [
        ("root_not_installed", False),
        ("server_certificate_expired", True),
    ]


async def test_the_check_of_additional_roots_is_read_from_the_configuration(
    api: Api, token: str, operator: TenantRecord, charge_point: ChargePointId
) -> None:
    await put_installed(api, operator, charge_point, NEW_ROOT)
    async with api.services.storage.database.tenant(operator.id) as work:
        await InstalledStore(work).put_known(known_certificate(ROOT.certificate), NOW)
        await ConfigurationStore(work).put(charge_point, "AdditionalRootCertificateCheck", "true", True, NOW)
    body = {"server_chains": [LEAF.pem], "until": "2026-05-10T00:00:00Z"}
    (day,) = (await api.call("POST", FORECAST, token, json=body)).json()["days"]
    assert [cure["kind"] for cure in day["failures"][0]["cures"]] == ["serve_chain_of_installed_root"]


KEY_PEM = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"


async def test_the_chains_of_the_settings_are_read(
    api: Api, operator: TenantRecord, charge_point: ChargePointId, tmp_path: Path
) -> None:
    now, later = tmp_path / "now.pem", tmp_path / "later.pem"
    # The file of the server may hold its private key, which is left alone.
    now.write_text(f"About this file\n{KEY_PEM}{LEAF.pem}")
    later.write_text(issue("b", NEW_ROOT, is_authority=False).pem)
    await put_installed(api, operator, charge_point, ROOT)
    service = ForecastService(api.services.storage.database, api.clock, (now,), (later,))
    asked = ForecastInput(NOW + timedelta(days=19), planned_change=NOW + timedelta(days=5))
    found = await service.forecast(TenantId(operator.id), asked)
    assert [chain.name for chain in found.chains] == ["now.pem"]
    (day,) = found.forecast.days
    assert [failure.at for failure in day.failures] == [NOW + timedelta(days=5)]
    later.unlink()
    with pytest.raises(Unavailable) as failed:
        await service.forecast(TenantId(operator.id), asked)
    assert str(tmp_path) not in failed.value.detail


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"until": "2020-01-01T00:00:00Z"}, "/until"),
        ({"until": "2056-01-01T00:00:00Z"}, "/until"),
        ({"server_chains": ["garbage"]}, "/server_chains/0"),
        ({"server_chains": [ROOT.pem, ROOT.pem + "x"]}, "/server_chains/1"),
        (
            {"planned_changes": [{"at": "2026-06-01T00:00:00Z", "server_chains": ["garbage"]}]},
            "/planned_changes/0/server_chains/0",
        ),
        ({"planned_changes": [{"at": "soon", "server_chains": [ROOT.pem]}]}, "/planned_changes/0/at"),
        ({"server_chains": [ROOT.pem] * 5}, "/server_chains"),
    ],
)
async def test_a_wrong_question_is_refused(api: Api, token: str, body: dict[str, Any], pointer: str) -> None:
    answer = await api.call("POST", FORECAST, token, json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == pointer


async def test_a_time_of_the_past_is_refused_in_the_query(api: Api, token: str) -> None:
    answer = await api.call("GET", f"{FORECAST}?until=2020-01-01T00:00:00Z", token)
    assert (answer.status_code, answer.json()["field"]) == (422, "until")
    assert datetime(2020, 1, 1, tzinfo=UTC) < NOW
