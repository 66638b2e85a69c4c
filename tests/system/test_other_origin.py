"""A developer's page of another origin, in a real browser: the catalog, the validator, the events."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from app.cli.administration import create_key, create_tenant
from app.database.database import Database
from app.settings import Settings
from app.types import Scope
from tests.support.chromium import Chromium, Tab
from tests.support.operator_page import DOCS
from tests.support.server import Operator, Served, connecting

pytestmark = pytest.mark.asyncio(loop_scope="module")

_FILES = {f"/{name}": (DOCS / name).read_bytes() for name in ("follow.html", "follow.js")}
_PAGE = b"<!doctype html><title>A developer's page</title><h1>Hello</h1>"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def developers_page() -> AsyncIterator[str]:
    """Serve pages on a port of its own, which makes another origin, and return the URL of a bare one."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readuntil(b"\r\n\r\n")).decode().split(" ")[1]
        body, kind = _FILES.get(path, _PAGE), "javascript" if path.endswith(".js") else "html"
        head = f"HTTP/1.1 200 OK\r\nContent-Type: text/{kind}\r\nContent-Length: {len(body)}\r\n"
        writer.write(f"{head}Connection: close\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


async def fetched(tab: Tab, url: str, **options: Any) -> dict[str, Any]:
    """Fetch in the page; the headers are those that it may read."""
    script = f"""fetch({json.dumps(url)}, {json.dumps(options)}).then(async answer => ({{
      status: answer.status, headers: Object.fromEntries(answer.headers), body: await answer.text()
    }}), error => ({{error: String(error)}}))"""
    answer = await tab.command("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
    value: dict[str, Any] = answer["result"]["value"]
    return value


async def test_a_page_of_another_origin_reads_the_catalog_and_validates(
    browser: Chromium, address: str, developers_page: str
) -> None:
    async with browser.tab() as tab:
        await tab.open(developers_page)
        listed = await fetched(tab, f"{address}/v1/protocols")
        assert (listed["status"], json.loads(listed["body"])["protocols"][0]["slug"]) == (200, "ocpp-16j")
        assert {"etag", "request-id"} <= listed["headers"].keys()
        text = await fetched(tab, f"{address}/protocols/ocpp-16j.md")
        assert text["body"].startswith(("#", "CP2CSMS"))
        for media_type in ("application/json", "text/plain"):
            # The first one needs a preflight, the second one does not.
            judged = await fetched(
                tab,
                f"{address}/v1/protocols/ocpp-16j/validate",
                method="POST",
                headers={"Content-Type": media_type, "Request-Id": "from-the-page"},
                body='[2,"1","BootNotification",{}]',
            )
            assert (judged["status"], json.loads(judged["body"])["verdict"]) == (200, "invalid")
            assert judged["headers"]["request-id"] == "from-the-page"
            assert judged["headers"]["ratelimit-policy"].startswith('"validations";q=')
        refused = await fetched(tab, f"{address}/v1/protocols/ocpp-16")
        assert json.loads(refused["body"])["code"] == "not_found"
        assert [entry for entry in tab.complaints() if "CORS" in entry] == []


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_a_page_of_another_origin_follows_the_events_of_a_tenant(
    browser: Chromium, served: Served, settings: Settings, developers_page: str
) -> None:
    database = await Database.open(settings.database_url or "")
    await create_tenant(database, "watched", "Watched")
    keys: list[tuple[Scope, ...]] = [("read", "write", "admin"), ("read",)]
    administrator, reader = [
        await create_key(
            database, settings.credential_pepper, tenant="watched", name=scopes[-1], scopes=scopes
        )
        for scopes in keys
    ]
    await database.close()
    script = (DOCS / "follow.js").read_text("utf-8")
    async with Operator(served.url, administrator) as operator, browser.tab() as tab:
        key = await operator.register("CP-1")
        await tab.open(developers_page)
        assert (await fetched(tab, f"{served.url}/v1/events", headers=_bearer(reader))).keys() == {"error"}
        assert [entry for entry in tab.complaints() if "CORS" in entry]
        await operator.put("/allowed-origins", {"allowed_origins": [developers_page.rstrip("/")]})
        told = "window.told = []; follow(server, key, (type, event) => told.push([type, event]))"
        start = f"const server = {served.url!r}, key = {reader!r}; {told}; true"
        assert await tab.ask(f"{script}\n{start}") is True
        async with connecting(served, "watched", "CP-1", key) as socket:
            # The stream tells what happens from its begin on, so one of these is the first.
            number = 0
            while not (seen := json.loads(await tab.ask("JSON.stringify(told)"))):
                number += 1
                state = ("Available", "Charging")[number % 2]
                payload = {"connectorId": 1, "status": state, "errorCode": "NoError"}
                await socket.send(json.dumps([2, str(number), "StatusNotification", payload]))
                await socket.recv()
        assert {kind for kind, _ in seen} <= {"connection.opened", "connector.status_changed"}
        assert {event["charge_point"] for _, event in seen} == {"CP-1"}
        while seen[-1][0] != "connection.closed":
            seen = json.loads(await tab.ask("JSON.stringify(told)"))
        positions = [event["id"] for _, event in seen]
        assert len(positions) == len(set(positions))


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_the_example_page_validates_and_follows(
    browser: Chromium, served: Served, settings: Settings, developers_page: str
) -> None:
    database = await Database.open(settings.database_url or "")
    await create_tenant(database, "example", "Example")
    scopes: tuple[Scope, ...] = ("read", "write", "admin")
    key = await create_key(database, settings.credential_pepper, tenant="example", name="all", scopes=scopes)
    await database.close()
    async with Operator(served.url, key) as operator, browser.tab() as tab:
        password = await operator.register("CP-1")
        await operator.put("/allowed-origins", {"allowed_origins": [developers_page.rstrip("/")]})
        await tab.open(f"{developers_page}follow.html")
        await tab.ask(
            f"of('server').value = {served.url!r}; of('key').value = {key!r}; of('validate').click()"
        )
        while not (findings := await tab.ask("of('findings').innerText")):
            pass
        assert findings.splitlines() == ["invalid", "/chargePointModel: a required field is missing"]
        await tab.ask("of('follow').click()")
        # The stream tells what happens from its begin on, so one of these connections is the first.
        while not (events := await tab.ask("of('events').innerText")):
            async with connecting(served, "example", "CP-1", password):
                pass
        assert events.splitlines()[-1] in ("connection.opened CP-1", "connection.closed CP-1")


def _bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}
