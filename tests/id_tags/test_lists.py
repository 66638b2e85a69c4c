"""Import and export of all tags: what goes out comes in again, and no cell is a formula."""

import csv
import io
from typing import Any

import pytest

from app.errors import InvalidInput
from app.id_tags import spreadsheet
from app.id_tags.records import IdTagRecord
from app.tenants.records import TenantRecord
from tests.support.api import NOW, Api

LIST = "/v1/id-tag-list"
TAGS = "/v1/id-tags"
CSV = {"Content-Type": "text/csv"}
FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "'", "'=1", "''"]


async def put(api: Api, token: str, text: str | bytes) -> Any:
    content = text.encode() if isinstance(text, str) else text
    return await api.call("POST", LIST, token, content=content, headers=CSV)


async def exported(api: Api, token: str) -> list[dict[str, str]]:
    answer = await api.call("GET", LIST, token, headers={"Accept": "text/csv"})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(answer.text, newline="")))


@pytest.mark.parametrize("media_type", ["text/csv", "application/json"])
async def test_what_was_exported_can_be_imported_again(
    api: Api, operator: TenantRecord, token: str, media_type: str
) -> None:
    await api.charge_point(operator, "RDAM-1")
    await api.charge_point(operator, "=RDAM|2")
    tags: list[dict[str, Any]] = [
        {"id_tag": "=A1", "note": 'a "quoted", note\nof two lines'},
        {"id_tag": "b", "status": "Blocked", "expires_at": "2027-01-01T00:00:00Z", "parent_id_tag": "@G"},
        {"id_tag": "C", "max_active_transactions": 0, "charge_points": ["RDAM-1", "=RDAM|2"]},
        {"id_tag": "D", "charge_points": []},
        {"id_tag": "DE*8AA*CA2B3C4D5*L0123", "note": "'quote"},
    ]
    made = await api.call("POST", LIST, token, json=tags)
    assert (made.status_code, made.json()) == (200, {"created": 5, "changed": 0})
    before = (await api.call("GET", TAGS, token)).json()["items"]
    first = await api.call("GET", LIST, token, headers={"Accept": media_type})
    for item in before:
        await api.call("DELETE", f"{TAGS}/{item['id_tag'].replace('*', '%2A')}", token)
    assert (await api.call("GET", LIST, token)).json() == []
    if media_type == "application/json":
        again = await api.call("POST", LIST, token, json=first.json())
    else:
        again = await put(api, token, first.content)
    assert again.json() == {"created": 5, "changed": 0}
    after = (await api.call("GET", TAGS, token)).json()["items"]
    times = {"created_at", "updated_at"}
    assert [{**tag, **dict.fromkeys(times)} for tag in after] == [
        {**tag, **dict.fromkeys(times)} for tag in before
    ]


