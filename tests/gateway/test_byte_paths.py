"""The same frames over our own byte path and over plain ASGI: the same answers, byte for byte."""

import asyncio
import json
import re
from typing import Any, Final

import pytest
from fastapi import FastAPI

from app.database.database import Database
from app.id_tags.records import NewIdTag
from app.id_tags.store import IdTagStore
from app.settings import Settings
from app.tenants.records import TenantRecord
from tests.support.asgi_servers import NOT_UTF_8, SERVERS, client_context
from tests.support.gateway import GatewayServer
from tests.support.raw_client import BINARY, CLOSE, PING, TEXT, RawClient, close_all

AT: Final = "2026-01-01T10:00:00Z"
SAMPLES: Final = [{"timestamp": AT, "sampledValue": [{"value": "1", "unit": "Wh"}]}]
START: Final = {"connectorId": 1, "idTag": "TAG", "meterStart": 100, "timestamp": AT}
STOP: Final = {"transactionId": 4711, "meterStop": 900, "timestamp": AT, "transactionData": SAMPLES}

Frames = list[tuple[bytes | str, int, bool]]
"""Payload, opcode, whether it is the last one of its message."""


def texts(*payloads: bytes | str) -> Frames:
    return [(payload, TEXT, True) for payload in payloads]


def call(unique_id: str, action: str, payload: Any) -> str:
    return json.dumps([2, unique_id, action, payload])


BOOT: Final = call("boot", "BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"})
HEARTBEAT: Final = call("beat", "Heartbeat", {})

CONVERSATIONS: Final[dict[str, Frames]] = {
    "a session": texts(
        BOOT,
        HEARTBEAT,
        call("a", "Authorize", {"idTag": "TAG"}),
        call("s", "StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": "Charging"}),
        call("t", "StartTransaction", START),
        call("m", "MeterValues", {"connectorId": 1, "meterValue": SAMPLES}),
        call("p", "StopTransaction", STOP),
        call("d", "DataTransfer", {"vendorId": "V", "data": "\u00e4\U0001f50c"}),
    ),
    "heartbeats between others": texts(
        HEARTBEAT,
        # The same id is a new question, but only while no other CALL waits: so not behind the others.
        HEARTBEAT,
        call("a", "Authorize", {"idTag": "TAG"}),
        call("b", "Heartbeat", {}),
        call("c", "Heartbeat", {}),
        '[2,5,"Heartbeat",{}]',
        call("m", "MeterValues", {"connectorId": 1, "transactionId": 4711, "meterValue": SAMPLES}),
        call("d", "Heartbeat", {}),
    ),
    "repeated": texts(
        call("t", "StartTransaction", START),
        call("t", "StartTransaction", START),
        call("u", "StartTransaction", START),
        call("t", "Heartbeat", {}),
        call("p", "StopTransaction", STOP),
        call("p", "StopTransaction", STOP),
        call("q", "StopTransaction", STOP),
    ),
    "repaired": texts(
        '[2,"1","MeterValues",{"connectorId":1,"meterValue":{"timestamp":null,"sampledValue":[]}}]',
        '[2,"2","MeterValues",{"connectorId":1,,"meterValue":[{"timestamp":"then","sampledValue":[{"value":1}]}]}]',
        '[2,"3","Authorize",{"idTag":"\\ud800\\u0000"}]',
        '[2,"4","Authorize",{"idTag":"\x01","more":1}]',
        '[2,5,"heartbeat",[]]',
        '\ufeff [2,"6","DataTransfer",{"vendorId":"V"}] ',
    ),
    "refused": texts(
        call("1", "Explode", {}),
        call("2", "Reset", {"type": "Soft"}),
        call("3", "FirmwareStatusNotification", {"status": "Idle"}),
        call("4", "Authorize", {}),
        call("5", "StopTransaction", {"transactionId": "x"}),
        call("6", "MeterValues", {"connectorId": "one", "meterValue": []}),
        '[2,"7","Authorize",{"idTag":"A","idTag":"B"}]',
        '[2,"8","Authorize",' + '{"a":' * 1000 + "1" + "}" * 1000 + "]",
    ),
    "unreadable": texts("", "[", "{}", "null", "[9]", '[3,"nobody",{}]', '[4,"nobody","X","",{}]', '[2,"x"'),
    "in fragments": [
        ('[2,"1","Heart', TEXT, False),
        (b"between", PING, True),
        ("beat", 0, False),
        ("", 0, False),
        ('",{}]', 0, True),
        (b"[2,", BINARY, False),
        ('"2","Heartbeat",{}]', 0, True),
    ],
    "many at once": texts(*(call(str(n), "StartTransaction", {**START, "meterStart": n}) for n in range(80))),
    "text in a binary message": [(HEARTBEAT, BINARY, True)],
    "binary": [(b"\x00\xff", BINARY, True)],
    "not UTF-8": [(b"[2,\xff", TEXT, True)],
    "too big": texts("x" * 8_388_609),
    "unreadable without end": texts(*["?"] * 25),
    "closed": [(b"\x03\xe8bye", CLOSE, True), *texts(HEARTBEAT)],
}
ENDS: Final = {
    "binary": 1003,
    "too big": 1009,
    "unreadable without end": 1008,
    "closed": 1000,
}
"""Close codes of those conversations that end so; the others end with an answer."""
IN_NO_ORDER: Final = "refused"
"""A refused billing message is kept before it is answered, other refusals are not: which of them goes out
first depends on how many frames come in one read."""
ONE_BY_ONE: Final = "repeated"
"""A repetition of a CALL in flight is not answered, so here each one waits for the answer before it."""
LAST: Final = call("the last one", "DataTransfer", {"vendorId": "V"})


