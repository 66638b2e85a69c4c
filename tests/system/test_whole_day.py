"""A day of a charge point that is not ours: written with the PyPI package `ocpp`, over real sockets."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from ocpp.routing import after, on
from ocpp.v16 import ChargePoint, call, call_result

from app.database.database import Database
from app.settings import Settings
from app.tenants.records import TenantRecord
from tests.support.account import open_account
from tests.support.server import Operator, Served, connecting, serving

IDENTITY = "RDAM 123"
TAG = "B4A63CDF"


class PeerChargePoint(ChargePoint):  # type: ignore[misc]  # the package is not typed
    """Accepts what it is told, and stops a transaction when it is told to."""

    def __init__(self, connection: Any) -> None:
        super().__init__(IDENTITY, connection)
        self.profiles: list[dict[str, Any]] = []
        self.configuration: dict[str, str] = {}
        self.transaction_id = 0
        self.stopped = asyncio.Event()
        self.started = asyncio.Event()

    @on("RemoteStopTransaction")
    async def stop_remotely(self, transaction_id: int) -> Any:
        status = "Accepted" if transaction_id == self.transaction_id else "Rejected"
        return call_result.RemoteStopTransaction(status=status)

    @after("RemoteStopTransaction")
    async def then_stop(self, transaction_id: int) -> None:
        await self.call(
            call.StopTransaction(
                meter_stop=9_000, timestamp=_now(), transaction_id=transaction_id, reason="Remote"
            )
        )
        self.stopped.set()

    @on("RemoteStartTransaction")
    async def start_remotely(self, id_tag: str, **_: Any) -> Any:
        return call_result.RemoteStartTransaction(status="Accepted")

    @after("RemoteStartTransaction")
    async def then_start(self, id_tag: str, **_: Any) -> None:
        await self.start_transaction(id_tag, _now(), 9_000)
        self.started.set()

    @on("SetChargingProfile")
    async def set_profile(self, connector_id: int, cs_charging_profiles: dict[str, Any]) -> Any:
        self.profiles.append(cs_charging_profiles)
        return call_result.SetChargingProfile(status="Accepted")

    @on("ChangeConfiguration")
    async def change_configuration(self, key: str, value: str) -> Any:
        if key == "Unheard":
            return call_result.ChangeConfiguration(status="NotSupported")
        self.configuration[key] = value
        return call_result.ChangeConfiguration(status="Accepted")

    async def start_transaction(self, id_tag: str, at: str, meter_start: int) -> Any:
        answer = await self.call(
            call.StartTransaction(connector_id=1, id_tag=id_tag, meter_start=meter_start, timestamp=at)
        )
        self.transaction_id = answer.transaction_id
        return answer

    async def meter(self, at: str, value: str) -> Any:
        sample = {"value": value, "measurand": "Energy.Active.Import.Register", "unit": "Wh"}
        return await self.call(
            call.MeterValues(
                connector_id=1,
                transaction_id=self.transaction_id,
                meter_value=[{"timestamp": at, "sampled_value": [sample]}],
            )
        )


def _now(ago: timedelta = timedelta()) -> str:
    return (datetime.now(UTC) - ago).isoformat().replace("+00:00", "Z")


class Running:
    """The charge point on one connection, with its reader running."""

    def __init__(self, served: Served, tenant: str, key: str) -> None:
        self._connecting = connecting(served, tenant, IDENTITY, key)

    async def __aenter__(self) -> PeerChargePoint:
        self._socket = await self._connecting.__aenter__()
        charge_point = PeerChargePoint(self._socket)
        self._reader = asyncio.create_task(charge_point.start())
        return charge_point

    async def __aexit__(self, *_: object) -> None:
        self._reader.cancel()
        await asyncio.wait([self._reader])
        await self._socket.close()


async def test_a_whole_day_of_a_charge_point_that_is_not_ours(
    database: Database, settings: Settings, tenant: TenantRecord
) -> None:
    account = await open_account(database, settings, tenant)
    async with serving(settings) as served, Operator(served.url, account.token) as operator:
        key = await operator.register(IDENTITY)
        await operator.post("/id-tags", {"id_tag": TAG})
        async with Running(served, account.slug, key) as charge_point:
            await _morning(charge_point, operator)
            await _remote_control(charge_point, operator)
        offline = await _offline_replay(served, account.slug, key, operator)
        assert len({*offline}) == 1, "the same start has the same transaction, however often it comes"


async def _morning(charge_point: PeerChargePoint, operator: Operator) -> None:
    """Boot, authorize, start, meter values; the operator sees it all."""
    boot = await charge_point.call(
        call.BootNotification(
            charge_point_model="Single", charge_point_vendor="Vendor", firmware_version="1.2"
        )
    )
    assert (boot.status, boot.interval) == ("Accepted", 300)
    for connector_id in (0, 1):
        await charge_point.call(
            call.StatusNotification(connector_id=connector_id, error_code="NoError", status="Available")
        )
    assert (await charge_point.call(call.Authorize(id_tag=TAG.lower()))).id_tag_info["status"] == "Accepted"
    assert (await charge_point.call(call.Authorize(id_tag="nobody"))).id_tag_info["status"] == "Invalid"
    started = await charge_point.start_transaction(TAG, _now(), 1_000)
    assert started.id_tag_info["status"] == "Accepted"
    for reading in ("1500", "2500", "4000.5"):
        await charge_point.meter(_now(), reading)
    assert (await charge_point.call(call.Heartbeat())).current_time

    identity = IDENTITY.replace(" ", "%20")
    shown = await operator.get(f"/charge-points/{identity}")
    assert (shown["vendor"], shown["firmware_version"], shown["connected"]) == ("Vendor", "1.2", True)
    connectors = (await operator.get(f"/charge-points/{identity}/connectors"))["items"]
    assert [(one["connector_id"], one["status"]) for one in connectors] == [
        (0, "Available"),
        (1, "Available"),
    ]
    values = (await operator.get(f"/transactions/{charge_point.transaction_id}/meter-values"))["items"]
    assert [one["sampled_values"][0]["value"] for one in values] == ["1500", "2500", "4000.5"]


async def _remote_control(charge_point: PeerChargePoint, operator: Operator) -> None:
    """Profile, configuration, remote stop and remote start, each with its observed effect."""
    identity = IDENTITY.replace(" ", "%20")
    profile = {
        "chargingProfileId": 7,
        "transactionId": charge_point.transaction_id,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxProfile",
        "chargingProfileKind": "Relative",
        "chargingSchedule": {
            "chargingRateUnit": "A",
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 21.4}],
        },
    }
    command = await operator.command(
        identity, "SetChargingProfile", {"connectorId": 1, "csChargingProfiles": profile}
    )
    assert (command["state"], command["result"]) == ("accepted", {"status": "Accepted"})
    assert charge_point.profiles[0]["charging_schedule"]["charging_schedule_period"][0]["limit"] == Decimal(
        "21.4"
    )

    change = {"key": "HeartbeatInterval", "value": "600"}
    assert (await operator.command(identity, "ChangeConfiguration", change))["state"] == "accepted"
    unheard = {"key": "Unheard", "value": "1"}
    refused = await operator.command(identity, "ChangeConfiguration", unheard)
    assert (refused["state"], refused["result"]) == ("rejected", {"status": "NotSupported"})
    view = (await operator.get(f"/charge-points/{identity}/configuration"))["items"]
    assert [(one["key"], one["value"]) for one in view] == [("HeartbeatInterval", "600")]

    stop = await operator.command(
        identity, "RemoteStopTransaction", {"transactionId": charge_point.transaction_id}
    )
    assert stop["state"] == "accepted"
    async with asyncio.timeout(20):
        await charge_point.stopped.wait()
    closed = await operator.get(f"/transactions/{charge_point.transaction_id}")
    assert (closed["stop_reason"], closed["meter_stop_wh"]) == ("Remote", 9_000)
    assert (await operator.get(f"/commands/{stop['id']}"))["effect"]["transactionId"] == closed["id"]

    start = await operator.command(identity, "RemoteStartTransaction", {"idTag": TAG, "connectorId": 1})
    assert start["state"] == "accepted"
    async with asyncio.timeout(20):
        await charge_point.started.wait()
    effect = (await operator.get(f"/commands/{start['id']}"))["effect"]
    assert effect["transactionId"] == charge_point.transaction_id
    await charge_point.call(
        call.StopTransaction(meter_stop=9_500, timestamp=_now(), transaction_id=charge_point.transaction_id)
    )


async def _offline_replay(served: Served, slug: str, key: str, operator: Operator) -> list[int]:
    """Offline transactions arrive hours later, twice, on a socket without BootNotification."""
    ids = []
    started_at, stopped_at = _now(timedelta(hours=5)), _now(timedelta(hours=4))
    for _ in range(2):
        async with Running(served, slug, key) as charge_point:
            answer = await charge_point.start_transaction(TAG, started_at, 9_500)
            assert answer.id_tag_info["status"] == "Accepted"
            await charge_point.meter(started_at, "9600")
            await charge_point.call(
                call.StopTransaction(
                    meter_stop=12_000, timestamp=stopped_at, transaction_id=answer.transaction_id
                )
            )
            ids.append(answer.transaction_id)
    replayed = await operator.get(f"/transactions/{ids[0]}")
    assert (replayed["meter_start_wh"], replayed["meter_stop_wh"]) == (9_500, 12_000)
    assert datetime.fromisoformat(replayed["started_at"]) < datetime.now(UTC) - timedelta(hours=4)
    values = (await operator.get(f"/transactions/{ids[0]}/meter-values"))["items"]
    assert len(values) == 1
    assert len((await operator.get("/transactions"))["items"]) == 3
    return ids
