"""A charge point boots, charges, and is controlled remotely. Each effect is found over REST."""

from typing import Any

from tests.system.clients.bench import IDENTITY, TAG, Bench, at

BOOT = {
    "chargePointVendor": "VendorOne",
    "chargePointModel": "VW22",
    "chargePointSerialNumber": "0001",
    "firmwareVersion": "3.1.4",
}
UNKNOWN_TAG = "UNKNOWN"


def status(connector_id: int, name: str) -> dict[str, Any]:
    """Return a StatusNotification."""
    return {"connectorId": connector_id, "errorCode": "NoError", "status": name, "timestamp": at()}


async def boots(bench: Bench) -> None:
    """BootNotification, StatusNotification, Heartbeat."""
    peer = bench.peer
    booted = await peer.call("BootNotification", BOOT)
    assert booted["status"] == "Accepted"
    for connector_id in range(3):
        assert await peer.call("StatusNotification", status(connector_id, "Available")) == {}
    assert (await peer.call("Heartbeat", {}))["currentTime"]
    shown = await bench.operator.get(bench.path)
    facts = [shown[name] for name in ("vendor", "model", "serial_number", "firmware_version", "connected")]
    assert facts == ["VendorOne", "VW22", "0001", "3.1.4", True]
    assert shown["security_profile"] == bench.profile
    assert shown["booted_at"] is not None
    assert shown["last_seen_at"] is not None
    connectors = (await bench.operator.get(f"{bench.path}/connectors"))["items"]
    assert [(one["connector_id"], one["status"]) for one in connectors] == [
        *((0, "Available"), (1, "Available"), (2, "Available"))
    ]


async def charges(bench: Bench) -> None:
    """Authorize, StartTransaction, MeterValues, StopTransaction."""
    peer = bench.peer
    assert (await peer.call("Authorize", {"idTag": TAG}))["idTagInfo"]["status"] == "Accepted"
    assert (await peer.call("Authorize", {"idTag": UNKNOWN_TAG}))["idTagInfo"]["status"] == "Invalid"
    transaction_id = await start(bench, 1_000)
    await measure(bench, 1, transaction_id, "1500.5")
    stopped = await peer.call(
        "StopTransaction",
        {
            "transactionId": transaction_id,
            "idTag": TAG,
            "meterStop": 4_000,
            "timestamp": at(),
            "reason": "EVDisconnected",
            "transactionData": [{"timestamp": at(), "sampledValue": [{"value": "4000"}]}],
        },
    )
    assert stopped["idTagInfo"]["status"] == "Accepted"
    shown = await bench.operator.get(f"/transactions/{transaction_id}")
    told = [
        shown[name] for name in ("charge_point", "id_tag", "meter_start_wh", "meter_stop_wh", "energy_wh")
    ]
    assert told == [IDENTITY, TAG, 1_000, 4_000, 3_000]
    assert shown["stop_reason"] == "EVDisconnected"
    values = (await bench.operator.get(f"/transactions/{transaction_id}/meter-values"))["items"]
    read = [(one["context"], one["sampled_values"][0]["value"]) for one in values]
    assert sorted(read) == [("periodic", "1500.5"), ("stop", "4000")]


async def start(bench: Bench, meter_start: int, connector_id: int = 1, **more: Any) -> int:
    """Start a transaction, and return its id."""
    request = {"connectorId": connector_id, "idTag": TAG, "meterStart": meter_start, "timestamp": at()}
    answer = await bench.peer.call("StartTransaction", {**request, **more})
    assert answer["idTagInfo"]["status"] == "Accepted"
    transaction_id: int = answer["transactionId"]
    return transaction_id


async def stop(bench: Bench, transaction_id: int, meter_stop: int, reason: str = "Local") -> None:
    """Stop a transaction."""
    request = {"transactionId": transaction_id, "meterStop": meter_stop, "timestamp": at(), "reason": reason}
    await bench.peer.call("StopTransaction", request)


async def measure(bench: Bench, connector_id: int, transaction_id: int | None, value: str) -> None:
    """Send one meter value."""
    sample = {"value": value, "measurand": "Energy.Active.Import.Register", "unit": "Wh"}
    request: dict[str, Any] = {
        "connectorId": connector_id,
        "meterValue": [{"timestamp": at(), "sampledValue": [sample]}],
    }
    if transaction_id is not None:
        request["transactionId"] = transaction_id
    assert await bench.peer.call("MeterValues", request) == {}


