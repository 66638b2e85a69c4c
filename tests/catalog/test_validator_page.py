"""The page of the validator, without a script: form, permalink, marks, repaired form, answer, limits."""

import re
from urllib.parse import urlencode

import httpx
import pytest
from fastapi import FastAPI

from app.catalog.catalog import Catalog, ProtocolCatalog
from app.catalog.pages.rendering import Pages
from app.catalog.pages.routes import page_routes
from app.catalog.pages.validator import PERMALINK_LIMIT, examine, examples
from app.catalog.pages.validator import Form as Typed
from app.catalog.routes.validation import BODY_LIMIT_BYTES, ValidationLimit
from app.web.problems import install_error_handlers
from tests.catalog.test_pages import Reader

PATH = "/protocols/ocpp-16j/validator"
NO_MODEL = '[2,"19","BootNotification",{"chargePointVendor":5}]'


async def show(client: httpx.AsyncClient, **fields: str) -> httpx.Response:
    return await client.post(PATH, data=fields)


def words(answer: httpx.Response) -> str:
    return Reader(answer.text).text


async def test_the_empty_form_is_a_page_among_the_others(client: httpx.AsyncClient) -> None:
    for answer in (await client.get(PATH), await client.get(f"{PATH}?utm=1")):
        assert answer.status_code == 200
        assert "form-action 'self'" in answer.headers["content-security-policy"]
        assert "unsafe" not in answer.headers["content-security-policy"]
        assert "Verdict" not in words(answer)
    for page in ("/protocols", "/protocols/ocpp-16j"):
        assert PATH in Reader((await client.get(page)).text).links()


async def test_a_broken_rule_is_shown_at_its_place(client: httpx.AsyncClient) -> None:
    answer = await show(client, text=NO_MODEL)
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    text = words(answer)
    assert "Invalid BootNotification" in text
    assert "/chargePointModel: a required field is missing" in text
    assert re.search(r'"chargePointModel": … missing 1', text)
    assert re.search(r'"chargePointVendor": 5 2', text)
    assert '"ProtocolError"' in text
    links = Reader(answer.text).links()
    assert {"#finding-1", "#finding-2", "/protocols/ocpp-16j/deviations#not_a_string"} <= set(links)


async def test_what_is_repaired_is_shown_after_the_repair_with_the_answer(client: httpx.AsyncClient) -> None:
    frame = '[2,7,"heartbeat",[]]'
    text = words(await show(client, text=frame))
    assert "Tolerated heartbeat" in text
    repaired = text.partition("The repaired form")[2]
    assert '[ 2, "7", "Heartbeat", {} ]' in repaired
    assert "A CALLRESULT such as this one" in repaired
    assert '"currentTime"' in repaired


async def test_a_text_that_is_not_json_is_marked_as_it_is(client: httpx.AsyncClient) -> None:
    answer = await show(client, text='[2,"1","Heartbeat",\r\n{"a":,}]')
    sent = words(answer).partition("As it was sent")[2].partition("The repaired form")[0]
    assert re.search(r'\{"a":,\}\] \d', sent)


async def test_a_payload_alone_is_judged(client: httpx.AsyncClient) -> None:
    wrong = await show(client, text='{"type":"Softly"}', action="Reset", strict="true")
    assert "Invalid Reset" in words(wrong)
    right = await show(client, text='{"status":"Accepted"}', action="Reset", direction="response")
    assert "Valid Reset" in words(right)
    assert "Nothing is answered" in words(right)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"text": "{", "action": "Reset"}, "is not JSON"),
        ({"text": "{}", "action": "Reste"}, "There is no such action"),
        ({"text": "{}"}, "Unreadable"),
    ],
)
async def test_what_cannot_be_judged_is_said_on_the_page(
    client: httpx.AsyncClient, fields: dict[str, str], said: str
) -> None:
    answer = await show(client, **fields)
    assert answer.headers["content-type"].startswith("text/html")
    assert said in words(answer)
    assert fields["text"] in answer.text


async def test_a_permalink_shows_the_same(client: httpx.AsyncClient) -> None:
    posted = await show(client, text=NO_MODEL, sender="charge_point", strict="true")
    (link,) = [
        found for found in Reader(posted.text).links() if found.startswith(f"{PATH}?text=%5B2%2C%2219")
    ]
    followed = await client.get(link)
    assert words(followed) == words(posted)


async def test_a_long_frame_has_no_permalink(client: httpx.AsyncClient) -> None:
    frame = f'[2,"1","DataTransfer",{{"vendorId":"V","data":"{"x" * PERMALINK_LIMIT}"}}]'
    posted = await show(client, text=frame)
    assert "Valid DataTransfer" in words(posted)
    assert "Permalink" not in words(posted)
    assert (await client.get(f"{PATH}?{urlencode({'text': frame})}")).status_code == 422


async def test_every_example_shows_its_deviation(protocol: ProtocolCatalog) -> None:
    assert protocol.core is not None
    offered = examples(protocol, PATH)
    assert len(offered) == 10
    for example in offered:
        query = dict(httpx.QueryParams(example.href.partition("?")[2]))
        result = examine(protocol, protocol.core, Typed.read(query))
        assert result.findings, example.title


async def test_what_was_typed_is_escaped(client: httpx.AsyncClient) -> None:
    answer = await show(client, text='[2,"1","</textarea><script>alert(1)</script>",{}]')
    assert "<script" not in answer.text
    assert answer.text.count("</textarea>") == 1


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"text=" + b"x" * (BODY_LIMIT_BYTES + 1), 413),
        (b"x" * (3 * BODY_LIMIT_BYTES + 2000), 413),
        (b"text=%FF", 422),
        (b"&".join(b"a%d=1" % number for number in range(30)), 422),
    ],
    ids=["a long text", "a long form", "no UTF-8", "too many fields"],
)
async def test_a_form_has_limits(client: httpx.AsyncClient, body: bytes, status: int) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = await client.post(PATH, content=body, headers=headers)
    assert (answer.status_code, 'role="alert"' in answer.text) == (status, True)


async def test_deeply_nested_text_is_judged(client: httpx.AsyncClient) -> None:
    answer = await show(client, text="[" * 50_000 + "]" * 50_000)
    assert (answer.status_code, "Unreadable" in words(answer)) == (200, True)


async def test_the_page_shares_the_limit_of_the_api(catalog: Catalog) -> None:
    application = FastAPI()
    application.router.routes.extend(page_routes(catalog, ValidationLimit(1)))
    install_error_handlers(application)
    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(transport=transport, base_url="http://catalog") as client:
        assert (await show(client, text="x")).status_code == 200
        refused = await show(client, text="x")
        assert (refused.status_code, refused.headers["content-type"]) == (429, "text/html; charset=utf-8")
        assert int(refused.headers["retry-after"]) >= 1
        assert (await client.get(PATH)).status_code == 200


def test_only_the_search_and_this_page_have_a_form(catalog: Catalog) -> None:
    having = {
        path
        for path, document in Pages(catalog).documents.items()
        if "form" in {tag for tag, _ in Reader(document.body.decode()).elements}
    }
    assert having == {
        "/protocols",
        *(path for path in Pages(catalog).documents if path.endswith("/validator")),
    }
