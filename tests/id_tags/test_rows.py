"""`/v1/id-tag-rows` and `PUT` of an id tag: each row is stored or refused by itself."""

from typing import Any

from app.tenants.records import TenantRecord
from tests.support.api import Api

PATH, ROWS = "/v1/id-tags", "/v1/id-tag-rows"


def ends(outcomes: dict[str, Any]) -> list[tuple[str | None, str]]:
    return [(item["key"], item["result"]) for item in outcomes["items"]]


async def test_a_bad_row_does_not_cost_its_neighbours(api: Api, operator: TenantRecord, token: str) -> None:
    await api.charge_point(operator, "RDAM-1")
    rows = [
        {"id_tag": "A1", "charge_points": ["RDAM-1"], "expires_at": "2030-01-01T00:00:00Z"},
        {"id_tag": "A2", "charge_points": ["nowhere"]},
        {"id_tag": "a1"},
        {"id_tag": "A3", "status": "Odd"},
        {"id_tag": "A4"},
    ]
    outcomes = (await api.call("POST", ROWS, token, json=rows)).json()
    assert [result for _, result in ends(outcomes)] == ["created", "error", "error", "error", "created"]
    pointers = [item["errors"][0]["pointer"] for item in outcomes["items"] if item["errors"]]
    assert pointers == ["/charge_points", "/id_tag", "/status"]
    again = (await api.call("POST", ROWS, token, json=[rows[0], {"id_tag": "a4", "note": "x"}])).json()
    assert ends(again) == [("A1", "unchanged"), ("a4", "updated")]


async def test_csv_rows_are_taken_by_mode(api: Api, token: str) -> None:
    await api.call("POST", PATH, token, json={"id_tag": "A1"})
    text, headers = "id_tag,note\nA1,'=x\nA2,y\nA3,a,b\n", {"Content-Type": "text/csv"}
    query = {"mode": "update"}
    response = await api.call("POST", ROWS, token, content=text, headers=headers, params=query)
    assert ends(response.json()) == [("A1", "updated"), ("A2", "error"), (None, "error")]
    assert (await api.call("GET", f"{PATH}/A1", token)).json()["note"] == "=x"


async def test_put_creates_replaces_and_repeats(api: Api, token: str) -> None:
    body = {"note": "Pool car 7", "max_active_transactions": 1}
    created = await api.call("PUT", f"{PATH}/B4A6", token, json=body)
    assert (created.status_code, created.headers["location"]) == (201, f"{PATH}/B4A6")
    same = await api.call("PUT", f"{PATH}/b4a6", token, json=body)
    assert (same.status_code, same.json(), same.headers["etag"]) == (
        200,
        created.json(),
        created.headers["etag"],
    )
    replaced = (await api.call("PUT", f"{PATH}/B4A6", token, json={"status": "Blocked"})).json()
    assert (replaced["status"], replaced["note"], replaced["max_active_transactions"]) == (
        "Blocked",
        None,
        None,
    )
    stale = await api.call("PUT", f"{PATH}/C", token, json={}, headers={"If-Match": '"x"'})
    assert stale.status_code == 412
