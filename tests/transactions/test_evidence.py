"""The frames behind a transaction, as they were received."""

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.deviations.dictionary import entries_of
from app.deviations.records import Family
from app.tenants.records import TenantRecord
from app.transactions import evidence, records, rules
from app.transactions.evidence import ReceivedFrame
from app.transactions.records import DamagedRecord, TransactionStart, TransactionStop
from app.types import ChargePointId
from tests.support.api import NOW, Api

STOP = (
    '[2,"1a2b3c4d-0000-4000-8000-000000000000","StopTransaction",{"transactionId":1042,"idTag":"B4A63CDF",'
    '"meterStop":18250,"timestamp":"2026-05-04T08:15:30.000Z","reason":"EVDisconnected"}]'
)
DEVIATIONS: list[dict[str, Any]] = [{"kind": "missing_field", "pointer": "/timestamp", "raw": ""}]


@given(st.text(st.characters(exclude_categories=["Cs"])), st.booleans())
def test_what_is_packed_is_unpacked(frame: str, odd: bool) -> None:
    given_evidence = ReceivedFrame(frame, DEVIATIONS if odd else [])
    assert evidence.unpack(evidence.pack(given_evidence)) == given_evidence


def test_the_format_never_changes() -> None:
    packed = bytes.fromhex("01ab464d4be869c21091280eaf8c51026a0000")
    assert evidence.unpack(packed) == ReceivedFrame('[2,"1","Start\u00e9"]', [])


def test_a_frame_takes_less_than_its_text() -> None:
    assert len(evidence.pack(ReceivedFrame(STOP, []))) < 0.7 * len(STOP)


def test_each_flag_has_a_meaning() -> None:
    modules = [Path(records.__file__), *Path(str(rules.__file__)).parent.glob("*.py")]
    flag = re.compile(r'^([A-Z_]+)(?:: Final)? = "([a-z_]+)"\n"""Flag: ', re.MULTILINE)
    found = {name for path in modules for _, name in flag.findall(path.read_text())}
    assert found == {entry.code for entry in entries_of(Family.TRANSACTIONS)}
    assert len(found) > 8


async def test_a_disputed_transaction_shows_what_it_rests_on(
    api: Api, operator: TenantRecord, token: str, charge_point: ChargePointId
) -> None:
    place = (operator.id, charge_point)
    ledger = api.services.storage.ledger
    begun = evidence.pack(ReceivedFrame('[2,"1","StartTransaction",{}]', DEVIATIONS))
    start = TransactionStart(*place, 1, "TAG", NOW, NOW, 0, flags=("time_missing",), evidence=begun)
    number = (await ledger.start_transaction(start)).transaction_id
    at = NOW + timedelta(hours=1)
    for meter_wh in (18250, 99):
        ended = evidence.pack(ReceivedFrame(STOP, []))
        raw = {"transactionId": number, "meterStop": meter_wh}
        await ledger.stop_transaction(
            TransactionStop(*place, number, at, at, meter_wh, raw=raw, evidence=ended)
        )
    await ledger.keep_damaged(DamagedRecord(*place, "MeterValues", "[2", DEVIATIONS, at, number))
    shown = await api.call("GET", f"/v1/transactions/{number}/evidence", token)
    assert shown.status_code == 200, shown.text
    body = shown.json()
    assert body["start"] == {"frame": '[2,"1","StartTransaction",{}]', "deviations": DEVIATIONS}
    assert body["stop"] == {"frame": STOP, "deviations": []}
    assert [record["kind"] for record in body["orphan_records"]] == ["stop_conflict", "damaged"]
    assert [flag["flag"] for flag in body["flags"]] == ["time_missing"]
    assert all(flag["meaning"] for flag in body["flags"])
    stranger = await api.key(await api.tenant())
    path = f"/v1/transactions/{number}/evidence"
    assert (await api.call("GET", path, stranger)).status_code == 404


async def test_secrets_in_the_frames_are_kept_and_not_shown(
    api: Api, operator: TenantRecord, token: str, charge_point: ChargePointId
) -> None:
    place = (operator.id, charge_point)
    ledger = api.services.storage.ledger
    told = r'{"connectorId":1,"log":"ftp:\/\/u:hunter2@h"}'
    begun = evidence.pack(ReceivedFrame(f'[2,"1","StartTransaction",{told}]', []))
    assert "hunter2" in evidence.unpack(begun).frame
    start = TransactionStart(*place, 1, "TAG", NOW, NOW, 0, evidence=begun)
    number = (await ledger.start_transaction(start)).transaction_id
    deviations = [{"kind": "unknown_field", "pointer": "/log", "raw": "ftp://u:hunter2@h"}]
    await ledger.keep_damaged(DamagedRecord(*place, "MeterValues", told, deviations, NOW, number))
    shown = await api.call("GET", f"/v1/transactions/{number}/evidence", token)
    assert "hunter2" not in shown.text
    body = shown.json()
    assert json.loads(body["start"]["frame"])[3] == {"connectorId": 1, "log": "ftp://u:***@h"}
    assert json.loads(body["orphan_records"][0]["raw"]) == {"connectorId": 1, "log": "ftp://u:***@h"}
    assert body["orphan_records"][0]["payload"] == [{**deviations[0], "raw": "ftp://u:***@h"}]


async def test_a_transaction_from_before_shows_that_it_has_no_frames(
    api: Api, operator: TenantRecord, token: str, charge_point: ChargePointId
) -> None:
    number = await api.transaction(operator, charge_point)
    body = (await api.call("GET", f"/v1/transactions/{number}/evidence", token)).json()
    assert body == {"start": None, "stop": None, "orphan_records": [], "flags": []}
