"""A person in a browser, on a whole server with a charge point: from the login link to a charging car.

Every page on the way has valid HTML, is accessible, fits a phone and a desk, and is small.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
import pytest_asyncio

from app.cli.administration import create_key, create_tenant, login_link
from app.clock import SystemClock
from app.database.database import Database
from app.settings import Settings
from app.simulator.fleet import Fleet, FleetOptions
from tests.support.chromium import Chromium, Tab
from tests.support.page_checkers import PageCheckers
from tests.support.server import Operator, Served
from tests.support.simulated import Unseen

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]

POINT = "WALK-00001"
PATHS = [
    "/login",
    "/fleet",
    "/account",
    "/commands",
    "/users",
    "/keys",
    "/jobs",
    "/jobs/firmware-updates",
    "/jobs/campaigns/new",
    f"/jobs/firmware-updates/new?charge_point={POINT}",
    f"/jobs/diagnostics/new?charge_point={POINT}",
    "/jobs/bulk-commands/new",
    "/jobs/bulk-commands/new/SetChargingProfile",
    "/webhooks",
    "/webhooks/{webhook_id}",
    "/tags",
    "/local-lists",
    "/local-lists/walk",
    "/reservations",
    "/certificates",
    f"/charge-points/{POINT}/certificates",
    "/security",
    "/audit",
    f"/charge-points/{POINT}",
    f"/charge-points/{POINT}/commands",
    f"/charge-points/{POINT}/commands/SetChargingProfile",
    f"/charge-points/{POINT}/commands/ClearCache",
    f"/charge-points/{POINT}/limits",
    f"/charge-points/{POINT}/password",
    "/transactions",
    "/refused-logins",
]
FIRST_LOAD_BYTES = 150_000
_WAIT_S = 30.0


@dataclass
class Walk:
    """The server that a person walks through. links: each good for one login, as is the one of localhost."""

    url: str
    links: list[str]
    localhost_link: str
    webhook_id: str

    def address(self, path: str) -> str:
        """Return the URL of a page."""
        return f"{self.url}/console{path.format(webhook_id=self.webhook_id)}"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def walk(
    served: Served, settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Walk]:
    """Run a charge point, and make links."""
    database = await Database.open(settings.database_url or "")
    await create_tenant(database, "walk", "Walk")
    token = await create_key(
        database,
        settings.credential_pepper,
        tenant="walk",
        name="walk",
        scopes=("read", "command", "write"),
    )
    async with Operator(served.url, token) as operator:
        # A charge point ends the transaction of a tag that is not known.
        await operator.post("/id-tags", {"id_tag": "WALK-TAG"})
        await operator.post("/local-lists", {"name": "walk", "id_tags": ["WALK-TAG"], "selector": {}})
        # Its deliveries fail, so that its log has rows.
        hook = {"url": "https://webhook.invalid/", "description": "Billing", "labels": {}}
        webhook_id = (await operator.post("/webhooks", hook))["id"]
    links = [await login_link(database, settings, "walk", "admin", served.url) for _ in range(2)]
    localhost = served.url.replace("127.0.0.1", "localhost")
    localhost_link = await login_link(database, settings, "walk", "admin", localhost)
    await database.close()
    options = FleetOptions(
        url="ws" + served.url.removeprefix("http"),
        tenant="walk",
        count=1,
        prefix="WALK",
        credentials=tmp_path_factory.mktemp("walk") / "credentials.json",
        api_key=token,
        speed=1.0,
        pace="normal",
    )
    stop = asyncio.Event()
    run = asyncio.create_task(Fleet(options, SystemClock()).run(stop, Unseen()))
    try:
        yield Walk(served.url, links, localhost_link, webhook_id)
    finally:
        stop.set()
        await run


async def until(tab: Tab, expression: str) -> Any:
    """Wait until a JavaScript expression is true in the page, and return its value."""
    try:
        async with asyncio.timeout(_WAIT_S):
            while True:
                answer = await tab.command("Runtime.evaluate", expression=expression, returnByValue=True)
                # While a page is being replaced by another one there is no value.
                if "exceptionDetails" not in answer and (value := answer["result"].get("value")):
                    return value
                await asyncio.sleep(0.05)
    except TimeoutError:
        shown = await tab.ask("document.body.innerText")
        raise AssertionError(f"{expression} did not become true: {shown[:2000]}") from None


async def press(tab: Tab, selector: str) -> None:
    """Press a button or a link."""
    await tab.ask(f"document.querySelector({selector!r}).click()")


async def log_in(tab: Tab, walk: Walk) -> None:
    """Log in by a link, once for each browser."""
    if walk.links:
        await tab.open(walk.links.pop())
        await press(tab, "main button")
    else:
        await tab.open(f"{walk.url}/console/fleet")
    await until(tab, "document.querySelector('.who') !== null")


async def test_a_person_logs_in_starts_a_transaction_and_reads_what_happened(
    browser: Chromium, walk: Walk
) -> None:
    async with browser.tab() as tab:
        await log_in(tab, walk)
        await tab.open(f"{walk.url}/console/fleet")
        await until(tab, "document.querySelector('#points').innerText.includes('Available')")
        await press(tab, "#points a")
        await until(tab, f"document.title.startsWith({POINT!r})")
        await press(tab, ".acts a")
        await until(tab, "document.title.startsWith('Commands of')")
        await press(tab, 'a[href$="RemoteStartTransaction"]')
        await until(tab, "document.title.startsWith('RemoteStartTransaction')")
        await tab.ask("document.querySelector('#field-connectorId').value = '1'")
        await tab.ask("document.querySelector('#field-idTag').value = 'WALK-TAG'")
        await press(tab, "main button")
        # The page follows the command by itself, until the transaction has begun.
        await until(tab, "document.querySelector('#state')?.innerText.includes('accepted')")
        await until(tab, "document.querySelector('#state')?.innerText.includes('transaction_started')")
        await tab.open(f"{walk.url}/console/charge-points/{POINT}")
        await until(tab, "document.querySelector('#now').innerText.includes('Charging')")
        entries = await tab.ask("document.querySelector('#entries').innerText")
        for expected in ("RemoteStartTransaction", "StartTransaction", "BootNotification", " ms"):
            assert expected in entries
        assert re.search(r"transaction \d+ started", entries)
        assert tab.complaints() == []


async def test_a_transaction_is_drawn_and_why_it_is_slow_is_read(
    browser: Chromium, walk: Walk, checkers: PageCheckers, tmp_path: Path
) -> None:
    async with browser.tab() as tab:
        await log_in(tab, walk)
        # The next sample would come within a minute.
        await tab.open(f"{walk.url}/console/charge-points/{POINT}/commands/TriggerMessage")
        await tab.ask("document.querySelector('#field-requestedMessage').value = 'MeterValues'")
        await tab.ask("document.querySelector('#field-connectorId').value = '1'")
        await press(tab, "main button")
        await until(tab, "document.querySelector('#state')?.innerText.includes('accepted')")
        await tab.open(f"{walk.url}/console/transactions")
        # The first test of this file has started it, in whatever state it is by now.
        await until(tab, f"document.querySelector('#rows').innerText.includes({POINT!r})")
        await press(tab, '#rows a[id^="transaction-"]')
        await until(tab, "document.title.startsWith('Transaction ')")
        await until(tab, "document.querySelectorAll('#charts canvas').length === 2")
        summary = "document.querySelector('#charts [role=img]').getAttribute('aria-label')"
        assert "The highest power was" in await tab.ask(summary)
        assert "StartTransaction" in await tab.ask("document.querySelector('.evidence pre').innerText")
        address = await tab.ask("location.href")
        schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
        for width in (320, 1280):
            for scheme in schemes:
                await tab.open(address, width=width, scheme=scheme)
                await until(tab, "document.querySelectorAll('#charts canvas').length === 2")
                assert await tab.ask("document.documentElement.scrollWidth") == width
                assert await checkers.inaccessible(tab) == []
                assert tab.complaints() == []
        await press(tab, ".acts a")
        await until(tab, f"document.title.startsWith({POINT!r})")
        await press(tab, '.acts a[href$="/limits"]')
        await until(tab, "document.title.startsWith('Why so slow?')")
        await until(tab, "document.querySelector('.picture img').naturalWidth > 0")
        assert "Set by" in await tab.ask("document.querySelector('main').innerText")
        script = f"fetch({address!r}).then(answer => answer.text())"
        answer = await tab.command(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert checkers.invalid({"transaction": answer["result"]["value"]}, tmp_path) == []


async def test_a_person_adds_a_passkey_and_logs_in_with_it(browser: Chromium, walk: Walk) -> None:
    async with browser.tab() as tab:
        # A passkey belongs to a name, so not to 127.0.0.1.
        await tab.open(f"{walk.url}/console/login")
        await press(tab, "form[data-passkey] button")
        await until(tab, "document.querySelector('[role=alert]').innerText.includes('localhost')")
        await tab.command("WebAuthn.enable")
        device = {
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": True,
            "hasUserVerification": True,
            "isUserVerified": True,
            "automaticPresenceSimulation": True,
        }
        await tab.command("WebAuthn.addVirtualAuthenticator", options=device)
        await tab.open(walk.localhost_link)
        await press(tab, "main button")
        # Scripts have run then.
        loaded = "document.readyState === 'complete' && document.title.startsWith"
        await until(tab, f"{loaded}('Fleet')")
        await press(tab, "a[href='/console/account']")
        await until(tab, f"{loaded}('Account')")
        await tab.ask("document.querySelector('#field-passkey_name').value = 'Laptop'")
        await press(tab, "form[data-passkey] button")
        await until(tab, "document.querySelector('main').innerText.includes('never used')")
        await press(tab, ".who button")
        await until(tab, f"{loaded}('Log in')")
        await press(tab, "form[data-passkey] button")
        await until(tab, "document.title.startsWith('Fleet')")
        assert tab.complaints() == []


async def test_a_live_page_looks_by_itself_while_its_stream_fails(browser: Chromium, walk: Walk) -> None:
    looked = "performance.getEntriesByType('resource').filter(one => /fleet.tiles/.test(one.name)).length"
    async with browser.tab() as tab:
        await log_in(tab, walk)
        await tab.command("Network.enable")
        await tab.command("Network.setBlockedURLs", urls=["*/console/live*"])
        await tab.open(f"{walk.url}/console/fleet")
        # Far more often than the server tells anything.
        await until(tab, f"{looked} >= 4")
        await tab.ask("document.addEventListener('htmx:sseOpen', () => { window.isFollowing = true })")
        await tab.command("Network.setBlockedURLs", urls=[])
        await until(tab, "window.isFollowing")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(("width", "scheme"), [(320, "light"), (1280, "dark")])
async def test_a_page_is_accessible_and_fits(
    browser: Chromium,
    walk: Walk,
    checkers: PageCheckers,
    path: str,
    width: int,
    scheme: Literal["light", "dark"],
) -> None:
    async with browser.tab() as tab:
        await log_in(tab, walk)
        await tab.open(walk.address(path), width=width, scheme=scheme)
        await tab.ask("document.querySelectorAll('details').forEach(part => { part.open = true })")
        assert await tab.ask("document.documentElement.scrollWidth") == width
        assert await checkers.inaccessible(tab) == []
        assert tab.complaints() == []


async def test_every_page_is_valid_and_small(
    browser: Chromium, walk: Walk, checkers: PageCheckers, tmp_path: Path
) -> None:
    pages: dict[str, str] = {}
    async with browser.tab() as tab:
        await log_in(tab, walk)
        await tab.command("Network.enable")
        await tab.command("Network.setCacheDisabled", cacheDisabled=True)
        for number, path in enumerate(PATHS):
            await tab.open(walk.address(path))
            await until(tab, "document.readyState === 'complete'")
            entries = await tab.ask(
                "[...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]"
                ".map(entry => [entry.name, entry.transferSize])"
            )
            assert sum(size for _, size in entries) <= FIRST_LOAD_BYTES, entries
            assert all(name.startswith(walk.url) for name, _ in entries)
            script = f"fetch({walk.address(path)!r}).then(answer => answer.text())"
            answer = await tab.command(
                "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
            )
            pages[f"page-{number}"] = answer["result"]["value"]
    assert checkers.invalid(pages, tmp_path) == []


async def test_no_script_in_a_page_can_run(browser: Chromium, walk: Walk) -> None:
    async with browser.tab() as tab:
        await log_in(tab, walk)
        await tab.open(f"{walk.url}/console/fleet")
        await tab.ask(
            "document.body.append(Object.assign(document.createElement('script'), "
            "{textContent: 'window.wasRun = true'}))"
        )
        assert await tab.ask("window.wasRun === undefined")
        assert any("Content Security Policy" in text for text in tab.complaints())
