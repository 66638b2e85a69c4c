"""The dictionary of deviations: the list, one entry, and its page."""

import httpx

from app.deviations.dictionary import dictionary
from tests.support.catalog import ROOT


async def test_the_list_has_each_entry_of_the_dictionary(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"{ROOT}/deviations", headers={"Accept-Encoding": "gzip"})
    body = answer.json()
    assert [entry["code"] for entry in body["deviations"]] == list(dictionary())
    assert (body["protocol"], body["count"]) == ("ocpp-16j", len(dictionary()))
    assert answer.headers["cache-control"] == "public, max-age=300"
    assert answer.headers["content-encoding"] == "gzip"
    held = {"If-None-Match": answer.headers["etag"]}
    unchanged = await client.get(f"{ROOT}/deviations", headers=held)
    assert (unchanged.status_code, unchanged.content) == (304, b"")


async def test_an_entry_is_that_of_the_list(client: httpx.AsyncClient) -> None:
    for entry in (await client.get(f"{ROOT}/deviations")).json()["deviations"]:
        assert (await client.get(entry["href"])).json() == entry


async def test_an_entry_is_shown_whole(client: httpx.AsyncClient) -> None:
    assert (await client.get(f"{ROOT}/deviations/unique_id_spelling")).json() == {
        "code": "unique_id_spelling",
        "family": "frames",
        "severity": "cosmetic",
        "seen": "An answer spells the unique id of the CALL in another case, or with blanks around it.",
        "handling": "It answers the CALL that is meant.",
        "section": "OCPP-J 1.6, 4.1.4",
        "advice": "Send the unique id back as it came.",
        "example": ['[3,"7F9A3AD0-9D5E-4B52-9F3C-5B1C4F1A2E77",{"status":"Accepted"}]'],
        "answers": '[2,"7f9a3ad0-9d5e-4b52-9f3c-5b1c4f1a2e77","ClearCache",{}]',
        "also": [],
        "sent_as": "text",
        "href": f"{ROOT}/deviations/unique_id_spelling",
    }


async def test_a_misspelt_code_gets_a_hint(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"{ROOT}/deviations/bad_datetime")
    assert answer.status_code == 404
    assert "bad_date_time" in answer.json()["detail"]
    assert (await client.get(f"{ROOT}/deviations?family=frames")).status_code == 422


async def test_the_page_shows_each_entry_with_nothing_invisible(client: httpx.AsyncClient) -> None:
    page = (await client.get("/protocols/ocpp-16j/deviations")).text
    for code in dictionary():
        assert f'id="{code}"' in page
    assert not {"\x00", "\ufeff"} & set(page)
    assert "\\u0000[2," in page
    assert '<a href="/protocols/ocpp-16j/deviations">' in (await client.get("/protocols/ocpp-16j")).text
