"""Rows are written as their models would be, and as the OpenAPI document promises."""

from dataclasses import asdict
from datetime import UTC, timedelta
from functools import cache
from typing import Any, cast, get_args
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from app.authorization_webhooks.records import AnswerFault, AskingAction, AttemptRecord, DecidedBy
from app.authorization_webhooks.schemas import AuthorizationAttempt, attempt_fields
from app.charge_points import tables as charge_point_tables
from app.charge_points.records import (
    NOT_CONNECTED,
    ChargePointRecord,
    ConnectorRecord,
    LiveState,
    StatusReport,
)
from app.charge_points.schemas import (
    ChargePoint,
    Connector,
    Connectors,
    charge_point_fields,
    connector_fields,
)
from app.charge_points.store import ChargePointStore, ConnectorStore
from app.clock import microseconds_of
from app.ocpp.v16 import RegistrationStatus
from app.outgoing.records import OutgoingFailure
from app.tenants.records import TenantRecord
from app.transactions.records import PresumedReason
from app.transactions.rules.registers import energy_of
from app.transactions.schemas import MeterValue, Transaction, meter_value_fields, transaction_fields
from app.transactions.store.reading import TransactionStore
from app.transactions.stored_records import MeterValueRecord, TransactionRecord
from app.web.pagination import Page
from app.web.resources import Resource
from app.web.rows import encoded, encoded_page
from tests.support.api import NOW, Api, build_app
from tests.support.statuses import record_status


@cache
def document() -> dict[str, Any]:
    """The OpenAPI document: made when a test needs it, because each process collects this file."""
    return build_app().openapi()


