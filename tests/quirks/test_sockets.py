"""Habits on real sockets: what is stored of messages, and whether a charge point stays connected."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from app.main import create_app
from tests.gateway.conftest import server
from tests.support.asked import charger
from tests.support.gateway import GatewayServer, serve
from tests.support.operator_page import new_key
from tests.support.raw_client import PING, close_all

__all__ = ["server"]

BOOT = {"chargePointVendor": "Acme", "chargePointModel": "Duo"}


class Operator:
    """Makes quirk profiles, and reads what is stored."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def state(self, **habits: Any) -> None:
        """Store a profile for the charge points of Acme."""
        stated = {name: {"value": value} for name, value in habits.items()}
        body = {"name": "acme", "vendor": "Acme", "habits": stated}
        answer = await self._client.post("/v1/quirk-profiles", json=body)
        assert answer.status_code == 201, answer.text

    async def get(self, path: str) -> Any:
        """Return the JSON of a resource."""
        answer = await self._client.get(f"/v1{path}")
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture
async def operator(server: GatewayServer) -> Any:
    headers = {"Authorization": f"Bearer {await new_key(server)}"}
    url = f"http://127.0.0.1:{server.port}"
    async with httpx.AsyncClient(base_url=url, headers=headers) as client:
        yield Operator(client)


def local(moment: datetime) -> str:
    """Return a time as a charge point in Shanghai writes it that names no zone."""
    return (moment + timedelta(hours=8)).replace(tzinfo=None).isoformat(timespec="seconds")


def utc(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@pytest.mark.parametrize("zone", ["Asia/Shanghai", None])
async def test_local_times_are_read_in_the_zone_of_the_charge_point(
    server: GatewayServer, operator: Operator, zone: str | None
) -> None:
    await server.register("CP1")
    if zone is not None:
        await operator.state(time_zone=zone)
    now = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=9)
    told, ended = local(now), local(now + timedelta(minutes=30))
    shift = timedelta(0) if zone is not None else timedelta(hours=8)
    async with charger(server, "CP1") as point:
        await point.call("BootNotification", BOOT)
        status = {"connectorId": 1, "status": "Charging", "errorCode": "NoError", "timestamp": told}
        await point.call("StatusNotification", status)
        start = {"connectorId": 1, "idTag": "T", "meterStart": 0, "timestamp": told}
        number = (await point.call("StartTransaction", start))[2]["transactionId"]
        samples = [{"timestamp": told, "sampledValue": [{"value": "7"}]}]
        await point.call("MeterValues", {"connectorId": 1, "transactionId": number, "meterValue": samples})
        zoned = [{"timestamp": utc(now), "sampledValue": [{"value": "8"}]}]
        await point.call("MeterValues", {"connectorId": 1, "transactionId": number, "meterValue": zoned})
        stop = {"transactionId": number, "meterStop": 9, "timestamp": ended}
        await point.call("StopTransaction", stop)
    transaction = await operator.get(f"/transactions/{number}")
    assert transaction["started_at"] == utc(now + shift)
    assert transaction["stopped_at"] == utc(now + shift + timedelta(minutes=30))
    values = await operator.get("/charge-points/CP1/meter-values?connector_id=1")
    times = {item["sampled_values"][0]["value"]: item["sampled_at"] for item in values["items"]}
    assert times == {"7": utc(now + shift), "8": utc(now)}
    connector = await operator.get("/charge-points/CP1/connectors/1")
    assert connector["reported_at"] == utc(now + shift)
    evidence = await operator.get(f"/transactions/{number}/evidence")
    assert told in str(evidence), "the evidence stays as it was sent"


@pytest.mark.parametrize(("is_session_meter", "flags"), [(True, []), (False, ["meter_decreased"])])
async def test_a_session_meter_gets_no_flag(
    server: GatewayServer, operator: Operator, is_session_meter: bool, flags: list[str]
) -> None:
    await server.register("CP1")
    await operator.state(session_meter=is_session_meter)
    at = datetime.now(UTC).replace(microsecond=0)
    async with charger(server, "CP1") as point:
        await point.call("BootNotification", BOOT)
        start = {"connectorId": 1, "idTag": "T", "meterStart": 8000, "timestamp": utc(at)}
        number = (await point.call("StartTransaction", start))[2]["transactionId"]
        stop = {"transactionId": number, "meterStop": 5000, "timestamp": utc(at)}
        assert (await point.call("StopTransaction", stop))[0] == 3
    transaction = await operator.get(f"/transactions/{number}")
    assert transaction["flags"] == flags
    assert (transaction["meter_start_wh"], transaction["meter_stop_wh"]) == (8000, 5000)