async def is_started_and_stopped_remotely(bench: Bench) -> None:
    """RemoteStartTransaction and RemoteStopTransaction; each command names the transaction."""
    started = await bench.command("RemoteStartTransaction", {"idTag": TAG, "connectorId": 1})
    assert bench.peer.last_asked("RemoteStartTransaction") == {"idTag": TAG, "connectorId": 1}
    transaction_id = await start(bench, 4_000)
    effect = await bench.effect(started, "transaction_started")
    assert effect["transactionId"] == transaction_id
    running = await bench.operator.get(f"/transactions/{transaction_id}")
    assert running["remote_start_command_id"] == started["id"]
    stopped = await bench.command("RemoteStopTransaction", {"transactionId": transaction_id})
    await stop(bench, transaction_id, 4_800, "Remote")
    assert (await bench.effect(stopped, "transaction_stopped"))["transactionId"] == transaction_id
    ended = await bench.operator.get(f"/transactions/{transaction_id}")
    assert (ended["stop_reason"], ended["energy_wh"]) == ("Remote", 800)


async def is_made_unavailable(bench: Bench) -> None:
    """ChangeAvailability: the status that follows is the effect."""
    for kind, name in (("Inoperative", "Unavailable"), ("Operative", "Available")):
        changed = await bench.command("ChangeAvailability", {"connectorId": 2, "type": kind})
        await bench.peer.call("StatusNotification", status(2, name))
        effect = await bench.effect(changed, "status_reported")
        assert (effect["connectorId"], effect["status"]) == (2, name)
        shown = await bench.operator.get(f"{bench.path}/connectors/2")
        assert shown["status"] == name


async def is_reset_unlocked_and_cleared(bench: Bench) -> None:
    """Reset leads to a boot. UnlockConnector and ClearCache have an answer, and nothing else."""
    before = (await bench.operator.get(bench.path))["booted_at"]
    reset = await bench.command("Reset", {"type": "Soft"})
    await bench.peer.call("BootNotification", BOOT)
    assert (await bench.effect(reset, "booted"))["messageId"]
    assert (await bench.operator.get(bench.path))["booted_at"] > before
    unlocked = await bench.command("UnlockConnector", {"connectorId": 1})
    assert (unlocked["status"], unlocked["result"]) == ("Unlocked", {"status": "Unlocked"})
    cleared = await bench.command("ClearCache", {})
    assert cleared["result"] == {"status": "Accepted"}


async def is_triggered(bench: Bench) -> None:
    """TriggerMessage and ExtendedTriggerMessage: the message that follows is the effect."""
    for action in ("TriggerMessage", "ExtendedTriggerMessage"):
        heart = await bench.command(action, {"requestedMessage": "Heartbeat"})
        await bench.peer.call("Heartbeat", {})
        assert (await bench.effect(heart, "message_received"))["action"] == "Heartbeat"
        meter = await bench.command(action, {"requestedMessage": "MeterValues", "connectorId": 2})
        await measure(bench, 2, None, "77")
        effect = await bench.effect(meter, "message_received")
        assert (effect["action"], effect["connectorId"]) == ("MeterValues", 2)
    values = (await bench.operator.get(f"{bench.path}/meter-values"))["items"]
    outside = [one for one in values if one["transaction_id"] is None]
    assert [one["sampled_values"][0]["value"] for one in outside] == ["77", "77"]


async def transfers_data(bench: Bench) -> None:
    """DataTransfer in both directions. That of the charge point is in the log of its frames."""
    sent = {"vendorId": "org.example", "messageId": "hello", "data": "from the operator"}
    await bench.peer.answer("DataTransfer", {"status": "Accepted", "data": "and back"})
    transferred = await bench.command("DataTransfer", sent)
    assert bench.peer.last_asked("DataTransfer") == sent
    assert transferred["result"] == {"status": "Accepted", "data": "and back"}
    own = {"vendorId": "org.example", "data": "from the charge point"}
    assert (await bench.peer.call("DataTransfer", own))["status"] == "UnknownVendorId"
    frames = await bench.until(
        f"{bench.path}/frames",
        lambda page: any("from the charge point" in frame["text"] for frame in page["items"]),
        action="DataTransfer",
        direction="in",
    )
    assert all(frame["deviations"] in (None, []) for frame in frames["items"])