@pytest.fixture(scope="module", autouse=True)
def made_document() -> None:
    """Make it before a test whose examples have a deadline."""
    document()


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
integers = st.integers(-(2**63), 2**63 - 1)
# Two of them are subtracted.
registers = st.integers(-(2**63), 2**63 - 1)
times = st.datetimes(timezones=st.just(UTC))
json_values = st.recursive(
    st.none() | st.booleans() | integers | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
json_objects = st.dictionaries(texts, json_values, max_size=4)


def as_text(values: st.SearchStrategy[Any]) -> st.SearchStrategy[str]:
    """The values as PostgreSQL gives them: JSON text, here in the form in which the model writes it."""
    return values.map(lambda value: orjson.dumps(value).decode())


def record_of(kind: type, **fields: Any) -> Any:
    return st.builds(kind, **fields)


connector_records = record_of(
    ConnectorRecord,
    connector_id=integers,
    status=texts,
    error_code=texts,
    info=st.none() | texts,
    vendor_id=st.none() | texts,
    vendor_error_code=st.none() | texts,
    reported_at=times,
    received_at=times,
)
charge_point_records = record_of(
    ChargePointRecord,
    identity=texts,
    **dict.fromkeys(
        ("name", "vendor", "model", "serial_number", "box_serial_number", "firmware_version"),
        st.none() | texts,
    ),
    **dict.fromkeys(("iccid", "imsi", "meter_type", "meter_serial_number"), st.none() | texts),
    registration_status=st.sampled_from(get_args(RegistrationStatus)),
    credential_hash=st.none() | st.binary(max_size=4),
    heartbeat_interval_s=st.none() | integers,
    labels=st.dictionaries(texts, texts, max_size=3),
    clock_skew_s=st.none() | st.floats(),
    **dict.fromkeys(("booted_at", "last_seen_at", "connected_at", "pending_until"), st.none() | times),
    security_profile=st.none() | st.integers(0, 3),
    minimum_security_profile=st.integers(0, 3),
    created_at=times,
    updated_at=times,
)
transaction_records = record_of(
    TransactionRecord,
    id=integers,
    identity=texts,
    connector_id=integers,
    id_tag=texts,
    started_at=times,
    started_received_at=times,
    meter_start_wh=st.none() | registers,
    reservation_id=st.none() | integers,
    id_tag_info_json=as_text(json_objects),
    stopped_at=st.none() | times,
    stopped_received_at=st.none() | times,
    meter_stop_wh=st.none() | registers,
    stop_reason=st.none() | texts,
    stop_id_tag=st.none() | texts,
    stop_id_tag_info_json=st.none() | as_text(json_objects),
    stop_raw_json=st.none(),
    presumed_ended_at=st.none() | times,
    presumed_ended_reason=st.none() | st.sampled_from(get_args(PresumedReason)),
    last_meter_wh=st.none() | integers,
    flags=st.lists(texts, max_size=3).map(tuple),
    remote_start_command_id=st.none() | st.uuids(),
)
meter_value_records = record_of(
    MeterValueRecord,
    connector_id=integers,
    transaction_id=st.none() | integers,
    sampled_at=times,
    received_at=times,
    sampled_values_json=as_text(st.lists(json_objects, max_size=4)),
)


def transaction_of(record: TransactionRecord) -> Transaction:
    energy_wh = energy_of(record.meter_start_wh, record.meter_stop_wh)
    state = "running" if record.presumed_ended_at is None else "presumed_ended"
    if record.stopped_received_at is not None:
        state = "stopped"
    info, stop_info = record.id_tag_info, record.stop_id_tag_info
    fields = {**record._asdict(), "id_tag_info": info, "stop_id_tag_info": stop_info}
    return Transaction.model_validate({**fields, "energy_wh": energy_wh, "state": state})


def written(model: Resource | Page[Any]) -> bytes:
    return model.model_dump_json().encode()


def row_of(record: Any) -> dict[str, Any]:
    """The record as asyncpg gives it."""
    return asdict(record)


def assert_promised(schema: dict[str, Any], body: bytes) -> None:
    """A response body is as the OpenAPI document says."""
    Draft202012Validator({**schema, "components": document()["components"]}).validate(orjson.loads(body))


def schema_of(path: str) -> dict[str, Any]:
    answer = document()["paths"][path]["get"]["responses"]["200"]
    schema: dict[str, Any] = answer["content"]["application/json"]["schema"]
    return schema


@given(st.lists(connector_records, max_size=3))
def test_connectors_are_written_as_the_model_writes_them(records: list[ConnectorRecord]) -> None:
    body = encoded({"items": [connector_fields(row_of(record)) for record in records]})
    assert body == written(Connectors(items=[Connector.model_validate(record) for record in records]))
    assert_promised(schema_of("/v1/charge-points/{identity}/connectors"), body)
    for record in records:
        one = encoded(connector_fields(row_of(record)))
        assert_promised(schema_of("/v1/charge-points/{identity}/connectors/{connector_id}"), one)


def charge_point_row(record: ChargePointRecord) -> Any:
    row = row_of(record)
    times = {name: row.pop(name) for name in list(row) if name.endswith("_at") or name == "pending_until"}
    in_us = {
        f"{name}_us": None if at is None else microseconds_of(at if at.tzinfo else at.replace(tzinfo=UTC))
        for name, at in times.items()
    }
    return {**row, **in_us, "labels": orjson.dumps(record.labels).decode()}


live_states = st.builds(LiveState, st.none() | times, st.booleans())


@given(st.lists(st.tuples(charge_point_records, live_states), max_size=3), st.none() | texts)
def test_charge_points_are_written_as_the_model_writes_them(
    found: list[tuple[ChargePointRecord, LiveState]], cursor: str | None
) -> None:
    fields = [charge_point_fields(charge_point_row(record), live) for record, live in found]
    models = [ChargePoint.of(record, live) for record, live in found]
    body = encoded_page(fields, cursor)
    assert body == written(Page[ChargePoint](items=models, next_cursor=cursor))
    assert_promised(schema_of("/v1/charge-points"), body)
    for one, model in zip(fields, models, strict=True):
        assert encoded(one) == written(model)
        assert_promised(schema_of("/v1/charge-points/{identity}"), encoded(one))


@given(st.lists(transaction_records, max_size=3), st.none() | texts)
def test_transactions_are_written_as_the_model_writes_them(
    records: list[TransactionRecord], cursor: str | None
) -> None:
    fields = [transaction_fields(record) for record in records]
    models = [transaction_of(record) for record in records]
    body = encoded_page(fields, cursor)
    assert body == written(Page[Transaction](items=models, next_cursor=cursor))
    assert_promised(schema_of("/v1/transactions"), body)
    for one, model in zip(fields, models, strict=True):
        assert encoded(one) == written(model)
        assert_promised(schema_of("/v1/transactions/{transaction_id}"), encoded(one))


@given(st.lists(meter_value_records, max_size=3), st.none() | texts)
def test_meter_values_are_written_as_the_model_writes_them(
    records: list[MeterValueRecord], cursor: str | None
) -> None:
    body = encoded_page([meter_value_fields(record) for record in records], cursor)
    models = [MeterValue.model_validate(record) for record in records]
    assert body == written(Page[MeterValue](items=models, next_cursor=cursor))
    assert_promised(schema_of("/v1/transactions/{transaction_id}/meter-values"), body)


attempt_records = st.builds(
    AttemptRecord,
    id=integers,
    at=times,
    action=st.sampled_from(get_args(AskingAction)),
    charge_point=texts,
    connector_id=st.none() | integers,
    id_tag=texts,
    reason=st.none() | st.sampled_from([str(one.value) for one in (*OutgoingFailure, *AnswerFault)]),
    detail=st.none() | texts,
    decided_by=st.sampled_from(get_args(DecidedBy)),
    status=st.none() | texts,
    duration_ms=st.integers(0, 2**31 - 1),
    is_test=st.booleans(),
)


@given(st.lists(attempt_records, max_size=3), st.none() | texts)
def test_attempts_are_written_as_the_model_writes_them(
    records: list[AttemptRecord], cursor: str | None
) -> None:
    body = encoded_page([attempt_fields(cast(Any, asdict(record))) for record in records], cursor)
    models = [AuthorizationAttempt.model_validate(record) for record in records]
    assert body == written(Page[AuthorizationAttempt](items=models, next_cursor=cursor))
    assert_promised(schema_of("/v1/authorization-webhook/attempts"), body)


ODD = 'Zürich "7\\8" \u2028\U0001f50c\x7f\x1f</a>'
SAMPLES = [{"value": "1.10", "unit": "Wh"}, {"value": ODD, "more": [1, 2.5, None, True, {"": -1}]}]
STOP = {
    "stopped_at": NOW + timedelta(days=1),
    "stopped_received_at": NOW,
    "meter_stop_wh": -(2**31),
    "stop_reason": ODD,
    "stop_id_tag": ODD,
    "stop_id_tag_info": {"status": "Accepted", "parentIdTag": ODD},
    "flags": ["meter_decreased", ODD],
    "remote_start_command_id": UUID(int=2**127),
    "reservation_id": 2**31 - 1,
}


async def test_what_is_stored_is_shown_as_the_models_show_it(
    api: Api, operator: TenantRecord, token: str
) -> None:
    """From the real tables: nothing that PostgreSQL gives is written otherwise than the models would."""
    database = api.services.storage.database
    key = await api.charge_point(operator)
    await api.charge_point(operator, "UTR-1")
    owner = await api.connect(operator, key, "RDAM-1")
    ids = [await api.transaction(operator, key), await api.transaction(operator, key, id_tag=ODD, **STOP)]
    for transaction_id in (None, *ids):
        await api.meter_value(operator, key, transaction_id=transaction_id, sampled_values=SAMPLES)
    async with database.tenant(operator.id) as work:
        for status in (
            StatusReport(0, "Available", "NoError", NOW, NOW, 1),
            StatusReport(1, ODD, ODD, NOW, NOW, 1, ODD, ODD, ODD),
        ):
            await record_status(work.rows, work.tenant_id, key, status, 64)
        await work.connection.execute(
            charge_point_tables.charge_points.update()
            .where(charge_point_tables.charge_points.c.id == key)
            .values(name=ODD, vendor=ODD, clock_skew_s=-1e-7, booted_at=NOW, credential_hash=b"\xff")
        )
        points = [await ChargePointStore(work).get(identity) for identity in ("RDAM-1", "UTR-1")]
        records = [await TransactionStore(work).get(number) for number in reversed(ids)]
        connectors = await ConnectorStore(work).for_charge_point(key)
        values = await TransactionStore(work).meter_values_of_charge_point(key, 10)

    charge_points = [
        ChargePoint.of(point, LiveState(owner.connected_at) if point.id == key else NOT_CONNECTED)
        for point in points
        if point
    ]
    transactions = [transaction_of(record) for record in records if record]
    for path, template, model in (
        ("/v1/charge-points", "", Page(items=charge_points, next_cursor=None)),
        ("/v1/charge-points/RDAM-1", "/v1/charge-points/{identity}", charge_points[0]),
        ("/v1/charge-points/UTR-1", "/v1/charge-points/{identity}", charge_points[1]),
        (
            "/v1/charge-points/RDAM-1/connectors",
            "/v1/charge-points/{identity}/connectors",
            Connectors(items=[Connector.model_validate(record) for record in connectors]),
        ),
        ("/v1/charge-points/UTR-1/connectors", "", Connectors(items=[])),
        ("/v1/transactions", "", Page(items=transactions, next_cursor=None)),
        (f"/v1/transactions/{ids[1]}", "/v1/transactions/{transaction_id}", transactions[0]),
        (
            "/v1/charge-points/RDAM-1/meter-values",
            "/v1/charge-points/{identity}/meter-values",
            Page(items=[MeterValue.model_validate(value) for value in values], next_cursor=None),
        ),
    ):
        shown = await api.call("GET", path, token)
        assert shown.status_code == 200, (path, shown.text)
        assert shown.json() == orjson.loads(written(cast(Any, model))), path
        if template:
            assert_promised(schema_of(template), shown.content)


@pytest.mark.parametrize("name", ["a name", ODD, None])
async def test_a_tag_of_a_read_is_good_for_a_change(
    api: Api, operator: TenantRecord, token: str, name: str | None
) -> None:
    key = await api.charge_point(operator)
    async with api.services.storage.database.tenant(operator.id) as work:
        await ChargePointStore(work).update("RDAM-1", name=name, heartbeat_interval_s=7)
    read = await api.call("GET", "/v1/charge-points/RDAM-1", token)
    await api.connect(operator, key, "RDAM-1")
    headers = {"If-Match": read.headers["etag"]}
    path = "/v1/charge-points/RDAM-1"
    changed = await api.call("PATCH", path, token, json={"heartbeat_interval_s": 8}, headers=headers)
    assert changed.status_code == 200, changed.text
    again = await api.call("GET", path, token, headers={"If-None-Match": changed.headers["etag"]})
    assert again.status_code == 304
    late = await api.call("PATCH", path, token, json={"heartbeat_interval_s": 9}, headers=headers)
    assert late.status_code == 412