@pytest.mark.parametrize(
    ("habits", "register"),
    [({"energy_called_wh": "kWh"}, 361_000), ({"absent_energy_unit": "kWh"}, 361), ({}, 361)],
)
async def test_the_last_register_of_a_transaction_without_stop(
    server: GatewayServer, operator: Operator, habits: dict[str, Any], register: int
) -> None:
    await server.register("CP1")
    await operator.state(**habits)
    at = datetime.now(UTC).replace(microsecond=0)
    async with charger(server, "CP1") as point:
        await point.call("BootNotification", BOOT)
        start = {"connectorId": 1, "idTag": "T", "meterStart": 0, "timestamp": utc(at)}
        number = (await point.call("StartTransaction", start))[2]["transactionId"]
        samples = [{"timestamp": utc(at), "sampledValue": [{"value": "361", "unit": "Wh"}]}]
        await point.call("MeterValues", {"connectorId": 1, "transactionId": number, "meterValue": samples})
        available = {"connectorId": 1, "status": "Available", "errorCode": "NoError"}
        await point.call("StatusNotification", available)
    assert (await operator.get(f"/transactions/{number}"))["last_meter_wh"] == register


async def test_a_change_reaches_a_connection_at_its_next_boot(
    server: GatewayServer, operator: Operator
) -> None:
    await server.register("CP1")
    now = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=9)
    status = {"connectorId": 1, "status": "Charging", "errorCode": "NoError", "timestamp": local(now)}
    async with charger(server, "CP1") as point:
        await point.call("BootNotification", BOOT)
        await operator.state(time_zone="Asia/Shanghai")
        for shift in (timedelta(hours=8), timedelta(0)):
            await point.call("StatusNotification", status)
            connector = await operator.get("/charge-points/CP1/connectors/1")
            assert connector["reported_at"] == utc(now + shift)
            await point.call("BootNotification", BOOT)
    async with charger(server, "CP1") as again:
        await again.call("StatusNotification", status)
    assert (await operator.get("/charge-points/CP1/connectors/1"))["reported_at"] == utc(now)


@pytest.mark.parametrize("at_login", [True, False], ids=["known at login", "known at the first boot"])
@pytest.mark.parametrize("sends_no_pongs", [True, False])
async def test_silence_without_pongs(
    server: GatewayServer, monkeypatch: pytest.MonkeyPatch, at_login: bool, sends_no_pongs: bool
) -> None:
    monkeypatch.setattr("app.gateway.session._LEAST_SILENCE_S", 0.3)
    brisk = server.settings.model_copy(
        update={"ping_interval_s": 0.1, "ping_timeout_s": 0.1, "heartbeat_interval_s": 0}
    )
    monkeypatch.setattr("app.gateway.session._DAY_S", 0.1)
    app = create_app(brisk)
    async with serve(app, brisk) as port:
        elsewhere = GatewayServer(port, app, server.database, server.tenant, brisk)
        await elsewhere.register("CP1")
        headers = {"Authorization": f"Bearer {await new_key(elsewhere)}"}
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers) as rest:
            await Operator(rest).state(sends_no_pongs=sends_no_pongs)
        client = await elsewhere.connect("CP1")
        await client.call("BootNotification", BOOT)
        if at_login:
            await client.close()
            client = await elsewhere.connect("CP1")
        pings = 0
        try:
            async with asyncio.timeout(1.5):
                while (frame := await client.frame())[0] == PING:
                    pings += 1
            assert frame[0] != PING
            stayed = False
        except TimeoutError:
            stayed = True
        assert stayed is sends_no_pongs
        assert pings >= 1
        if stayed:
            assert (await client.call("Heartbeat", {}, "h"))[0] == 3
        await close_all()