@pytest.mark.parametrize("text", FORMULAS)
def test_no_cell_is_a_formula_and_each_is_read_as_it_was(text: str) -> None:
    tag = IdTagRecord(1, text, text, "Accepted", None, None, None, text, NOW, NOW)
    written = spreadsheet.header_line() + spreadsheet.lines([tag])
    for row in list(csv.reader(io.StringIO(written, newline="")))[1:]:
        assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in row)
    (fields,) = spreadsheet.read_rows(written)
    assert (fields["id_tag"], fields["note"]) == (text, text)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "bad_columns"),
        ("status\r\nAccepted\r\n", "bad_columns"),
        ("id_tag,colour\nA,red\n", "bad_columns"),
        ("id_tag,note,note\nA,1,2\n", "bad_columns"),
        ("id_tag\nA,B\n", "too_many_cells"),
        ('id_tag\n"A"B\n', "not_csv"),
    ],
)
def test_a_table_that_is_not_understood_is_refused(text: str, code: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        spreadsheet.read_rows(text)
    assert {violation.code for violation in refused.value.violations} == {code}


@pytest.mark.parametrize(
    "text",
    [
        "id_tag,status,max_active_transactions\r\nA,Blocked,2\r\n\r\n",
        "\ufeffID_TAG;Status;max_active_transactions\nA;Blocked;2\n",
        'max_active_transactions,"id_tag",status\n2,A,Blocked',
    ],
)
async def test_spreadsheet_programs_write_csv_in_several_ways(api: Api, token: str, text: str) -> None:
    assert (await put(api, token, text)).json() == {"created": 1, "changed": 0}
    (tag,) = await exported(api, token)
    assert (tag["id_tag"], tag["status"], tag["max_active_transactions"]) == ("A", "Blocked", "2")


async def test_fields_that_are_not_given_stay(api: Api, token: str) -> None:
    body = {"id_tag": "Abc", "note": "car 7", "max_active_transactions": 3}
    await api.call("POST", TAGS, token, json=body)
    counts = await put(api, token, "id_tag,status\nABC ,Blocked\nNEW,\n")
    assert counts.json() == {"created": 1, "changed": 1}
    known, new = await exported(api, token)
    assert (known["id_tag"], known["status"], known["note"]) == ("ABC", "Blocked", "car 7")
    assert known["max_active_transactions"] == "3"
    assert (new["id_tag"], new["status"]) == ("NEW", "Accepted")
    assert (await put(api, token, "id_tag,note\nabc,\n")).json() == {"created": 0, "changed": 1}
    assert [tag["note"] for tag in await exported(api, token)] == ["", ""]


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ([{"id_tag": "A"}, {"id_tag": ""}], ["/1/id_tag"]),
        ([{"id_tag": "A"}, {"note": "x"}], ["/1/id_tag"]),
        ([{"id_tag": "A"}, {"id_tag": "a "}], ["/1/id_tag"]),
        ([{"id_tag": "A", "charge_points": ["RDAM-9"]}], ["/0/charge_points"]),
        (
            [{"id_tag": "A", "status": "Lost"}, {"id_tag": "B", "expires_at": "now"}],
            ["/0/status", "/1/expires_at"],
        ),
        ([{"id_tag": "A", "colour": "red"}], ["/0/colour"]),
    ],
)
async def test_an_import_with_a_fault_changes_nothing(
    api: Api, token: str, body: list[dict[str, Any]], pointers: list[str]
) -> None:
    refused = await api.call("POST", LIST, token, json=body)
    assert refused.status_code == 422
    assert [error["pointer"] for error in refused.json()["errors"]] == pointers
    assert (await api.call("GET", LIST, token)).json() == []


@pytest.mark.parametrize(
    ("content", "media_type", "status"),
    [
        (b"[", "application/json", 400),
        (b"[]", "text/plain", 415),
        (b"id_tag\n\xff\n", "text/csv", 422),
        (b'[{"id_tag":"A","id_tag":"B"}]', "application/json", 422),
        (b"id_tag\n" + b"A\n" * 2_100_000, "text/csv", 413),
    ],
)
async def test_a_body_that_is_not_a_list_is_refused(
    api: Api, token: str, content: bytes, media_type: str, status: int
) -> None:
    headers = {"Content-Type": media_type}
    answer = await api.call("POST", LIST, token, content=content, headers=headers)
    assert answer.status_code == status


async def test_many_tags_are_imported_and_exported_in_pages(api: Api, token: str) -> None:
    text = "id_tag\n" + "".join(f"T{number:05}\n" for number in range(2500))
    assert (await put(api, token, text)).json() == {"created": 2500, "changed": 0}
    assert (await put(api, token, text)).json() == {"created": 0, "changed": 2500}
    assert len((await api.call("GET", LIST, token)).json()) == 2500
    assert [tag["id_tag"] for tag in await exported(api, token)][-1] == "T02499"


async def test_an_import_needs_the_scope_to_write(api: Api, operator: TenantRecord) -> None:
    reader = await api.key(operator, "read")
    assert (await api.call("GET", LIST, reader)).status_code == 200
    assert (await api.call("POST", LIST, reader, json=[])).status_code == 403
