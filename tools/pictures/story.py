"""Lets an operator's day happen in the demo, by the API, before the pictures are taken."""

import asyncio
import base64
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from tools.pictures.demo import Demo

_WAIT_S: Final = 240.0
_PAUSE_S: Final = 1.0
_RESERVATIONS: Final = 2
_TAG: Final = "B4A63CDF"
_FIRMWARE: Final = bytes(range(256)) * 800


@dataclass(frozen=True, slots=True)
class Places:
    """The things that the pictures show. slow: a charge point with a limit on its connector."""

    slow: str
    connector: int
    transaction_id: int
    webhook_id: str


class Operator:
    """Asks the API as an operator does."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def get(self, path: str) -> Any:
        """Read a resource."""
        return self._checked(await self._client.get(path))

    async def post(self, path: str, body: Any = None) -> Any:
        """Make or do something."""
        return self._checked(await self._client.post(path, json={} if body is None else body))

    async def put_file(self, name: str, content: bytes) -> str:
        """Store a file, and return its id."""
        headers = {"Content-Type": "application/octet-stream"}
        answer = await self._client.post("/v1/files", params={"name": name}, content=content, headers=headers)
        return str(self._checked(answer)["id"])

    async def try_post(self, path: str, body: Any = None) -> None:
        """Do something that a charge point may refuse."""
        await self._client.post(path, json={} if body is None else body)

    async def until(self, question: Callable[[], Awaitable[Any]]) -> Any:
        """Ask until the answer is not empty, and return it."""
        async with asyncio.timeout(_WAIT_S):
            while True:
                if answer := await question():
                    return answer
                await asyncio.sleep(_PAUSE_S)

    @staticmethod
    def _checked(answer: httpx.Response) -> Any:
        if answer.is_error:
            raise RuntimeError(f"{answer.request.method} {answer.request.url.path}: {answer.text}")
        return answer.json() if answer.content else None


async def tell(demo: Demo, count: int, minutes: float) -> Places:
    """Let everything happen that the pictures show, and leave the fleet alone for some minutes.

    Raises:
        RuntimeError: the API refuses something.
        TimeoutError: something does not happen.
    """
    key = await demo.stationmaster(
        "key", "create", "--tenant", "demo", "--scopes", "read,command,write,admin"
    )
    headers = {"Authorization": f"Bearer {key.splitlines()[-1]}"}
    async with httpx.AsyncClient(base_url=demo.url, headers=headers, timeout=60.0) as client:
        operator = Operator(client)
        names = [f"DEMO-{number:05}" for number in range(1, count + 1)]
        await operator.until(lambda: _all_connected(operator, count))
        webhook_id = await _office(operator, demo.webhooks)
        await _label(operator, client, names)
        slow, connector = await _charge(operator, names)
        await _refused_logins(demo.url)
        await _jobs(operator, names)
        await _certificates(operator, names)
        for _ in range(_RESERVATIONS):
            await operator.until(lambda: _reserve_one(operator, names[1:-1:2]))
        await asyncio.sleep(60 * minutes)
        all_of_it = (await operator.get(f"/v1/transactions?charge_point={slow}&limit=50"))["items"]
        found = [one for one in all_of_it if one["connector_id"] == connector]
        # One that runs has its limit next to it; the longest has the most to draw.
        shown = min(found, key=lambda one: (one["stopped_at"] is not None, one["id"]))
        return Places(slow, connector, shown["id"], webhook_id)


async def _all_connected(operator: Operator, count: int) -> bool:
    found = (await operator.get("/v1/charge-points?limit=200"))["items"]
    return len([one for one in found if one["connected"]]) == count


async def _office(operator: Operator, webhooks: str) -> str:
    """Make tags, a list, users, keys and webhooks. Return the id of a webhook."""
    for tag, note in ((_TAG, "Pool car"), ("VISITOR-1", "Reception"), ("8A1F33D0", "Van of the workshop")):
        await operator.post("/v1/id-tags", {"id_tag": tag, "note": note})
    await operator.post("/v1/id-tags", {"id_tag": "LOST-0007", "status": "Blocked", "note": "Lost in May"})
    staff = {"name": "staff", "note": "Also without a connection", "id_tags": [_TAG, "8A1F33D0"]}
    await operator.post("/v1/local-lists", {**staff, "selector": {}})
    for name, role in (("ann@example.com", "operator"), ("bill@example.com", "viewer")):
        await operator.post("/v1/users", {"name": name, "role": role})
    end = (datetime.now(UTC) + timedelta(days=365)).strftime("%Y-%m-%dT00:00:00Z")
    await operator.post("/v1/api-keys", {"name": "billing", "scopes": ["read"], "expires_at": end})
    busy = {"url": f"{webhooks}/busy", "description": "Workshop", "event_types": ["connector.status_changed"]}
    await operator.post("/v1/webhooks", busy)
    types = ["transaction.started", "transaction.ended", "command.state_changed", "login.refused"]
    billing = {"url": f"{webhooks}/billing", "description": "Billing", "event_types": types}
    made = await operator.post("/v1/webhooks", billing)
    return str(made["id"])


async def _label(operator: Operator, client: httpx.AsyncClient, names: list[str]) -> None:
    for number, name in enumerate(names):
        site = "north" if number % 2 else "harbour"
        await client.patch(f"/v1/charge-points/{name}", json={"labels": {"site": site}})
    await operator.try_post(f"/v1/charge-points/{names[0]}/commands/GetConfiguration?wait=10")


async def _charge(operator: Operator, names: list[str]) -> tuple[str, int]:
    """Start transactions, and limit one of them. Return its charge point and connector."""
    for name in names[: len(names) // 2]:
        body = {"connectorId": 1, "idTag": _TAG}
        await operator.try_post(f"/v1/charge-points/{name}/commands/RemoteStartTransaction?wait=5", body)

    async def charging() -> Any:
        found = await operator.get("/v1/transactions?open=true&limit=50")
        return found["items"]

    running = await operator.until(charging)
    slow, connector = running[0]["charge_point"], running[0]["connector_id"]
    for profile_id, (purpose, level, limit, on) in enumerate(
        (
            ("ChargePointMaxProfile", 0, 20.0, 0),
            ("TxDefaultProfile", 0, 13.0, 0),
            ("TxDefaultProfile", 1, 9.0, connector),
        ),
        start=1,
    ):
        await operator.try_post(
            f"/v1/charge-points/{slow}/commands/SetChargingProfile?wait=10",
            {"connectorId": on, "csChargingProfiles": _profile(profile_id, purpose, level, limit)},
        )
    return slow, connector


def _profile(profile_id: int, purpose: str, level: int, limit: float) -> dict[str, Any]:
    start = datetime.now(UTC).strftime("%Y-%m-%dT00:00:00Z")
    periods = [{"startPeriod": 0, "limit": limit}, {"startPeriod": 64_800, "limit": limit - 3}]
    schedule = {"chargingRateUnit": "A", "startSchedule": start, "chargingSchedulePeriod": periods}
    return {
        "chargingProfileId": profile_id,
        "stackLevel": level,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": "Recurring",
        "recurrencyKind": "Daily",
        "chargingSchedule": schedule,
    }


async def _refused_logins(url: str) -> None:
    """Try to log in as charge points that are known or not, with a wrong password or without one."""
    for identity, password in (
        ("DEMO-00001", "wrong"),
        ("DEMO-00001", "wrong"),
        ("RDAM-7", "x"),
        ("DEMO-00002", ""),
    ):
        credentials = base64.b64encode(f"{identity}:{password}".encode()).decode()
        headers = {"Authorization": f"Basic {credentials}"} if password else {}
        address = f"ws{url.removeprefix('http')}/ocpp/demo/{identity}"
        with suppress(InvalidStatus):
            await connect(address, subprotocols=[Subprotocol("ocpp1.6")], additional_headers=headers)


async def _jobs(operator: Operator, names: list[str]) -> None:
    """Begin a job of each kind."""
    file_id = await operator.put_file("vw22-3.2.0.bin", _FIRMWARE)
    last = names[-1]
    update = {"file_id": file_id, "target_version": "3.2.0"}
    await operator.post(f"/v1/charge-points/{last}/firmware-updates", update)
    campaign = {
        **update,
        "name": "3.2.0 for the harbour",
        "targets": {"labels": ["site:harbour"]},
        "waves": {"canary": 1, "percents": [50, 50]},
        "stop_on_failures": {"count": 1, "percent": None},
    }
    made = await operator.post("/v1/firmware-campaigns", campaign)
    await operator.post(f"/v1/firmware-campaigns/{made['id']}/start")
    await operator.post(f"/v1/charge-points/{names[1]}/diagnostics", {"kind": "diagnostics"})
    await operator.post(f"/v1/charge-points/{names[1]}/diagnostics", {"kind": "security_log"})
    interval = {"key": "MeterValueSampleInterval", "value": "30"}
    bulk = {"action": "ChangeConfiguration", "payload": interval, "filter": {}}
    await operator.post("/v1/commands", bulk)
    for action, body in (
        ("TriggerMessage", {"requestedMessage": "Heartbeat"}),
        ("UnlockConnector", {"connectorId": 9}),
    ):
        await operator.try_post(f"/v1/charge-points/{names[2]}/commands/{action}?wait=10", body)


async def _certificates(operator: Operator, names: list[str]) -> None:
    """Make an authority, and let charge points ask for certificates."""
    authority = {"organization": "Demo", "key_type": "ecdsa_p256", "years": 10, "certificate_days": 60}
    await operator.post("/v1/certificate-authority", authority)
    for name in names[:3]:
        path = f"/v1/charge-points/{name}/commands"
        await operator.try_post(f"{path}/ChangeConfiguration?wait=10", {"key": "CpoName", "value": "Demo"})
        asked = {"requestedMessage": "SignChargePointCertificate"}
        await operator.try_post(f"{path}/ExtendedTriggerMessage?wait=10", asked)


async def _reserve_one(operator: Operator, names: list[str]) -> bool:
    """Reserve a connector that is free. Return whether one was.

    names: charge points that get no firmware, which would cancel it.
    """
    until = (datetime.now(UTC) + timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M:00Z")
    for name in names:
        connectors = (await operator.get(f"/v1/charge-points/{name}/connectors"))["items"]
        free = [one for one in connectors if one["connector_id"] > 0 and one["status"] == "Available"]
        if free:
            body = {"connector_id": free[0]["connector_id"], "id_tag": _TAG, "expires_at": until}
            made = await operator.post(f"/v1/charge-points/{name}/reservations?wait=10", body)
            return bool(made["state"] == "reserved")
    return False
