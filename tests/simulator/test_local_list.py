"""The rules of the local list of a simulated charge point, on-line and off-line."""

from datetime import UTC, datetime
from typing import Any

import pytest

from app.simulator.charge_point import VirtualChargePoint
from app.simulator.commands import answer
from app.simulator.persona import make_fleet

ORIGIN = datetime(2026, 3, 1, 6, 0, tzinfo=UTC)
Json = dict[str, Any]


def charge_point() -> VirtualChargePoint:
    return VirtualChargePoint(make_fleet(1, "lists")[0], ORIGIN)


def entry(id_tag: str, status: str = "Accepted", **more: Any) -> Json:
    return {"idTag": id_tag, "idTagInfo": {"status": status, **more}}


def update(version: int, kind: str, *entries: Json) -> Json:
    return {"listVersion": version, "updateType": kind, "localAuthorizationList": list(entries)}


@pytest.mark.parametrize(
    ("request_", "status", "version"),
    [
        pytest.param(update(2, "Full", entry("A")), "Accepted", 2, id="full with an older version"),
        pytest.param(update(6, "Differential", entry("B")), "Accepted", 6, id="change"),
        pytest.param(update(5, "Differential", entry("B")), "VersionMismatch", 5, id="same version"),
        pytest.param(update(0, "Full", entry("B")), "Failed", 5, id="version 0"),
        pytest.param(update(6, "Full", {"idTag": "B"}), "Failed", 5, id="full without a status"),
        pytest.param(
            update(6, "Differential", *(entry(f"N{n}") for n in range(101))), "Failed", 5, id="too many"
        ),
    ],
)
def test_an_update_is_judged(request_: Json, status: str, version: int) -> None:
    point = charge_point()
    assert answer(point, "SendLocalList", update(5, "Full", entry("KEPT"))) == {"status": "Accepted"}
    assert answer(point, "SendLocalList", request_) == {"status": status}
    assert answer(point, "GetLocalListVersion", {}) == {"listVersion": version}


def test_without_the_key_there_is_no_list() -> None:
    point = charge_point()
    assert answer(point, "GetLocalListVersion", {}) == {"listVersion": 0}
    point.configuration.change("LocalAuthListEnabled", "false")
    assert answer(point, "SendLocalList", update(1, "Full")) == {"status": "NotSupported"}
    assert answer(point, "GetLocalListVersion", {}) == {"listVersion": -1}


@pytest.mark.parametrize(
    ("id_tag", "permitted"),
    [("GOOD", True), ("good", True), ("BAD", False), ("OVER", False), ("STRANGER", False)],
)
def test_the_list_decides_while_off_line(id_tag: str, permitted: bool) -> None:
    point = charge_point()
    point.configuration.change("AllowOfflineTxForUnknownId", "false")
    over = entry("OVER", expiryDate="2026-02-01T00:00:00Z")
    answer(point, "SendLocalList", update(1, "Full", entry("GOOD"), entry("BAD", "Blocked"), over))
    seen: list[bool] = []
    point.authorize(id_tag, seen.append)
    assert seen == [permitted]
