"""Every field of every message of a charge point, damaged in every way: all answered, no record lost."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select

from app.ocpp import unpack_samples
from app.transactions import tables
from tests.support.gateway import GatewayServer
from tests.support.mutations import Mutation, Steps, changed, full_payload, mutations
from tests.support.protocol import MESSAGES, OCPP16, Field, fields_of
from tests.support.raw_client import RawClient

HANDLED = [
    action
    for action, message in MESSAGES.items()
    if message["sender"] in ("charge_point", "both") and not message["billing"]
]
VIOLATIONS = {
    "FormationViolation",
    "OccurenceConstraintViolation",
    "PropertyConstraintViolation",
    "ProtocolError",
    "TypeConstraintViolation",
}
TWICE = "twice"


def cases(action: str, payload: dict[str, Any] | None = None) -> Iterator[tuple[Mutation, str]]:
    """Yield each damaged payload with its JSON text."""
    fields = fields_of(action, "request")
    whole = full_payload(fields) | (payload or {})
    for mutation in mutations(whole, fields):
        yield mutation, json.dumps(mutation.payload)
    for steps, value in _members(whole, fields, ()):
        text = json.dumps(changed(whole, (*steps[:-1], TWICE), value))
        yield Mutation(steps, "is there twice", whole), text.replace(f'"{TWICE}"', f'"{steps[-1]}"')


def _members(value: dict[str, Any], fields: tuple[Field, ...], at: Steps) -> Iterator[tuple[Steps, Any]]:
    for field in fields:
        found = value[field.name]
        yield (*at, field.name), found
        if field.kind == "object":
            steps: Steps = (*at, field.name, 0) if field.many else (*at, field.name)
            yield from _members(found[0] if field.many else found, field.fields, steps)


@pytest.fixture
async def charger(server: GatewayServer) -> RawClient:
    await server.register("CP1")
    return await server.connect("CP1")


async def answer_of(charger: RawClient, action: str, number: int, text: str) -> list[Any]:
    frame = await charger.ask(f'[2,"{number}","{action}",{text}]')
    assert frame[1] == str(number), (text, frame)
    if frame[0] == 3:
        verdict = OCPP16.check_payload(action, "response", json.dumps(frame[2]))
        assert not verdict.violations, (text, frame)
    return frame


@pytest.mark.parametrize("action", HANDLED)
async def test_a_handled_message_is_answered_or_refused_by_name(charger: RawClient, action: str) -> None:
    for number, (mutation, text) in enumerate(cases(action)):
        kind, _, code, *_ = await answer_of(charger, action, number, text)
        assert kind == 3 or code in VIOLATIONS, (mutation, code)


async def test_no_start_is_lost(server: GatewayServer, charger: RawClient) -> None:
    sent: dict[int, tuple[Mutation, int]] = {}
    for number, (mutation, text) in enumerate(cases("StartTransaction", {"meterStart": 77_777}), 100_000):
        frame = await answer_of(charger, "StartTransaction", number, text.replace("77777", str(number)))
        assert frame[0] == 3, (mutation, frame)
        sent.setdefault(frame[2]["transactionId"], (mutation, number))
    async with server.database.tenant(server.tenant.id) as work:
        table = tables.transactions
        found = select(table.c.id, table.c.meter_start_wh).where(table.c.tenant_id == server.tenant.id)
        rows = (await work.connection.execute(found)).all()
    registers: dict[int, int | None] = {row.id: row.meter_start_wh for row in rows}
    assert set(sent) <= set(registers)
    for transaction_id, (mutation, number) in sent.items():
        if mutation.steps and mutation.steps[0] != "meterStart":
            assert registers[transaction_id] == number, mutation
    unharmed = [
        mutation
        for mutation, _ in cases("StartTransaction")
        if mutation.steps and mutation.steps[0] != "meterStart"
    ]
    assert len([m for m, _ in sent.values() if m.steps and m.steps[0] != "meterStart"]) == len(unharmed)


async def test_no_stop_is_lost(server: GatewayServer, charger: RawClient) -> None:
    start = {"connectorId": 1, "idTag": "A", "timestamp": "2026-01-01T00:00:00Z"}
    sent: list[tuple[Mutation, int]] = []
    for number, (mutation, text) in enumerate(
        cases("StopTransaction", {"meterStop": 77_777, "transactionId": 88_888}), 100_000
    ):
        begun = await charger.call("StartTransaction", {**start, "meterStart": number})
        text = text.replace("77777", str(number)).replace("88888", str(begun[2]["transactionId"]))
        frame = await answer_of(charger, "StopTransaction", number, text)
        assert frame[0] == 3, (mutation, frame)
        sent.append((mutation, number))
    async with server.database.tenant(server.tenant.id) as work:
        stopped: set[int | None] = set()
        for table in (tables.transactions, tables.orphan_records):
            mine = select(table.c.meter_stop_wh).where(table.c.tenant_id == server.tenant.id)
            stopped |= set(await work.connection.scalars(mine))
    for mutation, number in sent:
        if mutation.steps and mutation.steps[0] != "meterStop":
            assert number in stopped, mutation


async def test_no_meter_value_is_lost(server: GatewayServer, charger: RawClient) -> None:
    sent: list[tuple[Mutation, int]] = []
    whole = full_payload(fields_of("MeterValues", "request"))
    whole["meterValue"][0]["sampledValue"][0]["value"] = "77777"
    for number, (mutation, text) in enumerate(cases("MeterValues", whole), 100_000):
        text = text.replace("77777", str(number))
        frame = await answer_of(charger, "MeterValues", number, text)
        assert frame[0] == 3, (mutation, frame)
        if str(number) in text:
            sent.append((mutation, number))
    async with server.database.tenant(server.tenant.id) as work:
        meters, orphans, mine = tables.meter_values, tables.orphan_records, server.tenant.id
        values = await work.connection.scalars(
            select(meters.c.packed_values).where(meters.c.tenant_id == mine)
        )
        found = select(orphans.c.payload, orphans.c.raw).where(orphans.c.tenant_id == mine)
        kept = (await work.connection.execute(found)).all()
    stored = json.dumps([*map(unpack_samples, values), *[list(row) for row in kept]])
    for mutation, number in sent:
        assert str(number) in stored, mutation


HEADS = ["2,null", "2,{}", "2,true", f"2,{2**70}", "2,1.5", f'2,"{"x" * 256}"', '7,"1"']


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("action", ["StartTransaction", "StopTransaction", "MeterValues"])
async def test_a_record_whose_id_cannot_be_echoed_is_kept_once(
    server: GatewayServer, charger: RawClient, head: str, action: str
) -> None:
    frame = f'[{head},"{action}",{json.dumps(full_payload(fields_of(action, "request")))}]'
    other = f'[{head},"{action}",{{}}]'
    for text in (frame, frame, other):
        charger.send(text)
    assert (await charger.call("Heartbeat", {}))[0] == 3
    await charger.close()
    table = tables.orphan_records
    kept: list[tuple[str, str, str]] = []
    # They are kept in the order of their arrival.
    while len(kept) < 2:
        await asyncio.sleep(0.02)
        async with server.database.tenant(server.tenant.id) as work:
            rows = await work.connection.execute(
                select(table.c.kind, table.c.action, table.c.raw)
                .where(table.c.tenant_id == server.tenant.id)
                .order_by(table.c.id)
            )
            kept = [(row.kind, row.action, row.raw) for row in rows]
    assert kept == [("damaged", action, frame), ("damaged", action, other)]