async def converse(client: RawClient, frames: Frames, *, one_by_one: bool = False) -> list[str]:
    """Send all, and return every text and the close code that came back, times and numbers aside."""
    found: list[str] = []
    for payload, opcode, is_final in [*frames, (LAST, TEXT, True)]:
        client.send(payload, opcode, fin=is_final)
        if one_by_one:
            found.append(await answer(client))
    while not found or not is_end(found[-1]):
        found.append(await answer(client))
    return found


def is_end(text: str) -> bool:
    """Tell whether this is the last answer of a conversation."""
    return text == "the end" or text.startswith("close ") or "the last one" in text


async def answer(client: RawClient) -> str:
    """Return the next text or close code."""
    while True:
        try:
            opcode, payload = await client.frame()
        except (asyncio.IncompleteReadError, ConnectionError):
            return "the end"
        if opcode == CLOSE:
            return f"close {int.from_bytes(payload[:2], 'big') if payload else 'without a code'}"
        if opcode == TEXT:
            text = re.sub(r'("transactionId":)\d+', r"\1N", payload.decode())
            return re.sub(r'("currentTime":)"[^"]+"', r"\1T", text)


async def transcripts(
    app: FastAPI, settings: Settings, server: GatewayServer, implementation: str
) -> dict[str, list[str]]:
    async with SERVERS[implementation](app, settings) as port:
        server.port = port
        found = {}
        for number, (name, frames) in enumerate(CONVERSATIONS.items()):
            identity = f"{implementation.replace(' ', '-')}-{number}"
            await server.register(identity)
            client = await server.connect(identity, tls=client_context() if "TLS" in implementation else None)
            # Answered first: a refusal that needs no database may overtake it.
            assert (await client.ask(BOOT))[:2] == [3, "boot"]
            found[name] = await converse(client, frames, one_by_one=name == ONE_BY_ONE)
            if name == IN_NO_ORDER:
                found[name][:-1] = sorted(found[name][:-1])
            await client.close()
        await close_all()
    return found


@pytest.mark.parametrize("implementation", [name for name in SERVERS if name != "ours"])
async def test_every_server_gives_the_answers_of_the_wire(
    database: Database,
    tenant: TenantRecord,
    settings: Settings,
    gateway_app: FastAPI,
    implementation: str,
) -> None:
    server = GatewayServer(0, gateway_app, database, tenant, settings)
    async with database.tenant(tenant.id) as work:
        await IdTagStore(work).create(NewIdTag("TAG"))
    ours = await transcripts(gateway_app, settings, server, "ours")
    theirs = await transcripts(gateway_app, settings, server, implementation)
    for name in CONVERSATIONS:
        end = f"close {ENDS[name]}" if name in ENDS else None
        assert (ours[name][-1] == end) if end else ("the last one" in ours[name][-1]), (name, ours[name])
    if implementation in NOT_UTF_8:
        ours["not UTF-8"] = [NOT_UTF_8[implementation]]
    assert theirs == ours


@pytest.mark.parametrize(("implementation", "taken_over"), [("ours", 1), ("ours under TLS", 0)])
async def test_the_core_has_the_sockets_that_are_plain(
    database: Database,
    tenant: TenantRecord,
    settings: Settings,
    gateway_app: FastAPI,
    implementation: str,
    taken_over: int,
) -> None:
    async with SERVERS[implementation](gateway_app, settings) as port:
        server = GatewayServer(port, gateway_app, database, tenant, settings)
        await server.register("PLAIN" if taken_over else "COVERED")
        tls = None if taken_over else client_context()
        client = await server.connect("PLAIN" if taken_over else "COVERED", tls=tls)
        assert (await client.ask(BOOT))[:2] == [3, "boot"]
        sockets = server.endpoint._sockets._sockets
        assert sockets is not None
        assert len(sockets) == taken_over
        await close_all()
