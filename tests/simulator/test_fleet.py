"""A fleet over real WebSockets, against a small central system made of the link from its other side."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from app.clock import SystemClock
from app.ocpp import Dispatch, Effect, Link, Resolve, Send
from app.simulator.credentials import CredentialFile
from app.simulator.errors import SimulatorError
from app.simulator.fleet import Fleet, FleetOptions, rest_url, websocket_url
from tests.support.protocol import OCPP16

Json = dict[str, Any]
NOW = "2026-03-01T06:00:00.000Z"


@dataclass
class SmallCentral:
    """Accepts everything. `drop_first_start`: hangs up instead of answering the first one."""

    drop_first_start: bool = False
    command: tuple[str, Json] | None = None
    logins: list[tuple[str, str]] = field(default_factory=list)
    calls: list[tuple[str, str, Json]] = field(default_factory=list)
    results: list[Resolve] = field(default_factory=list)
    stopped: asyncio.Event = field(default_factory=asyncio.Event)
    resolved: asyncio.Event = field(default_factory=asyncio.Event)
    came_again: asyncio.Event = field(default_factory=asyncio.Event)
    server: Server | None = None

    @property
    def url(self) -> str:
        assert self.server is not None
        port = next(iter(self.server.sockets)).getsockname()[1]
        return f"ws://127.0.0.1:{port}/ocpp"

    async def serve_one(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        header = socket.request.headers["Authorization"].removeprefix("Basic ")
        self.logins.append((socket.request.path, base64.b64decode(header).decode()))
        if len(self.logins) > 1:
            self.came_again.set()
        link, clock = Link(OCPP16, "central_system"), SystemClock()
        try:
            async for text in socket:
                for effect in link.receive(str(text), clock.monotonic()):
                    await self._perform(socket, link, effect)
                if self.command is not None and self.calls[-1][1] == "StatusNotification":
                    action, payload = self.command
                    self.command = None
                    for effect in link.call("c-1", action, json.dumps(payload), clock.monotonic(), 5.0):
                        await self._perform(socket, link, effect)
        except ConnectionClosed:
            return

    async def _perform(self, socket: ServerConnection, link: Link, effect: Effect) -> None:
        match effect:
            case Send():
                await socket.send(effect.text)
            case Resolve():
                self.results.append(effect)
                self.resolved.set()
            case Dispatch():
                self.calls.append((effect.unique_id, effect.action, effect.payload))
                if effect.action == "StartTransaction" and self.drop_first_start:
                    self.drop_first_start = False
                    socket.transport.abort()
                    return
                for answer in link.reply(effect.unique_id, json.dumps(_answer(effect.action))):
                    await self._perform(socket, link, answer)
                if effect.action == "StopTransaction":
                    self.stopped.set()
            case _:
                pass

    def of(self, action: str) -> list[Json]:
        return [payload for _, name, payload in self.calls if name == action]


def _answer(action: str) -> Json:
    match action:
        case "BootNotification":
            return {"status": "Accepted", "interval": 300, "currentTime": NOW}
        case "Authorize" | "StopTransaction":
            return {"idTagInfo": {"status": "Accepted"}}
        case "StartTransaction":
            return {"transactionId": 7, "idTagInfo": {"status": "Accepted"}}
        case "Heartbeat":
            return {"currentTime": NOW}
        case _:
            return {}


class NoDisplay:
    async def show(self, fleet: Fleet) -> None:
        await asyncio.Event().wait()


@asynccontextmanager
async def running(central: SmallCentral) -> AsyncIterator[SmallCentral]:
    async with serve(central.serve_one, "127.0.0.1", 0, subprotocols=[Subprotocol("ocpp1.6")]) as server:
        central.server = server
        yield central


def options(central: SmallCentral, directory: Path, **changes: Any) -> FleetOptions:
    credentials = directory / "credentials.json"
    CredentialFile(credentials).remember({f"SIM-{number:05d}": f"{number:040x}" for number in range(1, 4)})
    values: dict[str, Any] = {
        "url": central.url,
        "tenant": "demo",
        "count": 3,
        "credentials": credentials,
        "speed": 300.0,
        "pace": "brisk",
        "steady": True,
    }
    return FleetOptions(**{**values, **changes})


async def drive(fleet: Fleet, until: asyncio.Event) -> None:
    stop = asyncio.Event()
    run = asyncio.create_task(fleet.run(stop, NoDisplay()))
    try:
        async with asyncio.timeout(30):
            await until.wait()
    finally:
        stop.set()
        await run


async def test_a_fleet_charges_and_leaves_no_transaction_open(tmp_path: Path) -> None:
    async with running(SmallCentral()) as central:
        fleet = Fleet(options(central, tmp_path), SystemClock())
        await drive(fleet, central.stopped)
    assert fleet.succeeded
    assert len(central.of("StartTransaction")) == len(central.of("StopTransaction")) > 0
    assert central.of("MeterValues")
    assert len(central.of("BootNotification")) == 3
    assert not fleet.statistics.errors
    assert fleet.statistics.answered == fleet.statistics.sent


async def test_each_charge_point_logs_in_at_its_own_path_with_its_password(tmp_path: Path) -> None:
    async with running(SmallCentral()) as central:
        await drive(Fleet(options(central, tmp_path), SystemClock()), central.stopped)
    assert set(central.logins) == {
        (f"/ocpp/demo/SIM-{number:05d}", f"SIM-{number:05d}:{number:040x}") for number in range(1, 4)
    }


async def test_a_start_without_answer_is_sent_again_after_the_reconnect(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    async with running(SmallCentral(drop_first_start=True)) as central:
        fleet = Fleet(options(central, tmp_path, count=1, ledger=ledger), SystemClock())
        await drive(fleet, central.stopped)
    first, second = central.of("StartTransaction")[:2]
    assert first == second
    assert len(central.of("BootNotification")) == 1
    rows = [json.loads(line) for line in ledger.read_text().splitlines()]
    assert [row["event"] for row in rows if row["record"] == 1] == ["sent", "lost", "sent", "answered"]
    assert all(row["action"] in ("StartTransaction", "MeterValues", "StopTransaction") for row in rows)
    answered = [row["record"] for row in rows if row["event"] == "answered"]
    assert answered == list(range(1, len(answered) + 1))


async def test_a_command_is_answered_and_an_authorization_key_is_remembered(tmp_path: Path) -> None:
    key = {"key": "AuthorizationKey", "value": "ab" * 20}
    async with running(SmallCentral(command=("ChangeConfiguration", key))) as central:
        chosen = options(central, tmp_path, count=1)
        await drive(Fleet(chosen, SystemClock()), central.came_again)
    assert [(row.outcome, row.payload) for row in central.results] == [("result", {"status": "Accepted"})]
    assert CredentialFile(chosen.credentials).password("SIM-00001") == "ab" * 20
    assert central.logins[-1][1] == f"SIM-00001:{'ab' * 20}"


async def test_a_command_that_a_charge_point_has_nothing_for_is_answered(tmp_path: Path) -> None:
    async with running(SmallCentral(command=("GetInstalledCertificateIds", _CERTIFICATES))) as central:
        await drive(Fleet(options(central, tmp_path, count=1), SystemClock()), central.resolved)
    assert [row.payload for row in central.results] == [{"status": "NotFound"}]


_CERTIFICATES: Json = {"certificateType": "CentralSystemRootCertificate"}


async def test_without_password_and_api_key_the_run_does_not_start(tmp_path: Path) -> None:
    async with running(SmallCentral()) as central:
        fleet = Fleet(options(central, tmp_path, count=4), SystemClock())
        with pytest.raises(SimulatorError, match="STATIONMASTER_API_KEY"):
            await fleet.run(asyncio.Event(), NoDisplay())
    assert not central.logins


async def test_a_run_against_nobody_ends_with_its_duration_and_says_so(tmp_path: Path) -> None:
    async with running(SmallCentral()) as central:
        chosen = options(central, tmp_path, count=1, duration_s=0.3)
    fleet = Fleet(chosen, SystemClock())
    await fleet.run(asyncio.Event(), NoDisplay())
    assert not fleet.succeeded
    assert fleet.statistics.errors["no connection"] >= 1


def test_the_credentials_file_is_private(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file.json"
    CredentialFile(path).remember({"A": "1"})
    CredentialFile(path).remember({"B": "2"})
    assert path.stat().st_mode & 0o777 == 0o600
    assert [CredentialFile(path).password(identity) for identity in "ABC"] == ["1", "2", None]


def test_a_damaged_credentials_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    path.write_text("{")
    with pytest.raises(SimulatorError, match=r"file\.json is damaged"):
        CredentialFile(path)


@pytest.mark.parametrize(
    ("given", "sockets", "rest"),
    [
        ("ws://127.0.0.1:8080", "ws://127.0.0.1:8080/ocpp", "http://127.0.0.1:8080"),
        ("wss://csms.example/ocpp/", "wss://csms.example/ocpp", "https://csms.example"),
        ("ws://[::1]:1/base/ocpp", "ws://[::1]:1/base/ocpp", "http://[::1]:1"),
    ],
)
def test_one_url_gives_both_edges(given: str, sockets: str, rest: str) -> None:
    assert websocket_url(given) == sockets
    assert rest_url(sockets) == rest


@pytest.mark.parametrize("given", ["", "http://host", "ws://", "host:80"])
def test_another_kind_of_url_is_refused(given: str) -> None:
    with pytest.raises(SimulatorError, match="--url"):
        websocket_url(given)
