"""Each command of docs/deviations.md, as an operator would run it."""

import re
import shutil

import pytest

from app.deviations.recorder import CALLS_INTERVAL_S, CODES_LIMIT, WRITE_INTERVAL_S
from app.deviations.records import Family, Severity
from app.deviations.rules import LEAST_CALLS, WEIGHTS
from app.deviations.store import SOFTWARE_OF_CHARGE_POINT, SOFTWARE_OF_TENANT
from tests.deviations.counting import STATUS
from tests.gateway.conftest import server
from tests.support.gateway import GatewayServer
from tests.support.operator_page import OperatorPage

__all__ = ["server"]

TEXT = OperatorPage("deviations.md").text


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
async def test_the_commands_show_what_a_charge_point_does_wrong(server: GatewayServer) -> None:
    page = OperatorPage("deviations.md")
    await page.log_in(server)
    await server.register("RDAM-1", registration_status="Accepted")
    client = await server.connect("RDAM-1")
    boot = {"chargePointVendor": "Example", "chargePointModel": "Fast", "firmwareVersion": "2.4.1"}
    assert (await client.call("BootNotification", boot))[0] == 3
    wrong = {**STATUS, "timestamp": "2026-05-04 08:15:30"}
    for number in range(120):
        assert (await client.call("StatusNotification", wrong if number < 30 else STATUS, str(number)))[
            0
        ] == 3
    await server.deviations.flush()
    await server.flush()
    dictionary, entry, everything, one, since, scores, narrowed = [
        await page.run(command) for command in page.commands
    ]
    assert entry in dictionary["deviations"]
    assert [(item["code"], item["count"]) for item in everything["items"]] == [("bad_date_time", 30)]
    assert one == since == everything
    assert everything["items"][0]["entry"] == entry["href"]
    assert scores == narrowed
    (score,) = scores["items"]
    assert (score["calls"], score["charge_points"], score["score"]) == (121, 1, 50.2)
    frames = everything["items"][0]["last_example"]["frames"]
    shown = await page.run(f'curl -s -H "Authorization: Bearer $KEY" "$SERVER{frames}"')
    assert '"29"' in "".join(frame["text"] for frame in shown["items"])


def test_the_page_names_each_severity_with_its_weight() -> None:
    for severity in Severity:
        assert re.search(rf"^\| `{severity}` \|.*\| {WEIGHTS[severity]} \|$", TEXT, re.MULTILINE)


def test_the_page_names_each_family() -> None:
    assert [family for family in Family if f"`{family}`" not in TEXT] == []


@pytest.mark.parametrize(
    "text",
    [
        f"every {WRITE_INTERVAL_S:.0f} seconds, all others every {CALLS_INTERVAL_S:.0f} seconds",
        f"null under {LEAST_CALLS} CALLs",
        f"At most {CODES_LIMIT // 1000} 000 of them",
        f"its newest {SOFTWARE_OF_CHARGE_POINT} kinds",
        f"At most {SOFTWARE_OF_TENANT} kinds",
    ],
)
def test_the_page_names_the_limits(text: str) -> None:
    assert text in " ".join(TEXT.split())
